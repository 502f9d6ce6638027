"""One run: steps, looks, checkpoints, early stopping. The same data, settings and seed give the same weights."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tellapart.errors import TellapartError
from tellapart.learning.training.batches import IdentityBatches
from tellapart.learning.training.checkpoints import (
    Checkpoint,
    named,
    optimiser_tensors,
    read_checkpoint,
    restore_optimiser,
    under,
    write_checkpoint,
)
from tellapart.learning.training.health import Health, examine, refuse_nan, suspects
from tellapart.learning.training.history import History, Look
from tellapart.learning.training.settings import Settings
from tellapart.progress import Progress, silent

SUSPECTS = 10
"""Pairs listed at each look."""

BATCH = 256
"""Samples encoded at once when nothing is learned (our choice)."""

CLIPPED = 5.0
"""Longest gradient (our choice): a margin's exact gradient is unbounded near its centre."""

Watch = Callable[[Look], None]


class Samples(Protocol):
    """Labelled samples: what of them a network is fed, in training and when it is judged."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """Identity of each sample (n,)."""
        ...

    @property
    def sources(self) -> tuple[str, ...]:
        """What each sample is called."""
        ...

    def training(self, rows: NDArray[np.int64], draw: torch.Generator) -> Tensor:
        """Give inputs of some rows, changed at random."""
        ...

    def plain(self, rows: NDArray[np.int64]) -> Tensor:
        """Give inputs of some rows as they are."""
        ...

    def digest(self) -> str:
        """Hash the samples."""
        ...


class Trainer:
    """Trains a network under an objective; call `run`."""

    def __init__(
        self,
        network: nn.Module,
        objective: nn.Module,
        samples: Samples,
        settings: Settings,
        *,
        held_out: Samples | None = None,
        folder: Path | None = None,
    ) -> None:
        """Prepare a run.

        Args:
            network: Inputs to features (n, dim).
            objective: Features and labels to a loss; its parameters are trained as well.
            samples: Learned from.
            settings: Of the run.
            held_out: Identities to judge by; None = no judging, the last weights are kept.
            folder: Of the checkpoint; None = none is written.
        """
        self.network, self.objective = network, objective
        self.samples, self.held_out, self.settings = samples, held_out, settings
        self.folder = folder
        self.batches = IdentityBatches.of(
            samples.labels, identities=settings.identities, samples=settings.samples, seed=settings.seed
        )
        modules = nn.ModuleList([network, objective])
        decayed = [p for p in modules.parameters() if p.ndim > 1]
        plain = [p for p in modules.parameters() if p.ndim <= 1]
        self.optimiser = torch.optim.AdamW(
            [{"params": decayed}, {"params": plain, "weight_decay": 0.0}],
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
        )
        self.average = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
        self.best = dict(self.average)
        self.history = History()
        self.step = 0

    def run(self, *, progress: Progress = silent, watch: Watch | None = None) -> History:
        """Train to the end, from the last checkpoint if there is one; leaves the judged weights in the network."""
        self._resume()
        since, done, losses = time.perf_counter(), 0, []
        with progress(f"training ({self.settings.objective})", self.settings.steps) as advance:
            advance(self.step)
            while self.step < self.settings.steps and self.history.since_best() < self.settings.patience:
                losses.append(self._step())
                done += self.batches.size
                self.step += 1
                advance(1)
                if self.step % self.settings.check_every == 0 or self.step == self.settings.steps:
                    look = self._look(float(np.mean(losses)), done, time.perf_counter() - since)
                    self.history = self.history.with_look(look)
                    if self.history.since_best() == 0:
                        self.best = {name: tensor.clone() for name, tensor in self.average.items()}
                    self._write()
                    if watch:
                        watch(look)
                    since, done, losses = time.perf_counter(), 0, []
        self.network.load_state_dict(self.best)
        self.network.eval()
        return self.history

    def features(self, samples: Samples, rows: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
        """Features (n, dim) of samples, not normalised, by the network as it is; None = all rows."""
        chosen = np.arange(len(samples.labels)) if rows is None else rows
        self.network.eval()
        with torch.inference_mode():
            parts = [
                self._forward(samples.plain(chosen[start : start + BATCH]))
                for start in range(0, len(chosen), BATCH)
            ]
        return torch.cat(parts).numpy()

    def judge(self, samples: Samples) -> Health:
        """Say what the averaged weights are worth on samples; training goes on as if nothing had happened."""
        kept = {name: tensor.clone() for name, tensor in self.network.state_dict().items()}
        self.network.load_state_dict(self.average)
        health = examine(self.features(samples), samples.labels)
        self.network.load_state_dict(kept)
        return health

    def _step(self) -> float:
        rows = self.batches.rows(self.step)
        draw = torch.Generator().manual_seed(self.settings.seed * 1_000_003 + self.step)
        torch.manual_seed(self.settings.seed * 1_000_003 + self.step)  # dropout draws from the global stream
        labels = torch.from_numpy(self.samples.labels[rows])
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.rate(self.step)
        self.network.train()
        self.optimiser.zero_grad()
        features = self._forward(self.samples.training(rows, draw))
        features.retain_grad()
        loss: Tensor = self.objective(features, labels)
        loss.backward()
        names = [self.samples.sources[row] for row in rows.tolist()]

        def alone(row: int) -> float:
            with torch.no_grad():
                return float(self.objective(features[row : row + 1], labels[row : row + 1]))

        refuse_nan(self.step, loss, features, alone, names)
        parameters = [p for group in self.optimiser.param_groups for p in group["params"]]
        torch.nn.utils.clip_grad_norm_(parameters, CLIPPED)
        self.optimiser.step()
        self._follow()
        self._last = features.detach(), labels, names
        return float(loss.detach())

    def _forward(self, inputs: Tensor) -> Tensor:
        if not self.settings.half:
            features: Tensor = self.network(inputs)
            return features
        with torch.autocast("cpu", torch.bfloat16):
            features = self.network(inputs)
        return features.float()

    def _follow(self) -> None:
        """Move the average towards the weights; in the first steps it is their plain mean."""
        decay = min(self.settings.average, self.step / (self.step + 1))
        with torch.no_grad():
            for name, tensor in self.network.state_dict().items():
                if tensor.is_floating_point():
                    self.average[name].lerp_(tensor, 1 - decay)
                else:
                    self.average[name].copy_(tensor)

    def _look(self, loss: float, done: int, seconds: float) -> Look:
        health = self.judge(self.held_out) if self.held_out is not None else None
        return Look(
            step=self.step,
            loss=loss,
            rate=self.settings.rate(self.step - 1),
            per_second=done / seconds,
            seconds=self.history.seconds + seconds,
            health=health,
            suspects=tuple(suspects(*self._last, most=SUSPECTS)),
        )

    def _identity(self) -> dict[str, Any]:
        """What must be the same for a run to be resumed."""
        held_out = self.held_out.digest() if self.held_out is not None else ""
        return {"settings": asdict(self.settings), "samples": self.samples.digest(), "held_out": held_out}

    def _write(self) -> None:
        if self.folder is None:
            return
        tensors = {
            **named("network", self.network.state_dict()),
            **named("objective", self.objective.state_dict()),
            **named("optimiser", optimiser_tensors(self.optimiser)),
            **named("average", self.average),
            **named("best", self.best),
        }
        state = {"step": self.step, "history": self.history.to_json(), "run": self._identity()}
        write_checkpoint(self.folder, Checkpoint(tensors, state))

    def _resume(self) -> None:
        checkpoint = read_checkpoint(self.folder) if self.folder else None
        if checkpoint is None:
            return
        if checkpoint.state["run"] != self._identity():
            raise TellapartError(
                f"{self.folder} holds an unfinished run with other settings or data: finish that one, or remove it"
            )
        tensors = checkpoint.tensors
        self.network.load_state_dict(under("network", tensors))
        self.objective.load_state_dict(under("objective", tensors))
        restore_optimiser(self.optimiser, under("optimiser", tensors))
        self.average, self.best = under("average", tensors), under("best", tensors)
        self.history = History.from_json(checkpoint.state["history"])
        self.step = int(checkpoint.state["step"])

"""The training loop: steps, looks, checkpoints, early stopping, on any device and any number of workers.

The same data, options, seed and device give the same weights, also after kill -9. With several workers each takes its
part of every batch; the network's gradients are added up. Centres that are spread over workers move inside the
backward pass; any other objective sees the whole batch on every worker.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tellapart.errors import TellapartError
from tellapart.learning.centres.checkpoint import load
from tellapart.learning.centres.loss import ShardedSoftmax
from tellapart.learning.centres.workers import Workers
from tellapart.learning.objectives.vectors import NotFiniteError, refuse_not_finite
from tellapart.learning.training.checkpoints import (
    Checkpoint,
    named,
    optimiser_tensors,
    read_checkpoint,
    restore_optimiser,
    under,
    write_checkpoint,
)
from tellapart.learning.training.feeding import Batch, Feed, Samples
from tellapart.learning.training.health import VectorQuality, examine, refuse_nan, suspects
from tellapart.learning.training.history import History, Look
from tellapart.learning.training.options import Optimizer, Precision, Schedule, TrainingOptions
from tellapart.progress import Progress, silent

SUSPECTS = 10
"""Pairs listed at each look."""

BATCH = 256
"""Samples encoded at once when nothing is learned; it changes time and memory, never a vector."""

FREE = frozenset({"check_every", "save_every", "patience"})
"""Options that may change when a run goes on; with a constant learning rate the steps as well."""

Watch = Callable[[Look], None]
Rank1 = Callable[[nn.Module], tuple[float, int]]
"""Gives the share of unseen samples whose nearest centre is their own, and how many there are."""


class Trainer:
    """Trains a network under an objective; call `run`."""

    def __init__(
        self,
        network: nn.Module,
        objective: nn.Module,
        feed: Feed,
        options: TrainingOptions,
        *,
        held_out: Samples | None = None,
        rank1: Rank1 | None = None,
        folder: Path | None = None,
        device: torch.device | str = "cpu",
        workers: Workers | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        """Prepare a run.

        Args:
            network: Inputs to features (n, dim).
            objective: Features and labels to a loss; its parameters are trained as well.
            feed: Batches to learn from.
            options: Of the run.
            held_out: Identities to judge by; None = no judging, the last weights are kept.
            rank1: Judges by the centres instead.
            folder: Of the checkpoints; None = none are written.
            device: Where network, objective and batches are.
            workers: Who else takes part; None = nobody.
            facts: What else must be the same for a run to go on, by the name of its option.
        """
        self.device, self.workers = torch.device(device), workers or Workers()
        self.network, self.objective = network.to(self.device), objective.to(self.device)
        self.feed, self.held_out, self.rank1 = feed, held_out, rank1
        self.options, self.folder, self.facts = options, folder, dict(facts or {})
        self.optimiser = _optimiser(nn.ModuleList([network, objective]), options)
        norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        self._norms = [(norm, norm.momentum) for norm in norms if norm.momentum is not None]
        self.average = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
        self.best = dict(self.average)
        self.history = History()
        self.step = 0
        self.gradient = 0.0
        self._last: tuple[Tensor, Tensor, list[str]] | None = None

    def run(self, *, progress: Progress = silent, watch: Watch | None = None) -> History:
        """Train to the end, from the last checkpoint if there is one; leaves the judged weights in the network."""
        options = self.options
        self._resume()
        since, losses = time.perf_counter(), []
        if self.rank1 is not None:
            self._saw(self._look([], time.perf_counter()), watch)
        with progress(f"training ({options.objective})", options.steps) as advance:
            advance(self.step)
            with closing(self.feed.batches(self.step)) as batches:
                while self.step < options.steps and self.history.since_best() < options.patience:
                    losses.append(self._step(next(batches)))
                    self.step += 1
                    advance(1)
                    last = self.step == options.steps
                    if self.step % options.check_every == 0 or last:
                        look = self._look(losses, since)
                        self.history = self.history.with_look(look)
                        if self.history.since_best() == 0:
                            self.best = {name: tensor.clone() for name, tensor in self.average.items()}
                        self._saw(look, watch if options.save_every else None)
                        if not options.save_every:
                            self._write()
                            self._saw(look, watch)
                        since, losses = time.perf_counter(), []
                    if options.save_every and (self.step % options.save_every == 0 or last):
                        self._write()
        self.network.load_state_dict(self.best)
        self.network.eval()
        return self.history

    def features(self, samples: Samples, rows: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
        """Features (n, dim) of samples, not normalised, by the network as it is; None = all rows."""
        chosen = np.arange(len(samples.labels)) if rows is None else rows
        self.network.eval()
        with torch.inference_mode():
            parts = [
                self._forward(samples.plain(chosen[start : start + BATCH]).to(self.device)).cpu()
                for start in range(0, len(chosen), BATCH)
            ]
        return torch.cat(parts).numpy()

    def judge(self, samples: Samples) -> VectorQuality:
        """Say what the averaged weights are worth on samples; training goes on as if nothing had happened."""
        with self._averaged():
            return examine(self.features(samples), samples.labels)

    def _averaged(self) -> _Swapped:
        return _Swapped(self.network, self.average)

    def _step(self, batch: Batch) -> float:
        seed = self.options.seed * 1_000_003 + self.step
        self._seed(seed)  # dropout draws from the global stream
        inputs = batch.inputs.to(self.device, non_blocking=True)
        labels = batch.labels.to(self.device, non_blocking=True)
        for group in self.optimiser.param_groups if self.optimiser else ():
            group["lr"] = self.options.rate(self.step)
        for norm, momentum in self._norms:
            # a plain mean at first: what running statistics begin with would look like a collapse for 50 steps
            norm.momentum = max(momentum, 1 / (self.step + 1))
        self.network.train()
        self.objective.train()
        self.network.zero_grad()
        self.objective.zero_grad()
        try:
            if inputs.is_floating_point():
                refuse_not_finite(inputs, "inputs")
            features = self._forward(inputs)
            if features.requires_grad:
                features.retain_grad()
            loss = self._loss(features, labels)
        except NotFiniteError as error:
            raise self._named(error, batch) from error
        loss.backward()

        def alone(row: int) -> float:
            with torch.no_grad():
                return float(self.objective(features[row : row + 1], labels[row : row + 1]))

        together = self.workers.count > 1
        refuse_nan(self.step, loss, features, None if together else alone, batch.names)
        self._share_gradients()
        parameters = [p for p in self._parameters() if p.grad is not None]
        norm = float(torch.nn.utils.clip_grad_norm_(parameters, self.options.clip)) if parameters else 0.0
        if not math.isfinite(norm):
            raise TellapartError(f"step {self.step}: the gradient is not finite: lower the learning rate")
        self.gradient = norm
        if self.optimiser:
            self.optimiser.step()
        self._follow()
        self._last = features.detach(), labels, list(batch.names)
        return float(loss.detach())

    def _seed(self, seed: int) -> None:
        """Seed the streams of the CPU and of this device alone: `torch.manual_seed` seeds every kind, 2 ms."""
        torch.default_generator.manual_seed(seed)
        if self.device.type in ("cuda", "mps"):
            getattr(torch, self.device.type).manual_seed(seed)

    def _loss(self, features: Tensor, labels: Tensor) -> Tensor:
        if self.workers.count > 1 and not isinstance(self.objective, ShardedSoftmax):
            sizes = self.workers.sizes(len(features), self.device)
            features = self.workers.gather(features, sizes, factor=1 / self.workers.count)
            labels = self.workers.gather(labels, sizes)
        loss: Tensor = self.objective(features, labels)
        return loss

    def _named(self, error: NotFiniteError, batch: Batch) -> TellapartError:
        names = ", ".join(batch.names[row] for row in error.rows[:3] if row < len(batch.names))
        advice = "look at it" if error.what == "inputs" else "look at it, or lower the learning rate"
        return TellapartError(f"step {self.step}: the {error.what} of {names} are not finite: {advice}")

    def _parameters(self) -> list[nn.Parameter]:
        return [*self.network.parameters(), *self.objective.parameters()]

    def _share_gradients(self) -> None:
        """Add up the network's gradients of all workers; those of the objective are the same everywhere."""
        if self.workers.count == 1:
            return
        for parameter in self.network.parameters():
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            self.workers.total(parameter.grad)

    def _forward(self, inputs: Tensor) -> Tensor:
        half = self.options.precision is Precision.BFLOAT16
        with torch.autocast(self.device.type, torch.bfloat16) if half else nullcontext():
            features: Tensor = self.network(inputs)
        return features if features.dtype == torch.float64 else features.float()

    def _follow(self) -> None:
        """Move the average towards the weights; over the first steps it forgets faster (as TensorFlow's does)."""
        decay = min(self.options.average, (1 + self.step) / (10 + self.step)) if self.options.average else 0.0
        moved: list[tuple[Tensor, Tensor]] = []
        with torch.no_grad():
            for name, tensor in self.network.state_dict().items():
                parted = self.workers.count > 1 and tensor.is_floating_point()
                if parted and name not in dict(self.network.named_parameters()):
                    self.workers.total(tensor)  # running statistics of the workers' parts of the batch
                    tensor /= self.workers.count
                if tensor.is_floating_point() and decay:
                    moved.append((self.average[name], tensor))
                else:
                    self.average[name].copy_(tensor)
            if moved:
                torch._foreach_lerp_([old for old, _ in moved], [new for _, new in moved], 1 - decay)

    def _look(self, losses: list[float], since: float) -> Look:
        seconds = time.perf_counter() - since
        quality = self.judge(self.held_out) if self.held_out is not None else None
        rank1, validated = None, 0
        if self.rank1 is not None:
            with self._averaged():
                self.network.eval()
                rank1, validated = self.rank1(self.network)
        found = suspects(*self._last, most=SUSPECTS) if self._last and self.workers.count == 1 else []
        return Look(
            step=self.step,
            loss=float(np.mean(losses)) if losses else None,
            rate=self.options.rate(max(0, self.step - 1)),
            gradient=self.gradient,
            per_second=len(losses) * self.feed.size / seconds if losses else 0.0,
            seconds=self.history.seconds + (seconds if losses else 0.0),
            quality=quality,
            rank1=rank1,
            validated=validated,
            suspects=tuple(found),
        )

    def _saw(self, look: Look, watch: Watch | None) -> None:
        if watch and self.workers.rank == 0:
            watch(look)

    def _identity(self) -> dict[str, str]:
        """What must be the same for a run to go on, by the name of its option."""
        held_out = self.held_out.digest() if self.held_out is not None else ""
        free = FREE | ({"steps"} if self.options.schedule is Schedule.CONSTANT else set())
        told = {name: str(value) for name, value in self.options.record().items() if name not in free}
        data = {"data": self.feed.digest(), "held-out data": held_out}
        return told | data | {name: str(value) for name, value in self.facts.items()}

    def _write(self) -> None:
        if self.folder is None:
            return
        tensors = {
            **named("network", self.network.state_dict()),
            **named("objective", self.objective.state_dict()),
            **named("optimiser", optimiser_tensors(self.optimiser) if self.optimiser else {}),
            **named("average", self.average),
            **named("best", self.best),
        }
        state = {"history": self.history.to_json(), "run": self._identity(), "workers": self.workers.count}
        shard = self.objective.shard if isinstance(self.objective, ShardedSoftmax) else None
        write_checkpoint(
            self.folder, self.step, Checkpoint(tensors, state), workers=self.workers, shard=shard
        )

    def _resume(self) -> None:
        checkpoint = read_checkpoint(self.folder) if self.folder else None
        if checkpoint is None or checkpoint.folder is None:
            return
        _agree(checkpoint.state["run"], self._identity(), checkpoint.folder)
        tensors = {name: tensor.to(self.device) for name, tensor in checkpoint.tensors.items()}
        self.network.load_state_dict(under("network", tensors))
        self.objective.load_state_dict(under("objective", tensors))
        if self.optimiser:
            restore_optimiser(self.optimiser, under("optimiser", tensors))
        self.average, self.best = under("average", tensors), under("best", tensors)
        self.history = History.from_json(checkpoint.state["history"])
        self.step = int(checkpoint.state["step"])
        if isinstance(self.objective, ShardedSoftmax):
            self.objective.take(load(checkpoint.folder, self.workers, device=self.device))
            self.objective.step = self.step


class _Swapped:
    """Other weights in a network, for a while."""

    def __init__(self, network: nn.Module, weights: Mapping[str, Tensor]) -> None:
        self.network, self.weights = network, weights

    def __enter__(self) -> None:
        self.kept = {name: tensor.clone() for name, tensor in self.network.state_dict().items()}
        self.network.load_state_dict(self.weights)

    def __exit__(self, *_: object) -> None:
        self.network.load_state_dict(self.kept)


def _optimiser(modules: nn.Module, options: TrainingOptions) -> torch.optim.Optimizer | None:
    decayed = [p for p in modules.parameters() if p.ndim > 1 and p.requires_grad]
    plain = [p for p in modules.parameters() if p.ndim <= 1 and p.requires_grad]
    if not decayed and not plain:
        return None
    groups = [{"params": decayed}, {"params": plain, "weight_decay": 0.0}]
    if options.optimizer is Optimizer.SGD:
        return torch.optim.SGD(
            groups, lr=options.learning_rate, momentum=options.momentum, weight_decay=options.weight_decay
        )
    fused = {p.device.type for p in decayed + plain} <= {"cpu", "cuda"}
    return torch.optim.AdamW(groups, lr=options.learning_rate, weight_decay=options.weight_decay, fused=fused)


def _agree(before: Mapping[str, str], now: Mapping[str, str], where: Path) -> None:
    """Refuse to go on with a run that was told otherwise, or with other data."""
    for name, value in now.items():
        if before.get(name) == value:
            continue
        if "data" in name:
            raise TellapartError(f"{where} was trained on other {name}: give the same, or another --output")
        option = name.replace("_", "-")
        raise TellapartError(
            f"{where} was trained with {option} {before.get(name)}, not {value}: give the same settings or another"
            " --output"
        )

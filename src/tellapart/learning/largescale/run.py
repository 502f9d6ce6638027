"""The training loop over sharded centres: steps, validation, checkpoints, and going on after a kill."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tellapart.errors import TellapartError
from tellapart.learning.centres.checkpoint import load, save
from tellapart.learning.centres.loss import sharded_softmax
from tellapart.learning.centres.nearest import nearest_classes
from tellapart.learning.centres.shard import Shard
from tellapart.learning.centres.workers import Workers
from tellapart.learning.largescale.reading import IdentityFile, Rows
from tellapart.learning.largescale.settings import Encoder, Settings

SHOWN = 256
"""Validation vectors compared at once with all centres (our choice)."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Means over the latest steps; seconds are those of the steps alone, without validation and saving."""

    loss: float
    seconds_per_step: float
    samples_per_second: float


@dataclass(frozen=True, slots=True)
class Report:
    """How the run stands: `pace` is None before this process took a step, `rank1` between validations."""

    step: int
    steps: int
    pace: Pace | None
    rank1: float | None = None
    validated: int = 0


@dataclass(slots=True)
class State:
    """What a checkpoint keeps."""

    shard: Shard
    encoder: Tensor
    velocity: Tensor
    step: int = 0


def train(settings: Settings, workers: Workers, device: str, tell: Callable[[Report], None]) -> State:
    """Train until `settings.steps`, from the newest checkpoint in the output folder if there is one."""
    file = IdentityFile.open(
        settings.data,
        settings.classes,
        held_out=0 if settings.validation else settings.hold_out,
        seed=settings.seed,
    )
    unseen = _unseen(settings, file)
    state = resume(settings, workers, device) or _begin(settings, file.dim, workers, device)
    if state.encoder.shape[1] != file.dim:
        raise TellapartError(
            f"{settings.data} has {file.dim} dimensions, the checkpoint {state.encoder.shape[1]}"
        )
    batches = file.batches(settings.batch, workers, first_step=state.step, seed=settings.seed)
    loop = _Loop(settings, workers, state, tell)
    loop.validate(unseen)
    while state.step < settings.steps:
        loop.step(next(batches))
        last = state.step == settings.steps
        if last or state.step % settings.validate_every == 0:
            loop.validate(unseen)
        if last or state.step % settings.save_every == 0:
            keep(settings, state, workers)
    return state


def encode(state: State, vectors: Tensor) -> Tensor:
    """Apply the linear map."""
    return vectors @ state.encoder.T


class _Loop:
    """Steps, and what has been seen since the last report."""

    def __init__(
        self, settings: Settings, workers: Workers, state: State, tell: Callable[[Report], None]
    ) -> None:
        self.settings, self.workers, self.state, self.tell = settings, workers, state, tell
        self.pace: Pace | None = None
        self.losses: list[float] = []
        self.samples = 0
        self.busy = 0.0
        self.told = time.monotonic()

    def step(self, rows: Rows) -> None:
        started = time.monotonic()
        state, settings = self.state, self.settings
        device = state.encoder.device
        trained = settings.encoder is Encoder.LINEAR
        vectors, labels = torch.from_numpy(rows.vectors).to(device), torch.from_numpy(rows.labels).to(device)
        state.encoder.requires_grad_(trained)
        loss = sharded_softmax(
            encode(state, vectors),
            labels,
            state.shard,
            settings.margin,
            self.workers,
            sampling=settings.sampling,
            step=state.step,
            descent=settings.descent,
        )
        loss.backward()
        if trained:
            self._move_encoder()
        state.step += 1
        value = float(loss.detach())
        if not math.isfinite(value):
            raise TellapartError(
                f"the loss is {value} at step {state.step}: lower --learning-rate or --encoder-rate"
            )
        self.losses.append(value)
        self.samples += min(settings.batch, len(rows) * self.workers.count)
        self.busy += time.monotonic() - started
        if time.monotonic() - self.told > 1:
            self._tell(None, 0)

    @torch.no_grad()
    def _move_encoder(self) -> None:
        encoder, settings = self.state.encoder, self.settings
        gradient = encoder.grad if encoder.grad is not None else torch.zeros_like(encoder)
        self.workers.total(gradient)
        self.state.velocity.mul_(settings.momentum).add_(gradient)
        encoder.sub_(self.state.velocity, alpha=settings.encoder_rate)
        encoder.grad = None

    def validate(self, unseen: Rows) -> None:
        """Find the share of unseen samples whose nearest centre, of all, is their own identity's."""
        right = 0
        device = self.state.encoder.device
        for start in range(0, len(unseen), SHOWN):
            part = unseen.take(slice(start, start + SHOWN))
            with torch.no_grad():
                features = encode(self.state, torch.from_numpy(part.vectors).to(device))
            classes = nearest_classes(features, self.state.shard, self.workers)
            right += int((classes.cpu().numpy() == part.labels).sum())
        self._tell(right / len(unseen) if len(unseen) else None, len(unseen))

    def _tell(self, rank1: float | None, validated: int) -> None:
        if self.losses:
            self.pace = Pace(
                float(np.mean(self.losses)), self.busy / len(self.losses), self.samples / max(self.busy, 1e-9)
            )
            self.losses, self.samples, self.busy = [], 0, 0.0
        self.told = time.monotonic()
        if self.workers.rank == 0:
            self.tell(Report(self.state.step, self.settings.steps, self.pace, rank1, validated))


def keep(settings: Settings, state: State, workers: Workers) -> Path:
    """Write a checkpoint and drop the older ones."""
    folder = settings.output / f"step-{state.step:09d}"
    extra: dict[str, dict[str, Tensor] | str] = {
        "encoder.safetensors": {"map": state.encoder, "momentum": state.velocity},
        "run.json": json.dumps(
            {"step": state.step, "workers": workers.count, "settings": settings.record()}, indent=1
        ),
    }
    save(folder, state.shard, workers, extra)
    if workers.rank == 0:
        for older in _checkpoints(settings.output):
            if older != folder:
                shutil.rmtree(older)
    return folder


def resume(settings: Settings, workers: Workers, device: str) -> State | None:
    """Read the newest checkpoint; None without one."""
    from safetensors.torch import load_file

    folders = _checkpoints(settings.output)
    if not folders:
        return None
    record = json.loads((folders[-1] / "run.json").read_text(encoding="utf-8"))
    settings.agree(record["settings"], folders[-1])
    kept = load_file(folders[-1] / "encoder.safetensors", device=device)
    shard = load(folders[-1], workers, device=device)
    return State(shard, kept["map"], kept["momentum"], record["step"])


def _begin(settings: Settings, dim: int, workers: Workers, device: str) -> State:
    shard = Shard.drawn(
        settings.classes, dim, workers, seed=settings.seed, sub_centres=settings.sub_centres, device=device
    )
    return State(shard, torch.eye(dim, device=device), torch.zeros(dim, dim, device=device))


def _unseen(settings: Settings, file: IdentityFile) -> Rows:
    if settings.validation is None:
        return file.validation()
    other = IdentityFile.open(settings.validation, settings.classes)
    if other.dim != file.dim:
        raise TellapartError(
            f"{settings.validation} has {other.dim} dimensions, {settings.data} has {file.dim}"
        )
    return other.all()


def _checkpoints(output: Path) -> list[Path]:
    """Finished ones, oldest first."""
    return sorted(path for path in output.glob("step-*") if not path.suffix)

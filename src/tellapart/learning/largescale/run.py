"""Vectors of many identities from a Parquet file: a linear map, and centres spread over workers."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import torch
from torch import Tensor, nn

from tellapart.errors import TellapartError
from tellapart.learning.centres.loss import nearest_classes
from tellapart.learning.centres.sampling import Sampling
from tellapart.learning.centres.sgd import Sgd, UnsampledRule
from tellapart.learning.centres.workers import Workers
from tellapart.learning.largescale.reading import IdentityFile, Rows
from tellapart.learning.training.feeding import Batch
from tellapart.learning.training.objectives import make_sharded_objective
from tellapart.learning.training.options import Objective, Optimizer, Schedule, TrainingOptions
from tellapart.learning.training.trainer import Trainer, Watch
from tellapart.progress import Progress, silent

SHOWN = 256
"""Validation vectors compared at once with all centres: 10 GB of scores at ten million, in chunks."""

AUTHORS = {Objective.ARCFACE: 0.5, Objective.COSFACE: 0.35, Objective.SPHEREFACE: 4.0}
"""Margins as their papers have them, for many identities."""


class Head(StrEnum):
    """What stands between the file's vectors and the centres."""

    LINEAR = "linear"
    """A linear map, the identity at first, trained along."""
    IDENTITY = "identity"
    """Nothing: only the centres learn."""


@dataclass(frozen=True, slots=True)
class CentreOptions:
    """How centres take part and move, for vectors and for images."""

    sample_rate: float = 1.0
    corrected: bool = False
    rule: UnsampledRule = UnsampledRule.LAZY
    learning_rate: float = 1.0
    momentum: float = 0.9
    decay: float = 0.0

    def sampling(self, seed: int) -> Sampling:
        """Which centres take part in a step."""
        return Sampling(self.sample_rate, seed, self.corrected)

    @property
    def descent(self) -> Sgd:
        """How centres move."""
        return Sgd(self.learning_rate, self.momentum, self.decay, self.rule)


@dataclass(frozen=True, slots=True)
class VectorRun:
    """A run over vectors: `data` with the columns vector and label, labels counting from 0 to below `classes`."""

    data: Path
    classes: int
    output: Path
    objective: Objective = Objective.COSFACE
    scale: float = 64.0
    margin: float | None = None
    sub_centres: int = 1
    head: Head = Head.LINEAR
    centres: CentreOptions = CentreOptions()
    batch: int = 512
    steps: int = 1000
    encoder_rate: float = 0.01
    hold_out: int = 2048
    validation: Path | None = None
    validate_every: int = 200
    save_every: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("classes", "batch", "steps", "validate_every", "save_every", "sub_centres"):
            if getattr(self, name) < 1:
                raise TellapartError(f"--{name.replace('_', '-')} {getattr(self, name)}: give at least 1")
        if self.hold_out < 0:
            raise TellapartError(f"--hold-out {self.hold_out}: give 0 or more")

    def options(self, dim: int) -> TrainingOptions:
        """Say it as the training loop is told."""
        return TrainingOptions(
            objective=self.objective,
            dim=dim,
            steps=self.steps,
            optimizer=Optimizer.SGD,
            schedule=Schedule.CONSTANT,
            learning_rate=self.encoder_rate,
            weight_decay=0.0,
            momentum=self.centres.momentum,
            warm_up=0.0,
            clip=math.inf,
            average=0.0,
            check_every=self.validate_every,
            save_every=self.save_every,
            scale=self.scale,
            margin=AUTHORS.get(self.objective) if self.margin is None else self.margin,
            sub_centres=self.sub_centres,
            seed=self.seed,
        )


class SquareMap(nn.Module):
    """A square linear map, the identity at first."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.map = nn.Parameter(torch.eye(dim))

    def forward(self, vectors: Tensor) -> Tensor:
        """Map vectors (n, dim)."""
        return vectors @ self.map.T


@dataclass(frozen=True, slots=True)
class VectorFeed:
    """Batches of a file of identities."""

    file: IdentityFile
    size: int
    workers: Workers
    seed: int

    def batches(self, first: int) -> Generator[Batch]:
        """Give this worker's part of every batch from step `first` on."""
        for rows in self.file.batches(self.size, self.workers, first_step=first, seed=self.seed):
            names = [f"sample {row} of the batch" for row in range(len(rows))]
            yield Batch(torch.from_numpy(rows.vectors), torch.from_numpy(rows.labels), names)

    def digest(self) -> str:
        """Hash the file, as far as `IdentityFile.digest` looks at it."""
        return self.file.digest()


def train_vectors(
    run: VectorRun,
    workers: Workers,
    device: torch.device | str,
    watch: Watch,
    *,
    progress: Progress = silent,
) -> Trainer:
    """Train until `run.steps`, from the newest checkpoint in the output folder if there is one.

    Raises:
        TellapartError: The file does not fit, or a checkpoint was trained on other data or told otherwise.
    """
    held_out = 0 if run.validation else run.hold_out
    file = IdentityFile.open(run.data, run.classes, held_out=held_out, seed=run.seed)
    unseen, options = _unseen(run, file), run.options(file.dim)
    objective = make_sharded_objective(
        options,
        run.classes,
        workers,
        sampling=run.centres.sampling(run.seed),
        descent=run.centres.descent,
        device=device,
    )

    def rank1(network: nn.Module) -> tuple[float, int]:
        """Share of unseen samples whose nearest centre, of all, is their own identity's."""
        right = 0
        for start in range(0, len(unseen), SHOWN):
            part = unseen.take(slice(start, start + SHOWN))
            with torch.no_grad():
                features = network(torch.from_numpy(part.vectors).to(device))
            classes = nearest_classes(features, objective.shard, workers)
            right += int((classes.cpu().numpy() == part.labels).sum())
        return right / max(1, len(unseen)), len(unseen)

    told = ("classes", "batch", "head", "hold_out")
    trainer = Trainer(
        SquareMap(file.dim) if run.head is Head.LINEAR else nn.Identity(),
        objective,
        VectorFeed(file, run.batch, workers, run.seed),
        options,
        rank1=rank1,
        folder=run.output,
        device=device,
        workers=workers,
        facts={name: getattr(run, name) for name in told} | {"centres": run.centres},
    )
    trainer.run(progress=progress, watch=watch)
    return trainer


def _unseen(run: VectorRun, file: IdentityFile) -> Rows:
    if run.validation is None:
        return file.validation()
    other = IdentityFile.open(run.validation, run.classes)
    if other.dim != file.dim:
        raise TellapartError(f"{run.validation} has {other.dim} dimensions, {run.data} has {file.dim}")
    return other.all()

"""What a training run is told."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, TypeVar

from tellapart.errors import TellapartError

Choice = TypeVar("Choice", bound=StrEnum)


class Objective(StrEnum):
    """What is minimised over labelled samples."""

    SOFTMAX = "softmax"
    NORMFACE = "normface"
    SPHEREFACE = "sphereface"
    COSFACE = "cosface"
    ARCFACE = "arcface"
    COMBINED = "combined"
    TRIPLET = "triplet"
    INFONCE = "infonce"
    NTXENT = "ntxent"

    @property
    def has_centres(self) -> bool:
        """Whether each identity has a centre, which can be spread over workers."""
        return self not in (Objective.TRIPLET, Objective.INFONCE, Objective.NTXENT)


def parse_objective(name: str) -> Objective:
    """Read an objective's name.

    Raises:
        TellapartError: There is no such objective.
    """
    try:
        return Objective(name)
    except ValueError:
        raise TellapartError(f"unknown objective {name!r}; known are {', '.join(Objective)}") from None


class Optimizer(StrEnum):
    """How weights move."""

    ADAMW = "adamw"
    SGD = "sgd"


class Schedule(StrEnum):
    """What the learning rate does after the linear warm-up."""

    COSINE = "cosine"
    LINEAR = "linear"
    CONSTANT = "constant"


class Precision(StrEnum):
    """What the network computes in; losses and weights stay float32 at least."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """A run is decided by these, the data, the device and the version of torch.

    `identities` x `samples` make a batch. `scale` and `margin` None are the objective's defaults, 0 means 0.
    `clip` is the longest gradient. `average` is the decay of the weights' moving average, which is what is judged and
    exported (0 = the weights themselves). `check_every` steps lie between two looks, and two checkpoints unless
    `save_every` says otherwise; after
    `patience` looks without a better MAP@R training stops.
    """

    objective: Objective = Objective.ARCFACE
    dim: int = 128
    width: int = 16
    steps: int = 3_000
    identities: int = 24
    samples: int = 4
    optimizer: Optimizer = Optimizer.ADAMW
    schedule: Schedule = Schedule.COSINE
    learning_rate: float = 2e-3
    weight_decay: float = 5e-2
    momentum: float = 0.9
    warm_up: float = 0.05
    clip: float = 5.0
    dropout: float = 0.0
    average: float = 0.99
    check_every: int = 200
    save_every: int = 0
    patience: int = 10
    scale: float | None = None
    margin: float | None = None
    sub_centres: int = 1
    label_smoothing: float = 0.0
    seed: int = 0
    precision: Precision = Precision.FLOAT32

    def __post_init__(self) -> None:
        for name in (
            "dim",
            "width",
            "steps",
            "identities",
            "samples",
            "check_every",
            "patience",
            "sub_centres",
        ):
            if getattr(self, name) < 1:
                raise TellapartError(f"--{name.replace('_', '-')} {getattr(self, name)}: give at least 1")
        if not 0 <= self.learning_rate < math.inf or not 0 <= self.average < 1:
            raise TellapartError(
                f"learning rate {self.learning_rate:g} must be 0 or more, average {self.average:g} within 0 to 1"
            )
        if self.clip <= 0 or not 0 <= self.momentum < 1 or self.weight_decay < 0:
            raise TellapartError(
                f"clip {self.clip:g}, momentum {self.momentum:g}, weight decay {self.weight_decay:g}: give clip above"
                " 0, momentum from 0 to below 1, weight decay of 0 or more"
            )

    def rate(self, step: int) -> float:
        """Learning rate of a step: linear warm-up, then what the schedule says."""
        warm = max(1, round(self.warm_up * self.steps)) if self.warm_up else 0
        if step < warm:
            return self.learning_rate * (step + 1) / warm
        done = min(1.0, (step - warm) / max(1, self.steps - warm))
        if self.schedule is Schedule.COSINE:
            return self.learning_rate * (1 + math.cos(math.pi * done)) / 2
        return self.learning_rate * ((1 - done) if self.schedule is Schedule.LINEAR else 1.0)

    def record(self) -> dict[str, Any]:
        """Give every option as JSON holds it."""
        return asdict(self)


def parse_choice(kind: type[Choice], name: str, option: str) -> Choice:
    """Read one of a few names.

    Raises:
        TellapartError: There is no such choice.
    """
    try:
        return kind(name)
    except ValueError:
        raise TellapartError(f"{option} {name!r} is unknown: give one of {', '.join(kind)}") from None

"""What a training run is told."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from tellapart.errors import TellapartError


class Objective(StrEnum):
    """What is minimised over labelled samples."""

    SOFTMAX = "softmax"
    NORMFACE = "normface"
    COSFACE = "cosface"
    ARCFACE = "arcface"
    TRIPLET = "triplet"
    INFONCE = "infonce"


def parse_objective(name: str) -> Objective:
    """Read an objective's name.

    Raises:
        TellapartError: There is no such objective.
    """
    try:
        return Objective(name)
    except ValueError:
        known = ", ".join(Objective)
        raise TellapartError(f"unknown objective {name!r}; known are {known}") from None


@dataclass(frozen=True, slots=True)
class Settings:
    """A run is decided by these, the data and the version of torch.

    `identities` x `samples` make a batch; `average` is the decay of the weights' moving average, which is what is
    judged and exported; `check_every` steps lie between two looks at the held-out identities and between two
    checkpoints; after `patience` looks without a better MAP@R training stops. `half` runs the network in
    bfloat16; features, loss and weights stay float32.
    """

    objective: Objective = Objective.ARCFACE
    dim: int = 128
    width: int = 16
    steps: int = 3_000
    identities: int = 24
    samples: int = 4
    learning_rate: float = 2e-3
    weight_decay: float = 5e-2
    warm_up: float = 0.05
    dropout: float = 0.0
    average: float = 0.99
    check_every: int = 200
    patience: int = 10
    scale: float = 0.0
    margin: float = 0.0
    seed: int = 0
    half: bool = False

    def __post_init__(self) -> None:
        for name in ("dim", "width", "steps", "identities", "samples", "check_every", "patience"):
            if getattr(self, name) < 1:
                raise TellapartError(f"{name.replace('_', ' ')} is {getattr(self, name)}: give at least 1")
        if not 0 < self.learning_rate < math.inf or not 0 <= self.average < 1:
            raise TellapartError(
                f"learning rate {self.learning_rate:g} must be above 0, average {self.average:g} within 0 to 1"
            )

    def rate(self, step: int) -> float:
        """Learning rate of a step: linear warm-up, then half a cosine down to 0."""
        warm = max(1, round(self.warm_up * self.steps))
        if step < warm:
            return self.learning_rate * (step + 1) / warm
        done = (step - warm) / max(1, self.steps - warm)
        return self.learning_rate * (1 + math.cos(math.pi * min(1.0, done))) / 2

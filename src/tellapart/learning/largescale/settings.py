"""What a run over sharded centres is told, and which of it a resumed run must share."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from pathlib import Path

from tellapart.errors import TellapartError
from tellapart.learning.centres.sampling import Sampling
from tellapart.learning.centres.sgd import Sgd, UnsampledRule
from tellapart.learning.objectives.margins import (
    ArcFaceMargin,
    CombinedMargin,
    CosFaceMargin,
    Margin,
    NoMargin,
    ScaledCosine,
    SphereFaceMargin,
    SubCentres,
)


class Objective(StrEnum):
    """Margin softmax by name."""

    SOFTMAX = "softmax"
    NORMFACE = "normface"
    SPHEREFACE = "sphereface"
    COSFACE = "cosface"
    ARCFACE = "arcface"
    COMBINED = "combined"

    def margin(self, scale: float, sub_centres: int) -> Margin:
        """Give the margin with its authors' settings, at a scale where it has one."""
        margins: dict[Objective, Margin] = {
            Objective.SOFTMAX: NoMargin(),
            Objective.NORMFACE: ScaledCosine(scale),
            Objective.SPHEREFACE: SphereFaceMargin(),
            Objective.COSFACE: CosFaceMargin(scale),
            Objective.ARCFACE: ArcFaceMargin(scale),
            Objective.COMBINED: CombinedMargin(scale),
        }
        return margins[self] if sub_centres == 1 else SubCentres(margins[self], sub_centres)


class Encoder(StrEnum):
    """What stands between the file's vectors and the centres."""

    LINEAR = "linear"
    """A linear map, the identity at first, trained along."""
    IDENTITY = "identity"
    """Nothing: only the centres learn."""


@dataclass(frozen=True, slots=True)
class Settings:
    """One run. A resumed run must agree in all but the fields of `FREE`."""

    data: Path
    classes: int
    output: Path
    objective: Objective = Objective.COSFACE
    scale: float = 64.0
    sub_centres: int = 1
    encoder: Encoder = Encoder.LINEAR
    sample_rate: float = 1.0
    corrected: bool = False
    rule: UnsampledRule = UnsampledRule.LAZY
    batch: int = 512
    steps: int = 1000
    learning_rate: float = 1.0
    encoder_rate: float = 0.01
    momentum: float = 0.9
    decay: float = 0.0
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
        if self.encoder_rate < 0:
            raise TellapartError(f"--encoder-rate {self.encoder_rate:g}: give 0 or more")

    @property
    def margin(self) -> Margin:
        """The objective's margin."""
        return self.objective.margin(self.scale, self.sub_centres)

    @property
    def sampling(self) -> Sampling:
        """Which centres take part in a step."""
        return Sampling(self.sample_rate, self.seed, self.corrected)

    @property
    def descent(self) -> Sgd:
        """How centres move."""
        return Sgd(self.learning_rate, self.momentum, self.decay, self.rule)

    def record(self) -> dict[str, str]:
        """Write every setting as text."""
        return {name: str(value) for name, value in asdict(self).items()}

    def agree(self, record: dict[str, str], where: Path) -> None:
        """Refuse to go on with a run that was told otherwise."""
        for entry in fields(self):
            mine = str(getattr(self, entry.name))
            if entry.name not in FREE and record.get(entry.name) != mine:
                option = entry.name.replace("_", "-")
                raise TellapartError(
                    f"{where} was trained with {option} {record.get(entry.name)}, not {mine}:"
                    " give the same settings or another --output"
                )


FREE = {"data", "output", "steps", "validation", "validate_every", "save_every"}
"""Settings that may change when a run goes on: they do not change the next step. (A file may have moved.)"""

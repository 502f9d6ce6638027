"""What a run has seen of itself so far; kept in its checkpoints and shown in its report."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tellapart.errors import TellapartError
from tellapart.learning.training.health import Suspect, VectorQuality


@dataclass(frozen=True, slots=True)
class Look:
    """The state after `step` steps; `loss` and `per_second` are means since the last look.

    `rate` and `gradient` are the learning rate and the length of the gradient of the last step. `quality` is that of
    held-out identities, `rank1` the share of `validated` unseen samples whose nearest centre is their own; None
    without any. `suspects` were seen in the last batch.
    """

    step: int
    loss: float | None
    rate: float
    gradient: float
    per_second: float
    seconds: float
    quality: VectorQuality | None
    suspects: tuple[Suspect, ...]
    rank1: float | None = None
    validated: int = 0

    def to_json(self) -> dict[str, Any]:
        """Give plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Look:
        """Take back what `to_json` gave and JSON has made of it."""
        quality = content["quality"]
        if quality is not None:
            counts = {name: tuple(quality[name]) for name in ("genuine", "impostors")}
            quality = VectorQuality(**{**quality, **counts})
        return cls(
            **{**content, "quality": quality, "suspects": tuple(Suspect(**s) for s in content["suspects"])}
        )


@dataclass(frozen=True, slots=True)
class History:
    """All looks of a run, and which of them had the best MAP@R."""

    looks: tuple[Look, ...] = ()

    def with_look(self, look: Look) -> History:
        """Add a look."""
        return History((*self.looks, look))

    @property
    def seconds(self) -> float:
        """Time spent, over all resumptions."""
        return self.looks[-1].seconds if self.looks else 0.0

    @property
    def best(self) -> int | None:
        """Place of the best look, None before the first that was held against others."""
        scored = [(look.quality.map_at_r, -place) for place, look in enumerate(self.looks) if look.quality]
        return -max(scored)[1] if scored else None

    def since_best(self) -> int:
        """Looks since the best one."""
        return 0 if self.best is None else len(self.looks) - 1 - self.best

    def to_json(self) -> list[dict[str, Any]]:
        """Give plain values."""
        return [look.to_json() for look in self.looks]

    @classmethod
    def from_json(cls, content: list[Mapping[str, Any]]) -> History:
        """Take back what `to_json` gave."""
        return cls(tuple(Look.from_json(look) for look in content))


COLUMNS = ("step", "loss", "learning_rate", "gradient", "samples_per_second", "recall_at_1", "map_at_r")


@contextmanager
def open_log(path: Path | None) -> Iterator[Callable[[Look], None]]:
    """Give what writes a look: into a .csv file, a folder for TensorBoard, or nowhere (None).

    Raises:
        TellapartError: TensorBoard is not installed.
    """
    if path is None:
        yield lambda _: None
    elif path.suffix.lower() == ".csv":
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, COLUMNS)
            if not file.tell():
                table.writeheader()

            def row(look: Look) -> None:
                table.writerow({"step": look.step, **_values(look)})
                file.flush()

            yield row
    else:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as missing:
            raise TellapartError(
                f"--log {path} asks for TensorBoard's events: pip install tensorboard, or give a .csv"
            ) from missing
        writer = SummaryWriter(str(path))

        def scalars(look: Look) -> None:
            for name, value in _values(look).items():
                if value is not None:
                    writer.add_scalar(name, value, look.step)
            writer.flush()

        yield scalars
        writer.close()


def _values(look: Look) -> dict[str, float | None]:
    quality = look.quality
    values = (
        look.loss,
        look.rate,
        look.gradient,
        look.per_second,
        quality.recall_at_1 if quality else None,
        quality.map_at_r if quality else None,
    )
    return dict(zip(COLUMNS[1:], values, strict=True))

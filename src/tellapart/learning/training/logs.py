"""What a run has seen of itself, for other tools: a CSV file, or TensorBoard's events."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tellapart.errors import TellapartError
from tellapart.learning.training.history import Look

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

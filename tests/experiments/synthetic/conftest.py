"""A project that offers every kind of query, indexed with an encoder that needs no weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tellapart.engine import Index

CODE = '''"""Watering."""

import time


def retry_with_backoff(call, attempts=3):
    """Call again after a failure, waiting longer each time.

    Gives up in the end.
    """
    for attempt in range(attempts):
        try:
            return call()
        except OSError:
            # Double the pause so that a busy valve recovers
            time.sleep(2**attempt)
    raise TimeoutError(attempts, call, "retry_with_backoff")


class Valve:
    """A valve."""

    def open_slowly(self, number, pressure):
        """Turn the handle a little at a time against the pressure."""
        for step in range(number):
            self.turn(step, pressure, self.handle, self.speed)
        return self.state, number, pressure

    def close_tight(self, number):
        self.state = number
        for each in self.handles:
            each.turn(number, self.speed, self.limit, self.pressure)
        return self.open_slowly
'''

COPY = CODE.replace("class Valve", "class Pump").replace("import time", "import time, sys")

GO = """package pump

// SoilMoisture averages the wet samples of the last hour.
func SoilMoisture(samples []float64, weights []float64) float64 {
	total := 0.0
	for i, sample := range samples {
		total += sample * weights[i]
	}
	return total / float64(len(samples))
}
"""

GUIDE = """# Growing roses at home

Roses need sun and a deep soil that never dries out completely. Plant them in autumn before the first frost comes.
Water the young plants twice a week during their first summer.

## Cutting back old wood

Use sharp tools and clean them with spirit after every single bush. Remove everything that is dead or thin.

See also: cutting  back
old wood in the almanac, and the notes on frost. Most bushes forgive a hard cut in spring.

## Cutting back old wood

Another section with the same heading that speaks about vines, fruit trees and berries instead of flowers.
"""

ALMANAC = """The almanac collects weather sayings from three centuries of farming in the northern valleys.
Roses need sun and a deep soil that never dries out completely. Snow on the eve of spring means a wet summer,
as the old farmers used to say when they met at the market. Nobody has counted how often that was right.
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    files = {
        "valve.py": CODE,
        "pump/copy.py": COPY,
        "pump/soil.go": GO,
        "guide.md": GUIDE,
        "almanac.txt": ALMANAC,
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture
def index(project: Path, tmp_path: Path, encoders) -> Iterator[Index]:
    opened = Index.build([project], tmp_path / "index", encoders=["words", "lsa"])
    yield opened
    opened.close()

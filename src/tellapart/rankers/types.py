"""What every ranker returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

ScanKind = Literal["exact", "approximate"]
Rows = NDArray[np.int64]
Scores = NDArray[np.float32]

# A relative duality gap of this bounds the error of every score by some 1e-6; what rounding leaves is 1e-15.
TOLERANCE = 1e-12


@dataclass(frozen=True, slots=True)
class Ranking:
    """The best units of one granularity: `rows` (k,) and their `scores` (k,), best first, ties by row.

    `components` holds what the score was made of, by ranker name, aligned with `rows`.
    """

    rows: Rows
    scores: Scores
    components: Mapping[str, Scores] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, slots=True)
class Certificate:
    """How far a solution is proven to be the optimum of the exemplar SVM.

    `kind` is approximate where codes of the index, which may overlook a unit, did the scan. `violation` is by
    how much a unit that the solver did not know lies inside the margin, 0 at the optimum; `gap` the duality gap
    over the known ones, relative to the objective. `active` units lie inside the margin; `rounds` of solving.
    """

    kind: ScanKind
    rounds: int
    active: int
    violation: float
    gap: float

    @property
    def holds(self) -> bool:
        """Whether the solution is the optimum, up to rounding."""
        return self.violation == 0.0 and self.gap <= TOLERANCE

    def __str__(self) -> str:
        what = "optimum" if self.holds else f"no optimum (violation {self.violation:.2g})"
        scan = "an exact scan" if self.kind == "exact" else "an approximate scan"
        return (
            f"{what} by {scan}; active units {self.active}, rounds {self.rounds}, relative gap {self.gap:.1g}"
        )

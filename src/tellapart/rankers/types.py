"""What every ranker returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
Scores = NDArray[np.float32]


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

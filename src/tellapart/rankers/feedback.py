"""Ways to rank by examples, by name; all give one linear function, so one search of the index serves them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tellapart.errors import TellapartError
from tellapart.rankers.expansion import ExpandedRidge
from tellapart.rankers.ridge import Ridge
from tellapart.rankers.rocchio import Rocchio
from tellapart.rankers.svm import ClosedFormSVM
from tellapart.rankers.vectors import Direction, VectorRanker

FEEDBACK: Mapping[str, Direction] = MappingProxyType(
    {
        "svm": ClosedFormSVM(),
        "pooled-svm": ClosedFormSVM(pooled=True),
        "ridge": Ridge(),
        "expanded-ridge": ExpandedRidge(),
        "rocchio": Rocchio(),
        "centroid": Rocchio(1.0, 1.0, 0.0),
        "centred-centroid": Rocchio(1.0, 1.0, 0.0, centred=True),
        "centred-rocchio": Rocchio(centred=True),
    }
)
"""`pooled-svm` takes the mean of the examples for one example; `centroid` gives a text query as much weight as
all examples together and refuses counter-examples."""


def feedback(name: str) -> VectorRanker:
    """Make the ranker of that name."""
    if name not in FEEDBACK:
        raise TellapartError(f"unknown feedback {name!r}: choose one of {', '.join(FEEDBACK)}")
    return VectorRanker(name, FEEDBACK[name])

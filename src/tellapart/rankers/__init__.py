"""Orders units for a query: one file per ranker, and fusion. Two of them are estimators of scikit-learn as well.

from tellapart.rankers import ExemplarSVM

ExemplarSVM().fit(vectors, labels).decision_function(others)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tellapart.public import lazily

if TYPE_CHECKING:
    from tellapart.rankers.estimators import ExemplarRidge, ExemplarSVM
    from tellapart.rankers.registry import Parameters

__all__ = [
    "ExemplarRidge",
    "ExemplarSVM",
    "Parameters",
]

__getattr__ = lazily(
    __name__,
    {
        "tellapart.rankers.estimators": (
            "ExemplarRidge",
            "ExemplarSVM",
        ),
        "tellapart.rankers.registry": ("Parameters",),
    },
)


def __dir__() -> list[str]:
    return __all__

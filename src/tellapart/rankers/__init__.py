"""Orders units for a query: one file per ranker, and fusion. Two of them are estimators of scikit-learn as well.

from tellapart.rankers import ExemplarSVM

ExemplarSVM().fit(vectors, labels).decision_function(others)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tellapart.public import lazily

if TYPE_CHECKING:
    from tellapart.rankers.estimators import ExemplarRidge as ExemplarRidge
    from tellapart.rankers.estimators import ExemplarSVM as ExemplarSVM
    from tellapart.rankers.registry import Parameters as Parameters

__getattr__, __dir__, __all__ = lazily(__name__)

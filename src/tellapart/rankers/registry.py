"""Rankers by name, with the defaults of each kind of document."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any

from tellapart.arguments import shown
from tellapart.corpus.document import Kind
from tellapart.errors import TellapartError
from tellapart.index.latent import LSA
from tellapart.index.lexical import defaults
from tellapart.rankers.bm25 import BM25
from tellapart.rankers.exact import exact_svm
from tellapart.rankers.hybrid import Hybrid, ReciprocalRankFusion
from tellapart.rankers.query import Ranker
from tellapart.rankers.ridge import ExpandedRidge, Ridge
from tellapart.rankers.rocchio import Rocchio, knn
from tellapart.rankers.structure import Structure
from tellapart.rankers.svm import DEFAULT_RATIO, ClosedFormSVM, svm
from tellapart.rankers.vectors import Direction, VectorRanker

FEEDBACK: Mapping[str, Direction] = MappingProxyType(
    {
        "svm": ClosedFormSVM(),
        "ridge": Ridge(),
        "expanded-ridge": ExpandedRidge(),
        "rocchio": Rocchio(),
    }
)
"""Rankers that take examples. Others were tried, and gain nothing over these: bench/svm_methods.py."""


def feedback(name: str) -> VectorRanker:
    """Make the ranker of that name."""
    if name not in FEEDBACK:
        raise TellapartError(f"unknown feedback {name!r}: choose one of {', '.join(FEEDBACK)}")
    return VectorRanker(name, FEEDBACK[name])


RANKERS: tuple[str, ...] = ("bm25", "knn", "svm", "hybrid", "rrf", "structure")
EXAMPLE_RANKERS: tuple[str, ...] = tuple(name for name in FEEDBACK if name not in RANKERS)
"""Rankers that only a search with examples may ask for."""

LEXICAL_ONLY = frozenset({"bm25"})
WITHOUT_VECTORS = frozenset({*LEXICAL_ONLY, "structure"})
"""Rankers that need no encoder; `structure` takes vectors where there are any."""

SOLVERS: tuple[str, ...] = ("closed", "exact")
LIMITS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "k1": (0.0, 1000.0),
        "b": (0.0, 1.0),
        "weight": (0.0, 1.0),
        "regularisation": (1e-6, 1e12),
        "c": (1e-9, 1e6),
        "depth": (1, 100),
        "rerank_ms": (1.0, 1e6),
    }
)

WEIGHT: Mapping[Kind, float] = MappingProxyType({Kind.PROSE: 0.7, Kind.CODE: 0.9, Kind.IMAGE: 0.9})
"""Share of the vectors in `hybrid`: .7 beats equal-weight RRF on 8 of 9 development sets of text, and code
wants more (bench/quality.py prints both). That of images, whose words are those of their paths, was
measured on no collection: words of paths decide between images that look alike, and no more."""

UNTRAINED_WEIGHT: Mapping[Kind, float] = MappingProxyType({Kind.PROSE: 0.5, Kind.CODE: 0.1, Kind.IMAGE: 0.9})
"""The same for vectors that know this corpus alone (lsa). On four collections of code .1 gives nDCG@10 .706 and .9
.615, the best of .1, .3, .5, .7 and .9 whichever is left out. On ten of prose .1, .3 and .5 are within .001 of each
other and .7 loses .006; of the three, .5 is never more than .038 below the best (docs/benchmarks/verdict.md)."""


def default_weight(kind: Kind, encoder: str | None) -> float:
    """Share of the vectors in `hybrid` where nobody chose one."""
    return (UNTRAINED_WEIGHT if encoder == LSA else WEIGHT)[kind]


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a user set; None = the default of the kind of document.

    `regularisation` is the lambda of svm, ridge and expanded-ridge as a multiple of the mean eigenvalue; `c` says
    the svm's as liblinear does. `rerank` names a cross-encoder that looks again at the first `depth` hits, or at as
    many as it reads within `rerank_ms` milliseconds; "none" = no second look, whatever a verdict says.
    """

    k1: float | None = None
    b: float | None = None
    weight: float | None = None
    regularisation: float | None = None
    c: float | None = None
    solver: str | None = None
    rerank: str | None = None
    depth: int | None = None
    rerank_ms: float | None = None

    def __post_init__(self) -> None:
        for name, (low, high) in LIMITS.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float | None):
                raise TellapartError(f"{name} is {shown(value)}: give a number")
            if value is not None and not (math.isfinite(value) and low <= value <= high):
                raise TellapartError(f"{name} {value} is out of range: give {low:g} to {high:g}")
        if self.regularisation is not None and self.c is not None:
            raise TellapartError("lambda and C both say how much the svm regularises: give one of them")
        if self.solver is not None and self.solver not in SOLVERS:
            raise TellapartError(f"unknown solver {self.solver!r}: choose one of {', '.join(SOLVERS)}")

    def given(self) -> dict[str, float | str]:
        """Map the names of what was set to the values."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) is not None}

    def shown(self) -> str:
        """Write what was set, but for what the configuration's name says already: `weight 0.5, depth 12`."""
        return ", ".join(
            f"{name} {value:g}" if isinstance(value, int | float) else f"{name} {value}"
            for name, value in self.given().items()
            if name != "rerank"
        )

    def over(self, tuned: Parameters) -> Parameters:
        """Take the tuned values where the user gave none; lambda and C displace each other."""
        own: dict[str, Any] = self.given()
        taken = {*own, *(("c", "regularisation") if "c" in own or "regularisation" in own else ())}
        return replace(tuned, **{name: own.get(name) for name in taken})


def make_ranker(
    name: str, kind: Kind, parameters: Parameters, *, encoder: str | None = None, vector_side: str = "knn"
) -> Ranker:
    """Build a ranker with the user's parameters, or the defaults of the kind and of the encoder.

    `vector_side` names what `hybrid` and `rrf` put beside the words.
    """
    # Structure is one for all levels: files of prose and of code compete in one list.
    k1, b = defaults(Kind.CODE if name == "structure" else kind)
    k1 = k1 if parameters.k1 is None else parameters.k1
    b = b if parameters.b is None else parameters.b
    if name == "structure":
        return Structure(k1, b, knn())
    lexical = BM25(k1, b)
    if name == "bm25":
        return lexical
    weight = default_weight(kind, encoder) if parameters.weight is None else parameters.weight
    if name == "hybrid":
        return Hybrid(lexical, _by_vectors(vector_side, parameters), weight)
    if name == "rrf":
        return ReciprocalRankFusion(lexical, _by_vectors(vector_side, parameters))
    return _by_vectors(name, parameters)


def _by_vectors(name: str, parameters: Parameters) -> VectorRanker:
    if name == "knn":
        return knn()
    if name == "svm":
        return (exact_svm if parameters.solver == "exact" else svm)(_form(parameters))
    if name in ("ridge", "expanded-ridge") and parameters.regularisation is not None:
        ridge = Ridge(parameters.regularisation)
        return VectorRanker(name, ridge if name == "ridge" else ExpandedRidge(ridge, ridge))
    if name in EXAMPLE_RANKERS:
        return feedback(name)
    raise TellapartError(f"unknown ranker {name!r}: choose one of auto, {', '.join(RANKERS)}")


def _form(parameters: Parameters) -> ClosedFormSVM:
    ratio = DEFAULT_RATIO if parameters.regularisation is None else parameters.regularisation
    return ClosedFormSVM(ratio, parameters.c)

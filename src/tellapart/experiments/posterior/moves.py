"""How one configuration differs from another, as numbers that a model can weigh."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import KIND_OF, Kind
from tellapart.engine.configuration import Configuration
from tellapart.index.latent import LSA
from tellapart.rankers.registry import Parameters, default_weight

Floats = NDArray[np.float64]

BASIS = ("words", "words squared", "vectors", "svm", "bm25", "encoder", "units", "other")
"""What may differ: the share of the score that goes from vectors to words, and its square (the gain of a weight is
curved); the share that goes to vectors; nearest neighbours or svm; k1 and b; another encoder; other granularities;
anything else, such as another ranker or a second look by a cross-encoder."""

CLASSES = ("prose", "untrained prose", "code", "untrained code")
"""Kinds of default, since each has its own weight of the vectors: for prose or code, with an encoder that was trained
elsewhere or one that knows this corpus alone."""

EQUAL_PARTS = 0.5
"""Share of the vectors in reciprocal rank fusion and in the structure ranker."""

KNOWN = frozenset({"bm25", "knn", "svm", "hybrid"})
"""Rankers whose moves the development collections tell about."""

FAR = 4.0
"""Distance of what the model knows nothing about, such as another encoder of the user's. Not measured: its gain is
taken to vary twice as much as that of giving all of the score to words."""

LEAST_APART = 0.05
"""Distance of configurations that differ in nothing of the above, so that no gain is certain. Not measured."""


def move(origin: Configuration, target: Configuration) -> Floats:
    """Describe the way from one configuration to another: (len(BASIS),)."""
    other_encoder = target.encoder is not None and target.encoder != origin.encoder
    other_ranker = origin.ranker != target.ranker and not {origin.ranker, target.ranker} <= KNOWN
    other_look = origin.parameters.rerank != target.parameters.rerank
    after = vector_share(target)
    shift = 0.0 if other_ranker else vector_share(origin) - after
    toward_words = max(shift, 0.0)
    return np.array(
        [
            toward_words,
            toward_words**2,
            max(-shift, 0.0),
            float(_svm(origin) != _svm(target)),
            float(_terms(origin) != _terms(target)),
            after if other_encoder else 0.0,
            float(origin.granularities != target.granularities),
            float(other_ranker or other_look or (other_encoder and target.encoder != LSA)),
        ]
    )


def distance(moved: Floats) -> Floats:
    """How far apart configurations are (m,), from their moves (m, len(BASIS)): what their gains vary with."""
    words, _, vectors, svm, bm25, encoder, units, other = np.moveaxis(moved, -1, 0)
    apart: Floats = words + vectors + 0.5 * svm + 0.2 * bm25 + encoder + 0.2 * units + FAR * other
    return np.maximum(apart, LEAST_APART)


def class_of(default: Configuration) -> str:
    """Name the kind of default, one of CLASSES."""
    code = any(KIND_OF[level] is Kind.CODE for level in default.granularities)
    prose = any(KIND_OF[level] is Kind.PROSE for level in default.granularities)
    kind = "code" if code and not prose else "prose"
    return kind if is_trained(default.encoder) else f"untrained {kind}"


def vector_share(configuration: Configuration) -> float:
    """Share of the score that comes from vectors."""
    if configuration.encoder is None:
        return 0.0
    if configuration.ranker == "hybrid":
        given = configuration.parameters.weight
        kinds = [
            default_weight(KIND_OF[level], configuration.encoder) for level in configuration.granularities
        ]
        return given if given is not None else sum(kinds) / len(kinds)
    return EQUAL_PARTS if configuration.ranker in ("rrf", "structure") else 1.0


def weight_beside(default: Configuration, other: Configuration) -> float | None:
    """Weight of the vectors in a configuration that differs from a hybrid in nothing else; None for any other.

    BM25 has the weight 0, nearest neighbours have 1.
    """
    plain = replace(other, parameters=Parameters(weight=other.parameters.weight))
    alike = other.granularities == default.granularities and other.encoder in (None, default.encoder)
    on_curve = alike and other == plain and other.ranker in ("bm25", "knn", "hybrid")
    return vector_share(other) if on_curve else None


def is_trained(encoder: str | None) -> bool:
    """Whether an encoder knows more than this corpus."""
    return encoder not in (None, LSA)


def _svm(configuration: Configuration) -> tuple[bool, object]:
    return configuration.ranker == "svm", configuration.parameters.regularisation


def _terms(configuration: Configuration) -> tuple[object, object]:
    return configuration.parameters.k1, configuration.parameters.b

"""The values that galleries take and give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart.encoders.protocol import Vectors

Rows = NDArray[np.int64]
Floats = NDArray[np.float64]


PART_BYTES = 4
"""Of the key of a view: its last bytes say which face of a picture it is."""


class Scoring(StrEnum):
    """How a view is scored against an identity that has several templates, always by cosine.

    `mean`: with the mean of its templates, weighted by quality. `max`: with its nearest template. `svm`: with the mean
    after whitening by the gallery, which is the closed-form exemplar SVM with the rest of the gallery as negatives.
    """

    MEAN = "mean"
    MAX = "max"
    SVM = "svm"


class Origin(StrEnum):
    """Who says that a template shows its identity: a person, or an automatic match."""

    PERSON = "person"
    AUTOMATIC = "automatic"


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One face, picture or text with its vector (dim,) of unit length.

    `digest` hashes what was looked at; `part` numbers the faces of a picture from 0, the largest first; `box` is left,
    top, right, bottom in its pixels.
    """

    source: str
    vector: Vectors
    digest: bytes
    part: int = 0
    parts: int = 1
    quality: float = 1.0
    box: tuple[int, int, int, int] | None = None
    complaints: tuple[str, ...] = ()

    @property
    def key(self) -> bytes:
        """Names this view, wherever its file lies."""
        return self.digest + self.part.to_bytes(PART_BYTES, "big")

    @property
    def place(self) -> str:
        """Where it is, in words."""
        return f"{self.source} (face {self.part + 1} of {self.parts})" if self.parts > 1 else self.source


@dataclass(frozen=True, slots=True)
class Identity:
    """An identity as the gallery knows it."""

    number: int
    name: str
    templates: int
    automatic: int
    added: str
    consent: str
    cohort: bool


@dataclass(frozen=True, slots=True)
class Bound:
    """A threshold and what is promised of it.

    `rate`: at most so many strangers get past it. `groups`: independent people, or pairs of people, that carry it.
    `basis` is `measured` in this gallery, or `assumed` from figures of the encoder.
    """

    threshold: float
    rate: float
    groups: int
    basis: str

    @property
    def promise(self) -> str:
        """What it says, in words."""
        if self.basis == "assumed":
            return f"about {self.rate:g}, assumed from the encoder's figures (too few identities to measure it here)"
        return f"at most {self.rate:g}, measured on {self.groups:,} here"


@dataclass(frozen=True, slots=True)
class Candidate:
    """An identity that a view may show; `threshold` is what it had to exceed."""

    name: str
    score: float
    probability: float | None
    threshold: float

    @property
    def accepted(self) -> bool:
        """Whether the score lies above the threshold."""
        return self.score > self.threshold


@dataclass(frozen=True, slots=True)
class Identified:
    """Who a view shows: `name`, or None for "unknown".

    `candidates` are the best identities, best first; `unknown` is the probability that it is none of the gallery, given
    the `prior` that it is; None where the gallery cannot say.
    """

    view: View
    name: str | None
    candidates: tuple[Candidate, ...]
    unknown: float | None
    prior: float
    bound: Bound

    def to_dict(self) -> dict[str, Any]:
        """Give it in the shape of `identity identify --json`."""
        return {
            "source": self.view.source,
            "face": self.view.part + 1,
            "faces": self.view.parts,
            "box": list(self.view.box) if self.view.box else None,
            "quality": round(self.view.quality, 4),
            "complaints": list(self.view.complaints),
            "name": self.name,
            "unknown_probability": self.unknown,
            "prior": self.prior,
            "fpir": self.bound.rate,
            "basis": self.bound.basis,
            "candidates": [
                {
                    "name": each.name,
                    "score": each.score,
                    "probability": each.probability,
                    "threshold": each.threshold,
                }
                for each in self.candidates
            ],
        }


@dataclass(frozen=True, slots=True)
class Verified:
    """Whether two views show the same identity, or a view the identity that is claimed."""

    same: bool
    score: float
    probability: float | None
    prior: float
    bound: Bound

    def to_dict(self) -> dict[str, Any]:
        """Give it in the shape of `identity verify --json`."""
        return {
            "same": self.same,
            "score": self.score,
            "threshold": self.bound.threshold,
            "far": self.bound.rate,
            "basis": self.bound.basis,
            "probability": self.probability,
            "prior": self.prior,
        }


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the audit log: what was done when; identities by number, for their names may be deleted."""

    time: str
    action: str
    identities: tuple[int, ...]
    details: Mapping[str, Any] = field(default_factory=dict)

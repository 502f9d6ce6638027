"""Arms of an experiment: configurations that are compared, with the parameters that are tried inside each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from tellapart.arguments import Names, names, need
from tellapart.corpus.document import KIND_OF, Granularity, Kind
from tellapart.encoders.export import PAIRS
from tellapart.encoders.pairs import open_cross_encoder
from tellapart.encoders.shelf import fetched_of_kind
from tellapart.engine import Index
from tellapart.engine.configuration import Configuration, parse_granularities, present_levels
from tellapart.engine.planning import NO_RERANK
from tellapart.engine.request import SearchRequest
from tellapart.engine.second_look import depth_within
from tellapart.errors import TellapartError
from tellapart.index.snapshot import Snapshot
from tellapart.progress import Progress, silent
from tellapart.rankers.registry import LEXICAL_ONLY, RANKERS, WITHOUT_VECTORS, Parameters

TUNED = " tuned"

COMPARED = ("bm25", "knn", "svm", "hybrid", "structure")
"""Rankers that are compared unless others are asked for; `structure` where there are files of code."""

TIERS = (
    (Granularity.SENTENCE, Granularity.FUNCTION),
    (Granularity.PARAGRAPH, Granularity.FUNCTION),
    (Granularity.SECTION, Granularity.CLASS),
    (Granularity.DOCUMENT, Granularity.FILE),
)
"""Granularities of prose and code that are searched together."""

LOOKING_SECONDS = 600.0
"""A second look that takes longer is compared only where it is named, since an evaluation is waited for."""

TRIED: dict[str, tuple[Parameters, ...]] = {
    "bm25": (
        Parameters(),
        Parameters(k1=0.9, b=0.4),
        Parameters(k1=0.9, b=0.75),
        Parameters(k1=2.0, b=0.75),
    ),
    "svm": (Parameters(), Parameters(regularisation=1.0), Parameters(regularisation=100.0)),
    "hybrid": (
        Parameters(),
        Parameters(weight=0.1),
        Parameters(weight=0.3),
        Parameters(weight=0.5),
        Parameters(weight=0.7),
        Parameters(weight=0.9),
    ),
}
"""Parameters tried in cross-validation, the default first: it wins ties. The steps lie around the
defaults, with Anserini's .9/.4; a finer grid of weights gained nothing that a fold of 100 queries can see."""


@dataclass(frozen=True, slots=True)
class Arm:
    """A configuration to compare, addressed by its name.

    Several `variants` mean that parameters are chosen among them, always on other queries than those that are
    scored. One that is no `contender` is measured for comparison and never chosen.
    """

    name: str
    variants: tuple[Configuration, ...]
    contender: bool = True

    @classmethod
    def fixed(cls, configuration: Configuration) -> Arm:
        """Compare a configuration as it is."""
        return cls(configuration.name, (configuration,))

    @classmethod
    def tuned(cls, encoder: str | None, levels: tuple[Granularity, ...], ranker: str) -> Arm:
        """Compare a configuration with the parameters that are tried for its ranker."""
        tried = TRIED.get(ranker, (Parameters(),))
        variants = tuple(Configuration(encoder, levels, ranker, parameters) for parameters in tried)
        return cls(variants[0].name + (TUNED if len(variants) > 1 else ""), variants)


@dataclass(frozen=True, slots=True)
class Arms:
    """All that is compared; `default` is what `auto` means without a verdict, `reference` what gains are shown against.

    Both are names of arms.
    """

    arms: tuple[Arm, ...]
    default: str
    reference: str

    def __iter__(self) -> Iterator[Arm]:
        return iter(self.arms)

    @property
    def encoders(self) -> tuple[str, ...]:
        """Encoders that the arms need, sorted."""
        variants = [variant for arm in self.arms for variant in arm.variants]
        return tuple(sorted({variant.encoder for variant in variants if variant.encoder is not None}))

    @classmethod
    def of(cls, default: Arm, reference: Arm, others: Sequence[Arm]) -> Arms:
        """List arms, default and reference first; arms of one name are one arm."""
        unique = {arm.name: arm for arm in (default, reference, *others)}
        return cls(tuple(unique.values()), default.name, reference.name)


def text_arms(
    index: Index,
    encoders: Names = (),
    granularities: Names = (),
    rankers: Names = COMPARED,
) -> Arms:
    """List what to compare for queries of words; empty means all that the index has.

    Granularities whose units are those of another one are listed once. The default of `auto` and BM25 over whole
    documents, the reference, are always there, with the parameters they have.

    Raises:
        TellapartError: The index is empty, or lacks what was asked for.
    """
    need(index, Index, "index", "an open tellapart.Index")
    encoders, granularities = names(encoders, "encoders"), names(granularities, "granularities")
    rankers = names(rankers, "rankers")
    for ranker in rankers:
        if ranker not in RANKERS:
            raise TellapartError(f"unknown ranker {ranker!r}: choose among {', '.join(RANKERS)}")
    with index.reading() as snapshot:
        if not snapshot.granularities:
            raise TellapartError(f"the index {index.place} is empty: there is nothing to evaluate")
        for encoder in encoders:
            if encoder not in snapshot.encoders:
                raise snapshot.unknown_encoder(encoder)
        default = index.planner(snapshot).default(SearchRequest()).configuration
        whole = present_levels((_largest(snapshot),), snapshot.granularities)
        tiers = _asked(granularities, snapshot) or _tiers(snapshot, default.granularities)
        named = tuple(encoders) or tuple(snapshot.encoders)
        others: list[Arm] = []
        of_code = snapshot.names.share_of_code > 0
        for tier in tiers:
            has_code = of_code and any(KIND_OF[level] is Kind.CODE for level in tier)
            own = [ranker for ranker in rankers if ranker != "structure" or has_code]
            others += [Arm.tuned(None, tier, ranker) for ranker in own if ranker in WITHOUT_VECTORS]
            for encoder in named:
                if all(snapshot.has_vectors(encoder, level) for level in tier):
                    others += [Arm.tuned(encoder, tier, r) for r in own if r not in LEXICAL_ONLY]
    return Arms.of(Arm.fixed(default), Arm.fixed(Configuration(None, whole, "bm25")), others)


def with_second_looks(
    arms: Arms, queries: int, named: Sequence[str] | None = None
) -> tuple[Arms, tuple[str, ...]]:
    """Add the default followed by a second look, one arm for each cross-encoder.

    How many hits it looks at is decided here, by its time budget on this machine, and stays with the arm. The ranker
    of code is left alone: cross-encoders are trained on prose.

    Args:
        arms: What else is compared.
        queries: How many will be asked.
        named: Cross-encoders to compare, "none" for none; None = those in the user's cache that take less than
            `LOOKING_SECONDS`.

    Returns:
        The arms, and what a user should know about those left out.
    """
    default = arms.arms[0].variants[0]
    if named == (NO_RERANK,) or (default.ranker == "structure" and named is None):
        return arms, ()
    added, notes = [], []
    for name in fetched_of_kind(PAIRS) if named is None else named:
        encoder = open_cross_encoder(name)
        depth = depth_within(encoder, Parameters())
        seconds = queries * depth * encoder.milliseconds / 1000
        if named is None and seconds > LOOKING_SECONDS:
            minutes = f"{seconds / 60:,.0f} minutes"
            notes.append(
                f"a second look by {name} was not compared, it takes some {minutes}: --rerank {name} does"
            )
            continue
        parameters = replace(default.parameters, rerank=name, depth=depth)
        added.append(Arm.fixed(replace(default, parameters=parameters)))
    return replace(arms, arms=(*arms.arms, *added)), tuple(notes)


def encode_sentences(index: Index, arms: Arms, progress: Progress = silent) -> None:
    """Encode sentences by themselves where arms need some whose vectors are pooled: those are a stand-in.

    An index that cannot be written, or that somebody else is writing, is compared as it is.
    """
    with index.reading() as snapshot:
        wanted = {
            str(variant.encoder)
            for arm in arms
            for variant in arm.variants
            if Granularity.SENTENCE in variant.granularities and variant.encoder is not None
        }
        behind = [name for name in sorted(wanted) if Granularity.SENTENCE in snapshot.encoders[name].pooled]
    for name in behind:
        with suppress(TellapartError):
            index.encode_alone(name, Granularity.SENTENCE, progress=progress)


def _largest(snapshot: Snapshot) -> Granularity:
    whole = (Granularity.DOCUMENT, Granularity.FILE)
    return Granularity.DOCUMENT if set(whole) & set(snapshot.granularities) else snapshot.granularities[-1]


def _asked(granularities: Sequence[str], snapshot: Snapshot) -> list[tuple[Granularity, ...]]:
    return [present_levels(parse_granularities(name), snapshot.granularities) for name in granularities]


def _tiers(snapshot: Snapshot, default: tuple[Granularity, ...]) -> list[tuple[Granularity, ...]]:
    """Tiers that differ in their units, the default's first, then the largest, so that their names survive."""
    kept: list[tuple[Granularity, ...]] = [default]
    for tier in reversed(TIERS):
        present = tuple(level for level in tier if level in snapshot.granularities)
        if present and not any(_same_units(snapshot, present, other) for other in kept):
            kept.append(present)
    return sorted(kept, key=lambda tier: tuple(list(Granularity).index(level) for level in tier))


def _same_units(snapshot: Snapshot, a: tuple[Granularity, ...], b: tuple[Granularity, ...]) -> bool:
    """Whether two tiers cut every document alike; units nest, so equal counts are equal units."""
    return np.array_equal(_counts(snapshot, a), _counts(snapshot, b))


def _counts(snapshot: Snapshot, tier: tuple[Granularity, ...]) -> np.ndarray:
    """Units of each document, in the order of document numbers."""
    numbers, counts = [], []
    for level in tier:
        table = snapshot.units(level)
        numbers.append(table.documents)
        counts.append(np.diff(table.offsets))
    every, inverse = np.unique(np.concatenate(numbers), return_inverse=True)
    return np.bincount(inverse, np.concatenate(counts), minlength=len(every))

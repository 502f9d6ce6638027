"""Queries that are examples: a unit of the index, or several, stand for what is looked for.

Two kinds of relevance: images that lie in one folder (or are judged so) belong together, and so do the units of one
document (or the documents of one folder). An example is never found itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import KIND_OF, LEVELS, Granularity, Kind
from tellapart.encoders.load import PIXELS
from tellapart.engine import Index
from tellapart.engine.configuration import Configuration
from tellapart.engine.request import SearchRequest
from tellapart.errors import TellapartError
from tellapart.experiments.arms import COMPARED, Arm, Arms
from tellapart.experiments.experiment import ArmValues, Experiment
from tellapart.experiments.measures import Measure, evaluate_run
from tellapart.experiments.qrels import Qrels
from tellapart.experiments.query_set import Provenance, QuerySet
from tellapart.experiments.running import BLOCK_CELLS, DEEPEST, MEASURE, best_columns
from tellapart.index.snapshot import Snapshot
from tellapart.progress import Progress, silent
from tellapart.rankers.examples import like_rows
from tellapart.rankers.query import Query, Units, forbid
from tellapart.rankers.registry import EXAMPLE_RANKERS, RANKERS, make_ranker
from tellapart.rankers.run import RankedDocuments, Run
from tellapart.rankers.vectors import VectorRanker

MOST_IMAGES = 1_000
"""Images that are asked about: of a standard deviation of .3 they show a difference of .03 in 80 %
of trials (2.8 x .3 / sqrt 1,000), a quarter of them one of .05."""

IMAGE_RANKERS = ("knn", "svm", "ridge")
"""Rankers that are compared on images; with one example the others by example are one of these."""

BY_VECTORS = tuple(name for name in (*RANKERS, *EXAMPLE_RANKERS) if name not in ("bm25", "hybrid", "rrf"))

EXAMPLES = 3
"""Examples in a simulated search; with one no gain could be shown on judged sets, with three it could."""

TARGETS = 2
"""Fewest units of a group that are left to be found."""

GROUPS = 200
"""Simulated searches: they show a difference of .02 nDCG@10 where single ones deviate by .10."""

Group = NDArray[np.int64]
"""Rows of units that belong together."""


def image_query_set(index: Index, qrels: Qrels | None = None, *, seed: int = 0) -> QuerySet:
    """Ask about the images of an index: each is a query, by the id of its document.

    Args:
        index: Whose images are asked about.
        qrels: Which images belong together; None = those that lie in one folder do. Images of one folder depend on each
            other: one cluster. Those alone in their folder, and those in none, are only found, never asked about.
        seed: Random seed of the draw where there are many.

    Raises:
        TellapartError: Nothing says which images belong together.
    """
    if qrels is not None:
        return _judged_images(index, qrels)
    of = _folders(index)
    shared = {folder: names for folder, names in of.items() if folder and len(names) > 1}
    if len(shared) < 2:
        raise TellapartError(
            f"the images of {index.place} lie in {len(shared)} folders of two and more: put those of one thing into"
            " one folder, at least two folders, or give judgements with --qrels"
        )
    asked = sorted((name, folder) for folder, names in shared.items() for name in names)
    notes = [f"judged by folder: {len(shared):,} folders of two and more images"]
    if len(asked) > MOST_IMAGES:
        drawn = np.random.default_rng(seed).choice(len(asked), MOST_IMAGES, replace=False)
        notes.append(f"{MOST_IMAGES:,} of their {len(asked):,} images are asked about, drawn at random")
        asked = [asked[place] for place in sorted(drawn.tolist())]
    grades = {
        name: MappingProxyType(dict.fromkeys((other for other in shared[folder] if other != name), 1))
        for name, folder in asked
    }
    return QuerySet(
        MappingProxyType({name: name for name, _ in asked}),
        Qrels(MappingProxyType(grades)),
        clusters=MappingProxyType({name: f"folder {folder}" for name, folder in asked}),
        notes=tuple(notes),
    )


def _judged_images(index: Index, qrels: Qrels) -> QuerySet:
    images = {name for names in _folders(index).values() for name in names}
    kept: dict[str, Mapping[str, int]] = {}
    for query, grades in qrels.grades.items():
        others = {name: grade for name, grade in grades.items() if name != query and name in images}
        if query in images and any(grade > 0 for grade in others.values()):
            kept[query] = MappingProxyType(others)
    if not kept:
        first = next(iter(qrels.grades), "")
        raise TellapartError(
            f"no judged query is an image of {index.place} with another one to find: the first is {first!r}; name"
            " images as search prints them"
        )
    left = len(qrels.grades) - len(kept)
    note = f"{left:,} judged queries are no images here, or have nothing to find: left out"
    return QuerySet(
        MappingProxyType({name: name for name in kept}),
        Qrels(MappingProxyType(kept)),
        notes=(note,) if left else (),
    )


def _folders(index: Index) -> dict[str, list[str]]:
    """Ids of the images by the folder that holds them ("" for none), both in order."""
    with index.reading():
        kinds, names = index.store.kinds(), index.store.identifiers()
    found: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names[number] for number, kind in kinds.items() if kind is Kind.IMAGE):
        folder = PurePosixPath(name).parent
        found["" if folder == PurePosixPath() else str(folder)].append(name)
    return dict(found)


def image_arms(index: Index, encoders: Sequence[str] = (), rankers: Sequence[str] = ()) -> Arms:
    """List what to compare on images; empty means all that sees images here. Raw pixels, by k-NN, are the reference.

    Raises:
        TellapartError: The index lacks what was asked for, or a ranker reads words.
    """
    chosen = IMAGE_RANKERS if tuple(rankers) in ((), COMPARED) else rankers
    for ranker in chosen:
        if ranker not in BY_VECTORS:
            raise TellapartError(
                f"the ranker {ranker!r} cannot rank images: choose among {', '.join(BY_VECTORS)}"
            )
    levels = (Granularity.IMAGE,)
    with index.reading() as snapshot:
        seeing = [name for name in snapshot.encoders if snapshot.has_vectors(name, Granularity.IMAGE)]
        if not seeing:
            raise TellapartError(
                f"no encoder of {index.place} sees images: 'tellapart index --encoder {PIXELS} --index {index.place}'"
            )
        for name in encoders:
            if name not in snapshot.encoders:
                raise snapshot.unknown_encoder(name)
            if name not in seeing:
                raise TellapartError(
                    f"the encoder {name} does not see images: choose among {', '.join(seeing)}"
                )
        planner = index.planner(snapshot)
        usual = planner.default(SearchRequest(granularity=Granularity.IMAGE)).configuration.encoder
    reference = PIXELS if PIXELS in seeing else str(usual)
    return Arms.of(
        Arm.fixed(Configuration(usual, levels, "ridge")),
        Arm.fixed(Configuration(reference, levels, "knn")),
        [Arm.tuned(name, levels, ranker) for name in encoders or seeing for ranker in chosen],
    )


def unit_query_set(index: Index, level: Granularity, *, seed: int = 0) -> QuerySet:
    """Make queries of examples from the corpus itself, without a person: one for each group of units.

    The first EXAMPLES units of a group, in random order, are given; the others should be found. A group is the units of
    one document or, at the level of whole documents, the documents of one folder. Units go by their row.
    """
    with index.reading() as snapshot:
        groups, kind = _groups(index, snapshot, level)
    draw = np.random.default_rng(seed)
    usable = [group for group in groups if len(group) >= EXAMPLES + TARGETS]
    if len(usable) > GROUPS:
        usable = [usable[at] for at in np.sort(draw.choice(len(usable), GROUPS, replace=False))]
    drawn = {f"group {at}": draw.permutation(group).tolist() for at, group in enumerate(usable)}
    return QuerySet(
        MappingProxyType(dict.fromkeys(drawn, "")),
        Qrels({query: dict.fromkeys(map(str, group[EXAMPLES:]), 1) for query, group in drawn.items()}),
        provenance=Provenance.EXAMPLES,
        examples=MappingProxyType({query: tuple(group[:EXAMPLES]) for query, group in drawn.items()}),
        sources=MappingProxyType(dict.fromkeys(drawn, kind)),
        notes=(f"{EXAMPLES} examples each: {kind}",),
    )


def _groups(index: Index, snapshot: Snapshot, level: Granularity) -> tuple[list[Group], str]:
    """Units of each document or, at the level of whole documents, documents of each folder; and which of the two."""
    table = snapshot.units(level)
    rows = np.arange(table.n_rows) if table.alive is None else np.flatnonzero(table.alive)
    numbers, _ = table.locate(rows)
    if level is not LEVELS[KIND_OF[level]][-1]:
        return _split(rows, numbers), f"units of one document ({level})"
    folders = {
        number: str(PurePosixPath(identifier).parent)
        for number, identifier in index.store.identifiers().items()
        if "/" in identifier
    }
    inside = np.array([number in folders for number in numbers.tolist()], dtype=bool)
    names = {name: at for at, name in enumerate(sorted(set(folders.values())))}
    keys = np.array([names[folders[number]] for number in numbers[inside].tolist()], dtype=np.int64)
    return _split(rows[inside], keys), f"documents of one folder ({level})"


def _split(rows: NDArray[np.int64], keys: NDArray[np.int64]) -> list[Group]:
    if not len(rows):
        return []
    order = np.argsort(keys, kind="stable")
    return np.split(rows[order], np.flatnonzero(np.diff(keys[order])) + 1)


def example_arms(encoder: str, level: Granularity) -> Arms:
    """List the rankers of examples: ridge, the default; the mean vector (k-NN), the reference; and the svm."""

    def arm(ranker: str) -> Arm:
        return Arm.fixed(Configuration(encoder, (level,), ranker))

    return Arms.of(arm("ridge"), arm("rocchio"), [replace(arm("svm"), contender=False)])


def run_examples(
    index: Index,
    query_set: QuerySet,
    arms: Arms,
    measure: Measure | None = None,
    progress: Progress = silent,
) -> Experiment:
    """Rank all units of a level for every query of examples, under every variant of every arm.

    Args:
        index: Its units are ranked.
        query_set: Of `image_query_set` or `unit_query_set`.
        arms: What is compared, all on one level.
        measure: None = nDCG@10.
        progress: Told of queries.
    """
    chosen, queries = measure or MEASURE, query_set.answerable()
    level = arms.arms[0].variants[0].granularities[0]
    results: dict[str, ArmValues] = {}
    with index.reading() as snapshot:
        asked = _Asked.of(index, snapshot, query_set, queries, level)
        variants = sum(len(arm.variants) for arm in arms)
        with progress("comparing", variants * len(queries)) as advance:
            for arm in arms:
                values = np.zeros((len(queries), len(arm.variants)))
                for column, variant in enumerate(arm.variants):
                    if queries:
                        run = asked.run(variant, chosen.cutoff or DEEPEST)
                        values[:, column] = evaluate_run(run, query_set.qrels, [chosen]).values[chosen]
                    advance(len(queries))
                results[arm.name] = ArmValues(arm, values)
    return Experiment(
        query_set, queries, str(chosen), MappingProxyType(results), arms.default, arms.reference
    )


class _Asked:
    """Queries of examples over one level; `rows` are the examples of each, `names` what each row is called."""

    def __init__(
        self,
        snapshot: Snapshot,
        level: Granularity,
        queries: Sequence[str],
        rows: Sequence[tuple[int, ...]],
        names: Sequence[str],
    ) -> None:
        self.snapshot, self.level = snapshot, level
        self.queries, self.rows, self.names = queries, rows, names

    @classmethod
    def of(
        cls,
        index: Index,
        snapshot: Snapshot,
        query_set: QuerySet,
        queries: Sequence[str],
        level: Granularity,
    ) -> _Asked:
        table = snapshot.units(level)
        if query_set.provenance is Provenance.EXAMPLES:
            names = [str(row) for row in range(table.n_rows)]
            return cls(snapshot, level, queries, [query_set.examples[query] for query in queries], names)
        identifiers = index.store.identifiers()
        numbers = {name: number for number, name in identifiers.items()}
        rows = [(int(table.row(numbers[query_set.queries[query]], 0)),) for query in queries]
        documents, _ = table.locate(np.arange(table.n_rows))
        return cls(snapshot, level, queries, rows, [identifiers.get(n, "") for n in documents.tolist()])

    def run(self, variant: Configuration, depth: int) -> Run:
        """Rank all units but the examples for each query, many queries together."""
        ranker = make_ranker(variant.ranker, KIND_OF[self.level], variant.parameters)
        assert isinstance(ranker, VectorRanker)
        table = self.snapshot.units(self.level)
        vectors = self.snapshot.vectors(str(variant.encoder), self.level)
        units = Units(self.level, table.n_rows, self.snapshot.lexical(self.level), vectors, table.alive)
        ranked = {}
        size = max(1, BLOCK_CELLS // max(table.n_rows, 1))
        for start in range(0, len(self.rows), size):
            block = self.rows[start : start + size]
            # A single example is a query vector, so that the score of k-NN is a cosine.
            asked = [
                Query((), vectors.take(np.array(rows))[0], rows)
                if len(rows) == 1
                else like_rows(vectors, rows)
                for rows in block
            ]
            scores = forbid(ranker.scores_of_many(asked, vectors)[1], units)
            for query, rows, own in zip(self.queries[start : start + size], block, scores, strict=True):
                own[list(rows)] = -np.inf
                best = best_columns(own, depth)
                found = tuple(self.names[column] for column in best.tolist())
                ranked[query] = RankedDocuments(found, own[best].astype(np.float64))
        return Run(ranked)

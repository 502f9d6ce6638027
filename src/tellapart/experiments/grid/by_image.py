"""Comparing encoders and rankers of images: every query is an image of the index, which is not found itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tellapart.corpus.types import Granularity, Kind
from tellapart.encoders.load import PIXELS
from tellapart.engine import Index
from tellapart.engine.configuration import Configuration
from tellapart.engine.request import SearchRequest
from tellapart.errors import TellapartError
from tellapart.experiments.grid.candidates import Candidate, Grid
from tellapart.experiments.grid.measuring import BLOCK_CELLS, DEEPEST, GridValues, Measured, best_columns
from tellapart.experiments.measures import Measure, evaluate_run
from tellapart.experiments.queries.querysets import QueryGold
from tellapart.index.snapshot import Snapshot
from tellapart.progress import Progress, silent
from tellapart.rankers.query import Query, Units, forbid
from tellapart.rankers.registry import EXAMPLE_RANKERS, RANKERS, make_ranker
from tellapart.rankers.run import RankedDocuments, Run
from tellapart.rankers.vectors import VectorRanker

LEVEL = Granularity.IMAGE

COMPARED = ("knn", "svm", "ridge")
"""Rankers of the grid; with one example the others by example are one of these."""

BY_VECTORS = tuple(name for name in (*RANKERS, *EXAMPLE_RANKERS) if name not in ("bm25", "hybrid", "rrf"))


def make_image_grid(index: Index, encoders: Sequence[str] = (), rankers: Sequence[str] = ()) -> Grid:
    """List what to compare; empty means all that sees images here. Raw pixels, by k-NN, are the reference.

    Raises:
        TellapartError: The index lacks what was asked for, or a ranker reads words.
    """
    for ranker in rankers:
        if ranker not in BY_VECTORS:
            raise TellapartError(
                f"the ranker {ranker!r} cannot rank images: choose among {', '.join(BY_VECTORS)}"
            )
    with index.reading() as snapshot:
        seeing = [name for name in snapshot.encoders if snapshot.has_vectors(name, LEVEL)]
        if not seeing:
            raise TellapartError(
                f"no encoder of {index.folder} sees images: 'tellapart index --encoder {PIXELS} --index {index.folder}'"
            )
        for name in encoders:
            if name not in snapshot.encoders:
                raise snapshot.unknown_encoder(name)
            if name not in seeing:
                raise TellapartError(
                    f"the encoder {name} does not see images: choose among {', '.join(seeing)}"
                )
        planner = index.planner(snapshot)
        usual = planner.default(SearchRequest(granularity=LEVEL)).configuration.encoder
    reference = PIXELS if PIXELS in seeing else str(usual)
    candidates = [
        Candidate.fixed(Configuration(usual, (LEVEL,), "ridge")),
        Candidate.fixed(Configuration(reference, (LEVEL,), "knn")),
    ]
    for name in encoders or seeing:
        candidates += [Candidate.of(name, (LEVEL,), ranker) for ranker in rankers or COMPARED]
    unique = {candidate.name: candidate for candidate in candidates}
    return Grid(tuple(unique.values()), candidates[0].name, candidates[1].name)


def measure_images(
    index: Index, gold: QueryGold, grid: Grid, measure: Measure, progress: Progress = silent
) -> GridValues:
    """Rank all images for every query of `gold` under every variant of every candidate."""
    queries = tuple(gold.queries)
    with index.reading() as snapshot:
        numbers = {name: number for number, name in index.store.identifiers().items()}
        table = snapshot.units(LEVEL)
        rows = [table.row(numbers[gold.queries[query]], 0) for query in queries]
        documents, _ = table.locate(np.arange(table.n_rows))
        names = index.store.identifiers()
        of_rows = [names.get(number, "") for number in documents.tolist()]
        measured = []
        variants = sum(len(candidate.variants) for candidate in grid.candidates)
        with progress("comparing", variants * len(queries)) as advance:
            for candidate in grid.candidates:
                values = np.zeros((len(queries), len(candidate.variants)))
                for column, variant in enumerate(candidate.variants):
                    run = _run(snapshot, variant, queries, rows, of_rows, measure.cutoff or DEEPEST)
                    values[:, column] = evaluate_run(run, gold.qrels, [measure]).values[measure]
                    advance(len(queries))
                measured.append(Measured(candidate, values, None))
    return GridValues(grid, measure, queries, tuple(measured))


def _run(
    snapshot: Snapshot,
    variant: Configuration,
    queries: Sequence[str],
    rows: Sequence[int],
    names: Sequence[str],
    depth: int,
) -> Run:
    """Rank all images but the query's own for each query, many queries together."""
    ranker = make_ranker(variant.ranker, Kind.IMAGE, variant.parameters)
    assert isinstance(ranker, VectorRanker)
    table, vectors = snapshot.units(LEVEL), snapshot.vectors(str(variant.encoder), LEVEL)
    units = Units(table.n_rows, snapshot.lexical(LEVEL), vectors, table.alive)
    ranked = {}
    size = max(1, BLOCK_CELLS // max(table.n_rows, 1))
    for start in range(0, len(rows), size):
        block = rows[start : start + size]
        asked = [
            Query((), vector, (row,))
            for vector, row in zip(vectors.take(np.array(block)), block, strict=True)
        ]
        scores = forbid(ranker.scores_of_many(asked, vectors)[1], units)
        scores[np.arange(len(block)), block] = -np.inf
        for query, own in zip(queries[start : start + size], scores, strict=True):
            best = best_columns(own, depth)
            found = tuple(names[column] for column in best.tolist())
            ranked[query] = RankedDocuments(found, own[best].astype(np.float64))
    return Run(ranked)

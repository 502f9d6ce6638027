"""What an arm costs: time to index, time to ask, bytes to read."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from statistics import median
from types import MappingProxyType

import numpy as np

from tellapart.corpus.document import KIND_OF, Granularity
from tellapart.encoders.pooling import embed
from tellapart.encoders.protocol import Encoder, OfImages
from tellapart.engine import Index
from tellapart.engine.configuration import Configuration
from tellapart.engine.request import MAX_QUERY_CHARACTERS
from tellapart.errors import TellapartError
from tellapart.experiments.experiment import Cost, Experiment
from tellapart.index.embedding import TILES, unit_texts
from tellapart.index.snapshot import Snapshot
from tellapart.progress import Progress, silent
from tellapart.rankers.registry import EXAMPLE_RANKERS, RANKERS

TIMED_QUERIES = 5
"""Queries asked of each configuration, after one that warms it up: the median of five is steady to some 20 %."""

SAMPLED_UNITS = 12
"""Units encoded to estimate how long all of them take; spread evenly over the rows."""

BYTES_A_POSTING = 5
"""A unit's row as int32 and a term frequency as one byte."""

WORDS_ONLY = frozenset({"bm25"})
VECTORS_ONLY = frozenset({"knn", "svm", *EXAMPLE_RANKERS})


def with_costs(experiment: Experiment, index: Index, progress: Progress = silent) -> Experiment:
    """Measure what each arm of an experiment costs on an index, and order the arms by it.

    An arm is timed with its first variant: parameters hardly change what it costs.
    """
    meter = CostMeter(index, list(experiment.query_set.queries.values()))
    first = {name: each.arm.variants[0] for name, each in experiment.arms.items()}
    costs = {}
    with progress("timing", len(first)) as advance:
        for name, configuration in first.items():
            costs[name] = meter.measure(configuration)
            advance(1)
    with index.reading() as snapshot:
        order = cost_order(snapshot, list(first.values()))
    names = list(first)
    return replace(experiment, costs=MappingProxyType(costs), by_cost=tuple(names[place] for place in order))


class CostMeter:
    """Measures configurations of one index; what encoding a level takes is estimated once."""

    def __init__(self, index: Index, queries: Sequence[str]) -> None:
        self.index = index
        sound = (query for query in queries if query.strip() and len(query) <= MAX_QUERY_CHARACTERS)
        self.queries = list(islice(sound, TIMED_QUERIES + 1))
        self._encoding: dict[tuple[str, Granularity], float | None] = {}

    def measure(self, configuration: Configuration) -> Cost:
        """Time some queries, estimate the encoding, count the bytes."""
        with self.index.reading() as snapshot:
            return Cost(
                self._index_seconds(snapshot, configuration),
                self.query_ms(configuration),
                bytes_read(snapshot, configuration),
            )

    def query_ms(self, configuration: Configuration) -> float:
        """Time some searches (median, ms)."""
        times = []
        image = configuration.granularities == (Granularity.IMAGE,)
        for query in self.queries:
            started = time.perf_counter()
            self.index.search(
                None if image else query,
                like=(query,) if image else (),
                ranker=configuration.ranker,
                granularity=configuration.granularity,
                encoder=configuration.encoder,
                parameters=configuration.parameters,
            )
            times.append(1000 * (time.perf_counter() - started))
        return median(times[1:] or times) if times else math.nan

    def _index_seconds(self, snapshot: Snapshot, configuration: Configuration) -> float | None:
        encoder = configuration.encoder
        if encoder is None:
            return 0.0
        parts = [self._encoding_seconds(snapshot, encoder, level) for level in configuration.granularities]
        known = [part for part in parts if part is not None]
        return sum(known) if len(known) == len(parts) else None

    def _encoding_seconds(self, snapshot: Snapshot, name: str, level: Granularity) -> float | None:
        """Estimate from a sample; None for an encoder behind a network, which costs money to ask."""
        if name.startswith("openai:"):
            return None
        if level in snapshot.encoders[name].pooled and snapshot.units(TILES[KIND_OF[level]]).n_alive:
            level = TILES[KIND_OF[level]]  # what its windows cost; without them about what the text costs
        key = name, level
        if key not in self._encoding:
            table = snapshot.units(level)
            alive = np.arange(table.n_rows) if table.alive is None else np.flatnonzero(table.alive)
            rows = alive[np.linspace(0, len(alive) - 1, min(SAMPLED_UNITS, len(alive))).astype(np.int64)]
            places = [(int(n), int(ordinal)) for n, ordinal in zip(*table.locate(rows), strict=True)]
            seconds = self._seconds(self.index.encoder(name), places, level)
            self._encoding[key] = None if seconds is None else seconds * len(alive) / len(rows)
        return self._encoding[key]

    def _seconds(
        self, encoder: Encoder, places: Sequence[tuple[int, int]], level: Granularity
    ) -> float | None:
        """Time the encoding of some units; of images that are still there their decoding counts too."""
        if not isinstance(encoder, OfImages):
            units = [unit_texts(self.index.stored(number), level)[ordinal] for number, ordinal in places]
            started = time.perf_counter()
            embed(encoder, units)
            return time.perf_counter() - started
        from tellapart.index.image_vectors import ImageFiles

        files = ImageFiles(self.index.folder, self.index.settings)
        documents = [self.index.stored(number).document for number, _ in places]
        try:
            files.pixels(documents[0], encoder)  # finds the files
            started = time.perf_counter()
            encoder.encode_images([files.pixels(document, encoder) for document in documents])
        except TellapartError:
            return None
        return time.perf_counter() - started


def bytes_read(snapshot: Snapshot, configuration: Configuration) -> int:
    """Bytes of vectors and postings that a search may touch."""
    total = 0
    for level in configuration.granularities:
        if configuration.ranker not in WORDS_ONLY and configuration.encoder is not None:
            total += snapshot.vectors(configuration.encoder, level).bytes_read()
        if configuration.ranker not in VECTORS_ONLY:
            for segment in snapshot.segments:
                if level in segment.granularities:
                    total += len(segment.lexical.postings(level)) * BYTES_A_POSTING
    return total


def cost_order(snapshot: Snapshot, configurations: Sequence[Configuration]) -> list[int]:
    """Positions of configurations, the cheapest first, by what does not depend on the machine's mood.

    Words only come first, then the bytes read, then the work per unit in the order of the rankers; equal ones keep
    their order. A second look comes last.
    """

    def key(position: int) -> tuple[bool, bool, int, int, int]:
        each = configurations[position]
        ranker = (*RANKERS, *EXAMPLE_RANKERS).index(each.ranker)
        looks_again = each.parameters.rerank is not None
        return looks_again, each.encoder is not None, bytes_read(snapshot, each), ranker, position

    return sorted(range(len(configurations)), key=key)

"""What fewer dimensions and bits cost here: quality, bytes and time of each compression beside whole vectors.

Each is made as `index --compress` makes it, in a passing copy of the index, and asked the same queries.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from statistics import median
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from tellapart.encoders.compressed import PRECISIONS, CompressedEncoder, CompressionSpec
from tellapart.engine import Index
from tellapart.engine.configuration import Configuration
from tellapart.engine.opened import folder_store
from tellapart.errors import TellapartError
from tellapart.experiments.arms import Arm, Arms
from tellapart.experiments.costs import CostMeter
from tellapart.experiments.experiment import Experiment
from tellapart.experiments.measures import Measure
from tellapart.experiments.query_set import QuerySet
from tellapart.experiments.running import run_texts
from tellapart.experiments.statistics import compare_all, holm
from tellapart.experiments.synthetic.generate import TELLING, generate
from tellapart.experiments.verdict import CompressionFinding, Difference, Verdict
from tellapart.index.compressing import compress, is_compressible
from tellapart.index.copying import linked_copy
from tellapart.index.files import bytes_below
from tellapart.index.segments import live_segments, vectors_folder
from tellapart.index.snapshot import DERIVED, FolderSnapshot
from tellapart.index.store import Store
from tellapart.index.vectors import build_derived
from tellapart.index.vectors.approximate import CODED_ROWS
from tellapart.progress import Progress, silent

DIMENSIONS = (None, 256, 128, 64)
"""Dimensions compared, None = all: those that Matryoshka encoders are trained for (Kusupati et al. 2022)."""

FIRST = 10
"""Hits, of which it is told how many codes find: a page of results."""

TIMED = 20
"""Queries whose search among the vectors is timed: the median is then steady to some 10 %."""

Values = NDArray[np.float64]


def specs_for(dim: int) -> tuple[CompressionSpec, ...]:
    """List what is compared for vectors of `dim` dimensions, what keeps most first."""
    kept = [each for each in DIMENSIONS if each is None or each < dim]
    return tuple(CompressionSpec(each, precision) for each in kept for precision in PRECISIONS)


@dataclass(frozen=True, slots=True)
class _Measured:
    """One compression: values (n,) by configuration, and what it costs."""

    spec: CompressionSpec
    dim: int
    values: Mapping[str, Values]
    clusters: tuple[str, ...]
    weights: Values
    bytes_kept: int
    bytes_read: int
    vectors_ms: float
    query_ms: float
    found: float


def compare_compressions(
    index: Index,
    verdict: Verdict,
    query_set: QuerySet | None = None,
    measure: Measure | None = None,
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[CompressionFinding, ...]:
    """Measure compressions of the vectors that the choice of a verdict uses, or else the default.

    Args:
        index: Holds whole vectors.
        verdict: Names the configuration.
        query_set: Judged queries; None = synthetic ones.
        measure: None = nDCG@10.
        seed: Of synthetic queries and of resampling.
        progress: Told of compressions.

    Returns:
        A finding for each, whole vectors first. Compared are the configuration, where vectors are only a part, and
        nearest neighbours, where they are all.

    Raises:
        TellapartError: No vectors are used, they are compressed already, or of a kind that is not compressed.
    """
    configuration = _with_vectors(verdict, compressible(index, _encoders(verdict)))
    name = str(configuration.encoder)
    alone = Configuration(name, configuration.granularities, "knn")
    fixed = tuple(Arm.fixed(each) for each in dict.fromkeys((configuration, alone)))
    arms = Arms(fixed, fixed[0].name, fixed[0].name)
    if query_set is not None:
        measured = _measure_all(index, query_set, arms, measure, progress)
    else:
        made = generate(index, seed=seed, encoders=(name,), sources=TELLING, progress=progress)
        if not made.query_set.queries:
            return ()
        with made.masked_index(progress=progress) as masked:
            measured = _measure_all(masked, made.query_set, arms, measure, progress)
    return _findings(measured, arms, seed)


def compressible(index: Index, encoders: Sequence[str]) -> tuple[str, ...]:
    """Name those of some encoders whose vectors can be compressed, and compared with whole ones.

    Raises:
        TellapartError: None of them: says why.
    """
    made = {name: index.encoder(name) for name in encoders}
    whole = tuple(
        name
        for name, encoder in made.items()
        if not isinstance(encoder, CompressedEncoder) and is_compressible(name, encoder)
    )
    if whole:
        return whole
    for name, encoder in made.items():
        if isinstance(encoder, CompressedEncoder):
            raise TellapartError(
                f"the vectors of {name} in {index.place} are compressed already: keep them whole to compare, with"
                f" 'tellapart index --compress none --index {index.place}'"
            )
    if not made:
        raise TellapartError("--compress: nothing that is compared looks at vectors")
    raise TellapartError(
        f"--compress: vectors of {', '.join(made)} are never compressed; add an encoder whose vectors are:"
        f" 'tellapart index --index {index.place} --encoder minilm'"
    )


def _encoders(verdict: Verdict) -> tuple[str, ...]:
    """Name the encoders that were compared: that of the choice first, then that of the default."""
    names = (verdict.choice, verdict.default, *(each.name for each in verdict.findings))
    found = dict.fromkeys(verdict.finding(name).configuration.encoder for name in names)
    return tuple(name for name in found if name is not None)


def _with_vectors(verdict: Verdict, encoders: Sequence[str]) -> Configuration:
    """The choice if it looks at vectors of these encoders, else the default, else the first of them that does.

    Without a second look, which vectors have no part in.
    """
    for name in (verdict.choice, verdict.default, *(each.name for each in verdict.findings)):
        found = verdict.finding(name).configuration
        if found.encoder == encoders[0]:
            return replace(
                found, parameters=replace(found.parameters, rerank=None, depth=None, rerank_ms=None)
            )
    raise AssertionError("the encoders are those of the findings")


def _measure_all(
    index: Index, query_set: QuerySet, arms: Arms, measure: Measure | None, progress: Progress
) -> list[_Measured]:
    name = arms.encoders[0]
    specs = specs_for(index.encoder(name).dim)
    measured = []
    with progress("comparing compressions", len(specs)) as advance:
        for spec in specs:
            with _compressed_copy(index, arms, spec) as copy:
                measured.append(_measure(copy, spec, query_set, arms, measure))
            advance(1)
    return measured


@contextmanager
def _compressed_copy(index: Index, arms: Arms, spec: CompressionSpec) -> Iterator[Index]:
    """Give a copy of an index in which the vectors that the arms look at are compressed."""
    name, levels = arms.encoders[0], arms.arms[0].variants[0].granularities
    base = index.encoder(name)
    with linked_copy(index.folder, folder_store(index.store)) as home:
        store = Store.create(home)
        try:
            with store.transaction():
                kept = FolderSnapshot(home, store).encoders[name]
                compress(home, store, replace(kept, granularities=levels), base, spec, silent)
            snapshot = FolderSnapshot(home, store)
            for level in levels:
                coded_rows = 1 if spec.coded else CODED_ROWS
                build_derived(snapshot.vectors(name, level), coded_rows=coded_rows)
        finally:
            store.close()
        with Index.open(home, encoders={name: base}, refresh=False) as copy:
            yield copy


def _measure(
    copy: Index, spec: CompressionSpec, query_set: QuerySet, arms: Arms, measure: Measure | None
) -> _Measured:
    experiment: Experiment = run_texts(copy, query_set, arms, measure)
    configuration = arms.arms[0].variants[0]
    name, texts = str(configuration.encoder), [query_set.queries[query] for query in experiment.queries]
    queries = copy.encode_queries(name, texts[:TIMED])
    with copy.reading() as snapshot:
        kept = snapshot.encoders[name]
        vectors = [snapshot.vectors(name, level) for level in configuration.granularities]
        times, shares = [], []
        for query in queries:
            started = time.perf_counter()
            rows = [each.search(query[None], FIRST)[0][0] for each in vectors]
            times.append(1000 * (time.perf_counter() - started))
            exact = [each.search(query[None], FIRST, exact=True)[0][0] for each in vectors]
            shares += [len(np.intersect1d(a, b)) / len(b) for a, b in zip(rows, exact, strict=True)]
        folders = [
            segment.folder / vectors_folder(kept.fingerprint)
            for segment in live_segments(copy.folder, copy.catalogue)
        ]
        codes = [
            file for file in (copy.folder / DERIVED).rglob("codes-*") if kept.fingerprint[:16] in str(file)
        ]
        return _Measured(
            spec,
            kept.dim,
            {each: values.values[:, 0] for each, values in experiment.arms.items()},
            experiment.clusters,
            experiment.query_set.weights_of(experiment.queries),
            sum(map(bytes_below, folders)) + sum(file.stat().st_size for file in codes),
            sum(each.bytes_read(FIRST) for each in vectors),
            median(times[1:] or times),
            CostMeter(copy, texts).query_ms(configuration),
            float(np.mean(shares)),
        )


def _findings(measured: Sequence[_Measured], arms: Arms, seed: int) -> tuple[CompressionFinding, ...]:
    """Compare all with whole vectors; which are as good is settled in the order of `specs_for`."""
    whole, others = measured[0], measured[1:]
    compared: dict[str, list[Difference]] = {}
    good: dict[str, list[bool]] = {}
    for arm in arms:
        values = np.stack([each.values[arm.name] * each.weights for each in others], axis=1)
        found = compare_all(
            values, whole.values[arm.name] * whole.weights, clusters=np.array(whole.clusters), seed=seed
        )
        ps = holm([each.p for each in found])
        compared[arm.name] = [
            Difference(c.difference, c.low, c.high, p) for c, p in zip(found, ps, strict=True)
        ]
        good[arm.name] = [each.non_inferior() for each in found]
    everywhere = [all(each) for each in zip(*good.values(), strict=True)]
    as_good = _in_sequence(everywhere)
    return tuple(
        CompressionFinding(
            spec=str(each.spec),
            dim=each.dim,
            means=MappingProxyType(
                {name: float((own * each.weights).mean()) for name, own in each.values.items()}
            ),
            differences=MappingProxyType(
                {name: of[place - 1] for name, of in compared.items()} if place else {}
            ),
            bytes_kept=each.bytes_kept,
            bytes_read=each.bytes_read,
            vectors_ms=each.vectors_ms,
            query_ms=each.query_ms,
            found=each.found,
            as_good=not place or as_good[place - 1],
        )
        for place, each in enumerate(measured)
    )


def _in_sequence(good: Sequence[bool]) -> list[bool]:
    """Test from what keeps most to what keeps least, and stop at the first that fails.

    In a sequence fixed beforehand every test may use the whole error of 5 % (Maurer, Hothorn and Lehmacher 1995).
    """
    return [all(good[: place + 1]) for place in range(len(good))]

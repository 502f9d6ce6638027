"""`evaluate`: from an index and a query set to a verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from tellapart.arguments import Names, names, need, path_of, whole_number
from tellapart.corpus.document import Granularity
from tellapart.encoders.images import ImageEncoder, was_learned
from tellapart.engine import Index
from tellapart.engine.copied import index_in_folder
from tellapart.engine.planning import only_some
from tellapart.engine.records import corpus_state
from tellapart.errors import TellapartError
from tellapart.experiments.arms import COMPARED, Arm, Arms, encode_sentences, text_arms, with_second_looks
from tellapart.experiments.compressions import compare_compressions, compressible
from tellapart.experiments.costs import bytes_read, with_costs
from tellapart.experiments.deciding import decide, undecided
from tellapart.experiments.examples import image_arms, image_query_set, run_examples
from tellapart.experiments.experiment import Cost, Experiment
from tellapart.experiments.gate import corpus_sketch
from tellapart.experiments.measures import Measure
from tellapart.experiments.qrels import Qrels, read_qrels
from tellapart.experiments.query_files import read_query_set
from tellapart.experiments.query_set import Provenance, QuerySet
from tellapart.experiments.running import HERE, MEASURE, GridRunner, run_texts
from tellapart.experiments.statistics import FEW_QUERIES
from tellapart.experiments.synthetic.generate import AT_MOST, run_synthetic
from tellapart.experiments.verdict import Verdict
from tellapart.index.image_vectors import ImageFiles
from tellapart.progress import Progress, silent


def evaluate(
    index: Index,
    queries: QuerySet | Path | str | None = None,
    qrels: Path | str | None = None,
    *,
    spans: Path | str | None = None,
    split: str | None = None,
    encoders: Names = (),
    granularities: Names = (),
    rankers: Names = COMPARED,
    rerank: Names | None = None,
    measure: Measure | str | None = None,
    query_log: Mapping[str, str] | None = None,
    language_model: str | None = None,
    compress: bool = False,
    keep: bool = False,
    seed: int = 0,
    progress: Progress = silent,
    runner: GridRunner = HERE,
) -> Verdict:
    """Compare configurations of an index on queries with known answers, and say which to use.

    Args:
        index: Whose configurations are compared; a published one is copied to this machine for that.
        queries: Judged queries: a query set, or a file or folder as `read_query_set` takes it; below a hundred of
            them synthetic queries are asked too, and count beside them. None = synthetic queries alone, made from the
            corpus, which are believed as far as they agreed with people on other collections. Of an index that
            holds images only the queries are its images.
        qrels: Judgements that belong to a file of queries; of images, which of them belong together.
        spans: Judged passages that belong to a file of queries.
        split: Which judgements of a BEIR folder.
        encoders: Compare only these; empty = all that the index has.
        granularities: Compare only these; empty = all that the index has.
        rankers: Compare only these.
        rerank: Cross-encoders that look again at the default's first hits, "none" for none; None = those in the user's
            cache that are done within ten minutes.
        measure: None = nDCG@10 by documents, or recall within a reading budget where every query was judged by passage.
        query_log: Queries that users typed, by id, without judgements: synthetic queries are weighted to be like them.
        language_model: MODEL[@BASE-URL] that writes further synthetic queries; it is sent parts of the corpus.
        compress: Measure too what fewer dimensions and bits of the vectors cost.
        keep: Let searches of this index follow the verdict from now on.
        seed: Random seed.
        progress: Told of what is computed.
        runner: Computes the grid of texts: in this process, or `GridOnCluster`.

    Raises:
        TellapartError: The index lacks what was asked for, or nothing can be measured with these judgements.
    """
    need(index, Index, "index", "an open tellapart.Index")
    whole_number(seed, "seed", least=0)
    if query_log is not None:
        need(query_log, Mapping, "query_log", "a mapping from the id of a query to its text")
    encoders, granularities, rankers = (
        names(encoders, "encoders"),
        names(granularities, "granularities"),
        names(rankers, "rankers"),
    )
    rerank = None if rerank is None else names(rerank, "rerank")
    wanted = measure if measure is None or isinstance(measure, Measure) else Measure.parse(measure)
    notes: tuple[str, ...] = ()
    query_set: QuerySet | None = None
    arms: Arms | None = None
    with index_in_folder(index, progress=progress) as here:
        if asks_for_images(here, granularities):
            if compress:
                raise TellapartError("vectors of images are never compressed: leave out --compress")
            judged = None if qrels is None else read_qrels(path_of(qrels, "qrels"))
            experiment = compare_images(here, judged, encoders, rankers, wanted, seed=seed, progress=progress)
        else:
            arms = text_arms(here, encoders, granularities, rankers)
            if compress:  # says at once that nothing can be compressed, not after minutes
                compressible(here, arms.encoders)
            encode_sentences(here, arms, progress)
            query_set = _query_set(here, queries, qrels, spans, split)
            asked = AT_MOST if query_set is None else len(query_set.answerable())
            arms, notes = with_second_looks(arms, asked, rerank)
            if query_set is not None:
                experiment = run_texts(here, query_set, arms, wanted, progress, runner=runner)
            else:
                experiment = run_synthetic(
                    here,
                    arms,
                    wanted,
                    seed=seed,
                    query_log=query_log,
                    language_model=language_model,
                    progress=progress,
                    runner=runner,
                )
        experiment = _of_index(experiment, here)
        if not experiment.queries:
            return _undecided(experiment, here)
        experiment = replace(
            experiment, query_set=replace(experiment.query_set, notes=(*experiment.query_set.notes, *notes))
        )
        beside = _synthetic_beside(here, experiment, arms, wanted, seed, progress, runner)
        experiment = with_costs(experiment, here, progress)
        with progress("weighing the evidence", None):
            verdict = decide(experiment, beside, seed=seed)
        if globs := here.settings.vectors_for:
            verdict = replace(verdict, notes=(*verdict.notes, only_some(globs)))
        if compress:
            found = compare_compressions(here, verdict, query_set, wanted, seed=seed, progress=progress)
            verdict = replace(verdict, compressions=found)
    if keep:
        verdict.keep(index)
    return verdict


FEW_JUDGED = 100
"""Judged queries below which synthetic ones are asked beside them. With 5 judged they lower the mean regret from .0083
to .0061, with 20 from .0023 to .0019, with 50 from -.0008 to -.0012 (docs/benchmarks/verdict.md)."""


def _synthetic_beside(
    index: Index,
    experiment: Experiment,
    arms: Arms | None,
    measure: Measure | None,
    seed: int,
    progress: Progress,
    runner: GridRunner,
) -> Experiment | None:
    """Ask synthetic queries too where few were judged; of second looks, which take long, only the judged ones."""
    few = 0 < experiment.independent < FEW_JUDGED
    judged = experiment.query_set.provenance is Provenance.JUDGED
    if arms is None or not (few and judged) or experiment.measure != str(measure or MEASURE):
        return None
    asked = tuple(arm for arm in arms if arm.variants[0].parameters.rerank is None)
    made = run_synthetic(
        index, replace(arms, arms=asked), measure, seed=seed, progress=progress, runner=runner
    )
    return made if made.queries else None


def compare_images(
    index: Index,
    qrels: Qrels | None = None,
    encoders: Sequence[str] = (),
    rankers: Sequence[str] = (),
    measure: Measure | None = None,
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> Experiment:
    """Ask the images of an index of all encoders that see images and all rankers, each image as an example."""
    arms = image_arms(index, encoders, rankers)
    query_set, arms = without_learned(index, image_query_set(index, qrels, seed=seed), arms)
    return run_examples(index, query_set, arms, measure, progress)


def holds_only_images(index: Index) -> bool:
    """Whether an index has nothing else."""
    with index.reading() as snapshot:
        return snapshot.granularities == (Granularity.IMAGE,)


def asks_for_images(index: Index, granularities: Sequence[str]) -> bool:
    """Whether an evaluation is about images: said so, or the index holds nothing else."""
    return list(granularities) == [Granularity.IMAGE] or (not granularities and holds_only_images(index))


def _query_set(
    index: Index,
    queries: QuerySet | Path | str | None,
    qrels: Path | str | None,
    spans: Path | str | None,
    split: str | None,
) -> QuerySet | None:
    if queries is None or isinstance(queries, QuerySet):
        return queries
    return read_query_set(index, path_of(queries, "queries"), qrels, spans, split)


def _of_index(experiment: Experiment, index: Index) -> Experiment:
    """Say which documents were searched."""
    with index.reading():
        state, sketch = corpus_state(index.store), corpus_sketch(index.store)
    return replace(experiment, corpus=state.fingerprint, corpus_sketch=sketch)


def _undecided(experiment: Experiment, index: Index) -> Verdict:
    """Keep the default where there is no query."""
    with index.reading() as snapshot:
        costs = {
            name: Cost(None, math.nan, bytes_read(snapshot, experiment.arms[name].arm.variants[0]))
            for name in dict.fromkeys((experiment.default, experiment.reference))
        }
    return undecided(experiment, costs)


def without_learned(index: Index, query_set: QuerySet, arms: Arms) -> tuple[QuerySet, Arms]:
    """Ask only about images that no compared encoder was trained on.

    Where too few independent ones are left, all are asked about, and encoders that were trained on some of them are
    measured but can't be chosen. The notes of the query set say which of both it is.
    """
    learned = {name: found for name in arms.encoders if (found := _learned(index, name, query_set))}
    if not learned:
        return query_set, arms
    every = frozenset().union(*learned.values())
    trained = ", ".join(f"{name} was trained on {len(found):,}" for name, found in learned.items())
    asked = f"of the {len(query_set.queries):,} images {trained}"
    kept = [query for query, image in query_set.queries.items() if image not in every]
    if len({query_set.cluster(query) for query in kept}) >= FEW_QUERIES:
        note = f"{asked}: only the {len(kept):,} others are asked about"
        return _only(query_set, kept, note), arms
    note = f"{asked}, and too few others are left: it is compared but not chosen; judge it on images it has not seen"
    others = [_barred(arm, frozenset(learned), arms) for arm in arms]
    usual = next(arm for arm in others if arm.name == arms.default)
    default = arms.default if usual.contender else arms.reference
    return replace(query_set, notes=(*query_set.notes, note)), Arms(tuple(others), default, arms.reference)


def _learned(index: Index, name: str, query_set: QuerySet) -> frozenset[str]:
    """Ids of the images asked about that an encoder was trained on."""
    encoder = index.encoder(name)
    if not isinstance(encoder, ImageEncoder):
        return frozenset()
    files, names = ImageFiles(index.folder, index.settings), sorted(set(query_set.queries.values()))
    with index.reading():
        numbers = {each: number for number, each in index.store.identifiers().items()}
        stored = index.store.documents([numbers[each] for each in names])
    images = [files.pixels(stored[numbers[each]].document, encoder) for each in names]
    return frozenset(np.array(names)[was_learned(encoder, images)].tolist())


def _barred(arm: Arm, learned: frozenset[str], arms: Arms) -> Arm:
    trained = any(variant.encoder in learned for variant in arm.variants)
    return replace(arm, contender=False) if trained and arm.name != arms.reference else arm


def _only(query_set: QuerySet, kept: list[str], note: str) -> QuerySet:
    grades = {query: query_set.qrels.grades[query] for query in kept}
    return replace(
        query_set,
        queries=MappingProxyType({query: query_set.queries[query] for query in kept}),
        qrels=Qrels(MappingProxyType(grades)),
        notes=(*query_set.notes, note),
    )

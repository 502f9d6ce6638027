"""The grid against one run after the other, and the reading budget against plain loops."""

from __future__ import annotations

from contextlib import contextmanager

import ir_measures
import numpy as np
import pytest

from tellapart.experiments.arms import text_arms
from tellapart.experiments.experiment import assign_folds, cross_fitted, optimism
from tellapart.experiments.measures import Measure, evaluate_run
from tellapart.experiments.qrels import SpanJudgement
from tellapart.experiments.query_set import QuerySet
from tellapart.experiments.running import run_texts

NDCG = Measure.parse("nDCG@10")


def runs_of(mixed, gold, variant):
    return mixed.run(
        gold.queries,
        ranker=variant.ranker,
        granularity=variant.granularity,
        encoder=variant.encoder,
        parameters=variant.parameters,
    )


def test_every_variant_gets_what_its_own_run_gets(mixed, gold):
    rankers = ("bm25", "knn", "svm", "hybrid", "rrf", "structure")
    granularities = ("paragraph+function", "sentence", "document", "paragraph+section+class")
    grid = text_arms(mixed, granularities=granularities, rankers=rankers)
    values = run_texts(mixed, gold, grid, NDCG)
    assert len(values.arms) == len(grid.arms) > 30
    for measured in values.arms.values():
        for column, variant in enumerate(measured.arm.variants):
            alone = evaluate_run(runs_of(mixed, gold, variant), gold.qrels, [NDCG])
            expected = dict(zip(alone.queries, alone.values[NDCG], strict=True))
            got = dict(zip(values.queries, measured.values[:, column], strict=True))
            assert got == pytest.approx(expected, abs=1e-9), (measured.arm.name, variant.parameters)


def test_progress_counts_every_step_of_the_grid(mixed, gold):
    told = []

    @contextmanager
    def progress(what, total):
        told.append((what, total, 0))
        yield lambda steps: told.append((what, total, steps))

    grid = text_arms(mixed, granularities=("paragraph+function", "sentence"), rankers=("bm25", "hybrid"))
    values = run_texts(mixed, gold, grid, NDCG, progress)
    total = told[0][1]
    assert total == len(values.queries) * sum(len(arm.variants) for arm in grid)
    assert sum(steps for _, _, steps in told) == total
    assert len(told) > len(grid.arms)


@pytest.mark.parametrize("spelling", ["nDCG@10", "AP", "RR@5", "R@20"])
def test_values_equal_ir_measures(mixed, gold, spelling):
    grid = text_arms(mixed, encoders=["lsa"], granularities=["document"], rankers=["bm25", "hybrid"])
    values = run_texts(mixed, gold, grid, Measure.parse(spelling))
    wanted = ir_measures.parse_measure(spelling)
    for measured in values.arms.values():
        run = runs_of(mixed, gold, measured.arm.variants[0])
        scores = {
            query: {name: -float(rank) for rank, name in enumerate(ranking.documents)}
            for query, ranking in run.rankings.items()
        }
        theirs = {
            v.query_id: v.value for v in ir_measures.iter_calc([wanted], dict(gold.qrels.grades), scores)
        }
        for query, value in zip(values.queries, measured.values[:, 0], strict=True):
            assert value == pytest.approx(theirs[query], abs=1e-9)


def test_default_and_reference_are_always_compared(mixed):
    grid = text_arms(mixed, encoders=["lsa"], granularities=["sentence"], rankers=["knn"])
    assert grid.default == mixed.plan().configuration.name == "words/paragraph+function/hybrid"
    assert grid.reference == "document+file/bm25"
    names = [candidate.name for candidate in grid.arms]
    assert names == [grid.default, grid.reference, "lsa/sentence/knn"]
    assert all(len(candidate.variants) == 1 for candidate in grid.arms[:2])


def test_tiers_with_the_same_units_are_compared_once(tmp_path, encoders):
    from tellapart.engine import Index

    (tmp_path / "flat").mkdir()
    for number in range(4):
        (tmp_path / "flat" / f"{number}.txt").write_text("one paragraph only")
    index = Index.build([tmp_path / "flat"], tmp_path / "flat.idx", encoders=[])
    names = [candidate.name for candidate in text_arms(index).arms]
    assert names == ["paragraph/bm25", "document/bm25", "paragraph/bm25 tuned"]


def read_by_hand(mixed, configuration, query, spans, budget):
    """Walk down the list of units, character by character."""
    hits = mixed.search(
        query,
        k=10_000,
        ranker=configuration.ranker,
        granularity=configuration.granularity,
        encoder=configuration.encoder,
        parameters=configuration.parameters,
    )
    read = set()
    left = budget
    for hit in hits:
        for offset in range(*hit.span):
            if left:
                read.add((hit.document, offset))
                left -= 1
    wanted = {(span.document, offset) for span in spans for offset in range(span.start, span.end)}
    return len(read & wanted) / len(wanted)


def test_budgeted_recall_equals_reading_by_hand(mixed, gold, monkeypatch):
    monkeypatch.setattr("tellapart.experiments.passages.BUDGET", 300)
    monkeypatch.setattr("tellapart.experiments.passages.FIRST_UNITS", 2)
    random = np.random.default_rng(2)
    names = sorted(mixed.store.identifiers().values())
    spans = {}
    for query in list(gold.queries)[:12]:
        chosen = random.choice(names, 2, replace=False)
        spans[query] = tuple(
            SpanJudgement(query, str(name), 5, 40 + int(random.integers(0, 40))) for name in chosen
        )
    with_spans = QuerySet(gold.queries, gold.qrels, spans)
    grid = text_arms(mixed, encoders=["words"], rankers=["bm25", "knn", "hybrid"])
    values = run_texts(mixed, with_spans, grid, NDCG)
    checked = 0
    for measured in values.arms.values():
        variant = measured.arm.variants[0]
        for query, got in zip(values.queries, measured.spans[:, 0], strict=True):
            if query in spans:
                by_hand = read_by_hand(mixed, variant, gold.queries[query], spans[query], 300)
                assert got == pytest.approx(by_hand), (measured.arm.name, query)
                checked += 1
            else:
                assert np.isnan(got)
    assert checked == 11 * len(values.arms) or checked == 12 * len(values.arms)


def test_a_query_is_never_scored_by_a_choice_it_took_part_in():
    values = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    folds = np.array([0, 1, 2, 3])
    # Without the query, the other column is ahead.
    assert cross_fitted(values, folds).tolist() == [0.0, 0.0, 0.0, 0.0]
    assert optimism(values, folds) == pytest.approx(0.5)
    assert cross_fitted(values[:, :1], folds).tolist() == [0.0] * 4


def test_queries_of_one_cluster_share_a_fold():
    clusters = [f"c{number % 7}" for number in range(50)]
    folds = assign_folds(clusters, seed=3)
    for cluster in set(clusters):
        assert len({fold for fold, own in zip(folds, clusters, strict=True) if own == cluster}) == 1
    assert set(folds) == set(range(5))
    assert (folds == assign_folds(clusters, seed=3)).all()

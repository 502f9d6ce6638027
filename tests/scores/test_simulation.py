"""Advice on the svm, asked of corpora whose structure is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tellapart.corpus.document import Granularity
from tellapart.engine import Index
from tellapart.errors import TellapartError
from tellapart.experiments.examples import unit_query_set
from tellapart.scores.inspecting import compare_example_rankers, inspect_index
from tellapart.scores.texts import read_verdict, text_diagnostics


@pytest.fixture
def built(tmp_path, encoders):
    """Forty documents of six paragraphs; each has a subject of its own, and a frequent phrase hides it."""
    draw = np.random.default_rng(0)
    root = tmp_path / "corpus"
    root.mkdir()
    for document in range(40):
        lines = []
        for _ in range(6):
            own = " ".join(f"topic{document}x{word}" for word in draw.integers(0, 4, 3))
            noise = " ".join(f"noise{word}" for word in draw.integers(0, 3, 4))
            lines.append(f"{noise} {own}")
        (root / f"d{document:02}.txt").write_text("\n\n".join(lines) + "\n")
    opened = Index.build([root], tmp_path / "index", encoders=["words"])
    yield opened
    opened.close()


def test_queries_are_units_of_one_document(built):
    query_set = unit_query_set(built, Granularity.PARAGRAPH)
    assert len(query_set.queries) == 40
    with built.reading() as snapshot:
        table = snapshot.units(Granularity.PARAGRAPH)
        for query, examples in query_set.examples.items():
            rows = [*examples, *map(int, query_set.qrels.grades[query])]
            assert len(rows) == 6
            assert len(examples) == 3
            assert len(set(table.locate(np.array(rows))[0].tolist())) == 1
    assert set(query_set.sources.values()) == {"units of one document (paragraph)"}


def test_what_all_units_share_is_what_ridge_and_svm_take_away(built):
    verdict = compare_example_rankers(built, "words", Granularity.PARAGRAPH)
    assert verdict.choice == verdict.default == "words/paragraph/ridge"
    assert len(verdict.queries) == 40
    for ranker in ("ridge", "svm"):
        gain = verdict.finding(f"words/paragraph/{ranker}").vs_bm25
        assert 0 < gain.low <= gain.difference <= gain.high
    assert compare_example_rankers(built, "words", Granularity.PARAGRAPH) == verdict


def test_without_structure_nothing_can_be_told(built):
    assert compare_example_rankers(built, "words", Granularity.DOCUMENT) is None
    (inspection,) = inspect_index(built, granularity="document")
    assert inspection.examples is None
    assert "no group of 5" in inspection.diagnostics[-1].shown


def test_inspecting_keeps_what_auto_follows(built):
    (inspection,) = inspect_index(built)
    assert inspection.granularity is Granularity.PARAGRAPH
    assert [d.name for d in inspection.diagnostics] == [
        "units without a vector", "copies", "mean vector", "effective rank", "hubness", "two at once",
        "ridge for examples", "svm for examples",
    ]  # fmt: skip
    inspection.examples.keep(built)
    answer = built.search(like=["d00.txt:1", "d00.txt:3"])
    assert "inspect measured" in answer.why
    assert answer.configuration.ranker == "ridge"
    assert answer.hits[0].document == "d00.txt"


def test_a_ranker_that_was_measured_to_be_better_is_used(built):
    (inspection,) = inspect_index(built)
    replace(inspection.examples, choice="words/paragraph/rocchio").keep(built)
    assert built.search(like=["d00.txt:1", "d00.txt:3"]).configuration.ranker == "rocchio"


def verdict(svm, knn, **more):
    def cell(ranker, values):
        per_query = {f"q{at}": value for at, value in enumerate(values)}
        return {
            "ranker": ranker,
            "encoder": "words",
            "granularity": "paragraph",
            "parameters": {},
            "per_query": per_query,
        }

    shape = {"measure": "nDCG@10", "source": "judged", "independent": len(svm)}
    return {**shape, **more, "configurations": [cell("svm", svm), cell("knn", knn)]}


@pytest.mark.parametrize(
    ("gain", "n", "answer"), [(0.1, 60, "yes"), (-0.1, 60, "no"), (0.0, 60, "can't"), (0.1, 20, "can't")]
)
def test_a_verdict_says_whether_the_svm_pays_for_texts(gain, n, answer):
    draw = np.random.default_rng(0)
    knn = draw.uniform(0.2, 0.6, n)
    noise = draw.normal(0, 0.05, n)
    (found,) = text_diagnostics(verdict((knn + gain + noise - noise.mean()).tolist(), knn.tolist()))
    assert found.shown.startswith(answer)
    assert found.value == pytest.approx(gain)
    assert found.name == "svm for texts, words/paragraph"


def test_dependent_queries_tell_less():
    knn, svm = np.full(60, 0.3), np.full(60, 0.3) + np.random.default_rng(0).uniform(0, 0.1, 60)
    (found,) = text_diagnostics(verdict(svm.tolist(), knn.tolist(), independent=12))
    assert found.shown.startswith("can't tell")
    assert "12 independent" in found.meaning


def test_a_verdict_without_both_is_refused(tmp_path):
    shape = verdict([0.1], [0.2])
    shape["configurations"].pop()
    with pytest.raises(TellapartError, match="no svm and knn of one encoder"):
        text_diagnostics(shape)
    (tmp_path / "v.json").write_text("[1, 2]")
    with pytest.raises(TellapartError, match="is not a verdict"):
        read_verdict(tmp_path / "v.json")

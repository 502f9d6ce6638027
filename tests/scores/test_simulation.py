"""Advice on the svm, asked of corpora whose structure is known."""

from __future__ import annotations

import numpy as np
import pytest

from tellapart.corpus.types import Granularity
from tellapart.engine import Index
from tellapart.engine.records import Gain
from tellapart.errors import TellapartError
from tellapart.scores.inspecting import in_words, inspect_index, keep_advice
from tellapart.scores.simulation import groups_of, measure_advice
from tellapart.scores.texts import read_verdict, text_diagnostics


@pytest.fixture
def encoder(monkeypatch, word_encoder):
    monkeypatch.setattr("tellapart.engine.facade.load_encoder", lambda name, **_: word_encoder)
    monkeypatch.setattr("tellapart.index.latent.load_encoder", lambda name, **_: word_encoder)
    return word_encoder


@pytest.fixture
def built(tmp_path, encoder):
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


def test_groups_are_the_units_of_one_document(built):
    with built.reading() as snapshot:
        groups, source = groups_of(built, snapshot, Granularity.PARAGRAPH)
        table = snapshot.units(Granularity.PARAGRAPH)
        assert sorted(row for group in groups for row in group.tolist()) == list(range(table.n_rows))
        assert all(len(set(table.locate(group)[0].tolist())) == 1 for group in groups)
    assert source == "units of one document (paragraph)"


def test_the_interval_decides(built):
    advice = measure_advice(built, "ridge", "words", Granularity.PARAGRAPH)
    assert advice.n == 40
    assert advice.low <= advice.difference <= advice.high
    expected = Gain.YES if advice.low > 0 else Gain.NO if advice.high < 0 else Gain.UNKNOWN
    assert advice.answer is expected
    assert measure_advice(built, "ridge", "words", Granularity.PARAGRAPH) == advice
    assert f"{advice.answer}" in in_words(advice).shown


@pytest.mark.parametrize("ranker", ["svm", "ridge"])
def test_a_direction_that_all_share_is_what_they_take_away(built, ranker):
    assert measure_advice(built, ranker, "words", Granularity.PARAGRAPH).answer is Gain.YES


def test_without_structure_nothing_can_be_told(built):
    advice = measure_advice(built, "ridge", "words", Granularity.DOCUMENT)
    assert (advice.answer, advice.n) == (Gain.UNKNOWN, 0)
    assert "no group of 5" in in_words(advice).shown


def test_inspecting_keeps_what_auto_follows(built):
    inspections = inspect_index(built)
    assert [each.granularity for each in inspections] == [Granularity.PARAGRAPH]
    assert [d.name for d in inspections[0].diagnostics] == [
        "units without a vector", "copies", "mean vector", "effective rank", "hubness",
        "svm for examples", "ridge for examples",
    ]  # fmt: skip
    keep_advice(built, inspections)
    answer = built.search(like=["d00.txt:1", "d00.txt:3"])
    assert "inspect measured" in answer.why
    assert answer.configuration.ranker == "ridge"
    assert answer.hits[0].document == "d00.txt"


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
    with pytest.raises(TellapartError, match="is no verdict"):
        read_verdict(tmp_path / "v.json")

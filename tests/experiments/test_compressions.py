"""`evaluate --compress` says what fewer dimensions and bits cost, and changes nothing in the index."""

from __future__ import annotations

import random

import pytest

from tellapart.cli.app import run
from tellapart.engine import Index
from tellapart.engine.records import CheckedVerdict
from tellapart.errors import TellapartError
from tellapart.experiments.compressions import _in_sequence, specs_for
from tellapart.experiments.evaluation import evaluate
from tellapart.experiments.qrels import Qrels
from tellapart.experiments.query_set import QuerySet

WORDS = """rose tomato water frost straw soil sun seed root leaf bee pole march winter valve river stone cloud
paper lamp bridge engine harbour kettle ladder mirror needle orchard pepper quarry ribbon saddle
tunnel velvet window yellow anchor basket candle desert""".split()  # noqa: SIM905


@pytest.fixture
def index(tmp_path, monkeypatch, encoders):
    monkeypatch.setattr("tellapart.experiments.compressions.DIMENSIONS", (None, 16))
    rng = random.Random(0)
    (tmp_path / "docs").mkdir()
    for number in range(40):
        text = " ".join(" ".join(rng.choices(WORDS, k=12)).capitalize() + "." for _ in range(6))
        title = " ".join(rng.choices(WORDS, k=5))
        (tmp_path / "docs" / f"{number}.md").write_text(f"# {title}\n\n{text}\n")
    return Index.build([tmp_path / "docs"], tmp_path / "index", encoders=["words"])


@pytest.fixture
def judged(index):
    rng = random.Random(1)
    documents = {number: index.stored(number).document for number in index.store.identifiers()}
    queries = {
        f"q{number}": " ".join(rng.sample(document.text.lower().replace(".", "").replace("#", "").split(), 3))
        for number, document in documents.items()
    }
    return QuerySet(queries, Qrels({f"q{number}": {each.id: 1} for number, each in documents.items()}))


def test_every_compression_is_measured_beside_whole_vectors(index, judged):
    files = sorted(path for path in index.folder.rglob("*") if "derived" not in str(path))
    generation = index.store.generation
    verdict = evaluate(index, judged, granularities="paragraph", rankers=("knn", "hybrid"), compress=True)
    found = {each.spec: each for each in verdict.compressions}
    assert list(found) == ["float16", "int8", "binary", "16", "16-int8", "16-binary"]
    whole = found["float16"]
    name = "words/paragraph/knn"
    assert whole.differences == {}
    assert whole.means[name] == pytest.approx(verdict.finding(name).mean, abs=1e-9)
    for spec, each in found.items():
        if each is not whole:
            difference = each.differences[name]
            assert difference.low <= difference.difference <= difference.high
            assert each.means[name] - whole.means[name] == pytest.approx(difference.difference, abs=1e-9)
        assert each.found == 1.0
        assert (each.dim == 16) == spec.startswith("16")
    assert found["int8"].bytes_kept < 0.6 * whole.bytes_kept
    assert found["16-int8"].bytes_kept < 0.4 * whole.bytes_kept
    assert abs(found["int8"].differences[name].difference) < 0.02
    assert files == sorted(path for path in index.folder.rglob("*") if "derived" not in str(path))
    assert index.store.generation == generation
    assert verdict.to_json()["compressions"][3]["spec"] == "16"


def test_it_works_without_judgements_and_in_the_terminal(index, capsys, tmp_path):
    folder = str(index.folder)
    index.close()
    report = tmp_path / "report.html"
    arguments = ["evaluate", "--index", folder, "--compress", "--encoder", "words", "--no-keep"]
    assert run([*arguments, "--ranker", "hybrid", "--report", str(report)]) == 0
    shown = capsys.readouterr().out
    assert "16-binary" in shown
    assert "kept as" in shown
    assert "Compressed vectors" in report.read_text()


def test_what_is_compressed_already_is_not_compared(index, judged, tmp_path):
    again = Index.build([tmp_path / "docs"], index.folder, encoders=["words"], compress="int8")
    with pytest.raises(TellapartError, match="compressed already"):
        evaluate(again, judged, rankers=("knn", "hybrid"), compress=True)


def test_a_verdict_is_still_followed_once_its_vectors_are_compressed(index, judged, tmp_path):
    verdict = evaluate(index, judged, granularities="paragraph", rankers=("knn", "hybrid"), keep=True)
    index.close()
    for spec in ("int8", "none"):
        again = Index.build([tmp_path / "docs"], index.folder, encoders=["words"], compress=spec)
        with again.reading() as snapshot:
            checked = CheckedVerdict.of(again.store, snapshot)
        assert checked.record.configuration.name == verdict.chosen.configuration.name
        assert checked.stale is None, spec
        again.close()


def test_vectors_of_this_corpus_alone_are_refused_before_anything_is_measured(tmp_path, capsys):
    (tmp_path / "docs").mkdir()
    for number in range(6):
        (tmp_path / "docs" / f"{number}.md").write_text(" ".join(WORDS[number : number + 20]))
    index = Index.build([tmp_path / "docs"], tmp_path / "index", encoders=["lsa"])
    asked = []
    with pytest.raises(
        TellapartError, match=r"vectors of lsa are never compressed; add an encoder .* minilm"
    ):
        evaluate(index, compress=True, progress=lambda *given: asked.append(given))
    assert not asked


def test_the_first_encoder_that_can_be_compressed_is(index, judged):
    index.add_encoder("lsa")
    verdict = evaluate(index, judged, rankers=("knn", "hybrid"), granularities="paragraph", compress=True)
    assert all(name.startswith("words/") for each in verdict.compressions for name in each.means)


def test_one_that_fails_ends_the_sequence():
    assert _in_sequence([True, True, False, True]) == [True, True, False, False]


def test_only_smaller_dimensions_are_compared():
    assert [str(spec) for spec in specs_for(384)[:4]] == ["float16", "int8", "binary", "256"]
    assert max(spec.dim or 0 for spec in specs_for(128)) == 64

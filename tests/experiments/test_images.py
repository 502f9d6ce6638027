"""Images judged by their folders: the figures against brute force, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tellapart.encoders.images import PixelEncoder
from tellapart.engine import Index
from tellapart.errors import TellapartError
from tellapart.experiments import examples
from tellapart.experiments.deciding import decide
from tellapart.experiments.evaluation import compare_images, evaluate
from tellapart.experiments.examples import image_query_set
from tellapart.experiments.qrels import Qrels

ir_measures = pytest.importorskip("ir_measures")

CLASSES, EACH, EDGE = 4, 7, 28


@pytest.fixture(scope="module")
def index(tmp_path_factory) -> Index:
    home = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(3)
    for label in range(CLASSES):
        (home / "things" / f"class{label}").mkdir(parents=True)
        centre = rng.normal(0, 1, (EDGE, EDGE))
        for number in range(EACH):
            levels = np.clip(128 + 20 * (centre + rng.normal(0, 3, centre.shape)), 0, 255).astype(np.uint8)
            Image.fromarray(levels).save(home / "things" / f"class{label}" / f"{number}.png")
    Image.fromarray(np.full((EDGE, EDGE), 7, dtype=np.uint8)).save(home / "things" / "alone.png")
    return Index.build([home / "things"], home / "index", encoders=["pixels"])


def brute_force(index: Index) -> dict[str, dict[str, float]]:
    """Cosines of every image with every other one, from the files."""
    things = Path(index.folder).parent / "things"
    names = sorted(index.store.identifiers().values())
    rows = PixelEncoder().encode_images([np.asarray(Image.open(things / name)) for name in names])
    products = rows.astype(np.float16).astype(np.float64) @ rows.astype(np.float16).astype(np.float64).T
    return {
        name: {other: products[i, j] for j, other in enumerate(names) if i != j}
        for i, name in enumerate(names)
        if name != "alone.png"
    }


@pytest.mark.parametrize("spelling", ["P@1", "nDCG@10", "AP"])
def test_figures_are_those_of_ir_measures_over_all_other_images(index, spelling):
    verdict = evaluate(index, rankers=("knn",), measure=spelling)
    run = brute_force(index)
    qrels = {q: {d: int(Path(d).parent == Path(q).parent) for d in scores} for q, scores in run.items()}
    wanted = {
        each.query_id: each.value
        for each in ir_measures.iter_calc([ir_measures.parse_measure(spelling)], qrels, run)
    }
    found = verdict.finding("pixels/image/knn").per_query
    assert found.keys() == wanted.keys()
    for query, value in wanted.items():
        assert found[query] == pytest.approx(value, abs=1e-9)


def test_a_verdict_says_what_it_rests_on_and_search_follows_it(index):
    verdict = evaluate(index)
    assert {finding.name for finding in verdict.findings} == {
        "pixels/image/ridge",
        "pixels/image/knn",
        "pixels/image/svm tuned",
    }
    assert (verdict.provenance, verdict.independent, len(verdict.queries)) == (
        "judged",
        CLASSES,
        CLASSES * EACH,
    )
    assert verdict.notes == ("judged by folder: 4 folders of two and more images",)
    assert all(finding.cost.index_seconds for finding in verdict.findings)
    verdict.keep(index)
    found = index.search(like=["class0/0.png"])
    assert found.configuration.name == verdict.chosen.configuration.name
    assert found.why.startswith("the verdict of")
    assert index.search("class0").configuration.name == "image/bm25"


def test_a_verdict_on_images_is_not_followed_once_texts_came(tmp_path):
    rng = np.random.default_rng(5)
    for name in ("a", "b"):
        (tmp_path / "things" / name).mkdir(parents=True)
        for number in range(6):
            levels = rng.integers(0, 256, (9, 9), dtype=np.uint8)
            Image.fromarray(levels).save(tmp_path / "things" / name / f"{number}.png")
    mixed = Index.build([tmp_path / "things"], tmp_path / "index", encoders=["pixels", "lsa"])
    evaluate(mixed, granularities=["image"], keep=True)
    (tmp_path / "things" / "notes.md").write_text("# Purring\n\nCats purr, and so do some others.\n")
    mixed.update()
    found = mixed.search("purring cats")
    assert [hit.document for hit in found.hits] == ["notes.md"]
    assert "is stale (it is for images, and the index holds texts too now)" in found.why


def test_judgements_by_image_count_instead_of_folders(index):
    pairs = {"class0/0.png": {"class0/1.png": 1, "class0/0.png": 1}, "class1/0.png": {"gone.png": 1}}
    verdict = decide(compare_images(index, Qrels(pairs), rankers=("knn",)))
    assert list(verdict.queries) == ["class0/0.png"]
    assert "1 judged queries are no images here" in verdict.notes[0]
    with pytest.raises(TellapartError, match="the first is 'x'"):
        compare_images(index, Qrels({"x": {"y": 1}}))


def test_of_many_images_some_are_asked_about(index, monkeypatch):
    monkeypatch.setattr(examples, "MOST_IMAGES", 10)
    gold = image_query_set(index, seed=1)
    assert len(gold.queries) == 10
    assert "10 of their 28 images are asked about" in gold.notes[1]
    assert image_query_set(index, seed=1).queries == gold.queries
    assert all(len(grades) == EACH - 1 and query not in grades for query, grades in gold.qrels.grades.items())


def test_what_cannot_be_compared_is_refused(index, corpus, tmp_path):
    with pytest.raises(TellapartError, match="'bm25' cannot rank images: choose among knn, svm"):
        evaluate(index, rankers=("bm25",))
    with pytest.raises(TellapartError, match="no vectors of encoder 'minilm'"):
        evaluate(index, encoders=("minilm",))
    words = Index.build([corpus], tmp_path / "words", encoders=["lsa"])
    with pytest.raises(TellapartError, match="sees images: 'tellapart index --encoder pixels"):
        evaluate(words, granularities=["image"])
    (tmp_path / "flat").mkdir()
    Image.new("L", (4, 4)).save(tmp_path / "flat" / "a.png")
    flat = Index.build([tmp_path / "flat"], tmp_path / "flat.idx", encoders=["pixels"])
    with pytest.raises(TellapartError, match="lie in 0 folders of two and more: put those of one thing"):
        evaluate(flat)

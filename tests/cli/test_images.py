from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def things(tmp_path):
    rng = np.random.default_rng(1)
    for name in ("cats", "dogs"):
        (tmp_path / "things" / name).mkdir(parents=True)
        centre = rng.integers(0, 200, (16, 16))
        for number in range(5):
            levels = (centre + rng.integers(0, 55, centre.shape)).astype(np.uint8)
            Image.fromarray(levels).save(tmp_path / "things" / name / f"{number}.png")
    return tmp_path / "things"


def test_index_search_and_evaluate_images(things, tmp_path, call):
    place = ("--index", tmp_path / "things.idx")
    code, _, err = call("index", things, *place)
    assert code == 0
    assert "no document was found: 10 skipped as an image: needs an encoder that sees images" in err
    code, _, err = call("index", *place, "--encoder", "pixels")
    assert (code, "pixels: 10 images have vectors now" in err) == (0, True)
    code, out, _ = call("search", "--like", things / "cats" / "0.png", *place, "-k", "4")
    assert code == 0
    assert out.count("cats/") == 4
    assert "cats/1.png  image  score" in out  # an image has no lines
    code, out, err = call("evaluate", *place, "--json", "--report", tmp_path / "r.html")
    verdict = json.loads(out)
    assert (verdict["reference"], verdict["independent"]) == ("pixels/image/knn", 2)
    assert "uses pixels/image/ridge from now on" in err
    page = (tmp_path / "r.html").read_text()
    assert "own image is never found" in page
    assert "Porter" not in page
    code, out, _ = call("evaluate", *place, "--no-keep", "--all")
    assert (code, "minus pixels" in out) == (0, True)


def test_options_for_texts_are_refused(things, tmp_path, call):
    place = ("--index", tmp_path / "things.idx")
    call("index", things, *place, "--encoder", "pixels")
    for option in ("--queries", "--spans", "--split", "--runs"):
        code, _, err = call("evaluate", *place, option, tmp_path / "x")
        assert (code, f"{option} is for texts" in err) == (2, True)
    code, _, err = call("index", things, *place, "--kind", "image")
    assert (code, "images are known by their names" in err) == (2, True)
    code, _, err = call("search", "--like", tmp_path / "none.png", *place)
    assert (code, "no document" in err) == (2, True)
    (tmp_path / "bad.png").write_text("no image")
    code, _, err = call("search", "--like", tmp_path / "bad.png", *place)
    assert (code, "bad.png: not an image of a known format; give another example" in err) == (2, True)


def test_the_verdict_of_a_mixed_index_stays_with_its_texts(things, tmp_path, call):
    (things / "notes.md").write_text("# Cats\n\nThey purr.\n")
    place = ("--index", tmp_path / "things.idx")
    call("index", things, *place, "--encoder", "pixels")
    code, _, err = call("evaluate", *place, "--granularity", "image")
    assert code == 0
    assert "not kept: the verdict" in err


def test_images_become_parquet_and_come_back(things, tmp_path, call):
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra train")
    reading = pytest.importorskip("tellapart.learning.images.reading", reason="needs the extra train")
    place = ("--index", tmp_path / "things.idx")
    call("index", things, *place, "--encoder", "pixels")
    code, _, err = call("export", *place, "--output", tmp_path / "t.parquet")
    assert (code, "10 images, 2 labels" in err) == (0, True)
    table = parquet.read_table(tmp_path / "t.parquet")
    assert table["label"].to_pylist() == [0] * 5 + [1] * 5
    vectors = np.stack(table["vector"].to_pylist())
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-2)
    back = reading.read_images(tmp_path / "t.parquet", size=16, channels=1)
    assert (len(back.labels), len(back.names)) == (10, 2)
    code, _, err = call("export", *place, "--output", tmp_path / "t.parquet", "--granularity", "paragraph")
    assert (code, "a .parquet holds images" in err) == (2, True)

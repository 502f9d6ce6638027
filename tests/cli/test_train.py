"""`tellapart train` as a person meets it."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from tellapart import Index, load_encoder


@pytest.fixture
def glyphs(tmp_path):
    random = np.random.default_rng(0)
    shapes = np.kron(random.integers(0, 2, (20, 4, 4)), np.ones((4, 4))) * 200
    labels = np.repeat(np.arange(20), 6)
    images = (shapes[labels] + random.integers(0, 50, (120, 16, 16))).astype(np.uint8)
    np.savez(tmp_path / "glyphs.npz", images=images, labels=labels)
    return tmp_path / "glyphs.npz"


def test_an_encoder_of_images_is_trained_reported_and_usable(glyphs, tmp_path, call):
    pytest.importorskip("torch", reason="needs the extra train")
    pytest.importorskip("onnx", reason="needs the extra train")
    command = [
        "train",
        glyphs,
        "--grey",
        "--size",
        16,
        "--steps",
        6,
        "--held-out",
        0.3,
        "--output",
        tmp_path / "e",
    ]
    code, out, err = call(*command, "--json")
    assert code == 0, err
    answer = json.loads(out)
    assert answer["schema"] == 1
    assert answer["looks"][-1]["step"] == 6
    assert "held out: R@1" in err
    made = sorted(path.name for path in (tmp_path / "e").iterdir())
    assert made == ["config.json", "model.onnx", "report.html", "training.json"]
    assert "tellapart" in (tmp_path / "e" / "report.html").read_text()
    vectors = load_encoder(f"folder:{tmp_path / 'e'}").encode_images(np.load(glyphs)["images"])
    assert vectors.shape == (120, 128)
    code, _, err = call(*command)
    assert (code, "already holds an encoder" in err) == (2, True)


def test_a_corpus_that_says_too_little_is_not_adapted_to(corpus, tmp_path, call):
    assert call("index", corpus, "--index", tmp_path / "my.idx")[0] == 0
    code, out, err = call("train", "--index", tmp_path / "my.idx", "--output", tmp_path / "adapted", "--json")
    assert code == 1, err
    answer = json.loads(out)
    assert answer["output"] is None
    assert not answer["recommended"]
    assert "fewer than 50" in answer["reason"]
    assert not (tmp_path / "adapted").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--index", "my.idx"], "--output"),
        (["--output", "e"], "either a folder"),
        (["faces", "--index", "my.idx", "--output", "e"], "either a folder"),
        (["--index", "my.idx", "--output", "e", "--queries", "q.jsonl"], "belong together"),
        (["--index", "absent.idx", "--output", "e"], "absent.idx"),
    ],
)
def test_wrong_use_is_one_line(call, arguments, words):
    code, out, err = call("train", *arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1


def test_an_unknown_objective_is_named(glyphs, tmp_path, call):
    pytest.importorskip("torch", reason="needs the extra train")
    code, _, err = call("train", glyphs, "--objective", "arc", "--output", tmp_path / "e")
    assert (code, "unknown objective 'arc'" in err) == (2, True)


@pytest.mark.slow
@pytest.mark.parametrize("adapter", ["linear", "words"])
def test_mbpp_teaches_from_the_command_line(data, tmp_path, call, adapter):
    source = tmp_path / "mbpp"
    source.mkdir()
    shutil.copyfile(data / "mbpp" / "corpus.jsonl", source / "corpus.jsonl")
    Index.build([source], tmp_path / "my.idx", encoders=["minilm"], granularities=["file"])
    queries, qrels = data / "mbpp" / "queries.jsonl", data / "mbpp" / "qrels" / "train.tsv"
    command = [
        "train",
        "--index",
        tmp_path / "my.idx",
        "--adapter",
        adapter,
        "--output",
        tmp_path / "adapted",
    ]
    code, out, err = call(*command, "--queries", queries, "--qrels", qrels, "--json")
    assert code == 0, err
    answer = json.loads(out)
    assert answer["recommended"]
    (judged,) = answer["evidence"]
    assert (judged["source"], judged["queries"]) == ("judged", 384)
    assert 0.005 < judged["against_untouched"]["low"] + 0.005 < judged["against_untouched"]["difference"]
    assert load_encoder(f"folder:{tmp_path / 'adapted'}").dim == {"linear": 384, "words": 768}[adapter]

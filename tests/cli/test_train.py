"""`tellapart train` as a person meets it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tellapart import load_encoder


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


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["faces"], "--output"),
        (["--output", "e"], "'images'"),
        (["faces", "--index", "my.idx", "--output", "e"], "--index"),
        (["absent", "--output", "e"], "absent"),
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

"""`tellapart train` as a person meets it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

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
    command = *f"train {glyphs} --grey --size 16 --steps 6 --held-out .3 --output".split(), tmp_path / "e"
    code, out, err = call(*command, "--json")
    assert code == 0, err
    answer = json.loads(out)
    assert answer["schema"] == 1
    assert answer["looks"][-1]["step"] == 6
    assert "held out: R@1" in err
    made = sorted(path.name for path in (tmp_path / "e").iterdir())
    assert made == [
        "config.json",
        "learned.npy",
        "model.onnx",
        "report.html",
        "training.json",
        "weights.safetensors",
    ]
    judged = answer["judgement"]
    assert judged["unseen"] == "identities"
    assert judged["pixels"]["recall_at_1"]["low"] <= judged["pixels"]["recall_at_1"]["mean"]
    report = (tmp_path / "e" / "report.html").read_text()
    for told in (
        "14 identities, 84 images",
        "6 identities, 36 images",
        "margin in effect",
        "Equal error rate",
        "raw pixels",
    ):
        assert told in report
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
    ],
)
def test_wrong_use_is_one_line(call, arguments, words):
    code, out, err = call("train", *arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1


def test_images_that_are_not_there_are_named(call):
    pytest.importorskip("torch", reason="needs the extra train")
    code, _, err = call("train", "absent", "--output", "e")
    assert (code, "absent" in err, err.count("\n")) == (2, True, 1)


def test_an_unknown_objective_is_named(glyphs, tmp_path, call):
    pytest.importorskip("torch", reason="needs the extra train")
    code, _, err = call("train", glyphs, "--objective", "arc", "--output", tmp_path / "e")
    assert (code, "unknown objective 'arc'" in err) == (2, True)


def test_a_short_run_is_looked_at_and_goes_on_from_its_folder(glyphs, tmp_path, call):
    pytest.importorskip("torch", reason="needs the extra train")
    pytest.importorskip("onnx", reason="needs the extra train")
    common = [glyphs, "--grey", "--size", 16, "--steps", 30, "--identities", 8, "--loaders", 2, "--json"]
    code, out, err = call("train", *common, "--output", tmp_path / "a", "--log", tmp_path / "log.csv")
    assert code == 0, err
    looks = json.loads(out)["looks"]
    assert [look["step"] for look in looks] == list(range(3, 31, 3))
    assert "collapse" not in err
    assert all(look["gradient"] > 0 for look in looks)
    rows = (tmp_path / "log.csv").read_text().splitlines()
    assert rows[0].startswith("step,loss,learning_rate,gradient")
    assert len(rows) == 11
    code, out, err = call("train", *common, "--start", tmp_path / "a", "--output", tmp_path / "b")
    assert code == 0, err
    assert json.loads(out)["looks"][0]["quality"]["map_at_r"] >= looks[0]["quality"]["map_at_r"]
    code, _, err = call("train", *common, "--dim", 7, "--start", tmp_path / "a", "--output", tmp_path / "c")
    assert (code, "weights of another network" in err) == (2, True)


def test_what_was_learned_is_recognised(glyphs, tmp_path, call):
    pytest.importorskip("torch", reason="needs the extra train")
    pytest.importorskip("onnx", reason="needs the extra train")
    from tellapart.encoders.images import was_learned

    command = *f"train {glyphs} --grey --size 16 --steps 2 --held-out .3 --output".split(), tmp_path / "e"
    assert call(*command)[0] == 0
    images = np.load(glyphs)["images"]
    encoder = load_encoder(f"folder:{tmp_path / 'e'}")
    learned = was_learned(encoder, images)
    assert learned.sum() == 14 * 6
    assert not was_learned(encoder, 255 - images).any()
    assert not was_learned(load_encoder("pixels"), images).any()


@pytest.mark.parametrize("known", [90, 6])
def test_what_an_encoder_was_trained_on_does_not_decide_about_it(glyphs, tmp_path, call, known):
    """With too few other images it is compared but not chosen, else only the others are asked about."""
    pytest.importorskip("torch", reason="needs the extra train")
    pytest.importorskip("onnx", reason="needs the extra train")
    from tellapart.encoders.images import image_hash, write_learned

    told = ["--grey", "--size", 16, "--steps", 2, "--held-out", 0, "--output", tmp_path / "e"]
    assert call("train", glyphs, *told)[0] == 0
    data = np.load(glyphs)
    images = data["images"] if known == 90 else np.concatenate([data["images"], 255 - data["images"]])
    write_learned(tmp_path / "e", [image_hash(each[..., None]) for each in images[:known]])
    for number, pixels in enumerate(images):
        folder = tmp_path / "things" / str(number // 6)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    place = ("--index", tmp_path / "t.idx")
    assert call("index", tmp_path / "things", "--encoder", f"folder:{tmp_path / 'e'}", *place)[0] == 0
    code, out, err = call("evaluate", *place, "--json")
    assert code == 0, err
    verdict = json.loads(out)
    said = " ".join(verdict["notes"])
    assert f"was trained on {known}" in said
    if known == 90:
        assert "too few others" in said
        assert verdict["choice"].startswith("pixels/")
    else:
        assert "only the 234 others are asked about" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--device", "cuda:9"], "--device cuda:9: torch sees 0 GPUs"),
        (["--device", "tpu9"], "--device 'tpu9' is unknown"),
        (["--optimizer", "lion"], "give one of adamw, sgd"),
        (["--backbone", "timm:nothing"], "timm"),
        (["--backbone", "large"], "unknown backbone 'large'"),
        (["--pretrained"], "no pretrained weights"),
    ],
)
def test_options_that_cannot_be_are_named(glyphs, tmp_path, call, arguments, words):
    pytest.importorskip("torch", reason="needs the extra train")
    code, _, err = call("train", glyphs, "--grey", "--size", 16, *arguments, "--output", tmp_path / "e")
    assert code == 2
    assert words in err

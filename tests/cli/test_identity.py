"""`tellapart identity` as a person meets it."""

from __future__ import annotations

import io
import json
import shutil
import struct
import zlib

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def things(tmp_path):
    """A folder of 24 patterns with 4 noisy pictures each."""
    random = np.random.default_rng(0)
    for thing in range(24):
        folder = tmp_path / "things" / f"thing {thing:02d}"
        folder.mkdir(parents=True)
        shape = np.kron(random.integers(0, 2, (7, 7)), np.ones((4, 4))) * 180
        for picture in range(4):
            pixels = (shape + random.integers(0, 70, (28, 28))).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{picture}.png")
    return tmp_path / "things"


@pytest.fixture
def gallery(things, tmp_path, call):
    known = tmp_path / "known"
    for folder in sorted(things.iterdir())[:20]:
        (known / folder.name).mkdir(parents=True)
        for picture in range(3):
            shutil.copy(folder / f"{picture}.png", known / folder.name)
    code, _, err = call("identity", "enrol", known, "--gallery", tmp_path / "g", "--encoder", "pixels")
    assert code == 0, err
    assert "60 enrolled of 20 identities" in err
    return tmp_path / "g"


def test_a_folder_is_enrolled_and_a_second_run_goes_on(gallery, tmp_path, call):
    code, _, err = call("identity", "enrol", tmp_path / "known", "--gallery", gallery)
    assert (code, "0 enrolled of 20 identities, 60 were known" in err) == (0, True)


def test_the_known_get_their_names_and_strangers_none(gallery, things, call):
    known, stranger = things / "thing 05" / "3.png", things / "thing 22" / "3.png"
    code, out, err = call("identity", "identify", known, stranger, "--gallery", gallery, "--fpir", 0.05)
    assert code == 0, err
    first, second = out.splitlines()
    assert f"{known}: thing 05  probability " in first
    assert f"{stranger}: unknown  probability " in second
    assert "at most 0.05, measured on 20 here" in err
    code, out, _ = call("identity", "identify", known, "--gallery", gallery, "--fpir", 0.05, "--json")
    (answer,) = json.loads(out)["answers"]
    assert answer["name"] == "thing 05"
    assert answer["candidates"][0]["probability"] > 0.9


def test_a_stopped_batch_goes_on_where_it_was(gallery, things, tmp_path, call):
    output = tmp_path / "answers.jsonl"
    command = ["identity", "identify", things, "--gallery", gallery, "--fpir", 0.05, "--output", output]
    assert call(*command)[0] == 0
    whole = output.read_bytes()
    lines = whole.splitlines(keepends=True)
    assert len(lines) == 96
    output.write_bytes(b"".join(lines[:40]) + lines[40][:30])
    assert call(*command)[0] == 0
    sources = [json.loads(line)["source"] for line in output.read_bytes().splitlines()]
    assert sorted(sources) == sorted(json.loads(line)["source"] for line in lines)


def test_verify_says_yes_or_no_by_its_exit_code(gallery, things, call):
    a, b = things / "thing 21" / "0.png", things / "thing 21" / "1.png"
    code, out, err = call("identity", "verify", a, b, "--gallery", gallery, "--far", 0.01)
    assert (code, out.startswith("same")) == (0, True), err
    code, out, _ = call(
        "identity", "verify", a, "--as", "thing 03", "--gallery", gallery, "--far", 0.01, "--json"
    )
    assert (code, json.loads(out)["same"]) == (1, False)
    code, _, err = call("identity", "verify", a, b, "--gallery", gallery, "--far", 0.001)
    assert (code, "46 different identities" in err) == (2, True)


def test_groups_are_shown_confirmed_and_remembered(gallery, things, tmp_path, call):
    unknown = tmp_path / "unknown"
    for folder in sorted(things.iterdir())[20:]:
        for picture in folder.iterdir():
            unknown.mkdir(exist_ok=True)
            shutil.copy(picture, unknown / f"{folder.name} {picture.name}")
    report = tmp_path / "people.html"
    code, out, err = call("identity", "cluster", unknown, "--gallery", gallery, "--report", report)
    assert code == 0, err
    assert "these 16 pictures are probably 4 identities" in out
    page = report.read_text()
    assert page.count("data:image/jpeg") == 16
    assert "http" not in page.replace("http-equiv", "")
    lines = (tmp_path / "people.tsv").read_text().splitlines()
    named = [lines[0]]
    for line in lines[1:]:
        group, _, face, file = line.split("\t")
        named.append("\t".join([group, {"1": "new one", "2": "new two"}.get(group, ""), face, file]))
    (tmp_path / "people.tsv").write_text("\n".join(named) + "\n")
    code, _, err = call("identity", "cluster", "--apply", tmp_path / "people.tsv", "--gallery", gallery)
    assert (code, "8 views enrolled" in err) == (0, True), err
    code, out, _ = call("identity", "cluster", unknown, "--gallery", gallery, "--json")
    names = [group["name"] for group in json.loads(out)["groups"]]
    assert {"new one", "new two"} <= set(names)


def test_an_evaluation_prints_rates_and_draws_them(things, tmp_path, call):
    report = tmp_path / "e.html"
    code, out, err = call("identity", "evaluate", things, "--encoder", "pixels", "--report", report)
    assert code == 0, err
    assert "96 views of 24 identities" in out
    assert "TAR at FAR 0.01" in out
    assert "DIR at FPIR 0.1" in out
    assert report.read_text().count("<svg") == 2
    (tmp_path / "t.tsv").write_text("a b c\tx\na b d\tx\ne f g\ty\ne f h\ty\n")
    code, _, err = call("identity", "evaluate", tmp_path / "t.tsv", "--encoder", "pixels")
    assert (code, "does not fit the encoder" in err) == (2, True)


def test_managing(gallery, things, tmp_path, call):
    def does(*arguments: object) -> str:
        code, out, err = call("identity", *arguments, "--gallery", gallery)
        assert code == 0, err
        return out + err

    does("rename", "thing 01", "first")
    does("merge", "thing 02", "first")
    assert "     6  first" in does("list")
    numbers = [line.split()[0] for line in does("list", "first").splitlines()]
    does("split", "first", "second", *numbers[3:])
    does("delete", "second")
    assert "second" not in does("list")
    assert "deleted #" in does("log")
    does("drift")
    does("export", tmp_path / "out.jsonl")
    code, _, err = call("identity", "import", tmp_path / "out.jsonl", "--gallery", tmp_path / "h")
    assert (code, "57 templates added" in err) == (0, True)


def bomb() -> bytes:
    """A PNG that says it has 900 megapixels."""
    head = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"\0" * 100))
        + chunk(b"IEND", b"")
    )


BAD = {
    "words.png": (b"these are words", "not an image"),
    "cut.png": (b"\x89PNG\r\n\x1a\n\0\0", "image"),
    "bomb.png": (bomb(), "pixels: shrink it"),
    "empty.jpg": (b"", "not an image"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_usable_picture_is_said_and_nothing_changes(name, gallery, tmp_path, call):
    content, words = BAD[name]
    path = tmp_path / name
    path.write_bytes(content)
    before = call("identity", "list", "--gallery", gallery)[1]
    for command in (["enrol", "new", path], ["identify", path, "--fpir", 0.1], ["verify", path, path]):
        code, out, err = call("identity", *command, "--gallery", gallery)
        assert (code, out) == (2, ""), err
        assert words in err
        assert str(path) in err
        assert err.count("\n") == 1
    assert call("identity", "list", "--gallery", gallery)[1] == before


def odd_pictures() -> dict[str, bytes]:
    random = np.random.default_rng(3)
    grey = np.kron(random.integers(0, 2, (7, 7)), np.ones((8, 8))) * 200
    made = {}

    def saved(image: Image.Image, form: str, **how: object) -> bytes:
        stream = io.BytesIO()
        image.save(stream, form, **how)
        return stream.getvalue()

    upright = Image.fromarray(grey.astype(np.uint8))
    turned = Image.Exif()
    turned[0x0112] = 6
    made["plain.png"] = saved(upright, "PNG")
    made["turned.jpg"] = saved(upright.rotate(90, expand=True), "JPEG", exif=turned, quality=95)
    made["deep.png"] = saved(Image.fromarray((grey * 257).astype(np.uint16)), "PNG")
    made["cmyk.jpg"] = saved(upright.convert("RGB").convert("CMYK"), "JPEG", quality=95)
    other = Image.fromarray(random.integers(0, 255, (56, 56)).astype(np.uint8))
    made["moving.gif"] = saved(upright, "GIF", save_all=True, append_images=[other])
    return made


def test_turned_deep_cmyk_and_moving_pictures_are_seen_as_what_they_show(gallery, tmp_path, call):
    made = odd_pictures()
    for name, content in made.items():
        (tmp_path / name).write_bytes(content)
    assert call("identity", "enrol", "odd", tmp_path / "plain.png", "--gallery", gallery)[0] == 0
    for name in sorted(made):
        code, out, err = call("identity", "identify", tmp_path / name, "--gallery", gallery, "--fpir", 0.05)
        assert (code, ": odd  " in out) == (0, True), (name, out, err)


def test_the_same_picture_twice_and_under_two_names(gallery, things, tmp_path, call):
    path = things / "thing 05" / "0.png"
    code, _, err = call("identity", "enrol", "thing 05", path, "--gallery", gallery)
    assert (code, "is enrolled already" in err) == (2, True)
    code, _, err = call("identity", "enrol", "other", path, "--gallery", gallery)
    assert (code, "already as 'thing 05'" in err) == (2, True)
    code, _, err = call("identity", "enrol", "other", things / "thing 05" / "3.png", "--gallery", gallery)
    assert (code, "looks like 'thing 05'" in err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["identify", "x.png", "--gallery", "absent"], "no gallery in absent"),
        (["enrol", "ada", "--gallery", "absent"], "alone enrols nothing"),
        (["enrol", "ada", "absent.png", "--gallery", "new", "--encoder", "pixels"], "no file absent.png"),
        (["enrol", "ada", "x.png", "--gallery", "new", "--encoder", "psychic"], "unknown encoder"),
        (["verify", "x.png", "--gallery", "absent"], "a second file, or --as"),
        (["cluster", "--gallery", "absent"], "either files to group"),
        (["evaluate", "absent", "--encoder", "pixels"], "there is no absent"),
        (["nonsense"], "nonsense"),
    ],
)
def test_wrong_use_is_one_line(arguments, words, tmp_path, monkeypatch, call):
    monkeypatch.chdir(tmp_path)
    code, out, err = call("identity", *arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("arguments", [("import", "x.txt"), ("cluster", "--apply", "absent.tsv")])
def test_what_cannot_be_read_leaves_no_gallery_behind(arguments, tmp_path, monkeypatch, call):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.txt").write_text("no export\n")
    assert call("identity", *arguments, "--gallery", "new")[0] == 2
    assert not (tmp_path / "new").exists()


def test_a_cohort_of_nobody_is_refused(gallery, tmp_path, call):
    (tmp_path / "empty").mkdir()
    code, _, err = call("identity", "enrol", "--cohort", tmp_path / "empty", "--gallery", gallery)
    assert (code, "holds no pictures" in err) == (2, True)


def test_a_batch_that_cannot_be_answered_is_said_once(gallery, things, tmp_path, call):
    code, out, err = call("identity", "identify", things, "--gallery", gallery, "--fpir", 0.0001)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "cannot be promised" in err


def test_an_encrypted_gallery_asks_for_its_key(things, tmp_path, call, monkeypatch):
    pytest.importorskip("cryptography")
    monkeypatch.setenv("TELLAPART_GALLERY_KEY", "correct horse")
    folder = tmp_path / "secret"
    enrol = ["identity", "enrol", "a", things / "thing 00" / "0.png", "--gallery", folder]
    assert call(*enrol, "--encoder", "pixels", "--encrypt")[0] == 0
    assert "a" in call("identity", "list", "--gallery", folder)[1]
    monkeypatch.setenv("TELLAPART_GALLERY_KEY", "wrong")
    code, _, err = call("identity", "list", "--gallery", folder)
    assert (code, "does not open" in err) == (2, True)
    monkeypatch.delenv("TELLAPART_GALLERY_KEY")
    code, _, err = call("identity", "list", "--gallery", folder)
    assert (code, "needs its passphrase" in err) == (2, True)

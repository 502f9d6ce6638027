"""Words as vectors, and beside those of another encoder."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tellapart import TellapartError, load_encoder
from tellapart.encoders.config import write_config
from tellapart.encoders.folder import MINILM_FOLDER, open_minilm
from tellapart.encoders.tokens import TokenizerFile
from tellapart.encoders.word_vectors import WordedConfig, WordTable, bare_ids

TEXTS = ["water the roses", "roses in frost", "valves and pumps", "the frost, the frost", "straw"]


def _ids(seed: int = 0, units: int = 60, tokens: int = 25) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [random.zipf(1.5, random.integers(1, 20)).clip(max=tokens).astype(np.int64) for _ in range(units)]


def _bm25(query: np.ndarray, units: list[np.ndarray], k1: float, b: float) -> np.ndarray:
    average = np.mean([len(unit) for unit in units])
    scores = []
    for unit in units:
        counts, score = Counter(unit.tolist()), 0.0
        for token in query.tolist():
            spread = sum(token in each for each in units)
            tf = counts[token]
            rarity = np.log(1 + (len(units) - spread + 0.5) / (spread + 0.5)) if spread else 0.0
            score += rarity * tf / (tf + k1 * (1 - b + b * len(unit) / average))
        scores.append(score)
    return np.array(scores)


def test_with_dimensions_enough_the_product_is_bm25():
    ids = _ids()
    table = replace(WordTable.fit(ids, 100, k1=1.5, b=0.75), reach=1e3)  # so long that no unit is cut
    units = table.of_units(ids)
    for query in _ids(seed=1, units=10):
        expected = _bm25(query, ids, 1.5, 0.75)
        found = units @ table.of_queries([query])[0]
        np.testing.assert_allclose(
            found / found.max(), expected / expected.max(), atol=5e-3
        )  # rows are float16


def test_fewer_dimensions_keep_the_nearest_product():
    ids = _ids(units=200, tokens=150)
    whole, part = (WordTable.fit(ids, dim, k1=1.5, b=0.75) for dim in (200, 20))
    left = [(np.linalg.norm(table.rows @ table.rows.T)) for table in (whole, part)]
    assert part.dim == 20
    assert left[1] < left[0]
    exact = whole._saturated(ids) @ whole.rows
    kept = part._saturated(ids) @ part.rows
    strengths = np.linalg.svd(exact, compute_uv=False)
    np.testing.assert_allclose(np.linalg.norm(kept) ** 2, (strengths[:19] ** 2).sum(), rtol=1e-2)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.lists(st.integers(0, 60), max_size=12), min_size=1, max_size=8))
def test_every_text_has_a_vector(asked):
    table = WordTable.fit(_ids(), 8, k1=1.2, b=0.75)
    ids = [np.array(row, dtype=np.int64) for row in asked]
    units, queries = table.of_units(ids), table.of_queries(ids)
    np.testing.assert_allclose(np.linalg.norm(units, axis=1), 1, atol=1e-5)
    known = np.array([np.isin(row, table.tokens).any() for row in ids])
    np.testing.assert_allclose(np.linalg.norm(queries[known], axis=1), 1, atol=1e-5)
    assert not queries[~known].any()
    assert not queries[:, -1].any()


def test_a_table_is_read_as_it_was_written_and_damage_is_one_line(tmp_path):
    ids = _ids()
    table = WordTable.fit(ids, 8, k1=1.2, b=0.75)
    table.save(tmp_path / "words.npz")
    np.testing.assert_array_equal(WordTable.load(tmp_path / "words.npz").of_units(ids), table.of_units(ids))
    np.savez(
        tmp_path / "words.npz",
        tokens=table.tokens[1:],
        rows=table.rows.astype(np.float16),
        numbers=np.ones(4),
    )
    with pytest.raises(TellapartError, match="do not fit each other"):
        WordTable.load(tmp_path / "words.npz")
    (tmp_path / "words.npz").write_bytes(b"none")
    with pytest.raises(TellapartError, match="cannot read"):
        WordTable.load(tmp_path / "words.npz")
    with pytest.raises(TellapartError, match="not hold a single word"):
        WordTable.fit([np.zeros(0, dtype=np.int64)], 8, k1=1.2, b=0.75)


@pytest.fixture
def worded(tmp_path):
    """Give a folder with words beside minilm."""
    minilm = open_minilm()
    tokens = TokenizerFile(MINILM_FOLDER / "tokenizer.json")
    table = WordTable.fit(bare_ids(tokens, TEXTS), 6, k1=1.5, b=0.75)
    config = WordedConfig("worded", "minilm", minilm.fingerprint, minilm.dim + table.dim, 0.5)
    table.save(tmp_path / "words.npz")
    (tmp_path / "tokenizer.json").write_bytes((MINILM_FOLDER / "tokenizer.json").read_bytes())
    write_config(config, tmp_path)
    return tmp_path


def test_words_stand_beside_the_vectors_of_the_base(worded):
    encoder, minilm = load_encoder(f"folder:{worded}"), load_encoder("minilm")
    queries, units = encoder.encode_query(["frost", "roses"]), encoder.encode_document(TEXTS)
    assert encoder.dim == queries.shape[1] == units.shape[1]
    np.testing.assert_allclose(np.linalg.norm(units, axis=1), 1, atol=1e-5)
    base = minilm.encode_query(["frost", "roses"]) @ minilm.encode_document(TEXTS).T
    words = encoder.words.encode_query(["frost", "roses"]) @ encoder.words.encode_document(TEXTS).T
    np.testing.assert_allclose(queries @ units.T, (base + 0.25 * words) / 1.25, atol=1e-5)
    assert encoder.encode_query([]).shape == (0, encoder.dim)
    assert encoder.count_tokens(TEXTS).tolist() == minilm.count_tokens(TEXTS).tolist()


def test_what_changes_vectors_changes_the_fingerprint_and_what_does_not_fit_is_refused(worded):
    before = load_encoder(f"folder:{worded}").fingerprint
    content = json.loads((worded / "config.json").read_text())
    (worded / "config.json").write_text(json.dumps(content | {"scale": 0.6}))
    assert load_encoder(f"folder:{worded}").fingerprint != before
    (worded / "config.json").write_text(json.dumps(content | {"dim": 384}))
    with pytest.raises(TellapartError, match="copy the whole folder"):
        load_encoder(f"folder:{worded}")
    (worded / "config.json").write_text(json.dumps(content | {"base_fingerprint": "0" * 32}))
    with pytest.raises(TellapartError, match="another version of 'minilm'"):
        load_encoder(f"folder:{worded}")

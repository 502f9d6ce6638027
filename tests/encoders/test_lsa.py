from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tellapart.encoders.lsa import LsaEncoder
from tellapart.encoders.protocol import Encoder
from tellapart.errors import CorruptIndexError, TellapartError

TOPICS = ("wing lift drag flow wind", "cell blood tissue protein gene", "book library index catalogue reader")


def corpus(size: int = 120, seed: int = 0) -> list[str]:
    dice = np.random.default_rng(seed)
    return [" ".join(dice.choice(TOPICS[number % 3].split(), 6)) for number in range(size)]


def analyse(text: str) -> list[str]:
    return text.lower().split()


@pytest.fixture(scope="module")
def lsa() -> LsaEncoder:
    return LsaEncoder.fit(corpus(), analyse=analyse, dim=8)


def test_it_keeps_the_contract(lsa: LsaEncoder) -> None:
    assert isinstance(lsa, Encoder)
    vectors = lsa.encode_document([*corpus(), "", "unheard"])
    assert vectors.dtype == np.float32
    assert vectors.shape == (122, lsa.dim)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert lsa.encode_document([]).shape == (0, lsa.dim)


def test_one_text_is_not_a_list_of_its_letters(lsa: LsaEncoder) -> None:
    np.testing.assert_array_equal(lsa.encode_document("lift drag"), lsa.encode_document(["lift drag"]))
    np.testing.assert_array_equal(lsa.encode_query("lift drag"), lsa.encode_query(["lift drag"]))


def test_words_that_occur_together_are_near_without_being_shared(lsa: LsaEncoder) -> None:
    units = lsa.encode_document(["lift drag", "blood tissue", "library index"])
    assert (units @ lsa.encode_query(["wing"])[0]).argmax() == 0
    assert (units @ lsa.encode_query(["gene protein"])[0]).argmax() == 1


def test_vectors_equal_those_of_an_exact_decomposition() -> None:
    texts = corpus(60, seed=3)
    vocabulary = sorted({word for text in texts for word in text.split()})
    counts = np.array([[text.split().count(word) for word in vocabulary] for text in texts], dtype=float)
    idf = np.log((1 + len(texts)) / (counts > 0).sum(axis=0))
    weighted = np.where(counts > 0, 1 + np.log(np.maximum(counts, 1)), 0) * idf
    rows = weighted / np.linalg.norm(weighted, axis=1, keepdims=True)
    right = np.linalg.svd(rows, full_matrices=False)[2][:5]
    wanted = weighted @ right.T
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    found = LsaEncoder.fit(texts, analyse=analyse, dim=6).encode_document(texts)
    np.testing.assert_allclose(found @ found.T, wanted @ wanted.T, atol=1e-4)


def test_texts_of_unknown_words_find_nothing_and_are_found_by_nothing(lsa: LsaEncoder) -> None:
    units = lsa.encode_document(["wing lift", "unheard of", ""])
    assert not lsa.encode_query(["something strange"]).any()
    assert (units @ lsa.encode_query(["gene"])[0])[1:].tolist() == [0, 0]


def test_two_fits_are_equal_and_the_fingerprint_follows_the_arrays(lsa: LsaEncoder) -> None:
    again = LsaEncoder.fit(corpus(), analyse=analyse, dim=8)
    assert again.fingerprint == lsa.fingerprint
    np.testing.assert_array_equal(again.encode_document(corpus()), lsa.encode_document(corpus()))
    assert LsaEncoder.fit(corpus(119), analyse=analyse, dim=8).fingerprint != lsa.fingerprint


def test_saving_and_loading_changes_nothing(lsa: LsaEncoder, tmp_path: Path) -> None:
    lsa.save(tmp_path / "lsa")
    loaded = LsaEncoder.load(tmp_path / "lsa", analyse=analyse)
    assert (loaded.fingerprint, loaded.dim, loaded.fitted_units) == (lsa.fingerprint, lsa.dim, 120)
    assert loaded.verify()
    np.testing.assert_array_equal(loaded.encode_document(corpus()), lsa.encode_document(corpus()))
    assert not [path for path in (tmp_path / "lsa").iterdir() if path.suffix in (".pkl", ".pickle")]


@pytest.mark.parametrize("name", ["config.json", "terms.json", "idf.npy", "directions.npy"])
@pytest.mark.parametrize("damage", ["missing", "truncated"])
def test_damage_is_named(lsa: LsaEncoder, tmp_path: Path, name: str, damage: str) -> None:
    lsa.save(tmp_path)
    path = tmp_path / name
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(CorruptIndexError, match="fit it again"):
        LsaEncoder.load(tmp_path, analyse=analyse)


def test_files_of_two_fits_do_not_pass_for_one(lsa: LsaEncoder, tmp_path: Path) -> None:
    lsa.save(tmp_path)
    (tmp_path / "terms.json").write_text(json.dumps(["a", "b"]))
    with pytest.raises(CorruptIndexError, match="do not fit"):
        LsaEncoder.load(tmp_path, analyse=analyse)


def test_a_changed_value_is_found_by_verify(lsa: LsaEncoder, tmp_path: Path) -> None:
    lsa.save(tmp_path)
    path = tmp_path / "directions.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert not LsaEncoder.load(tmp_path, analyse=analyse).verify()


@pytest.mark.parametrize("texts", [["one text only"], ["same same", "same"], ["a b", "c d"], ["word"] * 5])
def test_tiny_corpora(texts: list[str]) -> None:
    lsa = LsaEncoder.fit(texts, analyse=analyse)
    vectors = lsa.encode_document(texts)
    assert vectors.shape == (len(texts), lsa.dim)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("texts", [[], ["", " "]])
def test_a_corpus_without_words_is_one_line(texts: list[str]) -> None:
    with pytest.raises(TellapartError, match="a single term"):
        LsaEncoder.fit(texts, analyse=analyse)

from __future__ import annotations

import sys

import numpy as np
import pytest

from tellapart.encoders.load import load_encoder
from tellapart.encoders.protocol import Encoder, stored_precision, unit_rows
from tellapart.errors import TellapartError


def test_minilm_is_bundled() -> None:
    encoder = load_encoder("minilm")
    assert isinstance(encoder, Encoder)
    assert encoder.name == "minilm"


@pytest.mark.parametrize("spec", ["", "bert", "minilm:", "Hub:a/b", "hub:", "openai: ", "folder:", "a:b"])
def test_an_unknown_encoder_lists_the_kinds(spec: str) -> None:
    with pytest.raises(TellapartError, match=r"minilm.*lsa.*hub:.*model2vec:.*openai:.*folder:") as error:
        load_encoder(spec)
    assert repr(spec) in str(error.value)


def test_lsa_says_where_it_lives() -> None:
    with pytest.raises(TellapartError, match="fitted on a corpus"):
        load_encoder("lsa")


@pytest.mark.parametrize(
    ("spec", "module", "extra"),
    [
        ("hub:org/model", "sentence_transformers", "hub"),
        ("model2vec:org/model", "model2vec", "model2vec"),
    ],
)
def test_a_missing_extra_is_named(
    spec: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(TellapartError, match=rf"pip install 'tellapart\[{extra}\]'"):
        load_encoder(spec)


def test_rows_become_unit_length_and_a_zero_row_the_last_axis() -> None:
    made = unit_rows([[3.0, 4.0, 0.0], [0.0, 0.0, 0.0], [1e-20, 0.0, 0.0]], encoder="e")
    np.testing.assert_allclose(made, [[0.6, 0.8, 0], [0, 0, 1], [0, 0, 1]], rtol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_refused(bad: float) -> None:
    with pytest.raises(TellapartError, match="'e'"):
        unit_rows([[1.0, bad]], encoder="e")


def test_stored_precision_is_that_of_float16() -> None:
    rows = unit_rows(np.random.default_rng(0).standard_normal((50, 384)), encoder="e")
    kept = stored_precision(rows)
    np.testing.assert_array_equal(kept, stored_precision(kept))
    assert (1 - np.einsum("ij,ij->i", rows, kept) / np.linalg.norm(kept, axis=1)).max() < 1e-6

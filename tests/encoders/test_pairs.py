"""A cross-encoder of the shelf; skipped where it was not fetched (make does)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tellapart.encoders.folder import MINILM_FOLDER
from tellapart.encoders.pairs import CrossEncoder
from tellapart.errors import TellapartError

MODEL = Path(__file__).parents[2] / "build" / "cache" / "models" / "ms-marco-minilm"


@pytest.fixture(scope="session")
def cross_encoder() -> CrossEncoder:
    if not MODEL.is_dir():
        pytest.skip(
            "the cross-encoder is not here: TELLAPART_CACHE=build/cache tellapart models add ms-marco-minilm"
        )
    return CrossEncoder(MODEL, name="ms-marco-minilm")


def test_scores_are_those_that_its_authors_publish(cross_encoder: CrossEncoder) -> None:
    """The model's card gives 9.22 and -4.08 for these in float32; its 8-bit weights come within a few per cent."""
    answer = (
        "Berlin had a population of 3,520,031 registered inhabitants in an area of 891.82 square kilometers."
    )
    other = "Berlin is well known for its museums."
    scores = cross_encoder.scores("How many people live in Berlin?", [answer, other])
    np.testing.assert_allclose(scores, [9.22, -4.08], atol=0.15)


def test_a_text_is_scored_alone_and_cut_behind(cross_encoder: CrossEncoder) -> None:
    texts = ["roses need sun", "a very long text " * 500, ""]
    together = cross_encoder.scores("what do roses need", texts)
    alone = [float(cross_encoder.scores("what do roses need", [text])[0]) for text in texts]
    np.testing.assert_array_equal(together, np.float32(alone))
    assert cross_encoder.scores("word " * 2000, ["roses"]).shape == (1,)
    assert cross_encoder.scores("query", []).shape == (0,)


def test_an_encoder_is_no_cross_encoder() -> None:
    with pytest.raises(TellapartError, match="kind"):
        CrossEncoder(MINILM_FOLDER)

"""Encoders that are Python objects."""

from __future__ import annotations

import numpy as np
import pytest

from tellapart import Index, TellapartError, load_encoder
from tellapart.encoders.objects import named_encoders, object_encoder

WORDS = ("rose", "water", "winter", "client", "retry", "total")


class Counting:
    """Counts some words; `shift` makes another model of it."""

    def __init__(self, shift=0):
        self.shift = shift

    def encode(self, texts, batch_size=32, *, normalize_embeddings=False):
        rows = np.array([[text.lower().count(word) for word in WORDS] for text in texts], dtype=float)
        rows += 0.1 + np.sin(np.array([[len(text) * (n + 1) for n in range(len(WORDS))] for text in texts]))
        return np.roll(rows, self.shift, axis=1)


class TwoSided:
    def encode_query(self, texts):
        return np.tile([1.0, 0.0], (len(texts), 1))

    def encode_document(self, texts):
        return [[3.0 * text.count("rose"), 1.0] for text in texts]


def test_an_index_of_an_object_asks_for_it_when_it_is_opened_without(corpus, tmp_path):
    folder = tmp_path / "index"
    with Index.build(corpus, folder, encoders={"mine": Counting()}) as built:
        hits = built.search("roses", ranker="knn")
        assert hits.configuration.encoder == "mine"
    with Index.open(folder, encoders={"mine": Counting()}) as again:
        assert again.search("roses", ranker="knn").hits == hits.hits
        (corpus / "new.txt").write_text("Prune the roses.\n")
        assert again.update().changes.added == 1
    with Index.open(folder) as without:
        assert without.search("roses", ranker="bm25")
        for call in (lambda: without.search("roses", ranker="knn"), without.update):
            if call == without.update:
                (corpus / "more.txt").write_text("Water the roses.\n")
            with pytest.raises(TellapartError, match=r"Index.open\('.*', encoders=\{'mine': encoder\}\)"):
                call()
    with (
        Index.open(folder, encoders={"mine": Counting(shift=1)}) as other,
        pytest.raises(TellapartError, match="another version of 'mine'"),
    ):
        other.search("roses", ranker="knn")


def test_an_object_can_be_added_and_queries_have_their_own_side(corpus, tmp_path):
    with Index.build(corpus, tmp_path / "index", encoders=[]) as index:
        index.add_encoder(TwoSided(), name="sides")
        assert "rose" in index.search("anything", ranker="knn", granularity="paragraph")[0].text
        index.add_encoder(Counting())
        assert set(index.catalogue.encoders()) == {"sides", "Counting"}


def test_the_fingerprint_is_that_of_the_object_or_of_what_it_makes():
    one = object_encoder(Counting(), name="a")
    assert one.fingerprint == object_encoder(Counting(), name="a").fingerprint
    assert one.fingerprint != object_encoder(Counting(shift=1), name="a").fingerprint
    assert one.fingerprint != object_encoder(Counting(), name="b").fingerprint
    own = Counting()
    own.fingerprint = "version 3"
    assert object_encoder(own).fingerprint == "version 3"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (5, "encoders holds 5"),
        ([Counting], "encoders holds <class"),
        ({"minilm": Counting()}, "give yours another"),
        ([Counting(), Counting()], "two encoders are named"),
    ],
)
def test_what_encodes_nothing_is_refused_in_one_line(given, words):
    with pytest.raises(TellapartError) as caught:
        named_encoders(given)
    assert words in str(caught.value)


def test_wrong_shapes_are_named():
    class Flat:
        def encode(self, texts):
            return np.ones(len(texts))

    with pytest.raises(TellapartError, match=r"shape \(4,\) for 4 texts"):
        object_encoder(Flat())


def test_own_encoders_encode_as_sentence_transformers_does():
    encoder = load_encoder("minilm")
    texts = ["roses", "water"]
    rows = encoder.encode(texts, batch_size=1, normalize_embeddings=True)
    assert rows.shape == (2, encoder.dim)
    np.testing.assert_allclose(rows, encoder.encode_document(texts), atol=1e-6)
    assert encoder.encode("roses").shape == (encoder.dim,)
    assert encoder.encode([]).shape == (0, encoder.dim)
    with pytest.raises(TellapartError, match="unit length"):
        encoder.encode(texts, normalize_embeddings=False)
    assert named_encoders([encoder]) == (("minilm",), {"minilm": encoder})

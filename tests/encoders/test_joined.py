"""Several encoders as one: `minilm+bge-small`."""

from __future__ import annotations

import numpy as np
import pytest

from tellapart.encoders.cache import VectorCache
from tellapart.encoders.folder import MINILM_FOLDER
from tellapart.encoders.joined import JoinedEncoder
from tellapart.encoders.load import load_encoder
from tellapart.encoders.objects import object_encoder
from tellapart.encoders.pooling import embed
from tellapart.encoders.protocol import SpanEncoder
from tellapart.encoders.windows import UnitText
from tellapart.engine import Index
from tellapart.errors import TellapartError

TWICE = f"minilm+folder:{MINILM_FOLDER}"


class Letters:
    """Counts letters: another opinion than minilm's."""

    max_tokens = 40

    def encode(self, texts):
        return np.array([[text.count(letter) + 0.1 for letter in "aeiou"] for text in texts], np.float32)

    def count_tokens(self, texts):
        return np.array([len(text.split()) for text in texts], np.int32)


def test_a_cosine_is_the_mean_of_the_parts_cosines():
    parts = [load_encoder("minilm"), object_encoder(Letters(), name="letters")]
    joined = JoinedEncoder(parts)
    texts = ["roses need sun", "the boiler is serviced in October", ""]

    def cosines(encoder):
        return encoder.encode_document(texts) @ encoder.encode_query(["flowers in summer"]).T

    np.testing.assert_allclose(cosines(joined), (cosines(parts[0]) + cosines(parts[1])) / 2, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(joined.encode_document(texts), axis=1), 1, atol=1e-6)
    assert (joined.name, joined.dim, joined.max_tokens) == ("minilm+letters", 389, 40)
    assert joined.count_tokens(["serviced boilers"])[0] == parts[0].count_tokens(["serviced boilers"])[0]
    assert not joined.pools_spans, "letters have no vectors of tokens"
    assert joined.fingerprint != JoinedEncoder(parts[::-1]).fingerprint


def test_an_index_holds_them_under_their_name_and_finds_with_them(tmp_path):
    source = tmp_path / "texts"
    source.mkdir()
    (source / "a.txt").write_text("Roses need sun and water.\n\nBeans climb a pole.\n" * 40)
    (source / "b.txt").write_text("The boiler is serviced in October.\n")
    with Index.build([source], tmp_path / "my.idx", encoders=["minilm", TWICE]) as index:
        assert isinstance(index.encoder(TWICE), SpanEncoder)
        assert index.encoder(TWICE).pools_spans
        for granularity in ("sentence", "paragraph", "document"):
            asked = {"ranker": "knn", "granularity": granularity}
            plain = index.search("heating", encoder="minilm", **asked)
            both = index.search("heating", encoder=TWICE, **asked)
            assert [hit.id for hit in both] == [hit.id for hit in plain]
            np.testing.assert_allclose([h.score for h in both], [h.score for h in plain], atol=2e-3)


def test_what_cannot_be_joined_is_refused_with_a_reason():
    for name, said in (("minilm+pixels", "encoders of texts"), ("minilm+lsa", "fitted on a corpus")):
        with pytest.raises(TellapartError, match=said):
            load_encoder(name)
    with pytest.raises(TellapartError, match=r"unknown encoder 'minilm\+nothing'"):
        load_encoder("minilm+nothing")


def test_what_is_known_of_a_part_is_not_encoded_again(tmp_path):
    class Counting(Letters):
        fingerprint = "letters"
        seen = 0

        def encode(self, texts):
            self.seen += len(texts)
            return super().encode(texts)

    model = Counting()
    letters = object_encoder(model, name="letters")
    cache = VectorCache(tmp_path)
    units = [UnitText("", text) for text in ("roses need sun", "the boiler is serviced")]
    embed(letters, units, cache=cache)
    before = model.seen
    made, _ = embed(JoinedEncoder([load_encoder("minilm"), letters]), units, cache=cache)
    assert model.seen == before
    assert made.shape == (2, 389)

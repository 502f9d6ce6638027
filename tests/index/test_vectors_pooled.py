"""Which units are encoded by themselves, and where the vectors of the others come from."""

from __future__ import annotations

import numpy as np
import pytest

from tellapart.corpus.document import Granularity
from tellapart.corpus.units import contexts
from tellapart.engine import Index
from tellapart.engine.status import verify_index

SENTENCE, PARAGRAPH, DOCUMENT = Granularity.SENTENCE, Granularity.PARAGRAPH, Granularity.DOCUMENT


@pytest.fixture
def index(corpus, tmp_path, encoders):
    opened = Index.build([corpus], tmp_path / "index", encoders=["words"])
    yield opened
    opened.close()


def pooled(index: Index) -> set[str]:
    with index.reading() as snapshot:
        return set(snapshot.encoders["words"].pooled)


def vectors_of(index: Index, level: Granularity) -> np.ndarray:
    with index.reading() as snapshot:
        table = snapshot.units(level)
        rows = np.arange(table.n_rows) if table.alive is None else np.flatnonzero(table.alive)
        return np.asarray(snapshot.vectors("words", level).take(rows))


def encoded_alone(index: Index, model, level: Granularity) -> np.ndarray:
    texts = []
    for number in sorted(index.store.identifiers()):
        stored = index.stored(number)
        if level in stored.tree.levels:
            around = contexts(stored.document, stored.tree, level)
            for context, (start, end) in zip(around, stored.tree.spans(level), strict=True):
                body = stored.document.text[start:end]
                texts.append(f"{context}\n{body}" if context else body)
    return model.encode_document(texts)


def test_one_pass_over_paragraphs_and_functions_covers_every_level(index, word_encoder):
    assert pooled(index) == {"sentence", "section", "document", "class", "file"}
    with index.reading() as snapshot:
        tiles = sum(snapshot.units(g).n_alive for g in (PARAGRAPH, Granularity.FUNCTION))
    assert word_encoder.encoded <= tiles
    np.testing.assert_allclose(
        vectors_of(index, PARAGRAPH), encoded_alone(index, word_encoder, PARAGRAPH), atol=2e-3
    )


def test_sentences_can_be_encoded_by_themselves_later_and_stay_so(index, word_encoder, corpus):
    before = vectors_of(index, SENTENCE)
    index.encode_alone("words", SENTENCE)
    assert pooled(index) == {"section", "document", "class", "file"}
    after = vectors_of(index, SENTENCE)
    assert not np.allclose(before, after, atol=2e-3)
    np.testing.assert_allclose(after, encoded_alone(index, word_encoder, SENTENCE), atol=2e-3)
    assert not list(index.folder.glob("segments/*/vectors-*/sentence.pooled.npy"))
    (corpus / "notes" / "spring.txt").write_text("Spring comes early. Sow the peas.\n")
    index.update()
    np.testing.assert_allclose(
        vectors_of(index, SENTENCE), encoded_alone(index, word_encoder, SENTENCE), atol=2e-3
    )
    verify_index(index)


def test_a_sentence_asked_for_at_the_start_is_encoded_by_itself(corpus, tmp_path, word_encoder, index):
    only = Index.build(
        [corpus], tmp_path / "only", encoders=["words"], granularities=["sentence", "document"]
    )
    assert pooled(only) == {"document"}
    np.testing.assert_allclose(vectors_of(only, DOCUMENT), vectors_of(index, DOCUMENT), atol=2e-3)
    np.testing.assert_allclose(
        vectors_of(only, SENTENCE), encoded_alone(only, word_encoder, SENTENCE), atol=2e-3
    )


def test_an_encoder_without_vectors_of_tokens_encodes_every_unit(corpus, tmp_path, word_encoder, index):
    word_encoder.pools_spans = False
    whole = Index.build([corpus], tmp_path / "whole", encoders=["words"])
    assert pooled(whole) == set()
    np.testing.assert_allclose(
        vectors_of(whole, DOCUMENT), encoded_alone(whole, word_encoder, DOCUMENT), atol=2e-3
    )

"""A published index answers as the one in the folder does."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tellapart import Index, TellapartError, publish
from tellapart.engine.records import VerdictRecord, corpus_state, write_records
from tellapart.engine.request import SearchRequest
from tellapart.rankers.registry import Parameters

QUERIES = (
    "roses",
    "retry with backoff",
    "café",
    "cafe resume",
    "北",
    "Client open_valve",
    "nothing of this kind",
    "water them often in winter",
)
RANKERS = ("auto", "bm25", "knn", "svm", "hybrid", "rrf", "structure")
WORDS = st.sampled_from(
    ["roses", "water", "winter", "retry", "client", "cafe", "café", "straw", "北京", "the", "need", "map"]
)


def same(one, other):
    """Whether two answers have the same hits; scores within 1e-6."""
    assert [hit.id for hit in one] == [hit.id for hit in other]
    for hit, again in zip(one, other, strict=True):
        assert (hit.span, hit.lines, hit.text, hit.document) == (
            again.span,
            again.lines,
            again.text,
            again.document,
        )
        assert again.score == pytest.approx(hit.score, abs=1e-6)
        assert again.components == pytest.approx(hit.components, abs=1e-6)


@pytest.mark.parametrize("ranker", RANKERS)
def test_every_ranker_answers_alike(index, published, ranker):
    for query in QUERIES:
        for granularity in (None, "paragraph", "document", "sentence+function"):
            kept = index.search(query, ranker=ranker, granularity=granularity, k=20)
            same(kept, published.search(query, ranker=ranker, granularity=granularity, k=20))


def test_an_encoder_fitted_on_the_corpus_travels_along(index, published):
    for query in QUERIES[:3]:
        same(index.search(query, encoder="lsa", k=20), published.search(query, encoder="lsa", k=20))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(WORDS, min_size=1, max_size=5), st.floats(0, 4), st.floats(0, 1))
def test_bm25_with_any_parameters(index, published, words, k1, b):
    asked = {"ranker": "bm25", "parameters": Parameters(k1=k1, b=b), "k": 30}
    same(index.search(" ".join(words), **asked), published.search(" ".join(words), **asked))


def test_examples_and_related_units(index, published):
    for like, unlike in (
        (["README.md:9"], []),
        (["notes/winter.txt", "README.md:9"], ["src/client.py:8"]),
        (["notes/"], []),
    ):
        for ranker in ("auto", "knn", "svm", "ridge", "expanded-ridge", "hybrid"):
            asked = {"like": like, "unlike": unlike, "ranker": ranker, "k": 20}
            same(index.search(**asked), published.search(**asked))
    same(index.related("src/client.py", 8), published.related("src/client.py", 8))
    same(
        index.search("roses", like=["notes/winter.txt"]), published.search("roses", like=["notes/winter.txt"])
    )


def test_a_pattern_and_one_unit_by_its_id(index, published):
    same(index.search(regex=r"def \w+"), published.search(regex=r"def \w+"))
    hit = index.search("roses")[0]
    assert published.get(hit.id).text == hit.text
    with pytest.raises(TellapartError, match="no document 'absent'"):
        published.get("absent")


def test_runs_and_contexts(index, published):
    queries = {str(number): query for number, query in enumerate(QUERIES)}
    for ranker in ("bm25", "hybrid", "structure"):
        kept, again = index.run(queries, ranker=ranker), published.run(queries, ranker=ranker)
        for query in queries:
            assert kept.rankings[query].documents == again.rankings[query].documents
            assert again.rankings[query].scores == pytest.approx(kept.rankings[query].scores, abs=1e-6)
    kept, again = (
        index.context("how do roses grow", tokens=80),
        published.context("how do roses grow", tokens=80),
    )
    assert [passage.text for passage in kept.passages] == [passage.text for passage in again.passages]


def test_the_verdict_is_followed(index, address):
    with index.reading():
        chosen = index.plan(ranker="bm25", granularity="section").configuration
        state, generation = corpus_state(index.store), index.store.generation + 1
    record = VerdictRecord(chosen, "measured", state, None, "2026-01-01T00:00:00", generation)
    write_records(index.store, {"verdict": record.encode()})
    publish(index, address)
    with Index.open(address) as published:
        answer = published.search("roses")
        assert answer.configuration.name == "section/bm25"
        assert "measured" in answer.why


@pytest.mark.parametrize("few", [0, 64])
def test_a_filter_that_leaves_much_is_sent_as_bits(index, published, monkeypatch, few):
    """As in an index of ten thousand units and more."""
    monkeypatch.setattr("tellapart.index.postgres.vector_table.SCANNED", 0)
    monkeypatch.setattr("tellapart.index.postgres.vector_table.FEW_LEFT_OUT", few)
    for condition in ("kind = 'prose'", "id glob 'notes/*'", "id = 'absent'"):
        for query in QUERIES:
            asked = {"where": condition, "ranker": "knn", "encoder": "lsa", "k": 5}
            same(index.search(query, **asked), published.search(query, **asked))


def test_there_are_as_many_hits_as_asked_for(address, tmp_path, encoders, monkeypatch):
    """Also where pgvector stops before it has found enough that a filter keeps."""
    from tellapart.index.postgres.database import SETTINGS

    words = [*"abcdefgh"]
    texts = [f"{one} {other} {third}" for one in words for other in words for third in words]
    path = tmp_path / "records.jsonl"
    path.write_text("\n".join(json.dumps({"_id": text, "text": text, "n": len(set(text))}) for text in texts))
    hasty = {
        "enable_seqscan": "off",
        "enable_sort": "off",
        "hnsw.max_scan_tuples": "1",
    }
    monkeypatch.setattr("tellapart.index.postgres.database.SETTINGS", SETTINGS | hasty)
    monkeypatch.setattr("tellapart.index.postgres.vector_table.SCANNED", 0)
    with Index.build([path], tmp_path / "many.idx", encoders=["words"]) as index:
        publish(index, address)
        with Index.open(address) as published:
            for condition, count in (((), 30), ("n = 4", 30), ("n = 2", 8)):
                asked = {"where": condition, "ranker": "knn", "granularity": "document", "k": 30}
                kept, again = index.search("a b c", **asked), published.search("a b c", **asked)
                assert len(kept) == len(again) == count
                assert [hit.score for hit in again] == pytest.approx([hit.score for hit in kept], abs=1e-6)


def test_threads_share_one_index(index, address):
    """A server's threads come one after the other, each to the same connection."""
    from concurrent.futures import ThreadPoolExecutor

    from tellapart.index.postgres.address import Address
    from tellapart.serving.shared import SharedIndex

    publish(index, address)
    shared = SharedIndex(Address.packed(address))

    def ask(query):
        with shared.use() as opened:
            return [hit.id for hit in opened.search(query)]

    asked = QUERIES * 8
    try:
        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(ask, asked))
    finally:
        shared.close()
    assert found == [[hit.id for hit in index.search(query)] for query in asked]


def test_what_cannot_be_done_is_one_line(published):
    for change in (published.update, lambda: published.add_encoder("lsa"), published.skipped):
        with pytest.raises(TellapartError, match="is a published index"):
            change()
    with pytest.raises(
        TellapartError, match=r"no vectors of encoder 'other' .*tellapart publish --index DIR"
    ):
        published.search(SearchRequest("roses", encoder="other"))

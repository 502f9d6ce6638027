"""New vectors wait beside the graph of neighbours: a search finds them, and the graph gets many at once."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tellapart import Index, publish
from tellapart.corpus.document import Granularity
from tellapart.index.postgres import neighbours
from tellapart.index.postgres.address import Address

WORDS = [*"abcdefgh"]
ASKED = {"ranker": "knn", "encoder": "words", "granularity": "document", "k": 20}


def write(folder, numbers):
    """Make a folder hold records, ten to a file."""
    texts = [f"{one} {other} {third}" for one in WORDS for other in WORDS for third in WORDS]
    files = {}
    for n in numbers:
        record = {"_id": str(n), "text": texts[n % len(texts)], "even": n % 2 == 0}
        files.setdefault(f"part{n // 10}.jsonl", []).append(json.dumps(record))
    for gone in {path.name for path in folder.iterdir()}.difference(files):
        (folder / gone).unlink()
    for name, lines in files.items():
        if not (folder / name).exists():
            (folder / name).write_text("\n".join(lines))


@pytest.fixture
def grown(tmp_path, address, encoders):
    """An index of which some documents came, and some went, since it was first published."""
    path = tmp_path / "records"
    path.mkdir()
    write(path, range(300))
    with Index.build([path], tmp_path / "my.idx", encoders=["words"]) as index:
        publish(index, address)
        write(path, range(10, 330))
        index.update()
        publish(index, address)
        yield index


def waiting(administrator, address):
    schema = Address.needed(address).schema
    keys = administrator.execute(f"SELECT key FROM {schema}.vector_sets").fetchall()
    counts = [
        administrator.execute(f"SELECT count(*) FROM {schema}.vectors_{k}_fresh").fetchone() for (k,) in keys
    ]
    return sum(count for (count,) in counts)


def assert_same(index, published):
    for query in ("a b c", "h g", "e e e"):
        for asked in (ASKED, ASKED | {"where": "even = 1"}, ASKED | {"where": "id in ('305', '310', '20')"}):
            kept, again = index.search(query, **asked), published.search(query, **asked)
            assert [(hit.id, hit.score) for hit in again] == [
                (hit.id, pytest.approx(hit.score, abs=1e-6)) for hit in kept
            ]
    with index.reading() as mine, published.reading() as theirs:
        level = Granularity.DOCUMENT
        rows = [
            reading.units(level).rows_of(index.store.newest() - n for n in range(9))
            for reading in (mine, theirs)
        ]
        taken = [
            reading.vectors("words", level).take(np.flatnonzero(own))
            for reading, own in zip((mine, theirs), rows, strict=True)
        ]
        assert np.array_equal(*taken)
        assert taken[0].any()
        query = taken[0][0]
        scores = [
            np.sort(reading.vectors("words", level).scores(query)[reading.units(level).alive])
            for reading in (mine, theirs)
        ]
        assert np.allclose(*scores, atol=1e-6)


def test_what_waits_beside_the_graph_is_found(grown, address, administrator):
    assert waiting(administrator, address) > 30
    with Index.open(address) as published:
        assert_same(grown, published)


def test_what_waited_goes_when_its_document_goes(grown, address, administrator, tmp_path):
    write(tmp_path / "records", range(10, 300))
    grown.update()
    publish(grown, address)
    assert waiting(administrator, address) == 0
    with Index.open(address) as published:
        assert_same(grown, published)


def test_many_are_added_to_the_graph_while_readers_go_on(grown, address, administrator, monkeypatch):
    monkeypatch.setattr(neighbours, "FRESH_ROWS", 5)
    monkeypatch.setattr(neighbours, "_MOVE", neighbours._MOVE.replace("LIMIT 500", "LIMIT 7"))
    with Index.open(address) as before, Index.open(address) as late:
        assert_same(grown, before)
        with late.reading():  # its moment is that of the vectors beside the graph
            publish(grown, address)
            assert waiting(administrator, address) == 0
            assert_same(grown, late)
        assert_same(grown, before)
        assert_same(grown, late)


def test_a_run_stopped_while_it_adds_to_the_graph(grown, address, administrator, monkeypatch):
    from contextlib import contextmanager

    monkeypatch.setattr(neighbours, "FRESH_ROWS", 5)
    monkeypatch.setattr(neighbours, "_MOVE", neighbours._MOVE.replace("LIMIT 500", "LIMIT 7"))

    @contextmanager
    def stopping(label, total):
        def advance(count):
            if label.startswith("adding vectors"):
                raise KeyboardInterrupt

        yield advance

    there = waiting(administrator, address)
    with pytest.raises(KeyboardInterrupt):
        publish(grown, address, progress=stopping)
    assert 0 < waiting(administrator, address) < there
    with Index.open(address) as published:
        assert_same(grown, published)


def test_how_far_the_graph_is_walked_is_measured_and_kept(index, address, administrator):
    report = publish(index, address)
    assert {(graph.encoder, graph.ef_search) for graph in report.graphs} == {("words", 40), ("lsa", 40)}
    assert all(graph.recall > 0.99 for graph in report.graphs)
    assert publish(index, address).graphs == ()
    schema = Address.needed(address).schema
    administrator.execute(f"UPDATE {schema}.vector_sets SET ef_search = 77")
    with Index.open(address) as published, published.reading():
        published.search("roses", ranker="knn", encoder="lsa")
        assert published.store.servers.first.row("SHOW hnsw.ef_search") == ("77",)

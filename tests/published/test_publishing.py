"""Publishing: whole generations, only what changed, one at a time, whatever happens meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from tellapart import Index, LockedIndexError, TellapartError, publish
from tellapart.index.postgres.address import Address

from .conftest import stopped_at


def test_a_second_run_sends_nothing(index, address):
    first = publish(index, address)
    assert first.documents == first.total == len(index)
    assert first.vectors > 0
    again = publish(index, address)
    assert (again.documents, again.segments, again.vectors, again.removed) == (0, 0, 0, 0)


def test_only_what_changed_is_sent(index, address, corpus):
    publish(index, address)
    (corpus / "notes" / "winter.txt").write_text("In winter the shed is locked.\n")
    (corpus / "src" / "moisture.py").unlink()
    index.update()
    report = publish(index, address)
    assert (report.documents, report.removed) == (1, 2)
    with Index.open(address) as published:
        assert published.search("shed", ranker="bm25")[0].document == "notes/winter.txt"
        assert not published.search("frost straw", ranker="bm25")
        assert not [hit for hit in published.search("soil", ranker="knn", k=50) if "moisture" in hit.document]


def test_documents_with_the_same_texts_are_all_there(address, tmp_path):
    """Added one after the other, their segments hold the same words; neither stands for the other."""
    source = tmp_path / "source"
    source.mkdir()
    with Index.build([source], tmp_path / "twins.idx", encoders=()) as index:
        for name in "abc":
            (source / f"{name}.jsonl").write_text(json.dumps({"_id": name, "text": "a red rose"}))
            index.update()
        assert publish(index, address).segments == 3
        with Index.open(address) as published:
            assert [name for name in "abc" if published.search("rose", where=f"id glob '*{name}'")] == [
                *"abc"
            ]
            assert publish(index, address).segments == 0
            (source / "a.jsonl").unlink()
            index.update()
            publish(index, address)
            assert [name for name in "abc" if published.search("rose", where=f"id glob '*{name}'")] == [*"bc"]


def test_one_index_can_be_dropped_without_the_others(index, database):
    """pgvector belongs to the database, not to whoever was published first."""
    import psycopg

    one, other = f"{database}&schema=one", f"{database}&schema=other"
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA one")
    for address in (one, other):
        publish(index, address)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DROP SCHEMA one CASCADE")
    with Index.open(other) as published:
        assert published.search("roses", ranker="knn", encoder="lsa")


def test_every_schema_has_its_index_of_neighbours(index, database):
    import psycopg

    for schema in ("public", "other"):
        publish(index, f"{database}&schema={schema}")
    with psycopg.connect(database) as connection:
        found = connection.execute(
            "SELECT schemaname, count(*) FROM pg_indexes WHERE indexdef LIKE '%hnsw%' GROUP BY 1"
        ).fetchall()
    counts = dict(found)
    assert counts["public"] == counts["other"] > 0


def test_an_index_made_anew_has_nothing_new(index, address, corpus, tmp_path, encoders):
    publish(index, address)
    with Index.build([corpus], tmp_path / "anew.idx", encoders=["words"]) as anew:
        report = publish(anew, address)
        assert (report.documents, report.vectors, report.removed) == (0, 0, 0)
        with Index.open(address) as published:
            kept, again = anew.search("roses"), published.search("roses")
            assert [hit.id for hit in kept] == [hit.id for hit in again]
            assert published.search("roses", encoder="words")
            with pytest.raises(TellapartError, match="no vectors of encoder 'lsa'"):
                published.search("roses", encoder="lsa")


def test_a_reader_keeps_the_generation_it_began_with(index, published, address, corpus):
    with published.reading():
        before = [hit.id for hit in published.search("roses", k=50)]
        (corpus / "README.md").write_text("# Gone\n\nRoses are gone.\n")
        index.update()
        publish(index, address)
        assert [hit.id for hit in published.search("roses", k=50)] == before
        assert [hit.id for hit in published.search("roses", ranker="hybrid", encoder="lsa")]
    assert [hit.id for hit in published.search("roses", k=50)] != before


def test_two_publishers_exclude_each_other(index, address):
    refused = []

    @contextmanager
    def at_work(label, total):
        with pytest.raises(LockedIndexError, match="another process is publishing"):
            publish(index, address)
        refused.append(label)
        yield lambda count: None

    publish(index, address, progress=at_work)
    assert {"sending documents", "swapping generations"} <= set(refused)


def test_a_run_that_fails_anywhere_leaves_the_generation_before(index, address, corpus):
    """Stopped at each step in turn, readers see the old generation, and the next run completes the new one."""
    publish(index, address)
    with Index.open(address) as published:
        before = [hit.id for hit in published.search("roses garden", k=50)]
        (corpus / "README.md").write_text("# Changed\n\nRoses changed.\n")
        index.update()
        for step in range(100):
            try:
                publish(index, address, progress=stopped_at(step))
            except KeyboardInterrupt:
                after = [hit.id for hit in published.search("roses garden", k=50)]
                whole = [hit.id for hit in index.search("roses garden", k=50)]
                assert after in (before, whole)
            else:
                break
        assert step > 8
        assert [hit.id for hit in published.search("roses garden", k=50)] == whole


def test_a_first_run_that_failed_goes_on_with_what_there_is_now(index, address, corpus, tmp_path, encoders):
    """The documents may have other numbers by now, or be gone."""

    @contextmanager
    def failing(label, total):
        if label == "swapping generations":
            raise KeyboardInterrupt
        yield lambda count: None

    with pytest.raises(KeyboardInterrupt):
        publish(index, address, progress=failing)
    with pytest.raises(TellapartError, match="no index is published"):
        Index.open(address)
    (corpus / "README.md").unlink()
    (corpus / "about.md").write_text("# First\n\nRoses first.\n")
    with Index.build([corpus], tmp_path / "again.idx", encoders=["words"]) as again:
        report = publish(again, address)
        assert (report.documents, report.removed) == (1, 0)
        whole = [hit.id for hit in again.search("roses garden", k=50)]
        with Index.open(address) as published:
            assert [hit.id for hit in published.search("roses garden", k=50)] == whole


@pytest.mark.slow
def test_a_publisher_killed_at_any_moment(index, address, corpus, tmp_path):
    publish(index, address)
    program = (
        "import sys; from tellapart import Index; from tellapart.engine.publishing import publish;"
        "print('ready', flush=True); publish(Index.open(sys.argv[1], refresh=False), sys.argv[2])"
    )
    for number in range(60):
        (corpus / "notes" / f"more{number}.txt").write_text(
            f"Roses of number {number} and some garden more.\n"
        )
    with Index.open(address) as published:
        before = [hit.id for hit in published.search("roses garden", k=50)]
        index.update()
        whole = [hit.id for hit in index.search("roses garden", k=50)]
        assert whole != before
        old, new = 0, 0
        for moment in range(100):
            process = subprocess.Popen(
                [sys.executable, "-c", program, str(index.folder), address], stdout=subprocess.PIPE
            )
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(0.04 * moment)
            if process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)
            process.wait()
            after = [hit.id for hit in published.search("roses garden", k=50)]
            assert after in (before, whole)
            old, new = old + (after == before), new + (after == whole)
            if new and moment >= 20:
                break
        assert old > 3, "none was killed in the middle of its work"
        assert new, "none came to its end"
        for _ in range(100):
            try:
                publish(index, address)
                break
            except LockedIndexError:  # the server has not noticed yet that the last one was killed
                time.sleep(0.1)
        assert [hit.id for hit in published.search("roses garden", k=50)] == whole


def test_texts_that_the_server_cannot_hold_as_text(address, tmp_path):
    path = tmp_path / "records.jsonl"
    path.write_text(
        '{"_id": "a\\u0000b", "title": "N\\u0000L", "text": "nul \\u0000 inside", "note": "x\\u0000y"}\n'
        '{"_id": "plain", "title": "", "text": "nul inside", "tags": [true, null, 1e400]}\n'
    )
    with Index.build([path], tmp_path / "nul.idx", encoders=()) as index:
        publish(index, address)
        with Index.open(address) as published:
            kept, again = index.search("nul inside"), published.search("nul inside")
            assert [(hit.id, hit.text) for hit in kept] == [(hit.id, hit.text) for hit in again]
            for hit in kept:
                assert published.get(hit.id).text == hit.text


def test_compressed_vectors_are_refused(corpus, tmp_path, address, encoders):
    with (
        Index.build([corpus], tmp_path / "c.idx", encoders=["words"], compress="32-int8") as index,
        pytest.raises(TellapartError, match="compressed to bytes"),
    ):
        publish(index, address)


def test_publishing_and_searching_on_the_command_line(corpus, tmp_path, address, capsys):
    from tellapart.cli.app import run

    folder = str(tmp_path / "cli.idx")
    assert run(["index", str(corpus), "--index", folder, "--encoder", "lsa"]) == 0
    assert run(["publish", "--index", folder, "--to", address]) == 0
    assert "documents; sent" in capsys.readouterr().err
    assert run(["publish", "--index", folder, "--to", address, "--json"]) == 0
    assert '"documents": 0' in capsys.readouterr().out
    assert run(["search", "roses", "--index", address, "--ranker", "bm25"]) == 0
    assert "README.md" in capsys.readouterr().out
    assert run(["search", "roses", "notes", "--index", address, "--ranker", "bm25", "--json"]) == 0
    out = capsys.readouterr().out
    assert "notes/winter.txt" in out
    assert "README.md" not in out
    assert run(["related", "src/client.py:8", "--index", address]) == 0
    assert run(["search", "roses", "--index", address, "--where", "kind = 'code'"]) == 0
    assert run(["index", str(corpus), "--index", address]) == 2
    assert "is a published index" in capsys.readouterr().err


def test_no_path_of_this_machine_is_published(index, address, administrator, monkeypatch):
    from dataclasses import replace

    from tellapart.index.postgres import publishing

    kept = replace(publishing.kept_settings(index.store), dataset="/home/me/my.lance")
    monkeypatch.setattr(publishing, "kept_settings", lambda store: kept)
    publish(index, address)
    rows = administrator.execute(f"SELECT value FROM {Address.needed(address).schema}.meta").fetchall()
    assert "/home/me" not in str(rows)
    assert str(index.settings.sources[0]) not in str(rows)


def test_a_record_is_found_by_its_line_in_tables_of_an_earlier_version_too(address, administrator, tmp_path):
    path = tmp_path / "records"
    path.mkdir()
    texts = [f"{one} {other}" for one in ("roses", "tulips", "maps") for other in ("water", "frost", "light")]
    for name in ("one.jsonl", "two.jsonl"):
        records = [json.dumps({"_id": f"{name}-{n}", "text": text}) for n, text in enumerate(texts)]
        (path / name).write_text("\n\n".join(records))
    schema = Address.needed(address).schema
    with Index.build([path], tmp_path / "my.idx", encoders=[]) as index:
        publish(index, address)
        administrator.execute(f"DROP INDEX {schema}.documents_line")
        administrator.execute(f"CREATE INDEX documents_source ON {schema}.documents USING hash (source)")
        publish(index, address)
        with Index.open(address) as published:
            for file, line in (("one.jsonl", 1), ("one.jsonl", 6), ("two.jsonl", 17), ("two.jsonl", 99)):
                kept, again = index.related(file, line=line), published.related(file, line=line)
                assert [hit.id for hit in again] == [hit.id for hit in kept] != []
    names = administrator.execute(
        "SELECT indexname FROM pg_indexes WHERE schemaname = %s AND tablename = 'documents'", (schema,)
    ).fetchall()
    assert ("documents_line",) in names
    assert ("documents_source",) not in names

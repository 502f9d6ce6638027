"""An index on three servers answers as the one in the folder and the one on one server do."""

from __future__ import annotations

import json
import random
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conftest import WordEncoder, write_project

from tellapart import Index, TellapartError, publish
from tellapart.engine.copied import index_in_folder
from tellapart.engine.records import corpus_state
from tellapart.index.postgres.address import Address
from tellapart.index.postgres.placing import Placement, owners_of
from tellapart.rankers.registry import Parameters

from .conftest import SCHEMAS
from .test_search import QUERIES, RANKERS, WORDS, same

pytestmark = pytest.mark.slow

VOCABULARY = [
    "roses",
    "water",
    "winter",
    "retry",
    "client",
    "cafe",
    "straw",
    "garden",
    "pump",
    "北京",
    "soil",
    "frost",
]


@dataclass(frozen=True)
class Place:
    """An index in a folder, and on three servers."""

    corpus: Path
    kept: Index
    opened: Index
    address: str
    shards: list[str]


def records_of(chance):
    """Sixty records, some of them long."""
    return [
        {
            "_id": f"record{number}",
            "title": chance.choice(VOCABULARY),
            "text": " ".join(chance.choices(VOCABULARY, k=chance.randint(1, 40)))
            + (" roses" * 300 if number in (3, 30, 50) else ""),
            "year": 1990 + number % 20,
        }
        for number in range(60)
    ]


@contextmanager
def three_servers(folder, server, beside):
    """Index a small project and sixty records, some changed since, and publish to three servers."""
    with pytest.MonkeyPatch.context() as patch:
        for room in ("engine.building", "index.latent"):
            patch.setattr(f"tellapart.{room}.load_encoder", lambda name, **_: WordEncoder())
        root, records = write_project(folder), records_of(random.Random(5))
        (root / "records.jsonl").write_text("\n".join(map(json.dumps, records)))
        with Index.build([root], folder / "my.idx", encoders=["words", "lsa"]) as kept:
            for record in records[::9]:
                record["text"] += " changed"
            (root / "records.jsonl").write_text("\n".join(map(json.dumps, records[2:])))
            (root / "notes" / "spring.txt").write_text("Le café ouvre.\n\n我爱北京 and roses.\n")
            kept.update()
            number = next(SCHEMAS)
            address, *shards = [f"{uri}&schema=part{number}" for uri in (server, *beside)]
            publish(kept, address, shards=shards)
            with Index.open(address) as opened:
                yield Place(root, kept, opened, address, shards)


@pytest.fixture(scope="module")
def place(tmp_path_factory, server, beside):
    """One for the tests that change nothing."""
    with three_servers(tmp_path_factory.mktemp("shards"), server, beside) as made:
        yield made


@pytest.fixture
def own_place(tmp_path, server, beside):
    """One for the tests that change something."""
    with three_servers(tmp_path, server, beside) as made:
        yield made


def counted(address, table="documents"):
    given = Address.needed(address)
    with psycopg.connect(given.url) as connection:
        return connection.execute(f"SELECT count(*) FROM {given.schema}.{table}").fetchone()[0]


def test_every_server_has_its_documents(place):
    servers = (place.address, *place.shards)
    counts = [counted(each) for each in servers]
    assert sum(counts) == len(place.kept) == len(place.opened)
    assert min(counts) > len(place.kept) / 6
    assert all(counted(each, "postings") for each in servers)


@pytest.mark.parametrize("ranker", RANKERS)
def test_every_ranker_answers_alike(place, ranker):
    for query in QUERIES:
        for granularity in (None, "paragraph", "document", "sentence+function"):
            asked = {"ranker": ranker, "granularity": granularity, "k": 20}
            same(place.kept.search(query, **asked), place.opened.search(query, **asked))


def test_other_ways_of_asking(place, server):
    large, sharded = place.kept, place.opened
    alone = f"{server}&schema=alone{next(SCHEMAS)}"
    publish(large, alone)
    with Index.open(alone) as one:
        for index in (large, one):
            for encoder in ("words", "lsa"):
                same(
                    index.search("roses", encoder=encoder, k=30),
                    sharded.search("roses", encoder=encoder, k=30),
                )
            for condition in ("year >= 2001", "kind = 'code'", "id glob 'notes/*'", "title = 'absent'"):
                for ranker in ("bm25", "knn", "hybrid", "svm"):
                    asked = {"where": condition, "ranker": ranker, "k": 30}
                    same(index.search("roses winter", **asked), sharded.search("roses winter", **asked))
            for ranker in ("auto", "knn", "svm", "ridge", "hybrid"):
                asked = {"like": ["README.md:9"], "unlike": ["src/client.py:8"], "ranker": ranker, "k": 20}
                same(index.search(**asked), sharded.search(**asked))
            exact = {"ranker": "svm", "parameters": Parameters(solver="exact"), "k": 20}
            same(index.search("roses", **exact), sharded.search("roses", **exact))
            same(index.related("src/client.py", 8), sharded.related("src/client.py", 8))
            same(index.search(regex=r"def \w+"), sharded.search(regex=r"def \w+"))
            kept, again = index.run({"1": "roses", "2": "pump"}), sharded.run({"1": "roses", "2": "pump"})
            assert kept.rankings["1"].documents == again.rankings["1"].documents
            assert list(index.store.digests_by_id()) == list(sharded.store.digests_by_id())
            assert list(index.store.texts()) == list(sharded.store.texts())
            for name in ("lengths", "kinds", "identifiers", "origins", "newest"):
                assert getattr(index.store, name)() == getattr(sharded.store, name)()
            with pytest.raises(TellapartError, match="no document has a field 'nonsense'"):
                sharded.search("roses", where="nonsense = 1")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(WORDS, min_size=1, max_size=5), st.floats(0, 4), st.floats(0, 1), st.integers(1, 80))
def test_bm25_with_any_parameters(place, words, k1, b, k):
    asked = {"ranker": "bm25", "parameters": Parameters(k1=k1, b=b), "k": k}
    same(place.kept.search(" ".join(words), **asked), place.opened.search(" ".join(words), **asked))


def test_a_change_is_sent_to_the_servers_that_have_the_documents(own_place):
    large, sharded, address, shards = own_place.kept, own_place.opened, own_place.address, own_place.shards
    corpus = own_place.corpus
    again = publish(large, address)
    assert (again.documents, again.segments, again.vectors, again.removed) == (0, 0, 0, 0)
    assert len(again.shards) == 2
    path = corpus / "records.jsonl"
    records = list(map(json.loads, path.read_text().splitlines()))
    for record in records[::10]:
        record["text"] = "frost and roses"
    path.write_text("\n".join(map(json.dumps, records[:-1])))
    (corpus / "notes" / "late.txt").write_text("A late garden in winter.\n")
    large.update()
    report = publish(large, address)
    changed = len(records[::10]) + 1
    assert (report.documents, report.removed) == (changed, changed)
    assert sum(counted(each) for each in (address, *shards)) == len(large)
    for query in QUERIES:
        for ranker in ("bm25", "knn", "hybrid"):
            same(large.search(query, ranker=ranker, k=30), sharded.search(query, ranker=ranker, k=30))


def test_a_server_comes_and_goes(own_place):
    """Only what the server gets or had moves; what it still has is never read."""
    large, sharded, address, shards = own_place.kept, own_place.opened, own_place.address, own_place.shards
    before = [counted(each) for each in (address, *shards)]
    report = publish(large, address, shards=shards[:1])
    assert report.documents == before[2]
    assert report.removed == 0
    assert [Address.needed(each).schema for each in report.left] == [Address.needed(shards[1]).schema]
    same(large.search("roses winter", k=40), sharded.search("roses winter", k=40))
    report = publish(large, address, shards=shards)
    assert report.documents == 0  # it has them still
    assert [counted(each) for each in (address, *shards)] == before
    same(large.search("roses winter", k=40), sharded.search("roses winter", k=40))
    report = publish(large, address, shards=[])
    assert report.documents == before[1] + before[2]
    assert report.shards == ()
    same(large.search("roses winter", k=40), sharded.search("roses winter", k=40))


def test_documents_keep_their_server():
    ids = [f"document {number}" for number in range(3000)]
    two, three = owners_of(ids, [0, 1]), owners_of(ids, [0, 1, 2])
    assert (three[three != 2] == two[three != 2]).all()
    assert [900 < (three == server).sum() < 1100 for server in range(3)] == [True] * 3
    assert len(Placement(()).numbers) == 0


def test_what_cannot_be_a_shard(place, server):
    large, sharded, address, shards = place.kept, place.opened, place.address, place.shards
    with pytest.raises(TellapartError, match="holds a shard of an index"):
        Index.open(shards[0])
    with pytest.raises(TellapartError, match="holds a shard of an index"):
        publish(large, shards[0])
    with pytest.raises(TellapartError, match="is named twice"):
        publish(large, address, shards=[shards[0], shards[0]])
    with pytest.raises(TellapartError, match="is named twice"):
        publish(large, address, shards=[address])
    other = f"{server}&schema=other{next(SCHEMAS)}"
    with pytest.raises(TellapartError, match="holds another index, or a shard of one"):
        publish(large, other, shards=[shards[0]])
    same(large.search("roses"), sharded.search("roses"))


def test_no_password_is_stored_and_the_command_line(own_place, capsys):
    from tellapart.cli.app import run

    large, address, shards = own_place.kept, own_place.address, own_place.shards

    def with_password(url):
        return url.replace("postgres:@", "postgres:s3cr3t@")

    folder, beside = str(large.folder), [with_password(each) for each in shards]
    command = ["publish", "--index", folder, "--to", with_password(address)]
    assert run([*command, "--shard", beside[0], "--shard", beside[1], "--json"]) == 0
    report = capsys.readouterr().out
    assert json.loads(report)["shards"] == [str(Address.needed(each)) for each in shards]
    given = Address.needed(address)
    with psycopg.connect(given.url) as connection:
        kept = connection.execute(f"SELECT address FROM {given.schema}.shards").fetchall()
    assert "s3cr3t" not in str(kept) + report
    assert "postgres@" not in str(kept)
    assert run(["status", "--index", address]) == 0
    assert str(Address.needed(shards[0])) in capsys.readouterr().out
    assert run([*command, "--one-server", "--shard", shards[0]]) == 2
    assert "--one-server takes no --shard" in capsys.readouterr().err
    assert run([*command, "--one-server"]) == 0
    assert "is no shard any more: its schema can be dropped" in capsys.readouterr().err
    assert run(["search", "roses", "--index", address, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["partial"] is None


def test_addresses_of_shards():
    first = Address.needed(
        "postgresql://me:secret@one/db?sslmode=require&passfile=/p&target_session_attrs=any"
    )
    for written, kept, opened in (
        ("postgresql://me:x@two:5433/d2?schema=s", "postgresql://two:5433/d2?schema=s", "me:secret@two:5433"),
        ("postgresql://two,three/db", "postgresql://two,three/db", "two,three"),
        ("postgresql://you:x@two/db", "postgresql://you@two/db", "you@two"),
        ("postgresql://me@/db?host=/tmp/a,/tmp/b", "postgresql:///db?host=/tmp/a,/tmp/b", "me:secret@/db"),
    ):
        assert first.kept_shard(Address.needed(written)) == kept
        assert opened in first.shard(kept).url
    shard = first.shard("postgresql://two/db?schema=s")
    assert (shard.schema, shard.url) == ("s", "postgresql://me:secret@two/db?sslmode=require&passfile=/p")


def test_verbs_find_the_shards_by_themselves(place, tmp_path, call):
    queries = tmp_path / "queries.tsv"
    queries.write_text("1\troses in winter\n2\tretry with backoff\n")
    written = {}
    for index, name in ((place.kept.folder, "kept"), (place.address, "again")):
        out = tmp_path / name
        asked = ("--ranker", "hybrid", "--encoder", "lsa", "--output", out / "run")
        out.mkdir()
        assert call("run", queries, "--index", index, *asked)[0] == 0
        chosen = ("--encoder", "lsa", "--granularity", "paragraph", "--output", out / "units")
        assert call("export", "--index", index, *chosen)[0] == 0
        answers = [
            call(*verb, "--index", index)[1]
            for verb in (("ask", "how do roses grow"), ("related", "src/client.py:8"), ("search", "roses"))
        ]
        files = [out / "run", out / "units" / "units.jsonl", out / "units" / "vectors.npy"]
        written[name] = [*answers, *(file.read_bytes() for file in files)]
    assert written["kept"] == written["again"]


def test_a_copy_of_all_servers_is_the_index_of_the_folder(place):
    """As `evaluate` and `calibrate` make one."""
    with index_in_folder(place.opened) as copy:
        assert copy.place == place.opened.place
        assert corpus_state(copy.store) == corpus_state(place.kept.store)
        for ranker in RANKERS:
            same(
                place.kept.search("roses winter", ranker=ranker, k=50),
                copy.search("roses winter", ranker=ranker, k=50),
            )


def test_http_and_mcp(place, tmp_path):
    pytest.importorskip("fastapi")
    pytest.importorskip("mcp")
    import anyio
    from fastapi.testclient import TestClient
    from mcp import Client

    from tellapart.serving.http_guard import LOOPBACK, Limits
    from tellapart.serving.http_server import ServeSettings, make_app
    from tellapart.serving.mcp_server import make_server
    from tellapart.serving.projects import Projects, Roots

    packed = Address.packed(place.address)
    expected = [hit.id for hit in place.kept.search("roses")]
    served = ServeSettings({"db": str(packed)}, LOOPBACK, None, Limits())
    with TestClient(make_app(served), base_url="http://127.0.0.1:8765") as client:
        found = client.post("/v1/search", json={"query": "roses"}).json()
        assert [hit["id"] for hit in found["hits"]] == expected
        assert found["partial"] is None
        assert client.post("/v1/context", json={"query": "how do roses grow"}).json()["partial"] is None

    async def asked():
        projects = Projects(Roots.of([tmp_path]), index=packed, vectors=False)
        try:
            async with Client(make_server(projects)) as client:
                return await client.call_tool("search", {"query": "open_valve"})
        finally:
            projects.close()

    found = anyio.run(asked)
    assert not found.is_error
    best = place.kept.search("open_valve")[0]
    assert found.structured_content["hits"][0]["path"] == best.document

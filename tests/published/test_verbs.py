"""The verbs that answer from a published index, and those that refuse in one line."""

from __future__ import annotations

import json

import pytest

from tellapart import export

pytestmark = pytest.mark.slow


def test_status_says_what_is_there(index, published, address, call):
    code, out, _ = call("status", "--index", address)
    assert code == 0
    assert f"{len(index):,}" in out
    assert "lsa" in out
    assert "files are not looked at" in out
    assert "skipped" not in out
    code, out, _ = call("status", "--index", address, "--json")
    assert json.loads(out)["documents"] == len(index)


def test_ask_gives_passages(published, address, call):
    code, out, err = call("ask", "how do roses grow", "--index", address)
    assert code == 0, err
    assert "Roses" in out


def test_run_writes_the_run_of_the_folder(index, published, address, call, tmp_path):
    queries = tmp_path / "queries.tsv"
    queries.write_text("1\troses in winter\n2\tretry with backoff\n")
    for place, name in ((index.folder, "kept"), (address, "again")):
        asked = ("--ranker", "hybrid", "--encoder", "lsa", "--output", tmp_path / name)
        code, _, err = call("run", queries, "--index", place, *asked)
        assert code == 0, err
    assert (tmp_path / "kept").read_text() == (tmp_path / "again").read_text()


def test_export_hands_over_what_the_folder_does(index, published, address, call, tmp_path):
    for place, name in ((index.folder, "kept"), (address, "again")):
        asked = ("export", "--index", place, "--encoder", "lsa", "--granularity", "paragraph")
        code, _, err = call(*asked, "--output", tmp_path / name)
        assert code == 0, err
    for file in ("units.jsonl", "vectors.npy"):
        assert (tmp_path / "kept" / file).read_bytes() == (tmp_path / "again" / file).read_bytes()
    client = pytest.importorskip("qdrant_client").QdrantClient(":memory:")
    sent = export(index, "qdrant", client, encoder="lsa")
    again = export(published, "qdrant", client, encoder="lsa")
    assert (again.total, again.sent, again.removed) == (sent.total, 0, 0)


@pytest.mark.parametrize(
    "verb",
    [
        ("index",),
        ("clear",),
        ("watch",),
        ("migrate", "--to", "lsa"),
        ("publish", "--to", "postgresql://host/db"),
    ],
)
def test_other_verbs_say_where_they_work(address, call, verb):
    code, _, err = call(*verb, "--index", address)
    assert code == 2
    assert "is a published index" in err
    assert err.count("\n") == 1


def test_http(published, address):
    pytest.importorskip("fastapi")
    from fastapi.testclient import TestClient

    from tellapart.index.postgres.address import Address
    from tellapart.serving.http_guard import LOOPBACK, Limits
    from tellapart.serving.http_server import ServeSettings, make_app

    settings = ServeSettings({"db": str(Address.packed(address))}, LOOPBACK, None, Limits())
    with TestClient(make_app(settings), base_url="http://127.0.0.1:8765") as client:
        found = client.post("/v1/search", json={"query": "roses"})
        assert found.status_code == 200, found.text
        assert [hit["id"] for hit in found.json()["hits"]] == [hit.id for hit in published.search("roses")]
        job = client.post("/v1/evaluate", json={"keep": False})
        assert job.status_code == 202, job.text
        told = client.get(f"/v1/jobs/{job.json()['id']}/events").text  # ends with the job
        assert client.get(f"/v1/jobs/{job.json()['id']}").json()["state"] == "done", told
        refused = client.get("/v1/judge")
        assert refused.status_code == 400, refused.text
        assert "tellapart judge --index postgresql://" in refused.text


def test_mcp(published, address, tmp_path):
    pytest.importorskip("mcp")
    import anyio
    from mcp import Client

    from tellapart.index.postgres.address import Address
    from tellapart.serving.mcp_server import make_server
    from tellapart.serving.projects import Projects, Roots

    async def asked():
        projects = Projects(Roots.of([tmp_path]), index=Address.packed(address), vectors=False)
        try:
            async with Client(make_server(projects)) as client:
                status = await client.call_tool("status")
                return status, await client.call_tool("search", {"query": "retry with backoff"})
        finally:
            projects.close()

    status, found = anyio.run(asked)
    assert not found.is_error
    assert status.structured_content["index"] == str(Address.needed(address))
    assert found.structured_content["hits"][0]["path"] == "src/client.py"


def test_no_verb_shows_the_password(published, address, call, tmp_path):
    secret = address.replace("postgres:@", "postgres:hidden@")
    assert secret != address
    for arguments in (
        ("search", "roses", "absent"),
        ("search", "roses", "--explain", "--json"),
        ("export", "notes", "--output", tmp_path / "out"),
        ("related", "absent"),
        ("status",),
        ("status", "--skipped"),
        ("index", tmp_path),
        ("watch",),
        ("clear",),
        ("publish", "--to", secret),
    ):
        code, out, err = call(*arguments, "--index", secret)
        assert (code, bool(out + err)) in ((0, True), (2, True))
        assert "hidden" not in out + err, arguments

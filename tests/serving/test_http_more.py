"""What the page needs of the HTTP API: judging, the map, identities, colours of code, jobs of several workers."""

from __future__ import annotations

import base64
import io
import json
import platform
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("prometheus_client")

from fastapi.testclient import TestClient

from tellapart import CorpusMap, Gallery, Index, TellapartError, map_corpus
from tellapart.serving.http_guard import LOOPBACK, Guard, Limits
from tellapart.serving.http_server import ServeSettings, make_app
from tellapart.serving.jobs import Jobs


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    texts = tmp_path_factory.mktemp("texts")
    topics = (
        "roses are cut back in March",
        "the boiler is serviced in October",
        "the valve is under the stairs",
    )
    for number in range(60):
        name = texts / ("garden", "house")[number % 2] / f"{number}.md"
        name.parent.mkdir(exist_ok=True)
        name.write_text(f"Note {number}: {topics[number % 3]}, said number {number}.\n")
    (texts / "same.md").write_text((texts / "garden" / "0.md").read_text())
    (texts / "client.py").write_text('def retry(call):\n    """Again."""\n    return call(3)  # once\n')
    made = tmp_path_factory.mktemp("index") / "my.idx"
    Index.build([texts], made, encoders=("lsa",)).close()
    return made


@pytest.fixture
def client(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("TELLAPART_CACHE", str(tmp_path / "cache"))
    settings = ServeSettings({"my": str(folder)}, LOOPBACK, None, Limits(), jobs=str(tmp_path))
    with TestClient(make_app(settings), base_url="http://127.0.0.1:8765") as opened:
        yield opened


def finished(client, job):
    client.get(f"/v1/jobs/{job['id']}/events")
    return client.get(f"/v1/jobs/{job['id']}").json()


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "word"),
    [
        ("get", "/v1/nothing", None, 404, "/docs"),
        ("put", "/v1/search", {}, 405, "PUT"),
        ("post", "/v1/search", {"query": "a", "k": "many", "limit": 3}, 422, "k: "),
        ("get", "/v1/search", None, 422, "q: is missing"),
        ("get", "/v1/judge/none", None, 404, "here: start it"),
        ("get", "/v1/map/points/1", None, 400, "/v1/map"),
        ("get", "/v1/identities", None, 400, "--gallery"),
        ("get", "/v1/jobs/abc/report", None, 404, "abc"),
    ],
)
def test_errors_are_one_line_of_one_shape(client, method, path, body, status, word):
    answer = client.request(method, path, json=body)
    assert answer.status_code == status
    assert list(answer.json()) == ["detail"]
    assert word in answer.json()["detail"]
    assert "\n" not in answer.json()["detail"]
    assert "[]" not in answer.json()["detail"]


def test_a_fault_of_ours_is_told_without_a_trace(folder, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("secret /path")

    monkeypatch.setattr(Index, "search", broken)
    app = make_app(ServeSettings({"my": str(folder)}, LOOPBACK, None, Limits()))
    with TestClient(app, base_url="http://127.0.0.1:8765", raise_server_exceptions=False) as client:
        answer = client.get("/v1/search", params={"q": "roses"})
    assert answer.status_code == 500
    assert "secret" not in answer.text


def test_the_described_api_needs_no_network(client):
    assert "docs.js" in client.get("/docs").text
    assert "https://" not in client.get("/docs").text + client.get("/docs.js").text


def test_the_page_opens_without_the_token_and_tells_nothing(folder):
    settings = ServeSettings({"my": str(folder)}, LOOPBACK, "secret", Limits())
    with TestClient(make_app(settings), base_url="http://127.0.0.1:8765") as client:
        assert client.get("/").status_code == client.get("/app.js").status_code == 200
        for closed in ("/v1/map", "/v1/judge", "/metrics", "/v1/units/client.py"):
            assert client.get(closed).status_code == 401, closed


def test_judging_ends_in_judgements_that_evaluate_uses(client, folder):
    name = f"look-{time.time_ns()}"
    queries = [{"id": f"q{n}", "text": text} for n, text in enumerate(("roses in March", "under the stairs"))]
    job = client.post("/v1/judge", json={"name": name, "queries": queries}).json()
    assert finished(client, job)["result"] == {"session": name}
    assert client.post("/v1/judge", json={"name": name, "queries": queries}).status_code == 400
    state = client.get(f"/v1/judge/{name}").json()
    first = state["question"]
    answered = {"query": first["query"], "document": first["document"], "grade": 1}
    state = client.post(f"/v1/judge/{name}", json=answered).json()
    assert state["standing"]["answers"] == 1
    again = client.post(f"/v1/judge/{name}", json=answered).json()
    assert again["standing"]["answers"] == 1, "the same answer twice counts once"
    undone = client.post(f"/v1/judge/{name}", json={"action": "undo"}).json()
    assert undone["question"]["document"] == first["document"]
    state = undone
    while state["question"] is not None:
        asked = state["question"]
        grade = (
            int("roses" in asked["hit"]["text"])
            if "roses" in asked["text"]
            else int("valve" in asked["hit"]["text"])
        )
        body = {"query": asked["query"], "document": asked["document"], "grade": grade}
        state = client.post(f"/v1/judge/{name}", json=body).json()
    assert state["judgements"] > 4
    assert (folder / "judging" / name / "qrels.tsv").read_text().count("\n") == state["judgements"]
    job = client.post("/v1/evaluate", json={"judged": name}).json()
    done = finished(client, job)
    assert done["state"] == "done", done
    assert done["result"]["source"] == "judged"
    assert "<html" in client.get(f"/v1/jobs/{job['id']}/report").text


def test_the_map_is_made_once_and_knows_units_and_queries(client):
    answer = client.get("/v1/map")
    assert answer.status_code == 202
    assert finished(client, answer.json())["state"] == "done"
    found = client.get("/v1/map").json()
    x = np.frombuffer(base64.b64decode(found["x"]), dtype="<f4")
    assert len(x) == found["points"] == found["units"] >= 62
    assert np.abs(x).max() <= 1
    assert set(found["colours"]["folder"]["names"]) >= {"garden", "house"}
    assert np.frombuffer(base64.b64decode(found["copied"]), dtype="u1").sum() >= 2, "same.md is a copy"
    hits = client.post("/v1/search", json={"query": "boiler October", "k": 5}).json()["hits"]
    asked = {"ids": [hit["id"] for hit in hits], "query": "boiler October"}
    placed = client.post("/v1/map/points", json=asked).json()
    point = client.get(f"/v1/map/points/{placed['points'][0]}").json()
    assert point["id"] == hits[0]["id"]
    assert all(-1 <= each <= 1 for each in placed["query"])
    assert client.get("/v1/map/points/100000").status_code == 400


def test_a_map_in_a_notebook_and_on_disk(folder, tmp_path):
    with Index.open(folder) as index:
        made = map_corpus(index)
        with pytest.raises(TellapartError, match="no vectors"):
            map_corpus(index, encoder="minilm")
    shown = made._repr_html_()
    assert shown.count("<path") == len(made.colours["cluster"][0])
    assert "<script" not in shown
    made.write(tmp_path / "map.npz")
    again = CorpusMap.read(tmp_path / "map.npz")
    assert np.array_equal(again.places, made.places)
    assert again.histograms == made.histograms
    assert CorpusMap.read(tmp_path / "none.npz") is None


def test_neighbours_stay_neighbours(folder):
    pytest.importorskip("openTSNE")
    with Index.open(folder) as index:
        made = map_corpus(index, layout="neighbours", granularity="document")
    assert np.isfinite(made.places).all()
    names, codes = made.colours["cluster"]
    middles = np.array([made.places[codes == code].mean(axis=0) for code in range(len(names))])
    own = np.linalg.norm(made.places - middles[codes], axis=1).mean()
    assert own < 0.5 * np.linalg.norm(made.places - made.places.mean(axis=0), axis=1).mean()


def test_code_is_told_apart(client):
    hit = client.post("/v1/search", json={"query": "retry call", "granularity": "function"}).json()["hits"][0]
    found = client.post("/v1/highlight", json={"ids": [hit["id"]]}).json()["units"][hit["id"]]
    pieces = {(hit["text"][each["start"] : each["end"]], each["kind"]) for each in found}
    assert {("def", "keyword"), ("retry", "function"), ("3", "number"), ("# once", "comment")} <= pieces
    prose = client.post("/v1/search", json={"query": "roses"}).json()["hits"][0]["id"]
    assert client.post("/v1/highlight", json={"ids": [prose]}).json()["units"][prose] == []


def test_why_shows_scores_and_what_the_svm_likes(client):
    hit = client.post("/v1/search", json={"query": "roses cut back"}).json()["hits"][0]
    why = client.post("/v1/explain", json={"query": "roses cut back", "id": hit["id"]}).json()
    assert sum(why["scores"]["counts"]) <= why["of"]
    assert "roses" in why["taste"]["likes"][0]


def test_identities_of_texts(folder, tmp_path):
    gallery = Gallery.open(tmp_path / "authors.gal", encoder="minilm")
    said = {
        "gardener": (
            "Roses are cut back in March",
            "Prune the vines",
            "Roses need sun",
            "Sow the beans in May",
        ),
        "plumber": ("The valve is under the stairs", "Close the valve", "The pipe leaks", "Drain the boiler"),
    }
    for name, texts in said.items():
        gallery.enrol(name, list(texts))
    gallery.close()
    settings = ServeSettings(
        {"my": str(folder)}, LOOPBACK, None, Limits(), {"authors": str(tmp_path / "authors.gal")}
    )
    with TestClient(make_app(settings), base_url="http://127.0.0.1:8765") as client:
        assert [each["name"] for each in client.get("/v1/identities").json()["identities"]] == [
            "gardener",
            "plumber",
        ]
        item = {"name": "note", "text": "Cut roses back in March."}
        found = client.post("/v1/identify", json={"items": [item], "fpir": 0.5}).json()
        assert found["found"][0]["candidates"][0]["name"] == "gardener"
        picture = {"name": "a.png", "picture": "aGVsbG8="}
        assert "texts" in client.post("/v1/identify", json={"items": [picture]}).json()["problems"][0]
        enrolled = client.post("/v1/identities", json={"name": "visitor", "items": [item], "anyway": True})
        assert enrolled.status_code == 201
        grouped = client.post("/v1/identities/groups", json={"items": [item, {"text": "The valve."}]}).json()
        assert sum(len(group["members"]) for group in grouped["groups"]) == 2
        assert client.delete("/v1/identities/visitor").json()["templates"] == 1
        assert client.delete("/v1/identities/visitor").status_code == 404


def test_identities_of_pictures_come_as_bytes_never_as_paths(folder, tmp_path):
    Image = pytest.importorskip("PIL.Image")

    def drawn(seed):
        stream = io.BytesIO()
        Image.fromarray(np.random.default_rng(seed).integers(0, 255, (16, 16), dtype=np.uint8)).save(
            stream, "PNG"
        )
        return base64.b64encode(stream.getvalue()).decode()

    Gallery.open(tmp_path / "tiles.gal", encoder="pixels").close()
    settings = ServeSettings(
        {"my": str(folder)}, LOOPBACK, None, Limits(), {"tiles": str(tmp_path / "tiles.gal")}
    )
    with TestClient(make_app(settings), base_url="http://127.0.0.1:8765") as client:
        for name, seed in (("a", 1), ("b", 2)):
            body = {"name": name, "items": [{"name": f"{name}.png", "picture": drawn(seed)}], "anyway": True}
            assert client.post("/v1/identities", json=body).status_code == 201
        found = client.post("/v1/identify", json={"items": [{"picture": drawn(1)}], "fpir": 0.5}).json()
        assert found["found"][0]["candidates"][0]["name"] == "a"
        assert found["found"][0]["thumbnail"]
        for wrong in ({"text": "/etc/hostname"}, {"picture": "/etc/hostname"}, {"picture": "!!"}):
            answer = client.post("/v1/identify", json={"items": [{"name": "x", **wrong}]}).json()
            assert answer["found"] == []
            assert len(answer["problems"]) == 1


def test_jobs_are_known_to_other_workers(tmp_path):
    one, other = Jobs(tmp_path), Jobs(tmp_path)
    go = threading.Event()

    def work(progress):
        with progress("counting", 3) as advance:
            advance(1)
            go.wait(30)
        return {"found": 1}

    job = one.start("count", work)
    assert other.start("count", work).id == job.id, "never twice at a time"
    assert other.get(job.id).state == "running"
    go.set()
    assert job.finished.wait(30)
    assert other.get(job.id).result == {"found": 1}
    orphan = {"id": "0123456789ab", "subject": "lost", "state": "running"}
    (tmp_path / "0123456789ab.json").write_text(json.dumps(orphan))
    assert other.get("0123456789ab").state == "failed", "its process is gone"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told to keep memory")
def test_a_worker_keeps_the_memory_that_a_search_gives_back():
    """Arrays as a search makes them, in a thread as a worker searches: without it every page comes anew."""
    code = """
import resource, threading
import numpy as np
from tellapart.serving.http_server import keep_freed_memory
keep_freed_memory()
def search():
    [np.ones(size, np.uint8) for size in (400_000, 1_600_000, 800_000, 1_600_000)]
def work():
    search()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(100):
        search()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(run.stdout) < 1000  # a hundred times as many are written to


def test_a_client_of_several_workers_meets_another_one_now_and_then():
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"{}"})

    def closing(guard):
        client = TestClient(guard, base_url="http://localhost")
        return [client.get("/health").headers.get("connection") for _ in range(7)]

    assert closing(Guard(app, closes_every=3)) == [None, None, "close", None, None, "close", None]
    assert closing(Guard(app)) == [None] * 7

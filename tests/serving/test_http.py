"""The HTTP API: answers, refusals, limits, and a server that is written under and killed."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("prometheus_client")

import httpx
import uvicorn
from fastapi.testclient import TestClient

from tellapart import Gallery, Index
from tellapart.encoders import pairs
from tellapart.serving.http_app import make_api
from tellapart.serving.http_guard import LOOPBACK, Limits
from tellapart.serving.http_server import ServeSettings, make_app
from tellapart.serving.shared import Service, SharedIndex


@pytest.fixture
def folder(corpus, tmp_path):
    Index.build([corpus], tmp_path / "my.idx", encoders=("lsa",)).close()
    return tmp_path / "my.idx"


def client_of(folder, *, token=None, limits=None, hosts=LOOPBACK):
    settings = ServeSettings({"my": str(folder)}, hosts, token, limits or Limits())
    return TestClient(make_app(settings), base_url="http://127.0.0.1:8765")


@pytest.fixture
def client(folder):
    with client_of(folder) as opened:
        yield opened


def test_search_gives_what_the_command_line_gives(client, folder, call):
    answer = client.post("/v1/search", json={"query": "when are roses cut back", "k": 3}).json()
    _, out, _ = call("search", "when are roses cut back", "--index", folder, "-k", 3, "--json")
    assert answer["absent"] is None
    printed = json.loads(out)
    assert answer["freshness"]["checked"]
    del answer["freshness"], printed["freshness"]  # when it was looked at differs
    assert answer == printed
    assert (
        client.get("/v1/search", params={"q": "when are roses cut back", "k": 3}).json()["hits"]
        == answer["hits"]
    )


def test_a_search_is_answered_alike_however_it_is_sent(client):
    asked = {"query": "watering roses", "k": 3}
    expected = client.post("/v1/search", json=asked).json()
    body = json.dumps(asked).encode()
    for kind in (
        "application/json; charset=utf-8",
        "application/vnd.api+json",
    ):  # the second takes the framework's way
        sent = iter((body[:7], body[7:]))
        assert client.post("/v1/search", content=sent, headers={"content-type": kind}).json() == expected
    assert client.get("/v1/search", params={"q": asked["query"], "k": 3}).json() == expected
    assert client.post("/v1/search", content=body, headers={"content-type": "text/plain"}).status_code == 422
    broken = client.post("/v1/search", content=body[:-1], headers={"content-type": "application/json"})
    assert broken.json()["detail"].startswith("the body is not JSON (")
    assert f"at character {len(body) - 1}" in broken.json()["detail"]


def test_answers_know_files_that_changed_while_the_server_runs(client, corpus):
    def found(word):
        answer = client.post("/v1/search", json={"query": word, "ranker": "bm25"}).json()
        return [hit["document"] for hit in answer["hits"]], answer["freshness"]["changed"]

    assert found("chrysanthemum") == ([], 0)
    (corpus / "late.md").write_text("# Late\n\nA chrysanthemum blooms in November.\n")
    deadline = time.monotonic() + 10
    while found("chrysanthemum") != (["late.md"], 0) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert found("chrysanthemum") == (["late.md"], 0)
    (corpus / "late.md").unlink()
    while found("chrysanthemum") != ([], 0) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert found("chrysanthemum") == ([], 0)


def test_filters_examples_and_related(client):
    found = client.post("/v1/search", json={"query": "roses", "where": ["kind = 'code'"], "k": 2}).json()
    assert {hit["path"].split("/")[0] for hit in found["hits"]} == {"src"}
    liked = client.post(
        "/v1/search", json={"like": ["src/client.py:9"], "unlike": ["src/moisture.py"]}
    ).json()
    assert liked["like"] == ["src/client.py:9"]
    related = client.post("/v1/related", json={"document": "README.md", "line": 7, "k": 2})
    assert len(related.json()["hits"]) == 2


def test_units_by_id_and_place(client):
    hit = client.post("/v1/search", json={"query": "open_valve"}).json()["hits"][0]
    unit = client.get(f"/v1/units/{hit['id'].replace('#', '%23')}").json()
    assert unit["text"] == hit["text"]
    assert [each["granularity"] for each in unit["parents"]] == ["class", "file"]
    assert client.get("/v1/units/src/client.py:20").status_code == 200
    for wrong in ("nowhere.py", "../../etc/passwd", "/etc/passwd", "src/client.py:9999", "a%00b"):
        assert client.get(f"/v1/units/{wrong}").status_code == 404, wrong


def test_context_and_explanation(client):
    given = client.post("/v1/context", json={"query": "when are roses cut back?", "tokens": 200}).json()
    assert given["tokens"] <= 200
    assert "March" in given["text"]
    hit = client.post("/v1/search", json={"query": "roses"}).json()["hits"][0]
    why = client.post("/v1/explain", json={"query": "roses", "id": hit["id"]}).json()
    assert why["words"][0]["weight"] > 0


def test_says_when_nothing_answers(tmp_path, corpus):
    Index.build([corpus], tmp_path / "words.idx", encoders=()).close()
    with client_of(tmp_path / "words.idx") as client:
        assert client.post("/v1/search", json={"query": "xylophone revenue"}).json()["absent"]


def test_embeddings_in_the_shape_of_openai(client):
    body = {"model": "lsa", "input": ["roses", "frost"], "user": "me"}
    numbers = client.post("/v1/embeddings", json=body).json()
    packed = client.post("/v1/embeddings", json={**body, "encoding_format": "base64"}).json()
    for plain, coded in zip(numbers["data"], packed["data"], strict=True):
        decoded = np.frombuffer(base64.b64decode(coded["embedding"]), dtype="<f4")
        np.testing.assert_allclose(plain["embedding"], decoded)
        assert np.isclose(np.linalg.norm(decoded), 1, atol=1e-3)
    assert numbers["usage"]["prompt_tokens"] > 0


def test_rerank_in_the_shape_of_cohere(client):
    body = {
        "model": "lsa",
        "query": "roses",
        "documents": ["the soil", {"text": "roses need sun"}],
        "top_n": 1,
    }
    found = client.post("/v1/rerank", json={**body, "return_documents": True}).json()
    assert found["results"][0]["index"] == 1
    assert found["results"][0]["document"]["text"] == "roses need sun"


def test_a_second_look_may_be_asked_for_and_declined(client, monkeypatch):
    class LovesShort:
        name, milliseconds = "loves-short", 1.0

        def scores(self, query, texts):
            return np.array([-float(len(text)) for text in texts], dtype=np.float32)

    monkeypatch.setattr(pairs, "open_cross_encoder", lambda name: LovesShort())
    for answer in (
        client.post("/v1/search", json={"query": "roses", "rerank": "loves-short"}),
        client.get("/v1/search", params={"q": "roses", "rerank": "loves-short"}),
    ):
        assert "loves-short" in answer.json()["hits"][0]["components"]
    declined = client.post("/v1/search", json={"query": "roses", "rerank": "none"}).json()
    assert "loves-short" not in declined["hits"][0]["components"]


@pytest.mark.parametrize(
    ("path", "body", "status", "word"),
    [
        ("/v1/search", {"query": "a", "limit": 1}, 422, "limit"),
        ("/v1/search", {"query": " "}, 400, "empty"),
        ("/v1/search", {}, 400, "nothing to search for"),
        ("/v1/search", {"query": "a", "k": 0}, 422, "k"),
        ("/v1/search", {"query": "a", "granularity": "verse"}, 400, "verse"),
        ("/v1/search", {"query": "a", "where": ["colour = 1"]}, 400, "colour"),
        ("/v1/search", {"query": "a", "index": "other"}, 400, "other"),
        ("/v1/search", {"query": "a", "rerank": "nothing"}, 400, "tellapart models add nothing"),
        ("/v1/search", {"query": "a", "rerank": "onnx:/etc"}, 400, "name a model"),
        ("/v1/search", {"like": ["/etc/hostname"]}, 400, "/etc/hostname"),
        ("/v1/embeddings", {"model": "gpt", "input": "a"}, 400, "gpt"),
        ("/v1/context", {"query": "a", "tokens": 3}, 422, "tokens"),
    ],
)
def test_mistakes_are_named(client, path, body, status, word):
    answer = client.post(path, json=body)
    assert answer.status_code == status
    assert word in answer.text


def test_pages_from_elsewhere_and_other_names_are_refused(client):
    assert client.get("/health", headers={"Host": "evil.example"}).status_code == 421
    assert client.get("/health", headers={"Origin": "http://evil.example"}).status_code == 403
    assert client.get("/health", headers={"Origin": "null"}).status_code == 403
    assert client.get("/health", headers={"Origin": "http://localhost:8765"}).status_code == 200
    assert "access-control-allow-origin" not in client.get("/health").headers


def test_token(folder):
    with client_of(folder, token="secret") as client:
        assert client.get("/health").status_code == 200
        assert client.get("/v1/search", params={"q": "roses"}).status_code == 401
        for wrong in ("Bearer wrong", "Bearer", "secret", "Bearer s\u00e9cret"):
            answer = client.get(
                "/v1/search", params={"q": "roses"}, headers={"Authorization": wrong.encode("latin-1")}
            )
            assert answer.status_code == 401
        assert (
            client.get(
                "/v1/search", params={"q": "roses"}, headers={"Authorization": "Bearer secret"}
            ).status_code
            == 200
        )


def test_limits(folder):
    with client_of(folder, limits=Limits(body=2_000, rate=5)) as client:
        assert client.post("/v1/search", json={"query": "a" * 3_000}).status_code == 413

        def in_pieces():
            for _ in range(30):
                yield b" " * 100

        assert client.post("/v1/search", content=in_pieces()).status_code == 413
        assert {client.get("/health").status_code for _ in range(30)} == {200, 429}


def test_slow_requests_end(folder, monkeypatch):
    context = Index.context

    def slow(index, query, **_):
        time.sleep(2)
        return context(index, query)

    monkeypatch.setattr(Index, "context", slow)
    with client_of(folder, limits=Limits(seconds=0.2)) as client:
        started = time.monotonic()
        assert client.post("/v1/context", json={"query": "roses"}).status_code == 504
        assert time.monotonic() - started < 1.5


def test_a_search_that_was_given_up_is_never_made(folder, monkeypatch):
    search, answer = Index.search, SharedIndex.answer
    asked, waiting, gate = [], [], threading.Event()

    def recorded(index, request):
        asked.append(request.query)
        assert gate.wait(60)
        return search(index, request)

    async def queued(shared, ask, client):
        waiting.append(client)
        return await answer(shared, ask, client)

    monkeypatch.setattr(Index, "search", recorded)
    monkeypatch.setattr(SharedIndex, "answer", queued)
    app = make_app(ServeSettings({"my": str(folder)}, LOOPBACK, None, Limits()))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        first = threading.Thread(
            target=lambda: httpx.post(f"{url}/v1/search", json={"query": "first"}, timeout=60)
        )
        first.start()
        until(lambda: asked)
        with socket.create_connection(("127.0.0.1", port)) as leaving:
            leaving.sendall(f"GET /v1/search?q=leaving HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
            until(lambda: len(waiting) == 2)
        counted = 'tellapart_requests_total{endpoint="search",status="499"} 1.0'
        until(lambda: counted in httpx.get(f"{url}/metrics").text)
        gate.set()
        first.join()
        assert httpx.get(f"{url}/v1/search", params={"q": "last"}, timeout=60).status_code == 200
        assert asked == ["first", "last"]
    finally:
        gate.set()
        server.should_exit = True
        thread.join()


def until(holds):
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_too_many_at_once(folder, monkeypatch):
    context = Index.context

    def slow(index, query, **_):
        time.sleep(0.5)
        return context(index, query)

    monkeypatch.setattr(Index, "context", slow)
    with client_of(folder, limits=Limits(concurrent=1)) as client:
        codes = []
        threads = [
            threading.Thread(
                target=lambda: codes.append(client.post("/v1/context", json={"query": "a"}).status_code)
            )
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert 503 in codes


def test_page_needs_nothing_from_elsewhere(client):
    page = client.get("/").text
    assert "app.js" in page
    for name in ("app.js", "style.css", "favicon.svg", "vendor/htm-preact.js"):
        answer = client.get(f"/{name}")
        assert answer.status_code == 200
        assert name.startswith("vendor/") or "//" not in answer.text.replace("http://www.w3.org", "").replace(
            "// ", ""
        )
    assert client.get("/../http_app.py").status_code == 404


def test_metrics_count(client):
    client.get("/v1/search", params={"q": "roses"})
    page = client.get("/metrics").text
    assert 'tellapart_requests_total{endpoint="search",status="200"} 1.0' in page
    assert "roses" not in page


def test_evaluation_is_a_job_with_events(client):
    job = client.post("/v1/evaluate", json={}).json()
    told = client.get(f"/v1/jobs/{job['id']}/events").text
    assert told.rstrip().splitlines()[-2].startswith(("event: done", "event: failed"))
    assert client.get(f"/v1/jobs/{job['id']}").json()["state"] in ("done", "failed")
    assert client.get("/v1/jobs/77").status_code == 404


def test_a_new_generation_is_seen_without_a_dropped_request(client, corpus, folder):
    stop, wrong = threading.Event(), []

    def ask():
        while not stop.is_set():
            answer = client.post("/v1/search", json={"query": "frost", "k": 1})
            if answer.status_code != 200 or answer.json()["hits"][0]["path"] != "notes/winter.txt":
                wrong.append(answer.text)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(4):
        (corpus / f"pump{number}.py").write_text(f"def start_pump_{number}():\n    return {number}\n")
        writer = Index.open(folder)
        writer.update()
        writer.close()
        found = client.post("/v1/search", json={"query": f"start_pump_{number}", "ranker": "bm25"}).json()
        assert found["hits"][0]["path"] == f"pump{number}.py"
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []


def violations(folder, tmp_path, examples, skipped):
    """Send what the schema allows and what it does not, to every operation; give what was answered against it."""
    schemathesis = pytest.importorskip("schemathesis")
    from hypothesis import HealthCheck, given, settings
    from schemathesis.specs.openapi.checks import (
        positive_data_acceptance,
    )  # a name may be well formed and unknown

    Gallery.open(tmp_path / "words.gal", encoder="minilm").close()
    service = Service({"my": folder}, {"words": tmp_path / "words.gal"})
    schema = schemathesis.openapi.from_asgi("/openapi.json", make_api(service))
    failures = []
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.path.endswith(skipped):
            continue

        @given(case=operation.as_strategy())
        @settings(
            max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck)
        )
        def holds(case):
            answer = case.call()
            assert answer.status_code < 500, answer.text
            case.validate_response(answer, excluded_checks=[positive_data_acceptance])

        try:
            holds()
        except Exception as error:
            failures.append(f"{operation.method} {operation.path}: {error!r}")
    return failures


def test_whatever_is_sent_the_schema_holds(folder, tmp_path):
    assert violations(folder, tmp_path, 8, ("/events", "/evaluate")) == []


@pytest.mark.slow
def test_whatever_is_sent_at_length_the_schema_holds(folder, tmp_path):
    assert violations(folder, tmp_path, 100, ("/events",)) == []


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def started(folder, port, *arguments):
    command = [
        sys.executable,
        "-m",
        "tellapart",
        "serve",
        "--index",
        str(folder),
        "--port",
        str(port),
        *arguments,
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(600):
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health", timeout=5).status_code == 200:
                return process
        except httpx.HTTPError:
            time.sleep(0.1)
    process.kill()
    raise AssertionError("the server did not start")


def test_killed_and_started_again(folder):
    port = free_port()
    server = started(folder, port)
    try:
        url = f"http://127.0.0.1:{port}/v1/search"
        before = httpx.get(url, params={"q": "frost"}, timeout=30).json()["hits"]
        server.send_signal(signal.SIGKILL)
        server.wait()
        server = started(folder, port)
        assert httpx.get(url, params={"q": "frost"}, timeout=30).json()["hits"] == before
    finally:
        server.terminate()
        server.wait()


@pytest.mark.slow
def test_a_killed_worker_is_replaced(folder):
    port = free_port()
    server = started(folder, port, "--workers", "2")
    try:
        children = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(server.pid)], capture_output=True, text=True, check=True
        )
        url = f"http://127.0.0.1:{port}/v1/search"
        expected = httpx.get(url, params={"q": "frost"}, timeout=30).json()["hits"]
        os.kill(int(children.stdout.split()[-1]), signal.SIGKILL)
        answers = []
        for _ in range(60):
            try:
                answers.append(httpx.get(url, params={"q": "frost"}, timeout=30).json()["hits"])
            except httpx.HTTPError:
                answers.append(None)
        right = [answer for answer in answers if answer is not None]
        assert all(answer == expected for answer in right)
        assert len(answers) - len(right) <= 2
    finally:
        server.terminate()
        server.wait()


def test_another_address_needs_a_token(folder, call, monkeypatch):
    monkeypatch.delenv("TELLAPART_TOKEN", raising=False)
    code, _, err = call("serve", "--index", folder, "--host", "0.0.0.0")
    assert code == 2
    assert "TELLAPART_TOKEN" in err

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import time

import numpy as np
import pytest

from tellapart.encoders.endpoint import Endpoint
from tellapart.encoders.load import load_encoder
from tellapart.encoders.openai import OpenAiEncoder
from tellapart.encoders.protocol import Encoder
from tellapart.errors import TellapartError


class Server(ThreadingHTTPServer):
    """Answers embeddings of dimension 3; `script` holds what the next requests get instead."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[dict[str, object]] = []
        self.keys: list[str | None] = []
        self.script: list[tuple[int, dict[str, str], bytes]] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(body | {"path": self.path})
        self.server.keys.append(self.headers.get("Authorization"))
        status, headers, content = self.server.script.pop(0) if self.server.script else (200, {}, b"")
        if status == 0:  # hang up
            self.close_connection = True
            self.connection.close()
            return
        if status == 200 and not content:
            entries = [
                {"index": place, "embedding": [len(text), 1.0, 0.0]}
                for place, text in enumerate(body["input"])
            ]
            content = json.dumps({"data": entries[::-1]}).encode()  # the order is the index's, not the list's
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "TELLAPART_OPENAI_BASE_URL", "TELLAPART_OPENAI_REQUESTS_PER_MINUTE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


class Sleeps(list[float]):
    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def opened(server: Server, sleeps: Sleeps | None = None, **fields: object) -> OpenAiEncoder:
    endpoint = Endpoint(**{"model": "m", "base_url": server.url, "key": None, "max_tokens": 512, **fields})  # type: ignore[arg-type]
    return OpenAiEncoder(endpoint, name="openai:m", sleep=sleeps if sleeps is not None else Sleeps())


def test_vectors_are_unit_rows_in_the_order_of_the_texts(server: Server) -> None:
    encoder = load_encoder(f"openai:m@{server.url}")
    assert isinstance(encoder, Encoder)
    assert (encoder.dim, encoder.max_tokens) == (3, 512)
    found = encoder.encode_document(["a", "bbbb", ""])
    wanted = np.array([[1, 1, 0], [4, 1, 0], [1, 1, 0]], dtype=float)
    np.testing.assert_allclose(found, wanted / np.linalg.norm(wanted, axis=1, keepdims=True), rtol=1e-6)
    assert server.requests[-1]["input"] == ["a", "bbbb", " "]
    assert server.requests[-1]["path"] == "/v1/embeddings"
    assert encoder.encode_document([]).shape == (0, 3)


def test_many_texts_go_in_batches(server: Server) -> None:
    encoder = opened(server)
    server.requests.clear()
    encoder.encode_document(["x"] * 150 + ["y" * 150_000] * 3)
    sizes = [len(request["input"]) for request in server.requests]
    assert sum(sizes) == 153
    assert max(sizes) <= 64
    assert len(sizes) == 5


@pytest.mark.parametrize("status", [429, 500, 503, 0])
def test_overload_and_failure_are_tried_again_with_growing_waits(server: Server, status: int) -> None:
    sleeps = Sleeps()
    encoder = opened(server, sleeps)
    server.script = [(status, {}, b"busy")] * 3
    assert encoder.encode_query(["a"]).shape == (1, 3)
    assert sleeps == [0.5, 1.0, 2.0]


def test_the_server_says_how_long_to_wait(server: Server) -> None:
    sleeps = Sleeps()
    encoder = opened(server, sleeps)
    server.script = [
        (429, {"Retry-After": "7"}, b""),
        (503, {"Retry-After": formatdate(time() + 20, usegmt=True)}, b""),
        (429, {"Retry-After": "soon"}, b""),
    ]
    encoder.encode_query(["a"])
    assert sleeps[0] == 7
    assert 15 < sleeps[1] <= 20
    assert sleeps[2] == 2.0


def test_it_gives_up_in_the_end_with_one_line(server: Server) -> None:
    sleeps = Sleeps()
    encoder = opened(server, sleeps)
    server.script = [(503, {}, b'{"error": {"message": "over\\nloaded"}}')] * 10
    with pytest.raises(TellapartError, match="HTTP 503 over loaded") as error:
        encoder.encode_query(["a"])
    assert len(sleeps) == 5
    assert "\n" not in str(error.value)


def test_a_refusal_is_not_tried_again_and_does_not_show_the_key(server: Server) -> None:
    sleeps = Sleeps()
    encoder = opened(server, sleeps, key="sk-secret")
    server.script = [(401, {}, b"no")]
    with pytest.raises(TellapartError, match="OPENAI_API_KEY") as error:
        encoder.encode_query(["a"])
    assert not sleeps
    assert "sk-secret" not in str(error.value)


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"{}",
        b'{"data": []}',
        b'{"data": [{"index": 0, "embedding": []}]}',
        b'{"data": [{"index": 1, "embedding": [1, 2, 3]}]}',
        b'{"data": [{"index": 0, "embedding": ["a", "b", "c"]}]}',
        b'{"data": [{"index": 0, "embedding": [1, null, 3]}]}',
        b"[1]",
    ],
)
def test_an_answer_that_is_none_is_one_line(server: Server, body: bytes) -> None:
    encoder = opened(server)
    server.script = [(200, {}, body)]
    with pytest.raises(TellapartError, match="1 embeddings asked for") as error:
        encoder.encode_query(["a"])
    assert "\n" not in str(error.value)


def test_a_redirect_is_not_followed(server: Server) -> None:
    encoder = opened(server, key="sk-secret")
    server.requests.clear()
    server.script = [(307, {"Location": f"{server.url}/elsewhere"}, b"")]
    with pytest.raises(TellapartError, match="HTTP 307"):
        encoder.encode_query(["a"])
    assert len(server.requests) == 1


def test_a_rate_is_kept(server: Server) -> None:
    sleeps = Sleeps()
    encoder = opened(server, sleeps, requests_per_minute=60.0)
    encoder.encode_query(["a"])
    assert len(sleeps) == 1
    assert 0.5 < sleeps[0] <= 1.0


def test_the_key_goes_to_openai_and_to_the_server_the_environment_names(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    load_encoder(f"openai:m@{server.url}")
    assert server.keys[-1] is None
    monkeypatch.setenv("TELLAPART_OPENAI_BASE_URL", server.url + "/")
    load_encoder("openai:m")
    load_encoder(f"openai:m@{server.url}")
    assert server.keys[-2:] == ["Bearer sk-secret"] * 2
    assert Endpoint.parse("m@https://elsewhere.example/v1").key is None
    assert Endpoint.parse("m@https://api.openai.com/v1").key == "sk-secret"


def test_a_missing_key_is_one_clear_line() -> None:
    with pytest.raises(TellapartError, match="set OPENAI_API_KEY"):
        load_encoder("openai:text-embedding-3-small")


@pytest.mark.parametrize("spec", ["m@ftp://host/v1", "m@http://", "@http://host/v1"])
def test_a_spec_that_cannot_be_read(spec: str) -> None:
    with pytest.raises(TellapartError, match="openai:MODEL"):
        load_encoder(f"openai:{spec}")


def test_a_number_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELLAPART_OPENAI_REQUESTS_PER_MINUTE", "many")
    with pytest.raises(TellapartError, match="'many'"):
        load_encoder("openai:m@http://127.0.0.1:1/v1")


def test_the_fingerprint_tells_models_and_servers_apart(server: Server) -> None:
    one, same, other = opened(server), opened(server), opened(server, model="n")
    assert one.fingerprint == same.fingerprint != other.fingerprint


def test_a_batch_is_halved_until_the_server_takes_it(server: Server) -> None:
    encoder = opened(server)
    server.script = [(400, {}, b'{"error": {"message": "batch size is invalid, not larger than 10"}}')] * 3
    server.requests.clear()
    assert encoder.encode_document([str(number) for number in range(64)]).shape == (64, 3)
    assert [len(request["input"]) for request in server.requests] == [64, 32, 16, *[8] * 8]  # type: ignore[arg-type]


def test_one_text_too_long_names_the_setting(server: Server) -> None:
    encoder = opened(server)
    server.script = [(400, {}, b'{"error": {"message": "maximum context length of 512"}}')]
    with pytest.raises(TellapartError, match=r"maximum context length.*set TELLAPART_OPENAI_MAX_TOKENS"):
        encoder.encode_document(["long"])


def test_a_wait_is_said_and_one_too_long_is_not_waited(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    sleeps = Sleeps()
    encoder = opened(server, sleeps)
    server.script = [(429, {"Retry-After": "7"}, b"slow down")]
    encoder.encode_query(["a"])
    assert sleeps == [7.0]
    assert "slow down; waiting 7 s" in caplog.text
    server.script = [(429, {"Retry-After": "3600"}, b"quota exceeded")]
    with pytest.raises(TellapartError, match=r"quota exceeded.*wait 3,600 s.*120 s at most.*--ranker bm25"):
        encoder.encode_query(["a"])
    assert sleeps == [7.0]


def test_a_server_out_of_memory_gets_fewer_texts_at_once(server: Server) -> None:
    sleeps = Sleeps()
    encoder = opened(server, sleeps)
    server.script = [(500, {}, b'{"error": "CUDA out of memory. Tried to allocate 2 GiB"}')] * 2
    server.requests.clear()
    assert encoder.encode_document([str(number) for number in range(8)]).shape == (8, 3)
    assert [len(request["input"]) for request in server.requests] == [8, 4, *[2] * 4]  # type: ignore[arg-type]
    assert sleeps == []


@pytest.mark.parametrize(("value", "said"), [("0.0", "a vector of zeros"), ("NaN", "NaN or infinite")])
def test_useless_vectors_are_refused(server: Server, value: str, said: str) -> None:
    encoder = opened(server)
    row = f"[{value}, {value}, {value}]"
    server.script = [(200, {}, f'{{"data": [{{"index": 0, "embedding": {row}}}]}}'.encode())]
    with pytest.raises(TellapartError, match=said) as caught:
        encoder.encode_document(["a"])
    assert "weights" not in str(caught.value)
    assert "--ranker bm25" in str(caught.value)

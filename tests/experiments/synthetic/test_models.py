from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tellapart.errors import TellapartError
from tellapart.experiments.synthetic import QuerySource, generate


class Chat(ThreadingHTTPServer):
    """Answers chat completions: `script` first, then a query that counts the requests."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[dict[str, object]] = []
        self.script: list[tuple[int, bytes]] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Chat

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(body | {"path": self.path})
        answer = f'I think of this.\n"how to water plants, variant {len(self.server.requests)}"'
        content = json.dumps({"choices": [{"message": {"role": "assistant", "content": answer}}]}).encode()
        status, content = self.server.script.pop(0) if self.server.script else (200, content)
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch) -> Iterator[Chat]:
    for name in ("OPENAI_API_KEY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    made = Chat()
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def test_a_model_writes_one_query_for_each_unit_it_is_shown(index, chat):
    generated = generate(index, sources=[QuerySource.MODEL], language_model=f"m@{chat.url}", at_most=16)
    gold = generated.query_set
    assert len(gold.queries) == len(chat.requests) >= 3
    assert set(gold.sources.values()) == {"llm"}
    assert all(text.startswith("how to water plants, variant ") for text in gold.queries.values())
    assert generated.replaced == ()
    for query, text in gold.queries.items():
        request = chat.requests[int(text.rsplit(" ", 1)[1]) - 1]
        (span,) = gold.spans[query]
        shown = index.store.document(span.document).document.text[span.start : span.end].strip()
        assert shown in request["messages"][0]["content"]
        assert (request["model"], request["path"]) == ("m", "/v1/chat/completions")


def test_without_a_model_nobody_is_asked(index, chat):
    assert not generate(index, sources=[QuerySource.MODEL]).query_set.queries
    assert not chat.requests


@pytest.mark.parametrize(
    "body", [b"<html>", b"{}", b'{"choices": []}', b'{"choices": [{"message": {"content": 3}}]}']
)
def test_an_answer_that_is_none_is_one_line(index, chat, body):
    chat.script = [(200, body)]
    with pytest.raises(TellapartError, match="not a chat completion") as error:
        generate(index, sources=[QuerySource.MODEL], language_model=f"m@{chat.url}")
    assert "\n" not in str(error.value)


def test_a_refusal_is_one_line(index, chat):
    chat.script = [(404, b'{"error": {"message": "no such model"}}')]
    with pytest.raises(TellapartError, match="chat/completions, model 'm': HTTP 404 no such model"):
        generate(index, sources=[QuerySource.MODEL], language_model=f"m@{chat.url}")


def test_a_name_that_cannot_be_read_says_what_it_is(index):
    with pytest.raises(TellapartError, match="language model"):
        generate(index, language_model="m@ftp://host")

"""What an export asks of OpenSearch, answered over HTTP from memory; every request is recorded."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class FakeOpenSearch:
    """Indices by name: definition and documents; `refused` maps ids to the reason that a bulk request gives."""

    def __init__(self) -> None:
        self.definitions: dict[str, dict] = {}
        self.documents: dict[str, dict[str, dict]] = {}
        self.requests: list[tuple[str, str, bytes, str | None]] = []
        self.refused: dict[str, str] = {}
        self.waiting: list[dict] = []
        self.url = ""

    def bulk_requests(self) -> list[bytes]:
        return [body for method, path, body, _ in self.requests if path.endswith("/_bulk")]

    def answer(self, method: str, target: str, body: bytes) -> tuple[int, object]:
        path, asked = urlsplit(target).path, parse_qs(urlsplit(target).query)
        parts = path.strip("/").split("/")
        name, verb = parts[0], parts[1] if len(parts) > 1 else ""
        if name == "_search":  # the next page of a scroll, or its end
            page, self.waiting = self.waiting[:3], self.waiting[3:]
            return 200, self._page(page) if method == "POST" else {}
        if verb in ("_mapping", "_refresh", "_mget", "_search") and name not in self.definitions:
            return 404, {"error": {"type": "index_not_found_exception", "reason": f"no such index [{name}]"}}
        return getattr(self, f"_{method.lower()}{verb}")(name, body, asked)

    def _head(self, name, body, asked):
        return (200 if name in self.definitions else 404), None

    def _put(self, name, body, asked):
        if name.lower() != name:
            return 400, {
                "error": {"reason": f"Invalid index name [{name}], must be lowercase"},
                "status": 400,
            }
        self.definitions[name], self.documents[name] = json.loads(body), {}
        return 200, {"acknowledged": True}

    def _get_mapping(self, name, body, asked):
        return 200, {name: {"mappings": self.definitions[name]["mappings"]}}

    def _post_refresh(self, name, body, asked):
        return 200, {}

    def _post_mget(self, name, body, asked):
        kept, fields = self.documents[name], asked["_source"][0].split(",")
        found = [
            {"_id": key, "found": True, "_source": {field: kept[key][field] for field in fields}}
            if key in kept
            else {"_id": key, "found": False}
            for key in json.loads(body)["ids"]
        ]
        return 200, {"docs": found}

    def _post_search(self, name, body, asked):
        assert json.loads(body)["query"] == {"exists": {"field": "revision"}}
        self.waiting = [
            {"_id": key} for key, document in self.documents[name].items() if "revision" in document
        ]
        page, self.waiting = self.waiting[:3], self.waiting[3:]
        return 200, self._page(page)

    def _post_bulk(self, name, body, asked):
        lines = iter(body.decode().removesuffix("\n").split("\n"))
        items = []
        for line in lines:
            ((action, said),) = json.loads(line).items()
            key, status = said["_id"], 200
            if action == "index":
                document = json.loads(next(lines))
                if key in self.refused:
                    error = {"type": "mapper_parsing_exception", "reason": self.refused[key]}
                    items.append({action: {"_id": key, "status": 400, "error": error}})
                    continue
                self.documents[name][key] = document
            elif self.documents[name].pop(key, None) is None:
                status = 404
            items.append({action: {"_id": key, "status": status}})
        return 200, {"errors": any("error" in next(iter(item.values())) for item in items), "items": items}

    def _page(self, hits):
        shards = {"total": 1, "successful": 1, "skipped": 0, "failed": 0}
        return {"_scroll_id": "s", "_shards": shards, "hits": {"hits": hits}}


@contextmanager
def serving() -> Iterator[FakeOpenSearch]:
    fake = FakeOpenSearch()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fake.requests.append((self.command, self.path, body, self.headers.get("Authorization")))
            status, answer = fake.answer(self.command, self.path, body)
            content = b"" if answer is None else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""The MCP server as a client meets it: in memory, over stdio and over streamable HTTP."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("mcp")

import anyio
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from tellapart import Index
from tellapart.engine.packing import count_tokens
from tellapart.serving.mcp_server import make_server
from tellapart.serving.projects import Projects, Roots


def asking(roots, *calls, index=None, each=None):
    """Put calls to a server in memory, one after the other; gives their results."""

    async def run():
        projects = Projects(Roots.of(roots), index=index, vectors=False)
        try:
            async with Client(make_server(projects)) as client:
                results = []
                for name, arguments in calls:
                    results.append(await client.call_tool(name, arguments))
                    if each:
                        each(len(results))
                return results
        finally:
            projects.close()

    return anyio.run(run)


def text(result):
    return result.content[0].text


def test_first_search_indexes_and_finds(corpus):
    (found,) = asking([corpus], ("search", {"query": "retry with backoff"}))
    assert not found.is_error
    assert found.structured_content["state"] == "ready"
    best = found.structured_content["hits"][0]
    assert best["path"] == "src/client.py"
    assert "def retry_with_backoff" in best["text"]
    assert best["probability"] is None or 0 <= best["probability"] <= 1
    assert text(found).splitlines()[0].startswith("1 hit, best src/client.py:")


def test_ids_lead_to_the_unit_and_what_it_lies_in(corpus):
    (found,) = asking([corpus], ("search", {"query": "open_valve", "content": "code"}))
    hit = found.structured_content["hits"][0]
    got, related, why = asking(
        [corpus],
        ("get", {"id": hit["id"]}),
        ("find_related", {"file_path": "src/client.py", "line": 9, "top_k": 2}),
        ("explain_score", {"query": "open_valve", "id": hit["id"]}),
    )
    unit = got.structured_content
    assert unit["text"].strip() == hit["text"].strip()
    assert [parent["granularity"] for parent in unit["parents"]] == ["class", "file"]
    assert unit["parents"][0]["label"] == "Client"
    assert len(related.structured_content["hits"]) == 2
    assert why.structured_content["rank"] == 1
    assert why.structured_content["words"][0]["weight"] > 0


def test_a_whole_file_is_explained_too(corpus):
    (why,) = asking([corpus], ("explain_score", {"query": "open_valve", "id": "src/client.py"}))
    assert not why.is_error
    assert why.structured_content["rank"] == 1


def test_words_that_occur_nowhere_are_named(corpus):
    found, known = asking(
        [corpus],
        ("search", {"query": "retry kubernetes autoscaler"}),
        ("search", {"query": "retry with backoff"}),
    )
    assert "not a word of this corpus: kubernetes, autoscaler" in text(found)
    assert "not a word" not in text(known)


def test_unknown_arguments_and_mistakes_reach_the_model(corpus):
    results = asking(
        [corpus],
        ("search", {"query": "roses", "limit": 3}),
        ("search", {"query": "roses", "top_k": 0}),
        ("search", {"query": "roses", "where": ["colour = 3"]}),
        ("search", {"query": "roses", "granularity": "verse"}),
        ("get", {"id": "nowhere.py"}),
        ("search", {"query": "roses", "repo": "../.."}),
        ("search", {"query": "roses", "rerank": "missing"}),
        ("search", {"query": "roses", "rerank": "onnx:/etc"}),
    )
    assert all(result.is_error for result in results)
    assert text(results[0]).startswith("limit: is not known here, leave it out (search takes query, ")
    assert not any("\n" in text(result) or "pydantic" in text(result) for result in results)
    words = ("limit", "top_k", "colour", "verse", "nowhere.py", "outside", "models add missing", "onnx:/etc")
    for result, word in zip(results, words, strict=True):
        assert word in text(result)
        assert "Traceback" not in text(result)


def test_says_when_nothing_is_relevant(corpus):
    (found,) = asking([corpus], ("search", {"query": "xylophone quartet"}))
    assert found.structured_content["hits"] == []
    assert text(found).startswith("nothing relevant")


def test_context_gives_numbered_passages_with_places_within_the_budget(corpus):
    found, nothing, forced = asking(
        [corpus],
        ("context", {"question": "what protects the roses from frost", "max_tokens": 300}),
        ("context", {"question": "xylophone quartet"}),
        (
            "context",
            {"question": "xylophone quartet frost", "where": ["path = 'notes/winter.txt'"], "always": True},
        ),
    )
    given = found.structured_content
    assert given["absent"] is None
    assert any("frost" in passage["text"] for passage in given["passages"])
    for passage in given["passages"]:
        assert f"[{passage['number']}] {passage['place']}\n{passage['text']}" in text(found)
        assert passage["place"].startswith(passage["path"])
    assert count_tokens(text(found)) <= 300
    assert nothing.structured_content["passages"] == []
    assert nothing.structured_content["absent"] in text(nothing)
    assert text(nothing).startswith("nothing relevant: ")
    assert {passage["path"] for passage in forced.structured_content["passages"]} == {"notes/winter.txt"}


def test_a_context_and_what_it_lacks_fit_the_budget(tmp_path, monkeypatch):
    (tmp_path / "roses.txt").write_text(
        "\n\n".join(f"Straw protects the roses of bed {n} from frost." for n in range(90))
    )
    servers = ", ".join(f"search-{number}.example.org" for number in range(9))
    choose, lost = Index.context, f"{servers} do not answer, and their documents are left out"

    def partial(index, query, **options):
        return replace(choose(index, query, **options), partial=lost)

    monkeypatch.setattr(Index, "context", partial)
    asked = {"question": "what protects the roses from frost", "max_tokens": 400}
    (found,) = asking([tmp_path], ("context", asked))
    assert lost in text(found)
    assert found.structured_content["passages"]
    assert count_tokens(text(found)) <= 400


def test_exact_text_and_patterns(corpus):
    exact, pattern, nowhere = asking(
        [corpus],
        ("search", {"query": "2**attempt", "mode": "exact"}),
        ("search", {"query": r"def soil_\w+\(", "mode": "regex"}),
        ("search", {"query": "attempt**2", "mode": "exact"}),
    )
    assert exact.structured_content["hits"][0]["path"] == "src/client.py"
    assert pattern.structured_content["hits"][0]["path"] == "src/moisture.py"
    assert text(nowhere).startswith("nothing relevant: the pattern matches nowhere")


def test_budget_holds_and_pages_give_everything_once(tmp_path):
    root = tmp_path / "long"
    root.mkdir()
    body = "".join(
        f"def part_{i}(value):\n" + f"    value = rotate(value, {i})\n" * 30 + "    return value\n\n\n"
        for i in range(40)
    )
    (root / "big.py").write_text(body)
    (root / "huge.py").write_text("def rotate_all(value):\n" + "    value = rotate(value)\n" * 30_000)
    for budget in (200, 1_000, 4_000):
        (found,) = asking([root], ("search", {"query": "rotate value", "top_k": 50, "max_tokens": budget}))
        assert count_tokens(text(found)) <= budget
        assert found.structured_content["hits"]
    seen, offset = [], 0
    while offset is not None:
        (found,) = asking(
            [root],
            (
                "search",
                {"query": "rotate", "mode": "words", "top_k": 20, "max_tokens": 3_000, "offset": offset},
            ),
        )
        seen += [hit["id"] for hit in found.structured_content["hits"]]
        offset = found.structured_content["next_offset"]
    assert len(seen) == len(set(seen)) == 41


def test_long_unit_is_read_page_by_page(tmp_path):
    (tmp_path / "huge.py").write_text(
        "def all(value):\n" + "".join(f"    value = turn(value, {i})\n" for i in range(2_000))
    )
    lines, first = [], None
    for _ in range(100):
        arguments = {"id": "huge.py", "max_tokens": 2_000} | ({"first_line": first} if first else {})
        (got,) = asking([tmp_path], ("get", arguments))
        assert count_tokens(text(got)) <= 2_000
        lines += got.structured_content["text"].rstrip("\n").split("\n")
        first = got.structured_content["next_line"]
        if first is None:
            break
    assert "\n".join(lines) == (tmp_path / "huge.py").read_text().rstrip("\n")


def test_nothing_outside_of_the_roots_is_served(corpus, tmp_path):
    outside = tmp_path / "secret"
    outside.mkdir()
    (outside / "keys.py").write_text("def rotate_the_keys():\n    return 'password'\n")
    (corpus / "link").symlink_to(outside)
    (corpus / "keys.py").symlink_to(outside / "keys.py")
    Index.build([outside], corpus / "src" / ".tellapart", encoders=()).close()
    through, linked, foreign, up = asking(
        [corpus],
        ("search", {"query": "rotate_the_keys password"}),
        ("search", {"query": "rotate_the_keys", "repo": "link"}),
        ("search", {"query": "rotate_the_keys", "repo": "src"}),
        ("get", {"id": str(outside / "keys.py")}),
    )
    for result in (through, linked, foreign, up):
        assert "return 'password'" not in str(result.structured_content) + text(result)
    assert linked.is_error
    assert foreign.is_error


def test_subfolder_of_a_repository_uses_its_index(corpus):
    (corpus / ".git").mkdir()
    whole, below, named = asking(
        [corpus],
        ("search", {"query": "roses frost backoff"}),
        ("search", {"query": "roses frost backoff", "repo": "src"}),
        ("search", {"query": "roses", "repo": str(corpus / "notes")}),
    )
    assert {hit["path"] for hit in whole.structured_content["hits"]} > {"src/client.py"}
    assert {hit["path"] for hit in below.structured_content["hits"]} == {"src/client.py"}
    assert {hit["path"] for hit in named.structured_content["hits"]} == {"notes/winter.txt"}
    assert not (corpus / "src" / ".tellapart").exists()


def test_worktree_has_an_index_of_its_own(corpus, tmp_path):
    tree = tmp_path / "project" / "trees" / "feature"
    tree.mkdir(parents=True)
    (tree / ".git").write_text("gitdir: ../../.git/worktrees/feature\n")
    (tree / "new.py").write_text("def only_in_the_worktree():\n    return 1\n")
    (found,) = asking([corpus], ("search", {"query": "only_in_the_worktree", "repo": "trees/feature"}))
    assert found.structured_content["hits"][0]["path"] == "new.py"


def test_changes_on_disk_are_found_by_the_next_search(corpus, monkeypatch):
    monkeypatch.setattr("tellapart.serving.projects.REFRESH_SECONDS", 0.0)
    monkeypatch.setattr("tellapart.serving.projects.REFRESH_SHARE", 0.0)

    def change(calls):
        if calls == 1:
            (corpus / "src" / "pump.py").write_text("def start_the_pump():\n    return True\n")

    before, after = asking(
        [corpus],
        ("search", {"query": "start_the_pump"}),
        ("search", {"query": "start_the_pump"}),
        each=change,
    )
    assert not any(hit["path"] == "src/pump.py" for hit in before.structured_content["hits"])
    assert after.structured_content["hits"][0]["path"] == "src/pump.py"


def test_a_named_index_is_served_without_a_folder(corpus, tmp_path):
    index = tmp_path / "my.idx"
    Index.build([corpus], index, encoders=("lsa",)).close()
    found, state = asking(
        [corpus], ("search", {"query": "frost", "mode": "meaning"}), ("status", {}), index=index
    )
    assert found.structured_content["configuration"].endswith("knn")
    assert state.structured_content["encoders"] == ["lsa"]


def test_evaluation_is_started_and_asked_for(corpus, tmp_path):
    index = tmp_path / "my.idx"
    Index.build([corpus], index, encoders=()).close()
    (verdict,) = asking([corpus], ("evaluate", {}), index=index)
    assert verdict.structured_content["state"] in ("done", "failed", "running")
    assert verdict.structured_content["summary"]


def test_a_hundred_calls_at_once(corpus):
    async def run():
        projects = Projects(Roots.of([corpus]), vectors=False)
        found = {}
        async with Client(make_server(projects)) as client, anyio.create_task_group() as tasks:

            async def one(number):
                word, path = [("frost", "notes/winter.txt"), ("soil_moisture", "src/moisture.py")][number % 2]
                result = await client.call_tool("search", {"query": word})
                found[number] = result.structured_content["hits"][0]["path"] == path

            for number in range(100):
                tasks.start_soon(one, number)
        projects.close()
        return found

    found = anyio.run(run)
    assert len(found) == 100
    assert all(found.values())


def _command(*arguments):
    return [sys.executable, "-m", "tellapart", "mcp", "--words-only", *map(str, arguments)]


def test_over_stdio(corpus):
    async def run():
        command, *arguments = _command(corpus)
        parameters = StdioServerParameters(command=command, args=arguments, env=dict(os.environ))
        async with Client(stdio_client(parameters)) as client:
            return await client.call_tool("search", {"query": "tomatoes poles"})

    found = anyio.run(run)
    assert found.structured_content["hits"][0]["path"] == "README.md"


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _started(port, *arguments):
    process = subprocess.Popen(_command("--http", "--port", port, *arguments), stderr=subprocess.DEVNULL)
    for _ in range(300):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return process
        time.sleep(0.1)
    process.kill()
    raise AssertionError("the server did not start")


def _over_http(port, query):
    async def run():
        async with Client(streamable_http_client(f"http://127.0.0.1:{port}/mcp")) as client:
            return await client.call_tool("search", {"query": query})

    return anyio.run(run)


def test_over_http_killed_and_started_again(corpus):
    port = _free_port()
    server = _started(port, corpus)
    try:
        assert _over_http(port, "frost straw").structured_content["hits"][0]["path"] == "notes/winter.txt"
        server.send_signal(signal.SIGKILL)
        server.wait()
        server = _started(port, corpus)
        assert _over_http(port, "frost straw").structured_content["hits"][0]["path"] == "notes/winter.txt"
    finally:
        server.terminate()
        server.wait()


def test_a_hundred_calls_at_once_over_http(corpus):
    port = _free_port()
    server = _started(port, corpus)

    async def run():
        found = []
        async with Client(streamable_http_client(f"http://127.0.0.1:{port}/mcp")) as client:

            async def one():
                result = await client.call_tool("search", {"query": "frost straw"})
                found.append(result.structured_content["hits"][0]["path"])

            async with anyio.create_task_group() as tasks:
                for _ in range(100):
                    tasks.start_soon(one)
        return found

    try:
        assert anyio.run(run) == ["notes/winter.txt"] * 100
    finally:
        server.terminate()
        server.wait()


@pytest.mark.slow
def test_an_idle_connection_stays_open_longer_than_clients_keep_it(corpus):
    """Where client and server gave up at the same time, calls failed now and then."""
    import httpx

    port = _free_port()
    server = _started(port, corpus)
    try:
        with httpx.Client(limits=httpx.Limits(keepalive_expiry=60)) as client:
            first = client.post(f"http://127.0.0.1:{port}/mcp", json={}).extensions["network_stream"]
            time.sleep(7)
            again = client.post(f"http://127.0.0.1:{port}/mcp", json={}).extensions["network_stream"]
        assert first is again
    finally:
        server.terminate()
        server.wait()


def test_http_refuses_other_hosts(corpus):
    import httpx

    port = _free_port()
    server = _started(port, corpus)
    try:
        answer = httpx.post(f"http://127.0.0.1:{port}/mcp", headers={"Host": "evil.example"}, json={})
        assert answer.status_code == 421
        answer = httpx.post(
            f"http://127.0.0.1:{port}/mcp", headers={"Origin": "http://evil.example"}, json={}
        )
        assert answer.status_code == 403
    finally:
        server.terminate()
        server.wait()


def test_http_on_another_address_is_refused(call):
    code, _, err = call("mcp", "--http", "--host", "0.0.0.0")
    assert code == 2
    assert "127.0.0.1" in err


def test_a_mistake_at_the_start_is_one_line(call, tmp_path):
    code, _, err = call("mcp", tmp_path / "missing")
    assert code == 2
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize("name", ["..", "/", "a\0b"])
def test_roots_refuse_what_lies_outside(tmp_path, name):
    from tellapart import TellapartError

    with pytest.raises(TellapartError):
        Roots.of([tmp_path]).resolve(name)


def test_pathological_names_are_served(tmp_path):
    root = tmp_path / "odd [names]"
    folder = root / "it's *here*"
    folder.mkdir(parents=True)
    (root / ".git").mkdir()
    (folder / "a.py").write_text("def tricky():\n    return 1\n")
    (root / "b.py").write_text("def tricky_too():\n    return tricky()\n")
    (found,) = asking([root], ("search", {"query": "tricky", "repo": "it's *here*"}))
    assert [hit["path"] for hit in found.structured_content["hits"]] == ["it's *here*/a.py"]


def test_paths_are_as_they_are(tmp_path: Path):
    assert Roots.of([tmp_path]).holds(tmp_path / "not" / "there")


def test_shown_lines_are_those_that_match_with_their_numbers(corpus):
    asked = {"query": "attempt", "mode": "regex", "max_snippet_lines": 1}
    (found, none) = asking([corpus], ("search", asked), ("search", {**asked, "max_snippet_lines": 0}))
    for hit in found.structured_content["hits"]:
        (line,) = [line for line in hit["text"].splitlines() if line != "…"]
        number, _, shown = line.partition(": ")
        assert "attempt" in shown
        assert (corpus / hit["path"]).read_text().splitlines()[int(number) - 1].strip() == shown.strip()
    assert {hit["text"] for hit in none.structured_content["hits"]} == {""}
    assert all(hit["cut"] for hit in none.structured_content["hits"])


def test_places_alone_say_what_stands_there(corpus):
    asked = {"query": "open_valve", "content": "code", "max_snippet_lines": 0}
    (found,) = asking([corpus], ("search", asked))
    assert "function open_valve" in text(found)
    assert found.structured_content["hits"][0]["label"] == "open_valve"

"""Ranking files of code by words, names and places."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from tellapart.cli.app import run
from tellapart.corpus.document import KIND_OF, Granularity
from tellapart.engine import Index
from tellapart.index.lexical import analyse_query
from tellapart.rankers.query import Query, Units
from tellapart.rankers.structure import Structure
from tellapart.rankers.structure_features import FEATURES, NEAR_FEATURES, Side
from tellapart.rankers.structure_names import Asked
from tellapart.rankers.structure_weights import weights

RANKER = Structure(1.2, 0.75)
FILES = {
    "src/session.py": (
        "import socket\n\n\nclass ClientSession:\n    def __init__(self):\n        self.open = True\n\n"
        "    def close(self):\n        self.open = False\n"
    ),
    "src/users.py": (
        "from session import ClientSession\n\n\ndef one():\n    ClientSession(); ClientSession(); ClientSession()\n\n\n"
        "def two():\n    ClientSession()\n"
    ),
    "src/retry.py": (
        "def backoff(attempt):\n    return 2 ** attempt\n\n\n"
        "def retry(call):\n    for attempt in range(3):\n        call(backoff(attempt))\n"
    ),
    "src/window.py": "class Window:\n    def close(self):\n        self.shown = False\n",
    "tests/test_retry.py": (
        "def test_retry():\n    retry(call)\n    retry(retry)\n\n\ndef test_backoff():\n    backoff(1)\n"
    ),
    "docs/retry.md": "# Retry\n\nHow to retry with backoff.\n",
}


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    folder = tmp_path_factory.mktemp("code")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    index = Index.build([folder], folder / ".tellapart", encoders=())
    yield index
    index.close()


def _sides(index: Index, text: str, levels=("paragraph", "function"), only: str = "") -> list[Side]:
    sides = []
    with index.reading() as snapshot:
        for level in map(Granularity, levels):
            table = snapshot.units(level)
            own = [number for number, path in index.store.identifiers().items() if path.startswith(only)]
            units = Units(
                level, table.n_rows, snapshot.lexical(level), None, table.alive, table.rows_of(own) if only else None,
                table.offsets, snapshot.names,
            )  # fmt: skip
            query = Query(tuple(analyse_query(text, KIND_OF[level])), text=text)
            sides.append(Side(level, query, units, table.offsets))
    return sides


def _search(index: Index, text: str, **options) -> list[tuple[str, str]]:
    """Path and text of each hit."""
    sides = _sides(index, text, **options)
    hits = []
    with index.reading() as snapshot:
        for placed in RANKER.rank_together(sides, 10):
            level = sides[placed.side].granularity
            numbers, ordinals = snapshot.units(level).locate(np.array([placed.row]))
            stored = index.stored(int(numbers[0]))
            start, end = stored.tree.span(level, int(ordinals[0]))
            hits.append((stored.document.path, stored.document.text[start:end]))
    return hits


def test_the_definition_comes_before_its_users(opened):
    paths = [path for path, _ in _search(opened, "ClientSession")]
    assert paths[0] == "src/session.py"
    assert "src/users.py" in paths
    assert "class ClientSession" in _search(opened, "ClientSession")[0][1]


@pytest.mark.parametrize(
    ("query", "path"), [("Window.close", "src/window.py"), ("ClientSession::close", "src/session.py")]
)
def test_a_qualified_name_means_that_class(opened, query, path):
    found, text = _search(opened, query)[0]
    assert found == path
    assert "def close" in text


@pytest.mark.parametrize("query", ["client_session", "clientSession", "CLIENT_SESSION"])
def test_a_name_in_another_spelling_is_found(opened, query):
    assert _search(opened, query)[0][0] == "src/session.py"


def test_code_before_its_tests_unless_tests_are_asked_for(opened):
    assert _search(opened, "retry with backoff")[0][0] == "src/retry.py"
    assert _search(opened, "test of retry with backoff")[0][0] == "tests/test_retry.py"


def test_a_file_is_found_by_its_name_alone(opened):
    assert _search(opened, "window")[0][0] == "src/window.py"


def test_a_file_whose_path_is_named_comes_first_whatever_others_say(tmp_path):
    (tmp_path / "src").mkdir()
    wordy = "".join(
        f"def backoff_jitter_{n}(retry):\n    return retry.backoff(jitter={n})\n\n" for n in range(5)
    )
    (tmp_path / "src" / "backoff_jitter.py").write_text(wordy)
    (tmp_path / "src" / "misc.py").write_text("def total(prices):\n    return sum(prices)\n")
    index = Index.build([tmp_path], tmp_path / "my.idx", encoders=())
    found = index.search("retry backoff jitter in src/misc.py", ranker="structure")
    assert next(iter(found)).path == "src/misc.py"


def test_a_path_alone_shows_the_head_of_its_file(opened):
    path, text = _search(opened, "src/session.py")[0]
    assert path == "src/session.py"
    assert text.startswith("import socket")


@pytest.mark.parametrize("query", ["where is the client session defined?", "definition of ClientSession"])
def test_asking_where_something_is_defined_is_looking_its_name_up(opened, query):
    path, text = _search(opened, query)[0]
    assert path == "src/session.py"
    assert "class ClientSession" in text


def test_of_overloads_the_body_is_shown(tmp_path):
    overload = "@overload\ndef price_of(item: {0}) -> {0}: ...\n\n\n"
    body = "def price_of(item):\n    found = CATALOGUE[item]\n    return found.amount * found.rate\n"
    (tmp_path / "shop.py").write_text(overload.format("int") + overload.format("str") + body)
    index = Index.build([tmp_path], tmp_path / "my.idx", encoders=())
    assert next(iter(index.search("price_of", ranker="structure"))).text.startswith("def price_of(item):")


def test_of_a_stack_trace_the_call_nearest_to_the_failure_is_shown(tmp_path):
    (tmp_path / "run.py").write_text(
        "def start():\n    return middle()\n\n\ndef middle():\n    return 1 / 0\n"
    )
    index = Index.build([tmp_path], tmp_path / "my.idx", encoders=())
    frames = (
        '  File "run.py", line 2, in start\n    middle()\n  File "run.py", line 6, in middle\n    1 / 0\n'
    )
    python = f"Traceback (most recent call last):\n{frames}ZeroDivisionError"
    assert next(iter(index.search(python, ranker="structure"))).text.startswith("def middle")
    other = "Error: no\n  at middle (run.py:6:1)\n  at start (run.py:2:1)"
    assert next(iter(index.search(other, ranker="structure"))).text.startswith("def middle")


def test_only_allowed_files_are_found(opened):
    assert {path for path, _ in _search(opened, "retry backoff", only="tests/")} == {"tests/test_retry.py"}


def test_dense_scores_order_units_as_the_list_does(opened):
    sides = _sides(opened, "retry backoff")
    placed = RANKER.rank_together(sides, 10)
    dense = RANKER.dense_together(sides)
    scores = [float(dense[each.side][each.row]) for each in placed]
    assert scores == sorted(scores, reverse=True)
    assert max(float(each.max(initial=-np.inf)) for each in dense) == pytest.approx(scores[0])


def test_probabilities_are_probabilities(opened):
    for placed in RANKER.rank_together(_sides(opened, "how does a session close?"), 10):
        assert 0.0 <= placed.probability <= 1.0
        assert placed.score <= 1.0


@pytest.mark.parametrize("query", ["", "???", "::", ".", "a" * 5000, "\x00", "名前", "no_such_name_anywhere"])
def test_queries_without_anything_to_find(opened, query):
    RANKER.rank_together(_sides(opened, query), 10)
    RANKER.dense_together(_sides(opened, query))


def test_an_empty_index_gives_nothing(tmp_path):
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "a.py").write_text("x = 1\n")
    index = Index.build([tmp_path / "source"], tmp_path / "index", encoders=())
    (tmp_path / "source" / "a.py").unlink()
    index.update()
    assert RANKER.rank_together(_sides(index, "x"), 10) == []
    index.close()


@pytest.mark.parametrize(
    ("text", "symbol", "names"),
    [
        ("Foo.bar", True, ("Foo.bar",)),
        ("a::b", True, ("a::b",)),
        ("parse_json()", True, ("parse_json",)),
        ("session", False, ()),
        ("How does ClientSession close a socket", False, ("ClientSession",)),
        ("Where is the retry", False, ()),
        ("where is the retry policy implemented", False, ("retry_policy",)),
        ("go to Foo.bar", True, ("Foo.bar",)),
    ],
)
def test_reading_a_query(text, symbol, names):
    asked = Asked.read(text)
    assert (asked.symbol, asked.names) == (symbol, names)


def test_shipped_weights_fit_the_features():
    assert weights("words").features == FEATURES
    assert weights("vectors").features == FEATURES + NEAR_FEATURES
    table = replace(weights("words"), features=())
    assert np.isfinite(table.prose).all()
    assert set(NEAR_FEATURES).isdisjoint(FEATURES)


@pytest.fixture(scope="module")
def long_file(tmp_path_factory):
    """Two files `core.py`, one with functions of three lines that begin at lines 1, 5, 9, ..."""
    folder = tmp_path_factory.mktemp("lines")
    functions = (f"def step_{n}(value):\n    core = value + {n}\n    return core\n" for n in range(40))
    for name, text in (("src/core.py", "\n".join(functions)), ("lib/core.py", "CORE = 1\n")):
        (folder / name).parent.mkdir()
        (folder / name).write_text(text)
    (folder / "Makefile").write_text("all:\n\techo core\n")
    with Index.build([folder], folder / ".tellapart", encoders=()) as index:
        yield index


@pytest.mark.parametrize(
    "query",
    [
        "src/core.py:42",
        "core.py:42",
        "./src/core.py:42:8: error: core is not defined",
        "src/core.py(42,8): error: step_3 is wrong",
        'File "/home/me/site-packages/src/core.py", line 42',
        "https://example.org/me/steps/blob/main/src/core.py#L42-L43",
        "src/core.py:42:    core = step_3(10)",
    ],
)
def test_a_path_with_a_line_gives_the_unit_that_holds_it(long_file, query):
    first = next(iter(long_file.search(query, ranker="structure")))
    assert (first.path, first.text.splitlines()[0]) == ("src/core.py", "def step_10(value):")


def test_a_line_beyond_the_end_still_gives_the_file(long_file):
    assert next(iter(long_file.search("src/core.py:4000", ranker="structure"))).path == "src/core.py"
    assert next(iter(long_file.search("Makefile:2", ranker="structure"))).path == "Makefile"


@pytest.mark.parametrize(
    ("trace", "names"),
    [
        ('  File "a.py", line 1, in start\n  File "a.py", line 2, in <module>', ("start",)),
        ("Traceback (most recent call last):\n  File 'a', line 1, in f\n  File 'a', line 2, in g", ("g", "f")),
        ("TypeError: x is not a function\n    at async send (src/a.ts:1:2)\n    at Object.run (b.js:3:4)",
         ("send", "Object.run")),
        ("java.lang.Error: no\n\tat a.Outer$Inner.read(Outer.java:3)\nCaused by: b\n\tat a.Deep.open(Deep.java:4)",
         ("a.Deep.open", "a.Outer.Inner.read")),
        ("   at Shop.Cart.Add(Item item) in /src/Cart.cs:line 4", ("Shop.Cart.Add",)),
        ("main.go\n\ngithub.com/a/b.(*Engine).Run(0xc0)\n\t/go/b/b.go:17 +0x2b", ("b.Engine.Run",)),
        ("a.rb:3:in `block in Foo#bar': no (Error)", ("Foo#bar",)),
        ("lua: a.lua:3: no\n\ta.lua:3: in function 'helper'", ("helper",)),
        ("#1  0x0000 in parse_url (u=0x0) at lib/url.c:12", ("parse_url",)),
        ("  12: serde::de::read\n             at ./src/de.rs:3:4", ("serde::de::read",)),
        ("#0 /srv/a.php(3): Cart->add()", ("Cart->add",)),
        ("    (app 0.1.0) lib/a.ex:3: App.Router.call/2", ("App.Router.call",)),
    ],
)  # fmt: skip
def test_the_calls_of_a_stack_trace_are_read(trace, names):
    assert Asked.read(trace).names == names
    assert Asked.read(trace).traced


def test_a_trace_of_another_version_shows_the_call_that_it_names(long_file):
    trace = (
        'Traceback (most recent call last):\n  File "/v1/src/core.py", line 42, in step_20\n    return core'
    )
    assert next(iter(long_file.search(trace, ranker="structure"))).text.startswith("def step_20")


def test_the_shown_lines_are_those_that_were_asked_for(long_file, capsys):
    assert run(["search", "core.py:43", "--index", str(long_file.folder), "-k", "1", "--lines", "1"]) == 0
    assert "return core" in capsys.readouterr().out


def test_a_heading_is_no_definition_where_code_has_one(tmp_path):
    (tmp_path / "Basket.md").write_text("# open_basket\n\nopen_basket opens the basket. open_basket!\n")
    (tmp_path / "shop.py").write_text(
        "def fill(x):\n    return x\n\n\ndef open_basket(size):\n    return [size]\n"
    )
    (tmp_path / "guide.md").write_text("# Setup\n\nHow to set it up, step by step.\n")
    index = Index.build([tmp_path], tmp_path / "my.idx", encoders=())
    for query in ("open_basket", "where is open_basket defined?"):
        assert next(iter(index.search(query, ranker="structure"))).path == "shop.py"
    assert next(iter(index.search("where is Setup defined?", ranker="structure"))).path == "guide.md"


def test_where_something_is_defined_asks_for_the_name_as_it_is_written(tmp_path):
    (tmp_path / "builder").mkdir()
    (tmp_path / "builder" / "has_many.rb").write_text(
        "class HasMany\n  def self.macro\n    :has_many\n  end\nend\n"
    )
    body = "".join(f"  def option_{n}\n    {n}\n  end\n" for n in range(9))
    (tmp_path / "associations.rb").write_text(
        f"module Associations\n{body}  def has_many(name)\n    name\n  end\nend\n"
    )
    index = Index.build([tmp_path], tmp_path / "my.idx", encoders=())
    first = next(iter(index.search("where is has_many defined?", ranker="structure")))
    assert first.path == "associations.rb"
    assert "def has_many" in first.text


@pytest.mark.parametrize("piece", ["in a (", "x(", "(a)", "a/", "a.", "at a.", "1: a\n", ":in `a "])
def test_a_long_query_is_read_at_once(piece):
    started = time.process_time()
    Asked.read(piece * (60_000 // len(piece)))
    assert time.process_time() - started < 2

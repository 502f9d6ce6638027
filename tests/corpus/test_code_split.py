"""Source code becomes functions within classes within files: real fixtures of every language, and any garbage."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tellapart.corpus.document import ContainmentTree, Document, Granularity, Kind
from tellapart.corpus.recognise import recognise
from tellapart.corpus.units import split

FIXTURES = Path(__file__).parents[1] / "fixtures" / "code"
FUNCTION, CLASS = Granularity.FUNCTION, Granularity.CLASS

FUNCTIONS = {
    "bash.sh": "hello clean_up",
    "c.c": "node list_t color node_new next_count main",
    "cpp.cpp": "Basket ~Basket add operator== Basket::total larger main",
    "csharp.cs": "Basket Total Add",
    "css.css": ".nav spin",
    "dart.dart": "add total shout twice main",
    "elixir.ex": "add total unless_empty Empty.text area",
    "go.go": "Server Handler New Server.Start Map",
    "haskell.hs": "Tree Wrapper area perimeter show depth main",
    "java.java": "Account deposit Builder.build done next norm",
    "javascript.js": "read double constructor push size Queue.prototype.clear open close beforeEach create",
    "julia.jl": "area double Base.show twice",
    "kotlin.kt": "add empty register String.truncate main",
    "lua.lua": "M.add helper Account:deposit M.double triple",
    "objective-c.m": "init deposit:withNote: empty main",
    "ocaml.ml": "shape area even odd push incr",
    "perl.pl": "new deposit report",
    "php.php": "__construct add count log",
    "python.py": "words __init__ total Entry.show typed",
    "r.r": "add square print.account",
    "ruby.rb": "initialize add empty from_json total tax main",
    "rust.rs": "new push fmt name add square adds",
    "scala.scala": "area doubled unit total",
    "sql.sql": "customers customers_name big_customers total",
    "swift.swift": "isEmpty push init deinit draw shout add",
    "tsx.tsx": "Counter Spinner render",
    "typescript.ts": "find constructor one distance log",
    "zig.zig": "norm add",
}
CLASSES = {
    "cpp.cpp": "Basket Point Color",
    "csharp.cs": "Basket IShape Point Color",
    "dart.dart": "Basket Loud Twice Color",
    "elixir.ex": "Shop.Basket Shape",
    "haskell.hs": "Shape Show",
    "java.java": "Account Visitor Level Point",
    "javascript.js": "Queue",
    "julia.jl": "Circle",
    "kotlin.kt": "User Cart Registry Shape",
    "objective-c.m": "Account Auditing",
    "ocaml.ml": "Stack SHAPE counter",
    "perl.pl": "Account",
    "php.php": "Basket Shape Loggable",
    "python.py": "Counter",
    "ruby.rb": "Basket Taxed",
    "rust.rs": "Stack Shape Color",
    "scala.scala": "Shape Circle Color",
    "swift.swift": "Stack Drawable View String Color",
    "tsx.tsx": "Props App",
    "typescript.ts": "User Color UserService Shape",
    "zig.zig": "Point Color",
}


def tree_of(name: str, text: str | None = None) -> tuple[Document, ContainmentTree]:
    text = (FIXTURES / name).read_text() if text is None else text
    recognised = recognise(text, path=name)
    document = Document(name, text, Kind.CODE, recognised.language, path=name)
    tree = split(document)
    tree.validate()
    return document, tree


def units(document: Document, tree: ContainmentTree, level: Granularity) -> list[tuple[str, str]]:
    """Label and text of every unit."""
    spans = tree.spans(level)
    labels = tree.levels[level].labels
    return [(label, document.text[slice(*span)]) for label, span in zip(labels, spans, strict=True)]


def test_every_fixture_is_expected():
    assert sorted(FUNCTIONS) == sorted(path.name for path in FIXTURES.iterdir())


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_functions_and_classes_are_units_of_their_names(name):
    document, tree = tree_of(name)
    for level, expected in ((FUNCTION, FUNCTIONS[name]), (CLASS, CLASSES.get(name, ""))):
        found = units(document, tree, level)
        assert "".join(text for _, text in found) == document.text
        labels = [label for label, _ in found]
        for wanted in expected.split():
            assert wanted in labels, f"{level} {wanted} of {name} is not among {labels}"
            last = wanted.replace(":", ".").rstrip(".").split(".")[-1]
            assert any(label == wanted and last in text for label, text in found)


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_windows_line_ends_change_no_unit(name):
    document, tree = tree_of(name)
    crlf, other = tree_of(name, document.text.replace("\n", "\r\n"))
    for level in (FUNCTION, CLASS):
        unix = [(label, text) for label, text in units(document, tree, level)]
        windows = [(label, text.replace("\r\n", "\n")) for label, text in units(crlf, other, level)]
        assert windows == unix


@pytest.mark.parametrize(
    ("name", "function", "first"),
    [
        ("rust.rs", "add", "// Adds two numbers."),
        ("rust.rs", "new", "/// An empty stack."),
        ("ruby.rb", "add", "# Adds one."),
        ("typescript.ts", "log", "// The only logger."),
        ("typescript.ts", "one", "@Get(':id')"),
    ],
)
def test_a_unit_begins_with_the_comments_and_decorators_above_it(name, function, first):
    texts = [text for label, text in units(*tree_of(name), FUNCTION) if label == function]
    assert texts
    assert texts[0].lstrip().startswith(first)


def test_nested_functions_belong_to_the_outer_one():
    text = "def outer(x):\n    def inner(y):\n        return y\n\n    return inner(x)\n\n\ndef other():\n    pass\n"
    found = units(*tree_of("nested.py", text), FUNCTION)
    assert [label for label, _ in found] == ["outer", "other"]
    assert "def inner" in found[0][1]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_piece_of_code_has_a_tree(data):
    name = data.draw(st.sampled_from(sorted(FUNCTIONS)))
    text = (FIXTURES / name).read_text()
    start, end = sorted((data.draw(st.integers(0, len(text))), data.draw(st.integers(0, len(text)))))
    noise = data.draw(st.text(max_size=20))
    document, tree = tree_of(name, text[start:end] + noise + text[:start])
    for level in tree.levels:
        assert "".join(text for _, text in units(document, tree, level)) == document.text

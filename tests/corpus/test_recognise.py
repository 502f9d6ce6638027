"""Prose or code, and which language: by declaration, by name, by content."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tellapart.corpus.document import Kind
from tellapart.corpus.recognise import Recognised, recognise

PROSE, CODE = Kind.PROSE, Kind.CODE


def test_what_was_declared_is_never_contradicted() -> None:
    python = "def f(x):\n    return x\n"
    assert recognise(python, declared=PROSE).kind is PROSE
    assert recognise(python, path="a.py", declared=PROSE).kind is PROSE
    assert recognise("Some prose here.", declared=CODE, language="go") == Recognised(CODE, "go", certain=True)
    assert recognise(python, declared=CODE).language == "python"


@pytest.mark.parametrize(
    ("path", "kind", "language"),
    [
        ("docs/a.md", PROSE, "markdown"), ("a.RST", PROSE, "rst"), ("notes.txt", PROSE, None),
        ("LICENSE", PROSE, None), ("data.csv", PROSE, None), ("page.html", PROSE, "markdown"),
        ("a.py", CODE, "python"), ("x/y.tsx", CODE, "tsx"), ("a.json", CODE, "json"),
        ("CMakeLists.txt", CODE, "cmake"), ("Makefile", CODE, "make"), ("c:\\src\\a.cs", CODE, "csharp"),
    ],
)  # fmt: skip
def test_the_file_name_decides(path: str, kind: Kind, language: str | None) -> None:
    assert recognise("whatever stands here", path=path) == Recognised(kind, language, certain=True)


SHARED = [
    ("a.h", "#include <stdio.h>\nint add(int a, int b);\n", "c"),
    ("a.h", "#pragma once\nnamespace n {\nclass A { public:\n  std::string s; };\n}\n", "cpp"),
    ("a.h", "#import <Foundation/Foundation.h>\n@interface A : NSObject\n- (void)go;\n@end\n", "objective-c"),
    ("a.h", "", "c"),
    ("a.m", "@implementation A\n- (int)n { return [self x]; }\n@end\n", "objective-c"),
    ("a.m", "function y = f(x)\n% squares\ny = x.^2;\nend\n", "matlab"),
    ("a.pl", "use strict;\nmy $x = shift;\nprint $x;\n", "perl"),
    ("a.pl", "parent(X, Y) :- father(X, Y).\n:- dynamic(father/2).\n", "prolog"),
]


@pytest.mark.parametrize(("path", "text", "language"), SHARED)
def test_shared_extensions_are_settled_by_content(path: str, text: str, language: str) -> None:
    assert recognise(text, path=path).language == language


@pytest.mark.parametrize(
    ("line", "language"),
    [
        ("#!/usr/bin/env python3", "python"),
        ("#!/bin/sh -e", "bash"),
        ("#!/usr/bin/env -S node --x", "javascript"),
    ],
)
def test_a_shebang_decides_where_the_name_does_not(line: str, language: str) -> None:
    assert recognise(f"{line}\nhello there\n", path="bin/tool") == Recognised(CODE, language, certain=True)


SNIPPETS = {
    "python": "import os\n\nclass A:\n    def f(self, x=None):\n        return self.y[x]\n",
    "javascript": "const a = require('fs');\nmodule.exports = function (x) { return x === 1; };\n",
    "typescript": "interface P { name: string; age: number }\nexport const f = (p: P): string => p.name;\n",
    "go": "package main\n\nfunc main() {\n\tx := 1\n\tfmt.Println(x)\n}\n",
    "rust": "use std::io;\n\npub fn f(x: &str) -> Result<(), Error> {\n    let mut y = 1;\n}\n",
    "java": "package a.b;\nimport java.util.List;\npublic class A {\n  @Override\n  int get() { return s; }\n}\n",
    "csharp": "using System;\nnamespace N {\n  public class A { public string Name { get; set; } }\n}\n",
    "kotlin": "package a.b\n\nfun f(x: Int?): Int = x ?: 0\n\ndata class P(val a: Int)\n",
    "scala": "import a.b._\n\nobject A {\n  def f(x: Int): Int = x + 1\n  case class P(a: Int)\n}\n",
    "c": "#include <stdlib.h>\n\nstatic int f(struct s *p)\n{\n    return p->n;\n}\n",
    "cpp": "#include <vector>\n\ntemplate <typename T>\nT f(const std::vector<T>& v) { return v[0]; }\n",
    "swift": "import Foundation\n\nfunc f(x: Int) -> Int {\n    guard let y = g(x) else { return 0 }\n}\n",
    "php": "<?php\nfunction f($x) { return $this->y[$x]; }\n",
    "perl": "use strict;\nsub f {\n    my ($x) = @_;\n    return $x =~ /a/;\n}\n",
    "ruby": "require 'a'\n\nclass A < B\n  def f(x)\n    x.each do |y|\n      puts y\n    end\n  end\nend\n",
    "lua": "local M = {}\nfunction M.f(x)\n  if x ~= nil then return x end\nend\n",
    "elixir": "defmodule A do\n  def f(x) do\n    x |> g()\n  end\nend\n",
    "haskell": "module A where\n\nf :: Int -> Int\nf x = x + 1\n",
    "ocaml": "open Printf\n\nlet rec f x = match x with\n  | [] -> 0\n  | _ :: t -> f t\n",
    "zig": 'const std = @import("std");\n\npub fn main() !void {\n    const x = 1;\n}\n',
    "bash": 'set -e\nif [ -f "$1" ]; then\n  echo "${HOME}"\nfi\n',
    "sql": "CREATE TABLE t (id INTEGER PRIMARY KEY);\nSELECT id FROM t WHERE id > 1;\n",
    "r": "library(stats)\nf <- function(x) {\n  y <- c(1, 2)\n  x %in% y\n}\n",
    "julia": "using LinearAlgebra\n\nfunction f!(x::Vector)\n    push!(x, 1)\nend\n",
    "dart": "import 'package:a/b.dart';\n\nclass A extends StatelessWidget {\n  Widget build(c) => x;\n}\n",
    "css": ".a > .b {\n  color: red;\n  margin: 2px;\n}\n",
}


@pytest.mark.parametrize(("language", "text"), SNIPPETS.items())
def test_code_is_named_by_its_content(language: str, text: str) -> None:
    found = recognise(text)
    assert (found.kind, found.language) == (CODE, language)


NOT_CODE = [
    "Write a function to find the minimum cost path to reach (m, n) from (0, 0) in cost[][].",
    "python check if a variable is iterable",
    "WARNING: DO NOT OPEN THE DOOR WHILE THE MACHINE IS RUNNING.",
    "The cost was $4 million (in 2006 dollars); see import and export for details.",
    "これは日本語の文章です。コードではありません。",
    "Roses are red,\nViolets are blue,\nSugar is sweet,\nAnd so are you.\n",
    "2024-01-01 12:00:00 ERROR [main] could not open file\n2024-01-01 12:00:01 INFO [main] retrying\n",
    "id,name,town\n1,ann,rome\n2,bob,oslo\n",
    "\\documentclass{article}\n\\begin{document}\nText with $x^2 = y$ in it.\n\\end{document}\n",
    "To install, run `pip install x`. Then call it:\n\n```python\nimport x\nx.run(a=1, b=[2])\n```\n\nThat is all.",
    "", "   ", "42", "Hello",
]  # fmt: skip


@pytest.mark.parametrize("text", NOT_CODE)
def test_prose_is_not_taken_for_code(text: str) -> None:
    assert recognise(text).kind is PROSE


def test_markup_shows_without_a_name() -> None:
    assert (
        recognise("# Title\n\nSome **bold** text to read.\n\n## Part\n\nMore text.\n").language == "markdown"
    )
    assert (
        recognise("Some text for you.\n\n.. note:: careful\n\nUse ``make`` and ``run``.\n").language == "rst"
    )


def test_json_and_a_lone_comment_header_are_code() -> None:
    assert recognise('{"a": [1, 2], "b": {"c": null}}').language == "json"
    header = "".join(f"// line {n} of a long licence text that goes on\n" for n in range(120))
    assert recognise(header + "package main\n\nfunc main() {\n}\n").language == "go"


def test_methods_without_a_class_are_code() -> None:
    assert recognise("public QueryRequest(string tableName){_tableName = tableName;}").kind is CODE
    assert recognise("public override string ToString(){return Pattern();}").language == "csharp"


JUDGED = [
    ("cosqa", CODE), ("mbpp", CODE), ("java-cs", CODE), ("scifact", PROSE), ("cranfield", PROSE), ("cisi", PROSE),
    ("med", PROSE), ("cacm", PROSE), ("adi", PROSE), ("wikiqa", PROSE), ("xquad-en", PROSE), ("limit-small", PROSE),
]  # fmt: skip


@pytest.mark.parametrize(("name", "kind"), JUDGED)
def test_judged_collections_are_recognised(data: Path, name: str, kind: Kind) -> None:
    with (data / name / "corpus.jsonl").open(encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines][:1500]
    wrong = sum(recognise(f"{r.get('title') or ''}\n{r['text']}".strip()).kind is not kind for r in records)
    assert wrong <= 0.001 * len(records)


@pytest.mark.parametrize("name", [name for name, _ in JUDGED if name != "java-cs"])
def test_queries_are_prose(data: Path, name: str) -> None:
    with (data / name / "queries.jsonl").open(encoding="utf-8") as lines:
        assert all(recognise(json.loads(line)["text"]).kind is PROSE for line in lines)

"""`inspect --code`: what it measures is what the functions show, and it prints and keeps its shape."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tellapart.cli.app import run
from tellapart.engine import Index
from tellapart.errors import TellapartError
from tellapart.scores.code_functions import sample_functions
from tellapart.scores.code_similarity import Bm25Likeness
from tellapart.scores.inspecting_code import inspect_code

TOPICS = ("invoice", "planet", "recipe", "parser", "violin", "glacier", "railway", "harbour")


def _module(topic: str, number: int) -> str:
    return "\n".join(
        f'''
def {topic}_{verb}({topic}, amount):
    """{verb.capitalize()} the {topic} by the given amount carefully."""
    # a remark on {topic}
    {topic}_limit = {number + 2}
    {topic}_rest = amount + {place}
    if {topic}_rest > {topic}_limit:
        return {topic} * {topic}_limit
    return {topic} + {topic}_rest
'''
        for place, verb in enumerate(("raise", "lower", "split"))
    )


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    folder = tmp_path_factory.mktemp("code")
    for number, topic in enumerate(TOPICS):
        (folder / f"{topic}.py").write_text(_module(topic, number))
    return Index.build([folder], folder / ".tellapart", encoders=())


def test_functions_come_with_and_without_what_documents_them(index: Index) -> None:
    sample = sample_functions(index)
    functions = sample.functions
    assert len(functions) == sample.total == 3 * len(TOPICS)
    first = functions[0]
    assert first.docstring.endswith("by the given amount carefully.")
    assert "carefully" in first.text
    assert "carefully" not in first.body
    assert first.halves[0].startswith("def ")
    assert first.logic is not None
    assert "limit" not in first.logic
    few = sample_functions(index, most=5)
    assert (len(few.functions), few.total) == (5, 24)


def test_of_a_large_code_base_some_files_are_read_and_that_is_said(
    index: Index, capsys: pytest.CaptureFixture[str]
) -> None:
    sample = sample_functions(index, most=1)
    assert (sample.read, sample.files) == (4, 8)  # three functions a file, ten for the one that is drawn
    assert (
        run(["inspect", "--code", "--index", str(index.folder), "--encoder", "lsa", "--functions", "2"]) == 0
    )
    shown = capsys.readouterr().out
    assert "2 of 21, drawn at random, in 2 files; 7 of 8 files were read" in shown


def test_what_is_known_of_the_functions_is_found(index: Index) -> None:
    found = inspect_code(index, encoders=("lsa",))
    means = {task.name: {e.name: e.mean for e in task.verdict.findings} for task in found.tasks}
    assert means["docstring -> function"]["function/bm25"] > 0.9
    assert means["its names alone -> function"]["function/bm25"] > 0.9
    assert means["its logic alone -> function"]["function/bm25"] < 0.6
    nearer = means["a condition negated: further away than with all names replaced"]
    assert nearer["terms/function/knn"] == 0.0  # words cannot see what a negation does
    assert (found.names_share("terms/function/knn") or 0) > 0.2
    unchanged = [d for d in found.distributions if d.relation == "laid out anew"]
    assert all(each.quantiles[2] == pytest.approx(1.0, abs=1e-3) for each in unchanged)


def test_bm25_and_its_vectors_compare_texts_as_defined() -> None:
    corpus = ["read the file", "write the file", "close a socket"]
    ranked = Bm25Likeness(corpus, vectors=False).matrix(["socket"], [(text,) for text in corpus])
    assert ranked.argmax() == 2
    assert ranked[0, 0] == 0.0
    cosines = Bm25Likeness(corpus, vectors=True)
    assert np.allclose(cosines.pairs(corpus, corpus), 1.0, atol=1e-5)
    assert np.allclose(cosines.matrix(corpus, [(t,) for t in corpus]).diagonal(), 1.0, atol=1e-5)


def test_the_command_prints_tasks_and_json(index: Index, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(index.folder)
    assert run(["inspect", "--code", "--index", folder, "--encoder", "lsa", "--functions", "12"]) == 0
    shown = capsys.readouterr().out
    assert "docstring -> function" in shown
    assert "12 of 24, drawn at random" in shown
    assert "replacing all names takes" in shown
    asked = ["inspect", "--code", "--index", folder, "--encoder", "lsa", "--functions", "12", "--json"]
    assert run(asked) == 0
    kept = json.loads(capsys.readouterr().out)
    assert kept["schema"] == 1
    assert kept["code"]["functions"] == 12
    assert {each["measure"] for each in kept["code"]["tasks"]} == {"RR", "AUROC"}
    assert list(kept["code"]["sentences"]) == ["lsa/function/knn"]


def test_what_cannot_be_asked_of_a_single_file_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "invoice.py").write_text(_module("invoice", 1))
    index = Index.build([tmp_path], tmp_path / ".tellapart", encoders=())
    assert run(["inspect", "--code", "--index", str(index.folder), "--encoder", "lsa"]) == 0
    shown = capsys.readouterr().out
    assert "all in 1 file;" in shown
    assert "nan" not in shown
    assert "Unrelated functions" not in shown
    assert run(["inspect", "--code", "--index", str(index.folder), "--encoder", "lsa", "--json"]) == 0
    found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)["code"]
    assert found["names_share"]["lsa/function/knn"] is None


def test_a_corpus_without_functions_is_refused(tmp_path: Path) -> None:
    (tmp_path / "note.md").write_text("# A note\n\nNothing but prose.\n")
    prose = Index.build([tmp_path], tmp_path / ".tellapart", encoders=())
    with pytest.raises(TellapartError, match="no functions"):
        inspect_code(prose)

"""Searching by examples and inspecting, as a person or a script meets them."""

from __future__ import annotations

import json

import pytest

from tellapart.engine.examples import FOLDER_UNITS


def test_the_query_may_be_left_out_with_examples(corpus, indexed, call):
    code, out, err = call("search", "--like", f"{corpus}/notes/winter.txt", "--index", indexed, "--json")
    answer = json.loads(out)
    assert code == 0, err
    assert answer["query"] is None
    assert answer["like"] == [f"{corpus}/notes/winter.txt"]
    assert answer["unlike"] == []
    assert answer["configuration"]["ranker"] == "knn"
    assert answer["hits"]
    assert all(hit["document"] != "notes/winter.txt" for hit in answer["hits"])


def test_words_and_examples_together(indexed, call):
    arguments = ("search", "roses", "--like", "src/client.py:10", "--unlike", "notes/", "--index", indexed)
    code, out, _ = call(*arguments, "--json", "--ranker", "rocchio")
    answer = json.loads(out)
    assert (code, answer["query"], answer["unlike"]) == (0, "roses", ["notes/"])
    assert all(not hit["document"].startswith("notes/") for hit in answer["hits"])
    code, out, err = call(*arguments, "--explain")
    assert code == 0
    assert "ridge " in out
    assert "bm25 " in out
    assert "the default with examples: words, and ridge for the examples" in err


def test_examples_of_words_alone_build_an_index_first(corpus, call, monkeypatch):
    monkeypatch.chdir(corpus)
    code, out, err = call("search", "--like", "README.md:7")
    assert code == 0, err
    assert "notes/winter.txt" in out
    assert "built a word index" in err


def test_sampling_is_said_on_stderr(tmp_path, call):
    for number in range(FOLDER_UNITS + 1):
        path = tmp_path / "many" / "all" / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"word{number} water\n")
    (tmp_path / "many" / "other.txt").write_text("water and wine\n")
    call(
        "index",
        tmp_path / "many",
        "--index",
        tmp_path / "i",
        "--encoder",
        "none",
        "--granularity",
        "paragraph",
    )
    code, out, err = call("search", "--like", "all", "--index", tmp_path / "i", "--json")
    assert code == 0, err
    assert [hit["document"] for hit in json.loads(out)["hits"]] == ["other.txt"]
    assert "all has 201 units: 200 of them, evenly spaced, are the examples" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["search", "--unlike", "notes/"], "nothing to search for"),
        (["search", "--like", "nowhere.md"], "no document 'nowhere.md'"),
        (["search", "--like", "README.md", "--unlike", "README.md"], "is liked and unliked"),
        (["search", "roses", "--ranker", "rocchio"], "name some with --like"),
        (["search", "--like", "README.md", "--ranker", "best"], "unknown ranker 'best'"),
        (["inspect", "--encoder", "minilm"], "no vectors of encoder 'minilm'"),
        (["inspect", "--verdict", "nowhere.json"], "is not a verdict"),
    ],
)
def test_wrong_use_is_one_line_and_exit_2(indexed, call, arguments, words):
    code, out, err = call(*arguments, "--index", indexed)
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1


def test_inspect_prints_what_its_json_says(indexed, call):
    code, out, err = call("inspect", "--index", indexed, "--json", "--no-keep")
    assert code == 0, err
    answer = json.loads(out)
    assert list(answer) == ["schema", "inspections", "texts", "cosines", "cures"]
    first = answer["inspections"][0]
    assert list(first) == ["encoder", "granularity", "units", "diagnostics", "examples"]
    assert first["examples"] is None or first["examples"]["default"].endswith("/ridge")
    keys = ["name", "value", "shown", "verdict", "healthy", "meaning", "action", "verify"]
    assert all(list(each) == keys for each in first["diagnostics"])
    _, printed, _ = call("inspect", "--index", indexed)
    _, explained, _ = call("inspect", "--index", indexed, "--verbose")
    for each in first["diagnostics"]:
        assert each["shown"] in printed
        assert each["action"] not in printed
        assert each["action"] in explained


def test_inspect_reads_a_verdict(indexed, call, tmp_path):
    cell = {"encoder": "lsa", "granularity": "paragraph", "parameters": {}}
    values = {f"q{number}": number / 100 for number in range(40)}
    shape = {
        "measure": "nDCG@10",
        "source": "generated",
        "independent": 40,
        "configurations": [
            {**cell, "ranker": "knn", "per_query": values},
            {**cell, "ranker": "svm", "per_query": {q: v - 0.01 - v / 50 for q, v in values.items()}},
        ],
    }
    (tmp_path / "verdict.json").write_text(json.dumps(shape))
    code, out, _ = call("inspect", "--index", indexed, "--verdict", tmp_path / "verdict.json", "--no-keep")
    assert code == 0
    assert "svm for texts, lsa/paragraph  fine     no: -0.01" in out


def test_the_scores_of_an_svm_are_printed_from_0_to_1(indexed, call):
    arguments = ("search", "roses", "--like", "src/client.py:10", "--index", indexed, "--ranker", "svm")
    code, out, err = call(*arguments, "--json")
    assert code == 0, err
    decisions = [hit["score"] for hit in json.loads(out)["hits"]]
    assert min(decisions) < 0, "the decision value is fitted to -1 for the corpus"
    code, out, _ = call(*arguments)
    printed = [float(line.split(" score ")[1].split()[0]) for line in out.splitlines() if " score " in line]
    assert code == 0
    assert printed == [round(max((1 + each) / 2, 0.0), 3) for each in decisions]

"""`tellapart adapt` as a person meets it."""

from __future__ import annotations

import json
import shutil

import pytest

from tellapart import Index, load_encoder


def test_a_corpus_that_says_too_little_is_not_adapted_to(corpus, tmp_path, call):
    assert call("index", corpus, "--index", tmp_path / "my.idx")[0] == 0
    code, out, err = call("adapt", "--index", tmp_path / "my.idx", "--output", tmp_path / "adapted", "--json")
    assert code == 1, err
    answer = json.loads(out)
    assert answer["output"] is None
    assert not answer["recommended"]
    assert "fewer than 50" in answer["reason"]
    assert not (tmp_path / "adapted").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--index", "my.idx"], "--output"),
        (["--output", "e"], "no index in"),
        (["--index", "my.idx", "--output", "e", "--objective", "arcface"], "--objective"),
        (["--index", "my.idx", "--output", "e", "--adapter", "deep"], "known are words, linear"),
        (["--index", "my.idx", "--output", "e", "--queries", "q.jsonl"], "belong together"),
        (["--index", "absent.idx", "--output", "e"], "absent.idx"),
        (["--index", "my.idx", "--output", "e", "--labels", "l.tsv"], "leave out --index"),
        (["--output", "e", "--labels", "absent.tsv"], "cannot read absent.tsv"),
    ],
)
def test_wrong_use_is_one_line(call, arguments, words):
    code, out, err = call("adapt", *arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("adapter", ["linear", "words"])
def test_mbpp_teaches_from_the_command_line(data, tmp_path, call, adapter):
    source = tmp_path / "mbpp"
    source.mkdir()
    shutil.copyfile(data / "mbpp" / "corpus.jsonl", source / "corpus.jsonl")
    Index.build([source], tmp_path / "my.idx", encoders=["minilm"], granularities=["file"])
    queries, qrels = data / "mbpp" / "queries.jsonl", data / "mbpp" / "qrels" / "train.tsv"
    command = [
        "adapt",
        "--index",
        tmp_path / "my.idx",
        "--adapter",
        adapter,
        "--output",
        tmp_path / "adapted",
    ]
    code, out, err = call(*command, "--queries", queries, "--qrels", qrels, "--json", "--keep-anyway")
    assert code == 0, err
    answer = json.loads(out)
    verdict = answer["verdict"]
    assert (verdict["source"], verdict["queries"]) == ("judged", 384)
    adapted = next(each for each in verdict["configurations"] if each["name"].startswith("adapted"))
    gain = adapted["vs_default"]
    assert gain["difference"] > 0
    assert answer["recommended"] == (verdict["choice"] == adapted["name"])
    assert load_encoder(f"folder:{tmp_path / 'adapted'}").dim == {"linear": 384, "words": 768}[adapter]

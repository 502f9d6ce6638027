"""`relation learn`, `related --as` and `inspect --report` as a user types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tellapart.cli.app import run

KINDS = {"dog": "kennel bark", "bird": "nest sing", "fish": "river swim"}
NAMES = {"dog": "abcdef", "bird": "ghijkl", "fish": "mnopqr"}


@pytest.fixture(scope="module")
def idx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("animals")
    rows = [
        {"_id": f"{kind}-{name}", "text": f"{words} {name}{name} and {kind}s like it, {name * 3}"}
        for kind, words in KINDS.items()
        for name in NAMES[kind]
    ]
    rows += [{"_id": kind, "title": kind, "text": f"kind of animal {words}"} for kind, words in KINDS.items()]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run(["index", str(folder / "corpus.jsonl"), "--encoder", "lsa", "--index", str(folder / "i")]) == 0
    return folder / "i"


def pairs(idx: Path) -> Path:
    file = idx.parent / "pairs.tsv"
    lines = [f"{kind}-{name}\t{kind}" for kind in KINDS for name in NAMES[kind][:4]]
    file.write_text("# a name and its kind\n" + "\n".join(lines) + "\n")
    return file


def test_a_relation_is_learned_listed_and_followed(idx: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["relation", "learn", "kind-of", str(pairs(idx)), "--index", str(idx)]) == 0
    assert "kind-of: 12 pairs; " in capsys.readouterr().out
    assert run(["relation", "--index", str(idx), "--json"]) == 0
    (kept,) = json.loads(capsys.readouterr().out)["relations"]
    assert kept == {
        "name": "kind-of",
        "encoder": "lsa",
        "granularity": "paragraph",
        "pairs": 12,
        "symmetric": False,
    }
    assert run(["related", "dog-f", "--as", "kind-of", "--index", str(idx), "-k", "20", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    names = [hit["document"] for hit in found["hits"]]
    assert "dog" in names
    assert "dog-f" not in names
    assert run(["related", "dog-f", "--index", str(idx), "-k", "20", "--json"]) == 0
    plain = [hit["document"] for hit in json.loads(capsys.readouterr().out)["hits"]]
    assert names.index("dog") <= plain.index("dog")
    assert "12 pairs" in found["why"]


@pytest.mark.parametrize(("again", "ways"), [("x\ty", []), ("y\tx", ["--symmetric"])])
def test_a_pair_given_twice_counts_once(
    idx: Path, capsys: pytest.CaptureFixture[str], again: str, ways: list[str]
) -> None:
    file = idx.parent / "twice.tsv"
    file.write_text(f"x\ty\n{again}\ndog-a\tdog\n")
    assert run(["relation", "learn", "twice", str(file), *ways, "--index", str(idx)]) == 2
    assert "too few pairs to learn a relation (2): needs 1 more" in capsys.readouterr().err


def test_pairs_that_are_only_alike_say_that_the_cosine_is_used(
    idx: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = idx.parent / "alike.tsv"
    file.write_text("dog-a\tdog-c\nbird-g\tbird-i\nfish-m\tfish-o\ndog-d\tdog-e\nbird-h\tbird-l\n")
    assert run(["relation", "learn", "alike", str(file), "--symmetric", "--index", str(idx)]) == 0
    assert "gains nothing over the cosine from these pairs" in capsys.readouterr().out
    assert run(["relation", "learn", "alike", str(file), "--symmetric", "--index", str(idx), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["as_cosine"] is True
    found = []
    for arguments in (["--as", "alike"], ["--granularity", "paragraph", "--ranker", "knn"]):
        assert run(["related", "dog-f", *arguments, "--index", str(idx), "-k", "8", "--json"]) == 0
        found.append([hit["document"] for hit in json.loads(capsys.readouterr().out)["hits"]])
    assert found[0] == found[1]


def test_words_that_are_no_unit_are_said_to_be_words(idx: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["relation", "learn", "kind-of", str(pairs(idx)), "--index", str(idx)]) == 0
    assert run(["related", "dog-x", "--as", "kind-of", "--index", str(idx)]) == 0
    assert "'dog-x' is no unit of this index: taken as words" in capsys.readouterr().err
    assert run(["related", "dog-f", "--as", "kind-of", "--index", str(idx)]) == 0
    assert "taken as words" not in capsys.readouterr().err


def test_wrong_use_is_one_line(idx: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = idx.parent / "bad.tsv"
    bad.write_text("only one\n")
    for arguments, said in (
        (["relation", "learn", "x", str(bad)], "line 1"),
        (["relation", "learn", "X Y", str(pairs(idx))], "no name for a relation"),
        (["relation", "learn", "x", str(idx.parent / "none.tsv")], "cannot read the pairs"),
        (["related", "dog-f", "--as", "nothing"], "no relation 'nothing'"),
        (["related", "dog-f", "--as", "kind-of", "--ranker", "knn"], "leave out --ranker"),
    ):
        assert run([*arguments, "--index", str(idx)]) == 2
        assert said in capsys.readouterr().err


def test_inspect_draws_the_cosines_and_tries_cures(idx: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = idx.parent
    (folder / "q.tsv").write_text("q1\tkennel bark\nq2\tnest sing\n")
    (folder / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\nq1\tdog\t1\nq2\tbird\t1\n")
    given = ["--queries", str(folder / "q.tsv"), "--qrels", str(folder / "qrels.tsv")]
    report = folder / "report.html"
    assert run(["inspect", "--index", str(idx), *given, "--report", str(report), "--no-keep"]) == 0
    out = capsys.readouterr().out
    assert "hard unrelated" in out
    assert "centring" in out
    assert "<svg" in report.read_text()
    assert run(["inspect", "--index", str(idx), "--json", "--no-keep"]) == 0
    (cosines,) = json.loads(capsys.readouterr().out)["cosines"]
    assert cosines["groups"][0]["name"] == "unrelated"

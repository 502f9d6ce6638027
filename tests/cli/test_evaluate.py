"""`evaluate` as a person or a script meets it."""

from __future__ import annotations

import json
import re

import pytest


def write(path, *lines):
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def queries(tmp_path):
    return write(tmp_path / "queries.tsv", "a\troses sun", "b\tretry after failure", "c\twinter frost straw")


@pytest.fixture
def qrels(tmp_path):
    lines = ("a\tREADME.md\t1", "b\tsrc/client.py\t1", "c\tnotes/winter.txt\t1")
    return write(tmp_path / "qrels.tsv", "query-id\tcorpus-id\tscore", *lines)


def bm25_and_knn(indexed, queries, qrels):
    judged = ("--queries", queries, "--qrels", qrels)
    return ("evaluate", "--index", indexed, *judged, "--ranker", "bm25", "--ranker", "knn")


def test_the_sentence_comes_first_and_search_follows(indexed, queries, qrels, call):
    code, out, err = call("evaluate", "--index", indexed, "--queries", queries, "--qrels", qrels)
    assert code == 0, err
    assert out.splitlines()[0].startswith(
        "The default lsa/paragraph+function/hybrid stays: 3 judged queries and 3 synthetic ones say too little."
    )
    assert "document+file/bm25" in out
    assert "uses lsa/paragraph+function/hybrid from now on" in err
    _, out, _ = call("status", "--index", indexed)
    assert "verdict      lsa/paragraph+function/hybrid" in out
    _, out, _ = call("status", "--index", indexed, "--json")
    assert json.loads(out)["verdict"]["configuration"] == "lsa/paragraph+function/hybrid"
    _, _, err = call("search", "roses", "--index", indexed, "--explain")
    assert "the verdict of" in err
    _, out, _ = call("search", "roses", "--index", indexed, "--json", "--ranker", "bm25")
    assert json.loads(out)["why"] == "asked for"


def test_a_second_look_can_be_left_out(indexed, queries, qrels, call, monkeypatch):
    monkeypatch.setattr("tellapart.experiments.arms.fetched_of_kind", lambda kind: ("a-cross-encoder",))
    code, out, err = call(*bm25_and_knn(indexed, queries, qrels), "--rerank", "none", "--no-keep")
    assert code == 0, err
    assert "a-cross-encoder" not in out + err


def test_no_keep_leaves_the_index_alone(indexed, queries, qrels, call):
    before = sorted(
        (path, path.stat().st_mtime_ns) for path in indexed.rglob("*") if "store" not in path.name
    )
    code, _, _ = call("evaluate", "--index", indexed, "--queries", queries, "--qrels", qrels, "--no-keep")
    assert code == 0
    assert "verdict      none" in call("status", "--index", indexed)[1]
    assert before == sorted(
        (path, path.stat().st_mtime_ns) for path in indexed.rglob("*") if "store" not in path.name
    )


def test_an_index_of_words_gets_lsa_to_compare_with(corpus, tmp_path, queries, qrels, call):
    call("search", "roses", corpus)
    code, out, err = call("evaluate", corpus, "--queries", queries, "--qrels", qrels)
    assert code == 0, err
    assert "added the encoder lsa" in err
    assert "more are behind others of their kind (--all)" in out
    assert "--details shows the statistics" in out
    assert "best?: tied" not in out
    everything = call("evaluate", corpus, "--queries", queries, "--qrels", qrels, "--no-keep", "--all")[1]
    assert "lsa/document+file/knn" in everything
    assert "--all" not in everything
    short = {line.split("  ")[1].strip() for line in out.splitlines() if line.startswith(("  ", "* "))}
    for kind in ("bm25", "knn", "svm", "hybrid", "sentence+function", "section+class"):
        assert any(kind in name for name in short), kind


def test_json_runs_and_a_saved_evaluation(indexed, queries, qrels, tmp_path, call):
    asked = bm25_and_knn(indexed, queries, qrels)
    code, out, _ = call(*asked, "--json", "--runs", tmp_path / "runs")
    assert code == 0
    shape = json.loads(out)
    assert shape["schema"] == 1
    assert len(list((tmp_path / "runs").glob("*.trec"))) == len(shape["configurations"])
    saved = write(tmp_path / "saved.json", out)
    code, out, _ = call(*asked, "--against", saved, "--gate")
    assert code == 0
    assert "no significant regression" in out
    code, out, _ = call(*asked, "--against", saved, "--json", "--no-keep")
    assert json.loads(out)["against"]["regression"] is False


def test_a_report_is_written(indexed, queries, qrels, tmp_path, call):
    asked = (
        "evaluate",
        "--index",
        indexed,
        "--ranker",
        "bm25",
        "--no-keep",
        "--report",
        tmp_path / "report.html",
    )
    code, _, err = call(*asked, "--queries", queries, "--qrels", qrels)
    assert code == 0, err
    page = (tmp_path / "report.html").read_text()
    assert "3 judged queries and 3 synthetic ones say too little" in page
    assert "tomatoes" in page.lower() or "roses" in page.lower()
    code, _, err = call(*asked)
    assert code == 0, err
    assert "<html" in (tmp_path / "report.html").read_text()


def test_the_gate_closes_on_a_regression(indexed, corpus, tmp_path, call):
    names = ["roses", "tomatoes", "winter", "valve", "moisture", "retry"]
    many = write(tmp_path / "many.tsv", *(f"q{n}\t{names[n % 6]} {n}" for n in range(40)))
    lines = [f"q{n}\tREADME.md\t1" for n in range(40)]
    qrels = write(
        tmp_path / "many.qrels",
        "query-id\tcorpus-id\tscore",
        *lines,
        *(f"q{n}\tsrc/client.py\t1" for n in range(40)),
    )
    asked = (
        "evaluate",
        "--index",
        indexed,
        "--queries",
        many,
        "--qrels",
        qrels,
        "--ranker",
        "knn",
        "--no-keep",
    )
    _, out, _ = call(*asked, "--json")
    shape = json.loads(out)
    for each in shape["configurations"]:
        each["per_query"] = dict.fromkeys(each["per_query"], 1.0)
    saved = write(tmp_path / "saved.json", json.dumps(shape))
    code, out, _ = call(*asked, "--against", saved, "--gate")
    assert code == 1
    assert "significantly worse" in out
    assert call(*asked, "--against", saved)[0] == 0


def test_without_queries_they_are_made_from_the_corpus(indexed, tmp_path, call):
    code, out, err = call("evaluate", "--index", indexed)
    assert code == 0, err
    assert "synthetic queries" in out or "could be made" in out
    log = write(tmp_path / "log.tsv", "1\troses", "2\thow do I retry", "3\twinter")
    code, out, err = call("evaluate", "--index", indexed, "--queries", log, "--no-keep")
    assert code == 0, err
    assert "weighted like the 3 queries of the log" in out


def test_a_corpus_that_offers_nothing_keeps_the_default_and_says_why(tmp_path, call):
    (tmp_path / "tiny").mkdir()
    write(tmp_path / "tiny" / "a.txt", "Roses.")
    call("index", tmp_path / "tiny", "--encoder", "lsa")
    code, out, err = call("evaluate", tmp_path / "tiny", "--report", tmp_path / "report.html")
    assert code == 0, err
    assert out.startswith(
        "No query could be made from this corpus, so the default lsa/paragraph/hybrid stays"
    )
    assert "the corpus offers no queries of these kinds" in out
    assert "nothing was measured" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--gate"], "name it with --against"),
        (["--qrels", "QRELS"], "--qrels judges queries"),
        (["--queries", "QUERIES", "--qrels", "nowhere.tsv"], "cannot read nowhere.tsv"),
        (["--queries", "QUERIES", "--split", "dev"], "--split names judgements of a BEIR folder"),
        (["--queries", "QUERIES", "--qrels", "QRELS", "--measure", "nDGC@10"], "unknown measure 'nDGC@10'"),
        (["--queries", "QUERIES", "--qrels", "QRELS", "--ranker", "best"], "unknown ranker 'best'"),
        (
            ["--queries", "QUERIES", "--qrels", "QRELS", "--encoder", "minilm"],
            "no vectors of encoder 'minilm'",
        ),
        (["--queries", "QUERIES", "--qrels", "QRELS", "--granularity", "page"], "unknown granularity 'page'"),
        (["--queries", "QUERIES", "--qrels", "ZERO"], "none of the 1 judged queries has a relevant document"),
        (["--queries", "QUERIES", "--qrels", "OTHER"], "judged documents are not in the index"),
        (["--queries", "TWICE", "--qrels", "QRELS"], "comes twice with two texts"),
        (["--queries", "QUERIES", "--qrels", "QRELS", "--against", "QRELS"], "is not a saved evaluation"),
        (["--runs", "somewhere"], "--runs answers judged queries"),
        (["--queries", "QUERIES", "--qrels", "QRELS", "--language-model", "m"], "leave out one of both"),
    ],
)
def test_wrong_use_is_one_line_and_nothing_is_lost(indexed, queries, qrels, tmp_path, call, arguments, words):
    files = {
        "QUERIES": queries,
        "QRELS": qrels,
        "ZERO": write(tmp_path / "zero.tsv", "query-id\tcorpus-id\tscore", "a\tREADME.md\t0"),
        "OTHER": write(tmp_path / "other.tsv", "query-id\tcorpus-id\tscore", "a\telsewhere.md\t1"),
        "TWICE": write(tmp_path / "twice.tsv", "a\troses", "a\ttomatoes"),
    }
    code, out, err = call("evaluate", "--index", indexed, *(files.get(each, each) for each in arguments))
    assert code == 2
    assert out == ""
    assert words in err
    assert len(err.splitlines()) == 1
    assert "Traceback" not in err
    assert "verdict      none" in call("status", "--index", indexed)[1]


def test_the_table_fits_a_small_terminal(indexed, queries, qrels, call, monkeypatch):
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "72")
    given = ("--index", indexed, "--queries", queries, "--qrels", qrels, "--no-keep", "--details")
    _, out, err = call("evaluate", *given)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", out).splitlines()
    head = next(line for line in lines if "configuration" in line)
    assert "minus bm25" in head
    assert "best?" in head
    assert "95 %" not in head
    row = next(line for line in lines if line.startswith("* "))
    assert len(row) <= 72
    assert "lsa/paragraph+function/hybrid" in row
    assert any("tied = these queries cannot tell it from the best" in line for line in lines), err


def test_ctrl_c_says_how_to_go_on(indexed, call, monkeypatch):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tellapart.experiments.evaluation.evaluate", interrupted)
    code, _, err = call("evaluate", "--index", indexed, "--no-keep")
    assert code == 130
    assert err.strip() == "tellapart: stopped; run the same command to go on where it was"


def test_files_that_changed_since_are_told(corpus, indexed, queries, qrels, call):
    asked = (*bm25_and_knn(indexed, queries, qrels), "--no-keep")
    _, _, err = call(*asked)
    assert "changed since" not in err
    (corpus / "README.md").write_text("# Other\n\nSomething else.\n")
    _, _, err = call(*asked)
    assert "1 file changed since this index was made" in err

"""Query and judgement files: every form of the field, and one clear line for what is wrong."""

import gzip
import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tellapart.errors import TellapartError
from tellapart.experiments.qrels import (
    SpanJudgement,
    read_beir,
    read_qrels,
    read_queries,
    read_spans,
)
from tellapart.experiments.semble import Target, read_semble

BEIR = "query-id\tcorpus-id\tscore\nq1\td 1\t2\nq1\td2\t0\nq2\td1\t-1\n"
TREC = "q1 0 d 1 2\nq1 0 d2 0\nq2 Q0 d1 -1\n"
GRADES = {"q1": {"d 1": 2, "d2": 0}, "q2": {"d1": -1}}


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize("name", ["qrels", "qrels.gz"])
@pytest.mark.parametrize(
    "text", [BEIR, BEIR.split("\n", 1)[1], TREC, TREC.replace("\n", "\r\n"), "\ufeff" + BEIR]
)
def test_reads_every_form_of_qrels(tmp_path, name, text):
    assert read_qrels(write(tmp_path / name, text)).grades == GRADES


def test_reads_tab_separated_trec_qrels(tmp_path):
    assert read_qrels(write(tmp_path / "q", "q1\t0\td 1\t2\nq1\t0\td2\t0\nq2\t0\td1\t-1\n")).grades == GRADES


def test_counts_repeated_judgements(tmp_path):
    qrels = read_qrels(write(tmp_path / "q", "q\ta\t1\nq\ta\t1\nq\tb\t1.0\n"))
    assert qrels.grades == {"q": {"a": 1, "b": 1}}
    assert qrels.repeated == 1


def test_lists_documents_and_queries_that_nobody_knows(tmp_path):
    qrels = read_qrels(write(tmp_path / "q", "q\tb\t1\nq\ta\t1\nr\tb\t1\n"))
    assert qrels.unknown_documents({"a"}) == ("b",)
    assert qrels.unknown_queries({"q": ""}) == ("r",)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("q\ta\t1\nq\ta\t2\n", 2, "grades 1 and 2"),
        ("q\ta\t1\n\nq\tb\thigh\n", 3, "'high'"),
        ("q\ta\t1\nq\tb\t0.5\n", 2, "'0.5'"),
        ("q\ta\t1\nq\tb\tinf\n", 2, "'inf'"),
        ("q\ta\t1\nq\tb\t99999999999\n", 2, "in range"),
        ("q\ta\t1\nq b 1\n", 2, "expected"),
        ("q\ta\t1\nq\t\t1\n", 2, "expected"),
        ("q 0 a 1\nq 0 1\n", 2, "expected"),
        ("just words\n", 1, "expected"),
    ],
)
def test_names_the_line_of_a_bad_judgement(tmp_path, text, line, says):
    with pytest.raises(TellapartError, match=f"qrels, line {line}: .*{says}") as refused:
        read_qrels(write(tmp_path / "qrels", text))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "\n \n", "query-id\tcorpus-id\tscore\n"])
def test_a_file_without_judgements_is_said_to_be_one(tmp_path, text):
    with pytest.raises(TellapartError, match="holds no judgement"):
        read_qrels(write(tmp_path / "qrels", text))


@pytest.mark.parametrize("name", ["queries.jsonl", "queries.jsonl.gz"])
def test_reads_queries_in_order(tmp_path, name):
    lines = [
        {"_id": "b", "text": "zwei\u2028lines"},
        {"_id": 1, "text": ""},
        {"_id": "b", "text": "zwei\u2028lines"},
    ]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    queries = read_queries(write(tmp_path / name, text))
    assert list(queries.texts.items()) == [("b", "zwei\u2028lines"), ("1", "")]
    assert queries.repeated == 1


@pytest.mark.parametrize("header", ["", "query-id\ttext\n", "qid\ttext\n"])
def test_reads_tab_separated_queries(tmp_path, header):
    queries = read_queries(write(tmp_path / "q.tsv", f"{header}1\thow are\tretries handled\n2\tb\n"))
    assert queries.texts == {"1": "how are\tretries handled", "2": "b"}


def test_reads_queries_from_stdin(monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"1\tone\n")))
    assert read_queries(Path("-")).texts == {"1": "one"}


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ('{"_id": "a", "text": "x"}\n{"_id": "a", "text": "y"}\n', 2, "twice"),
        ('{"_id": "a", "text": "x"}\nbroken\n', 2, "not JSON"),
        ('{"_id": "a"}\n', 1, "'text' is missing"),
        ('{"text": "a"}\n', 1, "'_id' is missing"),
        ('{"_id": true, "text": "a"}\n', 1, "'_id' is no text"),
        ('{"_id": "", "text": "a"}\n', 1, "empty"),
        ('{"_id": "a", "text": "x"}\n[1]\n', 2, "not an object"),
        ("no tab here\n", 1, "tab"),
        ("\tno id\n", 1, "tab"),
    ],
)
def test_names_the_line_of_a_bad_query(tmp_path, text, line, says):
    with pytest.raises(TellapartError, match=f"line {line}: .*{says}") as refused:
        read_queries(write(tmp_path / "queries", text))
    assert "\n" not in str(refused.value)


def test_says_what_cannot_be_read(tmp_path):
    with pytest.raises(TellapartError, match="cannot read"):
        read_queries(tmp_path / "missing")
    with pytest.raises(TellapartError, match="cannot read"):
        read_queries(tmp_path)
    (tmp_path / "latin").write_bytes(b"1\tcaf\xe9\n")
    with pytest.raises(TellapartError, match=r"latin, line 1: .*UTF-8"):
        read_queries(tmp_path / "latin")
    whole = gzip.compress(b"1\tone\n" * 1000)
    (tmp_path / "cut.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TellapartError, match="damaged"):
        read_queries(tmp_path / "cut.gz")
    with pytest.raises(TellapartError, match="holds no query"):
        read_queries(write(tmp_path / "empty", ""))


def beir(folder: Path, *splits: str) -> Path:
    write(folder / "queries.jsonl", "".join(f'{{"_id": "q{n}", "text": "t{n}"}}\n' for n in (1, 2, 3)))
    for split in splits:
        write(folder / "qrels" / split, BEIR)
    return folder


def test_reads_the_split_that_is_named_or_the_only_one(tmp_path):
    one = read_beir(beir(tmp_path / "one", "test.tsv.gz"))
    assert one.split == "test"
    assert one.queries.texts == {"q1": "t1", "q2": "t2"}
    assert read_beir(beir(tmp_path / "two", "dev.tsv", "test.tsv"), "dev").split == "dev"


@pytest.mark.parametrize(("splits", "split", "says"), [
    (("dev.tsv", "test.tsv"), None, "dev, test"),
    (("dev.tsv",), "train", "'train'; it has dev"),
    ((), None, "no .tsv file"),
])  # fmt: skip
def test_lists_the_splits_to_choose_from(tmp_path, splits, split, says):
    with pytest.raises(TellapartError, match=says):
        read_beir(beir(tmp_path, *splits), split)


def test_refuses_judged_queries_without_text(tmp_path):
    folder = beir(tmp_path, "test.tsv")
    write(folder / "queries.jsonl", '{"_id": "q1", "text": "t"}\n')
    with pytest.raises(TellapartError, match="'q2'"):
        read_beir(folder)
    with pytest.raises(TellapartError, match="not a BEIR folder"):
        read_beir(tmp_path / "qrels")


def test_reads_spans_by_the_names_of_their_columns(tmp_path):
    path = write(tmp_path / "s.tsv", "end\tquery-id\tcorpus-id\tstart\tnote\n9\tq\td\t3\tx\n9\tq\td\t3\ty\n")
    assert read_spans(path) == (SpanJudgement("q", "d", 3, 9),)
    graded = write(tmp_path / "g.tsv", "query-id\tcorpus-id\tstart\tend\tscore\nq\td\t0\t2\t3\n")
    assert read_spans(graded) == (SpanJudgement("q", "d", 0, 2, 3),)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "line 1: .*'query-id'"),
        ("query-id\tstart\tend\n", "'corpus-id'"),
        ("query-id\tcorpus-id\tstart\tend\nq\td\t5\t5\n", r"line 2: \[5, 5\) is not a span"),
        ("query-id\tcorpus-id\tstart\tend\nq\td\t5\n", "line 2: 3 columns"),
        ("query-id\tcorpus-id\tstart\tend\nq\td\tx\t5\n", "line 2: the start 'x'"),
    ],
)
def test_names_the_line_of_a_bad_span(tmp_path, text, says):
    with pytest.raises(TellapartError, match=says):
        read_spans(write(tmp_path / "s.tsv", text))


def test_imports_semble_annotations(tmp_path):
    entries = [
        {"query": "a", "relevant": ["x.py"], "secondary": ["y.py"], "category": "symbol"},
        {"query": "b", "relevant": [{"path": "x.py", "start_line": 3, "end_line": 9}], "seed": {}},
    ]
    found = read_semble(write(tmp_path / "flask.json", json.dumps(entries)))
    assert found.queries.texts == {"flask-1": "a", "flask-2": "b"}
    assert found.targets["flask-1"] == (Target("x.py", None, False), Target("y.py", None, True))
    assert found.targets["flask-2"] == (Target("x.py", (3, 9), False),)
    assert found.categories == {"flask-1": "symbol", "flask-2": ""}


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ("nonsense", "not JSON"),
        ("{}", "not a list"),
        ('[{"relevant": ["x"]}]', "entry 1: .*query"),
        ('[{"query": "a", "relevant": []}]', "entry 1: no relevant"),
        ('[{"query": "a", "relevant": "x"}]', "entry 1: .*not a list"),
        (
            '[{"query": "a", "relevant": [{"path": "x", "start_line": 9, "end_line": 3}]}]',
            "entry 1: .*neither",
        ),
    ],
)
def test_names_the_entry_of_a_bad_annotation(tmp_path, entries, says):
    with pytest.raises(TellapartError, match=says):
        read_semble(write(tmp_path / "a.json", entries))


def test_reads_the_collections_of_the_field(data):
    for folder in sorted(path for path in data.iterdir() if (path / "queries.jsonl").is_file()):
        for split in sorted(path.stem for path in (folder / "qrels").glob("*.tsv")):
            assert read_beir(folder, split).qrels.repeated == 0
    annotations = [
        read_semble(path) for path in sorted((data / "semble-bench" / "annotations").glob("*.json"))
    ]
    assert sum(len(one.queries.texts) for one in annotations) == 852
    spans = [t for one in annotations for targets in one.targets.values() for t in targets if t.lines]
    assert len(spans) == 27

"""Judgements in every form, and what is wrong with them."""

from __future__ import annotations

import json

import pytest

from tellapart.errors import TellapartError
from tellapart.experiments.query_files import read_query_set


def write(path, *lines):
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def queries(tmp_path):
    return write(tmp_path / "queries.tsv", "a\trose garden", "b\tsun", "c\twater")


def qrels(tmp_path, *lines):
    return write(tmp_path / "qrels.tsv", "query-id\tcorpus-id\tscore", *lines)


def test_documents_are_judged(mixed, queries, tmp_path):
    read = read_query_set(
        mixed, queries, qrels(tmp_path, "a\ttext00.txt\t2", "b\ttext01.txt\t1", "c\ttext00.txt\t1")
    )
    assert dict(read.queries) == {"a": "rose garden", "b": "sun", "c": "water"}
    assert read.notes == ()
    assert read.cluster("a") == read.cluster("c") != read.cluster("b")


def test_unknown_documents_are_counted_and_listed(mixed, queries, tmp_path):
    lines = [f"a\ttext{number:02d}.txt\t1" for number in range(9)]
    read = read_query_set(mixed, queries, qrels(tmp_path, *lines, "b\tgone.txt\t1"))
    assert any("1 of 10 judged documents" in note and "gone.txt" in note for note in read.notes)


def test_judgements_of_another_corpus_are_refused(mixed, queries, tmp_path):
    with pytest.raises(TellapartError, match=r"1 of 2 judged documents are not in the index .*gone.txt"):
        read_query_set(mixed, queries, qrels(tmp_path, "a\ttext00.txt\t1", "b\tgone.txt\t1"))


def test_what_does_not_count_is_said(mixed, queries, tmp_path):
    read = read_query_set(
        mixed, queries, qrels(tmp_path, "a\ttext00.txt\t1", "b\ttext01.txt\t0", "x\ttext02.txt\t1")
    )
    assert dict(read.queries) == {"a": "rose garden"}
    words = " ".join(read.notes)
    assert "1 query without judgements left out: c" in words
    assert "1 query without any relevant document left out: b" in words
    assert "1 judged query without a text left out: x" in words


def test_all_judgements_zero(mixed, queries, tmp_path):
    with pytest.raises(TellapartError, match="none of the 2 judged queries has a relevant document"):
        read_query_set(mixed, queries, qrels(tmp_path, "a\ttext00.txt\t0", "b\ttext01.txt\t0"))


def test_judgements_of_other_queries(mixed, queries, tmp_path):
    with pytest.raises(TellapartError, match=r"no query is judged: .*'a'.*'x'"):
        read_query_set(mixed, queries, qrels(tmp_path, "x\ttext00.txt\t1"))


def test_queries_without_any_judgement(mixed, queries):
    with pytest.raises(TellapartError, match="--qrels or --spans"):
        read_query_set(mixed, queries)


def test_a_split_needs_a_folder(mixed, queries):
    with pytest.raises(TellapartError, match="--split"):
        read_query_set(mixed, queries, split="dev")


def test_units_are_judged_by_the_ids_that_search_prints(mixed, queries, tmp_path):
    hit = mixed.search("rose", granularity="paragraph", ranker="knn")[0]
    read = read_query_set(mixed, queries, qrels(tmp_path, f"a\t{hit.id}\t2"))
    (span,) = read.spans["a"]
    assert (span.document, span.start, span.end, span.grade) == (hit.document, *hit.span, 2)
    assert read.qrels.grades["a"] == {hit.document: 2}


def test_passages_alone_judge_their_documents(mixed, queries, tmp_path):
    spans = write(
        tmp_path / "spans.tsv",
        "query-id\tcorpus-id\tstart\tend\tscore",
        "a\ttext00.txt\t0\t10\t1",
        "a\ttext00.txt\t12\t20\t2",
    )
    read = read_query_set(mixed, queries, spans=spans)
    assert read.qrels.grades["a"] == {"text00.txt": 2}
    assert [(span.start, span.end) for span in read.spans["a"]] == [(0, 10), (12, 20)]


def test_a_beir_folder(mixed, tmp_path):
    folder = tmp_path / "beir"
    (folder / "qrels").mkdir(parents=True)
    write(folder / "queries.jsonl", json.dumps({"_id": "a", "text": "rose"}))
    write(folder / "qrels" / "dev.tsv", "query-id\tcorpus-id\tscore", "a\ttext03.txt\t1")
    assert read_query_set(mixed, folder).qrels.grades == {"a": {"text03.txt": 1}}
    with pytest.raises(TellapartError, match="no split 'test'"):
        read_query_set(mixed, folder, split="test")


def test_annotations_of_files_and_lines(mixed, tmp_path):
    entries = [
        {"query": "where", "relevant": ["project/module0.py"], "category": "semantic"},
        {"query": "which", "relevant": [{"path": "module1.py", "start_line": 1, "end_line": 2}]},
    ]
    path = write(tmp_path / "repo.json", json.dumps(entries))
    gold = read_query_set(mixed, path)
    assert gold.qrels.grades == {"repo-1": {"module0.py": 1}, "repo-2": {"module1.py": 1}}
    (span,) = gold.spans["repo-2"]
    text = mixed.get("module1.py").text
    assert text[span.start : span.end] == "".join(text.splitlines(keepends=True)[:2])
    assert gold.categories["repo-1"] == "semantic"

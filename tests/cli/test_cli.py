"""The command line as a person or a script meets it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tellapart.cli.app import VERBS


def test_search_builds_a_word_index_and_says_how_to_add_vectors(corpus, call):
    code, out, err = call("search", "retry with backoff", corpus)
    assert code == 0
    assert "src/client.py:8-" in out
    assert f"tellapart index {corpus}" in err
    assert (corpus / ".tellapart" / ".gitignore").read_text() == "*\n"
    _, _, again = call("search", "retry with backoff", corpus)
    assert again == ""


def test_the_exact_solver_shows_its_certificate(indexed, call):
    asked = (
        "search",
        "roses",
        "--index",
        indexed,
        "--ranker",
        "svm",
        "--granularity",
        "sentence",
        "--c",
        0.1,
    )
    code, out, err = call(*asked, "--solver", "exact", "--explain")
    assert code == 0
    assert "svm: optimum by an exact scan" in err
    code, out, _ = call(*asked, "--solver", "exact", "--json")
    (certificate,) = json.loads(out)["certificates"]
    assert list(certificate) == ["kind", "rounds", "active", "violation", "gap", "holds"]
    assert certificate["holds"]
    assert json.loads(call(*asked, "--json")[1])["certificates"] == []
    assert call(*asked, "--solver", "best")[0] == 2
    assert call(*asked, "--lambda", 1.0)[0] == 2


def test_search_json_is_the_documented_shape(indexed, call):
    code, out, _ = call("search", "roses", "--index", indexed, "--json", "-k", 3)
    answer = json.loads(out)
    assert code == 0
    assert list(answer) == [
        "schema",
        "query",
        "like",
        "unlike",
        "configuration",
        "why",
        "calibration",
        "certificates",
        "freshness",
        "partial",
        "hits",
        "absent",
    ]
    assert answer["schema"] == 1
    assert answer["configuration"] == {
        "encoder": "lsa",
        "granularity": "paragraph+function",
        "ranker": "hybrid",
    }
    expected = [
        "rank",
        "id",
        "document",
        "path",
        "granularity",
        "span",
        "lines",
        "score",
        "probability",
        "text",
    ]
    for rank, hit in enumerate(answer["hits"], start=1):
        assert list(hit) == [*expected, "components", "place", "unit", "label", "indent", "copies"]
        assert hit["rank"] == rank
        assert hit["probability"] is None
    words = json.loads(call("search", "roses", "--index", indexed, "--json", "--ranker", "bm25")[1])
    assert words["configuration"]["encoder"] is None


def test_explain_shows_what_a_score_is_made_of(indexed, call):
    _, out, err = call("search", "roses", "--index", indexed, "--explain")
    assert "bm25 " in out
    assert "knn " in out
    assert "lsa/paragraph+function/hybrid" in err


def test_related_takes_a_file_on_disk_with_a_line(corpus, indexed, call):
    code, out, _ = call("related", f"{corpus}/src/client.py:10", "--index", indexed, "--json")
    answer = json.loads(out)
    assert code == 0
    assert all(hit["lines"][0] != 8 or hit["document"] != "src/client.py" for hit in answer["hits"])


def test_run_writes_a_trec_run(indexed, tmp_path, call):
    queries = tmp_path / "queries.jsonl"
    queries.write_text('{"_id": "1", "text": "roses in winter"}\n{"_id": "2", "text": "retry"}\n')
    choice = ("--ranker", "bm25", "--granularity", "paragraph+function")
    code, _, err = call("run", queries, "--index", indexed, *choice, "--output", tmp_path / "run.trec")
    assert code == 0, err
    rows = [line.split() for line in (tmp_path / "run.trec").read_text().splitlines()]
    assert {row[0] for row in rows} == {"1", "2"}
    assert "notes/winter.txt" in {row[2] for row in rows if row[0] == "1"}
    assert [int(row[3]) for row in rows if row[0] == "1"] == list(
        range(1, 1 + sum(r[0] == "1" for r in rows))
    )
    named = call(
        "run", queries, "--index", indexed, "--configuration", "lsa/sentence/knn", "--output", tmp_path / "b"
    )
    assert named[0] == 0


def test_export_is_in_one_order(corpus, indexed, tmp_path, call):
    code, _, err = call(
        "export", "--index", indexed, "--granularity", "function", "--output", tmp_path / "out"
    )
    assert code == 0, err
    vectors = np.load(tmp_path / "out" / "vectors.npy")
    units = [json.loads(line) for line in (tmp_path / "out" / "units.jsonl").read_text().splitlines()]
    assert len(vectors) == len(units) > 4
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)
    assert units[0].keys() == {"id", "document", "span", "granularity"}
    text = (corpus / units[0]["document"]).read_text()
    assert text[slice(*units[0]["span"])]


def test_status_counts_and_lists_what_was_skipped(corpus, call):
    (corpus / ".gitignore").write_text("*.log\n")
    (corpus / "noise.log").write_text("x\n")
    (corpus / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    call("index", corpus, "--encoder", "none")
    code, out, _ = call("status", corpus, "--json")
    state = json.loads(out)
    assert code == 0
    assert state["documents"] == 4
    assert state["changed_sources"] == 0
    skipped = {
        entry["path"]: entry["reason"]
        for entry in json.loads(call("status", corpus, "--skipped", "--json")[1])["skipped"]
    }
    assert "picture.png" in skipped
    assert "noise.log" in skipped
    (corpus / "README.md").write_text("changed")
    assert json.loads(call("status", corpus, "--json")[1])["changed_sources"] == 1
    assert call("status", corpus, "--verify")[0] == 0


def test_clear_removes_an_encoder_then_the_index(indexed, call):
    assert call("clear", "--index", indexed, "--encoder", "lsa")[0] == 0
    assert (
        json.loads(call("search", "roses", "--index", indexed, "--json")[1])["configuration"]["encoder"]
        is None
    )
    assert call("clear", "--index", indexed)[0] == 0
    assert not indexed.exists()


def test_index_without_paths_keeps_its_sources(corpus, indexed, call):
    (corpus / "notes" / "bees.txt").write_text("Bees like lavender.\n")
    code, _, err = call("index", "--index", indexed)
    assert code == 0
    assert "1 documents added" in err
    assert json.loads(call("status", "--index", indexed, "--json")[1])["documents"] == 5


def test_an_index_of_words_only_stays_one(corpus, tmp_path, call):
    call("index", corpus, "--index", tmp_path / "words", "--encoder", "none")
    call("index", "--index", tmp_path / "words")
    assert json.loads(call("status", "--index", tmp_path / "words", "--json")[1])["encoders"] == []


def test_several_paths_are_one_corpus(corpus, tmp_path, call):
    paths = (corpus / "notes", corpus / "src", corpus / "README.md")
    call("index", *paths, "--index", tmp_path / "all", "--encoder", "none")
    hits = json.loads(call("search", "roses", "--index", tmp_path / "all", "--json")[1])["hits"]
    assert {hit["document"] for hit in hits} == {"notes/winter.txt", "README.md"}


def test_standard_input_is_a_source(tmp_path):
    arguments = [sys.executable, "-m", "tellapart"]
    options = ["--index", str(tmp_path / "idx")]
    piped = [*arguments, "index", "-", *options, "--encoder", "none"]
    subprocess.run(piped, input="Ferns grow in the shade.", text=True, check=True, capture_output=True)
    found = subprocess.run(
        [*arguments, "search", "ferns", *options, "--json"], capture_output=True, text=True, check=True
    )
    assert json.loads(found.stdout)["hits"][0]["document"] == "stdin"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["search", "x", "/nowhere/at/all"], "does not exist"),
        (["search", "", "."], "query is empty"),
        (["search", "x", "--index", "/nowhere/at/all"], "tellapart index PATH --index"),
        (["search"], "nothing to search for"),
        (["search", "x", "--granularity", "chapter", "--index", "INDEX"], "unknown granularity 'chapter'"),
        (["search", "x", "--ranker", "best", "--index", "INDEX"], "unknown ranker 'best'"),
        (
            ["search", "x", "--ranker", "best", "--index", "INDEX"],
            "with --like: ridge, expanded-ridge",
        ),
        (["search", "x", "--colour", "red"], "No such option: --colour"),
        (["search", "x", "-k", "many"], "'many' is not a valid"),
        (["search", "x", "--lines", "-5"], "-5 is not in the range"),
        (["calibrate", "--index", "INDEX", "--seed", "-1"], "-1 is not in the range"),
        (["index", ".", "--max-bytes", "0"], "0 is not in the range"),
        (["ask", "x", "--index", "INDEX", "--model", "m", "--endpoint", "nowhere"], "is no URL"),
        (["index", "/nowhere/at/all", "--index", "INDEX"], "/nowhere/at/all"),
        (["index", "--index", "INDEX", "--encoder", "word2vec"], "word2vec"),
        (["index", "--index", "INDEX", "--encoder", "none"], "stands alone"),
        (["run", "/nowhere.jsonl", "--index", "INDEX", "--output", "/dev/null"], "/nowhere.jsonl"),
        (["related", "nowhere.py:3", "--index", "INDEX"], "nowhere.py"),
        (["related", "README.md:0", "--index", "INDEX"], "lines count from 1"),
        (["clear", "--index", "/nowhere/at/all"], "nothing to remove"),
        (["clear", "--index", "INDEX", "--encoder", "minilm"], "has no encoder 'minilm'"),
        (["bake"], "bake"),
        (["relation", "learn"], "See 'tellapart relation learn --help'"),
    ],
)
def test_wrong_use_is_one_line_and_exit_2(indexed, call, arguments, words):
    code, out, err = call(*[str(indexed) if argument == "INDEX" else argument for argument in arguments])
    assert code == 2
    assert out == ""
    assert words in err
    assert err.startswith("tellapart: error: ")
    assert err.count("\n") == 1


def test_every_verb_has_help_and_is_documented(call):
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    for verb in VERBS:
        code, out, _ = call(verb, "--help")
        assert code == 0
        assert "Usage" in out
        assert f"tellapart {verb} " in out.partition("Examples:")[2]
        assert f"`tellapart {verb} " in readme


def test_shells_can_complete_verbs_and_names():
    def completed(words, position):
        typed = {"_TELLAPART_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(position)}
        command = [sys.executable, "-m", "tellapart"]
        done = subprocess.run(
            command, env={**os.environ, **typed}, capture_output=True, text=True, check=True
        )
        return done.stdout.split()

    assert completed("tellapart re", 1) == ["related", "relation"]
    assert "hybrid" in completed("tellapart search x --ranker ", 4)


def test_closed_pipe_is_quiet(corpus):
    shell = f"{sys.executable} -m tellapart search roses {corpus} -k 100 --lines 50 | head -c 1"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=True)
    assert "Traceback" not in done.stderr
    assert "Broken" not in done.stderr


def test_import_is_light():
    code = (
        "import sys, tellapart; heavy = {"
        "'numpy', 'faiss', 'onnxruntime', 'torch', 'sklearn', 'scipy', 'rich', 'typer'};"
        "found = heavy & set(sys.modules); assert not found, found"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_search_imports_nothing_heavy(corpus, call):
    call("index", corpus, "--encoder", "none")
    code = (
        "import sys; from tellapart.cli.app import run; assert run(['search', 'roses', sys.argv[1]]) == 0;"
        "heavy = {'faiss', 'onnxruntime', 'torch', 'sklearn', 'scipy', 'rich', 'tree_sitter', 'tokenizers'};"
        "found = heavy & set(sys.modules); assert not found, found"
    )
    subprocess.run([sys.executable, "-c", code, str(corpus)], check=True, capture_output=True)


def test_a_hit_in_a_table_names_the_row_that_matches(tmp_path, call):
    rows = "".join(f'{n},"a note\nabout {n}"\n' for n in range(1, 61)).replace("about 40", "about zanzibar")
    (tmp_path / "t.csv").write_text("id,note\n" + rows)
    assert call("index", tmp_path, "--encoder", "none")[0] == 0
    _, out, _ = call("search", "zanzibar", tmp_path)
    assert out.startswith(" 1  t.csv row 41 ")


def test_a_line_of_a_file_of_records_names_the_record_on_it(tmp_path, call):
    records = [
        {"_id": "a", "text": "red roses"},
        {"_id": "b", "text": "roses in summer"},
        {"_id": "c", "text": "roses"},
    ]
    (tmp_path / "r.jsonl").write_text("\n\n".join(map(json.dumps, records)) + "\n")
    assert call("index", tmp_path, "--encoder", "none")[0] == 0
    for place in (tmp_path / "r.jsonl:3", "r.jsonl/b:3", "r.jsonl/b"):
        code, out, err = call("search", "--like", place, "--index", tmp_path / ".tellapart", "--json")
        assert code == 0, err
        assert {hit["document"] for hit in json.loads(out)["hits"]} == {"r.jsonl/a", "r.jsonl/c"}


def test_a_mistyped_encoder_is_not_wanted_ever_after(corpus, call):
    code, _, err = call("index", corpus, "--encoder", "minlm")
    assert code == 2
    assert "unknown encoder 'minlm'" in err
    assert call("index", corpus, "--encoder", "lsa")[0] == 0
    assert call("index", corpus, "--encoder", "lsa+minilm")[0] == 2
    assert call("index", corpus)[0] == 0


def test_beside_a_pattern_or_an_example_a_folder_is_where_to_search(corpus, call):
    code, out, _ = call("search", "--regex", r"def \w+", corpus, "-k", 2)
    assert code == 0
    assert "src/client.py:" in out
    assert (corpus / ".tellapart").is_dir()
    like = call("search", "--like", "src/client.py", corpus, "-k", 2)
    assert (
        like[:2] == call("search", "--like", "src/client.py", "--index", corpus / ".tellapart", "-k", 2)[:2]
    )
    assert like[0] == 0
    assert like[1]

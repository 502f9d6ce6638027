"""A part of the documents gets vectors; the others are found by their words."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tellapart.corpus.document import Granularity
from tellapart.corpus.ignore import Named
from tellapart.engine import Index
from tellapart.errors import TellapartError
from tellapart.experiments import evaluate


@pytest.mark.parametrize(
    ("globs", "named", "others"),
    [
        (["src/"], ["src/a.py", "src/deep/b.py", "lib/src/c.py"], ["docs/a.md", "source/a.py"]),
        (["/src/"], ["src/a.py"], ["lib/src/c.py"]),
        (["*.md"], ["a.md", "docs/b.md"], ["a.py"]),
        (["docs/**", "!docs/old/"], ["docs/a.md"], ["docs/old/b.md", "a.md"]),
        (["**/*.py", "!*_pb2.py"], ["a/b.py"], ["a/b_pb2.py"]),
    ],
)
def test_globs_are_those_of_gitignore(globs, named, others):
    rules = Named(globs)
    assert all(map(rules.covers, named))
    assert not any(map(rules.covers, others))


def with_vectors(index: Index) -> set[str]:
    found = set()
    with index.reading() as snapshot:
        names = index.store.identifiers()
        (encoder,) = snapshot.encoders
        for level in (Granularity.PARAGRAPH, Granularity.FUNCTION):
            table, vectors = snapshot.units(level), snapshot.vectors(encoder, level)
            rows = np.flatnonzero([vectors.take(np.array([row])).any() for row in range(table.n_rows)])
            found |= {names[number] for number in table.locate(rows)[0].tolist()}
    return found


def test_only_named_documents_have_vectors_and_all_are_found_by_words(corpus, tmp_path, encoders):
    folder = tmp_path / "my.idx"
    with Index.build(corpus, folder, encoders="words", vectors_for="src/") as index:
        everything = set(index.store.identifiers().values())
        code = {name for name in everything if name.startswith("src/")}
        assert with_vectors(index) == code
        found = index.search("roses in winter", k=20)
        assert {hit.document for hit in found} - code
        assert any("src/" in note for note in found.notes)
        assert {hit.document for hit in index.search("roses", ranker="knn", k=50)} <= code
    (corpus / "src" / "new.py").write_text("def fresh():\n    return 'new'\n")
    (corpus / "new.md").write_text("Something new about roses.\n")
    with Index.open(folder) as index:
        index.update()  # remembered
        assert with_vectors(index) == code | {"src/new.py"}


def test_it_can_be_changed_and_taken_back(corpus, tmp_path, call):
    folder = tmp_path / "my.idx"
    asked = ("index", corpus, "--index", folder, "--encoder", "minilm")
    assert call(*asked, "--vectors-for", "*.md", "--vectors-for", "!notes/")[0] == 0
    with Index.open(folder) as index:
        before = with_vectors(index)
        assert before
        assert all(name.endswith(".md") for name in before)
    code, out, _ = call("status", "--index", folder)
    assert "*.md or !notes/" in out
    _, out, err = call("search", "roses", "--index", folder, "--json")
    assert "--vectors-for" in err
    assert call("index", "--index", folder, "--vectors-for", "*")[0] == 0
    with Index.open(folder) as index:
        assert with_vectors(index) == set(index.store.identifiers().values())
    assert "--vectors-for" not in call("search", "roses", "--index", folder)[2]
    code, _, err = call("index", "--index", folder, "--vectors-for", " / ")
    assert code == 2
    assert json.dumps(err).count("\\n") == 1


def test_evaluate_says_that_not_all_have_vectors(corpus, tmp_path, encoders):
    with Index.build(corpus, tmp_path / "my.idx", encoders="words", vectors_for="src/") as index:
        verdict = evaluate(index, keep=False)
    assert any("--vectors-for" in note for note in verdict.notes)


def test_an_empty_glob_names_nothing(corpus, tmp_path):
    with pytest.raises(TellapartError, match="vectors_for"):
        Index.build(corpus, tmp_path / "my.idx", vectors_for=7)

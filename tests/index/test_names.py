"""Paths and labels as fields of their own."""

from __future__ import annotations

import numpy as np
import pytest

from tellapart.corpus.document import Document, Kind
from tellapart.corpus.units import split
from tellapart.engine import Index
from tellapart.index.names import FILE, Names, NamesWriter, SegmentNames
from tellapart.index.naming import last_name, plain, words_of


def _document(path: str, text: str, language: str = "python") -> Document:
    return Document(path, text, Kind.CODE, language, path=path)


def _written(tmp_path, *documents: Document) -> SegmentNames:
    writer = NamesWriter()
    for document in documents:
        writer.add(document, split(document))
    tmp_path.mkdir(exist_ok=True)
    writer.write(tmp_path)
    return SegmentNames(tmp_path / FILE)


CLIENT = _document(
    "src/http/ClientSession.py",
    "class Client:\n    def get(self):\n        pass\n\n    def parse_json(self):\n        pass\n",
)
TEST = _document("tests/test_client.py", "def test_get():\n    assert True\n")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("src/HTTPServer_v2.go", ["src", "http", "server", "v", "2", "go"]),
        ("how is JSON parsed?", ["how", "is", "json", "parsed"]),
        ("übergrößenTräger.py", ["übergrößen", "träger", "py"]),
        ("", []),
    ],
)
def test_words_of_paths_and_queries(text, words):
    assert words_of(text) == words


@pytest.mark.parametrize("name", ["Foo.bar", "a::b::bar", "Foo#bar", "p->bar", "bar"])
def test_last_name(name):
    assert last_name(name) == "bar"


def test_one_name_in_three_spellings():
    assert plain("parse_json") == plain("parseJson") == plain("ParseJSON") == "parsejson"


def test_words_find_documents_and_labels(tmp_path):
    names = _written(tmp_path, CLIENT, TEST)
    assert names.find("stem", "session").tolist() == [0]
    assert names.find("stem", "client").tolist() == [0, 1]
    assert names.find("folder", "tests").tolist() == [1]
    assert names.find("stem", "nothing").tolist() == []
    assert [names.labels[label] for label in names.find("plain", "parsejson")] == ["parse_json"]
    assert {
        words
        for number in names.alike("stem", "sessions", 3)
        for words in names.rows("stem", number).tolist()
    } == {0}
    assert list(names.alike("stem", "se", 3)) == []


def test_a_definition_knows_its_units(tmp_path):
    names = _written(tmp_path, TEST, CLIENT)
    (label,) = names.find("plain", "parsejson").tolist()
    tree = split(CLIENT)
    document, function, class_ = names.units[1:, names.rows("labelled", label)[0]].tolist()
    assert document == 1
    assert tree.levels["function"].labels[function] == "parse_json"
    assert tree.levels["class"].labels[class_] == "Client"


def test_merged_names_are_those_of_the_live_documents(tmp_path):
    first, second = _written(tmp_path / "a", CLIENT, TEST), _written(tmp_path / "b", CLIENT)
    writer = NamesWriter()
    writer.take(first, np.array([False, True]))
    writer.take(second, np.array([True]))
    (tmp_path / "c").mkdir()
    writer.write(tmp_path / "c")
    merged, anew = SegmentNames(tmp_path / "c" / FILE), _written(tmp_path / "d", TEST, CLIENT)
    assert merged.paths == anew.paths
    assert merged.labels == anew.labels
    assert (merged.units == anew.units).all()
    assert Names([first, merged]).n_documents == 4
    assert Names([first, merged]).path(2) == TEST.path


def test_a_segment_without_names(tmp_path):
    names = _written(tmp_path)
    assert len(names) == 0
    assert names.paths == []
    assert names.find("part", "x").tolist() == []


def test_names_survive_updates(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for number in range(9):
        (source / f"module_{number}.py").write_text(f"def function_{number}():\n    return {number}\n")
        index = Index.build([source], tmp_path / "index", encoders=())
        (source / "module_0.py").write_text(f"def other_{number}():\n    return 1\n")
        index.close()
    (source / "module_3.py").unlink()
    index = Index.build([source], tmp_path / "index", encoders=())
    with index.reading() as snapshot:
        names, table = snapshot.names, snapshot.units("function")
        assert names.n_documents == len(table.documents)
        paths = index.store.identifiers()
        for position, number in enumerate(table.documents.tolist()):
            if number in paths:
                assert names.path(position) == paths[number]
    index.close()

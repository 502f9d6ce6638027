"""BEIR and JSONL records."""

import gzip
import json

import pytest

from tellapart.corpus.document import Document, Kind
from tellapart.corpus.places import place_of
from tellapart.corpus.read import read
from tellapart.corpus.scan import scan
from tellapart.corpus.sources import ScanOptions, Unreadable
from tellapart.errors import TellapartError

DEFAULT = ScanOptions()


def write(path, *records) -> None:
    lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
    path.write_text("\n".join(lines) + "\n")


def documents(path, **options) -> list[Document]:
    return read_all(path, **options)[0]


def read_all(path, **options) -> tuple[list[Document], dict[str, str]]:
    """Documents, and the reasons of what was skipped by its name."""
    settings, skipped = ScanOptions(**options), []
    found = [document for source in scan([path], settings)[0] for document in read(source, settings, skipped)]
    return found, {entry.path: entry.reason for entry in skipped}


def test_beir_text_is_title_newline_text(tmp_path):
    write(
        tmp_path / "corpus.jsonl",
        {"_id": "1", "title": "A title", "text": "The text.", "metadata": {"year": 1999}, "extra": [1, 2]},
        {"_id": "2", "title": "", "text": "Only text."},
        {"_id": "3", "title": "Only title", "text": ""},
        {"_id": "4", "title": None, "text": None},
        {"_id": 5, "text": "An id that is a number."},
    )
    found = documents(tmp_path)
    assert [(d.id, d.text, d.title) for d in found] == [
        ("1", "A title\nThe text.", "A title"),
        ("2", "Only text.", ""),
        ("3", "Only title", "Only title"),
        ("4", "", ""),
        ("5", "An id that is a number.", ""),
    ]
    assert found[0].metadata == {"year": 1999, "extra": [1, 2]}
    assert all(document.path is None for document in found)


def test_jsonl_fields(tmp_path):
    write(
        tmp_path / "x.jsonl",
        {"id": "a", "contents": "def f():\n    pass\n", "language": "python", "path": "src/f.py"},
        {"id": "b", "body": "Some words in a sentence.", "kind": "prose", "language": "en", "url": "u"},
        {"content": "Some more words in another sentence."},
        {"text": "And a fourth one, with neither id nor title."},
    )
    a, b, c, d = documents(tmp_path / "x.jsonl")
    assert (a.id, a.kind, a.language, a.path) == ("a", Kind.CODE, "python", "src/f.py")
    assert (b.id, b.kind, b.language) == ("b", Kind.PROSE, None)
    assert b.metadata == {"language": "en", "url": "u"}
    assert [c.id, d.id] == ["x.jsonl:3", "x.jsonl:4"]


def test_ids_are_prefixed_among_other_sources(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    for name in ("one", "two"):
        write(tmp_path / name / "corpus.jsonl", {"_id": "7", "text": "words"}, {"text": "more words"})
    sources, _ = scan([tmp_path / "one", tmp_path / "two"], DEFAULT)
    ids = [document.id for source in sources for document in read(source, DEFAULT)]
    assert ids == ["one/7", "one/corpus.jsonl:2", "two/7", "two/corpus.jsonl:2"]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"_id": "1", "text": "again"}, "the id '1' is already that of line 1"),
        ("{broken", "not JSON"),
        ('{"a": 1}', "no field with a text"),
        ('{"text": 3}', "the field 'text' is not a string"),
        ('{"text": ["a", "b"]}', "the field 'text' is not a string"),
        ('{"text": "x", "title": 3}', "the field 'title' is not a string"),
        ("[1, 2]", "an array, not an object"),
        ("null", "null, not an object"),
        ('{"_id": 1.5, "text": "x"}', "neither a string nor a whole number"),
        ('{"_id": "", "text": "x"}', "neither a string nor a whole number"),
        ('{"text": ' + "[" * 100_000, "not JSON"),
    ],
)
def test_an_odd_record_is_skipped_with_its_line_and_the_others_stay(tmp_path, bad, reason):
    write(tmp_path / "corpus.jsonl", {"_id": "1", "text": "one"}, bad, {"_id": "3", "text": "three"})
    for named in (tmp_path / "corpus.jsonl", tmp_path):
        found, skipped = read_all(named)
        assert [document.id for document in found] == ["1", "3"]
        assert list(skipped) == ["corpus.jsonl:2"]
        assert reason in skipped["corpus.jsonl:2"]


def test_the_first_line_may_be_the_odd_one(tmp_path):
    write(tmp_path / "log.jsonl", "# made today", {"text": "one"})
    found, skipped = read_all(tmp_path)
    assert [document.id for document in found] == ["log.jsonl/log.jsonl:2"]
    assert list(skipped) == ["log.jsonl:1"]


def test_many_odd_records_are_counted(tmp_path):
    write(tmp_path / "log.jsonl", {"text": "one"}, *["{broken"] * 1_000)
    _, skipped = read_all(tmp_path)
    assert len(skipped) == 21
    assert skipped["log.jsonl"] == "980 more lines that are no records"


def test_a_record_stands_on_its_line(tmp_path):
    write(tmp_path / "x.jsonl", {"_id": "a", "text": "one\ntwo"}, "", {"_id": "b", "text": "three"})
    a, b = documents(tmp_path / "x.jsonl")
    assert place_of(a, 4, 7).lines == (1, 1)
    assert place_of(b, 0, 5).lines == (3, 3)


def test_jsonl_without_texts_is_plain_text_in_a_folder_and_an_error_when_named(tmp_path):
    write(tmp_path / "questions.jsonl", {"question": "what?"}, {"question": "why?"})
    (document,) = documents(tmp_path)
    assert document.id == "questions.jsonl"
    assert '"why?"' in document.text
    with pytest.raises(TellapartError, match="must be a JSON object with a text"):
        documents(tmp_path / "questions.jsonl")


def test_odd_but_valid_files(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_bytes(
        b'\xef\xbb\xbf\n  \n{"_id": "1", "text": "a\\ud800b\\u2028c"}\r\n{"_id": "2", "text": "\xff"}'
    )
    first, second = documents(path)
    assert first.text == "a\ufffdb\u2028c"
    first.text.encode()
    assert len(second.text) == 1
    path.write_bytes('{"_id": "1", "text": "naïve"}\n{"_id": "2", "text": "x"}\n'.encode("utf-16"))
    assert [document.text for document in documents(path)] == ["naïve", "x"]


def test_a_huge_record_is_skipped(tmp_path, monkeypatch):
    from tellapart.corpus.readers import records

    path = tmp_path / "x.jsonl"
    monkeypatch.setattr(records, "_MAX_LINE", 50)
    path.write_text('{"text": "x"}\n{"text": "' + "y" * 120 + '"}\n{"text": "z"}\n')
    found, skipped = read_all(path)
    assert [document.text for document in found] == ["x", "z"]
    assert skipped == {"x.jsonl:2": "a line of over 50 bytes is not a record"}


def test_uncertain_records_follow_the_majority(tmp_path):
    prose = "The patients who were treated for a long time recovered better than the others did."
    records = [{"_id": str(i), "text": f"{prose} {i}"} for i in range(50)]
    records += [{"_id": "short", "text": "x = f(y)"}, {"_id": "late", "text": "A[1]"}]
    write(tmp_path / "corpus.jsonl", *records)
    assert {document.kind for document in documents(tmp_path)} == {Kind.PROSE}
    assert {document.kind for document in documents(tmp_path, kind=Kind.CODE)} == {Kind.CODE}


def test_scifact(data):
    found = documents(data / "scifact")
    assert len(found) == len({document.id for document in found}) == 5_183
    assert {document.kind for document in found} == {Kind.PROSE}
    first = json.loads((data / "scifact/corpus.jsonl").read_text().split("\n", 1)[0])
    assert found[0].text == f"{first['title']}\n{first['text']}"


def test_code_collections(data):
    for name, kind in (("mbpp", Kind.CODE), ("adi", Kind.PROSE)):
        assert {document.kind for document in documents(data / name)} == {kind}


def test_packed_records_are_unpacked_and_damaged_ones_say_so(tmp_path):
    lines = "".join(
        json.dumps({"_id": str(number), "text": f"text {number}"}) + "\n" for number in range(500)
    )
    packed = gzip.compress(lines.encode())
    (tmp_path / "some.jsonl.gz").write_bytes(packed)
    (tmp_path / "other.gz").write_bytes(packed)
    assert [document.text for document in documents(tmp_path)] == [f"text {number}" for number in range(500)]
    for content in (packed[:-20], b"no archive at all"):
        (tmp_path / "some.jsonl.gz").write_bytes(content)
        with pytest.raises(Unreadable):
            documents(tmp_path)

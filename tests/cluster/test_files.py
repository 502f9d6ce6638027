"""Object storage is read by the rules of a local folder."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tellapart.cluster.files import find_files, opener_of
from tellapart.corpus.read import load, read
from tellapart.corpus.scan import scan
from tellapart.corpus.sources import ScanOptions, Unreadable
from tellapart.errors import TellapartError

fsspec = pytest.importorskip("fsspec", reason="needs fsspec: pip install 'tellapart[cluster]'")


@pytest.fixture
def bucket(corpus):
    """The corpus in fsspec's memory."""
    memory = fsspec.filesystem("memory")
    memory.rm("/docs", recursive=True) if memory.exists("/docs") else None
    memory.put(str(corpus), "/docs", recursive=True)
    yield memory
    memory.rm("/docs", recursive=True)


def described(sources):
    fields = ("key", "size", "format", "prefix", "chosen", "limited")
    return [tuple(getattr(source, name) for name in fields) for source in sources]


@pytest.mark.parametrize("options", [ScanOptions(), ScanOptions(include=("build/*.md", "secret.md"))])
def test_a_bucket_gives_the_sources_of_the_same_folder(corpus, bucket, options):
    sources, skipped = scan([corpus], options)
    found, left_out = find_files(["memory://docs"], options, output="memory://out.lance", now=0)
    assert described(each.source for each in found) == described(sources)
    assert sorted(map(str, left_out)) == sorted(map(str, skipped))


def test_documents_of_a_bucket_are_those_of_the_folder(corpus, bucket):
    sources, _ = scan([corpus], ScanOptions())
    found, _ = find_files(["memory://docs"], ScanOptions(), output="x", now=0)
    here = {source.key: list(read(source, ScanOptions())) for source in sources if source.key != "data.bin"}
    there = {
        each.source.key: list(read(each.source, ScanOptions(), opener=opener_of))
        for each in found
        if each.source.key != "data.bin"
    }
    assert there == here
    assert len(here["records.jsonl"]) == 40


def test_a_stamp_changes_with_the_object_and_only_then(bucket):
    first, _ = find_files(["memory://docs"], ScanOptions(), output="x", now=0)
    again, _ = find_files(["memory://docs"], ScanOptions(), output="x", now=0)
    bucket.pipe("/docs/tool.py", b"def other():\n    return 2\n")
    changed, _ = find_files(["memory://docs"], ScanOptions(), output="x", now=0)
    assert first == again
    assert [b.source.key for a, b in zip(first, changed, strict=True) if a.stamp != b.stamp] == ["tool.py"]


def test_an_object_named_directly_is_read_whatever_its_name(bucket):
    found, _ = find_files(["memory://docs/secret.md"], ScanOptions(), output="x", now=0)
    assert [(each.source.key, each.source.chosen) for each in found] == [("secret.md", True)]


def test_several_places_keep_their_documents_apart(bucket):
    found, skipped = find_files(["memory://docs/guide", "memory://docs"], ScanOptions(), output="x", now=0)
    keys = [each.source.key for each in found]
    assert "guide/part0.md" in keys
    assert "docs/tool.py" in keys
    assert ("docs/guide/part0.md", "already read as guide/part0.md") in {(s.path, s.reason) for s in skipped}


def test_the_dataset_is_no_source(corpus):
    (corpus / "my.lance" / "data").mkdir(parents=True)
    (corpus / "my.lance" / "data" / "a.txt").write_text("rows")
    found, _ = find_files([str(corpus)], ScanOptions(), output=str(corpus / "my.lance"), now=0)
    assert not [each for each in found if "lance" in each.source.key]


def test_a_file_that_was_just_written_has_no_stamp_to_trust(corpus):
    (corpus / "tool.py").write_text("x = 1\n")
    now = (corpus / "tool.py").stat().st_mtime_ns + 1
    found, _ = find_files([str(corpus)], ScanOptions(), output="x", now=now)
    assert [each.source.key for each in found if not each.stamp] == ["tool.py"]


@pytest.mark.parametrize(
    ("places", "words"),
    [
        (["memory://nowhere"], "no such file or folder"),
        (["nonsense://docs"], "nonsense"),
        (["memory://docs", "/tmp"], "give one kind of place"),
        (["-"], "standard input"),
    ],
)
def test_what_cannot_be_read_is_one_clear_line(bucket, places, words):
    with pytest.raises(TellapartError, match=words) as error:
        find_files(places, ScanOptions(), output="x", now=0)
    assert "\n" not in str(error.value)


def test_an_object_that_vanished_is_one_skipped_source(bucket):
    found, _ = find_files(["memory://docs/tool.py"], ScanOptions(), output="x", now=0)
    gone = replace(found[0].source, file=found[0].source.file.with_name("gone.py"))
    with pytest.raises(Unreadable, match="vanished"):
        load(gone, ScanOptions(), opener_of)

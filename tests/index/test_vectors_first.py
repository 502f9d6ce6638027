"""What gets its vectors first, and what a search says while the others are being made."""

from __future__ import annotations

from pathlib import Path

import pytest

from tellapart.corpus.document import Granularity
from tellapart.corpus.sources import Source, need
from tellapart.engine import Index
from tellapart.engine.status import verify_index
from tellapart.index import update

DAY = 24 * 3600 * 10**9
NOW = 1_000 * DAY
OLD = 10 * DAY


def test_readme_and_recent_files_come_first_and_tests_and_data_last():
    paths = {
        "data/points.csv": OLD,
        "tests/test_client.py": NOW - DAY,
        "src/client.py": OLD,
        "vendor/left_pad.py": NOW,
        "src/server.py": OLD + 3 * DAY,
        "README.md": OLD,
        "src/new.py": NOW - DAY,
        "docs/guide.md": OLD,
    }
    sources = [Source(key, Path(key), 1, changed, None, ".") for key, changed in paths.items()]
    order = [source.key for source in sorted(sources, key=lambda source: need(source, now=NOW))]
    assert order == [
        "src/new.py", "README.md", "src/server.py", "docs/guide.md", "src/client.py",
        "tests/test_client.py", "vendor/left_pad.py", "data/points.csv",
    ]  # fmt: skip


@pytest.fixture
def small_steps(corpus, monkeypatch, encoders):
    """Make a segment of every document, and an encoder that is interrupted in the middle."""
    monkeypatch.setattr(update, "FIRST_VECTORS", 1)
    monkeypatch.setattr(update, "LATER_VECTORS", 1)
    for path in corpus.rglob("*"):
        if path.is_file():
            path.touch()
    return corpus


def interrupt(word_encoder, monkeypatch, after: int) -> None:
    plain, seen = word_encoder.encode_spans, []

    def impatient(texts, spans, **_):
        seen.append(texts)
        if len(seen) > after:
            raise KeyboardInterrupt
        return plain(texts, spans)

    monkeypatch.setattr(word_encoder, "encode_spans", impatient)


def test_a_search_in_the_meantime_uses_what_is_there_and_says_so(
    small_steps, tmp_path, word_encoder, monkeypatch
):
    with monkeypatch.context() as patched:
        interrupt(word_encoder, patched, 1)
        with pytest.raises(KeyboardInterrupt):
            Index.build([small_steps], tmp_path / "index", encoders=["words"])
    index = Index.open(tmp_path / "index")
    with index.reading() as snapshot:
        assert 0 < snapshot.coverage("words", Granularity.PARAGRAPH, Granularity.FUNCTION) < 1
    found = index.search("cover the roses with straw against the frost")
    assert found.configuration.encoder == "words"
    assert any("have vectors so far" in note for note in found.notes)
    assert {hit.document for hit in index.search("soil moisture roses valve garden", k=50)} == {
        "README.md", "notes/winter.txt", "src/client.py", "src/moisture.py",
    }  # fmt: skip
    verify_index(index)
    before = word_encoder.encoded
    index.update()
    assert word_encoder.encoded > before
    with index.reading() as snapshot:
        assert snapshot.coverage("words", *snapshot.encoders["words"].granularities) == 1
    assert not index.search("straw against the frost").notes
    verify_index(index)


def test_segments_made_for_early_vectors_are_merged_at_the_end(small_steps, tmp_path):
    index = Index.build([small_steps], tmp_path / "index", encoders=["words"])
    assert len(list((tmp_path / "index" / "segments").iterdir())) == 1
    assert index.search("straw against the frost")[0].document == "notes/winter.txt"

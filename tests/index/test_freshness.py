"""An index is never silently stale: what changed on disk is in the answer, or the answer says that it is not."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tellapart.cli.app import run as cli
from tellapart.engine import Index
from tellapart.index import freshness
from tellapart.index.lock import writer_lock
from tellapart.index.settings import keep_settings, kept_settings
from tellapart.index.store import Store


@pytest.fixture
def notes(tmp_path: Path) -> tuple[Path, Path]:
    folder, index = tmp_path / "notes", tmp_path / "index"
    (folder / "sub").mkdir(parents=True)
    for number in range(6):
        (folder / f"{number}.md").write_text(f"# Note {number}\n\nconstant apricot number{number}.\n")
    (folder / "sub" / "empty.md").write_text("")
    age(folder)
    assert cli(["index", str(folder), "--index", str(index), "--encoder", "none"]) == 0
    return folder, index


def age(folder: Path) -> None:
    """Let everything be older than the tick of the file system's clock."""
    past = time.time() - 60
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (past, past))


def documents(index: Path, word: str) -> list[str]:
    found = Index.open(index).search(word, granularity="document", ranker="bm25", k=99)
    return sorted(hit.document for hit in found)


def test_nothing_changed(notes):
    found = Index.open(notes[1]).search("apricot", ranker="bm25")
    assert found.freshness.checked
    assert (found.freshness.changed, found.freshness.updated) == (0, 0)
    assert not found.notes


def test_changed_new_and_deleted_files_are_seen_at_once(notes):
    folder, index = notes
    opened = Index.open(index)
    (folder / "0.md").write_text("# Other\n\nconstant blackberry.\n")
    (folder / "1.md").unlink()
    (folder / "sub" / "new.md").write_text("# New\n\nconstant cherry.\n")
    assert documents(index, "constant") == ["0.md", "2.md", "3.md", "4.md", "5.md", "sub/new.md"]
    assert documents(index, "blackberry") == ["0.md"]
    assert documents(index, "number0") == []
    assert opened.search("cherry", ranker="bm25")[0].document == "sub/new.md"
    assert Index.open(index).search("cherry", ranker="bm25").freshness.updated == 0


def test_one_edit_of_the_same_size_in_place(notes):
    folder, index = notes
    (folder / "2.md").write_text((folder / "2.md").read_text().replace("apricot", "avocado"))
    assert documents(index, "avocado") == ["2.md"]


def test_a_second_edit_within_one_tick_of_the_clock(notes):
    folder, index = notes
    path = folder / "3.md"
    path.write_text("first elderberry text\n")
    documents(index, "elderberry")
    status = path.stat()
    path.write_text("other gooseberry words"[: status.st_size - 1] + "\n")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    if status.st_mtime_ns > time.time_ns() - freshness.TICK_NS:
        assert documents(index, "gooseberry") == ["3.md"]


def test_files_written_just_before_they_were_read_are_not_called_changed(notes, monkeypatch, capsys):
    folder, index = notes
    monkeypatch.setattr(freshness, "TICK_NS", 10**15)  # every file is as new as the clock can tell
    assert cli(["index", "--rebuild", "--index", str(index)]) == 0
    monkeypatch.setattr(freshness, "BUDGET_SECONDS", -1.0)
    assert Index.open(index).search("apricot", ranker="bm25").freshness.changed == 0
    (folder / "4.md").write_text("# Longer than it was\n\nconstant damson and some more words.\n")
    assert Index.open(index).search("apricot", ranker="bm25").freshness.changed == 1


def test_ignore_rules_and_empty_files_that_fill(notes):
    folder, index = notes
    (folder / ".gitignore").write_text("4.md\n")
    (folder / "sub" / "empty.md").write_text("filled with huckleberry\n")
    assert "4.md" not in documents(index, "apricot")
    assert documents(index, "huckleberry") == ["sub/empty.md"]
    (folder / ".gitignore").write_text("5.md\n")
    found = documents(index, "apricot")
    assert "4.md" in found
    assert "5.md" not in found


def test_too_much_to_read_is_said(notes, monkeypatch, capsys):
    folder, index = notes
    monkeypatch.setattr(freshness, "BUDGET_SECONDS", 0.0)
    (folder / "0.md").write_text("blackberry\n")
    (folder / "1.md").write_text("other blackberry jam\n")
    found = Index.open(index).search("apricot", granularity="document", ranker="bm25", k=99)
    assert found.freshness.changed == 2
    assert len(found) == 6
    assert cli(["search", "apricot", "--index", str(index), "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["freshness"]["changed"] == 2
    assert "2 files changed since the index of 20" in err
    advice = err.split("'")[1]
    assert cli(advice.split()[1:]) == 0
    capsys.readouterr()
    assert cli(["search", "blackberry", "--index", str(index), "--json"]) == 0
    answer = json.loads(capsys.readouterr()[0])
    assert answer["freshness"]["changed"] == 0
    assert len(answer["hits"]) == 2


def test_many_new_files_are_left_to_the_next_run_of_index(notes):
    folder, index = notes
    for number in range(400):
        (folder / "sub" / f"new-{number}.txt").write_text("damson jam\n" * 300)
    found = Index.open(index).search("apricot damson", granularity="document", ranker="bm25", k=99)
    assert found.freshness.changed == 400
    assert len(found) == 6
    assert "400 files changed" in found.notes[-1]
    for path in list(folder.glob("sub/new-*"))[1:]:
        path.unlink()
    assert len(documents(index, "damson")) == 1


def test_files_that_cannot_be_read_do_not_keep_a_new_one_from_being_read(notes, monkeypatch):
    folder, index = notes
    monkeypatch.setattr(freshness, "BYTES_PER_SECOND", 100_000.0)
    for number in range(12):
        (folder / f"damaged-{number}.pdf").write_bytes(b"%PDF-1.7\n" + bytes(15_000))
    age(folder)
    assert cli(["index", "--index", str(index)]) == 0
    (folder / "new.md").write_text("damson jam\n")
    assert documents(index, "damson") == ["new.md"]
    assert Index.open(index).search("apricot", ranker="bm25").freshness.changed == 0


def test_a_writer_at_work_does_not_keep_anybody_from_searching(notes):
    folder, index = notes
    (folder / "0.md").write_text("blackberry\n")
    with writer_lock(index):
        found = Index.open(index).search("apricot", ranker="bm25")
    assert found.freshness.changed == 1
    assert "another process is writing" in found.notes[-1]


def test_an_index_without_its_sources_is_searched_as_it_is(notes):
    folder, index = notes
    folder.rename(folder.with_name("moved"))
    found = Index.open(index).search("apricot", ranker="bm25")
    assert len(found)
    assert not found.freshness.checked


def test_no_refresh(notes):
    folder, index = notes
    (folder / "0.md").write_text("blackberry\n")
    found = Index.open(index, refresh=False).search("blackberry", ranker="bm25")
    assert not found
    assert found.freshness is None


def test_vectors_follow(notes):
    folder, index = notes
    Index.build([folder], index, encoders=("lsa",)).close()
    opened = Index.open(index)
    long = "\n\n".join(f"A paragraph {n} on apricot and plum jam." for n in range(200))
    (folder / "0.md").write_text(long)
    found = opened.search("plum jam", granularity="paragraph", ranker="hybrid", k=5)
    assert {hit.document for hit in found} == {"0.md"}
    with opened.reading() as snapshot:
        vectors = snapshot.vectors("lsa", "paragraph")
        assert vectors.moments().n < vectors.n_alive
        assert vectors.n_rows == snapshot.units("paragraph").n_rows
    opened.update()
    with opened.reading() as snapshot:
        vectors = snapshot.vectors("lsa", "paragraph")
        assert vectors.moments().n == vectors.n_alive


def test_many_small_edits_leave_few_segments(notes):
    folder, index = notes
    Index.build([folder], index, encoders=("lsa",)).close()
    for edit in range(12):
        (folder / f"{edit % 6}.md").write_text(f"edit{edit} " * 2000)
        assert Index.open(index).search(f"edit{edit}", ranker="bm25")
    assert len(list((index / "segments").iterdir())) <= 7
    assert documents(index, "edit11") == ["5.md"]


def test_an_encoder_that_failed_can_be_dropped(notes, capsys):
    _, index = notes
    failing = "openai:m@http://127.0.0.1:9/v1"
    store = Store.create(index)
    with store.transaction():  # as a run leaves it whose first encoder cannot be reached
        keep_settings(store, replace(kept_settings(store), encoders=(failing,), words_only=False))
    store.close()
    assert cli(["index", "--drop-encoder", failing, "--index", str(index)]) == 0
    assert Index.open(index).settings.encoders == ()
    assert cli(["index", "--drop-encoder", failing, "--index", str(index)]) == 2
    assert "has no encoder" in capsys.readouterr().err

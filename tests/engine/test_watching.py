"""An index that is kept fresh while its files change."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tellapart.engine import Index
from tellapart.engine.watching import WatchUpdate, watch_index
from tellapart.index.lock import writer_lock

PATIENCE = 60.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = tmp_path / "files"
    files.mkdir()
    (files / "a.md").write_text("The first text is about roses.\n")
    old = time.time() - 60
    os.utime(files / "a.md", (old, old))
    return files


@pytest.fixture
def watched(folder: Path, tmp_path: Path) -> Iterator[tuple[Path, list[WatchUpdate]]]:
    """An index of the folder that a thread keeps fresh."""
    yield from watching(folder, tmp_path / "my.idx")


def watching(source: Path, index: Path) -> Iterator[tuple[Path, list[WatchUpdate]]]:
    Index.build(source, index, encoders=()).close()
    updates: list[WatchUpdate] = []
    stop = threading.Event()
    thread = threading.Thread(target=watch_index, args=(index, updates.append), kwargs={"stop": stop})
    thread.start()
    yield index, updates
    stop.set()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def finds(index: Path, word: str) -> list[str]:
    """Documents with a word as the index is, without looking at the files."""
    with Index.open(index, refresh=False) as opened:
        return [hit.document for hit in opened.search(word, ranker="bm25")]


def covered(index: Path) -> float:
    """Share of the units that have vectors."""
    with Index.open(index, refresh=False) as opened, opened.reading() as snapshot:
        return snapshot.coverage("minilm", *snapshot.granularities)


def hears_ctrl_c() -> None:
    """What a shell starts in the background, such as these tests, ignores it, and so do its children."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def soon(holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.05)
    return False


def test_changes_are_taken_over_as_they_happen(watched, folder):
    index, updates = watched
    (folder / "b.md").write_text("A second text about tulips.\n")
    assert soon(lambda: finds(index, "tulips") == ["b.md"])
    (folder / "a.md").write_text("The first text is about lilies now.\n")
    assert soon(lambda: finds(index, "lilies") == ["a.md"])
    assert finds(index, "roses") == []
    (folder / "below").mkdir()
    (folder / "below" / "c.md").write_text("Asters in a new folder.\n")
    assert soon(lambda: finds(index, "asters") == ["below/c.md"])
    (folder / "b.md").rename(folder / "below" / "d.md")
    assert soon(lambda: finds(index, "tulips") == ["below/d.md"])
    (folder / "below" / "c.md").unlink()
    assert soon(lambda: finds(index, "asters") == [])
    assert all(update.message is None for update in updates)


def test_many_changes_at_once_are_few_updates(watched, folder):
    index, updates = watched
    for number in range(60):
        (folder / f"{number}.md").write_text(f"Note {number} about orchids.\n")
    assert soon(lambda: len(finds(index, "orchids")) == 10 and sum(each.added for each in updates) == 60)
    assert len(updates) <= 5


def test_a_single_file_that_editors_replace_stays_watched(folder, tmp_path):
    index = tmp_path / "my.idx"
    for _ in watching(folder / "a.md", index):
        for word in ("tulips", "lilies", "asters"):
            (folder / "a.new").write_text(f"Now about {word}.\n")
            (folder / "a.new").replace(folder / "a.md")
            assert soon(lambda word=word: finds(index, word) == ["a.md"])


def test_it_waits_for_another_writer_and_says_so_once(watched, folder):
    index, updates = watched
    with writer_lock(index):
        (folder / "b.md").write_text("A second text about tulips.\n")
        assert soon(lambda: any(update.message for update in updates))
        time.sleep(2.5)
    assert soon(lambda: finds(index, "tulips") == ["b.md"])
    assert sum(update.message is not None for update in updates) == 1


def test_sources_may_go_and_come_back(watched, folder):
    index, _ = watched
    folder.rename(folder.with_name("away"))
    (folder.with_name("away") / "b.md").write_text("A second text about tulips.\n")
    time.sleep(1)
    assert finds(index, "roses") == ["a.md"]
    folder.with_name("away").rename(folder)
    assert soon(lambda: finds(index, "tulips") == ["b.md"])


def test_vectors_follow_the_words(folder, tmp_path):
    index = tmp_path / "my.idx"
    Index.build(folder, index, encoders=("minilm",)).close()
    updates: list[WatchUpdate] = []
    stop = threading.Event()
    thread = threading.Thread(target=watch_index, args=(index, updates.append), kwargs={"stop": stop})
    thread.start()
    try:
        (folder / "b.md").write_text("Tulips need water. " * 200)
        assert soon(lambda: finds(index, "tulips") == ["b.md"] and covered(index) == 1)
        assert all(update.message is None for update in updates)
    finally:
        stop.set()
        thread.join(PATIENCE)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_it_ends_at_once_and_leaves_a_complete_index(number, folder, tmp_path):
    command = [sys.executable, "-m", "tellapart", "watch", str(folder), "--index", str(tmp_path / "my.idx")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=hears_ctrl_c)
    assert process.stderr is not None
    lines = iter(process.stderr.readline, "")
    assert any("watching" in line for line in lines)
    (folder / "b.md").write_text("A second text about tulips.\n")
    assert any("1 added" in line for line in lines)
    process.send_signal(number)
    _, rest = process.communicate(timeout=PATIENCE)
    assert "Traceback" not in rest
    if number == signal.SIGINT:
        assert process.returncode == 0
        assert "stopped" in rest
    assert finds(tmp_path / "my.idx", "tulips") == ["b.md"]

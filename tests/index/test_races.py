"""Readers while writers commit, merge, sweep, and are killed: no search fails, and none mixes two generations."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tellapart.cli.app import run as cli
from tellapart.engine import Index
from tellapart.errors import CorruptIndexError
from tellapart.index import snapshot as snapshots


def write(folder: Path, numbers: range, edition: str) -> None:
    folder.mkdir(exist_ok=True)
    for number in numbers:
        (folder / f"{number}.md").write_text(
            f"# Note {number}\n\nconstant edition{edition} number{number}.\n"
        )


def merged_and_swept(folder: Path, index: Path) -> None:
    """Let another writer change everything, so that not one of the old segments is left."""
    old = set((index / "segments").iterdir())
    for edition in "vwxyz":
        write(folder, range(8), edition)
        Index.build([folder], index, encoders=("lsa",)).close()
    assert not old & set((index / "segments").iterdir())


@pytest.fixture
def notes(tmp_path: Path) -> tuple[Path, Path]:
    folder, index = tmp_path / "notes", tmp_path / "index"
    write(folder, range(8), "a")
    Index.build([folder], index, encoders=("lsa",)).close()
    return folder, index


def test_segments_deleted_before_they_are_opened(notes, monkeypatch):
    folder, index = notes
    opened, live, fired = Index.open(index), snapshots.live_segments, []

    def late(*arguments):
        segments = live(*arguments)
        if not fired and threading.current_thread() is threading.main_thread():
            fired.append(True)
            monkeypatch.setattr(snapshots, "live_segments", live)
            merged_and_swept(folder, index)
        return segments

    monkeypatch.setattr(snapshots, "live_segments", late)
    assert {hit.text for hit in opened.search("editionz", granularity="document", ranker="bm25", k=99)}
    assert fired


def test_a_generation_that_is_held_outlives_its_files(notes):
    folder, index = notes
    opened = Index.open(index, refresh=False)
    with opened.reading() as held:
        merged_and_swept(folder, index)
        for level in held.granularities:
            assert held.lexical(level).document_frequency("constant") > 0
            vectors = held.vectors("lsa", level)
            assert vectors.n_rows == held.units(level).n_rows
        assert len(opened.search("constant", granularity="document", ranker="hybrid", k=99)) == 8
        assert not opened.search("editionz", ranker="bm25")
    assert len(opened.search("editionz", granularity="document", ranker="bm25", k=99)) == 8


def test_an_open_index_follows_one_that_was_removed_and_made_anew(notes):
    folder, index = notes
    opened = Index.open(index, refresh=False)
    assert opened.search("editiona", ranker="bm25")
    shutil.rmtree(index)
    write(folder, range(8), "b")
    Index.build([folder], index, encoders=()).close()
    assert opened.search("editionb", ranker="bm25")
    assert not opened.search("editiona", ranker="bm25")


def test_one_open_index_during_updates(tmp_path):
    folder, index = tmp_path / "notes", tmp_path / "index"
    write(folder, range(30), "a")
    Index.build([folder], index, encoders=()).close()
    done, failures = threading.Event(), []

    def update() -> None:
        for edition in "bcdefgh":
            write(folder, range(0, 30, 3), edition)
            Index.build([folder], index, encoders=()).close()
        done.set()

    def search() -> None:
        opened = Index.open(index, refresh=False)
        while not done.is_set():
            try:
                found = opened.search("constant", granularity="document", ranker="bm25", k=99)
                assert len(found) == 30
                assert len({hit.text.split()[4] for hit in found}) <= 2, "two generations in one answer"
            except Exception as error:
                failures.append(error)
                return

    threads = [threading.Thread(target=search) for _ in range(2)]
    for thread in threads:
        thread.start()
    update()
    for thread in threads:
        thread.join()
    assert not failures


def _segment_file_missing(index: Path) -> None:
    next((index / "segments").glob("*/tables.npz")).unlink()


def _segment_file_damaged(index: Path) -> None:
    path = next((index / "segments").glob("*/lexical/postings"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


def _store_is_no_database(index: Path) -> None:
    (index / "store.sqlite").write_bytes(b"no database at all" * 1000)


def _store_damaged_inside(index: Path) -> None:
    with sqlite3.connect(index / "store.sqlite") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    content = bytearray((index / "store.sqlite").read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    (index / "store.sqlite").write_bytes(content)


@pytest.mark.parametrize(
    "damage", [_segment_file_missing, _segment_file_damaged, _store_is_no_database, _store_damaged_inside]
)
def test_the_advice_for_a_damaged_index_works_as_printed(notes, damage, monkeypatch, capsys):
    _, index = notes
    damage(index)
    with pytest.raises(CorruptIndexError, match="rebuild it with 'tellapart index --rebuild") as caught:
        Index.open(index).search("constant", ranker="bm25")
    advice = str(caught.value).split("'")[-2]
    assert advice.startswith("tellapart ")
    assert cli(advice.split()[1:]) == 0, capsys.readouterr().err
    assert len(Index.open(index).search("constant", granularity="document", ranker="bm25", k=99)) == 8
    assert list(Index.open(index).settings.encoders) == ["lsa"]


@pytest.mark.slow
def test_two_thousand_searches_while_writers_are_killed(tmp_path):
    folder, index, rng = tmp_path / "notes", tmp_path / "index", random.Random(3)
    write(folder, range(300), "a")
    Index.build([folder], index, encoders=()).close()
    made, failures, done = [], [], threading.Event()

    def search(*, reopening: bool) -> None:
        opened = Index.open(index, refresh=False)
        while not done.is_set():
            try:
                if reopening:
                    opened.close()
                    opened = Index.open(index, refresh=False)
                found = opened.search("constant", granularity="document", ranker="bm25", k=999)
                made.append(len(found))
                assert len(found) == 300
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=search, kwargs={"reopening": each}) for each in (True, True, False)]
    for thread in threads:
        thread.start()
    command = [sys.executable, "-m", "tellapart", "index", str(folder), "--index", str(index)]
    round_ = 0
    while len(made) < 2000 or round_ < 20:
        round_ += 1
        write(folder, range(rng.randrange(100), 300, rng.randrange(3, 40)), str(round_))
        writer = subprocess.Popen([*command, "--encoder", "none"], stderr=subprocess.DEVNULL)
        if round_ % 2:
            time.sleep(rng.uniform(0.2, 1.2))
            writer.send_signal(signal.SIGKILL)
        writer.wait()
    done.set()
    for thread in threads:
        thread.join()
    assert not failures, (len(failures), len(made), failures[:3])

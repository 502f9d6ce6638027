"""What happens to an index when its writer is killed, meets another one, or runs out of disk."""

from __future__ import annotations

import errno
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tellapart.engine import Index
from tellapart.errors import LockedIndexError, TellapartError
from tellapart.index.lock import writer_lock
from tellapart.index.store import FILE

WORDS = "rose tomato water frost straw soil sun seed root leaf bee pole march winter valve".split()  # noqa: SIM905
KILLS = 30


def write_documents(folder: Path, count: int, edition: str, rng: random.Random) -> None:
    folder.mkdir(exist_ok=True)
    for number in range(count):
        body = "\n\n".join(" ".join(rng.choices(WORDS, k=30)).capitalize() + "." for _ in range(4))
        (folder / f"{number}.txt").write_text(f"Edition {edition}. {body}\n")


def command(folder: Path, index: Path) -> list[str]:
    return [
        sys.executable,
        "-m",
        "tellapart",
        "index",
        str(folder),
        "--index",
        str(index),
        "--encoder",
        "lsa",
    ]


def editions(index: Path) -> set[str]:
    """Which edition each document of the index is of, seen by a search for it."""
    opened = Index.open(index)
    found = set()
    for edition in ("one", "two"):
        hits = opened.search(f"edition {edition}", granularity="document", ranker="bm25", k=1000)
        found |= {edition for hit in hits if hit.text.startswith(f"Edition {edition}.")}
    opened.close()
    return found


def counts(index: Path) -> tuple[int, int]:
    opened = Index.open(index)
    with opened.reading() as snapshot:
        counted = opened.store.count(), snapshot.units("document").n_alive
    opened.close()
    return counted


@pytest.mark.slow
def test_killed_at_random_moments_leaves_a_whole_generation(tmp_path):
    rng = random.Random(5)
    folder, index = tmp_path / "docs", tmp_path / "index"
    write_documents(folder, 400, "one", rng)
    started = time.perf_counter()
    subprocess.run(command(folder, tmp_path / "timing"), check=True, capture_output=True)
    duration = time.perf_counter() - started
    for kill in range(KILLS):
        updating = kill >= KILLS // 2
        if not updating:
            subprocess.run(["rm", "-rf", str(index)], check=True)
        elif kill == KILLS // 2:
            subprocess.run(command(folder, index), check=True, capture_output=True)
        before = editions(index) if updating else set()
        if updating:
            write_documents(folder, 400, "two" if before == {"one"} else "one", rng)
        process = subprocess.Popen(
            command(folder, index), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(rng.uniform(0.15, 1.05) * duration)
        process.send_signal(signal.SIGKILL)
        process.wait()
        if not (index / "store.sqlite").is_file():
            assert not updating
            continue
        check_whole(index, updating)
        subprocess.run(command(folder, index), check=True, capture_output=True)
        assert counts(index) == (400, 400)
        assert len(editions(index)) == 1


def check_whole(index: Path, updating: bool) -> None:
    opened = Index.open(index)
    documents = opened.store.count()
    opened.close()
    assert documents in ({400} if updating else {0, 400})
    if documents:
        assert counts(index) == (400, 400)
        assert len(editions(index)) == 1
        done = subprocess.run(
            [sys.executable, "-m", "tellapart", "status", "--verify", "--index", str(index)],
            capture_output=True,
        )
        assert done.returncode == 0, done.stderr


def test_second_writer_is_refused_and_reader_is_not(corpus, tmp_path):
    index = Index.build([corpus], tmp_path / "index", encoders=())
    with writer_lock(tmp_path / "index"):
        with pytest.raises(LockedIndexError, match=f"process {os.getpid()} is writing"):
            Index.build([corpus], tmp_path / "index", encoders=())
        assert index.search("roses", ranker="bm25")
    assert not index.update().changes.any


def test_two_writers_at_once_leave_one_sound_index(corpus, tmp_path):
    index = tmp_path / "index"
    both = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tellapart",
                "index",
                str(corpus),
                "--index",
                str(index),
                "--encoder",
                "none",
            ],
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    ended = [process.communicate()[1] for process in both]
    codes = sorted(process.returncode for process in both)
    assert codes in ([0, 0], [0, 2]), ended
    if codes == [0, 2]:
        assert any("is writing the index" in words for words in ended)
    assert counts(index)[0] == 4


def test_a_store_is_seen_whole_or_not_at_all(corpus, tmp_path, monkeypatch):
    folder = tmp_path / "index"

    def killed(_from, _to):
        assert not (folder / FILE).exists()
        with pytest.raises(TellapartError, match="no index in"):
            Index.open(folder)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("tellapart.index.database.os.replace", killed)
        with pytest.raises(KeyboardInterrupt):
            Index.build([corpus], folder, encoders=())
    assert counts(Index.build([corpus], folder, encoders=()).folder)[0] == 4
    assert [each.name for each in folder.glob(f"{FILE}.*")] == []


LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
sys.argv = ["tellapart", *sys.argv[2:]]
from tellapart.cli import main
main()
"""


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="needs a limit on the size of files")
@pytest.mark.parametrize("limit", [1_000, 30_000, 100_000, 200_000])
def test_full_disk_is_said_in_one_line_and_loses_nothing(corpus, tmp_path, limit):
    index = tmp_path / "index"
    Index.build([corpus], index, encoders=()).close()
    before = counts(index)
    rng = random.Random(1)
    (corpus / "big.txt").write_text("\n\n".join(" ".join(rng.choices(WORDS, k=200)) for _ in range(400)))
    arguments = ["index", str(corpus), "--index", str(index), "--encoder", "none"]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(limit), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("tellapart: error: ")
    assert done.stderr.count("\n") == 1, done.stderr
    assert counts(index) == before
    subprocess.run([sys.executable, "-m", "tellapart", *arguments], check=True, capture_output=True)
    assert counts(index)[0] == before[0] + 1


def test_a_full_disk_is_no_fault_of_the_file_that_was_read_last(corpus, tmp_path, monkeypatch):
    index = tmp_path / "index"
    Index.build([corpus], index, encoders=("lsa",)).close()
    before = counts(index)
    write_documents(corpus, 40, "two", random.Random(1))
    monkeypatch.setattr("tellapart.index.update.FIRST_VECTORS", 1_000)
    attempts = []

    def full(*_):
        attempts.append(1)
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("tellapart.index.segments.write_tables", full)
        with pytest.raises(TellapartError, match="No space left on device; free some space"):
            Index.build([corpus], index, encoders=("lsa",))
    assert len(attempts) == 1  # not once for each file that follows
    assert counts(index) == before
    assert counts(Index.build([corpus], index, encoders=("lsa",)).folder)[0] == before[0] + 40


def test_vanished_and_unreadable_sources_are_listed(corpus, tmp_path, monkeypatch):
    from tellapart.index import update

    real = update.read

    def vanishing(source, options, *more, **others):
        if source.key == "notes/winter.txt":
            (corpus / "notes" / "winter.txt").unlink()
        return real(source, options)

    monkeypatch.setattr(update, "read", vanishing)
    index = Index.build([corpus], tmp_path / "index", encoders=())
    assert counts(tmp_path / "index")[0] == 3
    assert [path for path, _ in index.skipped()] == ["notes/winter.txt"]


def test_damaged_store_names_the_command_that_mends_it(corpus, tmp_path):
    index = tmp_path / "index"
    Index.build([corpus], index, encoders=()).close()
    store = index / "store.sqlite"
    content = bytearray(store.read_bytes())
    content[: len(content) // 2] = os.urandom(len(content) // 2)
    store.write_bytes(content)
    arguments = [sys.executable, "-m", "tellapart"]
    done = subprocess.run(
        [*arguments, "search", "roses", "--index", str(index)], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "--rebuild" in done.stderr
    assert "Traceback" not in done.stderr
    mended = subprocess.run(
        [*arguments, "index", str(corpus), "--rebuild", "--index", str(index), "--encoder", "none"]
    )
    assert mended.returncode == 0
    found = subprocess.run(
        [*arguments, "search", "roses", "--index", str(index), "--json"], capture_output=True, text=True
    )
    assert json.loads(found.stdout)["hits"]

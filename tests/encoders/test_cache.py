from __future__ import annotations

import logging
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tellapart.encoders.cache import FILE, VectorCache, key_of, open_cache

DIM = 8


def rows(count: int, seed: int = 0) -> np.ndarray:
    made = np.random.default_rng(seed).standard_normal((count, DIM)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def keys(count: int, start: int = 0) -> list[bytes]:
    return [key_of(f"text {number}") for number in range(start, start + count)]


def test_what_was_kept_is_found_in_any_order_and_the_rest_is_missing(cache: VectorCache) -> None:
    vectors = rows(1_300)
    cache.keep("a", keys(1_300), vectors)
    order = np.random.default_rng(1).permutation(1_400)
    asked = [keys(1_400)[place] for place in order]
    found, given = cache.lookup("a", DIM, asked)
    assert found.tolist() == (order < 1_300).tolist()
    np.testing.assert_array_equal(given[found], vectors.astype(np.float16)[order[found]].astype(np.float32))
    assert not given[~found].any()


def test_encoders_do_not_share_vectors(cache: VectorCache) -> None:
    cache.keep("a", keys(2), rows(2))
    assert not cache.lookup("b", DIM, keys(2))[0].any()
    assert not cache.lookup("a", DIM + 1, keys(2))[0].any()


def test_a_second_process_sees_what_the_first_wrote(cache: VectorCache) -> None:
    cache.keep("a", keys(3), rows(3))
    assert VectorCache(cache.folder).lookup("a", DIM, keys(3))[0].all()


def test_lookup_of_nothing(cache: VectorCache) -> None:
    found, given = cache.lookup("a", DIM, [])
    assert found.shape == (0,)
    assert given.shape == (0, DIM)


def test_a_flipped_bit_in_a_row_is_a_miss_and_is_mended(cache: VectorCache) -> None:
    cache.keep("a", keys(3), rows(3))
    cache.close()
    with sqlite3.connect(cache.folder / FILE) as db:
        age, blob = db.execute("SELECT age, vector FROM vectors ORDER BY age LIMIT 1").fetchone()
        db.execute("UPDATE vectors SET vector = ? WHERE age = ?", (bytes([blob[0] ^ 4]) + blob[1:], age))
    assert cache.lookup("a", DIM, keys(3))[0].tolist() == [False, True, True]
    cache.keep("a", keys(1), rows(1))
    assert cache.lookup("a", DIM, keys(3))[0].all()
    assert cache.count() == 3


@pytest.mark.parametrize("damage", ["garbage", "truncated", "empty", "foreign"])
def test_a_damaged_file_is_begun_anew(
    cache: VectorCache, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    cache.keep("a", keys(500), rows(500))
    cache.close()
    path = cache.folder / FILE
    if damage == "garbage":
        path.write_bytes(os.urandom(50_000))
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:9_000])
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        path.unlink()
        with sqlite3.connect(path) as db:
            db.execute("CREATE TABLE other (x)")
            db.execute("PRAGMA user_version = 1")
    with caplog.at_level(logging.WARNING):
        assert not cache.lookup("a", DIM, keys(500, start=1_000))[0].any()
        cache.keep("a", keys(500), rows(500))
        found, given = cache.lookup("a", DIM, keys(500))
    assert found.all()
    np.testing.assert_array_equal(given, rows(500).astype(np.float16).astype(np.float32))


def test_another_format_is_begun_anew(cache: VectorCache) -> None:
    cache.keep("a", keys(1), rows(1))
    cache.close()
    with sqlite3.connect(cache.folder / FILE) as db:
        db.execute("PRAGMA user_version = 99")
    assert not cache.lookup("a", DIM, keys(1))[0].any()
    cache.keep("a", keys(1), rows(1))
    assert cache.lookup("a", DIM, keys(1))[0].all()


def test_a_folder_that_cannot_be_made_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    cache = VectorCache(tmp_path / "file" / "cache")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert not cache.lookup("a", DIM, keys(2))[0].any()
            cache.keep("a", keys(2), rows(2))
    assert len(caplog.records) == 1
    assert "TELLAPART_CACHE" in caplog.text
    assert "\n" not in caplog.records[0].getMessage()


def test_the_oldest_go_beyond_the_limit(tmp_path: Path) -> None:
    cache = VectorCache(tmp_path, limit_bytes=400_000)
    for start in range(0, 20_000, 500):
        cache.keep("a", keys(500, start), rows(500, seed=start))
    assert cache.size() <= 400_000
    assert cache.lookup("a", DIM, keys(500, 19_500))[0].all()
    assert not cache.lookup("a", DIM, keys(500))[0].any()


def test_clear_forgets_everything_and_frees_the_space(cache: VectorCache) -> None:
    cache.keep("a", keys(100), rows(100))
    cache.clear()
    assert not list(cache.folder.iterdir())
    assert cache.count() == 0
    cache.keep("a", keys(1), rows(1))
    assert cache.count() == 1


@pytest.mark.parametrize("value", ["off", "OFF", "none", "0", "false"])
def test_it_can_be_switched_off(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELLAPART_CACHE", value)
    assert open_cache() is None


def test_the_environment_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELLAPART_CACHE", str(tmp_path / "here"))
    opened = open_cache()
    assert opened is not None
    assert opened.folder == tmp_path / "here"


WRITER = """
import sys
from pathlib import Path
import numpy as np
from tellapart.encoders.cache import VectorCache, key_of
cache = VectorCache(Path(sys.argv[1]))
start, stop = int(sys.argv[2]), int(sys.argv[3])
for first in range(start, stop, 20):
    numbers = range(first, min(first + 20, stop))
    cache.keep("a", [key_of(f"text {n}") for n in numbers], np.eye(8, dtype=np.float32)[[n % 8 for n in numbers]])
    print(first, flush=True)
"""


def begin_writer(folder: Path, start: int, stop: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(folder), str(start), str(stop)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_kill_9_leaves_whole_batches(tmp_path: Path) -> None:
    for attempt in range(4):
        folder = tmp_path / str(attempt)
        writer = begin_writer(folder, 0, 1_000_000)
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(0.03 * (attempt + 1))
        writer.send_signal(signal.SIGKILL)
        reported = [int(line) for line in writer.stdout.read().split()]
        writer.wait()
        done = 20 + (max(reported) if reported else 0)
        cache = VectorCache(folder)
        found, vectors = cache.lookup("a", DIM, keys(done))
        assert found.all()
        np.testing.assert_array_equal(vectors, np.eye(8)[np.arange(done) % 8])
        assert cache.count() % 20 == 0


def test_two_processes_write_at_once(tmp_path: Path) -> None:
    writers = [begin_writer(tmp_path, 0, 600), begin_writer(tmp_path, 400, 1_000)]
    for writer in writers:
        writer.communicate(timeout=60)
        assert writer.returncode == 0
    found, vectors = VectorCache(tmp_path).lookup("a", DIM, keys(1_000))
    assert found.all()
    np.testing.assert_array_equal(vectors, np.eye(8)[np.arange(1_000) % 8])


def test_a_cache_that_is_switched_off_makes_no_folder_of_that_name(tmp_path, monkeypatch):
    (tmp_path / "a.py").write_text("def f():\n    return 1\n")
    command = [sys.executable, "-m", "tellapart", "search", "f", str(tmp_path / "a.py"), "--index", "my.idx"]
    environment = os.environ | {"TELLAPART_CACHE": "off"}
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.py", "my.idx"]

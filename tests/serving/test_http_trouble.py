"""A server under load while the writer is killed, a worker is killed, or the disk is full: no wrong answer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("prometheus_client")

import httpx

from tellapart import Index

pytestmark = pytest.mark.slow
ROUNDS = 6


def texts(folder, count):
    folder.mkdir(exist_ok=True)
    (folder / "winter.txt").write_text(
        "Frost kills dahlias: lift the tubers before the first night below zero.\n"
    )
    for number in range(count):
        body = "\n\n".join(
            f"Paragraph {part} of note {number} says nothing of interest." for part in range(40)
        )
        (folder / f"note-{number}.txt").write_text(body)


@contextmanager
def served(index, free_port):
    command = [sys.executable, "-m", "tellapart", "serve", "--index", str(index), "--workers", "2"]
    process = subprocess.Popen([*command, "--port", str(free_port)], stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{free_port}"
    try:
        for _ in range(600):
            try:
                httpx.get(f"{url}/health", timeout=5)
                break
            except httpx.HTTPError:
                time.sleep(0.1)
        yield url, process.pid
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def free_port():
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Load:
    """Clients that ask all the time; `wrong` are answers that are not the right one, `lost` those that broke off."""

    def __init__(self, url):
        self.url = f"{url}/v1/search"
        self.answered, self.lost, self.wrong = 0, 0, []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(4)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self):
        while not self._stop.is_set():
            body = {"query": "when does frost kill dahlias", "k": 1, "ranker": "bm25"}
            try:
                answer = httpx.post(self.url, json=body, timeout=60)
            except httpx.HTTPError:
                self.lost += 1
                continue
            right = answer.status_code == 200 and answer.json()["hits"][0]["path"] == "winter.txt"
            self.answered += right
            time.sleep(
                0.01
            )  # eager clients, not so eager that the writer gets no processor on a small machine
            if not right:
                self.wrong.append(answer.text[:300])


def reindex(index, source, **settings):
    command = [
        sys.executable,
        "-m",
        "tellapart",
        "index",
        str(source),
        "--index",
        str(index),
        "--encoder",
        "lsa",
    ]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, **settings)


def test_the_writer_is_killed_again_and_again(tmp_path, free_port):
    texts(tmp_path / "texts", 30)
    Index.build([tmp_path / "texts"], tmp_path / "my.idx", encoders=("lsa",)).close()
    with served(tmp_path / "my.idx", free_port) as (url, _), Load(url) as load:
        for number in range(ROUNDS):
            texts(tmp_path / "texts", 40 + 10 * number)
            writer = reindex(tmp_path / "my.idx", tmp_path / "texts")
            time.sleep(0.3 + 0.5 * number)
            writer.send_signal(signal.SIGKILL)
            writer.wait()
            writer.stderr.close()
        (tmp_path / "texts" / "last.txt").write_text("The xylophone stands in the attic.\n")
        last = reindex(tmp_path / "my.idx", tmp_path / "texts")
        _, said = last.communicate(timeout=300)
        assert last.returncode == 0, said
        found = httpx.post(
            f"{url}/v1/search", json={"query": "xylophone", "ranker": "bm25"}, timeout=60
        ).json()
        assert found["hits"][0]["path"] == "last.txt"
    assert load.wrong == []
    assert load.lost == 0
    assert load.answered > 10


def test_workers_are_killed_under_load(tmp_path, free_port):
    texts(tmp_path / "texts", 20)
    Index.build([tmp_path / "texts"], tmp_path / "my.idx", encoders=()).close()
    with served(tmp_path / "my.idx", free_port) as (url, pid), Load(url) as load:
        for _ in range(3):
            time.sleep(2)
            children = subprocess.run(
                ["pgrep", "-P", str(pid), "-f", "spawn_main"], capture_output=True, text=True, check=True
            )
            os.kill(int(children.stdout.split()[0]), signal.SIGKILL)
        time.sleep(3)
    assert load.wrong == []
    assert load.lost <= 3 * 4, "nothing but what was in flight in the killed process"
    assert load.answered > 10


def test_the_disk_is_full_while_it_is_indexed_anew(tmp_path, free_port):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("a small disk cannot be mounted here (needs root)")
    try:
        texts(tmp_path / "texts", 20)
        Index.build([tmp_path / "texts"], disk / "my.idx", encoders=("lsa",)).close()
        with served(disk / "my.idx", free_port) as (url, _), Load(url) as load:
            texts(tmp_path / "texts", 800)
            said = (
                "is writing"  # the server reads changed files again itself, and one writer excludes the other
            )
            while "is writing" in said:
                writer = reindex(disk / "my.idx", tmp_path / "texts")
                _, said = writer.communicate(timeout=300)
                assert writer.returncode == 2, said
            assert "Traceback" not in said
            assert "space" in said
            time.sleep(1)
        assert load.wrong == []
        assert load.lost == 0
        assert load.answered > 10
    finally:
        subprocess.run(["umount", str(disk)], check=True)

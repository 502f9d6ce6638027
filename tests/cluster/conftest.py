"""One Ray with two processors for all tests, and a small corpus."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def object_storage() -> Iterator[Any]:
    """An S3 of this machine with the bucket `bucket`, as fsspec shows it; None where none can be started."""
    try:
        import fsspec
        import s3fs  # noqa: F401
        from moto.server import ThreadedMotoServer
    except ImportError:
        yield None
        return
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("AWS_ACCESS_KEY_ID", "nobody")
        patched.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patched.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patched.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patched.setenv("AWS_ALLOW_HTTP", "true")
        files = fsspec.filesystem("s3")
        files.mkdir("bucket")
        yield files
    server.stop()


@pytest.fixture(scope="session")
def ray_here(object_storage: object) -> Iterator[None]:
    """A Ray of this process, as small as can be; its workers keep the environment of now."""
    ray = pytest.importorskip("ray", reason="needs Ray: pip install 'tellapart[cluster]'")
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112  # a busy machine would not let its workers run at all
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["TELLAPART_CACHE"] = "off"
    ray.init(
        "local", num_cpus=2, include_dashboard=False, object_store_memory=80_000_000, log_to_driver=False
    )
    yield
    ray.shutdown()


LONG_AGO = 1_700_000_000


def age(folder: Path, seconds: int = 0) -> None:
    """Make files look as if nobody had touched them for a while: their times can be trusted."""
    for path in folder.rglob("*"):
        os.utime(path, (LONG_AGO + seconds, LONG_AGO + seconds))


def write_records(path: Path, count: int) -> None:
    """Write a collection of short records."""
    lines = (
        {
            "_id": f"r{n}",
            "title": f"Record {n}",
            "text": f"the record {n} speaks of thing{n % 7} and of place{n % 5}",
        }
        for n in range(count)
    )
    path.write_text("\n".join(map(json.dumps, lines)))


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A folder with prose, code, records, and what is left out of it."""
    folder = tmp_path / "docs"
    (folder / "guide").mkdir(parents=True)
    for n in range(8):
        paragraphs = [
            f"Paragraph {p} tells topic{(n * p) % 5} and word{p}. It has two sentences." for p in range(4)
        ]
        (folder / "guide" / f"part{n}.md").write_text(f"# Part {n}\n\n" + "\n\n".join(paragraphs))
    (folder / "tool.py").write_text(
        "class Tool:\n    def run(self):\n        return 1\n\n\ndef helper(x):\n    return x\n"
    )
    write_records(folder / "records.jsonl", 40)
    (folder / ".gitignore").write_text("secret.md\nbuild/\n")
    (folder / "secret.md").write_text("nobody reads this")
    (folder / "build").mkdir()
    (folder / "build" / "out.md").write_text("made")
    (folder / "empty.md").write_text("")
    (folder / "data.bin").write_bytes(bytes(range(256)))
    age(folder)
    return folder

"""Shared by all tests: where the judged data lies, a small corpus, an encoder without weights."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of judged collections, or a skip that says how to provide it."""
    folder = os.environ.get("TELLAPART_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("set TELLAPART_DATA to the folder of judged collections to run this test")
    return Path(folder)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep tests away from the user's cache, and from each other's."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("TELLAPART_CACHE", str(folder))
    return folder


Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """Run a verb in this process: exit code, standard output, standard error."""
    from tellapart.cli.app import run

    def calling(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return calling


class WordEncoder:
    """Adds up one random direction per word: texts that share words are near, in microseconds."""

    max_tokens = 64
    pools_spans = True

    def __init__(self, name: str = "words", seed: int = 0, dim: int = 32) -> None:
        self.name = name
        self.dim = dim
        self.seed = seed
        self.fingerprint = f"{name}-{seed:032d}"
        self.encoded = 0

    def encode_query(self, texts: Sequence[str]) -> np.ndarray:
        return self.encode_document(texts)

    def encode_document(self, texts: Sequence[str], *, progress: object = None) -> np.ndarray:
        self.encoded += len(texts)
        rows = np.stack([self._one(text) for text in texts]) if texts else np.zeros((0, self.dim))
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    def encode_spans(
        self,
        texts: Sequence[str],
        spans: Sequence[Sequence[tuple[int, int] | None]],
        *,
        progress: object = None,
    ) -> np.ndarray:
        """Add up the words of each span; what stands around them does not matter to this encoder."""
        self.encoded += len(texts)
        pairs = zip(texts, spans, strict=True)
        rows = np.stack(
            [self._one(text[slice(*span)] if span else text) for text, of in pairs for span in of]
        )
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    def count_tokens(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([len(text.split()) + 2 for text in texts], dtype=np.int32)

    def _one(self, text: str) -> np.ndarray:
        row = np.full(self.dim, 1e-3)
        for word in text.lower().split():
            row += np.random.default_rng([self.seed, zlib.crc32(word.encode())]).normal(size=self.dim)
        return row


@pytest.fixture
def word_encoder() -> WordEncoder:
    return WordEncoder()


@pytest.fixture
def encoders(monkeypatch: pytest.MonkeyPatch, word_encoder: WordEncoder) -> WordEncoder:
    """Let the engine find the encoder without weights under any name."""
    for place in ("tellapart.engine.building", "tellapart.index.latent"):
        monkeypatch.setattr(f"{place}.load_encoder", lambda name, **_: word_encoder)
    return word_encoder


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A project of prose and code, small enough to read."""
    return write_project(tmp_path)


def write_project(folder: Path) -> Path:
    """Write the files of `corpus`."""
    root = folder / "project"
    files = {
        "README.md": (
            "# Gardening\n\nHow to grow things. Water them often.\n\n## Roses\n\n"
            "Roses need sun. Cut them back in March.\n\n## Tomatoes\n\nTomatoes need warmth. They climb on poles.\n"
        ),
        "notes/winter.txt": "In winter the garden sleeps.\n\nCover the roses with straw against the frost.\n",
        "src/client.py": (
            '"""Talk to the watering server."""\n\nimport time\n\nATTEMPTS = 3\n\n\n'
            "def retry_with_backoff(call, attempts=ATTEMPTS):\n"
            '    """Call again after a failure, waiting longer each time."""\n'
            "    for attempt in range(attempts):\n        try:\n            return call()\n"
            "        except OSError:\n            time.sleep(2**attempt)\n    raise TimeoutError\n\n\n"
            "class Client:\n    def __init__(self, host):\n        self.host = host\n\n"
            "    def open_valve(self, number):\n        return (self.host, number)\n"
        ),
        "src/moisture.py": (
            "def soil_moisture(samples):\n"
            '    """Average moisture of the soil."""\n    return sum(samples) / len(samples)\n'
        ),
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root

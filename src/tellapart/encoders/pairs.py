"""Cross-encoders: one network reads a query and a text together and scores how well the text answers.

Nogueira and Cho (2019). Slower than comparing vectors by orders of magnitude, since nothing can be made beforehand:
used for a second look at the first hits of a search.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tellapart.encoders.config import FORMAT, config_of, file_digest, need_files
from tellapart.encoders.export import PAIRS, described_export, is_ours
from tellapart.encoders.folder import encoder_inputs
from tellapart.encoders.sessions import open_session, usable_cores
from tellapart.encoders.shelf import need_fetched
from tellapart.encoders.tokens import TokenizerFile
from tellapart.errors import TellapartError

Scores = NDArray[np.float32]

TIMED_WORDS = 100
"""Words of the pair that is timed: about as many as a paragraph has."""


@dataclass(frozen=True, slots=True)
class PairConfig:
    """What config.json of a cross-encoder says."""

    name: str
    max_tokens: int
    model: str = "model.onnx"
    tokenizer: str = "tokenizer.json"
    format: int = FORMAT
    kind: str = PAIRS


class CrossEncoder:
    """Runs the graph of a folder on the processor, every pair alone as `FolderEncoder` does, with a thread a core."""

    def __init__(self, folder: Path, *, name: str | None = None, threads: int | None = None) -> None:
        """Open a folder: one of the shelf, or an ONNX export.

        Raises:
            TellapartError: It is no cross-encoder, or a file is missing.
        """
        if is_ours(folder):
            self.config = config_of(PAIRS, PairConfig, folder)
        else:
            described = described_export(folder)
            if described["kind"] != PAIRS:
                raise TellapartError(
                    f"{folder} is an encoder of texts: use it with 'index --encoder onnx:{folder}'"
                )
            self.config = PairConfig(**described)
        need_files(folder, self.config.model, self.config.tokenizer)
        self.folder = folder
        self.name = name or self.config.name
        self.threads = threads or usable_cores()
        self._tokens = TokenizerFile(folder / self.config.tokenizer)

    @property
    def fingerprint(self) -> str:
        """Hash of everything that changes scores."""
        hashed = hashlib.blake2b(digest_size=16)
        for name in (self.config.model, self.config.tokenizer):
            hashed.update(file_digest(self.folder / name))
        hashed.update(json.dumps([self.config.max_tokens]).encode())
        return hashed.hexdigest()

    def scores(self, query: str, texts: Sequence[str]) -> Scores:
        """Score texts (n,) for a query: log odds of answering it, as far as the model knows."""
        if len(texts) < 2 or self.threads == 1:
            return np.array([self._score(query, text) for text in texts], dtype=np.float32)
        with ThreadPoolExecutor(min(self.threads, len(texts))) as pool:
            return np.array(list(pool.map(lambda text: self._score(query, text), texts)), dtype=np.float32)

    @cached_property
    def milliseconds(self) -> float:
        """Time of a pair of usual length on this machine, with all its cores: the faster of two tries."""
        texts = [" ".join(["garden"] * TIMED_WORDS)] * self.threads
        self.scores("warm up", texts[:1])
        tries = []
        for _ in range(2):
            started = time.perf_counter()
            self.scores("how to grow roses", texts)
            tries.append(1000 * (time.perf_counter() - started) / len(texts))
        return min(tries)

    def _score(self, query: str, text: str) -> float:
        ids, types = self._tokens.pair(query, text, self.config.max_tokens)
        session, names = self._session
        given = {**encoder_inputs(ids), "token_type_ids": types[None]}
        output = session.run(None, {name: given[name] for name in names})[0]
        return float(output.reshape(-1)[0])

    @cached_property
    def _session(self):  # type: ignore[no-untyped-def]  # noqa: ANN202
        session = open_session(self.folder / self.config.model, threads=1, exact=True)
        return session, [each.name for each in session.get_inputs()]


_opened: dict[str, CrossEncoder] = {}


def open_cross_encoder(name: str) -> CrossEncoder:
    """Open a cross-encoder once: of the shelf, or `onnx:FOLDER`.

    Raises:
        TellapartError: It is not here yet; the message says how to fetch it.
    """
    if name not in _opened:
        kind, colon, rest = name.partition(":")
        folder = Path(rest).expanduser() if colon and kind == "onnx" else need_fetched(name)
        _opened[name] = CrossEncoder(folder, name=name)
    return _opened[name]

"""An encoder kept in a folder: config.json, tokenizer.json and an ONNX graph.

The same code runs the bundled `minilm` and whatever is trained here (`folder:PATH`). config.json:

    {"format": 1, "kind": "onnx-text", "name": "minilm", "dim": 384, "max_tokens": 256, "pooling": "mean",
     "query_prompt": "", "document_prompt": "", "model": "model.onnx", "tokenizer": "tokenizer.json",
     "fingerprint": "..."}

The graph takes `input_ids` (batch, sequence) int64, and `attention_mask`, `token_type_ids` and `position_ids`
where it names them; its first output is the token vectors (batch, sequence, dim), pooled as "pooling" says (mean,
cls, last), or, with "none", the text vectors (batch, dim).

Every text runs through the graph alone. Dynamic int8 quantisation takes one scale for a whole batch of activations,
so that batch-mates and padding would change a text's vector (cosine .9915 to the vector of the text alone, as far
off as quantisation itself), and its cached vector would depend on what was encoded beside it. Threads instead of
batches cost nothing from some 100 tokens on (docs/benchmarks/encoder_speed.md).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tellapart.encoders.config import FILE, FORMAT, config_of, file_digest, need_files
from tellapart.encoders.export import TEXTS, described_export, is_ours
from tellapart.encoders.protocol import OfTexts, Span, Vectors, unit_rows
from tellapart.encoders.sessions import open_session, usable_cores
from tellapart.encoders.tokens import TokenIds, TokenizerFile
from tellapart.errors import TellapartError
from tellapart.progress import Progress, silent

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

KIND = TEXTS
POOLINGS = ("mean", "cls", "last", "none")
KNOWN_INPUTS = {"input_ids", "attention_mask", "token_type_ids", "position_ids"}


@dataclass(frozen=True, slots=True)
class FolderConfig:
    """What config.json says; `fingerprint` is only believed of the package's own folder.

    `matryoshka` is the smallest prefix of a vector that was trained to stand alone, 0 where none was.
    """

    name: str
    dim: int
    max_tokens: int
    pooling: str
    query_prompt: str = ""
    document_prompt: str = ""
    model: str = "model.onnx"
    tokenizer: str = "tokenizer.json"
    fingerprint: str = ""
    matryoshka: int = 0
    format: int = FORMAT
    kind: str = KIND

    def with_fingerprint(self, fingerprint: str) -> FolderConfig:
        """Give the same configuration with its fingerprint."""
        return replace(self, fingerprint=fingerprint)


def read_config(folder: Path) -> FolderConfig:
    """Read and check config.json.

    Raises:
        TellapartError: It is missing, unreadable, of another format or kind, or holds a value that cannot be.
    """
    config = config_of(KIND, FolderConfig, folder)
    if config.pooling not in POOLINGS or config.dim < 1 or config.max_tokens < 4:
        raise TellapartError(
            f"{folder / FILE}: pooling {config.pooling!r} (one of {', '.join(POOLINGS)}), dim {config.dim} (>= 1),"
            f" max_tokens {config.max_tokens} (>= 4): correct it"
        )
    return config


def _described(folder: Path) -> FolderConfig:
    described = described_export(folder)
    if described["kind"] != KIND:
        raise TellapartError(f"{folder} is a cross-encoder: use it with 'search --rerank onnx:{folder}'")
    return FolderConfig(**described)


def fingerprint_of(folder: Path, config: FolderConfig) -> str:
    """Hash everything that changes vectors: graph, tokenizer, pooling, length and prompts."""
    hashed = hashlib.blake2b(digest_size=16)
    for name in (config.model, config.tokenizer):
        hashed.update(file_digest(folder / name))
    settings = [config.dim, config.max_tokens, config.pooling, config.query_prompt, config.document_prompt]
    hashed.update(json.dumps(settings).encode())
    return hashed.hexdigest()


class FolderEncoder(OfTexts):
    """Runs the ONNX graph of a folder on the processor; opening reads config.json only."""

    def __init__(
        self,
        folder: Path,
        *,
        name: str | None = None,
        trusted: bool = False,
        threads: int | None = None,
        export: bool = False,
    ) -> None:
        """Open a folder.

        Args:
            folder: Holds config.json and the files it names.
            name: What the encoder calls itself; None = `folder:PATH`.
            trusted: Believe the fingerprint in config.json instead of hashing the files.
            threads: Texts encoded at the same time; None = one for each core this process may use.
            export: It may be a plain ONNX export of others, and its weights are of all 8 bits (`open_session`).
        """
        self.folder = folder
        self.config = _described(folder) if export and not is_ours(folder) else read_config(folder)
        self._exact = export
        need_files(folder, self.config.model, self.config.tokenizer)
        self.name = name or f"folder:{folder}"
        self.dim = self.config.dim
        self.max_tokens: int | None = self.config.max_tokens
        self.matryoshka = self.config.matryoshka
        self.threads = threads or usable_cores()
        known = self.config.fingerprint if trusted else ""
        self.fingerprint = known or fingerprint_of(folder, self.config)
        self._tokens = TokenizerFile(folder / self.config.tokenizer)

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        """Encode queries: (n, dim), rows of unit length."""
        return self._encode([self.config.query_prompt + text for text in texts], silent)

    def encode_document(self, texts: Sequence[str], *, progress: Progress = silent) -> Vectors:
        """Encode units: (n, dim), rows of unit length; a text's vector does not depend on the others."""
        return self._encode([self.config.document_prompt + text for text in texts], progress)

    def count_tokens(self, texts: Sequence[str]) -> NDArray[np.int32]:
        """Tokens of each text, special tokens and the documents' prompt included, without truncation."""
        prompt = self.config.document_prompt
        return self._tokens.counts([prompt + text for text in texts] if prompt else texts)

    @property
    def vocabulary(self) -> int:
        """Tokens the tokenizer knows, numbered from 0."""
        return int(self._tokens.tokenizer.get_vocab_size())

    def token_ids(self, texts: Sequence[str]) -> list[TokenIds]:
        """Token numbers of each text, special ones included, cut to `max_tokens`."""
        return self._tokens.ids(texts, self.max_tokens)

    def _encode(self, texts: Sequence[str], progress: Progress) -> Vectors:
        return self.encode_tokens(self.token_ids(texts), progress=progress)

    def encode_tokens(self, ids: Sequence[TokenIds], *, progress: Progress = silent) -> Vectors:
        """Encode token numbers, special ones included: (n, dim), rows of unit length."""
        whole = [np.ones((1, 0), dtype=bool)] * len(ids)
        return self._run_all(ids, whole, progress)

    @property
    def pools_spans(self) -> bool:
        """Whether means over some of the tokens are vectors like those of whole texts."""
        return self.config.pooling == "mean"

    def encode_spans(
        self, texts: Sequence[str], spans: Sequence[Sequence[Span | None]], *, progress: Progress = silent
    ) -> Vectors:
        """Encode each text once, and average the vectors of the tokens that start in each of its spans.

        A span in which no token starts gets the vector of the whole text, as `None` does.
        """
        prompt = self.config.document_prompt
        placed = self._tokens.placed([prompt + text for text in texts], self.max_tokens)
        masks = []
        for (_, starts), wanted in zip(placed, spans, strict=True):
            bounds = np.array([span or (0, 0) for span in wanted], dtype=np.int64).reshape(-1, 2) + len(
                prompt
            )
            masks.append((starts >= bounds[:, :1]) & (starts < bounds[:, 1:]))
        return self._run_all([ids for ids, _ in placed], masks, progress)

    def _run_all(
        self, ids: Sequence[TokenIds], masks: Sequence[NDArray[np.bool_]], progress: Progress
    ) -> Vectors:
        """Run texts, longest first so that the threads end together; of each, one vector for each row of its mask."""
        order = sorted(range(len(ids)), key=lambda row: -len(ids[row]))
        made: list[Vectors] = [np.zeros((0, self.dim), dtype=np.float32)] * len(ids)
        with progress(f"encoding with {self.name}", len(ids)) as advance:
            if len(ids) < 2 or self.threads == 1:
                for row in order:
                    made[row] = self._run(ids[row], masks[row])
                    advance(1)
            else:
                with _Threads(min(self.threads, len(ids))) as pool:
                    work = pool.map(lambda row: (row, self._run(ids[row], masks[row])), order)
                    for row, vectors in work:
                        made[row] = vectors
                        advance(1)
        flat = np.concatenate([*made, np.zeros((0, self.dim), dtype=np.float32)])
        return unit_rows(flat, encoder=self.name) if len(flat) else flat

    def _run(self, ids: TokenIds, mask: NDArray[np.bool_]) -> Vectors:
        """Run one text: the mean of the token vectors under each row of a mask, where it is empty the text's own."""
        session, inputs = self._session
        output = session.run(None, {name: made(ids) for name, made in inputs.items()})[0]
        pooling = self.config.pooling
        wanted = (1, self.dim) if pooling == "none" else (1, len(ids), self.dim)
        if output.shape != wanted:
            raise TellapartError(
                f"{self.folder / self.config.model} gives {output.shape} with pooling {pooling!r}, config.json says"
                f" dim {self.dim}: correct config.json"
            )
        whole = self._pooled(output[0])
        return np.stack([output[0, row].mean(axis=0) if row.any() else whole for row in mask])

    def _pooled(self, output: NDArray[np.float32]) -> NDArray[np.float32]:
        match self.config.pooling:
            case "none":
                return output
            case "mean":
                return np.asarray(output.mean(axis=0))
            case pooling:
                return np.asarray(output[0 if pooling == "cls" else -1])

    @cached_property
    def _session(self) -> tuple[InferenceSession, dict[str, Any]]:
        """The graph and how each of its inputs is made from token numbers."""
        path = self.folder / self.config.model
        session = open_session(path, threads=1, exact=self._exact)  # threads run texts, not parts of one text
        names = [entry.name for entry in session.get_inputs()]
        if unknown := sorted(set(names) - KNOWN_INPUTS):
            raise TellapartError(
                f"{path} asks for inputs {unknown}, known are {sorted(KNOWN_INPUTS)}: export it again"
            )
        return session, {name: _INPUTS[name] for name in names}


def encoder_inputs(ids: TokenIds) -> dict[str, NDArray[np.int64]]:
    """Give everything that graphs ask for of one text (1, tokens)."""
    return {name: made(ids) for name, made in _INPUTS.items()}


_INPUTS: dict[str, Any] = {
    "input_ids": lambda ids: ids[None],
    "attention_mask": lambda ids: np.ones((1, len(ids)), dtype=np.int64),
    "token_type_ids": lambda ids: np.zeros((1, len(ids)), dtype=np.int64),
    "position_ids": lambda ids: np.arange(len(ids), dtype=np.int64)[None],
}


class _Threads(ThreadPoolExecutor):
    """Threads that start nothing new once an exception (Ctrl-C, say) leaves the block."""

    def __exit__(self, kind: object, value: object, trace: object) -> None:
        self.shutdown(wait=True, cancel_futures=kind is not None)


MINILM = "minilm"
MINILM_FOLDER = Path(__file__).parent / "data" / "minilm"
"""Made by tools/build_minilm.py."""


def open_minilm(*, threads: int | None = None) -> FolderEncoder:
    """Open the bundled encoder; its fingerprint stands in config.json and a test compares it with the files."""
    return FolderEncoder(MINILM_FOLDER, name=MINILM, trusted=True, threads=threads)

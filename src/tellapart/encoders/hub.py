"""Models of the Hugging Face hub; the network is touched only for a model not yet here.

`hub:ORG/MODEL` or `hub:FOLDER` is any sentence-transformers model (extra `hub`); `model2vec:NAME-OR-FOLDER` a static
embedding table: a vector per token, averaged (extra `model2vec`).
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart.encoders.config import file_digest
from tellapart.encoders.protocol import OfTexts, Vectors, unit_rows
from tellapart.errors import TellapartError, require
from tellapart.progress import Progress, silent

TAKEN = ("*.json", "*.txt", "*.model", "*.safetensors")
LEFT = ("onnx/*", "openvino/*", "*/onnx/*", "*/openvino/*")
"""Weights are read from safetensors only: a pickle runs whatever code its author put in."""


def model_folder(name: str, *, extra: str) -> Path:
    """Give the folder of a model: a local one, one from the hub's cache, or else a download.

    Args:
        name: A folder, or ORG/MODEL on the hub.
        extra: Of tellapart, which brings what is needed to download.

    Raises:
        TellapartError: No such folder or model, the network fails, or the model has no safetensors.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return _with_weights(folder, name)
    if name.count("/") != 1 or name.startswith((".", "/", "~")) or name.endswith("/"):
        raise TellapartError(f"{name!r} is neither a folder here nor ORG/MODEL on the hub: correct the name")
    hub = require("huggingface_hub", extra=extra)
    options = {"allow_patterns": list(TAKEN), "ignore_patterns": list(LEFT)}
    with contextlib.suppress(Exception):  # not kept yet; the hub's class for this changed over its versions
        kept = Path(hub.snapshot_download(name, local_files_only=True, **options))
        if any(kept.rglob("*.safetensors")):
            return kept
    try:
        fetched = Path(hub.snapshot_download(name, **options))
    except Exception as error:  # dozens of classes, from DNS to authorisation
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise TellapartError(
            f"cannot get the model {name!r} from the hub: {reason}; check the name and the network, or name a folder"
        ) from error
    return _with_weights(fetched, name)


def _with_weights(folder: Path, name: str) -> Path:
    if not any(folder.rglob("*.safetensors")):
        raise TellapartError(
            f"the model {name!r} has no .safetensors weights ({folder}): choose one that has"
        )
    return folder


def folder_fingerprint(folder: Path) -> str:
    """Hash weights, tokenizer and settings of a model's folder, by their contents and relative paths."""
    hashed = hashlib.blake2b(digest_size=16)
    for path in sorted(path for pattern in TAKEN for path in folder.rglob(pattern)):
        inside = path.relative_to(folder)
        if any(inside.match(pattern) for pattern in LEFT) or any(
            part.startswith(".") for part in inside.parts
        ):
            continue
        hashed.update(inside.as_posix().encode())
        hashed.update(file_digest(path))
    return hashed.hexdigest()


ENCODED_TOGETHER = 256
BATCH = 32
QUERY_PROMPTS = ("query",)
DOCUMENT_PROMPTS = ("document", "passage", "corpus")
"""Names under which models define their prompts, in the order in which sentence-transformers looks for them."""


class HubEncoder(OfTexts):
    """Runs a sentence-transformers model; padding moves a vector by some 1e-6, below float16."""

    def __init__(self, model: Any, *, name: str, fingerprint: str) -> None:  # noqa: ANN401 - an untyped package
        """Wrap a loaded `SentenceTransformer`."""
        self.name = name
        self.fingerprint = fingerprint
        self._model = model
        dimension = getattr(model, "get_embedding_dimension", None) or model.get_sentence_embedding_dimension
        self.dim = int(dimension() or len(model.encode([""])[0]))
        limit = model.max_seq_length
        self.max_tokens: int | None = None if limit is None else int(limit)
        prompts: dict[str, str] = dict(model.prompts or {})
        self._query_prompt = _first(prompts, QUERY_PROMPTS)
        self._document_prompt = _first(prompts, DOCUMENT_PROMPTS)

    @classmethod
    def open(cls, name: str) -> HubEncoder:
        """Load a model from a folder, the hub's cache or the hub.

        Raises:
            TellapartError: The extra is missing, there is no such model, or it cannot be loaded.
        """
        package = require("sentence_transformers", extra="hub")
        folder = model_folder(name, extra="hub")
        try:
            model = package.SentenceTransformer(
                str(folder),
                local_files_only=True,
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True},
            )
        except Exception as error:  # whatever the model's own files provoke
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise TellapartError(
                f"sentence-transformers cannot load {name!r}: {reason}; choose another model"
            ) from error
        return cls(model, name=f"hub:{name}", fingerprint=folder_fingerprint(folder))

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        """Encode queries with the model's own query prompt: (n, dim), rows of unit length."""
        return self._encode(texts, self._query_prompt, silent)

    def encode_document(self, texts: Sequence[str], *, progress: Progress = silent) -> Vectors:
        """Encode units with the model's own document prompt: (n, dim), rows of unit length."""
        return self._encode(texts, self._document_prompt, progress)

    def count_tokens(self, texts: Sequence[str]) -> NDArray[np.int32]:
        """Tokens of each text, special tokens and the documents' prompt included, without truncation."""
        prompted = [self._document_prompt + text for text in texts]
        if not prompted:
            return np.zeros(0, dtype=np.int32)
        tokenizer = self._model.tokenizer
        if hasattr(tokenizer, "encode_batch"):  # static models carry a bare tokenizers.Tokenizer
            return np.array([len(entry.ids) for entry in tokenizer.encode_batch(prompted)], dtype=np.int32)
        tokens = tokenizer(prompted, truncation=False, padding=False, verbose=False)["input_ids"]
        return np.array([len(ids) for ids in tokens], dtype=np.int32)

    def _encode(self, texts: Sequence[str], prompt: str, progress: Progress) -> Vectors:
        blocks = [np.zeros((0, self.dim), dtype=np.float32)]
        with progress(f"encoding with {self.name}", len(texts)) as advance:
            for start in range(0, len(texts), ENCODED_TOGETHER):
                block = list(texts[start : start + ENCODED_TOGETHER])
                made = self._model.encode(
                    block, prompt=prompt, batch_size=BATCH, show_progress_bar=False, convert_to_numpy=True
                )
                blocks.append(unit_rows(made, encoder=self.name))
                advance(len(block))
        return np.concatenate(blocks)


def _first(prompts: dict[str, str], names: Sequence[str]) -> str:
    return next((prompts[name] for name in names if prompts.get(name)), "")


AVERAGED_TOGETHER = 1_024


class Model2VecEncoder(OfTexts):
    """Averages token vectors; texts of any length, nothing is cut."""

    max_tokens: int | None = None

    def __init__(self, model: Any, *, name: str, fingerprint: str) -> None:  # noqa: ANN401 - an untyped package
        """Wrap a loaded `StaticModel`."""
        self.name = name
        self.fingerprint = fingerprint
        self.dim = int(model.dim)
        self._model = model

    @classmethod
    def open(cls, name: str) -> Model2VecEncoder:
        """Load a model from a folder, the hub's cache or the hub.

        Raises:
            TellapartError: The extra is missing, there is no such model, or it cannot be loaded.
        """
        package = require("model2vec", extra="model2vec")
        folder = model_folder(name, extra="model2vec")
        try:
            model = package.StaticModel.from_pretrained(str(folder))
        except Exception as error:  # whatever the model's own files provoke
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise TellapartError(f"model2vec cannot load {name!r}: {reason}; choose another model") from error
        return cls(model, name=f"model2vec:{name}", fingerprint=folder_fingerprint(folder))

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        """Encode queries: (n, dim), rows of unit length."""
        return self.encode_document(texts)

    def encode_document(self, texts: Sequence[str], *, progress: Progress = silent) -> Vectors:
        """Encode units: (n, dim), rows of unit length; a text without a known token gets the last axis."""
        blocks = [np.zeros((0, self.dim), dtype=np.float32)]
        with progress(f"encoding with {self.name}", len(texts)) as advance:
            for start in range(0, len(texts), AVERAGED_TOGETHER):
                block = list(texts[start : start + AVERAGED_TOGETHER])
                made = self._model.encode(block, max_length=None, use_multiprocessing=False)
                blocks.append(unit_rows(made, encoder=self.name))
                advance(len(block))
        return np.concatenate(blocks)

    def count_tokens(self, texts: Sequence[str]) -> NDArray[np.int32]:
        """Tokens of each text, unknown ones left out as the model does."""
        found = [
            entry.ids for entry in self._model.tokenizer.encode_batch(list(texts), add_special_tokens=False)
        ]
        unknown = getattr(self._model, "unk_token_id", None)
        return np.array([sum(token != unknown for token in ids) for ids in found], dtype=np.int32)

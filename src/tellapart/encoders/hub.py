"""Any sentence-transformers model (`hub:ORG/MODEL` or `hub:FOLDER`); extra `hub`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart.encoders.protocol import Vectors
from tellapart.encoders.rows import unit_rows
from tellapart.encoders.snapshots import folder_fingerprint, model_folder
from tellapart.errors import TellapartError, require
from tellapart.progress import Progress, silent

ENCODED_TOGETHER = 256
BATCH = 32
QUERY_PROMPTS = ("query",)
DOCUMENT_PROMPTS = ("document", "passage", "corpus")
"""Names under which models define their prompts, in the order in which sentence-transformers looks for them."""


class HubEncoder:
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

"""Static embedding tables (`model2vec:NAME-OR-FOLDER`): a vector per token, averaged; extra `model2vec`."""

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

ENCODED_TOGETHER = 1_024


class Model2VecEncoder:
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
            for start in range(0, len(texts), ENCODED_TOGETHER):
                block = list(texts[start : start + ENCODED_TOGETHER])
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

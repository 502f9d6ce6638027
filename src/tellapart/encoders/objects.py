"""Encoders that a user made: any Python object that turns texts into vectors."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike, fspath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart.encoders.load import is_spec
from tellapart.encoders.protocol import Encoder, OfImages, OfTexts, Vectors, unit_rows
from tellapart.errors import TellapartError
from tellapart.progress import Progress, silent

ENCODED_TOGETHER = 1_024
"""Texts handed to an object at once. It forms its own batches, and progress is told
after each call: half tells it more often, twice less."""

PROBES = (
    "How do I water roses in a dry summer?",
    "def total(prices):\n    return sum(prices)",
    "The parliament passed the law in 1998.",
    "Ein Satz in einer anderen Sprache.",
)
"""Texts whose vectors tell two encoders apart that offer no fingerprint."""

PROBE_SIGNS = 256
"""Signs of random projections that are hashed, of each probe's vector. A sign changes with probability angle / pi
(Charikar 2002): fine-tuning that turns vectors by 1 degree changes one of 1,024 with probability .997, rounding of
1e-6 with .001. Whole vectors would differ between machines."""

EncodersGiven = str | Iterable[object] | Mapping[str, object] | object
"""Names of encoders, objects that encode, or a mapping from a name to an object; one or several."""


def named_encoders(given: EncodersGiven) -> tuple[tuple[str, ...], dict[str, Encoder]]:
    """Give the names of all encoders in order, and the objects among them by name.

    Raises:
        TellapartError: Something is neither a name nor encodes texts, or two objects share a name.
    """
    objects: dict[str, Encoder] = {}
    if isinstance(given, Mapping):
        objects = {str(name): object_encoder(thing, name=str(name)) for name, thing in given.items()}
        return tuple(objects), objects
    if isinstance(given, str | PathLike) or _encodes(given):
        given = [given]
    if not isinstance(given, Iterable):
        raise _unusable(given)
    names: list[str] = []
    for each in given:
        if isinstance(each, str | PathLike):
            names.append(fspath(each))
            continue
        encoder = object_encoder(each)
        if encoder.name in objects:
            raise TellapartError(
                f"two encoders are named {encoder.name!r}: name them with encoders={{'NAME': encoder, ...}}"
            )
        objects[encoder.name] = encoder
        names.append(encoder.name)
    return tuple(dict.fromkeys(names)), objects


def object_encoder(thing: object, *, name: str | None = None) -> Encoder:
    """Make an encoder of any object that has `encode(texts)`, or `encode_query(texts)` and `encode_document(texts)`.

    Args:
        thing: A `SentenceTransformer`, an encoder of tellapart, or an own object. It gives an (n, dim) array for a
            list of n texts; rows are brought to unit length here.
        name: What an index calls it; None = its attribute `name`, else the name of its class.

    Raises:
        TellapartError: The object encodes no texts, or the name is one that tellapart opens itself.
    """
    if isinstance(thing, type) or not _encodes(thing):
        raise _unusable(thing)
    if isinstance(thing, OfImages):
        raise TellapartError(f"{thing.name} encodes images: give it to an index by its name")
    own = getattr(thing, "name", None)
    called = name or (own if isinstance(own, str) and own else type(thing).__name__)
    if isinstance(thing, Encoder) and called == own:
        return thing
    if is_spec(called):
        raise TellapartError(f"{called!r} is the name of an encoder of tellapart: give yours another one")
    return ObjectEncoder(thing, name=called)


class ObjectEncoder(OfTexts):
    """Runs an object. It is asked with the texts alone: prompts, batches and devices are its own affair.

    `fingerprint` is that of the object if it has one, else a hash of the name and of what it makes of `PROBES`.
    Units are split into windows if the object has `max_tokens` and `count_tokens(texts)`, or is a
    `SentenceTransformer`; others get texts of any length.
    """

    def __init__(self, thing: Any, *, name: str) -> None:  # noqa: ANN401 - any object
        """Wrap an object; encodes a few texts to learn its dimension."""
        self.name = name
        self._thing = thing
        probed = self._rows(_method(thing, "encode_document"), PROBES)
        self.dim = probed.shape[1]
        offered = getattr(thing, "fingerprint", None)
        self.fingerprint = offered if isinstance(offered, str) and offered else _probe_digest(name, probed)
        self._count, self.max_tokens = _counter(thing)
        self.matryoshka = int(getattr(thing, "matryoshka", 0) or 0)

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        """Encode queries: (n, dim), rows of unit length."""
        return self._encode("encode_query", texts, silent)

    def encode_document(self, texts: Sequence[str], *, progress: Progress = silent) -> Vectors:
        """Encode units: (n, dim), rows of unit length."""
        return self._encode("encode_document", texts, progress)

    def count_tokens(self, texts: Sequence[str]) -> NDArray[np.int32]:
        """Tokens of each text as the object counts them, else its words."""
        return np.array(self._count(list(texts)), dtype=np.int32)

    def _encode(self, method: str, texts: Sequence[str], progress: Progress) -> Vectors:
        call = _method(self._thing, method)
        blocks = [np.zeros((0, self.dim), dtype=np.float32)]
        with progress(f"encoding with {self.name}", len(texts)) as advance:
            for start in range(0, len(texts), ENCODED_TOGETHER):
                block = texts[start : start + ENCODED_TOGETHER]
                rows = self._rows(call, block)
                if rows.shape[1] != self.dim:
                    raise TellapartError(
                        f"the encoder {self.name!r} gave vectors of {self.dim} and of {rows.shape[1]} dimensions"
                    )
                blocks.append(rows)
                advance(len(block))
        return np.concatenate(blocks)

    def _rows(self, call: Callable[[list[str]], Any], texts: Sequence[str]) -> Vectors:
        made = call(list(texts))
        try:
            rows = np.asarray(made, dtype=np.float32)
        except (TypeError, ValueError) as error:
            raise TellapartError(f"the encoder {self.name!r} gave no array of numbers: {error}") from error
        if rows.ndim != 2 or len(rows) != len(texts) or not rows.shape[1]:
            raise TellapartError(
                f"the encoder {self.name!r} gave an array of shape {rows.shape} for {len(texts)} texts:"
                f" it must be ({len(texts)}, dimensions)"
            )
        return unit_rows(rows, encoder=self.name)


def _encodes(thing: object) -> bool:
    both = all(callable(getattr(thing, name, None)) for name in ("encode_query", "encode_document"))
    return not isinstance(thing, str) and (both or callable(getattr(thing, "encode", None)))


def _method(thing: Any, name: str) -> Callable[[list[str]], Any]:  # noqa: ANN401
    pair = callable(getattr(thing, "encode_query", None)) and callable(
        getattr(thing, "encode_document", None)
    )
    method: Callable[[list[str]], Any] = getattr(thing, name if pair else "encode")
    return method


def _counter(thing: Any) -> tuple[Callable[[list[str]], Any], int | None]:  # noqa: ANN401
    """Give what counts tokens, and the longest input."""
    longest = getattr(thing, "max_tokens", None)
    if callable(getattr(thing, "count_tokens", None)):
        return thing.count_tokens, longest if isinstance(longest, int) else None
    longest, tokenizer = getattr(thing, "max_seq_length", None), getattr(thing, "tokenizer", None)
    if isinstance(longest, int) and callable(
        tokenizer
    ):  # sentence-transformers with a tokenizer of transformers
        return lambda texts: [
            len(ids)
            for ids in (tokenizer(texts, truncation=False, verbose=False)["input_ids"] if texts else [])
        ], longest
    return lambda texts: [len(text.split()) for text in texts], None


def _probe_digest(name: str, rows: Vectors) -> str:
    bits = np.random.PCG64(0).random_raw(rows.shape[1] * PROBE_SIGNS // 64).view(np.uint8)
    signs = 2.0 * np.unpackbits(bits).reshape(rows.shape[1], PROBE_SIGNS) - 1.0
    projected = np.packbits(rows.astype(np.float64) @ signs > 0)
    return hashlib.blake2b(
        f"{name}\0{rows.shape[1]}\0".encode() + projected.tobytes(), digest_size=16
    ).hexdigest()


def _unusable(thing: object) -> TellapartError:
    return TellapartError(
        f"encoders holds {thing!r:.80}: give the name of an encoder, or an object with encode(texts)"
    )

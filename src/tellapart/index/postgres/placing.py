"""Which server holds which document."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart.index.catalogue import Mask

Numbers = NDArray[np.int64]

OWNER = np.dtype("<i2")
"""A server's number, as kept for each document of a segment."""


def owners_of(identifiers: Sequence[str], servers: Sequence[int]) -> NDArray[np.int16]:
    """Give the server of each document: the one whose number, hashed with the document's id, is highest.

    So a document keeps its server, and where one server comes in or goes, only what it gets or had moves (rendezvous
    hashing, Thaler and Ravishankar 1998).
    """
    if len(servers) == 1:
        return np.full(len(identifiers), servers[0], np.int16)
    digests = b"".join(
        blake2b(each.encode("utf-8", "surrogatepass"), digest_size=8).digest() for each in identifiers
    )
    hashed = np.frombuffer(digests, "<u8")
    weights = [_mixed(hashed ^ _mixed(np.array([number], np.uint64))) for number in servers]
    owners: NDArray[np.int16] = np.array(servers, np.int16)[np.argmax(weights, axis=0)]
    return owners


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble 64 bits as the finalizer of splitmix64 does (Steele, Lea and Flood 2014)."""
    mixed = values + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


PLACED = "key, documents, dead, owners, keys, languages, levels"
"""Columns of `segments` that say what is where."""


@dataclass(frozen=True, slots=True)
class PlacedSegment:
    """A segment of the published generation: of each document its number, server, key there, and whether it is dead."""

    key: int
    documents: Numbers
    dead: Mask
    owners: NDArray[np.int16]
    keys: Numbers
    languages: tuple[str, ...]
    levels: dict[str, list[int]]

    @classmethod
    def of(cls, row: Sequence[Any]) -> PlacedSegment:
        """Read a row of `PLACED`."""
        key, documents, dead, owners, keys, languages, levels = row
        numbers = np.frombuffer(documents, "<i8")
        return cls(
            key,
            numbers,
            np.unpackbits(np.frombuffer(dead, np.uint8), count=len(numbers)).astype(bool),
            np.frombuffer(owners, OWNER),
            np.frombuffer(keys, "<i8"),
            tuple(languages),
            levels,
        )


class Placement:
    """Numbers of the live documents, ascending, with the server of each and its key there."""

    def __init__(self, segments: Sequence[PlacedSegment]) -> None:
        numbers, owners, keys = [np.zeros(0, np.int64)], [np.zeros(0, np.int16)], [np.zeros(0, np.int64)]
        for segment in segments:
            kept = ~segment.dead
            numbers.append(segment.documents[kept])
            owners.append(segment.owners[kept])
            keys.append(segment.keys[kept])
        order = np.argsort(np.concatenate(numbers), kind="stable")
        self.numbers = np.concatenate(numbers)[order]
        self.owners = np.concatenate(owners)[order]
        self.keys = np.concatenate(keys)[order]

    def keys_of(self, numbers: Sequence[int]) -> dict[int, list[int]]:
        """Give the keys of some documents by server; those that are not there are left out."""
        wanted = np.asarray(numbers, np.int64)
        if not len(self.numbers) or not len(wanted):
            return {}
        places = np.minimum(np.searchsorted(self.numbers, wanted), len(self.numbers) - 1)
        places = places[self.numbers[places] == wanted]
        owners, keys = self.owners[places], self.keys[places]
        return {int(owner): keys[owners == owner].tolist() for owner in np.unique(owners)}

    def numbers_of(self, server: int, keys: Sequence[int]) -> list[int | None]:
        """Give the numbers of the documents that have these keys at a server, None where no live one has."""
        own_keys, numbers = self._by_server.get(server, (np.zeros(0, np.int64), np.zeros(0, np.int64)))
        wanted = np.asarray(keys, np.int64)
        if not len(own_keys):
            return [None] * len(wanted)
        places = np.minimum(np.searchsorted(own_keys, wanted), len(own_keys) - 1)
        known = own_keys[places] == wanted
        return [
            number if there else None for number, there in zip(numbers[places].tolist(), known, strict=True)
        ]

    @cached_property
    def _by_server(self) -> dict[int, tuple[Numbers, Numbers]]:
        """Keys, ascending, and the numbers of the documents that have them, of each server."""
        found = {}
        for owner in np.unique(self.owners).tolist():
            own = np.flatnonzero(self.owners == owner)
            own = own[np.argsort(self.keys[own], kind="stable")]
            found[int(owner)] = self.keys[own], self.numbers[own]
        return found

    def count_at(self, servers: Iterable[int]) -> int:
        """Count the documents that some servers hold."""
        return int(np.isin(self.owners, np.array(list(servers), np.int16)).sum())


NOWHERE = Placement(())
"""Of no documents."""

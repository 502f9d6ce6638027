"""Records kept in an index: the verdicts on searches by words, and on rankers of examples (`inspect`).

Both are read here and followed by `auto`; only `experiments/` and `scores/` write them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

from tellapart.corpus.document import Granularity
from tellapart.engine.configuration import Configuration, parse_granularities
from tellapart.engine.opened import own_folder
from tellapart.errors import TellapartError
from tellapart.index.catalogue import VERDICT, Catalogue
from tellapart.index.lock import writer_lock
from tellapart.index.postgres.store import PublishedStore
from tellapart.index.reading import DocumentStore
from tellapart.index.snapshot import Snapshot
from tellapart.index.store import FILE, Store, corruption_named
from tellapart.rankers.registry import Parameters

if TYPE_CHECKING:
    from tellapart.engine.probabilities import HitCalibration


STALE_SHARE = 0.2
"""Share of the documents that may come, go or change before a verdict is no longer followed. Not
measured: at half of it a verdict is lost sooner, at twice nearly half of the answers could be documents that nobody
measured. `lsa` is fitted anew at the same share."""


@dataclass(frozen=True, slots=True)
class CorpusState:
    """Documents at one moment: a fingerprint of all of them, how many, and the highest number given so far."""

    fingerprint: str
    documents: int
    newest: int


@dataclass(frozen=True, slots=True)
class VerdictRecord:
    """The configuration to use, the sentence that says why, and what it was measured on.

    `encoder_fingerprint` is that of the configuration's encoder; `made` an ISO date and time; `generation` that of the
    index that the verdict came with (`NO_GENERATION`: none): as long as it stands, nothing can have changed.
    """

    configuration: Configuration
    reason: str
    corpus: CorpusState
    encoder_fingerprint: str | None
    made: str
    generation: int

    def encode(self) -> str:
        """Write as JSON."""
        chosen = self.configuration
        return json.dumps(
            {
                "encoder": chosen.encoder,
                "granularity": chosen.granularity,
                "ranker": chosen.ranker,
                "parameters": chosen.parameters.given(),
                "reason": self.reason,
                "corpus": asdict(self.corpus),
                "encoder_fingerprint": self.encoder_fingerprint,
                "made": self.made,
                "generation": self.generation,
            }
        )

    @classmethod
    def decode(cls, text: str) -> VerdictRecord | None:
        """Read what `encode` wrote; None where another version of tellapart wrote something else."""
        try:
            kept = json.loads(text)
            levels = parse_granularities(kept["granularity"])
            parameters = Parameters(**kept["parameters"])
            return cls(
                Configuration(kept["encoder"], levels, kept["ranker"], parameters),
                str(kept["reason"]),
                CorpusState(**kept["corpus"]),
                kept["encoder_fingerprint"],
                str(kept["made"]),
                int(kept["generation"]),
            )
        except (ValueError, KeyError, TypeError, TellapartError):
            return None


@dataclass(frozen=True, slots=True)
class CheckedVerdict:
    """The verdict kept in an index and, where it must not be followed any more, why (`stale`)."""

    record: VerdictRecord
    stale: str | None

    @classmethod
    def of(cls, store: DocumentStore, snapshot: Snapshot, record: str = VERDICT) -> CheckedVerdict | None:
        """Look at what is kept and whether corpus and encoder are still what was measured."""
        text = store.record(record)
        verdict = VerdictRecord.decode(text) if text else None
        if verdict is None:
            return None
        return cls(verdict, why_stale(verdict, store, snapshot))


def examples_record(encoder: str, granularity: str) -> str:
    """Name of the record that says how to rank by examples, for an encoder at a granularity."""
    return f"{VERDICT} examples {encoder} {granularity}"


def corpus_state(store: DocumentStore) -> CorpusState:
    """Describe the documents of an index as they are now."""
    hashed = blake2b(digest_size=16)
    for identifier, digest in store.digests_by_id():
        hashed.update(identifier.encode() + b"\0" + digest)
    return CorpusState(hashed.hexdigest(), store.count(), store.newest())


NO_GENERATION = -1
"""Of records kept in a published index: its generations are the folder's, which knows nothing of them."""


def generation_with(store: DocumentStore) -> int:
    """Give the generation that records kept now come with."""
    return NO_GENERATION if isinstance(store, PublishedStore) else store.generation + 1


def write_records(store: DocumentStore, records: Mapping[str, str]) -> None:
    """Keep records in an index, replacing those of the same names.

    Readers see them with their next search. In a published index they stay until the folder has newer ones.

    Raises:
        TellapartError: The index cannot be written.
    """
    if isinstance(store, PublishedStore):
        store.keep_records(records)
        return
    folder = own_folder(store)
    with writer_lock(folder), corruption_named(folder / FILE):
        writing = Store.create(folder)
        try:
            with writing.transaction():
                for name, value in records.items():
                    Catalogue(writing).put_record(name, value)
                writing.next_generation()
        finally:
            writing.close()


def why_stale(record: VerdictRecord | HitCalibration, store: DocumentStore, snapshot: Snapshot) -> str | None:
    """Say what is missing or other than it was when a record was made; None where it still holds."""
    if record.generation == store.generation:
        return None
    return _changed_index(record, snapshot) or changed_corpus(record.corpus, store)


def _changed_index(record: VerdictRecord | HitCalibration, snapshot: Snapshot) -> str | None:
    name, levels = record.configuration.encoder, record.configuration.granularities
    for level in levels:
        if level not in snapshot.granularities:
            return f"the index has no {level} units any more"
        if name is not None and not snapshot.has_vectors(name, level):
            return f"the index has no {level} vectors of {name} any more"
    if levels == (Granularity.IMAGE,) != snapshot.granularities:
        return "it is for images, and the index holds texts too now"
    if name is None or snapshot.encoders[name].fingerprint == record.encoder_fingerprint:
        return None
    if isinstance(record, VerdictRecord) and snapshot.weights_of(name) == record.encoder_fingerprint:
        return None  # compressed since: what that costs, `evaluate --compress` has said
    return f"the encoder {name} has other weights now"


def changed_corpus(then: CorpusState, store: DocumentStore) -> str | None:
    """Say how much changed if it is too much; a document that changed has got a new number."""
    left = store.count_up_to(then.newest)
    gone, come = then.documents - left, store.count() - left
    changed = max(gone, come) / max(then.documents, 1)
    if changed <= STALE_SHARE or corpus_state(store).fingerprint == then.fingerprint:
        return None
    return f"{max(gone, come):,} documents changed since, of {then.documents:,}"

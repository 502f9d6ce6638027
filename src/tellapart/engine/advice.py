"""Whether a ranker finds more from examples than k-NN here: measured by `scores/`, kept, followed by `auto`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum

from tellapart.corpus.types import Granularity
from tellapart.engine.kept import CorpusState, changed_corpus
from tellapart.errors import TellapartError
from tellapart.index.catalogue import Catalogue, StoredEncoder
from tellapart.index.store import Store

SCHEMA = 1


class Answer(StrEnum):
    """What a measured difference says."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "can't tell"


@dataclass(frozen=True, slots=True)
class Advice:
    """How much a ranker gains over k-NN from examples: the mean difference of nDCG@10 with its 95 % interval.

    Measured on `n` groups of units that belong together (`source` says which). `fingerprint` is the
    encoder's, `corpus` the state of the documents.
    """

    ranker: str
    encoder: str
    granularity: Granularity
    answer: Answer
    difference: float
    low: float
    high: float
    p: float
    n: int
    source: str
    fingerprint: str
    corpus: CorpusState

    @property
    def name(self) -> str:
        """Name of the record that holds it."""
        return record_name(self.ranker, self.encoder, self.granularity)

    def encode(self) -> str:
        """Write as JSON."""
        return json.dumps({"schema": SCHEMA, **asdict(self)})

    @classmethod
    def decode(cls, text: str) -> Advice | None:
        """Read what `encode` wrote; None where another version of tellapart wrote something else."""
        try:
            kept = json.loads(text)
            if kept.pop("schema") != SCHEMA:
                return None
            kept["granularity"], kept["answer"] = Granularity(kept["granularity"]), Answer(kept["answer"])
            kept["corpus"] = CorpusState(**kept["corpus"])
            return cls(**kept)
        except (ValueError, KeyError, TypeError, TellapartError):
            return None


def record_name(ranker: str, encoder: str, granularity: Granularity) -> str:
    """Name of the record with the advice on a ranker, for an encoder at a granularity."""
    return f"advice {ranker} {encoder} {granularity}"


def kept_advice(
    store: Store, encoders: Mapping[str, StoredEncoder], ranker: str, encoder: str, granularity: Granularity
) -> Advice | None:
    """Read the advice on a ranker; None if there is none, or much changed since."""
    text = Catalogue(store).record(record_name(ranker, encoder, granularity))
    advice = Advice.decode(text) if text else None
    if advice is None or encoders[encoder].fingerprint != advice.fingerprint:
        return None
    return None if changed_corpus(advice.corpus, store) else advice

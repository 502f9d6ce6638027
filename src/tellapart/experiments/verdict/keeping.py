"""Leaving a verdict in the index, where `search` follows it and later evaluations find it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from tellapart.engine import Index
from tellapart.engine.records import VERDICT, VerdictRecord, corpus_state, write_records
from tellapart.errors import TellapartError
from tellapart.experiments.verdict.verdict import Verdict
from tellapart.experiments.verdict.verdict_json import verdict_json

EVALUATION = "experiments"
"""Name of the record that holds all that was measured, as `evaluate --json` prints it."""


def keep_verdict(index: Index, verdict: Verdict, now: datetime | None = None) -> None:
    """Replace the verdict that the index follows.

    Raises:
        TellapartError: The index cannot be written, or holds other documents than were measured.
    """
    configuration = verdict.chosen.configuration
    encoder = configuration.encoder
    with index.reading() as snapshot:
        state = corpus_state(index.store)
        if state.fingerprint != verdict.corpus:
            raise TellapartError(
                f"the index {index.folder} changed meanwhile: run 'tellapart evaluate' again"
            )
        kept = VerdictRecord(
            configuration,
            verdict.reason,
            state,
            None if encoder is None else snapshot.encoders[encoder].fingerprint,
            (now or datetime.now(UTC)).isoformat(timespec="seconds"),
            index.store.generation + 1,
        )
    write_records(index.folder, {VERDICT: kept.encode(), EVALUATION: json.dumps(verdict_json(verdict))})

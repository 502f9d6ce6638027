"""From an index to an adapted encoder's folder, or to the reason why there is none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from tellapart.encoders.adapted import AdaptedConfig, AdaptedEncoder
from tellapart.encoders.load import load_encoder
from tellapart.encoders.protocol import Encoder
from tellapart.engine import Index
from tellapart.errors import TellapartError
from tellapart.evaluation.queries.querysets import QueryGold
from tellapart.evaluation.statistics import ALPHA
from tellapart.learning.adapting.deciding import Adaptation, Evidence, adapt
from tellapart.learning.adapting.judged import judge
from tellapart.learning.adapting.pairs import gather
from tellapart.progress import Progress, silent

UNMAPPED = ("lsa",)
"""Encoders that live in an index: nothing outside could run them."""


@dataclass(frozen=True, slots=True)
class AdaptedOutcome:
    """What was concluded, and the encoder, where one was written."""

    adaptation: Adaptation
    encoder: AdaptedEncoder | None


def adapt_encoder(
    index: Index,
    output: Path,
    *,
    encoder: str = "minilm",
    judged: QueryGold | None = None,
    keep_anyway: bool = False,
    seed: int = 0,
    progress: Progress = silent,
) -> AdaptedOutcome:
    """Fit a map to the documents of an index and write it where it is better than none.

    Args:
        index: Holds vectors of `encoder`.
        output: Folder to write; left alone where the map is not recommended.
        encoder: What is adapted.
        judged: Queries with judgements; they decide whether the map is recommended and are not learned from.
        keep_anyway: Write the map although it is not recommended.
        seed: Of queries and splits.
        progress: Told of documents read and texts encoded.

    Raises:
        TellapartError: The encoder cannot be mapped, or `output` holds one already.
    """
    if encoder in UNMAPPED:
        raise TellapartError(f"{encoder!r} is fitted to the corpus already: adapt minilm or another encoder")
    if (output / "config.json").exists():
        raise TellapartError(f"{output} already holds an encoder: give another --output, or remove it")
    base = index.encoder(encoder)
    pairs = gather(index, encoder, seed=seed, progress=progress)
    found = adapt(pairs, seed=seed)
    if judged is not None:
        found = _decided(found, judge(index, encoder, pairs.level, found.matrix, judged))
    if not found.recommended and not keep_anyway:
        return AdaptedOutcome(found, None)
    return AdaptedOutcome(found, _write(found, base, encoder, output))


def report(found: Adaptation) -> Mapping[str, object]:
    """Give the conclusion and its evidence as JSON holds it."""
    return {
        "recommended": found.recommended,
        "reason": found.reason,
        "pull": found.pull,
        "evidence": [asdict(part) for part in found.evidence],
    }


def _decided(found: Adaptation, people: Evidence) -> Adaptation:
    """Let people's judgements overrule generated queries."""
    against = people.against_untouched
    limits = f"{against.difference:+.3f} [{against.low:+.3f}, {against.high:+.3f}]"
    better = found.pull is not None and against.p <= ALPHA and against.low > 0
    conclusion = "better than" if better else "not separated from"
    reason = f"{conclusion} the untouched encoder ({limits} nDCG@10 on {people.queries:,} judged queries)"
    return replace(found, evidence=(people, *found.evidence), recommended=better, reason=reason)


def _write(found: Adaptation, base: Encoder, name: str, output: Path) -> AdaptedEncoder:
    output.mkdir(parents=True, exist_ok=True)
    config = AdaptedConfig(
        name=output.name, base=name, base_fingerprint=base.fingerprint, dim=len(found.matrix)
    )
    np.save(output / config.map, found.matrix, allow_pickle=False)
    (output / "training.json").write_text(json.dumps(report(found), indent=1) + "\n", encoding="utf-8")
    (output / "config.json").write_text(config.to_json(), encoding="utf-8")
    return AdaptedEncoder(output, load_encoder)

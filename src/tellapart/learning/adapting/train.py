"""From an index to an adapted encoder's folder, or to the reason why there is none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory

from tellapart.encoders.adapted import AdaptedConfig
from tellapart.encoders.config import write_config
from tellapart.encoders.load import load_encoder
from tellapart.encoders.maps import VectorMap, write_map
from tellapart.encoders.protocol import Encoder
from tellapart.engine import Index
from tellapart.errors import TellapartError
from tellapart.experiments.query_set import QuerySet
from tellapart.experiments.statistics import ALPHA
from tellapart.learning.adapting.deciding import Adaptation, Evidence, adapt
from tellapart.learning.adapting.judged import judge
from tellapart.learning.adapting.judges import Judges
from tellapart.learning.adapting.pairs import gather, level_of
from tellapart.learning.adapting.taught import teach
from tellapart.learning.adapting.words import WordsOfIndex, adapt_words, teach_words
from tellapart.progress import Progress, silent

UNMAPPED = ("lsa",)
"""Encoders that live in an index: nothing outside could run them."""


class Adapter(StrEnum):
    """What is changed about an encoder."""

    WORDS = "words"
    """Its vectors, by the words of each text beside them."""
    LINEAR = "linear"
    """Its vectors, by a closed-form map."""


def parse_adapter(name: str) -> Adapter:
    """Read an adapter's name.

    Raises:
        TellapartError: There is no such adapter.
    """
    try:
        return Adapter(name)
    except ValueError:
        raise TellapartError(f"unknown adapter {name!r}; known are {', '.join(Adapter)}") from None


@dataclass(frozen=True, slots=True)
class AdaptedOutcome:
    """What was concluded, and the encoder, where one was written."""

    adaptation: Adaptation
    encoder: Encoder | None


def adapt_encoder(
    index: Index,
    output: Path,
    *,
    encoder: str = "minilm",
    adapter: Adapter = Adapter.WORDS,
    judged: QuerySet | None = None,
    keep_anyway: bool = False,
    seed: int = 0,
    progress: Progress = silent,
) -> AdaptedOutcome:
    """Adapt an encoder to the documents of an index and write it where it is better than the untouched one.

    Args:
        index: Holds vectors of `encoder`.
        output: Folder to write; left alone where the adapted encoder is not recommended.
        encoder: What is adapted.
        adapter: What of it is changed.
        judged: Queries with judgements: they decide whether it is recommended. Where they are enough, the adapter
            learns from them (taught.py), and then no query is generated.
        keep_anyway: Write it although it is not recommended.
        seed: Of queries, splits and batches.
        progress: Told of documents read, texts encoded and steps made.

    Raises:
        TellapartError: The encoder cannot be adapted, or `output` holds one already.
    """
    if encoder in UNMAPPED:
        raise TellapartError(f"{encoder!r} is fitted to the corpus already: adapt minilm or another encoder")
    if (output / "config.json").exists():
        raise TellapartError(f"{output} already holds an encoder: give another --output, or remove it")
    base = index.encoder(encoder)
    if not isinstance(base, Encoder):
        raise TellapartError(f"{encoder!r} sees images: adapt an encoder of texts, such as minilm")
    kind, level = level_of(index, encoder)
    people = Judges.of(index, encoder, level, judged) if judged is not None else None
    output.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=output.parent, prefix=f".{output.name}-") as part:
        place = Place(WordsOfIndex(index, encoder, kind, level), Path(part), output.name, seed, progress)
        found = place.taught(people, adapter) if people is not None else None
        if found is None:
            found = place.adapted(adapter)
            if people is not None:
                changed = load_encoder(f"folder:{part}") if found.map is None else found.map
                found = _decided(found, judge(index, people, changed))
        if not (found.recommended or keep_anyway):
            return AdaptedOutcome(found, None)
        if found.map is not None:
            _write_map(found.map, base, encoder, Path(part), output.name)
        _move(Path(part), output)
    (output / "training.json").write_text(json.dumps(report(found), indent=1) + "\n", encoding="utf-8")
    return AdaptedOutcome(found, load_encoder(f"folder:{output}"))


@dataclass(frozen=True, slots=True)
class Place:
    """Where an encoder is adapted to, and where what is no map is written: `folder`, under `name`."""

    words: WordsOfIndex
    folder: Path
    name: str
    seed: int
    progress: Progress

    def taught(self, people: Judges, adapter: Adapter) -> Adaptation | None:
        """Learn from judged queries; None where they are too few."""
        if adapter is Adapter.LINEAR:
            return teach(people, seed=self.seed, progress=self.progress)
        return teach_words(people, self.words, self.folder, self.name, seed=self.seed, progress=self.progress)

    def adapted(self, adapter: Adapter) -> Adaptation:
        """Learn from generated queries."""
        index, encoder = self.words.index, self.words.encoder
        with_texts = adapter is Adapter.WORDS
        pairs = gather(index, encoder, seed=self.seed, with_texts=with_texts, progress=self.progress)
        if adapter is Adapter.LINEAR:
            return adapt(pairs, seed=self.seed)
        return adapt_words(pairs, self.words, self.folder, self.name, seed=self.seed, progress=self.progress)


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
    better = (found.map is None or found.pull is not None) and against.p <= ALPHA and against.low > 0
    conclusion = "better than" if better else "not separated from"
    reason = f"{conclusion} the untouched encoder ({limits} nDCG@10 on {people.queries:,} judged queries)"
    return replace(found, evidence=(people, *found.evidence), recommended=better, reason=reason)


def _write_map(found: VectorMap, base: Encoder, name: str, folder: Path, own: str) -> None:
    config = AdaptedConfig(
        name=own,
        base=name,
        base_fingerprint=base.fingerprint,
        dim=len(found),
        map=write_map(found, folder),
    )
    write_config(config, folder)


def _move(part: Path, output: Path) -> None:
    output.mkdir(exist_ok=True)
    for file in sorted(
        part.iterdir(), key=lambda file: file.name == "config.json"
    ):  # what makes it one comes last
        file.replace(output / file.name)

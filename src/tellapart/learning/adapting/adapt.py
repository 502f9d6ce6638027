"""From an index to an adapted encoder's folder, or to the reason why there is none.

Queries are collected, the adapter is an arm of an experiment beside the untouched encoder and BM25, and the one
`decide` says whether it is better: by people's judgements where there are some, else by synthetic queries and what is
known of how they mislead about adapted encoders.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from tellapart.encoders.compressed import CompressedEncoder
from tellapart.encoders.load import load_encoder
from tellapart.encoders.protocol import Encoder
from tellapart.engine import Index
from tellapart.engine.configuration import Configuration
from tellapart.errors import TellapartError
from tellapart.experiments.arms import Arm
from tellapart.experiments.deciding import decide
from tellapart.experiments.experiment import ArmValues, Experiment
from tellapart.experiments.posterior.model import ADAPTED, load_models
from tellapart.experiments.query_set import QuerySet
from tellapart.experiments.verdict import Verdict
from tellapart.learning.adapting.adapters import Adapter, EncoderTarget, LinearMap, WordsBeside
from tellapart.learning.adapting.queries import (
    FEWEST,
    AdaptationQueries,
    judged_queries,
    level_of,
    synthetic_queries,
)
from tellapart.learning.adapting.units import contents_of, read_units
from tellapart.progress import Progress, silent

ADAPTERS = ("words", "linear")
"""Names of what can be changed: the words of each text beside its vector, or the vectors by a closed-form map."""

UNMAPPED = ("lsa",)
"""Encoders that live in an index: nothing outside could run them."""


@dataclass(frozen=True, slots=True)
class Adapted:
    """What was concluded, and the encoder, where one was written.

    `verdict` is None where there were too few queries; `pull` is None where no strength was better than none.
    """

    verdict: Verdict | None
    pull: float | None
    encoder: Encoder | None = None

    @property
    def recommended(self) -> bool:
        """Whether the adapted encoder is better than the untouched one."""
        return self.verdict is not None and not self.verdict.kept_default

    @property
    def reason(self) -> str:
        """Why, in a sentence."""
        return f"fewer than {FEWEST} queries of any kind" if self.verdict is None else self.verdict.reason

    def to_json(self) -> Mapping[str, object]:
        """Give the documented shape."""
        verdict = None if self.verdict is None else self.verdict.to_json()
        return {"recommended": self.recommended, "reason": self.reason, "pull": self.pull, "verdict": verdict}


def adapt_encoder(
    index: Index,
    output: Path,
    *,
    encoder: str = "minilm",
    adapter: str = "words",
    judged: QuerySet | None = None,
    keep_anyway: bool = False,
    seed: int = 0,
    progress: Progress = silent,
) -> Adapted:
    """Adapt an encoder to the documents of an index and write it where it is better than the untouched one.

    Args:
        index: Holds vectors of `encoder`.
        output: Folder to write; left alone where the adapted encoder is not recommended.
        encoder: What is adapted.
        adapter: What of it is changed, one of ADAPTERS.
        judged: Queries with judgements: they decide. Where they are enough the adapter learns from them, too, and no
            query is made from the corpus.
        keep_anyway: Write it although it is not recommended.
        seed: Random seed.
        progress: Told of documents read, texts encoded and maps fitted.

    Raises:
        TellapartError: The encoder cannot be adapted, or `output` holds one already.
    """
    if encoder in UNMAPPED:
        raise TellapartError(f"{encoder!r} is fitted to the corpus already: adapt minilm or another encoder")
    check_adapter(adapter)
    refuse_occupied(output)
    base = index.encoder(encoder)
    if isinstance(base, CompressedEncoder):
        raise TellapartError(
            f"{index.place} keeps the vectors of {encoder} compressed, and adapting needs them whole: run"
            f" 'tellapart index --compress none --index {index.place}' first"
        )
    if not isinstance(base, Encoder):
        raise TellapartError(f"{encoder!r} sees images: adapt an encoder of texts, such as minilm")
    change: Adapter = LinearMap() if adapter == "linear" else WordsBeside(base, level_of(index, encoder)[0])
    people = judged_queries(index, encoder, judged) if judged is not None else None
    queries, found = _learned(index, encoder, change, people, seed, progress)
    if not (found.recommended or (keep_anyway and queries.enough)):
        return found
    units = read_units(index, encoder, queries.level)
    contents = contents_of(index, units, queries.level)
    with written(found, output) as part:
        place = EncoderTarget(part, output.name, encoder, base)
        change.write(queries, found.pull or change.pulls[0], contents, place)
    return replace(found, encoder=load_encoder(f"folder:{output}"))


def refuse_occupied(output: Path) -> None:
    """Refuse a folder that holds an encoder.

    Raises:
        TellapartError: It does.
    """
    if (output / "config.json").exists():
        raise TellapartError(f"{output} already holds an encoder: give another --output, or remove it")


def check_adapter(name: str) -> None:
    """Refuse a name that is no adapter's.

    Raises:
        TellapartError: There is no such adapter.
    """
    if name not in ADAPTERS:
        raise TellapartError(f"unknown adapter {name!r}; known are {', '.join(ADAPTERS)}")


def _learned(
    index: Index,
    encoder: str,
    change: Adapter,
    people: AdaptationQueries | None,
    seed: int,
    progress: Progress,
) -> tuple[AdaptationQueries, Adapted]:
    """Learn from people's queries where there are enough, else from synthetic ones, of which people may judge."""
    if people is not None and people.enough:
        found = conclude(people, change, encoder, seed=seed, progress=progress)
        if found.verdict is not None:
            return people, found
    made = synthetic_queries(index, encoder, seed=seed, progress=progress)
    found = conclude(made, change, encoder, seed=seed, progress=progress)
    if people is None or found.verdict is None:
        return made, found
    pull = found.pull or change.pulls[0]
    values = people.values(np.arange(len(people.names)), *change.transform(made, people, pull))
    experiment = experiment_of(people, encoder, change, (pull,), values[:, None], tuned=False)
    return made, Adapted(decide(experiment, models=load_models(ADAPTED), seed=seed), pull)


def conclude(
    queries: AdaptationQueries, change: Adapter, encoder: str, *, seed: int = 0, progress: Progress = silent
) -> Adapted:
    """Measure an adapter on queries that it did not learn from, and decide."""
    if not queries.enough:
        return Adapted(None, None)
    values = change.measure(queries, seed=seed, progress=progress)
    if np.isnan(values).any():
        return Adapted(None, None)
    experiment = experiment_of(queries, encoder, change, change.pulls, values)
    verdict = decide(experiment, models=load_models(ADAPTED), seed=seed)
    arm = experiment.arms[adapted_name(encoder, queries)].arm
    place = arm.variants.index(verdict.finding(arm.name).configuration)
    return Adapted(verdict, change.pulls[place - 1] if place else None)


def experiment_of(
    queries: AdaptationQueries,
    encoder: str,
    change: Adapter,
    pulls: tuple[float, ...],
    values: NDArray[np.float64],
    *,
    tuned: bool = True,
) -> Experiment:
    """Compare an adapted encoder with the untouched one; BM25 stands beside them, and is no contender.

    Args:
        queries: Who decides.
        encoder: Name of the untouched encoder.
        change: What was tried.
        pulls: At which strengths.
        values: nDCG@10 (n, pulls) of the adapted encoder.
        tuned: Whether the strength is chosen by these queries; the untouched encoder is then one of the choices.
    """
    levels = (queries.level,)
    plain = Configuration(encoder, levels, "knn")
    rows = np.arange(len(queries.names))
    untouched = queries.values(rows, queries.queries, queries.units.vectors)[:, None]
    variants = tuple(Configuration(f"{encoder}+{change.name} {pull:g}", levels, "knn") for pull in pulls)
    if tuned:
        variants, values = (plain, *variants), np.concatenate([untouched, values], axis=1)
    words = Configuration(None, levels, "bm25")
    results = (
        ArmValues(Arm.fixed(plain), untouched),
        ArmValues(Arm(adapted_name(encoder, queries), variants), values),
        ArmValues(replace(Arm.fixed(words), contender=False), queries.bm25[:, None]),
    )
    return Experiment(
        queries.query_set,
        queries.names,
        "nDCG@10",
        MappingProxyType({each.arm.name: each for each in results}),
        plain.name,
        words.name,
    )


def adapted_name(encoder: str, queries: AdaptationQueries) -> str:
    """Name the arm of the adapted encoder."""
    return f"adapted {encoder}/{queries.level}/knn"


@contextmanager
def written(found: Adapted, output: Path) -> Iterator[Path]:
    """Give a folder to write an encoder into, and move all files then; what makes a folder an encoder comes last."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=output.parent, prefix=f".{output.name}-") as part:
        yield Path(part)
        output.mkdir(exist_ok=True)
        for file in sorted(Path(part).iterdir(), key=lambda file: file.name == "config.json"):
            file.replace(output / file.name)
    (output / "training.json").write_text(json.dumps(found.to_json(), indent=1) + "\n", encoding="utf-8")

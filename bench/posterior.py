"""Learn from the development collections what arms gain, and how synthetic queries mislead about it.

    TELLAPART_DATA=... python bench/posterior.py --output src/tellapart/experiments/data/posterior.json

Every collection is looked at twice: with minilm as the encoder of the default, and with lsa instead.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from development import COLLECTIONS, PLACE
from judged import data_folder
from tellapart.engine.configuration import Configuration
from tellapart.experiments.posterior.evidence import agreement, mean_and_error
from tellapart.experiments.posterior.fitting import MeasuredArms, fit, with_encoder
from tellapart.experiments.posterior.model import COEFFICIENTS, ArmFeatures, GainModel
from tellapart.experiments.posterior.moves import class_of, distance, move
from tellapart.experiments.synthetic import log
from tellapart.experiments.synthetic.queries import QuerySource
from tellapart.index.latent import LSA
from tellapart.rankers.registry import Parameters
from verdict_values import Values, human, made

ENCODERS = ("minilm", "lsa")
LEFT_OUT = (QuerySource.RARE_TERMS,)
"""Kinds of synthetic queries that mislead."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Setting:
    """A collection with one encoder: values of both kinds of queries of the default and of what may replace it."""

    collection: str
    encoder: str
    default: str
    rivals: tuple[str, ...]
    human: Values
    synthetic: Values

    @property
    def code(self) -> bool:
        """Whether the collection is code."""
        return class_of(configuration_of(self.default)).endswith("code")

    def differences(self, values: Values) -> Floats:
        """Gains (n, m) of the rivals, query by query."""
        base = values.column(self.default)
        return np.stack([values.column(name) - base for name in self.rivals], axis=1)


def settings(data: Path, place: Path, only: Sequence[str] = ()) -> list[Setting]:
    """Read all values and name the defaults."""
    found = []
    for collection in COLLECTIONS:
        if only and collection.name not in only:
            continue
        people, corpus = human(collection, data, place), made(collection, data, place)
        known = [name for name in people.names if name in corpus.names]
        of_minilm = next(name for name in known if name.startswith("minilm/") and name.endswith("/hybrid"))
        for encoder in ENCODERS:
            default = of_minilm.replace("minilm", encoder, 1)
            if default not in known:
                continue
            rivals = [
                name
                for name in known
                if configuration_of(name).encoder in (None, encoder)
                and move(configuration_of(default), configuration_of(name)).any()
            ]
            found.append(Setting(collection.name, encoder, default, tuple(rivals), people, corpus))
    return found


QUERIES = 200
"""What each collection's queries count for, beside the pseudo-count of the raking."""


def people_margins(every: Sequence[Setting], *, code: bool, without: str = "") -> log.Margins:
    """Lengths and shared words of people's queries on one kind of corpus, each collection counting as much."""
    own = {
        each.collection: each.human.strata
        for each in every
        if each.code == code and each.collection != without
    }
    margins = [log.Margins.of(strata) for strata in own.values()]
    if not margins:  # nothing is known of such queries
        return log.Margins((1.0,) * (len(log.LENGTHS) + 1), (1.0,) * (len(log.SHARES) + 1))

    def mean(counted: Sequence[Sequence[float]]) -> tuple[float, ...]:
        shares = np.array([np.array(each) / sum(each) for each in counted])
        return tuple(np.round(QUERIES * shares.sum(axis=0), 1).tolist())

    return log.Margins(mean([m.lengths for m in margins]), mean([m.shares for m in margins]))


def synthetic_weights(setting: Setting, every: Sequence[Setting]) -> Floats:
    """Weights (n,) that make synthetic queries as long, and as like their answers, as people's elsewhere; mean 1."""
    kept = np.array([source not in LEFT_OUT for source in setting.synthetic.sources])
    if not kept.any():
        kept[:] = True
    people = people_margins(every, code=setting.code, without=setting.collection)
    names = [query for query, own in zip(setting.synthetic.queries, kept, strict=True) if own]
    own = dict(zip(names, setting.synthetic.strata[kept], strict=True))
    weights = np.zeros(len(kept))
    weights[kept] = list(log.weights(own, people).values.values())
    return weights * len(weights) / weights.sum()


def measured_arms(setting: Setting, every: Sequence[Setting], *, synthetic: bool) -> MeasuredArms:
    """Gains of a setting, by people and, if asked, by the corpus."""
    default = configuration_of(setting.default)
    moves = np.array([move(default, configuration_of(name)) for name in setting.rivals])
    gains = noise = agreed = None
    if synthetic:
        weights = synthetic_weights(setting, every)
        kept = weights > 0
        differences = (setting.differences(setting.synthetic) * weights[:, None])[kept] * kept.mean()
        clusters = [name for name, own in zip(setting.synthetic.clusters, kept, strict=True) if own]
        gains, noise = mean_and_error(differences, clusters)
        agreed = agreement_of(setting, kept)
    kind = class_of(default)
    arms = ArmFeatures.of(
        moves,
        distance(moves),
        code=kind.endswith("code"),
        untrained=kind.startswith("untrained"),
        synthetic=gains,
        noise=noise,
        agreement=agreed,
    )
    people = setting.differences(setting.human)
    means, error = mean_and_error(people, setting.human.clusters)
    return MeasuredArms(setting.collection, arms, means, error, np.atleast_2d(np.cov(people.T)))


def agreement_of(setting: Setting, rows: NDArray[np.bool_]) -> float:
    """How far words and vectors agree on some synthetic queries, at the granularities of the default."""
    levels = setting.default.rsplit("/", 1)[0]
    words = setting.synthetic.column(f"{levels.partition('/')[2]}/bm25")[rows]
    return agreement(words, setting.synthetic.column(f"{levels}/knn")[rows])


def fitted(
    every: Sequence[Setting], *, synthetic: bool, without: str = "", start: GainModel | None = None
) -> GainModel:
    """Fit on all settings but those of one collection."""
    used = [setting for setting in every if setting.collection != without]
    found = fit([measured_arms(setting, used, synthetic=synthetic) for setting in used], start)
    changed = [other_encoder(setting) for setting in used if setting.encoder != LSA]
    return with_encoder(found, [measured_arms(each, used, synthetic=synthetic) for each in changed])


def other_encoder(setting: Setting) -> Setting:
    """Look at lsa in place of the encoder of the default."""
    known = [name for name in setting.human.names if name in setting.synthetic.names]
    return replace(setting, rivals=tuple(name for name in known if configuration_of(name).encoder == LSA))


ADAPTED = (
    ("scifact", 0.017, (0.012, 0.023), 0.028, (0.018, 0.038)),
    ("cosqa", 0.012, (0.006, 0.018), 0.011, (-0.002, 0.025)),
    ("cranfield", 0.062, (0.053, 0.072), 0.031, (0.015, 0.046)),
    ("mbpp", 0.006, (0.001, 0.012), 0.006, (-0.001, 0.014)),
    ("cisi", 0.060, (0.050, 0.070), 0.023, (0.002, 0.044)),
    ("cacm", 0.043, (0.035, 0.050), 0.057, (0.031, 0.088)),
    ("med", 0.041, (0.031, 0.051), -0.008, (-0.033, 0.019)),
    ("java-cs", 0.026, (0.015, 0.038), -0.000, (-0.002, 0.002)),
)
"""Gains of minilm with words beside its vectors on synthetic queries and on people's, with 95 % intervals: the first
table of docs/benchmarks/adaptation.md (bench/adaptation.py makes it)."""


def adapted_arms(*, synthetic: bool) -> list[MeasuredArms]:
    """Lay out the adapted encoders: each collection has one arm."""
    plain, adapted = (
        configuration_of("minilm/paragraph/knn"),
        configuration_of("minilm+words 4/paragraph/knn"),
    )
    moves = move(plain, adapted)[None]
    found = []
    for name, seen, of_seen, gain, of_people in ADAPTED:
        errors = [((high - low) / 3.92) ** 2 for low, high in (of_seen, of_people)]
        arms = ArmFeatures.of(
            moves,
            distance(moves),
            code=False,  # eight collections tell nothing about code by itself: see `adapted`
            untrained=False,
            synthetic=np.array([seen]) if synthetic else None,
            noise=np.array([[errors[0]]]),
        )
        found.append(MeasuredArms(name, arms, np.array([gain]), np.array([[errors[1]]]), np.array([[0.04]])))
    return found


def adapted(*, synthetic: bool) -> GainModel:
    """Fit what adapting gains, the same for code and prose."""
    found = fit(adapted_arms(synthetic=synthetic))
    at, covariance = COEFFICIENTS.index("code encoder"), found.covariance.copy()
    covariance[at], covariance[:, at] = 0.0, 0.0
    return replace(found, covariance=covariance)


def configuration_of(name: str) -> Configuration:
    """Read the name of a variant, parameters in brackets."""
    plain, _, given = name.partition("(")
    parsed = Configuration.parse(plain)
    parameters = dict(item.split("=") for item in given.rstrip(")").split(",")) if given else {}
    numbers = {key: float(value) for key, value in parameters.items()}
    return Configuration(parsed.encoder, parsed.granularities, parsed.ranker, Parameters(**numbers))


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--indexes", type=Path, metavar="DIR", default=PLACE)
    options.add_argument("--only", action="append", metavar="NAME", default=[])
    options.add_argument("--output", type=Path, metavar="FILE")
    chosen = options.parse_args()
    every = settings(data_folder(), chosen.indexes, chosen.only)
    agreed = [agreement_of(each, synthetic_weights(each, every) > 0) for each in every]
    for each, own in zip(every, agreed, strict=True):
        sys.stderr.write(f"{each.collection}, {each.encoder}: {own:.2f}\n")
    sys.stderr.write(f"agreement of words and vectors: {np.mean(agreed):.3f} +- {np.std(agreed):.3f}\n")
    kept = {
        "rankers": {
            "synthetic": fitted(every, synthetic=True).encode(),
            "alone": fitted(every, synthetic=False).encode(),
        },
        "adapted": {
            "synthetic": adapted(synthetic=True).encode(),
            "alone": adapted(synthetic=False).encode(),
        },
        "people": {kind: asdict(people_margins(every, code=kind == "code")) for kind in ("prose", "code")},
    }
    text = json.dumps(kept, indent=1) + "\n"
    sys.stdout.write(text)
    if chosen.output:
        chosen.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

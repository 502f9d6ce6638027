"""How often the verdict leaves the default on parts of the development collections, and what that gains.

    TELLAPART_DATA=... python bench/verdict_subsets.py --output docs/benchmarks/verdict_subsets.md

On whole collections the default is left on one alone (bench/verdict.py), which says nothing about what leaving gains on
average. So the queries of each collection are divided: by length at the median, people's and synthetic ones each by
their own, and by topic (k-means on the words of both). Each part is decided from its own synthetic queries, and its own
people's queries say what that gained. The corpus stays whole. The model knows the other collections only: whole ones,
and none of their parts twice.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import svds
from scipy.stats import t as student
from scipy.stats import theilslopes

from development import PLACE
from judged import data_folder, publish, table
from posterior import ENCODERS, LEFT_OUT, Setting, fitted, measured_arms, settings
from tellapart.experiments.posterior.choice import leave_for
from tellapart.experiments.posterior.model import Floats, GainModel
from tellapart.experiments.statistics import MARGIN, compare
from tellapart.index.lexical.tokens import STOP_WORDS
from verdict_outcomes import predictions, rivals_of
from verdict_values import Values

LEAST_JUDGED, LEAST_SYNTHETIC = 15, 20
"""Queries of each kind that a part has at least."""

DIRECTIONS = 30
"""Of the words' space, in which topics are found."""

Labels = tuple[NDArray[np.int64], NDArray[np.int64]]
"""The part of each of people's queries, and of each synthetic one."""


@dataclass(frozen=True)
class Part:
    """What was decided on a part of a collection's queries.

    `gain` is that of the choice by people, with its 95 % interval; `inside` the shares of the arms whose gains lie in
    the 50 and the 90 % intervals.
    """

    collection: str
    encoder: str
    judged: int
    synthetic: int
    choice: str | None
    gain: float
    low: float
    high: float
    inside: tuple[float, float]


def whole(setting: Setting) -> Labels:
    """One part."""
    return np.zeros(len(setting.human.texts), np.int64), np.zeros(len(setting.synthetic.texts), np.int64)


def by_length(setting: Setting) -> Labels:
    """Shorter than the median, or not."""
    counts = [
        np.array([len(text.split()) for text in each.texts]) for each in (setting.human, setting.synthetic)
    ]
    return tuple((own > np.median(own)).astype(np.int64) for own in counts)  # type: ignore[return-value]


def by_topic(setting: Setting, topics: int) -> Labels:
    """Group by k-means on the leading directions of tf-idf."""
    texts = [*setting.human.texts, *setting.synthetic.texts]
    counts = [
        Counter(w for w in re.findall(r"[a-z]+", text.lower()) if w not in STOP_WORDS) for text in texts
    ]
    words = {word: place for place, word in enumerate(sorted({word for own in counts for word in own}))}
    rows, columns, values = zip(
        *((row, words[word], 1 + np.log(n)) for row, own in enumerate(counts) for word, n in own.items()),
        strict=True,
    )
    matrix = csr_matrix((values, (rows, columns)), shape=(len(texts), len(words)))
    rarity = np.log(len(texts) / np.maximum((matrix > 0).sum(axis=0), 1))
    left, strengths, _ = svds(
        matrix.multiply(rarity).tocsr(), k=min(DIRECTIONS, min(matrix.shape) - 1), random_state=0
    )
    points = left * strengths
    points /= np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-9)
    _, labels = kmeans2(points, topics, minit="++", seed=0)
    return labels[: len(setting.human.texts)].astype(np.int64), labels[len(setting.human.texts) :].astype(
        np.int64
    )


DIVISIONS: tuple[tuple[str, Callable[[Setting], Labels]], ...] = (
    ("whole collections", whole),
    ("two halves by length", by_length),
    ("two topics", lambda setting: by_topic(setting, 2)),
    ("three topics", lambda setting: by_topic(setting, 3)),
    ("five topics", lambda setting: by_topic(setting, 5)),
)


def part_of(values: Values, rows: NDArray[np.int64]) -> Values:
    """Take some queries."""
    lists = {
        name: tuple(getattr(values, name)[row] for row in rows)
        for name in ("queries", "clusters", "sources", "texts")
    }
    return replace(values, **lists, values=values.values[rows], strata=values.strata[rows])  # type: ignore[arg-type]


def parts(
    every: Sequence[Setting], models: dict[str, GainModel], divide: Callable[[Setting], Labels]
) -> list[Part]:
    """Decide each part that is large enough."""
    found = []
    for setting in every:
        others = [each for each in every if each.collection != setting.collection]
        judged, synthetic = divide(setting)
        telling = np.array([source not in LEFT_OUT for source in setting.synthetic.sources])
        for label in np.unique(judged):
            rows = [np.flatnonzero(own == label) for own in (judged, synthetic)]
            count = int(telling[rows[1]].sum())
            if len(rows[0]) < LEAST_JUDGED or count < LEAST_SYNTHETIC:
                continue
            own = replace(
                setting, human=part_of(setting.human, rows[0]), synthetic=part_of(setting.synthetic, rows[1])
            )
            found.append(decided(own, others, models[setting.collection], count))
    return found


def decided(setting: Setting, others: Sequence[Setting], model: GainModel, count: int) -> Part:
    """Choose from the synthetic queries, and let people say what that gained."""
    features = measured_arms(setting, others, synthetic=True)
    prior = model.prior(features.arms)
    place, _ = leave_for(rivals_of(setting), prior)
    predicted, gains = predictions(prior, features.gains, features.noise)
    inside = [float(np.mean((gains > predicted[:, low]) & (gains < predicted[:, low + 1]))) for low in (1, 3)]
    choice = None if place is None else setting.rivals[place]
    shown = [0.0, 0.0, 0.0]
    if choice is not None:
        people = setting.human
        columns = people.column(choice), people.column(setting.default)
        versus = compare(*columns, clusters=np.array(people.clusters))
        shown = [versus.difference, versus.low, versus.high]
    return Part(
        setting.collection, setting.encoder, len(setting.human.queries), count, choice,
        *shown, (inside[0], inside[1]),
    )  # fmt: skip


def by_collection(left: Sequence[Part]) -> tuple[float, float, float]:
    """Mean gain of the parts that leave, each collection counting once, with its 90 % interval (Student's t)."""
    names = dict.fromkeys(each.collection for each in left)
    means = np.array([np.mean([each.gain for each in left if each.collection == name]) for name in names])
    if len(means) < 2:
        return float(means.mean()) if len(means) else np.nan, np.nan, np.nan
    reach = float(student.ppf(0.95, len(means) - 1) * means.std(ddof=1) / np.sqrt(len(means)))
    return float(means.mean()), float(means.mean()) - reach, float(means.mean()) + reach


def summary(divided: dict[str, list[Part]]) -> str:
    rows = []
    for name, found in [
        *divided.items(),
        ("all but the first", [p for n in list(divided)[1:] for p in divided[n]]),
    ]:
        left = [each for each in found if each.choice is not None]
        mean, low, high = by_collection(left)
        rows.append([
            name, f"{len(found)}", f"{len(left)} on {len({each.collection for each in left})}",
            f"{mean:+.3f}" + ("" if np.isnan(low) else f" [{low:+.3f}, {high:+.3f}]"),
            f"{sum(each.gain < -MARGIN for each in left)}", f"{sum(each.high < 0 for each in left)}",
            *(f"{np.mean([each.inside[edge] for each in found]):.0%}" for edge in range(2)),
        ])  # fmt: skip
    head = [
        "queries divided into", "parts", "left, on collections", "mean gain where left [90 %]",
        "lose more than .01", "significantly worse", "in the 50 % interval", "in the 90 % interval",
    ]  # fmt: skip
    return table(head, rows)


def cases(divided: dict[str, list[Part]]) -> str:
    rows = [
        [
            name, f"{each.collection}, {each.encoder}", f"{each.judged}", f"{each.synthetic}", each.choice,
            f"{each.gain:+.3f} [{each.low:+.3f}, {each.high:+.3f}]",
        ]
        for name, found in divided.items()
        for each in found
        if each.choice is not None
    ]  # fmt: skip
    return table(["part of", "set, encoder", "judged", "synthetic", "choice", "choice - default"], rows)


def toward_vectors(every: Sequence[Setting], models: dict[str, GainModel]) -> str:
    """Tell what nearest neighbours gain over the default with minilm, and what the other collections let one expect."""
    own = [each for each in every if each.encoder == ENCODERS[0]]
    seen: list[tuple[Setting, float, float, float, float, float]] = []
    for setting in own:
        others = [each for each in every if each.collection != setting.collection]
        features = measured_arms(setting, others, synthetic=True)
        place = setting.rivals.index(setting.default.replace("/hybrid", "/knn"))
        prior = models[setting.collection].prior(features.arms)
        synthetic = float(features.arms.varying[place, -1])
        seen.append((
            setting, float(features.gains[place]), synthetic, float(prior.expected[place]),
            float(prior.quantile(0.05)[place]), float(prior.quantile(0.95)[place]),
        ))  # fmt: skip
    rows = []
    for setting, gain, synthetic, expected, low, high in seen:
        rest = [each for each in seen if each[0].collection != setting.collection]
        line: Floats = np.array(theilslopes([each[1] for each in rest], [each[2] for each in rest])[:2])
        rows.append([
            setting.collection, f"{gain:+.3f}", f"{synthetic:+.3f}", f"{expected:+.3f} [{low:+.3f}, {high:+.3f}]",
            f"{line[1] + line[0] * synthetic:+.3f}",
        ])  # fmt: skip
    return table(["set", "people", "synthetic queries", "expected [90 %]", "by the others' line"], rows)


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--indexes", type=Path, metavar="DIR", default=PLACE)
    options.add_argument("--output", type=Path, metavar="FILE")
    chosen = options.parse_args()
    every = settings(data_folder(), chosen.indexes)
    start = fitted(every, synthetic=True)
    models = {}
    for name in dict.fromkeys(each.collection for each in every):
        models[name] = fitted(every, synthetic=True, without=name, start=start)
        sys.stderr.write(f"without {name}\n")
    divided = {name: parts(every, models, divide) for name, divide in DIVISIONS}
    doc = __doc__ or ""
    publish(
        "# The verdict on parts of collections\n\n`python bench/verdict_subsets.py`\n\n"
        + doc.split("    TELLAPART_DATA")[0].strip()
        + "\n\n"
        + doc.split("verdict_subsets.md", 1)[1].strip()
        + f"\n\nA part has at least {LEAST_JUDGED} judged queries and {LEAST_SYNTHETIC} synthetic ones that count."
        " The parts of a collection, and minilm and lsa, are not independent: in the mean and its interval each"
        " collection counts once.\n\n"
        + summary(divided)
        + "\n## Where the default is left\n\n"
        + cases(divided)
        + "\n## More of the vectors\n\nNearest neighbours (minilm) in place of the default's hybrid, on whole"
        " collections: what people's and synthetic queries show, what the model that has not seen the collection"
        " expects, and what the line through the other collections says (Theil and Sen's, people's gain over the"
        " synthetic one).\n\n" + toward_vectors(every, models),
        chosen.output,
    )


if __name__ == "__main__":
    main()

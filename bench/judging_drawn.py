"""Twenty judged queries as `judge` draws them: what the verdict is worth with them, against twenty drawn at random.

    TELLAPART_DATA=... python bench/judging_drawn.py --output docs/benchmarks/judging_drawn.md

`judge` draws new queries the likelier, the more the lists of bm25, knn and hybrid differ for them. Here they are drawn
with the probabilities of its beginning, before any answer, and all judgements of a query count. The posterior knows
the other collections and the synthetic queries, as in bench/verdict.py. *Weighted*: each query by the inverse of how
often it is drawn, so that its mean gains are those of all queries.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from development import COLLECTIONS, PLACE
from judged import data_folder, publish, table
from posterior import Setting, configuration_of, fitted, measured_arms, settings
from tellapart.engine.configuration import Configuration
from tellapart.experiments.experiment import assign_folds, cross_fitted
from tellapart.experiments.judging.asking import Judging
from tellapart.experiments.judging.leaders import pool
from tellapart.experiments.posterior.evidence import mean_and_error
from verdict import chosen_name
from verdict_values import opened

COUNT, REPETITIONS, DRAWN = 20, 50, 200
"""Queries judged, repetitions, and draws from which it is told how often a query is drawn."""

WAYS = ("none", "random", "judge", "judge, weighted")


class Drawing:
    """Draws queries of a setting as `judge` begins them."""

    def __init__(self, setting: Setting, data: Path, place: Path) -> None:
        default = configuration_of(setting.default)
        levels = default.granularities
        leaders = [
            Configuration(None, levels, "bm25"),
            Configuration(setting.encoder, levels, "knn"),
            default,
        ]
        collection = next(each for each in COLLECTIONS if each.name == setting.collection)
        texts = dict(zip(setting.human.queries, setting.human.texts, strict=True))
        with opened(collection, data, place) as index:
            self._judging = Judging(pool(index, leaders, texts), flips=1)
        self._worth = np.maximum(self._judging._worth.max(axis=1, initial=0.0), 0.0)
        self._differing = np.flatnonzero(self._judging.disagreeing)
        self.share = len(self._differing) / len(texts)

    def draw(self, random: np.random.Generator) -> np.ndarray:
        """Give the rows of some queries."""
        left, drawn = self._differing.tolist(), []
        while left and len(drawn) < COUNT:
            chances = self._judging._chances(self._worth[left])
            drawn.append(left.pop(int(random.choice(len(left), p=chances))))
        return np.array(drawn)


def regrets(setting: Setting, others: list[Setting], model: object, drawing: Drawing) -> dict[str, float]:
    """Mean regret of each way."""
    arms = measured_arms(setting, others, synthetic=True).arms
    prior, error = model.prior(arms), model.error_of_a_query(arms)  # type: ignore[attr-defined]
    human, names = setting.human, (setting.default, *setting.rivals)
    values = np.stack([human.column(name) for name in names], axis=1)
    best = float(cross_fitted(values, assign_folds(human.clusters, seed=0)).mean())
    means = dict(zip(names, values.mean(axis=0).tolist(), strict=True))
    differences, clusters = setting.differences(human), np.array(human.clusters)

    def regret(rows: np.ndarray, weights: np.ndarray | None = None) -> float:
        own = differences[rows] if weights is None else differences[rows] * weights[:, None]
        after = prior.given(*mean_and_error(own, clusters[rows].tolist(), error))
        return best - means[chosen_name(setting, after)]

    random = np.random.default_rng(0)
    often = np.zeros(len(differences))
    for _ in range(DRAWN):
        often[drawing.draw(random)] += 1 / DRAWN
    found: dict[str, list[float]] = {way: [] for way in WAYS}
    found["none"].append(best - means[chosen_name(setting, prior)])
    for _ in range(REPETITIONS):
        found["random"].append(regret(random.permutation(len(differences))[:COUNT]))
        rows = drawing.draw(random)
        found["judge"].append(regret(rows))
        weights = 1 / np.maximum(often[rows], 1 / DRAWN)
        found["judge, weighted"].append(regret(rows, weights / weights.mean() * drawing.share))
    return {way: float(np.mean(each)) for way, each in found.items()}


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--indexes", type=Path, metavar="DIR", default=PLACE)
    options.add_argument("--output", type=Path, metavar="FILE")
    chosen = options.parse_args()
    data = data_folder()
    every = settings(data, chosen.indexes)
    whole = fitted(every, synthetic=True)
    found: list[tuple[Setting, dict[str, float]]] = []
    for name in dict.fromkeys(each.collection for each in every):
        others = [each for each in every if each.collection != name]
        model = fitted(every, synthetic=True, without=name, start=whole)
        for setting in (each for each in every if each.collection == name):
            found.append((setting, regrets(setting, others, model, Drawing(setting, data, chosen.indexes))))
        sys.stderr.write(f"{name}\n")
    rows = [
        [encoder, *(f"{np.mean(of[way]):+.4f}, {max(of[way]):+.3f}" for way in WAYS)]
        for encoder in ("minilm", "lsa", "both")
        for of in [{way: [r[way] for s, r in found if encoder in (s.encoder, "both")] for way in WAYS}]
    ]
    rows += [[f"{s.collection}, {s.encoder}", *(f"{r[way]:+.4f}" for way in WAYS)] for s, r in found]
    said = (__doc__ or "").splitlines()[0] + "\n\n" + (__doc__ or "").split("judging_drawn.md", 1)[1].strip()
    head = ["encoder of the default", *(f"{way}: regret, worst" for way in WAYS)]
    publish(
        f"# Queries drawn by judge\n\n`python bench/judging_drawn.py`\n\n{said}\n\n{table(head, rows)}",
        chosen.output,
    )


if __name__ == "__main__":
    main()

"""Twenty judged queries as `judge` draws them: what the verdict is worth with them, against twenty drawn at random.

    TELLAPART_DATA=... python bench/judging_drawn.py --output docs/benchmarks/judging_drawn.md

`judge` compares the contenders: the default and the two arms of which knowing the gains is worth most by the posterior
before any judgement. It draws new queries the likelier, the more the lists of these differ for them. Here queries are
drawn with the probabilities of its beginning, before any answer, and all judgements of a query count. The posterior
knows the other collections and the synthetic queries, as in bench/verdict.py.

* **random**: twenty queries at random.
* **words, vectors, both**: the leaders are bm25, knn and hybrid, whatever the posterior says: how `judge` drew before.
* **judge**: the leaders are the contenders. This is what `judge` does.
* **by P(best)**: the same, but differences between two contenders count by the product of the probabilities that each
  is the best (top-two sampling, Russo 2020).
* **judge, weighted**: each query by the inverse of how often it is drawn, so that its mean gains are those of all
  queries.
* **differences known**: queries are drawn by how much all arms really differ on them, which nobody can know before.

*Inside*: how often the 90 % intervals of the posterior after these queries hold the gain on all judged ones.
*Worse*: how often what was chosen is more than .01 below the default.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from development import COLLECTIONS, PLACE
from judged import data_folder, publish, table
from posterior import Setting, configuration_of, fitted, measured_arms, settings
from tellapart.engine import Index
from tellapart.engine.configuration import Configuration
from tellapart.experiments.judging.asking import Judging
from tellapart.experiments.judging.leaders import pool
from tellapart.experiments.posterior.choice import Contender, contend, drawn_gains, leave_for
from tellapart.experiments.posterior.model import Floats, GainModel
from tellapart.experiments.statistics import MARGIN, compare
from verdict_outcomes import chosen_name, reached, rivals_of, updated
from verdict_values import opened

COUNT, REPETITIONS, DRAWN = 20, 50, 200
"""Queries judged, repetitions, and draws from which it is told how often a query is drawn."""

WAYS = (
    "none",
    "random",
    "words, vectors, both",
    "judge",
    "by P(best)",
    "judge, weighted",
    "differences known",
)


class Drawing:
    """Draws queries as `judge` begins them."""

    def __init__(self, chances: Judging, candidates: np.ndarray, worth: Floats) -> None:
        self._judging = chances
        self._candidates = candidates
        self._worth = worth
        self.share = 1.0

    @classmethod
    def of(
        cls, index: Index, leaders: Sequence[Configuration], setting: Setting, best: Sequence[float] = ()
    ) -> Drawing:
        """Pool the leaders; `best` weights their pairs."""
        texts = dict(zip(setting.human.queries, setting.human.texts, strict=True))
        judging = Judging(pool(index, leaders, texts), flips=1)
        if best:
            pairs = np.array([best[a] * best[b] for a, b in judging.pools.pairs])
            judging._spread = judging._contrasts**2 @ (pairs / pairs.sum())
            judging._update(np.flatnonzero(judging.disagreeing))
        worth = np.maximum(judging._worth.max(axis=1, initial=0.0), 0.0)
        candidates = np.flatnonzero(judging.disagreeing)
        made = cls(judging, candidates, worth)
        made.share = len(candidates) / len(texts)
        return made

    def knowing(self, values: Floats, best: Floats) -> Drawing:
        """Draw by how far arms (n, m) are really apart, weighted by P(best) (m,)."""
        apart = 2 * np.maximum(values**2 @ best - (values @ best) ** 2, 0.0)
        return Drawing(self._judging, np.arange(len(values)), apart)

    def draw(self, random: np.random.Generator) -> np.ndarray:
        """Give the rows of some queries."""
        left, drawn = self._candidates.tolist(), []
        while left and len(drawn) < COUNT:
            chances = self._judging._chances(self._worth[left])
            drawn.append(left.pop(int(random.choice(len(left), p=chances))))
        return np.array(drawn)


def contenders_of(setting: Setting, prior: object) -> tuple[Contender, ...]:
    """Name what `judge` would compare."""
    rivals = rivals_of(setting)
    chosen, _ = leave_for(rivals, prior)  # type: ignore[arg-type]
    default = setting.default, configuration_of(setting.default)
    return contend(rivals, prior, default, chosen)  # type: ignore[arg-type]


def outcomes(
    setting: Setting, others: list[Setting], model: GainModel, index: Index
) -> dict[str, list[float]]:
    """Mean regret, share of gains inside the 90 % interval, and how often more than .01 is lost, of each way."""
    arms = measured_arms(setting, others, synthetic=True).arms
    prior = model.prior(arms)
    values, best, means = reached(setting)
    differences, clusters = setting.differences(setting.human), np.array(setting.human.clusters)
    gains = differences.mean(axis=0)

    def outcome(rows: np.ndarray, weights: np.ndarray | None = None) -> list[float]:
        own = differences[rows] if weights is None else differences[rows] * weights[:, None]
        after = updated(model, arms, own, clusters[rows])
        mean = means[chosen_name(setting, after)]
        inside = (gains >= after.quantile(0.05)) & (gains <= after.quantile(0.95))
        return [best - mean, float(inside.mean()), float(mean < means[setting.default] - MARGIN)]

    kept = means[chosen_name(setting, prior)]
    found = {"none": [[best - kept, float("nan"), float(kept < means[setting.default] - MARGIN)]]}
    contenders = contenders_of(setting, prior)
    default = configuration_of(setting.default)
    levels = default.granularities
    usual = [Configuration(None, levels, "bm25"), Configuration(setting.encoder, levels, "knn"), default]
    led = [each.configuration for each in contenders]
    judge = Drawing.of(index, led, setting)
    drawn = np.bincount(
        np.column_stack([np.zeros(4000), drawn_gains(prior, 4000)]).argmax(axis=1), minlength=len(means)
    )
    drawings = {
        "words, vectors, both": Drawing.of(index, usual, setting),
        "judge": judge,
        "by P(best)": Drawing.of(index, led, setting, [each.best for each in contenders]),
        "differences known": judge.knowing(values, drawn / drawn.sum()),
    }
    random = np.random.default_rng(0)
    found["random"] = [outcome(random.permutation(len(differences))[:COUNT]) for _ in range(REPETITIONS)]
    for way, drawing in drawings.items():
        random = np.random.default_rng(0)
        rows = [drawing.draw(random) for _ in range(REPETITIONS)]
        found[way] = [outcome(each) for each in rows]
        if way == "judge":
            often = np.zeros(len(differences))
            for _ in range(DRAWN):
                often[drawing.draw(random)] += 1 / DRAWN
            inverse = [1 / np.maximum(often[each], 1 / DRAWN) for each in rows]
            found["judge, weighted"] = [
                outcome(each, weights / weights.mean() * drawing.share)
                for each, weights in zip(rows, inverse, strict=True)
            ]
    return {way: np.mean(np.array(found[way]), axis=0).tolist() for way in WAYS}


def kept_outcomes(every: list[Setting], data: Path, place: Path) -> dict[str, dict[str, list[float]]]:
    """Compute what was not kept yet, collection by collection, so that a run may be cut off and go on."""
    found: dict[str, dict[str, list[float]]] = {}
    whole: GainModel | None = None
    for collection in COLLECTIONS:
        own = [each for each in every if each.collection == collection.name]
        file = place / "values" / f"drawn-{collection.name}.json"
        if own and not file.is_file():
            whole = whole or fitted(every, synthetic=True)
            others = [each for each in every if each.collection != collection.name]
            model = fitted(every, synthetic=True, without=collection.name, start=whole)
            with opened(collection, data, place) as index:
                results = {each.encoder: outcomes(each, others, model, index) for each in own}
            file.write_text(json.dumps(results), encoding="utf-8")
            sys.stderr.write(f"{collection.name}\n")
        if own:
            read = json.loads(file.read_text(encoding="utf-8"))
            found |= {f"{collection.name}, {encoder}": each for encoder, each in read.items()}
    return found


def document(found: dict[str, dict[str, list[float]]]) -> str:
    doc = __doc__ or ""
    said = doc.splitlines()[0] + "\n\n" + doc.split("judging_drawn.md", 1)[1].strip()
    rows = [
        [encoder, *(f"{np.mean(of):+.4f}, {max(of):+.3f}" for of in columns)]
        for encoder in ("minilm", "lsa", "both")
        for own in [[each for name, each in found.items() if encoder in (name.split(", ")[1], "both")]]
        for columns in [[[each[way][0] for each in own] for way in WAYS]]
    ]
    for label, at in (("*inside*", 1), ("*worse*", 2)):
        shares = [float(np.mean([each[way][at] for each in found.values()])) for way in WAYS]
        rows.append([label, *("" if np.isnan(share) else f"{share:.1%}" for share in shares)])
    regrets = {way: np.array([each[way][0] for each in found.values()]) for way in WAYS}
    labels = np.array([name.split(",")[0] for name in found])
    lines = []
    for way in ("none", "random", "words, vectors, both", "by P(best)"):
        versus = compare(regrets["judge"], regrets[way], clusters=labels)
        interval = f"[{versus.low:+.4f}, {versus.high:+.4f}]"
        lines.append([f"judge minus {way}", f"{versus.difference:+.4f}", interval, f"{versus.p:.2f}"])
    share = regrets["judge"].mean() / regrets["none"].mean()
    rows += [[name, *(f"{each[way][0]:+.4f}" for way in WAYS)] for name, each in found.items()]
    head = ["encoder of the default", *(f"{way}: regret, worst" for way in WAYS)]
    return (
        f"# Queries drawn by judge\n\n`python bench/judging_drawn.py`\n\n{said}\n\n{table(head, rows)}\n"
        f"With twenty queries drawn by `judge` the mean regret is {share:.2f} of that without any.\n\n"
        + table(["regret, paired; settings of a collection together", "difference", "95 %", "p"], lines)
    )


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--indexes", type=Path, metavar="DIR", default=PLACE)
    options.add_argument("--output", type=Path, metavar="FILE")
    chosen = options.parse_args()
    data = data_folder()
    every = settings(data, chosen.indexes)
    publish(document(kept_outcomes(every, data, chosen.indexes)), chosen.output)


if __name__ == "__main__":
    main()

"""What choosing from synthetic queries would be worth: regret on human queries, against opponents that never look.

    TELLAPART_DATA=... python bench/verdict.py --output docs/benchmarks/verdict.md

Every development collection is indexed with minilm, and again with lsa instead. The verdict sees generated queries
only (seed 0), and what was learned about their trustworthiness from the *other* collections. Its choice is scored
with human queries. Regret is the cross-fitted mean of the best configuration (chosen on four fifths of the human
queries, scored on the rest) minus the mean of what was chosen. `default, refitted` is the hybrid with the weight that
is best on the other collections of the same kind (with minilm, as the shipped weights were found); since the shipped
weights have seen these collections, the verdict is also shown leaving from that one.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from development import PLACE
from judged import data_folder, publish, table
from tellapart.experiments import Arm, ArmValues, Experiment, Provenance, QuerySet
from tellapart.experiments.experiment import assign_folds, cross_fitted
from tellapart.experiments.qrels import Qrels
from tellapart.experiments.statistics import FEW_QUERIES, Comparison, compare
from tellapart.experiments.transfer import ExpectedGain, choose_by_transfer
from transfer import LEFT_OUT, Setting, configuration_of, fitted, settings

SEED = 0
VERDICT, REFITTED_VERDICT = "verdict", "verdict, from the refitted default"
REFITTED, SHIPPED = "default, refitted", "default, as shipped"
OPPONENTS = ("bm25", "knn", "rrf", "hybrid .5", REFITTED, SHIPPED)
WEIGHTS = (0.1, 0.3, 0.5, 0.7, 0.9)


@dataclass(frozen=True)
class Outcome:
    """One setting: means of the choice and of every opponent on human queries, and how the choice compares."""

    setting: Setting
    choice: str
    ahead: ExpectedGain | None
    best: float
    means: Mapping[str, float]
    versus: Mapping[str, Comparison]

    def regret(self, who: str) -> float:
        """Give what is lost against the cross-fitted best."""
        return self.best - self.means[who]


def outcome(setting: Setting, every: Sequence[Setting]) -> Outcome:
    human = setting.human
    refitted = _refitted(setting, every)
    choice, ahead = chosen_by_verdict(setting, every)
    names = [name for name in setting.own if configuration_of(name).ranker not in LEFT_OUT]
    values = np.stack([human.column(name) for name in names], axis=1)
    best = float(cross_fitted(values, assign_folds(human.clusters, seed=SEED)).mean())
    stem = setting.default.rsplit("/", 1)[0]
    words = next(
        name for name in names if name.endswith("/bm25") and name.split("/")[0] == stem.split("/")[1]
    )
    others = {
        REFITTED_VERDICT: chosen_by_verdict(replace(setting, default=refitted), every)[0],
        "bm25": words,
        "knn": f"{stem}/knn",
        "rrf": f"{stem}/rrf",
        "hybrid .5": f"{stem}/hybrid(weight=0.5)",
        REFITTED: refitted,
        SHIPPED: setting.default,
    }
    columns = {VERDICT: human.column(choice), **{who: human.column(name) for who, name in others.items()}}
    labels = np.array(human.clusters)
    versus = {
        VERDICT: compare(columns[VERDICT], columns[SHIPPED], clusters=labels, seed=SEED),
        REFITTED_VERDICT: compare(columns[REFITTED_VERDICT], columns[REFITTED], clusters=labels, seed=SEED),
    }
    means = {who: float(column.mean()) for who, column in columns.items()}
    return Outcome(setting, choice, ahead, best, means, versus)


def chosen_by_verdict(setting: Setting, every: Sequence[Setting]) -> tuple[str, ExpectedGain | None]:
    """What the verdict chooses from generated queries, knowing the other collections."""
    names = [name for name in setting.own if configuration_of(name).ranker not in LEFT_OUT]
    found = choose_by_transfer(_experiment(setting, names), fitted(every, setting.collection), seed=SEED)
    enough = len(set(setting.synthetic.clusters)) >= FEW_QUERIES
    return (found.choice if found.choice is not None and enough else setting.default), found.ahead


def _experiment(setting: Setting, names: Sequence[str]) -> Experiment:
    """The synthetic queries asked of every variant as an arm of its own."""
    values = setting.synthetic
    query_set = QuerySet(
        dict.fromkeys(values.queries, ""),
        Qrels({}),
        provenance=Provenance.SYNTHETIC,
        clusters=dict(zip(values.queries, values.clusters, strict=True)),
    )
    arms = {}
    for name in dict.fromkeys((setting.default, *names)):
        column = values.names.index(name)
        arms[name] = ArmValues(
            Arm(name, (configuration_of(name),)), values.values[:, [column]], values.spans[:, [column]]
        )
    return Experiment(query_set, values.queries, "nDCG@10", arms, setting.default, setting.default)


def _refitted(setting: Setting, every: Sequence[Setting]) -> str:
    """The default with the weight that is best on the other collections of its kind, with minilm."""
    level = setting.default.split("/")[1]
    others = [
        each
        for each in every
        if each.encoder == "minilm"
        and each.collection != setting.collection
        and each.default.split("/")[1] == level
    ]
    means = []
    for weight in WEIGHTS:
        columns = [each.human.column(f"minilm/{level}/hybrid(weight={weight:g})").mean() for each in others]
        means.append(sum(columns) / len(columns))
    return f"{setting.encoder}/{level}/hybrid(weight={WEIGHTS[int(np.argmax(means))]:g})"


def regrets(outcomes: Sequence[Outcome]) -> str:
    everyone = (VERDICT, REFITTED_VERDICT, *OPPONENTS)
    rows = []
    for each in outcomes:
        versus = each.versus[VERDICT]
        moved = each.choice != each.setting.default
        seen = "" if each.ahead is None else f"{each.ahead.predicted:+.2f} ± {each.ahead.doubt:.2f}"
        rows.append(
            [
                f"{each.setting.collection}, {each.setting.encoder}",
                each.choice.removeprefix(f"{each.setting.encoder}/"),
                seen,
                f"{each.best:.3f}",
                *(f"{each.regret(who):+.3f}" for who in everyone),
                f"{versus.difference:+.3f} [{versus.low:+.3f}, {versus.high:+.3f}]" if moved else "kept",
                f"{versus.p:.4f}" if moved else "",
            ]
        )
    for name, pick in (("mean", np.mean), ("worst", np.max)):
        figures = [f"**{float(pick([each.regret(who) for each in outcomes])):+.4f}**" for who in everyone]
        rows.append([f"**{name}**", "", "", "", *figures, "", ""])
    return table(
        ["set, encoder", "choice", "gain seen (log odds)", "best", *everyone, "choice - default", "p"], rows
    )


def document(outcomes: Sequence[Outcome], command: str) -> str:
    worse = [
        f"{each.setting.collection} with {each.setting.encoder} ({who})"
        for each in outcomes
        for who, versus in each.versus.items()
        if versus.high < 0
    ]
    parts = [
        "# The verdict\n\n",
        f"`{command}`\n\n",
        f"{(__doc__ or '').split('    TELLAPART_DATA')[0].strip()} ",
        (__doc__ or "").split("verdict.md", 1)[1].strip(),
        "\n\n## Regret\n\n",
        regrets(outcomes),
        "\nSignificantly worse than the default that could have been kept (95 % interval below 0):"
        f" {', '.join(worse) or 'nowhere'}.\n",
    ]
    return "".join(parts)


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--indexes", type=Path, metavar="DIR", default=PLACE)
    options.add_argument("--output", type=Path, metavar="FILE")
    chosen = options.parse_args()
    every = settings(data_folder(), chosen.indexes)
    outcomes = [outcome(setting, every) for setting in every]
    publish(document(outcomes, "python bench/verdict.py"), chosen.output)


if __name__ == "__main__":
    main()

"""What choosing from generated queries is worth: regret on human queries, against opponents that never look.

    TELLAPART_DATA=... python bench/verdict.py --indexes DIR --output docs/benchmarks/verdict.md

Every development collection is indexed with minilm, and again with lsa instead. The verdict sees generated queries
only (seed 0), and what was learned about their trustworthiness from the *other* collections. Its choice is scored
with human queries. Regret is the cross-fitted mean of the best configuration (chosen on four fifths of the human
queries, scored on the rest) minus the mean of what was chosen.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from judged import data_folder, publish, table
from tellapart.evaluation.crossfit import assign_folds, cross_fitted
from tellapart.evaluation.statistics import Comparison, compare
from tellapart.evaluation.trust import Option, trusted_choice
from transfer import LEFT_OUT, Setting, configuration_of, fitted, settings

FEW = 30
SEED = 0
VERDICT = "verdict"
OPPONENTS = ("bm25", "knn", "rrf", "hybrid .5", "default, weights refitted", "default as shipped")
WEIGHTS = (0.1, 0.3, 0.5, 0.7, 0.9)


@dataclass(frozen=True)
class Outcome:
    """One setting: means of the choice and of every opponent on human queries, and how the choice compares."""

    setting: Setting
    choice: str
    predicted: float
    doubt: float
    best: float
    means: Mapping[str, float]
    versus: Mapping[str, Comparison]

    def regret(self, who: str) -> float:
        """Give what is lost against the cross-fitted best."""
        return self.best - self.means[who]


def outcome(setting: Setting, every: Sequence[Setting]) -> Outcome:
    transfer = fitted(every, setting.collection)
    generated, human = setting.generated, setting.human
    names = [name for name in setting.own if configuration_of(name).ranker not in LEFT_OUT]
    options = [_option(setting, name) for name in names]
    default = _option(setting, setting.default)
    trusted = trusted_choice(default, options, generated.clusters, transfer, seed=SEED)
    enough = len(set(generated.clusters)) >= FEW
    choice = setting.default if trusted.choice is None or not enough else names[trusted.choice]
    values = np.stack([human.column(name) for name in names], axis=1)
    best = float(cross_fitted(values, assign_folds(human.clusters, seed=SEED)).mean())
    stem = setting.default.rsplit("/", 1)[0]
    words = next(
        name for name in names if name.endswith("/bm25") and name.split("/")[0] == stem.split("/")[1]
    )
    opponents = {
        "bm25": words,
        "knn": f"{stem}/knn",
        "rrf": f"{stem}/rrf",
        "hybrid .5": f"{stem}/hybrid(weight=0.5)",
        "default, weights refitted": f"{stem}/hybrid(weight={_refitted(setting, every):g})",
        "default as shipped": setting.default,
    }
    chosen = human.column(choice)
    labels = np.array(human.clusters)
    return Outcome(
        setting,
        choice,
        0.0 if trusted.ahead is None else trusted.ahead.predicted,
        0.0 if trusted.ahead is None else trusted.ahead.doubt,
        best,
        {
            VERDICT: float(chosen.mean()),
            **{who: float(human.column(name).mean()) for who, name in opponents.items()},
        },
        {
            who: compare(chosen, human.column(name), clusters=labels, seed=SEED)
            for who, name in opponents.items()
        },
    )


def _option(setting: Setting, name: str) -> Option:
    generated = setting.generated
    return Option(
        configuration_of(name), generated.column(name), generated.spans[:, generated.names.index(name)]
    )


def _refitted(setting: Setting, every: Sequence[Setting]) -> float:
    """The weight with the best mean over the other collections of the same kind, with minilm, as the default's was."""
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
    return WEIGHTS[int(np.argmax(means))]


def regrets(outcomes: Sequence[Outcome]) -> str:
    rows = []
    for each in outcomes:
        versus = each.versus["default as shipped"]
        moved = each.choice != each.setting.default
        against = f"{versus.difference:+.3f} [{versus.low:+.3f}, {versus.high:+.3f}]" if moved else "kept"
        rows.append(
            [
                f"{each.setting.collection}, {each.setting.encoder}",
                each.choice.removeprefix(f"{each.setting.encoder}/"),
                f"{each.predicted:+.2f} ± {each.doubt:.2f}",
                f"{each.best:.3f}",
                f"{each.regret(VERDICT):+.3f}",
                *(f"{each.regret(who):+.3f}" for who in OPPONENTS),
                against,
                f"{versus.p:.4f}" if moved else "",
            ]
        )
    for name, pick in (("mean", np.mean), ("worst", np.max)):
        figures = [
            f"**{float(pick([each.regret(who) for each in outcomes])):+.4f}**"
            for who in (VERDICT, *OPPONENTS)
        ]
        rows.append([f"**{name}**", "", "", "", *figures, "", ""])
    head = [
        "set, encoder",
        "choice",
        "gain seen (log odds)",
        "best",
        VERDICT,
        *OPPONENTS,
        "choice - default",
        "p",
    ]
    return table(head, rows)


def document(outcomes: Sequence[Outcome], command: str) -> str:
    worse = [
        f"{each.setting.collection}/{each.setting.encoder}"
        for each in outcomes
        if each.versus["default as shipped"].high < 0
    ]
    parts = [
        "# The verdict\n\n",
        f"`{command}`\n\n",
        f"{(__doc__ or '').split('    TELLAPART_DATA')[0].strip()} ",
        (__doc__ or "").split("verdict.md", 1)[1].strip(),
        "\n\n## Regret\n\n",
        regrets(outcomes),
        f"\nSignificantly worse than the default (95 % interval below 0): {', '.join(worse) or 'nowhere'}.\n",
    ]
    return "".join(parts)


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--indexes", type=Path, metavar="DIR", required=True)
    options.add_argument("--output", type=Path, metavar="FILE")
    chosen = options.parse_args()
    every = settings(data_folder(), chosen.indexes)
    outcomes = [outcome(setting, every) for setting in every]
    publish(document(outcomes, "python bench/verdict.py --indexes DIR"), chosen.output)


if __name__ == "__main__":
    main()

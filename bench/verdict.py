"""What the verdict is worth on collections that it has not seen: regret, losses, and whether its intervals hold.

    TELLAPART_DATA=... python bench/verdict.py --output docs/benchmarks/verdict.md

Every development collection (a sample of it, see bench/development.py) is looked at with minilm as the encoder of the
default, and again with lsa instead. The model knows the *other* collections only: all variants of a collection are left
out together, and the weights of the synthetic queries come from the other collections' people as well. Regret is the
cross-fitted mean of the best configuration (chosen on four fifths of the judged queries, scored on the rest) minus the
mean of what was chosen. Judged queries are drawn at random; each number of them is repeated.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from development import COLLECTIONS, PLACE
from judged import data_folder, publish, table
from posterior import ENCODERS, Setting, measured_arms, other_encoder, settings
from tellapart.experiments.posterior.model import Floats
from verdict_outcomes import JUDGED, Models, Outcome, coverage, models_without, outcome, predictions
from verdict_plot import calibration_svg
from verdict_values import entropy_weights
from verdict_weights import ByEntropy, weights

FEW_COLLECTIONS = 5
"""Collections below which the mean gain where the default is left is said to be unknown."""

FEWEST = 25
"""Queries of a kind, at least, for its ranking of arms to be compared with people's."""

LARGE = 0.03
"""Gains of people's queries that are large enough for their sign to matter."""


def other_encoders(every: Sequence[Setting], models: Mapping[str, Models]) -> str:
    """Say whether the intervals hold for arms with lsa where the default has minilm."""
    inside, expected, obtained = [], [], []
    for setting in every:
        if setting.encoder != ENCODERS[0]:
            continue
        others = [each for each in every if each.collection != setting.collection]
        features = measured_arms(other_encoder(setting), others, synthetic=True)
        predicted, gains = predictions(
            models[setting.collection][True].prior(features.arms), features.gains, features.noise
        )
        inside.append(
            [np.mean((gains > predicted[:, low]) & (gains < predicted[:, low + 1])) for low in (1, 3)]
        )
        expected.append(predicted[:, 0].mean())
        obtained.append(gains.mean())
    half, ninety = np.mean(inside, axis=0)
    return (
        f"\nArms with {ENCODERS[1]} where the default has {ENCODERS[0]}, which are never chosen above: expected"
        f" {np.mean(expected):+.3f} on average, obtained {np.mean(obtained):+.3f}; {half:.0%} lie in the 50 % interval"
        f" and {ninety:.0%} in the 90 % interval.\n"
    )


def regrets(outcomes: Sequence[Outcome]) -> str:
    rows = []
    for each in outcomes:
        moved, versus = each.decision.choice != each.setting.default, each.versus
        rival, expected = each.decision.rival, ""
        if rival is not None:
            gain = each.decision.gains[rival]
            name = rival.removeprefix(f"{each.setting.encoder}/")
            expected = f"{name}: {gain.expected:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}], {gain.loss:.0%}"
        rows.append(
            [
                f"{each.setting.collection}, {each.setting.encoder}",
                f"{len(each.setting.human.queries)}",
                each.decision.choice if moved else "kept",
                expected,
                f"{each.best:.3f}",
                f"{each.best - each.default:+.3f}",
                f"{each.best - each.alone:+.3f}",
                f"{each.best - each.chosen:+.3f}",
                *(f"{each.judged[count].mean():+.3f} ({each.left[count]:.0%})" for count in JUDGED),
                f"{each.best - each.every_query:+.3f}",
                f"{versus.difference:+.3f} [{versus.low:+.3f}, {versus.high:+.3f}]" if moved else "",
            ]
        )
    head = [
        "set, encoder", "judged", "choice", "arm ahead: expected gain [90 %], P(loss > .01)", "best", "default kept",
        "no query at all", "synthetic queries", *(f"and {count} judged (leaves)" for count in JUDGED), "and all judged",
        "choice - default",
    ]  # fmt: skip
    return table(head, rows)


def summary(outcomes: Sequence[Outcome]) -> str:
    rows = []
    for encoder in ("minilm", "lsa", "both"):
        own = [each for each in outcomes if encoder in (each.setting.encoder, "both")]
        if not own:
            continue
        columns: dict[str, list[float]] = {
            "default kept": [each.best - each.default for each in own],
            "no query at all": [each.best - each.alone for each in own],
            "synthetic queries": [each.best - each.chosen for each in own],
            **{f"and {count} judged": [float(each.judged[count].mean()) for each in own] for count in JUDGED},
            "and all judged": [each.best - each.every_query for each in own],
            **{
                f"{count} judged, no synthetic": [float(each.judged_alone[count].mean()) for each in own]
                for count in JUDGED
            },
        }
        for name, values in columns.items():
            rows.append([encoder, name, f"{np.mean(values):+.4f}", f"{max(values):+.4f}"])
    return table(["encoder of the default", "verdict from", "mean regret", "worst"], rows)


def leaving(outcomes: Sequence[Outcome]) -> str:
    moved = [each for each in outcomes if each.decision.choice != each.setting.default]
    worse = [
        f"{each.setting.collection} with {each.setting.encoder}" for each in moved if each.versus.high < 0
    ]
    lines = [
        f"Without judgements the default is left in {len(moved)} of {len(outcomes)} cases. Significantly worse than it"
        f" (95 % interval below 0): {', '.join(worse) or 'nowhere'}."
    ]
    if moved:
        gains = np.array([each.chosen - each.default for each in moved])
        error = gains.std(ddof=1) / np.sqrt(len(gains)) if len(gains) > 1 else float("nan")
        lines.append(
            f" Mean gain where it is left: {gains.mean():+.3f} [{gains.mean() - 1.645 * error:+.3f},"
            f" {gains.mean() + 1.645 * error:+.3f}] (90 %, {len(gains)} cases)."
        )
        collections = sorted({each.setting.collection for each in moved})
        if len(collections) < FEW_COLLECTIONS:
            lines.append(
                f" That interval bounds nothing: the default is left on {' and '.join(collections)} alone, and so few"
                " collections cannot show what leaving gains on average. [Parts of collections](verdict_subsets.md) are"
                " more cases."
            )
    half, ninety = coverage(outcomes)
    lines.append(
        f" Of the obtained gains of all {sum(len(each.obtained) for each in outcomes):,} pairs, {half:.0%} lie in the"
        f" 50 % interval and {ninety:.0%} in the 90 % interval."
    )
    return "".join(lines) + "\n"


def agreement(every: Sequence[Setting]) -> str:
    """Compare each kind of synthetic query with people: rank correlation of the arms, and sign of large gains."""
    found: dict[str, list[tuple[str, float, float, float]]] = {}
    for setting in every:
        sources = np.array(setting.synthetic.sources)
        gains = setting.differences(setting.human).mean(axis=0)
        for kind in sorted(set(setting.synthetic.sources)):
            own = sources == kind
            if own.sum() >= FEWEST:
                seen = setting.differences(setting.synthetic)[own].mean(axis=0)
                large = np.abs(gains) > LARGE
                agree = (
                    float((np.sign(seen) == np.sign(gains))[large].mean()) if large.any() else float("nan")
                )
                found.setdefault(kind, []).append(
                    (setting.encoder, _rank_correlation(seen, gains), agree, float((seen - gains).mean()))
                )
    rows = []
    for kind, cases in found.items():
        cells = [kind, str(len(cases))]
        for encoder in ("minilm", "lsa"):
            own = [case[1:] for case in cases if case[0] == encoder]
            cells += [f"{np.nanmean([case[n] for case in own]):+.2f}" for n in range(2)] if own else ["", ""]
        rows.append([*cells, f"{np.mean([case[3] for case in cases]):+.3f}"])
    head = [
        "kind", "cases", "minilm: rank correlation", "minilm: same sign", "lsa: rank correlation", "lsa: same sign",
        "mean error of the gain",
    ]  # fmt: skip
    return table(head, rows)


def _rank_correlation(a: Floats, b: Floats) -> float:
    ranks = [np.argsort(np.argsort(each, kind="stable"), kind="stable").astype(float) for each in (a, b)]
    return float(np.corrcoef(*ranks)[0, 1])


def document(outcomes: Sequence[Outcome], by_entropy: ByEntropy, others: str, command: str) -> str:
    doc = __doc__ or ""
    return "".join(
        [
            "# The verdict\n\n",
            f"`{command}`\n\n",
            doc.split("    TELLAPART_DATA")[0].strip().replace("\n", " ") + "\n\n",
            doc.split("verdict.md", 1)[1].strip() + "\n\n",
            "## Regret\n\n",
            summary(outcomes),
            "\n",
            leaving(outcomes),
            others,
            "\n![Predicted and obtained gains of all pairs](verdict.svg)\n",
            "\nEvery dot is an arm of a collection that the model has not seen: the gain expected from synthetic"
            " queries, and the one that people's judgements show.\n",
            "\n## The weight of the vectors\n\nMean nDCG@10 of `hybrid` on people's queries, in brackets what it loses"
            " at the most against the best of these weights; which weight is best on all collections but one, and how"
            " often. The default weights were chosen on these collections. The entropy rule gives every query a"
            " weight of its own, from the scores alone (docs/verdict.md); the query is answered with the measured"
            " weight next to it (0 is bm25, 1 nearest neighbours), and compared with the default weight over the"
            " collections, paired.\n\n",
            weights([each.setting for each in outcomes], by_entropy),
            "\n## Kinds of synthetic queries\n\n"
            "How each kind ranks the arms against how people's queries do (Spearman's correlation, mean over"
            " collections), how often large gains (above .03 by people) have the same sign, and how much too high its"
            " gains are. The verdict leaves rare terms out.\n\n",
            agreement([each.setting for each in outcomes]),
            "\n## Every collection\n\n",
            regrets(outcomes),
        ]
    )


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--indexes", type=Path, metavar="DIR", default=PLACE)
    options.add_argument("--only", action="append", metavar="NAME", default=[])
    options.add_argument("--output", type=Path, metavar="FILE")
    chosen = options.parse_args()
    data = data_folder()
    every = settings(data, chosen.indexes, chosen.only)
    models = models_without(every)
    outcomes = [outcome(setting, every, models[setting.collection]) for setting in every]
    by_entropy = {
        (each.name, encoder): found
        for each in COLLECTIONS
        if not chosen.only or each.name in chosen.only
        for encoder, found in entropy_weights(each, data, chosen.indexes).items()
    }
    text = document(outcomes, by_entropy, other_encoders(every, models), "python bench/verdict.py")
    publish(text, chosen.output)
    if chosen.output:
        plot = calibration_svg([(each.predicted, each.obtained, each.setting.encoder) for each in outcomes])
        chosen.output.with_suffix(".svg").write_text(plot, encoding="utf-8")


if __name__ == "__main__":
    main()

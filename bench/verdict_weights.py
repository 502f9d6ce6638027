"""The weight of the vectors in `hybrid` over the development collections: a part of bench/verdict.py's page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from judged import table
from posterior import ENCODERS, Setting, configuration_of
from tellapart.experiments.posterior.model import Floats
from tellapart.experiments.posterior.moves import vector_share
from tellapart.experiments.statistics import compare

SEED = 0

WEIGHTS = (0.1, 0.3, 0.5, 0.7, 0.9)


ByEntropy = Mapping[tuple[str, str], Floats]
"""Weight of the vectors that an entropy rule gives each judged query, by collection and encoder."""


def weights(every: Sequence[Setting], by_entropy: ByEntropy) -> str:
    """Mean value of `hybrid` on people's queries by the weight of the vectors, and what all but one would choose."""
    rows = []
    for encoder in ENCODERS:
        for code in (False, True):
            own = [each for each in every if (each.encoder, each.code) == (encoder, code)]
            if len(own) < 2:
                continue
            found = np.array([[_weighted(each, weight).mean() for weight in WEIGHTS] for each in own])
            others = [np.delete(found, place, axis=0).mean(axis=0).argmax() for place in range(len(own))]
            chosen = ", ".join(f"{WEIGHTS[at]:g} ({others.count(at)})" for at in sorted(set(others)))
            cells = [
                f"{mean:.4f} ({lost:.3f})"
                for mean, lost in zip(
                    found.mean(axis=0), (found.max(axis=1)[:, None] - found).max(axis=0), strict=True
                )
            ]
            default = vector_share(configuration_of(own[0].default))
            ruled = [_ruled(each, by_entropy[each.collection, encoder]) for each in own]
            versus = compare(ruled, [each.human.column(each.default).mean() for each in own], seed=SEED)
            said = [by_entropy[each.collection, encoder].mean() for each in own]
            cells += [
                chosen,
                f"{np.mean(ruled):.4f} ({(found.max(axis=1) - ruled).max():.3f})",
                f"{np.mean(said):.2f} ({min(said):.2f} to {max(said):.2f})",
                f"{versus.difference:+.4f} [{versus.low:+.4f}, {versus.high:+.4f}], p {versus.p:.3f}",
            ]
            rows.append([encoder, "code" if code else "prose", str(len(own)), f"{default:g}", *cells])
    head = [
        "",
        "",
        "collections",
        "default",
        *(f"weight {weight:g}" for weight in WEIGHTS),
        "chosen by the others",
        "entropy rule",
        "its weight",
        "entropy rule - default",
    ]
    return table(head, rows)


def _ruled(setting: Setting, wanted: Floats) -> float:
    """Mean value where every query is answered with the measured weight next to the one that is wanted for it (n,)."""
    levels = setting.default.rsplit("/", 1)[0]
    named = {0.0: f"{levels.partition('/')[2]}/bm25", 1.0: f"{levels}/knn"}
    values = [setting.human.column(name) for name in named.values()]
    values += [_weighted(setting, weight) for weight in WEIGHTS]
    nearest = np.abs(np.array([*named, *WEIGHTS])[:, None] - wanted).argmin(axis=0)
    return float(np.stack(values)[nearest, np.arange(len(wanted))].mean())


def _weighted(setting: Setting, weight: float) -> Floats:
    """Values (n,) of `hybrid` at the granularity of the default with a weight of the vectors."""
    own = vector_share(configuration_of(setting.default)) == weight
    name = setting.default if own else f"{setting.default}(weight={weight:g})"
    return setting.human.column(name)

"""Strangers in galleries larger than any that was measured: how far an extrapolation carries.

TELLAPART_DATA=... python bench/identity_tail.py --output docs/benchmarks/identity_tail.md
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import genpareto

from judged import data_folder, publish, table
from tellapart.encoders.faces import open_face
from tellapart.identities.answers import Floats

SIZES_HEAD = (
    "people in the gallery",
    "FAR it needs",
    "threshold",
    "95 %",
    "TAR",
    "95 %",
    "strangers named at dlib's .6",
)
SIZES = (1e6, 1e7, 1e8, 1e9, 8e9, 1e10)
FPIR = 1e-2
TAIL = 0.05
DRAWS = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    publish(
        f"""# Strangers in galleries of millions

Made by `python bench/identity_tail.py --output docs/benchmarks/identity_tail.md`.

att_faces with `face`: 20 people. The score of two strangers is modelled by a generalised Pareto distribution above its
{1 - TAIL:.0%} quantile (peaks over threshold; Pickands 1975). In a gallery of N people with one template each, a
stranger's best score exceeds t with 1 - (1 - FAR(t))^N if pairs were independent, so an FPIR of {FPIR:g} needs
FAR = {FPIR:g} / N. Intervals resample people ({DRAWS} draws). TAR: share of the genuine pairs of these 20 people above
t.

{table(SIZES_HEAD, extrapolated())}
The fitted tail ends at a cosine below .96, which is why the threshold hardly moves with N; the interval says that it
may as well reach 1, and then nobody is recognised.
What to believe of it: 190 pairs of people carry a rate of {1 / 191:.4f} and no less. Every line lies beyond that by a
factor of {1 / 191 / (FPIR / SIZES[0]):,.0f} or more, with a model of the tail that nobody can check here, and the
assumption that the people are unrelated, which is false of any gallery that holds families: twins and siblings do not
get rarer with N.
**So `identify` refuses all of them**: it promises an FPIR only where as many strangers were measured. Large galleries
measure for themselves: with a million identities enrolled, each is a stranger to the others.
""",
        arguments.output,
    )


def extrapolated() -> list[list[str]]:
    content = np.load(data_folder() / "att_faces" / "att_faces.npz")
    vectors = open_face(threads=1).encode_images(content["images"])
    seen = vectors.any(axis=1)
    faces, owners = vectors[seen], content["labels"][seen]
    scores, upper = faces @ faces.T, np.triu_indices(len(faces), 1)
    found, a, b = scores[upper].astype(np.float64), owners[upper[0]], owners[upper[1]]
    people = np.unique(owners)
    random = np.random.default_rng(0)
    draws = []
    for _ in range(DRAWS):
        drawn = np.bincount(
            np.searchsorted(people, random.choice(people, len(people))), minlength=len(people)
        )
        weights = drawn[a] * np.where(a == b, 1, drawn[b])
        keep = np.repeat(np.arange(len(found)), weights)
        draws.append(thresholds(found[keep], (a == b)[keep]))
    middle = thresholds(found, a == b)
    spread = np.array(draws)
    lines = []
    loose = 1 - (0.6 / 1.41) ** 2 / 2
    far = float((found[a != b] >= loose).mean())
    for place, size in enumerate(SIZES):
        limits = np.quantile(spread[:, place], [0.025, 0.975], axis=0)
        lines.append(
            [
                f"{size:.0e}",
                f"{FPIR / size:.0e}",
                f"{middle[place][0]:.3f}",
                f"{limits[0, 0]:.3f} to {limits[1, 0]:.3f}",
                f"{middle[place][1]:.2f}",
                f"{limits[0, 1]:.2f} to {limits[1, 1]:.2f}",
                f"{1 - (1 - far) ** size:.0%}",
            ]
        )
    return lines


def thresholds(scores: Floats, same: NDArray[np.bool_]) -> list[tuple[float, float]]:
    """Threshold and TAR for each size, from the tail of the strangers' scores."""
    strangers, genuine = scores[~same], scores[same]
    start = float(np.quantile(strangers, 1 - TAIL))
    beyond = strangers[strangers > start] - start
    shape, _, scale = genpareto.fit(beyond, floc=0)
    share = len(beyond) / len(strangers)
    found = []
    for size in SIZES:
        level = min(1.0, start + float(genpareto.isf(min(1.0, FPIR / size / share), shape, 0, scale)))
        found.append((level, float((genuine > level).mean())))
    return found


if __name__ == "__main__":
    main()

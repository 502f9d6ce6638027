"""Faces of 20 people (att_faces): the encoder `face`, raw pixels, other tools' thresholds, scorings and groupings.

TELLAPART_DATA=... python bench/identity_faces.py --output docs/benchmarks/identity_faces.md
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, uniform_filter
from sklearn.cluster import DBSCAN

from judged import data_folder, publish, table
from tellapart.encoders.faces import BLURRED, FaceEncoder, find_faces, open_face
from tellapart.encoders.protocol import unit_rows
from tellapart.experiments.statistics import compare, compare_all, holm
from tellapart.experiments.verification import (
    PairScores,
    equal_error_rate,
    nearest_neighbours,
    tar_at_far,
    threshold_at_far,
)
from tellapart.identities.answers import Scoring
from tellapart.identities.calibration import ASSUMED
from tellapart.identities.clustering import cluster
from tellapart.identities.matching import Reference, Whitening, unit
from tellapart.identities.odds import Odds

Vectors = NDArray[np.float32]
SPLITS = 100
HEAD = ("", "pictures", "rank-1", "EER", "TAR at FAR 1e-2", "TAR at FAR 1e-3", "MAP@R")
LENGTH = 1.41
"""Of the face network's vectors before they are scaled to 1: dlib's distances are between those."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    content = np.load(data_folder() / "att_faces" / "att_faces.npz")
    images, people = content["images"], content["labels"]
    encoder = open_face(threads=1)
    seen, vectors, sharp, edges = looked_at(encoder, images)
    faces, owners = vectors[seen], people[seen]
    pairs = PairScores.within(faces, owners)
    publish(
        f"""# Faces

Made by `python bench/identity_faces.py --output docs/benchmarks/identity_faces.md`: att_faces, {len(images)} pictures
of 46 x 56 pixels, {len(np.unique(people))} people. Cosine. Rank-1: the nearest other picture shows the same person.
Intervals resample people. Development data: the two cut-outs of `face` were chosen here.

## The encoder `face`

A face is found in {len(faces)} of the {len(images)} pictures; the other {len(images) - len(faces)} are left out.

{table(HEAD, encoders(images, people, seen, faces))}
The figures of strangers that stand in where a gallery is too small (`assumed`):
cosine {pairs_mean(faces, owners)}.
Edge of the faces: median {np.median(edges):.0f} pixels. Sharpness: median {np.median(sharp):.3f}; after a blur of 1.5
pixels {blurred(images[seen]):.3f} (called blurred below {BLURRED}).

## Raw pixels without training

All {len(images)} pictures. Difference to the cosine of the pixels: paired over pictures, clustered by person. Some
twenty ways were tried on these people before these were put down; the last line lets each person be judged by what is
best for the other 19.

{table(["", "MAP@R", "difference", "p (Holm)", "EER"], pixels(images, people))}
## Thresholds that others ship

The same {len(faces)} faces, {pairs.impostors:,} pairs of strangers. dlib and deepface ship constants. The last line is
the threshold for FAR 1e-2 on one half of the people, tried on the other, {SPLITS} halvings.

{table(["threshold", "said to be", "FAR obtained", "TAR"], thresholds(faces, owners, pairs))}
Against a gallery of 20 with one template each, dlib's .6 names {1 - (1 - pairs_far(pairs, 0.6)) ** 20:.0%}
of the strangers, if pairs were independent.

## Scorings

Half of each person's pictures are templates, the others are asked; 10 people are enrolled, 10 are strangers,
{SPLITS} halvings. DIR: share of the enrolled that get their name where at most 5 % of the strangers get any.

{table(["", "rank-1", "DIR at FPIR .05", "difference to mean", "p"], scorings(faces, owners))}
Differences are paired over halvings, which share people: the interval is too narrow, and is only a description.

## Groups of unknown people

{SPLITS // 2} halvings: likelihood ratios from 10 people, the other 10 are grouped, some {len(faces) // 2} faces. DBSCAN
with the constants of immich (cosine distance .5, 3 faces) and PhotoPrism (distance .64, 4 faces), which were set for
other networks, and with the best distance for these very faces, which nobody knows beforehand. Differences to ours:
B-cubed F1 of each face, mean over the halvings, paired over faces, clustered by person.

{table(["", "pairwise F1", "B-cubed F1", "groups (people: 10)", "B-cubed F1: ours - this"], groupings(faces, owners))}
Ours says how many there are with an interval of 95 %; it held the true number in {coverage(faces, owners):.0%} of the
halvings.
""",
        arguments.output,
    )


def looked_at(
    encoder: FaceEncoder, images: NDArray[np.uint8]
) -> tuple[NDArray[np.bool_], Vectors, list[float], list[int]]:
    vectors = encoder.encode_images(images)
    faces = [found[0] for image in images if (found := find_faces(image))]
    return vectors.any(axis=1), vectors, [face.sharpness for face in faces], [face.edge for face in faces]


def blurred(images: NDArray[np.uint8]) -> float:
    from PIL import Image, ImageFilter

    made = [np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(1.5))) for image in images[::4]]
    return float(np.median([found[0].sharpness for image in made if (found := find_faces(image))]))


def row(name: str, vectors: Vectors, people: NDArray[np.int64]) -> list[str]:
    pairs, near = PairScores.within(vectors, people), nearest_neighbours(vectors, people)
    loose, tight = (tar_at_far(pairs, far, support=1, draws=500) for far in (1e-2, 1e-3))
    return [
        name,
        str(len(vectors)),
        f"{near.recall_at_1.mean():.3f}",
        f"{equal_error_rate(pairs):.4f}",
        f"{loose.tar:.3f} [{loose.low:.3f}, {loose.high:.3f}]",
        f"{tight.tar:.3f} [{tight.low:.3f}, {tight.high:.3f}]",
        f"{near.map_at_r.mean():.3f}",
    ]


def encoders(
    images: NDArray[np.uint8], people: NDArray[np.int64], seen: NDArray[np.bool_], faces: Vectors
) -> list[list[str]]:
    from tellapart.encoders.faces import FOLDER
    from tellapart.encoders.images import ImageEncoder

    whole = ImageEncoder(FOLDER, threads=1).encode_images(images[seen])
    return [
        row("`face`", faces, people[seen]),
        row("its network, whole pictures unaligned", whole, people[seen]),
        row("pixels", flat(images[seen]), people[seen]),
    ]


def flat(images: NDArray[np.uint8]) -> Vectors:
    return unit_rows(images.reshape(len(images), -1).astype(np.float32), encoder="pixels")


def pairs_mean(faces: Vectors, owners: NDArray[np.int64]) -> str:
    scores = faces @ faces.T
    upper = np.triu_indices(len(faces), 1)
    other = (owners[:, None] != owners)[upper]
    found = scores[upper][other]
    return f"{found.mean():.3f} +- {found.std():.3f} (in use: {ASSUMED['face'].mean} +- {ASSUMED['face'].spread})"


def pixels(images: NDArray[np.uint8], people: NDArray[np.int64]) -> list[list[str]]:
    """Cosine of raw pixels against what needs no training and no labels."""
    rows = images.reshape(len(images), -1).astype(np.float32)
    centred = rows - rows.mean(axis=1, keepdims=True)
    equalised = (rows.argsort(axis=1).argsort(axis=1) / rows.shape[1] - 0.5).astype(np.float32)
    choices: dict[str, Vectors] = {
        "cosine": flat(images),
        "less each picture's mean": unit_rows(centred, encoder="pixels"),
        "less the mean picture": unit_rows(rows - rows.mean(axis=0), encoder="pixels"),
        "ranks of the grey levels, less the mean picture": unit_rows(
            equalised - equalised.mean(axis=0), encoder="pixels"
        ),
        "directions of edges (8 x 8 cells), less the mean": unit_rows(edges_of(images), encoder="pixels"),
    }
    logarithms = np.log(images / np.float32(255) + np.float32(0.02))
    around = gaussian_filter(logarithms - uniform_filter(logarithms, (0, 35, 35)), (0, 2, 2))
    smoothed = gaussian_filter(logarithms, (0, 1, 1))
    more = {
        "logarithm, smoothed by 1 pixel, less the mean picture": smoothed,
        "logarithm less its mean over 35 x 35, smoothed by 2, less the mean picture": around,
    }
    for name in list(choices)[-2:]:
        centre = choices[name] - choices[name].mean(axis=0)
        values, axes = np.linalg.eigh((centre.T @ centre).astype(np.float64) / len(centre))
        scale = 1 / np.sqrt(np.maximum(values, 0) + 10 * values.mean())
        choices[f"{name}, whitened (ridge 10)"] = unit_rows(centre @ (axes * scale), encoder="pixels")
    for name, levels in more.items():
        of = levels.reshape(len(images), -1)
        choices[name] = unit_rows(of - of.mean(axis=0), encoder="pixels")
    base = nearest_neighbours(choices["cosine"], people).map_at_r
    lines = []
    others = [nearest_neighbours(vectors, people).map_at_r for vectors in list(choices.values())[1:]]
    adjusted = iter(holm([each.p for each in compare_all(np.stack(others, axis=1), base, clusters=people)]))
    for name, vectors in choices.items():
        values = nearest_neighbours(vectors, people).map_at_r
        eer = equal_error_rate(PairScores.within(vectors, people))
        if name == "cosine":
            lines.append([name, f"{values.mean():.3f}", "", "", f"{eer:.3f}"])
            continue
        against = compare(values, base, clusters=people)
        between = f"{against.difference:+.3f} [{against.low:+.3f}, {against.high:+.3f}]"
        lines.append(
            [name, f"{values.mean():.3f}", between, f"{against.p:.4f} ({next(adjusted):.4f})", f"{eer:.3f}"]
        )
    every = np.stack([base, *others], axis=1)
    chosen = np.empty_like(base)
    for person in np.unique(people):
        own = people == person
        chosen[own] = every[own, every[~own].mean(axis=0).argmax()]
    against = compare(chosen, base, clusters=people)
    between = f"{against.difference:+.3f} [{against.low:+.3f}, {against.high:+.3f}]"
    lines.append(
        [
            "for each person, what is best for the others",
            f"{chosen.mean():.3f}",
            between,
            f"{against.p:.4f}",
            "",
        ]
    )
    return lines


def edges_of(images: NDArray[np.uint8]) -> Vectors:
    """Histograms of the gradients' directions in cells of 8 x 8 pixels, square roots, less their mean."""
    levels = images.astype(np.float32)
    down, across = np.gradient(levels, axis=(1, 2))
    size, turn = np.hypot(down, across), (np.arctan2(down, across) % np.pi) / np.pi * 9
    found = np.zeros((len(images), images.shape[1] // 8, images.shape[2] // 8, 9), dtype=np.float32)
    height, width = found.shape[1] * 8, found.shape[2] * 8
    for part in range(9):
        inside = np.where(turn.astype(int) % 9 == part, size, 0)[:, :height, :width]
        found[..., part] = inside.reshape(len(images), height // 8, 8, width // 8, 8).sum(axis=(2, 4))
    found = np.sqrt(found / np.maximum(found.sum(axis=3, keepdims=True), 1))
    rows = found.reshape(len(images), -1)
    return rows - rows.mean(axis=0)


def pairs_far(pairs: PairScores, distance: float) -> float:
    """FAR where vectors of dlib's length lie within a distance: their squared distance is 2 L^2 (1 - cosine)."""
    cosine = 1 - (distance / LENGTH) ** 2 / 2
    return float((pairs.highest >= cosine).sum() / pairs.impostors)


def thresholds(faces: Vectors, owners: NDArray[np.int64], pairs: PairScores) -> list[list[str]]:
    def told(name: str, said: str, cosine: float) -> list[str]:
        far = (pairs.highest >= cosine).sum() / pairs.impostors
        return [name, said, f"{far:.4f}", f"{(pairs.genuine >= cosine).mean():.3f}"]

    lines = [
        told("dlib, face_recognition: distance .6", "99.38 % right on LFW", 1 - (0.6 / LENGTH) ** 2 / 2),
        told("deepface 0.0.103, Dlib: cosine distance .07", "pre-tuned", 0.93),
        told("a cosine of .5", "even odds", 0.5),
    ]
    far, tar = [], []
    for chosen in halves(owners, SPLITS):
        known = np.isin(owners, chosen)
        threshold = threshold_at_far(PairScores.within(faces[known], owners[known]), 1e-2, support=1)
        unseen = PairScores.within(faces[~known], owners[~known])
        far.append((unseen.highest > threshold).sum() / unseen.impostors)
        tar.append((unseen.genuine > threshold).mean())
    said = "order statistic of pairs, FAR 1e-2 (no promise: pairs share people)"
    lines.append([said, "0.01", f"{np.mean(far):.4f}", f"{np.mean(tar):.3f}"])
    return lines


def halves(owners: NDArray[np.int64], count: int) -> list[NDArray[np.int64]]:
    people = np.unique(owners)
    return [np.random.default_rng([7, n]).permutation(people)[: len(people) // 2] for n in range(count)]


def scorings(faces: Vectors, owners: NDArray[np.int64]) -> list[list[str]]:
    found: dict[Scoring, list[tuple[float, float]]] = {scoring: [] for scoring in Scoring}
    for number, chosen in enumerate(halves(owners, SPLITS)):
        random = np.random.default_rng([8, number])
        template = np.zeros(len(owners), dtype=bool)
        for person in chosen:
            rows = random.permutation(np.flatnonzero(owners == person))
            template[rows[: len(rows) // 2]] = True
        enrolled = np.isin(owners, chosen) & ~template
        strangers = ~np.isin(owners, chosen)
        for scoring in Scoring:
            means = unit(np.stack([faces[template & (owners == person)].mean(axis=0) for person in chosen]))
            reference = Reference(128, scoring, Whitening(means) if scoring is Scoring.SVM else None)
            reference.add(
                owners[template], np.zeros(template.sum(), bool), np.ones(template.sum()), faces[template]
            )
            numbers, scores = reference.scores(faces[enrolled])
            right = numbers[scores.argmax(axis=1)] == owners[enrolled]
            _, other = reference.scores(faces[strangers])
            best = np.sort(other.max(axis=1))[::-1]
            threshold = best[int(0.05 * len(best))]
            found[scoring].append((right.mean(), (right & (scores.max(axis=1) > threshold)).mean()))
    base = np.array(found[Scoring.MEAN])[:, 1]
    lines = []
    for scoring in Scoring:
        values = np.array(found[scoring])
        against = compare(values[:, 1], base)
        between = f"{against.difference:+.3f} [{against.low:+.3f}, {against.high:+.3f}]"
        same = scoring is Scoring.MEAN
        told = ["", ""] if same else [between, f"{against.p:.4f}"]
        lines.append([f"`{scoring}`", f"{values[:, 0].mean():.3f}", f"{values[:, 1].mean():.3f}", *told])
    return lines


Part = tuple[Vectors, NDArray[np.int64], Odds, NDArray[np.int64]]
Grouping = Callable[[Vectors, Odds], NDArray[np.int64]]


def grouped_parts(faces: Vectors, owners: NDArray[np.int64]) -> list[Part]:
    parts = []
    for chosen in halves(owners, SPLITS // 2):
        known = np.isin(owners, chosen)
        scores, upper = faces[known] @ faces[known].T, np.triu_indices(known.sum(), 1)
        same = (owners[known][:, None] == owners[known])[upper]
        odds = Odds.fit(scores[upper][same].astype(float), scores[upper][~same].astype(float))
        assert odds is not None
        parts.append((faces[~known], owners[~known], odds, np.flatnonzero(~known)))
    return parts


def groupings(faces: Vectors, owners: NDArray[np.int64]) -> list[list[str]]:
    parts = grouped_parts(faces, owners)

    def dbscan(radius: float, least: int, length: float) -> Grouping:
        def grouping(vectors: Vectors, odds: Odds) -> NDArray[np.int64]:
            labels = DBSCAN(eps=radius, min_samples=least).fit_predict(vectors * length)
            alone = labels < 0  # everyone that belongs to no group is a group
            labels[alone] = labels.max() + 1 + np.arange(alone.sum())
            return labels

        return grouping

    choices: dict[str, Grouping] = {
        "ours": lambda vectors, odds: cluster(vectors, odds).labels(len(vectors)),
        "DBSCAN, immich's constants": dbscan(1.0, 3, 1.0),  # cosine distance .5 is distance 1 of unit vectors
        "DBSCAN, PhotoPrism's constants, unit vectors": dbscan(0.64, 4, 1.0),
        "DBSCAN, PhotoPrism's constants, dlib's length": dbscan(0.64, 4, LENGTH),
    }
    for radius in np.arange(0.20, 0.46, 0.02):
        choices[f"DBSCAN at {radius:.2f}, 2 faces"] = dbscan(radius, 2, 1.0)
    scores: dict[str, NDArray[np.float64]] = {}
    views: dict[str, NDArray[np.float64]] = {}
    for name, grouping in choices.items():
        labels = [grouping(vectors, odds) for vectors, _, odds, _ in parts]
        found = [
            (*f1(of, each), len(np.unique(each))) for each, (_, of, _, _) in zip(labels, parts, strict=True)
        ]
        scores[name] = np.array(found)
        total, seen = np.zeros(len(owners)), np.zeros(len(owners))
        for each, (_, of, _, rows) in zip(labels, parts, strict=True):
            total[rows] += b_cubed(of, each)
            seen[rows] += 1
        views[name] = total / np.maximum(seen, 1)
    best = max((name for name in scores if " at " in name), key=lambda name: scores[name][:, 0].mean())
    lines = []
    for name in [*list(choices)[:4], best]:
        values = scores[name]
        against = compare(views["ours"], views[name], clusters=owners)
        between = f"{against.difference:+.3f} [{against.low:+.3f}, {against.high:+.3f}], p {against.p:.4f}"
        shown = f"{name}, the best distance" if name == best else name
        means = [f"{value:.3f}" for value in values[:, :2].mean(axis=0)]
        lines.append([shown, *means, f"{values[:, 2].mean():.1f}", "" if name == "ours" else between])
    return lines


def b_cubed(owners: NDArray[np.int64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """B-cubed F1 of each view: of its group's precision and recall for its own person."""
    true, found = owners[:, None] == owners, labels[:, None] == labels
    both = (true & found).sum(axis=1)
    return np.asarray(2 * both / (found.sum(axis=1) + true.sum(axis=1)), dtype=np.float64)


def f1(owners: NDArray[np.int64], labels: NDArray[np.int64]) -> tuple[float, float]:
    """Pairwise F1 and B-cubed F1 (Bagga and Baldwin 1998)."""
    true, found = owners[:, None] == owners, labels[:, None] == labels
    upper = np.triu_indices(len(owners), 1)
    hits = (true & found)[upper].sum()
    pairwise = 2 * hits / max(true[upper].sum() + found[upper].sum(), 1)
    both = (true & found).sum(axis=1)
    precision, recall = (both / found.sum(axis=1)).mean(), (both / true.sum(axis=1)).mean()
    return float(pairwise), float(2 * precision * recall / (precision + recall))


def coverage(faces: Vectors, owners: NDArray[np.int64]) -> float:
    held = []
    for vectors, of, odds, _ in grouped_parts(faces, owners):
        found = cluster(vectors, odds)
        held.append(found.low <= len(np.unique(of)) <= found.high)
    return float(np.mean(held))


if __name__ == "__main__":
    main()

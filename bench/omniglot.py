"""Softmax, ArcFace, CosFace, triplets and InfoNCE on characters of an alphabet that training never saw (Omniglot).

TELLAPART_DATA=... python bench/omniglot.py --output docs/benchmarks/omniglot.md

Killed, it goes on where it was when started again with the same DIR. Every objective is as `tellapart train` has it.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from judged import data_folder, publish, table
from tellapart.encoders.protocol import unit_rows
from tellapart.experiments.statistics import compare
from tellapart.experiments.verification import (
    PairScores,
    equal_error_rate,
    identify_all,
    nearest_neighbours,
    tar_at_far,
)
from tellapart.learning.images.augmenting import Augmentation, ImageSamples
from tellapart.learning.images.reading import LabelledImages, Split, read_images
from tellapart.learning.images.train import make_trainer
from tellapart.learning.training.history import Look
from tellapart.learning.training.options import Objective, TrainingOptions

HELD_OUT = "Latin"
OBJECTIVES = (Objective.SOFTMAX, Objective.ARCFACE, Objective.INFONCE, Objective.COSFACE, Objective.TRIPLET)
SEEDS = 3
SIZE = 28
FAR = 1e-2
MEASURES = ("recall_at_1", "map_at_r")
STEPS, LOOKS = 3_000, 4
FPIRS = (0.1, 0.05, 0.01)
HALVINGS = 200
AUGMENTATION = Augmentation()


@dataclass(frozen=True)
class Result:
    """One run: vectors of the unseen alphabet, processor seconds, and (seconds, R@1) at each look."""

    vectors: NDArray[np.float32]
    seconds: float
    curve: list[tuple[float, float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path)
    parser.add_argument("--work", type=Path, default=Path("build/omniglot"))
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--objectives", type=Objective, nargs="+", default=OBJECTIVES, help="softmax first")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = read_images(data_folder() / "omniglot8" / "omniglot8.npz", size=SIZE, channels=1)
    train, test = divided(data, HELD_OUT)
    runs = {
        (objective, seed): run(train, test, objective, seed, arguments.steps, arguments.work)
        for seed in range(arguments.seeds)
        for objective in arguments.objectives
    }
    publish(page(train, test, runs, arguments), arguments.output)


def divided(data: LabelledImages, unseen: str) -> tuple[LabelledImages, LabelledImages]:
    """Give what is learned, and the alphabet that is judged."""
    alphabets = [name.split("/")[0] for name in data.names]
    judged = [number for number, name in enumerate(alphabets) if name == unseen]
    learned = [number for number, name in enumerate(alphabets) if name != unseen]
    return data.of_identities(learned), data.of_identities(judged)


def run(
    train: LabelledImages, test: LabelledImages, objective: Objective, seed: int, steps: int, work: Path
) -> Result:
    """Train from scratch, or from a checkpoint; what is finished is read."""
    folder = work / f"{test.names[0].split('/')[0]}-{objective}-{steps}-{seed}"
    done = folder / "result.json"
    if not done.exists():
        options = TrainingOptions(objective=objective, steps=steps, check_every=steps // LOOKS, seed=seed)
        trainer = make_trainer(Split(train, None).turned(), options, AUGMENTATION, folder / "checkpoint")
        samples, curve = ImageSamples(test, AUGMENTATION), folder / "curve.json"
        folder.mkdir(parents=True, exist_ok=True)
        seen = json.loads(curve.read_text()) if curve.exists() else []
        started = time.process_time()

        def watch(look: Look) -> None:
            nonlocal started
            before = seen[-1][1] if seen else 0.0
            seconds = before + time.process_time() - started
            seen.append([look.step, seconds, trainer.judge(samples).recall_at_1])
            curve.write_text(json.dumps(seen))
            started = time.process_time()
            print(folder.name, seen[-1], flush=True)

        trainer.run(watch=watch)
        np.save(folder / "vectors.npy", unit_rows(trainer.features(samples), encoder="trained"))
        done.write_text(json.dumps({"curve": seen}))
    points = {int(step): (seconds, value) for step, seconds, value in json.loads(done.read_text())["curve"]}
    curve_of = [points[step] for step in sorted(points)]
    return Result(np.load(folder / "vectors.npy"), curve_of[-1][0], curve_of)


def page(
    train: LabelledImages,
    test: LabelledImages,
    runs: dict[tuple[Objective, int], Result],
    arguments: argparse.Namespace,
) -> str:
    seeds, steps, objectives = arguments.seeds, arguments.steps, arguments.objectives
    chosen = "" if len(objectives) == len(OBJECTIVES) else f" --objectives {' '.join(objectives)}"
    pixels = unit_rows(test.images.reshape(len(test.labels), -1).astype(np.float32), encoder="pixels")
    rows = [row("pixels, cosine", [Result(pixels, 0.0, [])], test, None)]
    reference = [runs[Objective.SOFTMAX, seed] for seed in range(seeds)]
    for objective in objectives:
        of_seeds = [runs[objective, seed] for seed in range(seeds)]
        rows.append(row(objective, of_seeds, test, None if objective is Objective.SOFTMAX else reference))
    opened = [["pixels, cosine", *open_set(pixels, test.labels)]]
    opened += [[objective, *open_set(runs[objective, 0].vectors, test.labels)] for objective in objectives]
    head = [
        "",
        "R@1 (seeds)",
        "MAP@R",
        f"TAR at FAR {FAR:g}",
        "EER",
        "processor s",
        "R@1 - softmax",
        "MAP@R - softmax",
    ]
    return f"""# Objectives on Omniglot

Made by `python bench/omniglot.py --steps {steps} --seeds {seeds}{chosen} --output docs/benchmarks/omniglot.md`.
{len(train.names)} characters of four alphabets ({len(train.labels):,} drawings, {SIZE} x {SIZE}) are learned, each
turned by 90, 180 and 270 degrees as three more characters; judged are all {len(test.labels)} drawings of the
{len(test.names)} characters of **{HELD_OUT}**, which training never saw: leave-one-out retrieval by cosine. {steps:,}
steps of 24 characters x 4 drawings, last weights (no early stopping). Every objective has the scale and the margin that
`tellapart train` gives it: none was tuned for this page.
R@1 is the mean over seeds, then each seed. Differences are paired over drawings (means over seeds), clustered by
character: [95 % interval], p of the sign-flip test. The interval of TAR (seed 0) resamples characters.

{table(head, rows)}
R@1 on the unseen alphabet against processor seconds (one thread), mean over seeds:

{curves(runs, objectives, seeds)}
## Open set

{HALVINGS} times, half of the {len(test.names)} characters are drawn and enrolled with half of their drawings, as the
mean of their vectors; their other drawings are asked, and all drawings of the other characters, who are strangers. DIR:
share of the enrolled that get their own name, with the threshold at which so many strangers get any. Mean, and the
middle 95 % of the halvings, which share characters; seed 0.

{table(["", *(f"DIR at FPIR {rate:g}" for rate in FPIRS)], opened)}"""


def row(
    name: str, results: Sequence[Result], test: LabelledImages, reference: Sequence[Result] | None
) -> list[str]:
    found = [nearest_neighbours(result.vectors, test.labels) for result in results]
    pairs = [PairScores.within(result.vectors, test.labels) for result in results]
    first = tar_at_far(pairs[0], FAR, draws=500)
    tars = [tar_at_far(each, FAR).tar for each in pairs]
    hits = [scores.recall_at_1.mean() for scores in found]
    cells = [
        name,
        f"**{np.mean(hits):.3f}** ({', '.join(f'{hit:.3f}' for hit in hits)})",
        f"{np.mean([scores.map_at_r.mean() for scores in found]):.3f}",
        f"{np.mean(tars):.3f} [{first.low:.3f}, {first.high:.3f}]",
        f"{np.mean([equal_error_rate(each) for each in pairs]):.3f}",
        f"{np.median([result.seconds for result in results]):.0f}",
    ]
    if reference is None:
        return [*cells, "", ""]
    base = [nearest_neighbours(result.vectors, test.labels) for result in reference]
    for measure in MEASURES:
        ours, theirs = (
            np.mean([getattr(each, measure) for each in group], axis=0) for group in (found, base)
        )
        against = compare(ours, theirs, clusters=test.labels)
        cells.append(
            f"{against.difference:+.3f} [{against.low:+.3f}, {against.high:+.3f}], p {against.p:.4f}"
        )
    return cells


def curves(runs: dict[tuple[Objective, int], Result], objectives: Sequence[Objective], seeds: int) -> str:
    rows = []
    for objective in objectives:
        curves_of = np.array([runs[objective, seed].curve for seed in range(seeds)])
        points = zip(np.median(curves_of[..., 0], axis=0), curves_of[..., 1].mean(axis=0), strict=True)
        rows.append([objective, *(f"{value:.3f} ({seconds:.0f} s)" for seconds, value in points)])
    return table(["", *(f"{share + 1}/{LOOKS} of the steps" for share in range(LOOKS))], rows)


def open_set(vectors: NDArray[np.float32], labels: NDArray[np.int64]) -> list[str]:
    """DIR at each of FPIRS: mean and middle 95 % over halvings of the characters."""
    random, found = np.random.default_rng(0), []
    for _ in range(HALVINGS):
        people = random.permutation(np.unique(labels))
        known = np.sort(people[: len(people) // 2])
        gallery = np.zeros(len(labels), dtype=bool)
        for person in known:
            rows = random.permutation(np.flatnonzero(labels == person))
            gallery[rows[: len(rows) // 2]] = True
        means = [vectors[gallery & (labels == person)].mean(axis=0) for person in known]
        answer = identify_all(vectors[~gallery], labels[~gallery], unit_rows(means, encoder="means"), known)
        found.append([answer.dir_at_fpir(rate, support=1).tar for rate in FPIRS])
    low, high = np.quantile(found, [0.025, 0.975], axis=0)
    return [
        f"{mean:.3f} [{a:.3f}, {b:.3f}]" for mean, a, b in zip(np.mean(found, axis=0), low, high, strict=True)
    ]


if __name__ == "__main__":
    main()

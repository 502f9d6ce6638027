"""Softmax, ArcFace, triplets and InfoNCE on characters of an alphabet that training never saw (Omniglot).

TELLAPART_DATA=... python bench/omniglot.py --output docs/benchmarks/omniglot.md

Killed, it goes on where it was when started again with the same DIR. First it trains on three alphabets and judges
on the fourth, over GRID, to choose scales and margins by; the fifth, HELD_OUT, plays no part in that.
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
from tellapart.experiments.verification import PairScores, equal_error_rate, nearest_neighbours, tar_at_far
from tellapart.learning.images.augmenting import Augmentation
from tellapart.learning.images.reading import LabelledImages, read_images
from tellapart.learning.images.samples import ImageSamples
from tellapart.learning.images.train import Split, make_trainer
from tellapart.learning.objectives.contrastive import SCALE
from tellapart.learning.training.history import Look
from tellapart.learning.training.options import Objective, Precision, TrainingOptions

HELD_OUT, DEVELOPMENT = "Latin", "Korean"
OBJECTIVES = (Objective.SOFTMAX, Objective.ARCFACE, Objective.TRIPLET, Objective.INFONCE)
SEEDS, TUNING_SEEDS = (0, 1, 2), (0, 1)
Strength = tuple[float, float]
"""Scale and margin; 0 = the default of `tellapart train`."""

GRID: dict[Objective, tuple[Strength, ...]] = {
    Objective.SOFTMAX: ((0, 0),),
    Objective.ARCFACE: (
        (24, 0.3),
        (24, 0.1),
        (24, 0.5),
        (32, 0.1),
        (16, 0.1),
        (16, 0.3),
        (12, 0.3),
        (8, 0.3),
        (5, 0.3),
    ),
    Objective.TRIPLET: ((0, 0), (0, 2), (0, 4)),
    Objective.INFONCE: ((0, 0),),
}
SIZE = 28
FAR = 1e-2
MEASURES = ("recall_at_1", "map_at_r")
STEPS, LOOKS = 600, 4
AUGMENTATION = Augmentation()


@dataclass(frozen=True)
class Result:
    """One run: vectors of the unseen alphabet, seconds, and (seconds, R@1) at each look."""

    vectors: NDArray[np.float32]
    seconds: float
    curve: list[tuple[float, float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path)
    parser.add_argument("--work", type=Path, default=Path("build/omniglot"))
    parser.add_argument("--steps", type=int, default=STEPS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = read_images(data_folder() / "omniglot8" / "omniglot8.npz", size=SIZE, channels=1)
    work, steps = arguments.work, arguments.steps
    tuned = [
        tried(data, objective, strength, work, steps)
        for objective in OBJECTIVES
        for strength in GRID[objective]
    ]
    best = {
        objective: max(
            (each for each in tuned if each.objective is objective), key=lambda each: each.map_at_r
        )
        for objective in OBJECTIVES
    }
    train, test = divided(data, HELD_OUT)
    runs = {
        (objective, seed): run(train, test, settings(objective, best[objective].strength, seed, steps), work)
        for seed in SEEDS
        for objective in OBJECTIVES
    }
    publish(page(train, test, runs, (tuned, best), steps), arguments.output)


@dataclass(frozen=True)
class Tried:
    """What a strength gave on DEVELOPMENT, mean over TUNING_SEEDS."""

    objective: Objective
    strength: Strength
    recall_at_1: float
    map_at_r: float


def divided(data: LabelledImages, unseen: str) -> tuple[LabelledImages, LabelledImages]:
    """Give what is learned and what is judged; HELD_OUT is never learned."""
    train = of_alphabets(data, lambda alphabet: alphabet not in (unseen, HELD_OUT))
    return train, of_alphabets(data, lambda alphabet: alphabet == unseen)


def settings(objective: Objective, strength: Strength, seed: int, steps: int) -> TrainingOptions:
    scale, margin = strength
    return TrainingOptions(
        objective=objective,
        steps=steps,
        check_every=steps // LOOKS,
        seed=seed,
        precision=Precision.BFLOAT16 if half() else Precision.FLOAT32,
        scale=scale or None,
        margin=margin or None,
    )


def tried(data: LabelledImages, objective: Objective, strength: Strength, work: Path, steps: int) -> Tried:
    """Train with DEVELOPMENT kept out and judge on it."""
    train, test = divided(data, DEVELOPMENT)
    done = [run(train, test, settings(objective, strength, seed, steps), work) for seed in TUNING_SEEDS]
    scores = [nearest_neighbours(each.vectors, test.labels) for each in done]
    means = [float(np.mean([getattr(each, name) for each in scores])) for name in MEASURES]
    return Tried(objective, strength, *means)


def of_alphabets(data: LabelledImages, wanted: object) -> LabelledImages:
    chosen = [number for number, name in enumerate(data.names) if wanted(name.split("/")[0])]  # type: ignore[operator]
    return data.of_identities(chosen)


def half() -> bool:
    """Whether this processor multiplies bfloat16 in hardware."""
    return bool(torch.cpu._is_amx_tile_supported())


def run(train: LabelledImages, test: LabelledImages, settings: TrainingOptions, work: Path) -> Result:
    """Train from scratch, or from a checkpoint; what is finished is read."""
    unseen = test.names[0].split("/")[0]
    strength = f"-{settings.scale:g}-{settings.margin:g}" if settings.scale or settings.margin else ""
    folder = work / f"{unseen}-{settings.objective}{strength}-{settings.seed}"
    done = folder / "result.json"
    if not done.exists():
        trainer = make_trainer(Split(train, None).turned(), settings, AUGMENTATION, folder / "checkpoint")
        samples, curve = ImageSamples(test, AUGMENTATION), folder / "curve.json"
        folder.mkdir(parents=True, exist_ok=True)
        seen = json.loads(curve.read_text()) if curve.exists() else []

        def watch(look: Look) -> None:
            seen.append([look.step, look.seconds, trainer.judge(samples).recall_at_1])
            curve.write_text(json.dumps(seen))

        history = trainer.run(watch=watch)
        np.save(folder / "vectors.npy", unit_rows(trainer.features(samples), encoder="trained"))
        done.write_text(json.dumps({"seconds": history.seconds, "curve": seen}))
        print(folder.name, trainer.judge(samples).map_at_r, flush=True)
    record = json.loads(done.read_text())
    points = {int(step): (seconds, value) for step, seconds, value in record["curve"]}
    return Result(
        np.load(folder / "vectors.npy"), record["seconds"], [points[step] for step in sorted(points)]
    )


def page(
    train: LabelledImages,
    test: LabelledImages,
    runs: dict[tuple[Objective, int], Result],
    tuning: tuple[list[Tried], dict[Objective, Tried]],
    steps: int,
) -> str:
    pixels = unit_rows(test.images.reshape(len(test.labels), -1).astype(np.float32), encoder="pixels")
    rows = [row("pixels, cosine", [Result(pixels, 0.0, [])], test, None)]
    reference = [runs[Objective.SOFTMAX, seed] for seed in SEEDS]
    for objective in OBJECTIVES:
        of_seeds = [runs[objective, seed] for seed in SEEDS]
        rows.append(row(objective, of_seeds, test, None if objective is Objective.SOFTMAX else reference))
    head = [
        "",
        "R@1 (seeds)",
        "MAP@R",
        f"TAR at FAR {FAR:g}",
        "EER",
        "training s",
        "R@1 - softmax",
        "MAP@R - softmax",
    ]
    return f"""# Objectives on Omniglot

Made by `python bench/omniglot.py --output docs/benchmarks/omniglot.md`. {len(train.names)} characters
of four alphabets ({len(train.labels):,} drawings, {SIZE} x {SIZE}) are learned, each turned by 90, 180 and
270 degrees as three more characters; judged are all {len(test.labels)} drawings of the {len(test.names)} characters
of **{HELD_OUT}**, which training never saw: leave-one-out retrieval by cosine. {steps} steps of 24 characters x 4
drawings, seeds {SEEDS}, last weights (no early stopping). Steps, network, scales and margins were chosen with
{DEVELOPMENT} kept out and without {HELD_OUT} (below).
R@1 is the mean over seeds, then each seed. Differences are paired over drawings (means over seeds), clustered by
character: [95 % interval], p of the sign-flip test. The interval of TAR (seed 0) resamples characters.

{table(head, rows)}
{steps} steps are before convergence: which objective is best at the end is not shown here.

R@1 on the unseen alphabet against seconds of training (mean over seeds, median seconds; one shared core):

{curves(runs)}
Scales and margins on {DEVELOPMENT}, learned from three alphabets, means over seeds {TUNING_SEEDS}; the best MAP@R of
each objective, in bold, was taken; InfoNCE was left at its default. A triplet's margin is between distances of
features as they come, some 15 long (0: soft margin).

{strengths(*tuning)}"""


def strengths(tuned: list[Tried], best: dict[Objective, Tried]) -> str:
    rows = []
    for each in tuned:
        scale, margin = each.strength
        if each.objective is Objective.INFONCE and not scale:
            scale = SCALE
        bold = "**" if each is best[each.objective] else ""
        values = [f"{value:.3f}" for value in (each.recall_at_1, each.map_at_r)]
        rows.append([f"{bold}{each.objective}{bold}", f"{scale:g}", f"{margin:g}", *values])
    return table(["", "scale", "margin", "R@1", "MAP@R"], rows)


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


def curves(runs: dict[tuple[Objective, int], Result]) -> str:
    rows = []
    for objective in OBJECTIVES:
        curves_of = np.array([runs[objective, seed].curve for seed in SEEDS])
        points = zip(np.median(curves_of[..., 0], axis=0), curves_of[..., 1].mean(axis=0), strict=True)
        rows.append([objective, *(f"{value:.3f} ({seconds:.0f} s)" for seconds, value in points)])
    return table(["", *(f"{share + 1}/{LOOKS} of the steps" for share in range(LOOKS))], rows)


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    print(f"{time.perf_counter() - started:.0f} s")

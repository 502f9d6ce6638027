"""Softmax, ArcFace, triplets and InfoNCE on characters of an alphabet that training never saw (Omniglot).

TELLAPART_DATA=... python bench/omniglot.py --work DIR --output docs/benchmarks/omniglot.md

Killed, it goes on where it was when started again with the same DIR. `--tune` trains on three alphabets and judges
on the fourth, over GRID, to choose SETTLED by; the fifth, HELD_OUT, plays no part in that.
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
from tellapart.encoders.rows import unit_rows
from tellapart.evaluation.statistics import compare
from tellapart.evaluation.verification import PairScores, equal_error_rate, nearest_neighbours, tar_at_far
from tellapart.learning.images.augmenting import Augmentation
from tellapart.learning.images.reading import LabelledImages, read_images
from tellapart.learning.images.samples import ImageSamples
from tellapart.learning.images.train import Split, make_trainer
from tellapart.learning.training.history import Look
from tellapart.learning.training.settings import Objective, Settings

HELD_OUT, DEVELOPMENT = "Latin", "Korean"
OBJECTIVES = (Objective.SOFTMAX, Objective.ARCFACE, Objective.TRIPLET, Objective.INFONCE)
SEEDS, TUNING_SEEDS = (0, 1, 2), (0, 1)
Strength = tuple[float, float]
"""Scale and margin; 0 = the default of `tellapart train`."""

GRID: dict[Objective, tuple[Strength, ...]] = {
    Objective.ARCFACE: (
        (24, 0.3),
        (24, 0.1),
        (24, 0.5),
        (32, 0.1),
        (16, 0.1),
        (16, 0.3),
        (16, 0.5),
        (12, 0.3),
        (8, 0.3),
    ),
    Objective.TRIPLET: ((0, 0), (0, 2), (0, 4), (0, 8)),
    Objective.INFONCE: ((0, 0), (10, 0), (30, 0)),
}
SETTLED: dict[Objective, Strength] = {}
"""Best MAP@R of GRID on DEVELOPMENT."""
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
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--tune", action="store_true")
    parser.add_argument("--steps", type=int, default=STEPS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = read_images(data_folder() / "omniglot8" / "omniglot8.npz", size=SIZE, channels=1)
    if arguments.tune:
        tune(data, arguments.work, arguments.steps)
        return
    train, test = divided(data, HELD_OUT)
    runs = {
        (objective, seed): run(
            train,
            test,
            settings(objective, SETTLED.get(objective, (0, 0)), seed, arguments.steps),
            arguments.work,
        )
        for seed in SEEDS
        for objective in OBJECTIVES
    }
    tuned = tuning(data, arguments.work, arguments.steps)
    publish(page(train, test, runs, tuned, arguments.steps), arguments.output)


def divided(data: LabelledImages, unseen: str) -> tuple[LabelledImages, LabelledImages]:
    """Give what is learned and what is judged; HELD_OUT is never learned."""
    train = of_alphabets(data, lambda alphabet: alphabet not in (unseen, HELD_OUT))
    return train, of_alphabets(data, lambda alphabet: alphabet == unseen)


def settings(objective: Objective, strength: Strength, seed: int, steps: int) -> Settings:
    scale, margin = strength
    return Settings(
        objective=objective,
        steps=steps,
        check_every=steps // LOOKS,
        seed=seed,
        half=half(),
        scale=scale,
        margin=margin,
    )


def tune(data: LabelledImages, work: Path, steps: int) -> None:
    """Run GRID with DEVELOPMENT kept out."""
    train, test = divided(data, DEVELOPMENT)
    for seed in TUNING_SEEDS:
        for objective, strengths in {Objective.SOFTMAX: ((0, 0),), **GRID}.items():
            for strength in strengths:
                run(train, test, settings(objective, strength, seed, steps), work)


def tuning(data: LabelledImages, work: Path, steps: int) -> list[list[str]]:
    """Give the table of what `tune` found."""
    train, test = divided(data, DEVELOPMENT)
    rows = []
    for objective, strengths in {Objective.SOFTMAX: ((0, 0),), **GRID}.items():
        for strength in strengths:
            done = [
                run(train, test, settings(objective, strength, seed, steps), work) for seed in TUNING_SEEDS
            ]
            scores = [nearest_neighbours(each.vectors, test.labels) for each in done]
            hits, precisions = ([getattr(each, name).mean() for each in scores] for name in MEASURES)
            chosen = SETTLED.get(objective) == strength
            rows.append(
                [
                    f"**{objective}**" if chosen else objective,
                    *(f"{value:g}" for value in strength),
                    f"{np.mean(hits):.3f}",
                    f"{np.mean(precisions):.3f}",
                ]
            )
    return rows


def of_alphabets(data: LabelledImages, wanted: object) -> LabelledImages:
    chosen = [number for number, name in enumerate(data.names) if wanted(name.split("/")[0])]  # type: ignore[operator]
    return data.of_identities(chosen)


def half() -> bool:
    """Whether this processor multiplies bfloat16 in hardware."""
    return bool(torch.cpu._is_amx_tile_supported())


def run(train: LabelledImages, test: LabelledImages, settings: Settings, work: Path) -> Result:
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
    train: LabelledImages, test: LabelledImages, runs: dict[tuple[Objective, int], Result], steps: int
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

Made by `python bench/omniglot.py --work DIR --output docs/benchmarks/omniglot.md`. {len(train.names)} characters
of four alphabets ({len(train.labels):,} drawings, {SIZE} x {SIZE}) are learned, each turned by 90, 180 and
270 degrees as three more characters; judged are all {len(test.labels)} drawings of the {len(test.names)} characters
of **{HELD_OUT}**, which training never saw: leave-one-out retrieval by cosine. {steps} steps of 24 characters x 4
drawings, seeds {SEEDS}, last weights (no early stopping). Steps and network were chosen with {DEVELOPMENT} kept out
(`--develop`) and without {HELD_OUT}; scale and margin of ArcFace were not tuned.
R@1 is the mean over seeds, then each seed. Differences are paired over drawings (means over seeds), clustered by
character: [95 % interval], p of the sign-flip test. The interval of TAR (seed 0) resamples characters.

{table(head, rows)}
R@1 on the unseen alphabet against seconds of training (means over seeds; one shared core, so trust ratios):

{curves(runs)}"""


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
        f"{np.mean([result.seconds for result in results]):.0f}",
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
        points = np.mean([runs[objective, seed].curve for seed in SEEDS], axis=0)
        rows.append([objective, *(f"{value:.3f} ({seconds:.0f} s)" for seconds, value in points)])
    return table(["", *(f"{share + 1}/{LOOKS} of the steps" for share in range(LOOKS))], rows)


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    print(f"{time.perf_counter() - started:.0f} s")

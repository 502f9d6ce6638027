"""Is sampling the negative centres free? Accuracy against the sample rate where the best possible is known.

Identities are uniform on the sphere with equal normal noise and equal counts: the Bayes decision is the nearest
prototype, so its error on the same test samples is known.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from judged import publish, table
from tellapart.experiments.statistics import compare
from tellapart.learning.centres.loss import nearest_classes, sharded_softmax
from tellapart.learning.centres.sampling import Sampling
from tellapart.learning.centres.sgd import Sgd
from tellapart.learning.centres.shard import Shard
from tellapart.learning.centres.workers import Workers
from tellapart.learning.objectives.margins import CosFaceMargin

RATES = (1.0, 0.3, 0.1, 0.03, 0.01)
DIM, TRAINED, TESTED, BATCH = 32, 10, 5, 32
ALONE = Workers()


@dataclass(frozen=True)
class World:
    """Identities with their samples: `vectors` (n, DIM), `labels` (n,)."""

    prototypes: torch.Tensor
    train: tuple[torch.Tensor, torch.Tensor]
    test: tuple[torch.Tensor, torch.Tensor]


def world(classes: int, noise: float, seed: int) -> World:
    draw = torch.Generator().manual_seed(seed)
    prototypes = torch.nn.functional.normalize(torch.randn(classes, DIM, generator=draw))

    def samples(each: int) -> tuple[torch.Tensor, torch.Tensor]:
        labels = torch.arange(classes).repeat(each)
        return prototypes[labels] + torch.randn(len(labels), DIM, generator=draw) * noise / DIM**0.5, labels

    return World(prototypes, samples(TRAINED), samples(TESTED))


def right(given: World, centres: torch.Tensor) -> NDArray[np.float64]:
    """Which test samples are nearest to the centre of their own identity."""
    vectors, labels = given.test
    shard = Shard(centres, None, 0, len(centres))
    found = [nearest_classes(part, shard, ALONE) for part in vectors.split(256)]
    return (torch.cat(found) == labels).numpy().astype(np.float64)


def learned(
    given: World, sampling: Sampling, epochs: int, rate: float, seed: int
) -> tuple[torch.Tensor, float]:
    """Train the centres alone; give them and the seconds it took. The rate falls to 0 along a cosine."""
    vectors, labels = given.train
    shard = Shard.drawn(len(given.prototypes), DIM, ALONE, seed=seed)
    draw = torch.Generator().manual_seed(seed)
    total = epochs * -(-len(labels) // BATCH)
    step, start = 0, time.process_time()
    for _ in range(epochs):
        for rows in torch.randperm(len(labels), generator=draw).split(BATCH):
            descent = Sgd(rate * (1 + np.cos(np.pi * step / total)) / 2)
            loss = sharded_softmax(
                vectors[rows],
                labels[rows],
                shard,
                CosFaceMargin(16.0),
                ALONE,
                sampling=sampling,
                step=step,
                descent=descent,
            )
            loss.backward()
            step += 1
    return shard.weight, time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--classes", type=int, default=5000)
    parser.add_argument("--noise", type=float, default=1.0)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--learning-rate", type=float, default=0.3)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3])
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    variants = [
        (rate, corrected) for corrected in (False, True) for rate in RATES if rate < 1 or not corrected
    ]
    scores: dict[tuple[float, bool], list[NDArray[np.float64]]] = {variant: [] for variant in variants}
    seconds: dict[tuple[float, bool], float] = dict.fromkeys(variants, 0.0)
    best, nearest_mean, clusters = [], [], []
    for seed in options.seeds:
        given = world(options.classes, options.noise, seed)
        best.append(right(given, given.prototypes))
        mean = torch.zeros_like(given.prototypes).index_add_(0, given.train[1], given.train[0])
        nearest_mean.append(right(given, mean))
        clusters.append(given.test[1].numpy() + options.classes * len(clusters))
        for variant in variants:
            sampling = Sampling(variant[0], seed, corrected=variant[1])
            centres, took = learned(given, sampling, options.epochs, options.learning_rate, seed)
            scores[variant].append(right(given, centres))
            seconds[variant] += took
            sys.stderr.write(
                f"seed {seed} rate {variant[0]:g} {variant[1]}: {scores[variant][-1].mean():.4f}\n"
            )
    reference, groups = np.concatenate(scores[1.0, False]), np.concatenate(clusters)
    bayes, means = np.concatenate(best).mean(), np.concatenate(nearest_mean).mean()
    rows = []
    for rate, corrected in variants:
        values = np.concatenate(scores[rate, corrected])
        change = ""
        if rate < 1:
            result = compare(values, reference, clusters=groups)
            change = f"{result.difference:+.4f} [{result.low:+.4f}, {result.high:+.4f}], p {result.p:.4f}"
        per_seed = [value.mean() for value in scores[rate, corrected]]
        rows.append(
            [
                f"{rate:g}",
                "yes" if corrected else "no",
                f"{values.mean():.4f}",
                f"{min(per_seed):.4f} to {max(per_seed):.4f}",
                change,
                f"{seconds[rate, corrected] / len(options.seeds):.1f}",
            ]
        )
    head = ["sample rate", "log-Q corrected", "accuracy", "range over seeds", "against rate 1", "s per run"]
    publish(
        "# Is sampling the negatives free?\n\n"
        f"`python bench/sampling.py {' '.join(sys.argv[1:])}`\n\n"
        f"{options.classes:,} identities, d = {DIM}, noise of length {options.noise:g}, {TRAINED} training and "
        f"{TESTED} test samples each, centres only, CosFace s 16 m .35, batch {BATCH}, {options.epochs} epochs, "
        f"learning rate {options.learning_rate:g} falling to 0, momentum .9, lazy rule, {len(options.seeds)} seeds "
        f"(each its own world). On the same test samples the Bayes decision is right in {bayes:.4f}, the nearest mean "
        f"of the training samples in {means:.4f}. A batch alone names about {BATCH} classes, "
        f"{BATCH / options.classes:.2%} of all. Intervals: bootstrap-t over identities; p: sign flips.\n\n"
        + table(head, rows),
        options.output,
    )


if __name__ == "__main__":
    main()

"""Faces under changing light: is an encoder that learned ten people better than raw pixels on four others?

TELLAPART_DATA=... python bench/faces.py --output docs/benchmarks/faces.md

As `tellapart train FOLDER --grey --size 40 --backbone whitened --dim 512` does it, beside the small network. Killed, it
goes on where it was when started again with the same --work.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from judged import data_folder, publish, table
from tellapart.encoders.images import PixelEncoder
from tellapart.encoders.protocol import unit_rows
from tellapart.experiments.statistics import compare
from tellapart.experiments.verification import PairScores, nearest_neighbours, roc
from tellapart.learning.images.augmenting import Augmentation, ImageSamples
from tellapart.learning.images.backbones import EvenLight, NetworkSpec, WhitenedPixels
from tellapart.learning.images.reading import LabelledImages, Split, read_images
from tellapart.learning.images.train import make_trainer
from tellapart.learning.training.options import Objective, TrainingOptions

SIZE, LEARNED, SEEDS = 40, 10, 10
DIMS = (128, 512)
STEPS = 300
LIGHT = Augmentation(turn=4, bend=0, light=0.4, slope=1.0, flip=0.5)
"""Faces that are cut out alike need small turns and much change of light; a slope of 1 is tenfold light from edge to
edge."""

PLAIN = Augmentation()
Vectors = NDArray[np.float32]
RAW = "raw pixels"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path)
    parser.add_argument("--work", type=Path, default=Path("build/faces"))
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument(
        "--nets", type=int, default=0, help="seeds for which the small network is trained as well"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = read_images(data_folder() / "yaleb_cropped" / "yaleb_cropped.npz", size=SIZE, channels=1)
    figures: dict[str, list[tuple[float, ...]]] = {}
    sums: dict[str, NDArray[np.float64]] = {}
    seconds: dict[str, float] = {}
    for seed in range(arguments.seeds):
        order = np.random.default_rng([seed, 5]).permutation(len(data.names))
        unseen = np.flatnonzero(np.isin(data.labels, order[LEARNED:]))
        train, test = data.of_identities(np.sort(order[:LEARNED])), data.take(unseen)
        for name, (vectors, spent) in encoded(train, test, seed, arguments).items():
            found = nearest_neighbours(vectors, test.labels)
            area = roc(PairScores.within(vectors, test.labels)).area
            figures.setdefault(name, []).append((area, found.recall_at_1.mean(), found.map_at_r.mean()))
            own = sums.setdefault(name, np.zeros((3, len(data.labels))))
            own[:, unseen[found.rows]] += [found.recall_at_1, found.map_at_r, np.ones(len(found.rows))]
            seconds[name] = spent
        print(seed, {name: values[-1] for name, values in figures.items() if len(values) > seed}, flush=True)
    rows = [row(name, figures, sums, seconds, data.labels) for name in figures]
    publish(page(rows, arguments), arguments.output)


def encoded(
    train: LabelledImages, test: LabelledImages, seed: int, arguments: argparse.Namespace
) -> dict[str, tuple[Vectors, float]]:
    """Vectors of the unseen people by every encoder, and the processor seconds of its training."""
    images = test.images[np.arange(len(test.labels))]
    plain = ImageSamples(test, PLAIN).plain(np.arange(len(test.labels)))
    found = {
        RAW: (PixelEncoder().encode_images(images), 0.0),
        "even light, nothing learned": (unit_rows(EvenLight()(plain).flatten(1).numpy(), encoder="x"), 0.0),
    }
    for dim in DIMS:
        started = time.process_time()
        whitened = WhitenedPixels(size=SIZE, channels=1, dim=dim)
        whitened.fit(ImageSamples(train, PLAIN), seed=seed)
        spent = time.process_time() - started
        found[f"`--backbone whitened --dim {dim}`"] = vectors_of(whitened, plain), spent
    if seed < arguments.nets:
        for name, changes in (("", PLAIN), (", light changed", LIGHT)):
            told = f"small network, `--even-light`{name}, {STEPS} steps of ArcFace"
            file = arguments.work / f"net{name.replace(', ', '-').replace(' ', '-')}-{STEPS}-{seed}.npz"
            if not file.exists():
                file.parent.mkdir(parents=True, exist_ok=True)
                started = time.process_time()
                network = small(train, seed, changes)
                np.savez(file, vectors=vectors_of(network, plain), seconds=time.process_time() - started)
            kept = np.load(file)
            found[told] = kept["vectors"], float(kept["seconds"])
    return found


def small(train: LabelledImages, seed: int, changes: Augmentation) -> nn.Module:
    torch.manual_seed(seed)
    options = TrainingOptions(
        objective=Objective.ARCFACE, steps=STEPS, identities=LEARNED, samples=6, check_every=STEPS, seed=seed
    )
    network = NetworkSpec(SIZE, 1, options.dim, even_light=True).build()
    trainer = make_trainer(Split(train, None), options, changes, network=network)
    trainer.run()
    return trainer.network


def vectors_of(network: nn.Module, images: torch.Tensor) -> Vectors:
    network.eval()
    with torch.inference_mode():
        return unit_rows(network(images).numpy(), encoder="trained")


def row(
    name: str,
    figures: dict[str, list[tuple[float, ...]]],
    sums: dict[str, NDArray[np.float64]],
    seconds: dict[str, float],
    people: NDArray[np.int64],
) -> list[str]:
    seen, own, base = len(figures[name]), sums[name], sums[RAW]
    areas = [each[0] for each in figures[name]]
    cells = [name, str(seen), f"{np.mean(areas):.3f} ({min(areas):.3f} to {max(areas):.3f})"]
    rows = np.flatnonzero(own[2])
    for measure in (0, 1):
        cells.append(f"{np.mean([each[1 + measure] for each in figures[name]]):.3f}")
        if name == RAW or seen < len(figures[RAW]):  # fewer seeds: other people are judged
            cells.append("")
            continue
        against = compare(
            own[measure, rows] / own[2, rows], base[measure, rows] / base[2, rows], clusters=people[rows]
        )
        cells.append(
            f"{against.difference:+.3f} [{against.low:+.3f}, {against.high:+.3f}], p {against.p:.4f}"
        )
    return [*cells, f"{seconds[name]:.0f}" if seconds[name] else ""]


def page(rows: list[list[str]], arguments: argparse.Namespace) -> str:
    head = [
        "",
        "seeds",
        "pair AUC (seeds)",
        "R@1",
        "R@1 - raw pixels",
        "MAP@R",
        "MAP@R - raw pixels",
        "processor s",
    ]
    return f"""# Faces under changing light

Made by `python bench/faces.py --output docs/benchmarks/faces.md`.
yaleb_cropped: 836 images of 14 people under light from 64 directions, {SIZE} x {SIZE} pixels. For each of
{arguments.seeds} seeds ten other people are learned, and the images of the 4 that were not are judged: leave-one-out
retrieval by cosine, and pair AUC, the chance that two images of one person score above two of different people.
Differences: each image's mean over the seeds that judge it, paired over images, clustered by the 14 people: [95 %
interval], p of the sign-flip test. Development data: the ridge of the whitening was chosen here.

{table(head, rows)}
Light outweighs identity in raw pixels. `--even-light` takes it out: the logarithm of each pixel less its mean over
5 x 5. `--backbone whitened` also brings the local contrast to 1 and then needs no steps: a matrix in closed form
shrinks the directions in which images of one person differ (within-class covariance normalisation). Ten people are
enough for that.
"""


if __name__ == "__main__":
    main()

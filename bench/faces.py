"""Faces under changing light: is a small net better than raw pixels on people it has not seen?

TELLAPART_DATA=... python bench/faces.py --output docs/benchmarks/faces.md

yaleb_cropped: 10 of 14 people are learned, 4 are judged. As
`tellapart train --even-light` does it, with fewer steps.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from judged import data_folder, publish, table
from tellapart.encoders.images import PixelEncoder
from tellapart.encoders.protocol import unit_rows
from tellapart.experiments.statistics import Comparison, compare, estimate_means
from tellapart.experiments.verification import nearest_neighbours
from tellapart.learning.images.augmenting import Augmentation
from tellapart.learning.images.backbones import NetworkSpec
from tellapart.learning.images.network import EvenLight
from tellapart.learning.images.reading import LabelledImages, read_images
from tellapart.learning.images.samples import ImageSamples
from tellapart.learning.images.train import Split, make_trainer
from tellapart.learning.training.options import Objective, TrainingOptions

SIZE, UNSEEN, STEPS = 40, 4, 120
DRAWS = (0,)
MEASURES = ("recall_at_1", "map_at_r")
OPTIONS = TrainingOptions(
    objective=Objective.ARCFACE, steps=STEPS, identities=10, samples=6, check_every=STEPS
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = read_images(data_folder() / "yaleb_cropped" / "yaleb_cropped.npz", size=SIZE, channels=1)
    rows = []
    for draw in DRAWS:
        order = np.random.default_rng(draw).permutation(len(data.names))
        train, test = data.of_identities(order[UNSEEN:]), data.of_identities(order[:UNSEEN])
        rows += [[", ".join(test.names), *row] for row in judged(train, test, draw)]
        print(*rows, sep="\n", flush=True)
    publish(page(rows), arguments.output)


def judged(train: LabelledImages, test: LabelledImages, seed: int) -> list[list[str]]:
    every = np.arange(len(test.labels))
    images = test.images[every]
    even = EvenLight()(ImageSamples(test, Augmentation()).plain(every)).flatten(1).numpy()
    found = {
        "raw pixels": (PixelEncoder().encode_images(images), 0.0),
        "pixels in even light, no training": (unit_rows(even + 1e-9, encoder="x"), 0.0),
        "small net, --even-light": trained(train, test, seed),
    }
    scores = {name: nearest_neighbours(vectors, test.labels) for name, (vectors, _) in found.items()}
    rows = []
    for name, score in scores.items():
        cells = [name]
        for measure in MEASURES:
            value, base = getattr(score, measure), getattr(scores["raw pixels"], measure)
            (estimate,) = estimate_means(value[:, None], clusters=test.labels)
            cells.append(f"{estimate.mean:.3f}")
            cells.append("" if name == "raw pixels" else shown(compare(value, base, clusters=test.labels)))
        rows.append([*cells, f"{found[name][1]:.0f}" if found[name][1] else ""])
    return rows


def shown(found: Comparison) -> str:
    return f"{found.difference:+.3f} [{found.low:+.3f}, {found.high:+.3f}], p {found.p:.4f}"


def trained(train: LabelledImages, test: LabelledImages, seed: int) -> tuple[np.ndarray, float]:
    torch.manual_seed(seed)
    network = NetworkSpec(SIZE, 1, OPTIONS.dim, even_light=True).build()
    trainer = make_trainer(Split(train, None), OPTIONS, Augmentation(), network=network)
    started = time.perf_counter()
    trainer.run()
    seconds = time.perf_counter() - started
    return unit_rows(trainer.features(ImageSamples(test, Augmentation())), encoder="trained"), seconds


def page(rows: list[list[str]]) -> str:
    head = ["unseen people", "", "R@1", "R@1 - raw pixels", "MAP@R", "MAP@R - raw pixels", "training s"]
    return f"""# Faces under changing light

Made by `python bench/faces.py --output docs/benchmarks/faces.md`. yaleb_cropped: 836 images of 14 people under
light from 64 directions. Ten people are learned ({STEPS} steps of ArcFace, {SIZE} x {SIZE} pixels, the other options
as `tellapart train` has them), the images of {UNSEEN} others are judged: leave-one-out retrieval by cosine.
Differences are paired over images, clustered by person: [95 % interval], p of the sign-flip test over {UNSEEN}
people, which cannot fall below {2 / 2**UNSEEN:g}.

{table(head, rows)}
Light outweighs identity in raw pixels. `--even-light` takes it out before the network: the logarithm of each pixel less
its mean over 5 x 5. On these four people that alone orders best; the net after so few steps is not better than raw
pixels.
"""


if __name__ == "__main__":
    main()

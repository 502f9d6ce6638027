"""Training on a folder of images: ours against the same network in a plain PyTorch loop, decoding included.

TELLAPART_DATA=... python bench/image_training.py --output docs/benchmarks/image_training.md

Both start at the files and end with the same number of steps: PNG files are decoded, scaled, changed at random and
learned from. The plain loop is what tutorials have: a Dataset that opens a file with Pillow and changes it by an affine
map, a DataLoader with one worker, cross-entropy, AdamW.
"""

from __future__ import annotations

import argparse
import math
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from judged import data_folder, publish, table
from tellapart.learning.images.augmenting import Augmentation
from tellapart.learning.images.backbones import ConvNet
from tellapart.learning.images.reading import Split, read_images
from tellapart.learning.images.train import make_trainer
from tellapart.learning.training.options import Objective, TrainingOptions

SIZE, FILE_SIZE, IDENTITIES, BATCH = 28, 105, 60, 96
STEPS = 60
DRAW = np.random.default_rng(0)
ROUNDS = 7
"""Each is run so often, by turns."""


class Files(torch.utils.data.Dataset):
    """Images of a folder for each identity, changed at random as they are read."""

    def __init__(self, folder: Path) -> None:
        self.paths = sorted(folder.glob("*/*.png"))
        self.names = sorted({path.parent.name for path in self.paths})

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        image = Image.open(self.paths[row]).convert("L").resize((SIZE, SIZE), Image.Resampling.BILINEAR)
        angle, zoom = math.radians(DRAW.uniform(-10, 10)), np.exp(DRAW.uniform(-0.15, 0.15))
        right, down = DRAW.uniform(-0.08, 0.08, 2) * SIZE
        a, b, half = zoom * math.cos(angle), zoom * math.sin(angle), SIZE / 2
        place = (a, b, half - a * half - b * half + right, -b, a, half + b * half - a * half + down)
        image = image.transform(image.size, Image.Transform.AFFINE, place, Image.Resampling.BILINEAR)
        pixels = torch.from_numpy(np.asarray(image, dtype=np.float32) / 255)[None]
        return pixels, self.names.index(self.paths[row].parent.name)


def plain(folder: Path) -> None:
    data = Files(folder)
    network = ConvNet(size=SIZE, channels=1, dim=128, width=16)
    classify = nn.Linear(128, len(data.names), bias=False)
    optimiser = torch.optim.AdamW([*network.parameters(), *classify.parameters()], lr=2e-3)
    loader = torch.utils.data.DataLoader(
        data, BATCH, shuffle=True, drop_last=True, num_workers=1, persistent_workers=True
    )
    done = 0
    while done < STEPS:
        for images, labels in loader:
            optimiser.zero_grad()
            nn.functional.cross_entropy(classify(network(images)), labels).backward()
            optimiser.step()
            done += 1
            if done == STEPS:
                break


def ours(folder: Path) -> None:
    data = read_images(folder, size=SIZE, channels=1)
    options = TrainingOptions(objective=Objective.SOFTMAX, steps=STEPS, check_every=STEPS)
    make_trainer(Split(data, None), options, Augmentation()).run()


def seconds(run: Callable[[Path], None], folder: Path) -> tuple[float, float]:
    """Of the clock, and of the processor, workers included."""
    used = os.times()
    started = time.perf_counter()
    run(folder)
    now = os.times()
    return time.perf_counter() - started, sum(now[:4]) - sum(used[:4])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    content = np.load(data_folder() / "omniglot8" / "omniglot8.npz")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for row in np.flatnonzero(content["labels"] < IDENTITIES).tolist():
            file = folder / str(content["labels"][row]) / f"{row}.png"
            file.parent.mkdir(exist_ok=True)
            Image.fromarray(content["images"][row]).resize((FILE_SIZE, FILE_SIZE)).save(file)
        count = len(list(folder.glob("*/*.png")))
        times = np.array([[seconds(run, folder) for run in (plain, ours)] for _ in range(ROUNDS)])
    median = np.median(times, axis=0)
    rows = [
        [
            name,
            f"{STEPS * BATCH / median[place, 0]:,.0f}",
            f"{median[place, 0]:.1f}",
            f"{median[place, 1]:.1f}",
        ]
        for place, name in enumerate(("plain PyTorch loop", "`tellapart train`"))
    ]
    ratios = np.median(times[:, 0] / times[:, 1], axis=0)
    publish(
        f"""# Training on a folder of images

Made by `python bench/image_training.py --output docs/benchmarks/image_training.md`. {count:,} PNG files of
{FILE_SIZE} x {FILE_SIZE} pixels, {IDENTITIES} identities, scaled to {SIZE} x {SIZE}; the same network, {STEPS} steps of
{BATCH} images, from the first file to the last step; one thread of torch, and one process (plain) or thread (ours) that
prepares batches. Medians of {ROUNDS} runs by turns.

{table(["", "images a second", "s", "processor s"], rows)}
Throughput of ours over the plain loop's, median over the runs: {ratios[0]:.2f} by the clock,
{ratios[1]:.2f} by processor time. Ours decodes each file once and changes whole batches at a time, also by smooth
bending and erasing, which the plain loop does not.
""",
        arguments.output,
    )


if __name__ == "__main__":
    main()

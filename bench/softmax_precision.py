"""Float32 softmax over many classes against the same formula in float64: ours and PyTorch's plain one.

`python bench/softmax_precision.py --output docs/benchmarks/softmax_precision.md`
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from judged import publish, table
from tellapart.learning.objectives.margins import (
    ArcFaceMargin,
    CosFaceMargin,
    Margin,
    ScaledCosine,
    SphereFaceMargin,
)
from tellapart.learning.objectives.softmax import margin_softmax

CLASSES, BATCH, DIM = 3007, 64, 128
MARGINS: tuple[Margin, ...] = (ScaledCosine(), CosFaceMargin(), ArcFaceMargin(), SphereFaceMargin())
NOISES = {"untrained": None, "learning": 2.0, "learnt": 1.2}
"""Length of the noise around a feature's own centre, in lengths of the centre; None: no relation."""
functional = torch.nn.functional
Objective = Callable[[Tensor, Tensor, Tensor, Margin], Tensor]


def plain(features: Tensor, centres: Tensor, labels: Tensor, margin: Margin) -> Tensor:
    """All logits in one array, torch's own derivative, the margin as a textbook writes it."""
    cosines = functional.normalize(features) @ functional.normalize(centres).T
    length = margin.scale if margin.scale is not None else features.norm(dim=1, keepdim=True)
    own = cosines.gather(1, labels[:, None])
    target = margin.target(own.detach())
    psi = target.value + target.slope * (own - own.detach())
    return functional.cross_entropy(length * cosines.scatter(1, labels[:, None], psi), labels)


def results(objective: Objective, inputs: tuple[Tensor, Tensor, Tensor], margin: Margin) -> list[Tensor]:
    """Loss, gradient of the features, gradient of the centres; in float64."""
    features, centres, labels = inputs
    variables = [tensor.detach().requires_grad_() for tensor in (features, centres)]
    loss = objective(*variables, labels, margin)
    return [part.double() for part in (loss.detach(), *torch.autograd.grad(loss, variables))]


def deviation(got: list[Tensor], true: list[Tensor]) -> str:
    """Largest deviation over the largest entry: loss, features, centres."""
    return ", ".join(
        f"{float((a - b).abs().max() / b.abs().max()):.1e}" for a, b in zip(got, true, strict=True)
    )


def drawn(noise: float | None) -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(0)
    centres = torch.randn(CLASSES, DIM, generator=draw) / DIM**0.5
    labels = torch.randint(0, CLASSES, (BATCH,), generator=draw)
    features = torch.randn(BATCH, DIM, generator=draw) / DIM**0.5
    if noise is not None:
        features = centres[labels] + noise * features
    return features * DIM**0.5, centres, labels


def rows() -> Iterator[list[str]]:
    for margin in MARGINS:
        for state, noise in NOISES.items():
            features, centres, labels = drawn(noise)
            truth = results(plain, (features.double(), centres.double(), labels), margin)
            single = results(plain, (features, centres, labels), margin)
            whole, parts = (
                results(partial(margin_softmax, chunk=chunk), (features, centres, labels), margin)
                for chunk in (CLASSES, 7)
            )
            yield [
                type(margin).__name__,
                state,
                f"{float(truth[0]):.1e}",
                deviation(whole, truth),
                deviation(parts, whole),
                deviation(single, truth),
                deviation(whole, single),
            ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    head = [
        "margin",
        "features",
        "loss",
        "ours - float64",
        "ours in chunks of 7 - ours whole",
        "PyTorch - float64",
        "ours - PyTorch",
    ]
    publish(
        "# Precision of a float32 softmax\n\n`python bench/softmax_precision.py`\n\n"
        f"Float32 features and centres, batch {BATCH}, {CLASSES:,} classes, d = {DIM}, scale 64 where there is one, "
        f"seed 0, torch {torch.__version__}. Largest deviation relative to the largest entry: of the loss, of the "
        "features' gradient, of the centres' gradient. float64 is PyTorch's plain formula on the same numbers.\n\n"
        + table(head, list(rows()))
        + "\nOne float32 step of a logit near 64 is 3.8e-6 to 7.6e-6, and e^z makes it a relative error of a "
        "probability; where a batch is learnt, the loss itself is smaller than that step. So the plain float32 formula "
        "cannot serve as a reference at 1e-6. Ours forms logits and their normaliser in float64 (on a CPU) and "
        "keeps float32 for the rest. Shards over gloo workers: `tests/learning/centres/test_group.py`.\n",
        options.output,
    )


if __name__ == "__main__":
    main()

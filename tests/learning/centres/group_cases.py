"""Four gloo workers and the groups of 1, 2 and 3 among them, against one process. Not a test file: see test_group.py.

Run as `python group_cases.py RANK FOLDER`; worker 0 leaves FOLDER/results.json, {case: figure}.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
import torch.distributed as dist

from tellapart.learning.centres.checkpoint import load, save
from tellapart.learning.centres.loss import EncoderGradients, nearest_classes, sharded_softmax
from tellapart.learning.centres.sampling import Sampling
from tellapart.learning.centres.sgd import Sgd, UnsampledRule
from tellapart.learning.centres.shard import Shard
from tellapart.learning.centres.workers import Workers
from tellapart.learning.objectives.contrastive import info_nce
from tellapart.learning.objectives.margins import (
    ArcFaceMargin,
    CombinedMargin,
    CosFaceMargin,
    Gradient,
    NoMargin,
    ScaledCosine,
    SphereFaceMargin,
    SubCentres,
)
from tellapart.learning.objectives.softmax import margin_softmax

WORKERS = 4
DIM = 16
MARGINS = {
    "softmax": NoMargin(),
    "normface": ScaledCosine(),
    "cosface": CosFaceMargin(),
    "arcface": ArcFaceMargin(),
    "arcface detached": ArcFaceMargin(gradient=Gradient.DETACHED),
    "combined": CombinedMargin(),
    "sphereface": SphereFaceMargin(),
    "sub-centres": SubCentres(ArcFaceMargin()),
}
BATCHES = {"even": (12, 12), "uneven": (11, 12), "some empty": (2, 3), "few classes": (9, 3)}
"""Global batch and classes; of 3 classes over 4 workers one holds none, and of 12 few own a positive."""


def drawn(margin, batch, classes, dtype=torch.float64):
    draw = torch.Generator().manual_seed(7)
    features = torch.randn(batch, DIM, generator=draw, dtype=torch.float64).to(dtype)
    weight = torch.randn(classes * margin.sub_centres, DIM, generator=draw, dtype=torch.float64).to(dtype)
    return features, weight, torch.randint(0, classes, (batch,), generator=draw)


def shard_of(weight, classes, workers, width=1):
    part = workers.share(classes)
    own = weight[part.start * width : part.stop * width].clone()
    return Shard(own, torch.zeros_like(own), part.start, classes, width)


def relative(pairs):
    return max(
        float((got.detach() - expected.detach()).abs().max() / expected.detach().abs().max().clamp(min=1e-30))
        for got, expected in pairs
        if expected.numel()
    )


def everywhere(value, workers):
    worst = torch.tensor([value], dtype=torch.float64)
    workers.maximum(worst)
    return float(worst)


def compare(workers, margin, shape, dtype, chunk=None, sampling=None):
    """Give the worst relative deviation of loss, feature gradient and centre gradient from one process."""
    batch, classes = shape
    width = margin.sub_centres
    features, weight, labels = drawn(margin, batch, classes, dtype)
    whole_features, whole_weight = features.clone().requires_grad_(), weight.clone().requires_grad_()
    expected = margin_softmax(whole_features, whole_weight, labels, margin)
    expected.backward()
    part, held = workers.share(batch), workers.share(classes)
    own = features[part.start : part.stop].clone().requires_grad_()
    shard = shard_of(weight, classes, workers, width)
    shard.weight.requires_grad_()
    got = sharded_softmax(
        own, labels[part.start : part.stop], shard, margin, workers, chunk=chunk, sampling=sampling
    )
    got.backward()
    # the largest entry of the whole gradient is the yardstick, not that of this worker's part
    scale_x, scale_w = whole_features.grad.abs().max(), whole_weight.grad.abs().max()
    parts = [((got - expected).abs() / expected.abs()).item()]
    if len(own):
        parts.append(float((own.grad - whole_features.grad[part.start : part.stop]).abs().max() / scale_x))
    if shard.held:
        theirs = whole_weight.grad[held.start * width : held.stop * width]
        parts.append(float((shard.weight.grad - theirs).abs().max() / scale_w))
    return everywhere(max(parts), workers)


def equal_to_one_process(workers):
    for name, margin in MARGINS.items():
        for shape_name, shape in BATCHES.items():
            for dtype in (torch.float64, torch.float32):
                yield f"{name}/{shape_name}/{str(dtype)[6:]}", compare(workers, margin, shape, dtype)
    for chunk in (1, 7, 12):
        yield f"chunk {chunk}/float64", compare(workers, ArcFaceMargin(), (11, 12), torch.float64, chunk)
        yield f"chunk {chunk}/float32", compare(workers, ArcFaceMargin(), (11, 12), torch.float32, chunk)
    yield "rate 1/float64", compare(workers, ArcFaceMargin(), (11, 12), torch.float64, sampling=Sampling(1.0))


def averaged_gradients(workers):
    features, weight, labels = drawn(ArcFaceMargin(), 8, 12)
    part = workers.share(8)
    gradients = []
    for encoder in EncoderGradients:
        own = features[part.start : part.stop].clone().requires_grad_()
        shard = shard_of(weight, 12, workers)
        sharded_softmax(
            own, labels[part.start : part.stop], shard, ArcFaceMargin(), workers, encoder=encoder
        ).backward()
        gradients.append(own.grad)
    yield "averaged", everywhere(relative([(gradients[1], gradients[0] * workers.count)]), workers)


def contrastive(workers):
    """Candidates of all workers, own queries, local means averaged: as one process with the whole batch."""
    part = workers.share(12)
    for dtype in (torch.float64, torch.float32):
        queries, candidates, _ = drawn(ScaledCosine(), 12, 12, dtype)
        whole = [tensor.clone().requires_grad_() for tensor in (queries, candidates)]
        expected = info_nce(*whole)
        expected.backward()
        own = [tensor[part.start : part.stop].clone().requires_grad_() for tensor in (queries, candidates)]
        sizes = workers.sizes(len(part))
        loss = info_nce(own[0], workers.gather(own[1], sizes), positives=torch.arange(part.start, part.stop))
        loss = loss * len(part) / 12
        loss.backward()
        together = loss.detach().double()
        workers.total(together)
        gradients = [
            float((mine.grad - all_.grad[part.start : part.stop]).abs().max() / all_.grad.abs().max())
            for mine, all_ in zip(own, whole, strict=True)
        ]
        figure = max(*gradients, relative([(together, expected.double())]))
        yield f"info_nce/{str(dtype)[6:]}", everywhere(figure, workers)


def nearest(workers):
    features, weight, _ = drawn(ScaledCosine(), 12, 11)
    norm = torch.nn.functional.normalize
    expected = (norm(features.float()) @ norm(weight.float()).T).argmax(1)
    got = nearest_classes(features, shard_of(weight, 11, workers), workers)
    yield "nearest", float((got != expected).sum())


def steps(shard, workers, count, first=0, sampling=None, rule=UnsampledRule.LAZY):
    """Train some steps; the encoder is fixed, the global batch of a step does not depend on the workers."""
    losses = []
    for step in range(first, first + count):
        draw = torch.Generator().manual_seed(step)
        features = torch.randn(10, DIM, generator=draw, dtype=torch.float64).to(shard.weight.dtype)
        labels = torch.randint(0, shard.classes, (10,), generator=draw)
        part = workers.share(10)
        loss = sharded_softmax(
            features[part.start : part.stop],
            labels[part.start : part.stop],
            shard,
            CosFaceMargin(16),
            workers,
            sampling=sampling,
            step=step,
            descent=Sgd(0.5, rule=rule, decay=1e-3),
        )
        loss.backward()
        losses.append(float(loss.detach()))
    return losses


def reshard(groups, folder):
    """Save at 4, resume at each k: the next steps are those of a run that never stopped."""
    four = groups[4]
    shard = Shard.drawn(23, DIM, four, seed=3)
    steps(shard, four, 3)
    save(folder / "step-3", shard, four, {"note.json": "{}"})
    expected = steps(shard, four, 2, first=3)
    for count, workers in groups.items():
        if workers.rank < 0:
            continue
        resumed = load(folder / "step-3", workers)
        got = steps(resumed, workers, 2, first=3)
        yield f"k={count} resumed", max(abs(a - b) / b for a, b in zip(got, expected, strict=True))
        save(folder / f"again-{count}", resumed, workers)
    dist.barrier()
    for count in groups:
        if four.rank == 0:
            alone = load(folder / f"again-{count}", Workers())
            final = load_all(folder, shard)
            yield (
                f"k={count} weight",
                relative([(alone.weight, final.weight), (alone.momentum, final.momentum)]),
            )


def load_all(folder, shard):
    workers = Workers()
    whole = load(folder / "step-3", workers)
    steps(whole, workers, 2, first=3)
    return whole


def drawn_alike(groups):
    """Initial centres do not depend on the number of workers."""
    whole = Shard.drawn(23, DIM, Workers(), seed=3)
    for count, workers in groups.items():
        if workers.rank >= 0:
            own = Shard.drawn(23, DIM, workers, seed=3)
            part = workers.share(23)
            yield f"k={count} drawn", float(not torch.equal(own.weight, whole.weight[part.start : part.stop]))


def main(rank, folder):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=WORKERS)
    groups = {}
    for count in (1, 2, 3, 4):
        group = dist.new_group(list(range(count)))
        groups[count] = Workers.present(group) if rank < count else Workers(-1, count)
    results = {}
    for count, workers in groups.items():
        if workers.rank >= 0:
            for cases in (equal_to_one_process, averaged_gradients, contrastive, nearest):
                for name, value in cases(workers):
                    results[f"k={count} {name}"] = value
    dist.barrier()
    results.update(drawn_alike(groups))
    results.update(reshard(groups, folder))
    dist.barrier()
    if rank == 0:
        (folder / "results.json").write_text(json.dumps(results))
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))

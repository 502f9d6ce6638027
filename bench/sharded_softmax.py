"""One step over many class centres: time and memory against PyTorch, pytorch-metric-learning, and itself.

`python bench/sharded_softmax.py --output docs/benchmarks/sharded_softmax.md`; pytorch-metric-learning is compared
if it is installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist

from judged import publish, table
from tellapart.learning.centres.loss import sharded_softmax
from tellapart.learning.centres.sampling import Sampling
from tellapart.learning.centres.sgd import Sgd
from tellapart.learning.centres.shard import Shard
from tellapart.learning.centres.workers import Workers
from tellapart.learning.objectives.margins import ArcFaceMargin, CosFaceMargin
from tellapart.learning.objectives.softmax import margin_softmax

DIM = 128
BATCH = 64
RATE, MOMENTUM = 0.1, 0.9
ALONE = Workers()
functional = torch.nn.functional

COLLECTIVES = (
    "all_reduce",
    "all_gather_single",
    "all_gather_into_tensor",
    "reduce_scatter_single",
    "reduce_scatter_tensor",
)

Step = Callable[[], None]


def inputs(classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    return torch.randn(BATCH, DIM, generator=draw), torch.randint(0, classes, (BATCH,), generator=draw)


def plain(classes: int) -> Step:
    """CosFace as a textbook writes it: normalise, multiply, subtract the margin, cross-entropy; torch's SGD."""
    features, labels = inputs(classes)
    features.requires_grad_()
    weight = torch.nn.Parameter(Shard.drawn(classes, DIM, ALONE, momentum=False).weight)
    optimiser = torch.optim.SGD([weight], lr=RATE, momentum=MOMENTUM)
    optimiser.state[weight]["momentum_buffer"] = torch.zeros_like(weight).add_(0.0)
    margin = CosFaceMargin()

    def step() -> None:
        optimiser.zero_grad()
        features.grad = None
        cosines = functional.normalize(features) @ functional.normalize(weight).T
        shifts = torch.full((BATCH, 1), -margin.margin)
        logits = margin.scale * cosines.scatter_add(1, labels[:, None], shifts)
        functional.cross_entropy(logits, labels).backward()
        optimiser.step()

    return step


def chunked(classes: int, margin: ArcFaceMargin | CosFaceMargin | None = None) -> Step:
    """Ours with any torch optimiser: the gradient of the centres is held as a whole."""
    features, labels = inputs(classes)
    features.requires_grad_()
    weight = torch.nn.Parameter(Shard.drawn(classes, DIM, ALONE, momentum=False).weight)
    optimiser = torch.optim.SGD([weight], lr=RATE, momentum=MOMENTUM)
    optimiser.state[weight]["momentum_buffer"] = torch.zeros_like(weight).add_(0.0)

    def step() -> None:
        optimiser.zero_grad()
        features.grad = None
        margin_softmax(features, weight, labels, margin or CosFaceMargin()).backward()
        optimiser.step()

    return step


def fused(
    classes: int, margin: ArcFaceMargin | CosFaceMargin | None = None, sampled: int | None = None
) -> Step:
    """Ours with the descent inside the backward pass."""
    features, labels = inputs(classes)
    features.requires_grad_()
    shard = Shard.drawn(classes, DIM, ALONE)
    assert shard.momentum is not None
    shard.momentum.add_(0.0)  # touch it: untouched pages are no memory
    sampling = Sampling(sampled / classes) if sampled else None
    count = 0

    def step() -> None:
        nonlocal count
        features.grad = None
        descent = Sgd(RATE, MOMENTUM)
        loss = sharded_softmax(
            features,
            labels,
            shard,
            margin or CosFaceMargin(),
            ALONE,
            sampling=sampling,
            step=count,
            descent=descent,
        )
        loss.backward()
        count += 1

    return step


def metric_learning(classes: int) -> Step:
    from pytorch_metric_learning.losses import ArcFaceLoss

    features, labels = inputs(classes)
    features.requires_grad_()
    loss = ArcFaceLoss(classes, DIM, margin=28.6, scale=64)
    optimiser = torch.optim.SGD(loss.parameters(), lr=RATE, momentum=MOMENTUM)

    def step() -> None:
        optimiser.zero_grad()
        features.grad = None
        loss(features, labels).backward()
        optimiser.step()

    return step


SYSTEMS = {"plain": plain, "chunked": chunked, "fused": fused}


def peak_of(system: str, classes: int) -> int:
    """Bytes above weights and optimiser state that one step needs, in a fresh process."""
    told = subprocess.run(
        [sys.executable, __file__, "--peak", system, "--classes", str(classes)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return int(told.stdout)


def print_peak(system: str, classes: int) -> None:
    step = SYSTEMS[system](classes)
    SYSTEMS[system](1000)()  # what torch loads at the first step is not the step's
    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    step()
    print(status("VmHWM") - before)


def status(entry: str) -> int:
    text = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in text.splitlines() if line.startswith(entry))) * 1024


def interleaved(steps: dict[str, Step], rounds: int) -> dict[str, list[float]]:
    """Seconds of each system in each round, after one round that is not counted."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(rounds + 1):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            if number:
                times[name].append(time.perf_counter() - start)
    return times


def ratio(times: dict[str, list[float]], name: str, reference: str) -> str:
    """Median of the rounds' ratios, with their range."""
    ratios = [a / b for a, b in zip(times[name], times[reference], strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def full_softmax(classes: int, rounds: int) -> str:
    peaks = {name: peak_of(name, classes) for name in SYSTEMS}
    times = interleaved({name: system(classes) for name, system in SYSTEMS.items()}, rounds)
    names = {
        "plain": "PyTorch, plain",
        "chunked": "tellapart, gradient held, torch.optim.SGD",
        "fused": "tellapart, descent in the backward pass",
    }
    rows = [
        [
            names[name],
            f"{statistics.median(times[name]):.2f}",
            ratio(times, name, "plain"),
            f"{peaks[name] / 1e6:,.0f}",
            f"{peaks[name] / peaks['plain']:.3f}",
        ]
        for name in SYSTEMS
    ]
    head = [
        "one step with SGD, momentum .9",
        "median s",
        "time / plain",
        "peak MB above weights and state",
        "/ plain",
    ]
    return f"## {classes:,} classes, full softmax\n\nCosFace, {rounds} rounds.\n\n" + table(head, rows)


def against_metric_learning(classes: int, rounds: int) -> str:
    title = f"\n## pytorch-metric-learning, {classes:,} classes\n\n"
    if importlib.util.find_spec("pytorch_metric_learning") is None:
        return title + "Not installed here.\n"
    import pytorch_metric_learning

    steps = {
        "pml": metric_learning(classes),
        "chunked": chunked(classes, ArcFaceMargin()),
        "fused": fused(classes, ArcFaceMargin()),
    }
    times = interleaved(steps, rounds)
    names = {
        "pml": f"pytorch-metric-learning {pytorch_metric_learning.__version__}, ArcFaceLoss",
        "chunked": "tellapart, gradient held, torch.optim.SGD",
        "fused": "tellapart, descent in the backward pass",
    }
    rows = [
        [names[name], f"{statistics.median(times[name]) * 1e3:.0f}", ratio(times, "pml", name)]
        for name in steps
    ]
    head = ["ArcFace step", "median ms", "throughput / pytorch-metric-learning"]
    return title + f"{rounds} rounds.\n\n" + table(head, rows)


def traffic(counts: list[int]) -> str:
    rows = []
    for classes in counts:
        told = [json.loads(process.communicate()[0]) for process in counters(classes)]
        rows.append([f"{classes:,}", *(f"{sent:,}" for sent in told)])
    expected = 2 * 4 * BATCH * DIM + 3 * 8 * BATCH + 8 * BATCH + 2 * 8
    return (
        "\n## Bytes that two workers hand to collectives per step\n\n"
        + table(["classes", "worker 0", "worker 1"], rows)
        + f"\nFeatures and their gradient 2 x 4 B d, three numbers and a label per sample, two sizes: {expected:,} "
        f"bytes for a global batch of {BATCH}; data-parallel training would send the gradient of all centres.\n"
    )


def counters(classes: int) -> list[subprocess.Popen[str]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    meet = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
    return [
        subprocess.Popen(
            [sys.executable, __file__, "--count", "--classes", str(classes)],
            stdout=subprocess.PIPE, text=True, env=os.environ | meet | {"RANK": str(rank)},
        )
        for rank in range(2)
    ]  # fmt: skip


def print_traffic(classes: int) -> None:
    """Run one step as one of two workers and count what the collectives are given (the larger side of each)."""
    dist.init_process_group("gloo")
    workers = Workers.present()
    shard = Shard.drawn(classes, DIM, workers)
    features, labels = inputs(classes)
    part = workers.share(BATCH)
    sent = 0

    def counting(name: str) -> None:
        original = getattr(dist, name)

        def counted(*tensors: torch.Tensor, **settings: object) -> object:
            nonlocal sent
            sent += max(t.numel() * t.element_size() for t in tensors if isinstance(t, torch.Tensor))
            return original(*tensors, **settings)

        setattr(dist, name, counted)

    for name in COLLECTIVES:
        if hasattr(dist, name):
            counting(name)
    own = features[part.start : part.stop].requires_grad_()
    sampling = Sampling(0.1)
    loss = sharded_softmax(
        own, labels[part.start : part.stop], shard, CosFaceMargin(), workers, sampling=sampling, descent=Sgd()
    )
    loss.backward()
    print(json.dumps(sent))
    dist.destroy_process_group()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--classes", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", choices=["full", "metric-learning", "traffic"], help="one section")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--peak", choices=list(SYSTEMS), help=argparse.SUPPRESS)
    parser.add_argument("--count", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.peak:
        print_peak(options.peak, options.classes)
        return
    if options.count:
        print_traffic(options.classes)
        return
    count, rounds = options.classes, options.rounds
    parts = {
        "full": lambda: full_softmax(count, rounds),
        "metric-learning": lambda: against_metric_learning(count // 10, rounds),
        "traffic": lambda: traffic([10_000, 1_000_000]),
    }
    text = (
        ""
        if options.only not in (None, "full")
        else (
            "# Softmax over many class centres\n\n"
            f"`python bench/sharded_softmax.py {' '.join(sys.argv[1:])}`\n\n"
            f"Batch {BATCH}, d = {DIM}, float32, torch {torch.__version__}, {platform.machine()}, {options.threads} "
            "thread(s); systems interleaved step by step, ratios are the median of the rounds' (and their range).\n\n"
        )
    )
    text += "".join(part() for name, part in parts.items() if options.only in (None, name))
    publish(text, options.output)


if __name__ == "__main__":
    main()

"""Training over very many identities on this machine: killed with -9, resumed by another number of workers.

`python bench/many_identities.py --classes 10_000_000 --work DIR --output docs/benchmarks/many_identities.md` writes a
Parquet file with one noisy sample of every identity, starts two gloo workers on it, kills them after the second
checkpoint, goes on with three, and reports rank-1 among all centres on unseen samples of the identities that
the run meets.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from identities import write
from judged import publish, table
from tellapart.learning.centres.workers import Workers
from tellapart.learning.largescale.reading import IdentityFile

DIM = 128
NOISE = 0.5
WHY = """
Every step meets identities that no step has met before, so the loss is that of samples whose centre is still where
it was drawn, and hardly moves. A step then sets the centre of each identity it met on that identity's sample: rank-1 is
the share of the judged identities that have been met so far, nearly all of them recognised by one sample.
"""
OVERHEAD = 1.35
"""Memory asked for beyond weights and momentum before starting."""


@dataclass
class Phase:
    """What one set of workers said and used."""

    workers: int
    reports: list[dict[str, float]]
    peak_bytes: int
    ended: str


def prepare(work: Path, classes: int, steps: int, batch: int, unseen: int) -> tuple[Path, Path]:
    """Write the training file, and unseen samples of identities that the first steps meet."""
    data, validation = work / f"train-{classes}.parquet", work / f"unseen-{classes}.parquet"
    if not data.exists():
        write(data, np.random.default_rng(1).permutation(classes), DIM, NOISE, seed=0)
    batches = IdentityFile.open(data, classes).batches(batch, Workers())
    met = np.concatenate([next(batches).labels for _ in range(steps)])
    write(
        validation, np.random.default_rng(2).choice(np.unique(met), unseen, replace=False), DIM, NOISE, seed=3
    )
    return data, validation


def start(count: int, arguments: list[str]) -> list[subprocess.Popen[str]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    meet = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": str(count),
        "OMP_NUM_THREADS": "1",
    }
    return [
        subprocess.Popen(
            [sys.executable, "-m", "tellapart.learning", *arguments],
            stdout=subprocess.PIPE if rank == 0 else subprocess.DEVNULL,
            text=True,
            env=os.environ | meet | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(count)
    ]


def anonymous_bytes(processes: list[subprocess.Popen[str]]) -> int:
    """Memory of these processes that is not a mapped file."""
    total = 0
    for process in processes:
        try:
            text = Path(f"/proc/{process.pid}/status").read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("RssAnon"))
    return total


def follow(count: int, arguments: list[str], kill_at: int | None) -> Phase:
    """Run workers to the end, or kill them with -9 at a step."""
    processes = start(count, arguments)
    reports: list[dict[str, float]] = []
    peak, ended = 0, "finished"

    def listen() -> None:
        for line in processes[0].stdout or ():
            reports.append(json.loads(line))
            sys.stderr.write(f"{count} workers: {line}")

    listener = threading.Thread(target=listen)
    listener.start()
    while processes[0].poll() is None:
        peak = max(peak, anonymous_bytes(processes))
        if kill_at is not None and reports and reports[-1]["step"] >= kill_at:
            for process in processes:
                process.send_signal(signal.SIGKILL)
            ended = f"killed with -9 at step {reports[-1]['step']:.0f}"
            break
        time.sleep(0.5)
    for process in processes:
        process.wait()
    listener.join()
    if ended == "finished" and any(process.returncode for process in processes):
        sys.exit("a worker failed")
    return Phase(count, reports, peak, ended)


def describe(options: argparse.Namespace, phases: list[Phase], file_bytes: int) -> str:
    rows = []
    for phase in phases:
        for report in phase.reports:
            if report["rank1"] is not None:
                pace = report["seconds_per_step"]
                rows.append(
                    [
                        str(phase.workers),
                        f"{report['step']:,}",
                        f"{report['step'] * options.batch:,}",
                        "" if pace is None else f"{report['loss']:.2f}",
                        "" if pace is None else f"{pace:.2f}",
                        f"{report['rank1']:.4f}",
                    ]
                )
    used = [
        [
            str(phase.workers),
            phase.ended,
            f"{statistics.median(r['seconds_per_step'] for r in phase.reports if r['seconds_per_step']):.2f}",
            f"{phase.peak_bytes / 1e9:.2f}",
            f"{phase.peak_bytes / options.classes:,.0f}",
        ]
        for phase in phases
    ]
    cores = len(os.sched_getaffinity(0))
    share = options.classes // (options.steps * options.batch)
    command = f"python bench/many_identities.py {' '.join(sys.argv[1:])}"
    return (
        f"# {options.classes:,} identities\n\n"
        f"`{command}`\n\n"
        f"CosFace, d = {DIM}, sample rate {options.sample_rate:g}, lazy rule, momentum .9, batch {options.batch}, "
        f"learning rate {options.learning_rate:g}, linear encoder, seed 0; unit prototypes plus normal noise of "
        f"length {NOISE:g}, one training sample per identity, {file_bytes / 1e9:.2f} GB of Parquet. "
        f"{platform.machine()}, {cores} core(s) for all workers together, gloo. Validation: {options.unseen:,} "
        f"unseen samples of identities that the run meets (one in {share:,} of all), against "
        f"all {options.classes:,} centres; chance is {1 / options.classes:.0e}.\n\n"
        "## Training\n\n"
        + table(
            [
                "workers",
                "step",
                "samples seen",
                "latest loss",
                "latest s per step",
                "rank-1 on unseen samples",
            ],
            rows,
        )
        + WHY
        + "\nA step repeated under a new number of workers is the resumed checkpoint.\n\n## Time and memory\n\n"
        + table(
            ["workers", "how it ended", "median s per step", "peak GB, all workers", "bytes per identity"],
            used,
        )
        + f"\nWeight and momentum alone are {8 * DIM:,} bytes per identity.\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--classes", type=int, default=10_000_000)
    parser.add_argument("--steps", type=int, default=75)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--sample-rate", type=float, default=0.1)
    parser.add_argument("--learning-rate", type=float, default=8.0)
    parser.add_argument("--unseen", type=int, default=768)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    available = int(Path("/proc/meminfo").read_text().split("MemAvailable:")[1].split()[0]) * 1024
    needed = int(options.classes * 8 * DIM * OVERHEAD)
    if available < needed:
        sys.exit(
            f"{options.classes:,} identities need {needed / 1e9:.1f} GB, {available / 1e9:.1f} are available"
        )
    options.work.mkdir(parents=True, exist_ok=True)
    data, validation = prepare(options.work, options.classes, options.steps, options.batch, options.unseen)
    run = options.work / f"run-{options.classes}"
    shutil.rmtree(run, ignore_errors=True)
    every = options.steps // 3
    common = [
        str(data), "--classes", str(options.classes), "--objective", "cosface", "--output", str(run),
        "--sample-rate", str(options.sample_rate), "--batch", str(options.batch), "--validation", str(validation),
        "--learning-rate", str(options.learning_rate), "--validate-every", str(every), "--save-every", str(every),
        "--steps", str(options.steps), "--json",
    ]  # fmt: skip
    phases = [follow(2, common, kill_at=2 * every + 1), follow(3, common, None)]
    publish(describe(options, phases, data.stat().st_size), options.output)


if __name__ == "__main__":
    main()

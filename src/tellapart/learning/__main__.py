"""Train class centres spread over workers: `torchrun --nproc-per-node 2 -m tellapart.learning ids.parquet ...`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tellapart.errors import TellapartError, require

if TYPE_CHECKING:
    from tellapart.learning.largescale.run import Report
    from tellapart.learning.largescale.settings import Settings

DESCRIPTION = """\
Train an encoder head and one centre per identity from a Parquet file with the columns `vector` and `label`.
Under torchrun the centres are spread over the workers. The same command goes on where a killed run stopped, with
any number of workers."""


def main(arguments: list[str]) -> int:
    """Run the training; 2 for a mistake of the user."""
    try:
        require("torch", extra="train")
        require("safetensors", extra="train")
        return _train(arguments)
    except TellapartError as mistake:
        if os.environ.get("RANK", "0") == "0":
            sys.stderr.write(f"Error: {mistake}\n")
        return 2


def _train(arguments: list[str]) -> int:
    import torch
    import torch.distributed as dist

    from tellapart.learning.centres.workers import Workers
    from tellapart.learning.largescale.run import train

    parser = _parser()
    options = parser.parse_args(arguments)
    settings = _settings(options)
    device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if torch.cuda.is_available() else "cpu"
    together = int(os.environ.get("WORLD_SIZE", "1")) > 1
    if together:
        dist.init_process_group("gloo" if device == "cpu" else "nccl")

    def tell(report: Report) -> None:
        if sys.stderr.isatty() or report.rank1 is not None:
            sys.stderr.write(_line(report) + "\n")
        if options.json:
            sys.stdout.write(_json(report) + "\n")
            sys.stdout.flush()

    try:
        train(settings, Workers.present(), device, tell)
    finally:
        if together:
            dist.destroy_process_group()
    return 0


def _line(report: Report) -> str:
    line = f"step {report.step:,} of {report.steps:,}"
    if report.pace is not None:
        pace = report.pace
        line += f"  loss {pace.loss:.3f}  {pace.seconds_per_step:.2f} s a step"
        line += f"  {pace.samples_per_second:,.0f} samples/s"
    if report.rank1 is not None:
        line += f"  rank-1 on {report.validated:,} unseen samples {report.rank1:.4f}"
    return line


def _json(report: Report) -> str:
    entries: dict[str, object] = {"schema": 1, "step": report.step, "steps": report.steps}
    for name in ("loss", "seconds_per_step", "samples_per_second"):
        entries[name] = None if report.pace is None else getattr(report.pace, name)
    return json.dumps(entries | {"rank1": report.rank1, "validated": report.validated})


def _parser() -> argparse.ArgumentParser:
    from tellapart.learning.centres.sgd import UnsampledRule
    from tellapart.learning.largescale.settings import Encoder, Objective

    parser = argparse.ArgumentParser(
        "python -m tellapart.learning",
        description=DESCRIPTION,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("data", type=Path, help="Parquet file: vector (list of floats), label (integer from 0)")
    add("--classes", type=int, required=True, help="number of identities; 10_000_000 may be written so")
    add("--output", type=Path, default=Path("centres"), help="folder of the checkpoints")
    add(
        "--objective",
        type=Objective,
        choices=list(Objective),
        default=Objective.COSFACE,
        help="margin softmax",
    )
    add("--scale", type=float, default=64.0, help="of the cosines")
    add("--sub-centres", type=int, default=1, help="centres per identity")
    add(
        "--encoder",
        type=Encoder,
        choices=list(Encoder),
        default=Encoder.LINEAR,
        help="what is trained before them",
    )
    add("--sample-rate", type=float, default=1.0, help="share of the centres that takes part in a step")
    add("--corrected", action="store_true", help="add log(held / sampled) to the logits of sampled negatives")
    add(
        "--rule",
        type=UnsampledRule,
        choices=list(UnsampledRule),
        default=UnsampledRule.LAZY,
        help="what unsampled centres do",
    )
    add("--batch", type=int, default=512, help="samples per step, over all workers")
    add("--steps", type=int, default=1000, help="steps in all")
    add("--learning-rate", type=float, default=1.0, help="of the centres")
    add("--encoder-rate", type=float, default=0.01, help="learning rate of the linear map")
    add("--momentum", type=float, default=0.9, help="of both")
    add("--decay", type=float, default=0.0, help="weight decay of the centres")
    add("--hold-out", type=int, default=2048, help="rows of the file kept for validation")
    add("--validation", type=Path, help="a Parquet file to validate on instead")
    add("--validate-every", type=int, default=200, help="steps between validations")
    add("--save-every", type=int, default=200, help="steps between checkpoints")
    add("--seed", type=int, default=0, help="of centres, batches and samples")
    add("--json", action="store_true", help="one JSON object per report on stdout")
    return parser


def _settings(options: argparse.Namespace) -> Settings:
    from tellapart.learning.largescale.settings import Settings

    values = vars(options)
    return Settings(**{name: value for name, value in values.items() if name != "json"})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Train with class centres spread over workers: `torchrun --nproc-per-node 2 -m tellapart.learning DATA ...`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tellapart.errors import TellapartError, require

if TYPE_CHECKING:
    import torch

    from tellapart.learning.centres.workers import Workers
    from tellapart.learning.largescale.run import CentreOptions
    from tellapart.learning.training.history import Look
    from tellapart.learning.training.trainer import Watch

DESCRIPTION = """\
Train with one centre for each identity, the centres spread over the workers of torchrun. DATA is a Parquet file with
the columns `vector` and `label` (a linear map is trained), or images as 'tellapart train' takes them (a network is
trained, copied to every worker; what comes out is an encoder's folder). The same command goes on where a killed run
stopped."""


def main(arguments: list[str]) -> int:
    """Run the training; 2 for a mistake of the user."""
    try:
        require("torch", extra="train")
        require("safetensors", extra="train")
        return _train(_parser().parse_args(arguments))
    except TellapartError as mistake:
        if os.environ.get("RANK", "0") == "0":
            sys.stderr.write(f"Error: {mistake}\n")
        return 2


def _train(options: argparse.Namespace) -> int:
    from tellapart.learning.largescale.run import CentreOptions
    from tellapart.learning.training.devices import all_workers, choose_device

    def watch(look: Look) -> None:
        sys.stderr.write(_line(look, options.steps) + "\n")
        if options.json:
            sys.stdout.write(_json(look, options.steps, options.batch) + "\n")
            sys.stdout.flush()

    centres = CentreOptions(
        options.sample_rate,
        options.corrected,
        options.rule,
        options.learning_rate,
        options.momentum,
        options.decay,
    )
    device = choose_device(options.device)
    with all_workers(device) as workers:
        train = _vectors if _holds_vectors(options.data) else _images
        train(options, centres, device, workers, watch)
    return 0


def _holds_vectors(path: Path) -> bool:
    if path.suffix.lower() != ".parquet" or not path.is_file():
        return False
    parquet = require("pyarrow.parquet", extra="train")
    try:
        names = parquet.read_schema(path).names
    except (OSError, ValueError):
        return True  # the reader of vectors says what is wrong with it
    return "vector" in names or not {"path", "file", "filename", "image"} & set(names)


def _vectors(
    options: argparse.Namespace, centres: CentreOptions, device: torch.device, workers: Workers, watch: Watch
) -> None:
    from tellapart.learning.largescale.run import VectorRun, train_vectors

    if options.classes is None:
        raise TellapartError("--classes is required for vectors: how many identities there are")
    names = (
        "data classes output objective scale margin sub_centres head batch steps encoder_rate hold_out validation"
        " validate_every save_every seed"
    )
    told = {name: getattr(options, name) for name in names.split()}
    train_vectors(VectorRun(**told, centres=centres), workers, device, watch)


def _images(
    options: argparse.Namespace, centres: CentreOptions, device: torch.device, workers: Workers, watch: Watch
) -> None:
    from tellapart.learning.images.augmenting import Augmentation
    from tellapart.learning.images.backbones import NetworkSpec
    from tellapart.learning.images.reading import read_images, split_identities
    from tellapart.learning.images.train import train_images
    from tellapart.learning.training.objectives import make_sharded_objective
    from tellapart.learning.training.options import TrainingOptions

    channels = 1 if options.grey else 3
    data = read_images(options.data, size=options.size, channels=channels)
    split = split_identities(data, share=options.held_out, seed=options.seed)
    samples = 4 if len(split.train.labels) >= 2 * len(split.train.names) else 1
    told = TrainingOptions(
        objective=options.objective,
        dim=options.dim,
        steps=options.steps,
        identities=max(2, options.batch // samples),
        samples=samples,
        learning_rate=options.encoder_rate,
        check_every=options.validate_every,
        scale=options.scale,
        margin=options.margin,
        sub_centres=options.sub_centres,
        seed=options.seed,
    )
    objective = make_sharded_objective(
        told,
        len(split.train.names),
        workers,
        sampling=centres.sampling(options.seed),
        descent=centres.descent,
        device=device,
    )
    train_images(
        split,
        told,
        Augmentation(),
        options.output,
        spec=NetworkSpec(
            options.size, channels, options.dim, backbone=options.backbone, even_light=options.even_light
        ),
        device=device,
        workers=workers,
        objective=objective,
        facts={"command": " ".join(["python -m tellapart.learning", *sys.argv[1:]]), "centres": str(centres)},
        watch=watch,
    )


def _line(look: Look, steps: int) -> str:
    line = f"step {look.step:,} of {steps:,}"
    if look.loss is not None:
        line += f"  loss {look.loss:.3f}  {look.per_second:,.0f} samples/s"
    if look.rank1 is not None and look.validated:
        line += f"  rank-1 on {look.validated:,} unseen samples {look.rank1:.4f}"
    if look.quality is not None:
        line += f"  held out: R@1 {look.quality.recall_at_1:.3f}, MAP@R {look.quality.map_at_r:.3f}"
    return line


def _json(look: Look, steps: int, batch: int) -> str:
    pace = {"loss": look.loss, "seconds_per_step": None, "samples_per_second": None}
    if look.loss is not None:
        pace |= {"seconds_per_step": batch / look.per_second, "samples_per_second": look.per_second}
    judged = {"rank1": look.rank1, "validated": look.validated}
    return json.dumps({"schema": 1, "step": look.step, "steps": steps} | pace | judged)


def _parser() -> argparse.ArgumentParser:
    from tellapart.learning.centres.sgd import UnsampledRule
    from tellapart.learning.largescale.run import Head
    from tellapart.learning.training.options import Objective

    parser = argparse.ArgumentParser(
        "python -m tellapart.learning",
        description=DESCRIPTION,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    centred = [objective for objective in Objective if objective.has_centres]
    add = parser.add_argument
    add("data", type=Path, help="Parquet file of vectors, or images")
    add("--classes", type=int, help="number of identities (vectors only); 10_000_000 may be written so")
    add("--output", type=Path, default=Path("centres"), help="folder of the checkpoints, and of the encoder")
    add("--device", help="cpu, cuda or mps; default: a GPU for each worker, else cpu")
    add("--objective", type=Objective, choices=centred, default=Objective.COSFACE, help="margin softmax")
    add("--scale", type=float, default=64.0, help="of the cosines")
    add("--margin", type=float, help="default: the paper's for vectors, tellapart train's for images")
    add("--sub-centres", type=int, default=1, help="centres per identity")
    add(
        "--head",
        type=Head,
        choices=list(Head),
        default=Head.LINEAR,
        help="what is trained before centres of vectors",
    )
    add("--backbone", default="small", help="of images: small, timm:NAME or torchvision:NAME")
    add("--size", type=int, default=64, help="of images, in pixels")
    add("--grey", action="store_true", help="one channel instead of three")
    add("--even-light", action="store_true", help="take slowly changing light out of images (faces)")
    add("--dim", type=int, default=128, help="of the encoder of images")
    add("--held-out", type=float, default=0.1, help="share of the identities of images kept for judging")
    add("--sample-rate", type=float, default=1.0, help="share of the centres that takes part in a step")
    add("--corrected", action="store_true", help="add log(held / sampled) to the logits of sampled negatives")
    rules = list(UnsampledRule)
    add(
        "--rule",
        type=UnsampledRule,
        choices=rules,
        default=UnsampledRule.LAZY,
        help="what unsampled centres do",
    )
    add("--batch", type=int, default=512, help="samples per step, over all workers")
    add("--steps", type=int, default=1000, help="steps in all")
    add("--learning-rate", type=float, default=1.0, help="of the centres")
    add("--encoder-rate", type=float, default=0.01, help="learning rate of the linear map or network")
    add("--momentum", type=float, default=0.9, help="of centres and linear map")
    add("--decay", type=float, default=0.0, help="weight decay of the centres")
    add("--hold-out", type=int, default=2048, help="rows of a file of vectors kept for validation")
    add("--validation", type=Path, help="a Parquet file to validate on instead")
    add("--validate-every", type=int, default=200, help="steps between validations")
    add("--save-every", type=int, default=200, help="steps between checkpoints of vectors")
    add("--seed", type=int, default=0, help="of centres, batches and samples")
    add("--json", action="store_true", help="one JSON object per report on stdout")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

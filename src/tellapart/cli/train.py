"""`tellapart train`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tellapart.cli import options
from tellapart.cli.output import SCHEMA, note, print_json
from tellapart.cli.progress import terminal_progress
from tellapart.errors import require

if TYPE_CHECKING:
    from tellapart.learning.training.history import Look

EXAMPLES = (
    "tellapart train faces/ --flip --even-light --output my-encoder",
    "tellapart train photos.csv --backbone timm:resnet18 --device cuda --output my-encoder",
    "tellapart train glyphs.npz --grey --size 28 --turns --objective softmax --output my-encoder",
)

LOOKS = 10
"""Times a run is looked at, at least: a short one more often than every 200 steps."""


def train(
    images: Annotated[
        Path,
        typer.Argument(
            help="A folder of images for each identity, a .csv, .tsv or .parquet of paths and labels, a webdataset"
            " .tar, a saved Hugging Face data set, or an .npz."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", metavar="DIR", help="Folder of the new encoder.")],
    objective: Annotated[
        str,
        typer.Option(
            "--objective",
            help="softmax, normface, sphereface, cosface, arcface, combined, triplet, infonce, or ntxent (no labels).",
        ),
    ] = "arcface",
    backbone: Annotated[
        str,
        typer.Option(
            "--backbone",
            help="small, whitened (closed form, for few identities), timm:NAME or torchvision:NAME.",
        ),
    ] = "small",
    pretrained: Annotated[
        bool, typer.Option("--pretrained", help="Begin with the published weights of the backbone.")
    ] = False,
    start: Annotated[
        Path | None,
        typer.Option("--start", metavar="DIR", help="Begin with the weights of a trained folder."),
    ] = None,
    device: Annotated[
        str | None, typer.Option("--device", help="cpu, cuda or mps. Default: a GPU if there is one.")
    ] = None,
    precision: Annotated[
        str, typer.Option("--precision", help="float32, or bfloat16 for the network (losses stay exact).")
    ] = "float32",
    size: Annotated[int, typer.Option("--size", help="Images are scaled to so many pixels.")] = 64,
    grey: Annotated[bool, typer.Option("--grey", help="One channel instead of three.")] = False,
    even_light: Annotated[
        bool, typer.Option("--even-light", help="Take slowly changing light out of the images (faces).")
    ] = False,
    turns: Annotated[
        bool,
        typer.Option("--turns", help="Each identity turned by 90, 180, 270 degrees is another (glyphs)."),
    ] = False,
    flip: Annotated[
        bool, typer.Option("--flip", help="Mirror images show the same identity (faces).")
    ] = False,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out images that cannot be read.")
    ] = False,
    steps: Annotated[int, typer.Option("--steps", help="Training steps, at most.")] = 3_000,
    identities: Annotated[int, typer.Option("--identities", help="Identities in a batch.")] = 24,
    samples: Annotated[int, typer.Option("--samples", help="Images of each identity in a batch.")] = 4,
    dim: Annotated[int, typer.Option("--dim", help="Dimensions of the vectors.")] = 128,
    margin: Annotated[
        float | None, typer.Option("--margin", help="Default: the objective's; 0 is none.")
    ] = None,
    scale: Annotated[float | None, typer.Option("--scale", help="Default: the objective's.")] = None,
    sub_centres: Annotated[int, typer.Option("--sub-centres", help="Centres for each identity.")] = 1,
    label_smoothing: Annotated[
        float,
        typer.Option(
            "--label-smoothing", help="Label smoothing: share of the target spread over all identities."
        ),
    ] = 0.0,
    optimizer: Annotated[str, typer.Option("--optimizer", help="adamw or sgd.")] = "adamw",
    schedule: Annotated[str, typer.Option("--schedule", help="cosine, linear or constant.")] = "cosine",
    learning_rate: Annotated[float, typer.Option("--learning-rate", help="Highest rate.")] = 2e-3,
    weight_decay: Annotated[
        float, typer.Option("--weight-decay", help="Weight decay, of weights, not of biases.")
    ] = 5e-2,
    clip: Annotated[float, typer.Option("--clip", help="Clip gradients to this length.")] = 5.0,
    average: Annotated[
        float, typer.Option("--average", help="Decay of the moving average of the weights (EMA); 0 = none.")
    ] = 0.99,
    patience: Annotated[
        int, typer.Option("--patience", help="Stop after so many evaluations without a better MAP@R.")
    ] = 10,
    held_out: Annotated[
        float, typer.Option("--held-out", help="Share of identities (of images, below 20) kept for judging.")
    ] = 0.1,
    loaders: Annotated[int, typer.Option("--loaders", help="Threads that prepare batches.")] = 1,
    log: Annotated[
        Path | None,
        typer.Option(
            "--log", metavar="PATH", help="Losses and measures: a .csv, or a folder for TensorBoard."
        ),
    ] = None,
    seed: options.Seed = 0,
    json: options.Json = False,
) -> int:
    """Train an encoder of images.

    Identities that training did not see judge it, beside raw pixels. A killed run goes on where it was when the same
    command is given again.
    """
    require("torch", extra="train")
    from tellapart.learning.images.augmenting import Augmentation
    from tellapart.learning.images.backbones import NetworkSpec
    from tellapart.learning.images.reading import read_images, split_identities
    from tellapart.learning.images.train import train_images
    from tellapart.learning.training.devices import choose_device
    from tellapart.learning.training.history import open_log
    from tellapart.learning.training.options import (
        Optimizer,
        Precision,
        Schedule,
        TrainingOptions,
        parse_choice,
        parse_objective,
    )

    told = TrainingOptions(
        objective=parse_objective(objective),
        dim=dim,
        steps=steps,
        identities=identities,
        samples=samples,
        optimizer=parse_choice(Optimizer, optimizer, "--optimizer"),
        schedule=parse_choice(Schedule, schedule, "--schedule"),
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        clip=clip,
        average=average,
        check_every=max(1, min(200, steps // LOOKS)),
        patience=patience,
        margin=margin,
        scale=scale,
        sub_centres=sub_centres,
        label_smoothing=label_smoothing,
        seed=seed,
        precision=parse_choice(Precision, precision, "--precision"),
    )
    where, progress = choose_device(device), terminal_progress()
    channels = 1 if grey else 3
    spec = NetworkSpec(size, channels, dim, backbone, even_light=even_light, pretrained=pretrained)
    data = read_images(images, size=size, channels=channels, skip_bad=skip_bad, progress=progress)
    split = split_identities(data, share=held_out, seed=seed)
    if split.held_out is None:
        note("nothing could be held out: nothing will say how well the encoder works on new identities")
    elif split.unseen == "images":
        note("fewer than 20 identities: images are held out, so nothing says how it works on new identities")
    if len(data.labels) == len(data.names):
        note("no identity has two images: what is learned is to see through changes made to one image")
    if turns:
        split = split.turned()
    with open_log(log) as write:

        def watch(look: Look) -> None:
            write(look)
            _say(look)

        done = train_images(
            split,
            told,
            Augmentation(flip=0.5 if flip else 0.0),
            output,
            spec=spec,
            start=start,
            device=where,
            loaders=loaders,
            facts={"command": " ".join(["tellapart", *sys.argv[1:]])},
            progress=progress,
            watch=watch,
        )
    assert done is not None
    if json:
        judged = done.judgement.to_json() if done.judgement else None
        found = {"output": str(output), "summary": done.summary, "judgement": judged}
        print_json({"schema": SCHEMA, **found, "looks": done.history.to_json()})
        return 0
    note(f"{output}: {done.summary}")
    if done.judgement and not done.judgement.recommended:
        note(
            "not recommended: search these images by raw pixels (--encoder pixels), or train on more identities"
        )
    if done.judgement and done.judgement.threshold is not None:
        note(
            f"same identity above a cosine of {done.judgement.threshold:.3f} (at most {done.judgement.far:g} false)"
        )
    note(f"{output / 'report.html'} shows how the training went")
    return 0


def _say(look: Look) -> None:
    line = f"step {look.step:,}  loss {look.loss or 0:.3f}  {look.per_second:,.0f} images/s"
    if look.quality:
        line += f"  held out: R@1 {look.quality.recall_at_1:.3f}, MAP@R {look.quality.map_at_r:.3f}"
    note(line)
    for finding in look.quality.findings() if look.quality else ():
        note(f"  {finding}")

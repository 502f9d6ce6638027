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
    "tellapart train faces/ --flip --output my-encoder",
    "tellapart train glyphs.npz --grey --size 28 --turns --objective softmax --output my-encoder",
)


def train(
    images: Annotated[
        Path, typer.Argument(help="A folder with a folder of images for each identity, or an .npz.")
    ],
    output: Annotated[Path, typer.Option("--output", metavar="DIR", help="Folder of the new encoder.")],
    objective: Annotated[
        str, typer.Option("--objective", help="softmax, normface, cosface, arcface, triplet or infonce.")
    ] = "arcface",
    size: Annotated[int, typer.Option("--size", help="Images are scaled to so many pixels.")] = 64,
    grey: Annotated[bool, typer.Option("--grey", help="One channel instead of three.")] = False,
    turns: Annotated[
        bool,
        typer.Option("--turns", help="Each identity turned by 90, 180, 270 degrees is another (glyphs)."),
    ] = False,
    flip: Annotated[
        bool, typer.Option("--flip", help="Mirror images show the same identity (faces).")
    ] = False,
    steps: Annotated[int, typer.Option("--steps", help="Batches to learn from, at most.")] = 3_000,
    dim: Annotated[int, typer.Option("--dim", help="Dimensions of the vectors.")] = 128,
    margin: Annotated[float, typer.Option("--margin", help="0 = the objective's default.")] = 0.0,
    scale: Annotated[float, typer.Option("--scale", help="0 = the objective's default.")] = 0.0,
    learning_rate: Annotated[float, typer.Option("--learning-rate", help="Highest rate.")] = 2e-3,
    held_out: Annotated[
        float, typer.Option("--held-out", help="Share of identities kept for judging.")
    ] = 0.1,
    seed: Annotated[int, typer.Option("--seed", help="Random seed.")] = 0,
    json: options.Json = False,
) -> int:
    """Train an encoder of images.

    A killed run goes on where it was when the same command is given again.
    """
    require("torch", extra="train")
    from tellapart.learning.images.augmenting import Augmentation
    from tellapart.learning.images.reading import read_images
    from tellapart.learning.images.train import split_identities, train_images
    from tellapart.learning.training.settings import Settings, parse_objective

    settings = Settings(
        objective=parse_objective(objective),
        dim=dim,
        steps=steps,
        margin=margin,
        scale=scale,
        learning_rate=learning_rate,
        seed=seed,
    )
    progress = terminal_progress()
    data = read_images(images, size=size, channels=1 if grey else 3, progress=progress)
    split = split_identities(data, share=held_out, seed=seed)
    if split.held_out is None:
        note("too few identities to hold any out: nothing will say how well the encoder works on new ones")
    if len(data.labels) == len(data.names):
        note("no identity has two images: what is learned is to see through changes made to one image")
    if turns:
        split = split.turned()
    facts = {"command": " ".join(["tellapart", *sys.argv[1:]])}
    augmentation = Augmentation(flip=0.5 if flip else 0.0)
    done = train_images(split, settings, augmentation, output, facts=facts, progress=progress, watch=_say)
    if json:
        found = {"output": str(output), "summary": done.summary, "looks": done.history.to_json()}
        print_json({"schema": SCHEMA, **found})
    else:
        note(f"{output}: {done.summary}")
        note(f"{output / 'report.html'} shows how the training went")
    return 0


def _say(look: Look) -> None:
    line = f"step {look.step:,}  loss {look.loss:.3f}  {look.per_second:,.0f} images/s"
    if look.health:
        line += f"  held out: R@1 {look.health.recall_at_1:.3f}, MAP@R {look.health.map_at_r:.3f}"
    note(line)
    for finding in look.health.findings() if look.health else ():
        note(f"  {finding}")

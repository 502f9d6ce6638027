"""`tellapart train`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tellapart.cli import options
from tellapart.cli.output import SCHEMA, note, print_json
from tellapart.cli.place import index_folder
from tellapart.cli.progress import terminal_progress
from tellapart.errors import TellapartError, require

if TYPE_CHECKING:
    from tellapart.learning.adapting.train import AdaptedOutcome
    from tellapart.learning.training.history import Look

EXAMPLES = (
    "tellapart train faces/ --objective arcface --output my-encoder",
    "tellapart train --index my.idx --output adapted",
    "tellapart train --index my.idx --queries queries.jsonl --qrels qrels.tsv --output adapted",
)

FAILED = 1


def train(
    images: Annotated[
        Path | None,
        typer.Argument(
            metavar="[IMAGES]", help="A folder with a folder of images for each identity, or an .npz."
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="DIR", help="Folder of the new encoder.")
    ] = None,
    index: options.IndexFolder = None,
    encoder: Annotated[str, typer.Option("--encoder", metavar="NAME", help="Adapt this one.")] = "minilm",
    adapter: Annotated[
        str,
        typer.Option(
            "--adapter",
            help="words (beside its vectors), linear or mlp (maps of them), full (all of it), static (a token table).",
        ),
    ] = "words",
    queries: Annotated[
        Path | None,
        typer.Option(
            "--queries",
            metavar="FILE",
            help="Judged queries: words and linear learn from them, and they decide.",
        ),
    ] = None,
    qrels: Annotated[Path | None, typer.Option("--qrels", metavar="FILE", help="Their judgements.")] = None,
    keep_anyway: Annotated[
        bool, typer.Option("--keep-anyway", help="Write an adapted encoder that is not recommended.")
    ] = False,
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
    seed: Annotated[int, typer.Option("--seed", help="Decides everything random.")] = 0,
    json: options.Json = False,
) -> int:
    """Train an encoder of images, or adapt an encoder to the documents of an index.

    A killed run goes on where it was when the same command is given again.
    """
    if output is None:
        raise TellapartError("where shall the encoder go? Give --output DIR")
    if (images is None) == (index is None):
        raise TellapartError("give either a folder of images to train on, or --index DIR to adapt to")
    if (queries is None) != (qrels is None):
        raise TellapartError("--queries and --qrels belong together: give both or none")
    if index is not None:
        wanted = _Wanted(index, output, encoder, adapter, keep_anyway=keep_anyway, seed=seed)
        return _adapt(wanted, queries, qrels, json=json)
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
    assert images is not None
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


@dataclass(frozen=True, slots=True)
class _Wanted:
    index: Path
    output: Path
    encoder: str
    adapter: str
    keep_anyway: bool
    seed: int


def _adapt(wanted: _Wanted, queries: Path | None, qrels: Path | None, *, json: bool) -> int:
    from tellapart.engine import Index
    from tellapart.experiments.queries.judgements import read_qrels, read_queries
    from tellapart.experiments.queries.querysets import QueryGold
    from tellapart.learning.adapting.train import Adapter, adapt_encoder, parse_adapter, report

    adapter = parse_adapter(wanted.adapter)
    judged = None
    if queries is not None and qrels is not None:
        judged = QueryGold(read_queries(queries).texts, read_qrels(qrels))
    done = adapt_encoder(
        Index.open(index_folder(wanted.index, [])),
        wanted.output,
        encoder=wanted.encoder,
        adapter=adapter,
        judged=judged,
        keep_anyway=wanted.keep_anyway,
        seed=wanted.seed,
        progress=terminal_progress(),
    )
    written = str(wanted.output) if done.encoder else None
    if json:
        print_json({"schema": SCHEMA, "output": written, "adapter": adapter, **report(done.adaptation)})
    else:
        _print(done, wanted.output, wanted.index, made=adapter is Adapter.STATIC)
    return 0 if done.encoder else FAILED


def _print(done: AdaptedOutcome, output: Path, index: Path, *, made: bool) -> None:
    found = done.adaptation
    if found.evidence:
        print(f"{'queries':<16}{'n':>6}  untouched  adapted    BM25   adapted - untouched")
    for part in found.evidence:
        against = part.against_untouched
        limits = f"{against.difference:+.3f} [{against.low:+.3f}, {against.high:+.3f}]  p {against.p:.4f}"
        values = f"{part.untouched:.3f}    {part.adapted:.3f}   {part.bm25:.3f}"
        print(f"{part.source:<16}{part.queries:>6,}      {values}   {limits}")
    verdict = "made" if made else "recommended" if found.recommended else "not recommended"
    note(f"{verdict}: {found.reason}")
    if found.evidence and found.evidence[0].against_bm25.high < 0:
        note(
            "on these queries BM25 alone is better than the adapted vectors: 'tellapart evaluate' compares mixtures"
        )
    if done.encoder:
        note(f"{output}: use it with 'tellapart index --encoder folder:{output} --index {index}'")
    else:
        note("nothing was written; --keep-anyway writes it all the same")

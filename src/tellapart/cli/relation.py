"""`tellapart relation learn`, and `tellapart relation`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tellapart.cli import options
from tellapart.cli.output import SCHEMA, note, print_json
from tellapart.engine import Index
from tellapart.index.home import find_home

EXAMPLES = (
    "tellapart relation --index animals.idx                              # what there is",
    "tellapart relation learn kind-of pairs.tsv --index animals.idx      # beagle<TAB>dog, a line each",
    "tellapart relation learn duplicate pairs.tsv --symmetric --index my.idx",
    "tellapart related beagle --as kind-of --index animals.idx",
)

app = typer.Typer()


@app.callback(invoke_without_command=True)
def relation(context: typer.Context, index: options.IndexPlace = None, json: options.Json = False) -> None:
    """List the relations of an index."""
    if context.invoked_subcommand is not None:
        return
    from tellapart.scores.relating import relations_of

    kept = relations_of(Index.open(find_home(index).folder))
    fields = ("encoder", "granularity", "pairs", "symmetric")
    rows = [{"name": name, **{field: of[field] for field in fields}} for name, of in kept.items()]
    if json:
        print_json({"schema": SCHEMA, "relations": rows})
        return
    for row in rows:
        ways = ", both ways" if row["symmetric"] else ""
        print(f"{row['name']:16} {row['pairs']:,} pairs{ways}, {row['encoder']}/{row['granularity']}")
    if not rows:
        note("no relation yet: 'tellapart relation learn NAME PAIRS' learns one")


@app.command("learn")
def learn(
    name: Annotated[str, typer.Argument(help="Of the relation: small letters, digits, hyphens.")],
    pairs: Annotated[
        Path,
        typer.Argument(help="A file of lines X<TAB>Y: documents, FILE:LINE, ids of units, or any words."),
    ],
    index: options.IndexPlace = None,
    symmetric: Annotated[
        bool, typer.Option("--symmetric", help="The relation holds in both directions.")
    ] = False,
    granularity: options.GranularityName = None,
    encoder: options.EncoderName = None,
    json: options.Json = False,
) -> None:
    """Learn a relation from some pairs, say what it is worth on pairs left out, and keep it in the index."""
    from tellapart.scores.relating import learn_relation, read_pairs

    opened = Index.open(find_home(index).folder)
    learned = learn_relation(
        opened, name, read_pairs(pairs), symmetric=symmetric, encoder=encoder, granularity=granularity
    )
    gain = learned.gain
    if json:
        print_json(
            {
                "schema": SCHEMA,
                "name": name,
                "pairs": learned.pairs,
                "texts": learned.texts,
                "reciprocal_rank": float(learned.learned.mean()),
                "by_cosine": float(learned.plain.mean()),
                "as_cosine": learned.as_cosine,
                "gain": {"difference": gain.difference, "low": gain.low, "high": gain.high, "p": gain.p},
            }
        )
        return
    if learned.texts:
        note(f"{learned.texts:,} of {2 * learned.pairs:,} names are no units of this index: taken as words")
    if learned.as_cosine:
        print(
            f"{name}: {learned.pairs:,} pairs; this relation gains nothing over the cosine from these pairs:"
            " 'related --as' will use the cosine"
        )
        note("give more pairs, or pairs of units that have names (headings, titles, functions)")
        return
    print(
        f"{name}: {learned.pairs:,} pairs; left out one at a time, the right answer has a mean reciprocal rank of"
        f" {learned.learned.mean():.2f}, by the plain cosine {learned.plain.mean():.2f}"
        f" ({gain.difference:+.2f} [{gain.low:+.2f}, {gain.high:+.2f}], p {gain.p:.3f})"
    )
    if gain.low <= 0:
        note("that is no proven gain: give more pairs, or look whether 'related' without --as does as well")

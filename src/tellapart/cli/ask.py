"""`tellapart ask`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from tellapart.cli import options
from tellapart.cli.app import FAILED
from tellapart.cli.output import SCHEMA, note, print_json
from tellapart.engine import Index
from tellapart.engine.opened import partial_notes
from tellapart.engine.snippets import printable
from tellapart.errors import TellapartError
from tellapart.index.home import find_home

if TYPE_CHECKING:
    from tellapart.engine.context import Context
    from tellapart.serving.asking import CorpusAnswer

EXAMPLES = (
    'tellapart ask "how do I rotate the keys?" --index my.idx        # prints what a model would be given',
    'tellapart ask "how do I rotate the keys?" --index my.idx --model llama3 --endpoint http://127.0.0.1:11434/v1',
    'tellapart ask "how do I rotate the keys?" ~/docs --tokens 2000 --json',
)

TIMEOUT = 60.0


def ask(
    question: Annotated[str, typer.Argument(help="The question; '-' reads it from standard input.")],
    path: options.PathIn = None,
    index: options.IndexPlace = None,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="NAME", help="A language model; without one, prints the context."),
    ] = None,
    endpoint: Annotated[
        str | None,
        typer.Option(
            "--endpoint", metavar="URL", help="Its OpenAI-compatible server [default: api.openai.com]."
        ),
    ] = None,
    tokens: Annotated[
        int, typer.Option("--tokens", help="Budget: at most so many tokens of the corpus are sent.")
    ] = 1_000,
    where: options.Where = None,
    timeout: Annotated[
        float, typer.Option("--timeout", help="Seconds the server may be silent.", min=0.1)
    ] = TIMEOUT,
    show_context: Annotated[
        bool, typer.Option("--show-context", help="Also print what was sent, on standard error.")
    ] = False,
    json: options.Json = False,
) -> int | None:
    """Answer from the corpus by a language model, with checked citations; say so where the corpus has no answer."""
    if endpoint is not None and model is None:
        raise TellapartError("--endpoint serves a model: name it with --model")
    if endpoint is not None and "://" not in endpoint:
        raise TellapartError(f"--endpoint {endpoint} is no URL: write http://HOST:PORT/v1")
    text = sys.stdin.read() if question == "-" else question
    home = find_home(index, path)
    opened = Index.open(home.folder)
    given = opened.context(text, tokens=tokens, where=(*home.where, *(where or ())))
    for each in partial_notes(given.partial):
        note(each)
    if model is None:
        _print_context(given, json=json)
        return None
    if show_context:
        note(given.text)
    answer = _answered(given, f"{model}@{endpoint}" if endpoint else model, timeout, streamed=not json)
    if json:
        from tellapart.serving.asking import answer_json

        print_json({"schema": SCHEMA, **answer_json(answer)})
    else:
        _print_answer(answer)
    return FAILED if answer.problems else None


def _answered(given: Context, spec: str, timeout: float, *, streamed: bool) -> CorpusAnswer:
    from tellapart.encoders.endpoint import Client, Endpoint
    from tellapart.serving.asking import ask as answered

    client = Client(Endpoint.parse(spec, what="language model"), timeout=timeout)
    return answered(given, client, heard=_print_piece if streamed and sys.stdout.isatty() else None)


def _print_piece(piece: str) -> None:
    print("\n".join(printable(line) for line in piece.split("\n")), end="", flush=True)


def _print_context(given: Context, *, json: bool) -> None:
    if json:
        from tellapart.engine.context import context_json

        print_json({"schema": SCHEMA, **context_json(given)})
    elif given.absent is not None:
        print(f"not in this corpus: {given.absent}")
    else:
        print("\n".join(printable(line) for line in given.text.split("\n")))
        passages = f"{len(given.passages)} passage{'s' * (len(given.passages) != 1)}"
        note(f"{passages}, {given.tokens:,} of {given.limit:,} tokens ({given.tokenizer})")


def _print_answer(answer: CorpusAnswer) -> None:
    if answer.text is None:
        print(f"not in this corpus: {answer.why}")
        return
    if sys.stdout.isatty():
        print()
    else:
        _print_piece(answer.text + "\n")
    for citation in answer.citations:
        print(f"[{citation.number}] {citation.place}")
    for problem in answer.problems:
        note(f"check this: {problem}")

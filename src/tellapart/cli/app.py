"""The verbs, and what becomes of errors."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Annotated

import typer

from tellapart.errors import TellapartError

DONE, FAILED, WRONG_USE, STOPPED = 0, 1, 2, 130

VERBS = {
    "index": "tellapart.cli.index:index",
    "search": "tellapart.cli.search:search",
    "related": "tellapart.cli.related:related",
    "run": "tellapart.cli.run_queries:run",
    "export": "tellapart.cli.export:export",
    "status": "tellapart.cli.status:status",
    "clear": "tellapart.cli.status:clear",
}
"""Where each verb lives; only the one that was typed is imported, which halves the start of a search."""


def make_app(verbs: Iterable[str] = VERBS) -> typer.Typer:
    """Build the command line with these verbs."""
    app = typer.Typer(
        name="tellapart",
        help="Embedding search that decides with evidence: index documents and code, search by words and vectors.",
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for verb in verbs:
        module, function = VERBS[verb].split(":")
        app.command(verb)(getattr(import_module(module), function))
    app.callback()(_options)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"tellapart {version('tellapart')}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool,
        typer.Option("--version", "-V", callback=_print_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    pass


def run(arguments: Sequence[str]) -> int:
    """Run one verb and say how it went as an exit code; a user's mistake is one line on stderr."""
    try:
        app = make_app([arguments[0]] if arguments and arguments[0] in VERBS else VERBS)
        code = app(list(arguments), standalone_mode=False, prog_name="tellapart")
    except TellapartError as error:
        return _complain(str(error))
    except typer.TyperException as error:
        return _complain(f"{error.format_message().rstrip('.')}. See 'tellapart {_verb(arguments)}--help'.")
    except (KeyboardInterrupt, typer.Abort):
        print("\ntellapart: stopped; run the same command to go on where it was", file=sys.stderr)
        return STOPPED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except (OSError, MemoryError) as error:
        if os.environ.get("TELLAPART_DEBUG"):
            raise
        return _complain(_words(error))
    return code if isinstance(code, int) else DONE


def _verb(arguments: Sequence[str]) -> str:
    return f"{arguments[0]} " if arguments and arguments[0] in VERBS else ""


def _complain(message: str) -> int:
    print(f"tellapart: error: {' '.join(message.split())}", file=sys.stderr)
    return WRONG_USE


def _words(error: OSError | MemoryError) -> str:
    if isinstance(error, MemoryError):
        return "out of memory: index fewer or smaller sources at a time"
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}; mend that and run the command again"

"""The verbs, and what becomes of errors."""

from __future__ import annotations

import gc
import os
import sys
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated

import typer

from tellapart.errors import TellapartError

DONE, FAILED, WRONG_USE, STOPPED = 0, 1, 2, 130


@dataclass(frozen=True, slots=True)
class Verb:
    """Where a verb lives (`module:function`) and what it does in a few words.

    The module's `EXAMPLES` end its help.
    """

    place: str
    summary: str

    def add_to(self, app: typer.Typer, name: str) -> None:
        """Import the verb and let the app know it."""
        path, function = self.place.split(":")
        module = import_module(path)
        examples = "\b\nExamples:\n" + "\n".join(f"  {line}" for line in module.EXAMPLES)
        verb = getattr(module, function)
        if isinstance(verb, typer.Typer):
            app.add_typer(verb, name=name, short_help=self.summary, help=self.summary, epilog=examples)
        else:
            app.command(name, short_help=self.summary, epilog=examples)(verb)


VERBS = {
    "index": Verb("tellapart.cli.index:index", "Read, split and index; again: only what changed."),
    "search": Verb("tellapart.cli.search:search", "Find what answers a query."),
    "related": Verb("tellapart.cli.related:related", "Find units like one you name."),
    "run": Verb("tellapart.cli.run_queries:run", "Answer a query set as a TREC run."),
    "evaluate": Verb(
        "tellapart.cli.evaluate:evaluate", "Find which configuration works here, with evidence."
    ),
    "calibrate": Verb(
        "tellapart.cli.calibrate:calibrate",
        "Learn what scores mean: probabilities, and when nothing answers.",
    ),
    "judge": Verb("tellapart.cli.judge:judge", "Judge results by hand where it decides most."),
    "inspect": Verb(
        "tellapart.cli.inspect:inspect", "Say what the vectors are worth, and how to rank by examples."
    ),
    "relation": Verb("tellapart.cli.relation:app", "Learn a named relation from some pairs."),
    "clones": Verb("tellapart.cli.clones:clones", "Find functions that are nearly the same, or do the same."),
    "train": Verb("tellapart.cli.train:train", "Train an encoder of images."),
    "adapt": Verb("tellapart.cli.adapt:adapt", "Adapt an encoder to an index, if that helps."),
    "models": Verb("tellapart.cli.models:app", "List models that can be fetched, and fetch one."),
    "identity": Verb("tellapart.cli.identity:app", 'Say who or what it is, by a gallery, or "unknown".'),
    "migrate": Verb(
        "tellapart.cli.migrate:migrate", "Change the encoder of an index, compared and with a way back."
    ),
    "export": Verb("tellapart.cli.export:export", "Write vectors and units for other tools."),
    "publish": Verb(
        "tellapart.cli.publish:publish", "Put an index into PostgreSQL, where many machines search it."
    ),
    "watch": Verb("tellapart.cli.watch:watch", "Keep an index fresh while its files change."),
    "status": Verb("tellapart.cli.status:status", "Say what an index holds and how old it is."),
    "ask": Verb("tellapart.cli.ask:ask", "Answer a question from the corpus, with citations."),
    "serve": Verb("tellapart.cli.serve:serve", "Serve search over HTTP, with a page for people."),
    "mcp": Verb("tellapart.cli.mcp:mcp", "Serve search to coding agents (Model Context Protocol)."),
    "install": Verb("tellapart.cli.install:install", "Add the MCP server to a coding agent's settings."),
    "uninstall": Verb("tellapart.cli.install:uninstall", "Take it out again."),
    "clear": Verb("tellapart.cli.clear:clear", "Remove an index or a part of it."),
}
"""Only the verb that was typed is imported, which halves the start of a search."""


def make_app(verbs: Iterable[str] = VERBS) -> typer.Typer:
    """Build the command line with these verbs."""
    app = typer.Typer(
        name="tellapart",
        help="Embedding search that decides with evidence: index documents and code, search by words and vectors.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for name in verbs:
        VERBS[name].add_to(app, name)
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
    arguments = arguments or ["--help"]
    # readers/images.py refuses such an image with a line of its own
    warnings.filterwarnings("ignore", message="Image size .* exceeds limit")
    try:
        gc.disable()  # what is imported stays: looking through it again and again takes a tenth of a search
        app = make_app([arguments[0]] if arguments and arguments[0] in VERBS else VERBS)
        gc.freeze()
        gc.enable()
        code = app(list(arguments), standalone_mode=False, prog_name="tellapart")
    except TellapartError as error:
        return _complain(str(error))
    except typer.TyperException as error:
        said = error.format_message().rstrip(".")
        where = getattr(error, "ctx", None)  # the verb that was asked, or the one below it
        return _complain(
            f"{said}{'' if said.endswith('?') else '.'} See '{where.command_path if where else 'tellapart'} --help'."
        )
    except (KeyboardInterrupt, typer.Abort):
        code = STOPPED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except (OSError, MemoryError) as error:
        if os.environ.get("TELLAPART_DEBUG"):
            raise
        return _complain(_words(error))
    if code == STOPPED:  # typer gives this code for Ctrl-C too, without a word
        print("\ntellapart: stopped; run the same command to go on where it was", file=sys.stderr)
    return code if isinstance(code, int) else DONE


def _complain(message: str) -> int:
    print(f"tellapart: error: {' '.join(message.split())}", file=sys.stderr)
    return WRONG_USE


def _words(error: OSError | MemoryError) -> str:
    if isinstance(error, MemoryError):
        return "out of memory: index fewer or smaller sources at a time"
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}; mend that and run the command again"

"""`tellapart watch`."""

from __future__ import annotations

import time
from dataclasses import asdict

from tellapart.cli import options
from tellapart.cli.output import SCHEMA, note, print_json
from tellapart.cli.progress import terminal_progress
from tellapart.cli.search import open_or_build
from tellapart.engine.watching import WatchUpdate, watch_index
from tellapart.index.home import find_home

EXAMPLES = (
    "tellapart watch ~/src/project",
    "tellapart watch --index my.idx --json        # a line for every update",
)


def watch(
    path: options.PathIn = None,
    index: options.IndexFolder = None,
    yes: options.Yes = False,
    json: options.Json = False,
) -> None:
    """Keep an index fresh while its files change, until Ctrl-C; without an index, builds one of the words first."""
    home = find_home(index, path)
    open_or_build(home, path, asked=index is not None, yes=yes).close()

    def told(update: WatchUpdate) -> None:
        if json:
            print_json({"schema": SCHEMA, "index": str(home.folder), **asdict(update)})
        else:
            note(f"{time.strftime('%H:%M:%S')}  {update.message or _words(update)}")

    note(f"watching the files of {home.folder}; Ctrl-C stops")
    try:
        watch_index(home.folder, told, progress=terminal_progress())
    except KeyboardInterrupt:
        note("stopped; the index is complete")


def _words(update: WatchUpdate) -> str:
    counts = {"added": update.added, "changed": update.changed, "removed": update.removed}
    parts = [f"{count:,} {what}" for what, count in counts.items() if count]
    return f"{', '.join(parts)} ({update.seconds:.1f} s)"

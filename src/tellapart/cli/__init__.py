"""The command line: parses, calls, prints."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run `tellapart`; data goes to stdout, words about it to stderr, 0 / 1 / 2 to the caller."""
    from tellapart.cli.app import run

    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)

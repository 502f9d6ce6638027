"""Single keys from a terminal, lines from anything else."""

from __future__ import annotations

import sys

import typer

END = ""
"""What is read when there is nothing more to read."""


def read_key() -> str:
    """Wait for a key, or for a line where standard input is no terminal; END when it is closed."""
    if not sys.stdin.isatty():
        line = sys.stdin.readline()
        return END if line == "" else line.strip()
    try:
        pressed = typer.getchar()
    except EOFError:
        return END
    return END if pressed == "\x04" else pressed

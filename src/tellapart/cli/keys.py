"""Single keys from a terminal, lines from anything else."""

from __future__ import annotations

import os
import sys

END = ""
"""What is read when there is nothing more to read."""


def read_key() -> str:
    """Wait for a key, or for a line where standard input is no terminal; END when it is closed.

    Not `typer.getchar`: it drops what was typed ahead, and a quick judge loses answers.
    """
    if not sys.stdin.isatty():
        line = sys.stdin.readline()
        return END if line == "" else line.strip()
    try:
        import termios
        import tty
    except ImportError:  # Windows
        import msvcrt

        return str(msvcrt.getwch())  # type: ignore[attr-defined,unused-ignore]
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        # Waiting until the output is written, but not dropping what was typed ahead.
        tty.setcbreak(descriptor, termios.TCSADRAIN)
        pressed = os.read(descriptor, 1)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
    return END if pressed in (b"", b"\x04") else pressed.decode("ascii", errors="replace")

"""Bars that open by themselves."""

from __future__ import annotations

import io
import sys
import time

import pytest

from tellapart.cli import progress as module
from tellapart.cli.progress import terminal_progress

PATIENCE = 0.05
LONG = 20 * PATIENCE


class Terminal(io.StringIO):
    """A terminal that keeps what was written."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def impatient(monkeypatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", PATIENCE)
    monkeypatch.setattr(module, "FLICKER_SECONDS", PATIENCE)
    monkeypatch.setenv("TERM", "xterm")


def watched(monkeypatch) -> Terminal:
    """Let a person watch standard error; inside the test, as pytest puts its own there before."""
    shown = Terminal()
    monkeypatch.setattr(sys, "stderr", shown)
    return shown


def wait_for(text: str, terminal: Terminal) -> None:
    deadline = time.monotonic() + 30
    while text not in terminal.getvalue():
        assert time.monotonic() < deadline, terminal.getvalue()
        time.sleep(PATIENCE / 5)


def test_work_that_never_advances_is_shown(monkeypatch):
    terminal = watched(monkeypatch)
    with terminal_progress()("thinking", None):
        wait_for("thinking", terminal)


def test_what_was_done_before_the_bar_opened_counts(monkeypatch):
    terminal = watched(monkeypatch)
    with terminal_progress()("reading", 10) as advance:
        advance(4)
        wait_for("4/10", terminal)
        advance(3)
        wait_for("7/10", terminal)


def test_short_work_shows_nothing(monkeypatch):
    terminal = watched(monkeypatch)
    with terminal_progress()("reading", 10) as advance:
        advance(10)
    time.sleep(2 * PATIENCE)
    assert not terminal.getvalue()


def test_work_inside_work_shows_no_second_bar(monkeypatch):
    terminal = watched(monkeypatch)
    start = terminal_progress()
    with start("outer", None):
        wait_for("outer", terminal)
        with start("inner", None):
            time.sleep(LONG)
    assert "inner" not in terminal.getvalue()
    with start("later", None):
        wait_for("later", terminal)


def test_nobody_watching_is_told_nothing(capsys):
    with terminal_progress()("thinking", None):
        time.sleep(3 * PATIENCE)
    assert capsys.readouterr().err == ""

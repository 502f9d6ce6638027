"""Bars that open by themselves."""

from __future__ import annotations

import io
import re
import sys
import time

import pytest

from tellapart.cli import progress as module
from tellapart.cli.progress import Pace, terminal_progress

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


def test_without_a_terminal_short_work_says_nothing(capsys):
    with terminal_progress()("thinking", None):
        time.sleep(3 * PATIENCE)
    assert capsys.readouterr().err == ""


def test_without_a_terminal_long_work_writes_a_line_now_and_then(monkeypatch):
    monkeypatch.setattr(module, "LINE_SECONDS", PATIENCE)
    monkeypatch.setattr(module, "GLANCE_SECONDS", PATIENCE / 10)
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    start = terminal_progress()
    with start("encoding 10 units (tokens)", 1000) as advance, start("inner", 3):
        for _ in range(4):
            time.sleep(PATIENCE)
            advance(100)
    lines = written.getvalue().splitlines()
    assert len(lines) >= 2
    assert re.fullmatch(r"encoding 10 units \(tokens\): \d0%, [\d,.]+/s, 0:\d\d left", lines[-1]), lines
    assert "inner" not in written.getvalue()


def test_the_estimate_is_right_although_much_was_known_at_the_start():
    now = 0.0
    pace = Pace(lambda: now)
    done = 40_000
    pace.note(done)
    for _ in range(120):
        now += 1.0
        done += 100 + (50 if _ % 2 else -50)
        pace.note(done)
    assert pace.per_second(done) == pytest.approx(100, rel=0.05)
    assert pace.words(done, done + 12_500) == "100/s, 2:05 left"
    for _ in range(120):  # the machine got busy
        now += 1.0
        done += 25
        pace.note(done)
    assert pace.per_second(done) == pytest.approx(25, rel=0.1)
    assert Pace(lambda: now).words(5, 10) == ""

"""The conversation of `tellapart judge`: a question, a key, how it stands."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from pathlib import Path
from typing import IO

from tellapart.cli.output import BOLD, DIM, print_json, styled
from tellapart.engine.snippets import printable
from tellapart.experiments.judging.asking import JudgingQuestion
from tellapart.experiments.judging.leaders import Passages
from tellapart.experiments.judging.session import Session
from tellapart.experiments.judging.standing import (
    Status,
    counted,
    queries,
    standing,
    standing_json,
    standing_line,
    verdict_sentence,
)
from tellapart.experiments.qrels import write_qrels

GRADES = {"y": 1, "n": 0, "0": 0, "1": 1, "2": 2, "3": 3}
KEYS = "y yes  n no  0-3 grade  s cannot say  x skip query  u undo  q quit"
WIDEST = 100
"""Characters a line of a passage has at most: longer ones are hard to read."""

END = ""
"""What is read when there is nothing more to read."""


class Conversation:
    """Asks, listens and says how it stands, until the verdict is settled or the person has had enough."""

    def __init__(
        self,
        session: Session,
        passages: Passages,
        qrels: Path,
        *,
        lines: int,
        complete: bool,
        json: bool,
        command: str,
    ) -> None:
        self._session = session
        self._passages = passages
        self._qrels = qrels
        self._lines = lines
        self._complete = complete
        self._json = json
        self._command = command
        self._out: IO[str] = sys.stderr if json else sys.stdout
        self._shown: int | None = None
        self._told = False

    def run(self) -> None:
        """Hold the conversation; what was answered is kept however it ends."""
        try:
            self._say("Comparing:")
            for leader in self._session.pools.leaders:
                self._say(f"  {leader}")
            self._say(f"Is the document an answer?  {KEYS}")
            while (question := self._next()) is not None:
                self._show(question)
                if not self._listen(question):
                    break
        finally:
            self._write()
        self._end()

    def _next(self) -> JudgingQuestion | None:
        now = standing(self._session.judging)
        if now.status is not Status.OPEN and not self._told:
            self._told = True
            self._say("\n" + styled(verdict_sentence(now), BOLD))
            if now.unfinished:
                self._say(
                    f"To complete what is half judged ({queries(now.begun - now.complete)}), so that it can stand in"
                    f" the qrels, takes {counted(now.unfinished)} more; q stops here."
                )
        if self._complete and (question := self._session.question(begun_only=True)) is not None:
            return question
        return self._session.question(begun_only=self._told)

    def _show(self, question: JudgingQuestion) -> None:
        query = self._session.texts[self._session.pools.queries[question.query]]
        if question.query != self._shown:
            self._shown = question.query
            self._say("\n" + styled(f"Query: {printable(query)}", BOLD))
        document = self._session.document(question)
        hit = self._passages.of(query, document)
        if hit is None:
            self._say(f"\n  {printable(document)}\n    (not in the index any more)")
            return
        self._say(f"\n  {styled(f'{printable(document)}:{hit.lines[0]}-{hit.lines[1]}', DIM)}")
        for line in wrapped(hit.text, self._lines):
            self._say(f"    {line}")

    def _listen(self, question: JudgingQuestion) -> bool:
        """Take keys until one of them answers; False to stop."""
        while True:
            self._say(styled("? ", DIM), end="")
            key = read_key().lower()
            if sys.stdin.isatty():
                self._say(key if key.isprintable() else "")
            if key in (END, "q"):
                return False
            if key == "u":
                if not self._session.undo():
                    self._say("nothing to take back")
                    continue
                self._told, self._shown = False, None
                return True
            if key in GRADES or key == "s":
                self._session.answer(question, GRADES.get(key))
            elif key == "x":
                self._session.skip_query(question)
            else:
                self._say(f"keys: {KEYS}")
                continue
            self._say(styled(f"  {standing_line(standing(self._session.judging))}", DIM))
            return True

    def _write(self) -> None:
        judged = self._session.qrels()
        if judged.grades or self._qrels.exists():
            write_qrels(judged, self._qrels)

    def _end(self) -> None:
        now, judged = standing(self._session.judging), self._session.qrels()
        self._say("")
        if not self._told:
            self._say(standing_line(now))
        if judged.grades:
            count = sum(len(grades) for grades in judged.grades.values())
            self._say(
                f"{self._qrels}: {count} judgements of {queries(len(judged.grades))}. To use them: {self._command}"
            )
        if now.unfinished:
            half = now.begun - now.complete
            self._say(
                f"{queries(half)} {'is' if half == 1 else 'are'} half judged and not in {self._qrels}; to complete"
                f" {'it' if half == 1 else 'them'} takes {counted(now.unfinished)} more. The same command goes on."
            )
        if self._json:
            print_json(standing_json(now))

    def _say(self, text: str, *, end: str = "\n") -> None:
        print(text, file=self._out, end=end, flush=True)


def wrapped(text: str, lines: int) -> list[str]:
    """Lay a passage out for reading; code keeps its line breaks, long lines are folded."""
    width = max(20, min(WIDEST, shutil.get_terminal_size().columns - 6))
    rows = [
        row
        for line in text.strip("\r\n").splitlines()
        if line.strip()
        for row in textwrap.wrap(printable(line.rstrip()).expandtabs(4), width, replace_whitespace=False)
    ]
    return rows if len(rows) <= lines else [*rows[:lines], "…"]


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

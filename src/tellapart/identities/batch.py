"""Many files at once: answers as JSON lines, so that a stopped run goes on where it was."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from tellapart.errors import TellapartError
from tellapart.identities.answers import Identified
from tellapart.identities.gallery import Gallery
from tellapart.progress import Progress, silent

FLUSHED = 20
"""Files between two writes to the disk (our choice)."""


def identify_files(
    gallery: Gallery,
    files: Sequence[Path],
    output: Path | None,
    *,
    fpir: float | None,
    prior: float,
    grow: bool,
    progress: Progress = silent,
) -> Iterator[Identified | str]:
    """Identify files one after the other; a file that cannot be used gives a line that says why.

    With `output`, each answer is a line there, and files that have lines there already are passed over.
    """
    done = _done(output) if output is not None else set()
    todo = [path for path in files if str(path) not in done]
    stream = output.open("a", encoding="utf-8") if output is not None else None
    try:
        with progress("identifying", len(files)) as advance:
            advance(len(files) - len(todo))
            for number, path in enumerate(todo):
                try:
                    answers: Sequence[Identified] = gallery.identify(path, fpir=fpir, prior=prior, grow=grow)
                    lines = [answer.to_dict() for answer in answers]
                    yield from answers
                except TellapartError as error:
                    if "cannot be promised" in str(error) or "enrol someone" in str(error):
                        raise
                    lines = [{"source": str(path), "error": str(error)}]
                    yield str(error)
                if stream is not None:
                    stream.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
                    if number % FLUSHED == 0:
                        stream.flush()
                        os.fsync(stream.fileno())
                advance(1)
    finally:
        if stream is not None:
            stream.close()


def _done(output: Path) -> set[str]:
    """Which files have answers; a last line that was cut off is removed, and its file asked again."""
    if not output.exists():
        return set()
    content = output.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    found: set[str] = set()
    try:
        found = {json.loads(line)["source"] for line in whole.splitlines()}
    except (ValueError, KeyError, TypeError) as error:
        raise TellapartError(
            f"{output} is not a list of answers: choose another file with --output"
        ) from error
    if len(whole) < len(content):
        with output.open("r+b") as stream:
            stream.truncate(len(whole))
    return found

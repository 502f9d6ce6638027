"""TREC run files: written so that every reader sees the order that was meant, and read as trec_eval reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tellapart.arguments import need, path_of
from tellapart.errors import TellapartError
from tellapart.experiments.textfiles import LineError, numbered_lines, replacing
from tellapart.rankers.run import RankedDocuments, Run, rank_documents

_SIGN = np.int64(0x80000000)
_DENORMALS = np.int64(0x007FFFFF)
"""Bit patterns between 0 and the smallest normal float32: skipped, since many readers flush them to 0."""

LARGEST_SCORE = 1e38
"""A third of the largest float32, which leaves room to step down from any tie."""


def write_run(run: Run, path: Path | str) -> int:
    """Write lines of `query Q0 document rank score tag`, gz if the name ends so; all or nothing.

    Scores decrease strictly in single precision, because trec_eval and its wrappers sort by score in that
    precision, ignore the rank column and order ties by document id.

    Returns:
        How many documents have an id that holds white space: `read_run` takes them, most other tools do not.

    Raises:
        TellapartError: An id cannot stand in such a file, or the file cannot be written.
    """
    path = path_of(path, "path")
    _refuse_ids(need(run, Run, "run", "a Run, as Index.run makes one"))
    spaced: set[str] = set()
    with replacing(path) as stream:
        for query, ranking in run.rankings.items():
            scores = strictly_decreasing(ranking.scores).astype(str)
            rows = enumerate(zip(ranking.documents, scores.tolist(), strict=True), start=1)
            stream.write(
                "".join(
                    f"{query} Q0 {document} {rank} {score} {run.tag}\n" for rank, (document, score) in rows
                )
            )
            spaced.update(document for document in ranking.documents if len(document.split()) > 1)
    return len(spaced)


def strictly_decreasing(scores: NDArray[np.float64]) -> NDArray[np.float32]:
    """The nearest float32 values that decrease strictly, for scores that never increase.

    A tie is broken by the smallest step there is, downwards, so the order stays what it was.
    """
    single = np.clip(scores, -LARGEST_SCORE, LARGEST_SCORE).astype(np.float32)
    bits = single.view(np.uint32).astype(np.int64)
    magnitude = np.maximum((bits & ~_SIGN) - _DENORMALS, 0)
    # Consecutive float32 values become consecutive integers, so "one step below" is "minus one".
    steps = np.where(bits & _SIGN, -magnitude, magnitude)
    places = np.arange(len(steps))
    steps = np.minimum.accumulate(steps + places) - places
    patterns = np.where(steps == 0, 0, np.abs(steps) + _DENORMALS) | np.where(steps < 0, _SIGN, 0)
    return patterns.astype(np.uint32).view(np.float32)


def read_run(path: Path | str) -> Run:
    """Read a TREC run, plain or gz, `-` is stdin; the rank column is ignored, as trec_eval ignores it.

    Raises:
        TellapartError: A line has another form, or a document stands twice in a query; names file and line.
    """
    path = path_of(path, "path")
    found: dict[str, dict[str, float]] = {}
    tag = ""
    for number, line in numbered_lines(path):
        fields = line.split()
        if len(fields) != 6:
            fields = _spaced_fields(path, number, line)
        query, _, document, _, score, tag = fields
        of_query = found.setdefault(query, {})
        if document in of_query:
            raise LineError(path, number, f"document {document!r} stands twice in query {query!r}; keep one")
        try:
            of_query[document] = float(score)
        except ValueError:
            raise LineError(path, number, f"the score {score!r} is not a number; write one") from None
    rankings = {query: _ranked(path, query, scores) for query, scores in found.items()}
    return Run(rankings, tag or "unknown")


def _ranked(path: Path, query: str, scores: dict[str, float]) -> RankedDocuments:
    ranking = rank_documents(list(scores), list(scores.values()))
    if not np.isfinite(ranking.scores).all():
        raise TellapartError(
            f"{path}: query {query!r} has a score that is not a finite number; score it anew"
        )
    return ranking


def _spaced_fields(path: Path, number: int, line: str) -> list[str]:
    """The six columns of a line whose document id holds white space."""
    head, tail = line.split(None, 2), line.rsplit(None, 3)
    if len(head) < 3 or len(tail) < 4 or len(head[2].split()) < 4:
        shown = line if len(line) <= 60 else line[:57] + "..."
        raise LineError(path, number, f"expected `query Q0 document rank score tag`, found {shown!r}")
    document = tail[0].split(None, 2)[2]
    return [head[0], head[1], document, *tail[1:]]


def _refuse_ids(run: Run) -> None:
    for name in (*run.rankings, run.tag):
        if not name or len(name.split()) != 1 or name.strip() != name:
            raise TellapartError(
                f"a TREC run cannot hold the id or tag {name!r}; use one word without spaces"
            )
    for query, ranking in run.rankings.items():
        for document in ranking.documents:
            if not document or document != document.strip() or not _fits_a_line(document):
                raise TellapartError(
                    f"a TREC run cannot hold the document id {document!r} (query {query!r}); "
                    "rename it without line breaks or spaces at its ends"
                )


def _fits_a_line(document: str) -> bool:
    unencodable = any("\ud800" <= character <= "\udfff" for character in document)
    return "\n" not in document and "\r" not in document and not unencodable

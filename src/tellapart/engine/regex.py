"""Units in which a regular expression matches: what a search can be restricted to, or answer by itself."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import Granularity
from tellapart.errors import TellapartError
from tellapart.index.reading import DocumentStore
from tellapart.index.snapshot import Snapshot

Counts = NDArray[np.int32]

_WORDS = re.compile(r"(?<!\\)[A-Za-z_][\w.]*\w")
_CLASSES = re.compile(r"\[[^\]]*\]|\\[A-Za-z]|\{[\d,]*\}|\(\?[A-Za-z<=!:P]*")


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Read a regular expression as Python's `re` does, `^` and `$` at every line.

    Raises:
        TellapartError: It is empty or none.
    """
    if not pattern:
        raise TellapartError("the regular expression is empty: every unit would match")
    try:
        return re.compile(pattern, re.MULTILINE)
    except (re.error, OverflowError, RecursionError) as error:
        raise TellapartError(f"{pattern!r} is not a regular expression: {error}") from None


def words_of_pattern(pattern: str) -> str:
    r"""Give the words that every match is likely to have, to rank matches by: `def parse_\w+` -> `def parse_`."""
    return " ".join(_WORDS.findall(_CLASSES.sub(" ", pattern))) or pattern


def count_matches(
    pattern: str,
    snapshot: Snapshot,
    store: DocumentStore,
    levels: Sequence[Granularity],
    numbers: Sequence[int] | None,
) -> Mapping[Granularity, Counts]:
    """Count, for each unit of each level, the matches that begin in it: (rows,) a level; texts are read one by one."""
    compiled = compile_pattern(pattern)
    tables = {level: snapshot.units(level) for level in levels}
    counts = {level: np.zeros(table.n_rows, np.int32) for level, table in tables.items()}
    places = {
        level: dict(zip(table.documents.tolist(), table.offsets.tolist(), strict=False))
        for level, table in tables.items()
    }
    wanted = None if numbers is None else set(numbers)
    for number, _, _, text in store.texts():
        if wanted is not None and number not in wanted:
            continue
        starts = [match.start() for match in compiled.finditer(text) if match.group()]
        if not starts:
            continue
        tree = store.documents([number])[number].tree
        for level in levels:
            if level in tree.levels:
                ordinals = np.searchsorted(tree.levels[level].starts, starts, side="right") - 1
                np.add.at(counts[level], places[level][number] + ordinals, 1)
    return counts

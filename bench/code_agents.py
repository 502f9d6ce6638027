"""What an agent reads until it sees what it looked for: tellapart and semble without a model, and keyword grep.

    TELLAPART_DATA=... python bench/code_agents.py --checkouts DIR --semble FILE --output FILE

The 852 queries of semble's benchmark, each asked once. tellapart ranks by weights fitted without the query's
repository; FILE is what bench/code_semble.py wrote. The third reader greps for the words of the query, sees the files
that have most of them (rare words count more) and reads a window of each around the lines where they are densest:
what a careful agent does without a search engine. What is read is counted in tokens of the bundled tokenizer.
"""

from __future__ import annotations

import argparse
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from code_data import Judged, Place, Repository, Searched, covers, repositories, searched
from code_fit import cross_fit, folds
from code_search import CATEGORIES
from judged import data_folder, publish, table
from tellapart.engine.packing import count_tokens, count_tokens_of
from tellapart.experiments.semble import Target
from tellapart.experiments.statistics import compare, estimate_means
from tellapart.index.lexical.tokens import STOP_WORDS
from tellapart.rankers.structure import DECAY
from tellapart.rankers.structure_features import FEATURES
from tellapart.rankers.structure_weights import Weights

TOP = 10
WINDOW = 50
"""Lines that grep's reader looks at around the densest matches of a file."""

HEADER = 12
"""Tokens of the line that names a file and its lines, about."""

LISTED = 20
"""Files that grep's reader sees the names of before it opens one."""

LIMITS = (500, 1_000, 2_000, 4_000, 8_000)
BUDGET, ANSWER, MOST = 2_000, 4_000, 8_000
"""Recall is counted at BUDGET; an answer of the MCP server has ANSWER tokens; a reader gives up after MOST."""

# fmt: off
_QUESTION = frozenset({
    "how", "what", "where", "when", "which", "who", "why", "does", "do", "did", "can", "could", "should", "has", "have",
    "from", "its",
})
# fmt: on


@dataclass
class Files:
    """The text files of a repository, and what each line of them costs."""

    folder: Path
    _lines: dict[str, list[str]] = field(default_factory=dict)
    _tokens: dict[tuple[str, int], int] = field(default_factory=dict)

    def lines(self, path: str) -> list[str]:
        """Give the lines of a file."""
        if path not in self._lines:
            self._lines[path] = (self.folder / path).read_text(encoding="utf-8", errors="replace").split("\n")
        return self._lines[path]

    def tokens(self, place: Place) -> NDArray[np.int64]:
        """Count the tokens of each line of a place, its end of line included."""
        path, first, last = place
        lines = self.lines(path)[first - 1 : last]
        new = [number for number in range(first, first + len(lines)) if (path, number) not in self._tokens]
        counts = count_tokens_of([lines[number - first] for number in new])
        self._tokens.update({(path, number): 1 + count for number, count in zip(new, counts, strict=True)})
        return np.array([self._tokens[path, number] for number in range(first, first + len(lines))], np.int64)


@dataclass(frozen=True)
class Reading:
    """One query read to its end: tokens until each target was seen first, inf where it never was."""

    until: tuple[float, ...]

    @property
    def first(self) -> float:
        """Tokens until any of them was seen."""
        return min(self.until)

    def recall(self, budget: int) -> float:
        """Share of the targets seen within a budget."""
        return float(np.mean([each <= budget for each in self.until]))


def read(places: Sequence[Place], targets: Sequence[Target], files: Files, spent: int = 0) -> Reading:
    """Read places in order, and note when each target is seen."""
    until = [math.inf] * len(targets)
    for place in places:
        tokens = files.tokens(place)
        spent += HEADER
        reached = spent + np.cumsum(tokens)
        for at, target in enumerate(targets):
            if until[at] == math.inf and len(tokens) and covers(place, target):
                begins = place[1] if target.lines is None else max(place[1], target.lines[0])
                until[at] = float(reached[min(begins - place[1], len(reached) - 1)])
        spent += int(tokens.sum())
    return Reading(tuple(until))


class Grep:
    """Reads as an agent with grep: the files that have most words of the query, a window of each."""

    def __init__(self, one: Searched, files: Files) -> None:
        paths = (one.snapshot.names.path(at) for at in range(one.snapshot.names.n_documents))
        self.files = files
        self.texts = {
            path: "\n".join(files.lines(path)).lower() for path in paths if (files.folder / path).is_file()
        }

    def places(self, text: str) -> tuple[list[Place], int]:
        """Give the windows in the order in which they are read, and the tokens of the list of files before them."""
        words = self._words(text)
        found = {word: {path for path, content in self.texts.items() if word in content} for word in words}
        rare = {word: math.log(1 + len(self.texts) / max(len(paths), 1)) for word, paths in found.items()}
        score = {
            path: sum(rare[word] for word in words if path in found[word])
            for path in set().union(*found.values())
        }
        best = sorted(
            score, key=lambda path: (-score[path], -sum(self.texts[path].count(w) for w in words), path)
        )
        listed = sum(count_tokens(path) + 4 for path in best[:LISTED])
        return [self._window(path, words, rare) for path in best[:TOP]], listed

    def _words(self, text: str) -> list[str]:
        """What is searched for: a name as it stands, of a sentence the words that say something."""
        words = dict.fromkeys(re.findall(r"\w+", text.lower()))
        return [w for w in words if len(w) > 1 and w not in STOP_WORDS and w not in _QUESTION] or list(words)

    def _window(self, path: str, words: Sequence[str], rare: Mapping[str, float]) -> Place:
        lines = self.texts[path].split("\n")
        has = np.array([[word in line for line in lines] for word in words], dtype=np.int64)
        if len(lines) <= WINDOW:
            return path, 1, len(lines)
        sums = np.cumsum(np.pad(has, ((0, 0), (1, 0))), axis=1)
        inside = sums[:, WINDOW:] - sums[:, :-WINDOW]
        weights = np.array([rare[word] for word in words])
        value = weights @ (inside > 0) + 1e-3 * inside.sum(axis=0)
        first = int(value.argmax())
        return path, first + 1, first + WINDOW


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--checkouts", type=Path, required=True)
    options.add_argument("--indexes", type=Path, default=Path("build") / "code")
    options.add_argument("--semble", type=Path, required=True)
    options.add_argument("--only", action="append", default=[])
    options.add_argument("--output", type=Path)
    chosen = options.parse_args()
    every = repositories(data_folder(), chosen.checkouts, chosen.only)
    semble = json.loads(chosen.semble.read_text(encoding="utf-8"))
    judged = [
        one.judged(query)
        for one in searched(every, chosen.indexes)
        for query in one.repository.annotations.targets
    ]
    run = cross_fit(judged, FEATURES, folds(judged, lambda each: each.repository.name, min(5, len(every))))
    weights = {each.query: own for each, own in zip(judged, run.weights, strict=True)}
    readings: dict[str, list[Reading]] = {"tellapart": [], "semble": [], "grep and windows": []}
    for one in searched(every, chosen.indexes):
        for name, reading in _readings(one, weights, semble[one.repository.name]["results"]):
            readings[name].append(reading)
    publish(_page(judged, readings), chosen.output)


def _readings(
    one: Searched, weights: Mapping[str, Weights], semble: Sequence[Sequence[Place]]
) -> Iterator[tuple[str, Reading]]:
    repository: Repository = one.repository
    files = Files(repository.folder)
    grep = Grep(one, files)
    for number, (query, targets) in enumerate(repository.annotations.targets.items()):
        yield "tellapart", read(one.answer(query, weights[query], DECAY), targets, files)
        theirs: list[Place] = [(path, first, last) for path, first, last in semble[number]]
        yield "semble", read(theirs[:TOP], targets, files)
        windows, listed = grep.places(repository.annotations.queries.texts[query])
        yield "grep and windows", read(windows, targets, files, listed)


def _page(judged: Sequence[Judged], readings: Mapping[str, Sequence[Reading]]) -> str:
    repositories_of = np.array([each.repository.name for each in judged])
    names = sorted(set(repositories_of))

    def means(values: Sequence[float]) -> NDArray[np.float64]:
        array = np.array(values)
        return np.array([array[repositories_of == name].mean() for name in names])

    measures = {
        f"tokens until the first relevant line (at most {MOST:,})": (
            lambda r: min(r.first / MOST, 1.0),
            MOST,
        ),
        f"recall at {BUDGET:,} tokens": (lambda r: r.recall(BUDGET), 1),
        f"first query succeeds (within {ANSWER:,} tokens)": (lambda r: float(r.first <= ANSWER), 1),
    }
    rows = []
    for what, (of, scale) in measures.items():
        values = {name: means([of(each) for each in own]) for name, own in readings.items()}
        shown = [_interval(own, scale) for own in values.values()]
        gaps = [_gap(values["tellapart"], values[other], scale) for other in list(values)[1:]]
        rows.append([what, *shown, *gaps])
    within = [
        [
            f"{limit:,}",
            *(f"{np.mean([each.first <= limit for each in own]):.3f}" for own in readings.values()),
        ]
        for limit in LIMITS
    ]
    medians = ["median tokens", *(f"{np.median([e.first for e in own]):,.0f}" for own in readings.values())]
    by_category = [
        [
            category,
            *(
                f"{np.mean([r.recall(BUDGET) for r, e in zip(own, judged, strict=True) if e.category == category]):.3f}"
                for own in readings.values()
            ),
        ]
        for category in CATEGORIES
    ]
    heads = list(readings)
    return f"""# What an agent reads until it finds the code

`python bench/code_agents.py`: {len(names)} repositories, {len(judged)} queries of semble's benchmark, each asked once,
no model on either side. tellapart and semble answer with ten places, read in order; tellapart's weights were fitted
without the query's repository. grep's reader searches for the words of the query, sees the names of the {LISTED} files
that have most of them, rare words counting more, and reads {WINDOW} lines of each of the first {TOP}, where most of the
words stand together. A place is relevant from its first judged line on. Tokens are those of the bundled tokenizer.
Means over repositories with 95 % intervals over repositories; differences are paired.

{table(["", *heads, "tellapart minus semble", "tellapart minus grep"], rows)}
## Queries with a relevant line within so many tokens

{table(["tokens", *heads], [*within, medians])}
## Recall at {BUDGET:,} tokens by kind of query

{table(["", *heads], by_category)}"""


def _interval(values: NDArray[np.float64], scale: int) -> str:
    found = estimate_means(values[:, None])[0]
    mean, low, high = (_number(scale * each, scale, "") for each in (found.mean, found.low, found.high))
    return f"{mean} [{low}, {high}]"


def _gap(a: NDArray[np.float64], b: NDArray[np.float64], scale: int) -> str:
    found = compare(a, b)
    mean, low, high = (
        _number(scale * each, scale, "+") for each in (found.difference, found.low, found.high)
    )
    return f"{mean} [{low}, {high}], p {found.p:.3f}"


def _number(value: float, scale: int, sign: str) -> str:
    return f"{value:{sign},.0f}" if scale > 1 else f"{value:{sign}.3f}"


if __name__ == "__main__":
    main()

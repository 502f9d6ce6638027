"""What was measured on the SVM, as tables: means, and paired differences with interval and p."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from judged import table
from svm_methods import RATIOS
from tellapart.evaluation.statistics import Comparison, compare, holm

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Result:
    """One method on one task of one collection: `values` per query, the settings its folds chose."""

    family: str
    name: str
    encoder: str
    task: str
    method: str
    queries: NDArray[np.int64]
    values: Values
    settings: tuple[str, ...]
    milliseconds: float


@dataclass(frozen=True)
class Gain:
    """A paired difference; `base` is the mean that it is a share of, where that is shown."""

    found: Comparison
    base: float | None = None


Cell = str | Gain
Table = tuple[str, str, Sequence[str], list[list[Cell]]]
"""Title, what it shows, head, rows."""

EXAMPLE_METHODS = ("mean (k-NN)", "centred mean", "nearest example", "closed form", "closed form on the mean")
BOTH_METHODS = (
    "query + mean (Rocchio)",
    "centred query + mean",
    "closed form, query + examples",
    "closed form on query + mean",
)
WRONG_METHODS = (
    "Rocchio, counter-examples",
    "centred Rocchio, counter-examples",
    "closed form, counter-examples",
)


class Measured:
    """All results, looked up by what they are of; judged sets also pooled."""

    def __init__(self, results: Sequence[Result]) -> None:
        self.results = results

    def groups(self) -> list[tuple[str, str]]:
        """(collection, encoder) in the order of measuring, the judged sets together first."""
        pooled = [("judged, pooled", encoder) for encoder in _unique(r.encoder for r in self._of("judged"))]
        return pooled + [(r.name, r.encoder) for r in _first(self.results) if r.family != "judged"]

    def sets(self) -> list[tuple[str, str]]:
        """Every (collection, encoder), nothing pooled."""
        return [(r.name, r.encoder) for r in _first(self.results)]

    def tasks(self) -> list[str]:
        return _unique(r.task for r in self.results)

    def values(self, name: str, encoder: str, task: str, method: str) -> Values | None:
        """Values per query; those of the judged sets one after another where pooled."""
        found = [
            r.values
            for r in self.results
            if (r.encoder, r.task, r.method) == (encoder, task, method)
            and (r.name == name or (name == "judged, pooled" and r.family == "judged"))
        ]
        return np.concatenate(found) if found else None

    def _of(self, family: str) -> list[Result]:
        return [r for r in self.results if r.family == family]


def document(results: Sequence[Result], about: str, seconds: float) -> str:
    """Write the whole page."""
    measured = Measured(results)
    tables = [
        words(measured),
        examples(measured),
        both(measured),
        counter_examples(measured),
        exact(measured),
        each_set(measured),
    ]
    gains = [cell.found for *_, rows in tables for row in rows for cell in row if isinstance(cell, Gain)]
    adjusted = iter(holm([gain.p for gain in gains]))
    command, explained = about.split("\n\n    ")[1].split("\n\n", 1)
    text = [
        f"# The SVM against nearest neighbours\n\n`{command.strip()}`\n\n{' '.join(explained.split())}"
        " Differences are paired, with a bootstrap-t interval at 95 % (10,000 draws) over queries, and p of 10,000"
        f" sign flips, in brackets Holm's over all {len(gains)} comparisons of this page. Seed 0; encoder minilm as"
        f" bundled, lsa fitted on each set; one vector a document, float16 as indexed. {seconds / 60:.0f} minutes"
        " on one core, vectors made before.\n"
    ]
    for title, shows, head, rows in tables:
        written = [[_text(cell, adjusted) for cell in row] for row in rows]
        text.append(f"## {title}\n\n{shows}\n\n{table(head, written)}")
    text.append(settings(measured))
    return "\n".join(text)


def words(measured: Measured) -> Table:
    rows: list[list[Cell]] = []
    for name, encoder in [*measured.groups()[:2], *measured.sets()]:
        values = [measured.values(name, encoder, "words", m) for m in ("k-NN", "centred k-NN", "closed form")]
        if values[0] is not None:
            rows.append(
                [name, encoder, *_line(values), _gain(values[2], values[0]), _gain(values[1], values[0])]
            )
    head = (
        "set",
        "encoder",
        "queries",
        "k-NN",
        "centred k-NN",
        "closed form",
        "closed form - k-NN",
        "centred - k-NN",
    )
    return "A text query and nothing else", "The query's words are the only positive.", head, rows


def examples(measured: Measured) -> Table:
    rows: list[list[Cell]] = []
    for name, encoder in measured.groups():
        for task in _sized(measured, "examples"):
            values = [measured.values(name, encoder, task, method) for method in EXAMPLE_METHODS]
            mean, centred, _, closed, pooled = values
            if mean is not None and closed is not None and pooled is not None:
                better = pooled if pooled.mean() > closed.mean() else closed
                del better
                rows.append(
                    [name, encoder, task.split()[0], *_line(values), _share(pooled, mean), _gain(pooled, centred),
                     _gain(closed, pooled)]
                )  # fmt: skip
    head = (
        "set", "encoder", "examples", "queries", "mean", "centred mean", "nearest", "closed form", "on the mean",
        "on the mean - mean", "on the mean - centred mean", "closed form - on the mean",
    )  # fmt: skip
    shows = (
        "Examples alone; with one, a document is the query (more like this). `closed form` has every example as a"
        " positive, `on the mean` their mean as one."
    )
    return "Examples", shows, head, rows


def both(measured: Measured) -> Table:
    rows: list[list[Cell]] = []
    for name, encoder in measured.groups():
        for task in _sized(measured, "examples"):
            values = [measured.values(name, encoder, task, method) for method in BOTH_METHODS]
            rocchio, centred, closed, pooled = values
            if rocchio is not None:
                alone = measured.values(name, encoder, task, "mean (k-NN)")
                rows.append(
                    [name, encoder, task.split()[0], *_line(values), _gain(rocchio, alone), _gain(closed, rocchio),
                     _gain(closed, centred), _gain(pooled, rocchio)]
                )  # fmt: skip
    head = (
        "set", "encoder", "examples", "queries", "Rocchio", "centred", "closed form", "on query + mean",
        "Rocchio - mean of the examples", "closed form - Rocchio", "closed form - centred", "on query + mean - Rocchio",
    )  # fmt: skip
    return "Examples beside the query's words", "The words count as one more example, or half.", head, rows


def counter_examples(measured: Measured) -> Table:
    rows: list[list[Cell]] = []
    for name, encoder in measured.groups():
        for task in measured.tasks():
            if "wrong" not in task and "top" not in task:
                continue
            plain = [measured.values(name, encoder, task, m) for m in (BOTH_METHODS[0], BOTH_METHODS[2])]
            if plain[0] is None:
                plain = [
                    measured.values(name, encoder, task, m) for m in (EXAMPLE_METHODS[0], EXAMPLE_METHODS[3])
                ]
            sharper = [measured.values(name, encoder, task, m) for m in WRONG_METHODS]
            if plain[0] is not None and sharper[0] is not None:
                rows.append(
                    [name, encoder, task, *_line([*plain, *sharper]), _gain(sharper[0], plain[0]),
                     _gain(sharper[2], plain[1]), _gain(sharper[2], sharper[0]), _gain(sharper[2], sharper[1])]
                )  # fmt: skip
    head = (
        "set", "encoder", "task", "queries", "Rocchio without", "closed form without", "Rocchio with",
        "centred Rocchio with", "closed form with", "Rocchio: with - without", "closed form: with - without",
        "closed form - Rocchio, both with", "closed form - centred, both with",
    )  # fmt: skip
    shows = "Beside the query's words (images have none). The counter-examples are hidden from every ranking."
    return "Counter-examples", shows, head, rows


def exact(measured: Measured) -> Table:
    rows: list[list[Cell]] = []
    for name, encoder in measured.groups():
        for task in measured.tasks():
            machine = measured.values(name, encoder, task, "LinearSVC")
            if machine is None:
                continue
            base = "k-NN" if task.startswith("words") else "mean (k-NN)"
            knn, closed = (measured.values(name, encoder, task, m) for m in (base, "closed form"))
            values = [knn, closed, machine]
            rows.append(
                [
                    name,
                    encoder,
                    task.removesuffix(", sample"),
                    *_line(values),
                    _gain(machine, knn),
                    _gain(closed, machine),
                ]
            )
    head = (
        "set",
        "encoder",
        "task",
        "queries",
        "k-NN",
        "closed form",
        "LinearSVC",
        "LinearSVC - k-NN",
        "closed form - LinearSVC",
    )
    shows = (
        "LinearSVC (squared hinge, balanced, intercept; C of .01, .1, 1) against all other items, and the closed form, on"
        " at most 60 queries a set with one draw. The closed form is the same problem with squared error for the hinge."
    )
    return "The exact SVM", shows, head, rows


def each_set(measured: Measured) -> Table:
    rows: list[list[Cell]] = []
    for name, encoder in measured.sets():
        task = "3 examples"
        values = [
            measured.values(name, encoder, task, m)
            for m in ("mean (k-NN)", "centred mean", "closed form on the mean")
        ]
        if values[0] is None:
            continue
        rocchio, closed = (measured.values(name, encoder, task, BOTH_METHODS[at]) for at in (0, 2))
        rows.append(
            [name, encoder, *_line([*values, rocchio, closed]), _gain(values[2], values[0]), _gain(values[2], values[1]),
             _gain(closed, rocchio)]
        )  # fmt: skip
    head = (
        "set", "encoder", "queries", "mean", "centred mean", "closed form on the mean", "query + mean", "closed form, query + examples",
        "closed form - mean", "closed form - centred mean", "with words: closed form - Rocchio",
    )  # fmt: skip
    return "Set by set, 3 examples", "Where it wins and where it loses.", head, rows


def settings(measured: Measured) -> str:
    """How often the folds chose each lambda."""
    rows = []
    for task in ("words", *_sized(measured, "examples")):
        for method in ("closed form", "closed form on the mean", *BOTH_METHODS[2:]):
            chosen = Counter(
                at for r in measured.results if (r.task, r.method) == (task, method) for at in r.settings
            )
            if chosen:
                rows.append([task, method, *(str(chosen[at]) for at in range(len(RATIOS)))])
    head = ("task", "method", *(f"{ratio:g}" for ratio in RATIOS))
    return f"## Lambda, in mean eigenvalues, chosen by so many folds\n\n{table(head, rows)}"


def _line(values: Sequence[Values | None]) -> list[Cell]:
    """Number of queries and the means, the highest bold."""
    means = [None if each is None else float(each.mean()) for each in values]
    best = max(mean for mean in means if mean is not None)
    count = next(len(each) for each in values if each is not None)
    shown = ["" if mean is None else f"**{mean:.3f}**" if mean == best else f"{mean:.3f}" for mean in means]
    return [str(count), *shown]


def _gain(a: Values | None, b: Values | None) -> Cell:
    return "" if a is None or b is None else Gain(compare(a, b))


def _share(a: Values, b: Values) -> Cell:
    return Gain(compare(a, b), float(b.mean()))


def _text(cell: Cell, adjusted: object) -> str:
    if isinstance(cell, str):
        return cell
    found = cell.found
    share = ""
    if cell.base:
        share = f" = {found.difference / cell.base:+.0%} [{found.low / cell.base:+.0%}, {found.high / cell.base:+.0%}]"
    figures = f"{found.difference:+.3f} [{found.low:+.3f}, {found.high:+.3f}]{share}"
    return f"{figures}, p {_p(found.p)} ({_p(next(adjusted))})"  # type: ignore[call-overload]


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.0005 else "< .001"


def _sized(measured: Measured, what: str) -> list[str]:
    return [task for task in measured.tasks() if task.endswith(what)]


def _unique(values: object) -> list[str]:
    return list(dict.fromkeys(values))  # type: ignore[call-overload]


def _first(results: Sequence[Result]) -> list[Result]:
    """The first result of each collection and encoder."""
    return list({(r.name, r.encoder): r for r in reversed(results)}.values())[::-1]

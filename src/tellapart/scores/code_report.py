"""What `inspect --code` found, in sentences, in tables and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from math import isnan
from typing import Any

from tellapart.corpus.code.mutations import Mutation
from tellapart.experiments.verdict import Difference, Finding
from tellapart.scores.code_functions import LEAST_LINES
from tellapart.scores.inspecting_code import (
    QUANTILES,
    RELATED_BY_CHANCE,
    SAME_FILE,
    TELLING,
    CodeInspection,
    CodeTask,
    Distribution,
)

CELL = 20


def code_text(found: CodeInspection) -> str:
    """Lay out what was found for a terminal: sentences for each encoder, then the tables behind them."""
    lines = [_of_what(found), ""]
    for way in list(found.names)[2:]:
        lines += [found.names[way], *(f"  {sentence}" for sentence in code_sentences(found, way)), ""]
    tasks = [task for task in found.tasks if task.candidates]
    lines += _tasks(found, "is the right one found? mean reciprocal rank, 1 = always first", tasks)
    tasks = [task for task in found.tasks if not task.candidates]
    lines += _tasks(found, "is what it does told apart? share of functions, .5 = chance", tasks)
    return "\n".join([*lines, *_alike(found)])


def code_sentences(found: CodeInspection, way: str) -> list[str]:
    """Say what was found of one encoder, by its configuration; what was asked of no function is left out."""
    tasks = {task.name: task for task in found.tasks}
    said = []
    for name, words in (
        ("docstring -> function", "A docstring finds its function"),
        ("half -> other half", "One half of a function finds the other"),
    ):
        if name in tasks:
            said.append(f"{words}{_among(tasks[name], way)}.")
    names, logic = tasks.get("its names alone -> function"), tasks.get("its logic alone -> function")
    share = found.names_share(way)
    if names and logic:
        way_off = (
            ""
            if share is None
            else (f"; replacing all names takes {share:.0%} of the way from a function to an unrelated one")
        )
        said.append(
            f"The names of a function alone find it at {_value(names, way):.2f}, its code without names at"
            f" {_value(logic, way):.2f}{way_off}."
        )
    likely = {each.relation: each for each in found.distributions if each.likeness == way}
    changes = [(likely[each.value], words) for each, words in _CHANGES.items() if each.value in likely]
    if changes:
        listed = ", ".join(f"{_median(each)} {words}" for each, words in changes)
        said.append(f"A function's similarity to itself is {listed}.")
    buggy = [
        tasks[name]
        for each in TELLING
        if (name := f"{each.value}: further away than with {_RENAMED}") in tasks
    ]
    if buggy:
        nearer = sum((1 - _value(task, way)) * task.queries for task in buggy) / sum(t.queries for t in buggy)
        said.append(
            f"In {nearer:.0%} of the cases a function that such a change makes do something else is nearer to the"
            " original than a copy that does the same with other names."
        )
    if RELATED_BY_CHANCE in likely:
        low, high = likely[RELATED_BY_CHANCE].quantiles[0], likely[RELATED_BY_CHANCE].quantiles[-1]
        near = f"; functions of one file are at {_median(likely[SAME_FILE])}" if SAME_FILE in likely else ""
        said.append(
            f"Unrelated functions are at {_median(likely[RELATED_BY_CHANCE])} (90 % of them from {low:.2f} to"
            f" {high:.2f}){near}."
        )
    return said


_RENAMED = Mutation.RENAME.value
_CHANGES = {
    Mutation.RENAME: "with all names replaced",
    Mutation.CONDITION: "with a condition negated",
    Mutation.OPERATOR: "with an operator changed",
    Mutation.CONSTANT: "with a constant changed",
}


def _of_what(found: CodeInspection) -> str:
    drawn = (
        "all"
        if found.functions == found.total
        else f"{found.functions:,} of {found.total:,}, drawn at random,"
    )
    read = "" if found.read == found.of_files else f"; {found.read:,} of {found.of_files:,} files were read"
    return (
        f"functions of {LEAST_LINES} lines or more: {drawn} in {found.files:,} file{'s' * (found.files != 1)}{read};"
        " intervals hold 95 % and resample files"
    )


def _among(task: CodeTask, way: str) -> str:
    means = {each.name: each for each in task.verdict.findings}
    each, words = means[way], next(iter(means.values()))
    gap = each.vs_bm25
    beside = "" if gap is None else f"; BM25 {words.mean:.2f}, {_clearly(gap)}"
    few = f"; asked of only {task.queries} functions in few files" if task.few else ""
    return (
        f" among {task.candidates:,} at {each.mean:.2f} (mean reciprocal rank, 1 = always first{beside}{few})"
    )


def _clearly(gap: Difference) -> str:
    if gap.low > 0:
        return "clearly less"
    return "clearly more" if gap.high < 0 else "no clear difference"


def _value(task: CodeTask, way: str) -> float:
    return next(each.mean for each in task.verdict.findings if each.name == way)


def _median(each: Distribution) -> str:
    return f"{each.quantiles[2]:.2f}"


def _tasks(found: CodeInspection, title: str, tasks: Sequence[CodeTask]) -> list[str]:
    if not tasks:
        return []
    ways = list(found.names)
    width = max(len(title), *(len(task.name) for task in tasks))
    lines = [f"{title:<{width}}     n  " + "  ".join(f"{found.names[way]:<{CELL}}" for way in ways)]
    for task in tasks:
        means = {each.name: _interval(each) for each in task.verdict.findings}
        cells = "  ".join(f"{means[way]:<{CELL}}" for way in ways)
        few = "(few files)" if task.few else ""
        lines.append(f"{task.name:<{width}}  {task.queries:>4}  {cells}{few}".rstrip())
    return [*lines, ""]


def _interval(each: Finding) -> str:
    return f"{each.mean:.2f}" + ("" if isnan(each.low) else f" [{each.low:.2f}, {each.high:.2f}]")


def _alike(found: CodeInspection) -> list[str]:
    ways = list(found.names)
    title = "how alike are pairs? median and the middle 90 %"
    width = max(len(title), *(len(each.relation) for each in found.distributions))
    lines = [f"{title:<{width}}     n  " + "  ".join(f"{found.names[way]:<{CELL}}" for way in ways)]
    for relation in dict.fromkeys(each.relation for each in found.distributions):
        own = {each.likeness: each for each in found.distributions if each.relation == relation}
        cells = "  ".join(
            f"{q[2]:.2f} [{q[0]:.2f}, {q[4]:.2f}]".ljust(CELL) for q in (own[way].quantiles for way in ways)
        )
        lines.append(f"{relation:<{width}}  {own[ways[0]].pairs:>4}  {cells}".rstrip())
    return lines


def code_json(found: CodeInspection) -> dict[str, Any]:
    """Give what was found in the documented shape (docs/json.md)."""
    return {
        "functions": found.functions,
        "total": found.total,
        "files": found.files,
        "sentences": {name: code_sentences(found, name) for name in list(found.names)[2:]},
        "tasks": [
            {
                "name": task.name,
                "measure": task.verdict.measure,
                "queries": task.queries,
                "candidates": task.candidates or None,
                "values": [
                    {
                        "name": each.name,
                        "mean": each.mean,
                        "low": _number(each.low),
                        "high": _number(each.high),
                        "vs_bm25": None if each.vs_bm25 is None else _numbers(each.vs_bm25),
                    }
                    for each in task.verdict.findings
                ],
            }
            for task in found.tasks
        ],
        "distributions": [
            {
                "name": each.likeness,
                "relation": each.relation,
                "pairs": each.pairs,
                "quantiles": dict(zip(map(str, QUANTILES), each.quantiles, strict=True)),
            }
            for each in found.distributions
        ],
        "names_share": {name: found.names_share(name) for name in found.names},
    }


def _numbers(gap: Difference) -> dict[str, float | None]:
    return {name: _number(value) for name, value in asdict(gap).items()}


def _number(value: float) -> float | None:
    """JSON has no NaN: there is no interval where all functions are of one file."""
    return None if isnan(value) else value

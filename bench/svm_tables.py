"""What was measured on the SVM, as tables: means, and paired differences with interval and p."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from judged import table
from tellapart.experiments.statistics import Comparison, compare, holm

Values = NDArray[np.float64]
POOLED = "judged, pooled"


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
class Layout:
    """A table: for each group and task the means of some methods and differences between pairs of them.

    `names` shortens methods for the head; `shares` also shows a difference as a share of the second's mean.
    """

    title: str
    shows: str
    pooled: bool
    asks: Callable[[str], bool]
    names: dict[str, str]
    gains: tuple[tuple[str, str], ...]
    shares: bool = False


MEAN, CENTRED, NEAREST = "mean (k-NN)", "centred mean", "nearest example"
CLOSED, CLOSED_MEAN, RIDGE_MEAN = "closed form", "closed form on the mean", "ridge on the mean"
ROCCHIO, CENTRED_ROCCHIO = "query + mean (Rocchio)", "centred query + mean"
BOTH, BOTH_MEAN, RIDGE_BOTH = (
    "closed form, query + examples",
    "closed form on query + mean",
    "ridge on query + mean",
)
EXPANDED, EXPANDED_BOTH = "expanded ridge", "expanded ridge, query + mean"
WRONG_ROCCHIO, WRONG_CENTRED = "Rocchio, counter-examples", "centred Rocchio, counter-examples"
WRONG_CLOSED, WRONG_RIDGE = "closed form, counter-examples", "ridge, counter-examples"

LAYOUTS = (
    Layout(
        "A text query and nothing else",
        "The query's words are the only positive.",
        True,
        lambda task: task == "words",
        {"k-NN": "k-NN", "centred k-NN": "centred", CLOSED: CLOSED, "ridge": "ridge"},
        ((CLOSED, "k-NN"), ("ridge", "k-NN"), ("ridge", CLOSED)),
    ),
    Layout(
        "Examples alone",
        "With one, a document is the query (more like this). `closed form` has every example as a positive, `on the"
        " mean` their mean as the only one.",
        True,
        lambda task: task.endswith("examples"),
        {MEAN: "mean", CENTRED: "centred", NEAREST: "nearest", CLOSED: CLOSED, CLOSED_MEAN: "on the mean",
         RIDGE_MEAN: "ridge", EXPANDED: "expanded"},
        ((CLOSED_MEAN, MEAN), (RIDGE_MEAN, MEAN), (EXPANDED, MEAN), (CLOSED_MEAN, CENTRED), (RIDGE_MEAN, CENTRED),
         (EXPANDED, CENTRED), (EXPANDED, RIDGE_MEAN)),
        shares=True,
    ),
    Layout(
        "Examples beside the query's words",
        "The examples together weigh half as much as the words to 4 times, chosen as lambda is.",
        True,
        lambda task: task.endswith("examples"),
        {ROCCHIO: "Rocchio", CENTRED_ROCCHIO: "centred", BOTH: CLOSED, BOTH_MEAN: "on query + mean",
         RIDGE_BOTH: "ridge", EXPANDED_BOTH: "expanded"},
        ((BOTH, ROCCHIO), (BOTH, CENTRED_ROCCHIO), (BOTH_MEAN, ROCCHIO), (RIDGE_BOTH, ROCCHIO),
         (EXPANDED_BOTH, ROCCHIO), (RIDGE_BOTH, BOTH), (EXPANDED_BOTH, RIDGE_BOTH), (ROCCHIO, MEAN), (BOTH, MEAN),
         (RIDGE_BOTH, MEAN)),
    ),
    Layout(
        "Counter-examples beside examples and words",
        "`-` is the same ranker without them, `+` with them; they are hidden from every ranking.",
        True,
        lambda task: "wrong" in task or "top" in task,
        {ROCCHIO: "Rocchio -", BOTH: "closed form -", RIDGE_BOTH: "ridge -", WRONG_ROCCHIO: "Rocchio +",
         WRONG_CENTRED: "centred +", WRONG_CLOSED: "closed form +", WRONG_RIDGE: "ridge +"},
        ((WRONG_ROCCHIO, ROCCHIO), (WRONG_CLOSED, BOTH), (WRONG_RIDGE, RIDGE_BOTH), (WRONG_CLOSED, WRONG_ROCCHIO),
         (WRONG_RIDGE, WRONG_ROCCHIO)),
    ),
    Layout(
        "Counter-examples beside examples of images",
        "As before, without words.",
        True,
        lambda task: "wrong" in task,
        {MEAN: "mean -", CLOSED: "closed form -", RIDGE_MEAN: "ridge -", WRONG_ROCCHIO: "Rocchio +",
         WRONG_CENTRED: "centred +", WRONG_CLOSED: "closed form +", WRONG_RIDGE: "ridge +"},
        ((WRONG_ROCCHIO, MEAN), (WRONG_CLOSED, CLOSED), (WRONG_RIDGE, RIDGE_MEAN), (WRONG_CLOSED, WRONG_ROCCHIO)),
    ),
    Layout(
        "The exact SVM: words",
        "LinearSVC (squared hinge, balanced, intercept; C of .01, .1, 1) against all items, on at most 50 queries a"
        " set. The closed form is the same problem with squared error for the hinge.",
        True,
        lambda task: task == "words, sample",
        {"k-NN": "k-NN", CLOSED: CLOSED, "ridge": "ridge", "LinearSVC": "LinearSVC"},
        (("LinearSVC", "k-NN"), (CLOSED, "LinearSVC"), ("ridge", "LinearSVC")),
    ),
    Layout(
        "The exact SVM: 3 examples",
        "The same with one draw of 3 examples, no words.",
        True,
        lambda task: task.endswith("examples, sample"),
        {MEAN: "mean", CLOSED: CLOSED, CLOSED_MEAN: "on the mean", RIDGE_MEAN: "ridge", "LinearSVC": "LinearSVC"},
        (("LinearSVC", MEAN), (CLOSED, "LinearSVC"), (RIDGE_MEAN, "LinearSVC")),
    ),
    Layout(
        "What search finds: 3 examples and words",
        "The rankers of `tellapart search TEXT --like A --like B --like C` at their defaults, documents of all judged"
        " sets. bm25 adds the examples' words to the query's; hybrid and rrf put bm25 and ridge together.",
        True,
        lambda task: task == "3 examples, by search",
        {name: name for name in ("bm25", "rocchio", "svm", "ridge", "rrf", "hybrid")},
        (("svm", "rocchio"), ("ridge", "rocchio"), ("ridge", "svm"), ("hybrid", "bm25"), ("hybrid", "rocchio"),
         ("hybrid", "svm"), ("hybrid", "ridge"), ("hybrid", "rrf")),
    ),
    Layout(
        "Set by set: 3 examples alone",
        "Where it wins and where it loses.",
        False,
        lambda task: task == "3 examples",
        {MEAN: "mean", CENTRED: "centred", CLOSED_MEAN: "closed form on the mean", RIDGE_MEAN: "ridge"},
        ((CLOSED_MEAN, MEAN), (RIDGE_MEAN, MEAN), (RIDGE_MEAN, CENTRED)),
    ),
    Layout(
        "Set by set: 3 examples and words",
        "",
        False,
        lambda task: task == "3 examples",
        {ROCCHIO: "Rocchio", CENTRED_ROCCHIO: "centred", BOTH: CLOSED, BOTH_MEAN: "on query + mean",
         RIDGE_BOTH: "ridge"},
        ((BOTH, ROCCHIO), (RIDGE_BOTH, ROCCHIO)),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Gain:
    """A paired difference; `base` is the mean that it is a share of, where that is shown."""

    found: Comparison
    base: float | None


Row = list[str | Gain]


def document(results: Sequence[Result], about: str, seconds: float) -> str:
    """Write the whole page."""
    filled = [(layout, list(_rows(layout, results))) for layout in LAYOUTS]
    gains = [cell.found for _, rows in filled for row in rows for cell in row if isinstance(cell, Gain)]
    adjusted = iter(holm([gain.p for gain in gains]))
    first, _, explained = about.partition("\n\n    ")
    command, _, explained = explained.partition("\n\n")
    parts = [
        f"# The SVM against nearest neighbours\n\n`{command}`\n\n{first} {' '.join(explained.split())} Differences are"
        " paired, with a bootstrap-t interval at 95 % (10,000 draws) over queries, and p of 10,000 sign flips, in"
        f" brackets Holm's over all {len(gains)} comparisons of this page. The best mean of a row is bold, which does"
        " not mean that it is separated. Encoders: minilm as bundled, lsa fitted on each set; float16 as indexed."
        f" Seed 0; {seconds / 60:.0f} minutes on one core, vectors made before.\n"
    ]
    for layout, rows in filled:
        head = ["set", "encoder", "task", "queries", *layout.names.values()]
        head += [f"{_short(layout, a)} - {_short(layout, b)}" for a, b in layout.gains]
        written = [[cell if isinstance(cell, str) else _text(cell, adjusted) for cell in row] for row in rows]
        parts.append(f"## {layout.title}\n\n{layout.shows}\n\n{table(head, written)}")
    return "\n".join([*parts, _settings(results)])


def _rows(layout: Layout, results: Sequence[Result]) -> Iterator[Row]:
    for name, encoder in _groups(results, pooled=layout.pooled):
        mine = [
            r
            for r in results
            if r.encoder == encoder and (r.name == name or (name == POOLED and r.family == "judged"))
        ]
        for task in filter(layout.asks, _unique(r.task for r in mine)):
            found = {method: _values(mine, task, method) for method in _methods(layout)}
            if any(found[method] is None for method in layout.names):
                continue
            means = [float(np.mean(found[method])) for method in layout.names]
            shown = [f"**{mean:.3f}**" if mean == max(means) else f"{mean:.3f}" for mean in means]
            count = str(len(next(values for values in found.values() if values is not None)))
            gains = [_gain(found[a], found[b], share=layout.shares) for a, b in layout.gains]
            yield [name, encoder, task.removesuffix(", sample"), count, *shown, *gains]


def _groups(results: Sequence[Result], *, pooled: bool) -> list[tuple[str, str]]:
    """(collection, encoder) in the order of measuring; judged sets as one where pooled, and first."""
    singles = list(dict.fromkeys((r.name, r.encoder) for r in results if not pooled or r.family != "judged"))
    together = list(dict.fromkeys((POOLED, r.encoder) for r in results if r.family == "judged"))
    return [*together, *singles]


def _values(results: Sequence[Result], task: str, method: str) -> Values | None:
    found = [r.values for r in results if (r.task, r.method) == (task, method)]
    return np.concatenate(found) if found else None


def _methods(layout: Layout) -> Iterable[str]:
    return dict.fromkeys([*layout.names, *(method for pair in layout.gains for method in pair)])


def _gain(a: Values | None, b: Values | None, *, share: bool) -> str | Gain:
    if a is None or b is None:
        return ""
    return Gain(compare(a, b), float(b.mean()) if share else None)


def _text(gain: Gain, adjusted: Iterator[float]) -> str:
    found = gain.found
    figures = f"{found.difference:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"
    if gain.base:
        low, high = found.low / gain.base, found.high / gain.base
        figures += f" = {found.difference / gain.base:+.0%} [{low:+.0%}, {high:+.0%}]"
    return f"{figures}, p {_p(found.p)} ({_p(next(adjusted))})"


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.0005 else "< .001"


def _short(layout: Layout, method: str) -> str:
    return layout.names.get(method, "mean" if method == MEAN else method)


def _settings(results: Sequence[Result]) -> str:
    """Say what cross-validation chose, over folds and sets."""
    rows = []
    for task, method in dict.fromkeys((r.task, r.method) for r in results if r.settings):
        for family in _unique(r.family for r in results):
            chosen = Counter(
                each
                for r in results
                if (r.family, r.task, r.method) == (family, task, method)
                for each in r.settings
            )
            if chosen:
                rows.append([family, task, method, "; ".join(f"{s} ({n})" for s, n in chosen.most_common(3))])
    head = ("sets", "task", "method", "settings (folds that chose them)")
    return (
        "## Settings that were chosen\n\nLambda in mean eigenvalues, then the weight of the examples beside the query's"
        " words, which weigh 1; with counter-examples the weights of examples and counter-examples; C for LinearSVC."
        f"\n\n{table(head, rows)}"
    )


def _unique(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))

"""How well is code embedded? Writes docs/code-embeddings.md and its picture.

    TELLAPART_DATA=... python bench/code_embeddings.py --page docs/code-embeddings.md

The corpus is the standard library of the Python that runs this: the modules below, as they are installed. The same
questions as `tellapart inspect --code` asks of any code base; Java and C# (java-cs) beside them, which are the same
functions in two languages.
"""

from __future__ import annotations

import argparse
import json
import platform
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from shutil import copy2
from textwrap import fill

import numpy as np

from judged import data_folder, table
from tellapart.corpus.code.languages import LANGUAGES
from tellapart.corpus.code.mutations import Mutation, names_in, replaced_names
from tellapart.encoders.load import load_encoder
from tellapart.engine import Index
from tellapart.experiments.qrels import read_qrels
from tellapart.experiments.verdict import Finding
from tellapart.progress import silent
from tellapart.scores.code_similarity import fitted_lsa, likenesses
from tellapart.scores.inspecting_code import (
    RELATED_BY_CHANCE,
    SAME_FILE,
    CodeInspection,
    CodeTask,
    finding_task,
    inspect_code,
)

# fmt: off
MODULES = (
    "argparse", "ast", "base64", "bdb", "bisect", "calendar", "cmd", "codecs", "colorsys", "configparser",
    "contextlib", "copy", "csv", "datetime", "difflib", "dis", "doctest", "enum", "filecmp", "fileinput", "fnmatch",
    "fractions", "ftplib", "functools", "gettext", "glob", "gzip", "hashlib", "heapq", "imaplib", "inspect",
    "ipaddress", "locale", "mailbox", "mimetypes", "netrc", "nntplib", "numbers", "operator", "optparse", "pdb",
    "pickle", "pickletools", "platform", "plistlib", "poplib", "posixpath", "pprint", "queue", "random", "reprlib",
    "sched", "selectors", "shelve", "shlex", "shutil", "smtplib", "socket", "socketserver", "statistics", "string",
    "stringprep", "subprocess", "symtable", "tarfile", "tempfile", "textwrap", "threading", "timeit", "tokenize",
    "trace", "traceback", "turtle", "types", "uuid", "warnings", "wave", "weakref", "webbrowser", "zipfile",
)
# fmt: on
FUNCTIONS, PAIRS = 150, 150
WRAPPED = 118
WAYS = ("minilm/function/knn", "lsa/function/knn", "function/bm25", "terms/function/knn")
SHOWN: Mapping[str, str] = {
    RELATED_BY_CHANCE: "two functions of different files",
    SAME_FILE: "two functions of one file",
    "docstring and function": "a docstring and its function",
    "two halves": "two halves of a function",
    Mutation.RENAME.value: "a function, all names replaced",
    Mutation.STRIP.value: "a function without its comments",
    Mutation.CONSTANT.value: "a function, a constant changed",
    Mutation.OPERATOR.value: "a function, an operator changed",
    Mutation.CONDITION.value: "a function, a condition negated",
}
PICTURED = ("minilm/function/knn", "lsa/function/knn", "terms/function/knn")


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--page", type=Path, required=True)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        library = Path(name) / "library"
        library.mkdir()
        for module in MODULES:
            file = Path(sysconfig.get_paths()["stdlib"]) / f"{module}.py"
            if file.is_file():
                copy2(file, library)
        with Index.build([library], Path(name) / "index", encoders=()) as index:
            found = inspect_code(index, most=FUNCTIONS)
    languages = _languages()
    chosen.page.write_text(_page(found, languages), encoding="utf-8")
    chosen.page.with_suffix(".svg").write_text(_picture(found), encoding="utf-8")


def _languages() -> list[CodeTask]:
    """Look for the C# of Java methods, as they are and without the names that both have."""
    folder = data_folder() / "java-cs"
    qrels = read_qrels(folder / "qrels" / "valid.tsv").grades
    java = _texts(folder / "queries.jsonl")
    sharp = _texts(folder / "corpus.jsonl")
    asked = sorted(query for query in qrels if query in java)[:PAIRS]
    answers = {query: next(iter(qrels[query])) for query in asked}
    candidates = sorted(set(answers.values()))
    place = {name: at for at, name in enumerate(candidates)}
    plain = [(java[q], sharp[answers[q]]) for q in asked]
    stripped = [_without_shared(*pair) for pair in plain]
    corpus = [sharp[name] for name in candidates]
    ways = likenesses([fitted_lsa([*corpus, *(a for a, _ in plain)]), load_encoder("minilm")], corpus, silent)
    tasks = []
    for name, pairs in (("Java -> C#", plain), ("Java -> C#, without the names that both have", stripped)):
        texts = dict(zip((answers[q] for q in asked), (b for _, b in pairs), strict=True))
        documents = [(texts[name],) for name in candidates]
        rows = [place[answers[q]] for q in asked]
        tasks.append(finding_task(name, ways, [a for a, _ in pairs], documents, rows, asked))
    return tasks


def _texts(path: Path) -> dict[str, str]:
    with path.open(encoding="utf-8") as lines:
        return {record["_id"]: record["text"] for record in map(json.loads, lines)}


def _without_shared(java: str, sharp: str) -> tuple[str, str]:
    """Replace in both what both name, whatever its case: Java and C# write `read` and `Read`."""
    one, other = names_in(java, LANGUAGES["java"]), names_in(sharp, LANGUAGES["csharp"])
    shared = {name.lower() for name in one} & {name.lower() for name in other}
    both = []
    for text, names, language in ((java, one, "java"), (sharp, other, "csharp")):
        own = frozenset(name for name in names if name.lower() in shared)
        both.append(replaced_names(text, LANGUAGES[language], own) or text)
    return both[0], both[1]


def _page(found: CodeInspection, languages: Sequence[CodeTask]) -> str:
    finding = [task for task in found.tasks if task.candidates]
    telling = [task for task in found.tasks if not task.candidates]
    return f"""# How well is code embedded?

{_sentences(found, languages)}

![How alike pairs of code are: medians, quartiles and the middle 90 %](code-embeddings.svg)

The same questions can be asked of any code base and any encoder:

```console
$ tellapart index src && tellapart inspect --code src
$ tellapart inspect --code src --encoder lsa --functions 100 --json
```

Everything below was written by `python bench/code_embeddings.py`: {found.functions} functions of {found.files} modules
of the standard library of Python {platform.python_version()}, drawn at random, each with five lines or more and up to
4,000 characters; {PAIRS} pairs of java-cs. Intervals hold 95 % and resample files. Changes are edits of the syntax
tree, kept only if the result parses without an error.

## Is the right one found?

Mean reciprocal rank of the answer among all candidates: 1 = always first.

{_tasks(found, [*finding, *languages])}
`docstring -> function`: the docstring's first sentence asks, and stands in no candidate. `half -> other half`: the
first half of the lines asks for the second. `its names alone`: every name once, in order; `its logic alone`: the
function without comments and docstring, every name a number. The other rows ask with a changed function for the
unchanged ones. `docstring -> class` and `-> file`: of these, the mean of the vectors of their functions, or all their
words.

## Is what does something else told apart?

Share of the functions for which the first is true; .5 is chance. A function with other names or without comments does
the same as before; one with another constant, operator or condition does not. A similarity of what code *does* would
be near 1 everywhere.

{_tasks(found, telling)}
## How alike are pairs?

Median and the middle 90 %. BM25's score is a share of what the first text scores for itself.

{_alike(found)}
Share of the similarity that goes with the names, from none (0) to the distance of unrelated functions (1):
{_shares(found)}.
"""


def _tasks(found: CodeInspection, tasks: Sequence[CodeTask]) -> str:
    rows = []
    for task in tasks:
        own = {each.name: each for each in task.verdict.findings}
        among = f" of {task.candidates}" if task.candidates else ""
        rows.append([task.name, f"{task.queries}{among}", *(_mean(own[way]) for way in WAYS)])
    return table(["", "asked", *(found.names[way] for way in WAYS)], rows)


def _mean(each: Finding) -> str:
    gap = each.vs_bm25
    beside = "" if gap is None else f"; {gap.difference:+.2f} [{gap.low:+.2f}, {gap.high:+.2f}]"
    return f"{each.mean:.2f} [{each.low:.2f}, {each.high:.2f}]{beside}"


def _alike(found: CodeInspection) -> str:
    rows = []
    for relation in dict.fromkeys(each.relation for each in found.distributions):
        own = {each.likeness: each for each in found.distributions if each.relation == relation}
        cells = [(own[way].quantiles[2], own[way].quantiles[0], own[way].quantiles[4]) for way in WAYS]
        rows.append(
            [
                relation,
                f"{own[WAYS[0]].pairs}",
                *(f"{m:.2f} [{low:.2f}, {high:.2f}]" for m, low, high in cells),
            ]
        )
    return table(["", "pairs", *(found.names[way] for way in WAYS)], rows)


def _shares(found: CodeInspection) -> str:
    return ", ".join(f"{found.names[way]} {found.names_share(way) or 0:.2f}" for way in WAYS)


def _sentences(found: CodeInspection, languages: Sequence[CodeTask]) -> str:
    """Put what the tables show into ten sentences; the figures are those of this run."""
    tasks = {
        task.name: {e.name: e.mean for e in task.verdict.findings} for task in (*found.tasks, *languages)
    }
    likely = {(e.likeness, e.relation): e.quantiles for e in found.distributions}
    mini, lsa, bm25, terms = WAYS

    def rr(task: str, way: str) -> str:
        return f"{tasks[task][way]:.2f}"

    def alike(relation: str, way: str = mini) -> str:
        return f"{likely[way, relation][2]:.2f}"

    rename, strip = Mutation.RENAME.value, Mutation.STRIP.value
    told = np.mean([tasks[f"{m.value}: further away than with {rename}"][mini] for m in (
        Mutation.CONSTANT, Mutation.OPERATOR, Mutation.CONDITION)])  # fmt: skip
    return "\n".join(
        fill(f"{number}. {sentence}", WRAPPED, subsequent_indent="   ")
        for number, sentence in enumerate(
            (
                f"A docstring finds its function: minilm puts the right one first or near it (mean reciprocal rank"
                f" {rr('docstring -> function', mini)}; BM25 {rr('docstring -> function', bm25)}).",
                f"A function finds its docstring about as well ({rr('function -> docstring', mini)}; BM25"
                f" {rr('function -> docstring', bm25)}).",
                f"One half of a function finds the other: {rr('half -> other half', mini)}, and by words alone"
                f" {rr('half -> other half', bm25)}.",
                f"What is found is names: the names alone, without any code, find their function"
                f" ({rr('its names alone -> function', mini)}), the code without names does so"
                f" less often ({rr('its logic alone -> function', mini)}).",
                f"Replacing every name takes {found.names_share(mini) or 0:.0%} of the way from the function itself to"
                f" an unrelated one.",
                f"An embedding does not see what code does: negating a condition leaves a similarity of"
                f" {alike(Mutation.CONDITION.value)}, changing an operator {alike(Mutation.OPERATOR.value)}, changing"
                f" a constant {alike(Mutation.CONSTANT.value)}.",
                f"So a function with a bug looks more like the original than a correct copy with other names"
                f" ({1 - told:.0%} of the time).",
                f"Taking comments and docstrings away changes more ({alike(strip)}) than any change to the logic.",
                f"The same function in another language is found ({rr('Java -> C#', mini)}), mostly by the names that"
                f" both versions share: without those {rr('Java -> C#, without the names that both have', mini)}"
                f" (BM25 {rr('Java -> C#', bm25)} and {rr('Java -> C#, without the names that both have', bm25)}).",
                f"A similarity has no meaning by itself: unrelated functions are at {alike(RELATED_BY_CHANCE)} for"
                f" minilm, {alike(RELATED_BY_CHANCE, lsa)} for lsa and {alike(RELATED_BY_CHANCE, terms)} for BM25's"
                f" term vectors, functions of one file at {alike(SAME_FILE)}, {alike(SAME_FILE, lsa)} and"
                f" {alike(SAME_FILE, terms)}.",
            ),
            start=1,
        )
    )


WIDTH, ROW, LEFT, PANEL, GAP, TOP = 960, 30, 240, 220, 20, 56
COLOURS = ("#1f6f8b", "#b3541e", "#5a6e2c")


def _picture(found: CodeInspection) -> str:
    """Draw a panel for each way to compare, a row for each kind of pair: the middle 90 %, the quartiles, the median."""
    likely = {(e.likeness, e.relation): e.quantiles for e in found.distributions}
    rows = [relation for relation in SHOWN if (PICTURED[0], relation) in likely]
    height = TOP + ROW * len(rows) + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif"'
        f' font-size="13"><rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="{LEFT}" y="20" font-size="15" font-weight="bold">How alike two pieces of code are</text>',
    ]
    for at, relation in enumerate(rows):
        y = TOP + ROW * at + ROW / 2
        parts.append(f'<text x="{LEFT - 12}" y="{y + 4}" text-anchor="end">{escape(SHOWN[relation])}</text>')
    for panel, way in enumerate(PICTURED):
        left = LEFT + panel * (PANEL + GAP)
        parts.append(f'<text x="{left}" y="42" fill="{COLOURS[panel]}">{escape(found.names[way])}</text>')
        for mark in (0.0, 0.5, 1.0):
            x = left + mark * PANEL
            parts.append(
                f'<line x1="{x}" x2="{x}" y1="{TOP}" y2="{TOP + ROW * len(rows)}" stroke="#ddd"/>'
                f'<text x="{x}" y="{TOP + ROW * len(rows) + 18}" text-anchor="middle" fill="#666">{mark:g}</text>'
            )
        for at, relation in enumerate(rows):
            y = TOP + ROW * at + ROW / 2
            low, first, middle, third, high = (
                left + PANEL * min(max(q, 0), 1) for q in likely[way, relation]
            )
            parts.append(
                f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}" stroke="{COLOURS[panel]}"/>'
                f'<rect x="{first:.1f}" y="{y - 6}" width="{max(third - first, 1):.1f}" height="12"'
                f' fill="{COLOURS[panel]}" fill-opacity=".35"/>'
                f'<circle cx="{middle:.1f}" cy="{y}" r="4" fill="{COLOURS[panel]}"/>'
            )
    return "\n".join([*parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    main()

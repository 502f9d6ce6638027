"""What a search loses when code and its own documentation share an index, words only.

    TELLAPART_DATA=... python bench/mixed_repositories.py --checkouts DIR --output docs/benchmarks/mixed_repositories.md

`DIR` holds the repositories of semble's benchmark. Three indexes of each: its code, its documentation, and both
(`--indexes` keeps them). Queries of the code are semble's, judged by file. Queries of the documentation are headings of
three to ten words that stand once in the repository; the file that had the heading answers, and in all three indexes
the heading itself is replaced by a number, so that no question is answered by its own words.
"""

from __future__ import annotations

import argparse
import math
import re
import shutil
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from code_data import Target, repositories, value
from judged import data_folder, publish, table
from tellapart.engine import Index
from tellapart.experiments.statistics import compare
from tellapart.rankers import structure

DOCUMENTATION = frozenset({".md", ".markdown", ".rst", ".adoc", ".txt", ".html"})
HEADINGS = re.compile(
    r"^#{1,6} +(?P<hashes>.+?) *#*$|^(?P<line>\w.{2,80})\n(?P<under>[=~^\"'*+-])(?P=under){2,}$", re.M
)
MARKUP = re.compile(r"[`*_\[\]]|\(.*?\)|\{.*?\}")
LARGEST = 25_000_000
"""Bytes of a checkout; larger ones, such as rails, are left out: they take most of the time."""
QUERIES = 40
"""Headings of one repository, drawn with a fixed seed."""

PRIORS = (0.0, 0.1, 0.25, 0.5, 0.75)
"""Shares of queries about documentation that are tried; the shipped LEAD_INTERCEPT stands for SHIPPED."""
SHIPPED = 0.1

Asked = Mapping[str, tuple[Target, ...]]


@dataclass(frozen=True)
class Measured:
    """A side of a repository: values of its queries alone, mixed by prior, and with the side named by a filter."""

    repository: str
    side: str
    alone: list[float]
    mixed: Mapping[float, list[float]]
    named: list[float]


def main() -> None:
    """Measure all repositories and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkouts", type=Path, required=True, help="repositories of semble's benchmark")
    parser.add_argument("--indexes", type=Path, help="keep the indexes here")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        measured = [*sides(data_folder(), arguments.checkouts, arguments.indexes or Path(scratch))]
    publish(page(measured), arguments.output)


def sides(data: Path, checkouts: Path, place: Path) -> Iterator[Measured]:
    """Measure every repository that has queries of both sides."""
    for repository in repositories(data, checkouts):
        root = checkouts / repository.name
        asked = headings(root)
        if len(asked) < QUERIES // 4 or size_of(root) > LARGEST:
            continue
        prefix = repository.folder.relative_to(root).as_posix()
        texts = repository.annotations.queries.texts
        judged = {
            texts[query]: tuple(_below(prefix, target) for target in targets)
            for query, targets in repository.annotations.targets.items()
        }
        own = place / repository.name
        with indexed(root, own / "both", lambda _: True, asked) as both:
            for side, queries, wanted, kind in (
                ("code", judged, _is_code, "code"),
                ("documentation", asked, _is_documentation, "prose"),
            ):
                with indexed(root, own / side, wanted, asked) as alone:
                    apart = values(alone, queries)
                mixed = {}
                for prior in PRIORS:
                    with _assuming(prior):
                        mixed[prior] = values(both, queries)
                sys.stderr.write(f"{repository.name} {side} {np.mean(apart):.3f}\n")
                named = values(both, queries, where=f"kind = '{kind}'")
                yield Measured(repository.name, side, apart, mixed, named)


@contextmanager
def _assuming(prior: float) -> Iterator[None]:
    """Let `search` take another share of the queries to be about documentation."""
    shipped = structure.wants_documentation
    shift = math.log(max(prior, 1e-12) / (1 - prior)) - math.log(SHIPPED / (1 - SHIPPED))

    def wants(lead: float) -> float:
        odds = structure.LEAD * lead + structure.LEAD_INTERCEPT + shift
        return 1 / (1 + math.exp(-min(max(odds, -700.0), 700.0)))

    structure.wants_documentation = wants
    try:
        yield
    finally:
        structure.wants_documentation = shipped


def documentation(checkouts: Path, place: Path) -> Iterator[tuple[str, Index, Asked]]:
    """Give name, index with all headings, and headings of the documentation of every repository with enough of it."""
    for root in sorted(checkouts.iterdir()):
        asked = headings(root)
        if len(asked) >= QUERIES // 2 and size_of(root) <= LARGEST:
            yield root.name, indexed(root, place / root.name / "documentation", _is_documentation, {}), asked


def size_of(root: Path) -> int:
    """Bytes of a checkout."""
    files = (path for path in root.rglob("*") if path.is_file() and ".git" not in path.parts)
    return sum(path.stat().st_size for path in files)


def values(index: Index, queries: Asked, where: str | tuple[()] = ()) -> list[float]:
    """NDCG@10 of what `search` does by itself, a query each."""
    found = []
    for text, targets in queries.items():
        hits = index.search(text, k=10, where=where)
        found.append(value([(hit.document, *hit.lines) for hit in hits], targets))
    return found


def indexed(root: Path, place: Path, wanted: Callable[[Path], bool], asked: Asked) -> Index:
    """Index the wanted files of a checkout, words only and without the headings asked for, or open an earlier run's."""
    if (place / "index" / "store.sqlite").is_file():
        return Index.open(place / "index", refresh=False)
    hidden = defaultdict(set)
    for text, (target,) in asked.items():
        hidden[target.path].add(text)
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root)
        if path.is_file() and not path.is_symlink() and ".git" not in relative.parts and wanted(path):
            copy = place / "files" / relative
            copy.parent.mkdir(parents=True, exist_ok=True)
            if asked_here := hidden.get(relative.as_posix()):
                text = path.read_text(encoding="utf-8", errors="replace")
                copy.write_text(without(text, asked_here), encoding="utf-8")
            else:
                shutil.copyfile(path, copy)
    Index.build([place / "files"], place / "index", encoders=()).close()
    return Index.open(place / "index", refresh=False)


def headings(root: Path) -> Asked:
    """Headings that can be asked for, with the file that has them."""
    places: dict[str, str] = {}
    often: Counter[str] = Counter()
    for path in sorted(root.rglob("*")):
        if path.suffix.lower() not in {".md", ".rst"} or not path.is_file() or path.is_symlink():
            continue
        if re.search(r"change|history|news|release", path.name, re.I):
            continue  # headings of versions
        for match in HEADINGS.finditer(path.read_text(encoding="utf-8", errors="replace")):
            text = _plain(match)
            if 3 <= len(text.split()) <= 10 and text.isascii():
                often[text.lower()] += 1
                places[text] = path.relative_to(root).as_posix()
    unique = sorted(text for text in places if often[text.lower()] == 1)
    chosen = np.random.default_rng(0).permutation(len(unique))[:QUERIES]
    return {unique[at]: (Target(places[unique[at]], None, False),) for at in sorted(chosen.tolist())}


def without(text: str, hidden: set[str]) -> str:
    """Put a number in the place of some headings."""
    kept, at = [], 0
    for number, match in enumerate(HEADINGS.finditer(text), 1):
        if _plain(match) in hidden:
            start, end = match.span("hashes" if match["hashes"] else "line")
            kept += [text[at:start], f"Section {number}"]
            at = end
    return "".join(kept) + text[at:]


def page(measured: Sequence[Measured]) -> str:
    """Write what was found."""
    rows = []
    for side in ("code", "documentation"):
        own = [each for each in measured if each.side == side]
        alone = np.concatenate([each.alone for each in own])
        labels = [each.repository for each in own for _ in each.alone]
        rules = {f"{prior:.0%}": [each.mixed[prior] for each in own] for prior in PRIORS}
        for named, of_rule in {**rules, "the side is named": [each.named for each in own]}.items():
            mixed = np.concatenate(of_rule)
            lost = compare(mixed, alone, clusters=labels)
            interval = f"{lost.difference:+.3f} [{lost.low:+.3f}, {lost.high:+.3f}], p {lost.p:.3f}"
            cells = [f"{side} ({len(alone)} queries)", named, f"{alone.mean():.3f}", f"{mixed.mean():.3f}"]
            rows.append([*cells, interval])
    names = ", ".join(dict.fromkeys(each.repository for each in measured))
    head = ["side", "documentation asked for", "alone", "mixed", "mixed - alone"]
    return PAGE.format(names=names, shipped=SHIPPED) + table(head, rows) + TAIL


def _plain(match: re.Match[str]) -> str:
    return MARKUP.sub("", match["hashes"] or match["line"]).strip()


def _below(prefix: str, target: Target) -> Target:
    return target if prefix == "." else Target(f"{prefix}/{target.path}", target.lines, target.secondary)


def _is_documentation(path: Path) -> bool:
    return path.suffix.lower() in DOCUMENTATION


def _is_code(path: Path) -> bool:
    return not _is_documentation(path)


PAGE = """# Code and its documentation in one index

Command: `python bench/mixed_repositories.py --checkouts DIR`.

nDCG@10, words only, what `search` does by itself (files first). One index holds the code and everything else that is no
documentation, another the documentation, a third both. Queries of the code are semble's, judged by file; those of the
documentation are headings of three to ten words that stand once. The file that had the heading answers; the heading
itself is taken out, so that no question is answered by its own words. Intervals leave whole repositories out.

`search` cannot know which side a query wants. It mixes two rankings by P(documentation | query), from how much better
the best paragraph answers by its words than the best function (rankers/structure.py, LEAD). The rows differ in the
share of all queries that is taken to be about documentation: {shipped:.0%} in `search`. `the side is named` asks with
`--where "kind = 'prose'"` or `'code'`.

Repositories: {names}.

"""
TAIL = """
So an index of both costs each side something, and no share spares both: the same words stand in the code and in its
documentation, and a query does not say which it is after. `search` leans to code, which is what a repository is mostly
searched for. Who knows the side should name it; that gives back what was lost.

Tried and not taken: P(documentation) by logistic regression on 26 features (how many of the query's words the best
paragraph and the best function have, words of paths, names, how clearly the code's best file leads, whether the query
is a symbol) moves the same trade by little; files of prose taken out of the ranking of code moves along it.
"""

if __name__ == "__main__":
    main()

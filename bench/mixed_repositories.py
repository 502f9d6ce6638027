"""Repositories of semble's benchmark with their documentation, words only: what bench/mixed.py measures of them.

Three indexes of each: its code, its documentation, and both. Queries of the code are semble's, judged by file. Queries
of the documentation are headings of three to ten words that stand once in the repository; the file that has the
heading answers.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from code_data import Target, repositories, value
from tellapart.engine import Index
from tellapart.rankers import structure

DOCUMENTATION = frozenset({".md", ".markdown", ".rst", ".adoc", ".txt", ".html"})
HEADINGS = re.compile(
    r"^#{1,6} +(?P<hashes>.+?) *#*$|^(?P<line>\w.{2,80})\n(?P<under>[=~^\"'*+-])(?P=under){2,}$", re.M
)
LARGEST = 25_000_000
"""Bytes of a checkout; larger ones are left out (rails, curl and some others), which take most of the time."""
QUERIES = 40
"""Headings of one repository, drawn with a fixed seed."""

Asked = Mapping[str, tuple[Target, ...]]


@dataclass(frozen=True)
class Measured:
    """A side of a repository: values a query in its own index and in that of both, `before` without the mixture."""

    repository: str
    side: str
    alone: list[float]
    before: list[float]
    now: list[float]


def sides(data: Path, checkouts: Path, place: Path) -> Iterator[Measured]:
    """Measure every repository that has queries of both sides."""
    for repository in repositories(data, checkouts):
        root = checkouts / repository.name
        size = sum(
            path.stat().st_size for path in root.rglob("*") if path.is_file() and ".git" not in path.parts
        )
        asked = headings(root)
        if size > LARGEST or len(asked) < QUERIES // 4:
            continue
        prefix = repository.folder.relative_to(root).as_posix()
        texts = repository.annotations.queries.texts
        judged = {
            texts[query]: tuple(_below(prefix, target) for target in targets)
            for query, targets in repository.annotations.targets.items()
        }
        both = indexed(root, place / repository.name / "both", lambda _: True)
        for side, queries, wanted in (
            ("code", judged, _is_code),
            ("documentation", asked, _is_documentation),
        ):
            alone = indexed(root, place / repository.name / side, wanted)
            mixture = structure._with_documentation
            structure._with_documentation = lambda shares, *_: shares
            before = values(both, queries)
            structure._with_documentation = mixture
            yield Measured(repository.name, side, values(alone, queries), before, values(both, queries))
            alone.close()
        both.close()


def documentation(checkouts: Path, place: Path) -> Iterator[tuple[str, Index, Asked]]:
    """Give name, index and headings of the documentation of every repository that has enough of it."""
    for root in sorted(checkouts.iterdir()):
        asked = headings(root)
        if len(asked) >= QUERIES // 2 and size_of(root) <= LARGEST:
            yield root.name, indexed(root, place / root.name / "documentation", _is_documentation), asked


def size_of(root: Path) -> int:
    """Bytes of a checkout."""
    files = (path for path in root.rglob("*") if path.is_file() and ".git" not in path.parts)
    return sum(path.stat().st_size for path in files)


def values(index: Index, queries: Asked) -> list[float]:
    """NDCG@10 of what `search` does by itself, a query each."""
    found = []
    for text, targets in queries.items():
        hits = index.search(text, k=10)
        found.append(value([(hit.document, *hit.lines) for hit in hits], targets))
    return found


def indexed(root: Path, place: Path, wanted: Callable[[Path], bool]) -> Index:
    """Index the wanted files of a checkout, words only, or open what an earlier run left."""
    if (place / "index" / "store.sqlite").is_file():
        return Index.open(place / "index", refresh=False)
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root)
        if path.is_file() and not path.is_symlink() and ".git" not in relative.parts and wanted(path):
            copy = place / "files" / relative
            copy.parent.mkdir(parents=True, exist_ok=True)
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
            text = re.sub(r"[`*_\[\]]|\(.*?\)|\{.*?\}", "", match["hashes"] or match["line"]).strip()
            if 3 <= len(text.split()) <= 10 and text.isascii():
                often[text.lower()] += 1
                places[text] = path.relative_to(root).as_posix()
    unique = sorted(text for text in places if often[text.lower()] == 1)
    chosen = np.random.default_rng(0).permutation(len(unique))[:QUERIES]
    return {unique[at]: (Target(places[unique[at]], None, False),) for at in sorted(chosen.tolist())}


def _below(prefix: str, target: Target) -> Target:
    return target if prefix == "." else Target(f"{prefix}/{target.path}", target.lines, target.secondary)


def _is_documentation(path: Path) -> bool:
    return path.suffix.lower() in DOCUMENTATION


def _is_code(path: Path) -> bool:
    return not _is_documentation(path)

"""What `make demo` shows: real code and docs, the same queries under several rankers and granularities.

Indexes named packages of Python's own standard library and this project's docs with the bundled encoder, then lets
the corpus itself say which configuration works on it.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

from tellapart import Hit, Index
from tellapart.cli.progress import terminal_progress

PACKAGES = (
    "json",
    "http",
    "urllib",
    "logging",
    "concurrent",
    "wsgiref",
    "zoneinfo",
    "csv.py",
    "shutil.py",
    "tempfile.py",
)
ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "demo"
REPORT = ROOT / "build" / "demo.html"
MAX_FUNCTIONS = 2_000

CODE_QUERIES = (
    "turn a datetime into an HTTP date header",
    "wait until the first of several futures is done",
    "rotate the log file when it gets too big",
    "HTTPSHandler",
)
PROSE_QUERY = "does an SVM beat k-NN for a text query"
RANKERS = ("bm25", "knn", "hybrid")
SHOWN = 3


def main() -> None:
    """Build the index, then print the same queries in several ways."""
    library = Path(sysconfig.get_paths()["stdlib"])
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    sources = [library / name for name in PACKAGES] + pages
    started = time.perf_counter()
    print(f"Indexing {', '.join(PACKAGES)} from the standard library, and our docs ...", flush=True)
    index = Index.build(sources, FOLDER, progress=terminal_progress())
    with index.reading() as snapshot:
        counts = {level.value: snapshot.units(level).n_alive for level in snapshot.granularities}
    if counts["function"] > MAX_FUNCTIONS:
        sys.exit(
            f"the demo is meant for {MAX_FUNCTIONS} functions, not {counts['function']}: name fewer packages"
        )
    listed = ", ".join(
        f"{count} {level}{'es' if level.endswith('s') else 's'}" for level, count in counts.items()
    )
    print(f"{listed}; {time.perf_counter() - started:.0f} s (again: nothing is encoded twice)\n")
    print("=== One query, three rankers (functions) ===")
    for query in CODE_QUERIES:
        show(
            query,
            {
                ranker: index.search(query, ranker=ranker, granularity="function", k=SHOWN)
                for ranker in RANKERS
            },
        )
    print("=== One query, four granularities (hybrid) ===")
    show(
        CODE_QUERIES[2],
        {g: index.search(CODE_QUERIES[2], granularity=g, k=SHOWN) for g in ("function", "class", "file")},
    )
    levels = ("sentence", "paragraph", "section")
    show(PROSE_QUERY, {g: index.search(PROSE_QUERY, granularity=g, k=SHOWN) for g in levels})
    print("=== Which of all these works here? ===\n")
    call("evaluate", "--index", FOLDER, "--report", REPORT)
    call("search", CODE_QUERIES[0], "--index", FOLDER, "-k", "2", "--explain")
    print("Try your own:  .venv/bin/tellapart search 'your words' --index", FOLDER.relative_to(ROOT))
    print(
        "Your code:     .venv/bin/tellapart search 'your words' ~/src/project"
        f"    ({time.perf_counter() - started:.0f} s in all)"
    )


def call(*arguments: object) -> None:
    """Run a command as a user would, after showing it."""
    shown = [str(each.relative_to(ROOT)) if isinstance(each, Path) else str(each) for each in arguments]
    print(f"$ tellapart {shlex.join(shown)}", flush=True)
    subprocess.run([sys.executable, "-m", "tellapart", *shown], cwd=ROOT, check=True)
    print()


def show(query: str, columns: dict[str, list[Hit]]) -> None:
    """Print the hits of one query side by side."""
    width = 46
    print(f"\n  “{query}”")
    print("  " + "".join(f"{name:<{width}}" for name in columns))
    for rank in range(SHOWN):
        cells = [label(hits[rank]) if rank < len(hits) else "" for hits in columns.values()]
        print("  " + "".join(f"{cell[: width - 2]:<{width}}" for cell in cells))
    print()


def label(hit: Hit) -> str:
    """Name a hit in one short line: place, and what stands there."""
    place = hit.document if len(hit.document) <= 22 else "…" + hit.document[-21:]
    lines = [line.strip() for line in hit.text.splitlines() if line.strip()]
    said = next((line for line in lines if line.startswith(("def ", "class ", "async def "))), lines[0])
    for word in ("async def ", "def ", "class "):
        said = said.removeprefix(word)
    return f"{place}:{hit.lines[0]} {said.split('(')[0].rstrip(':')}"


if __name__ == "__main__":
    main()

"""CPU seconds of `tellapart index`: one pass for all granularities against every unit encoded by itself.

    python bench/index_cost.py scifact=DATA/scifact click=CLONE email=PACKAGE --output docs/benchmarks/index_cost.md

Each corpus is indexed both ways in turn, in a process of its own and without the cache of vectors. With `--old SRC`
the other way is an older version's own code (its `src` folder) instead of `--encode` for every level.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from judged import publish, table

LEVELS = ("sentence", "section", "document", "class", "file")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpora", nargs="+", metavar="NAME=PATH", help="folders to index")
    parser.add_argument("--old", type=Path, help="the src folder of an older version")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    rows = []
    for corpus in arguments.corpora:
        name, _, path = corpus.partition("=")
        old = indexing(path, arguments.old)
        new = indexing(path, None, one_pass=True)
        rows.append([name, f"{old:.1f}", f"{new:.1f}", f"**{new / old:.2f}x**"])
        sys.stderr.write(f"{rows[-1]}\n")
    publish(
        f"""# What an index costs

Made by `python bench/index_cost.py`. CPU seconds (user and system) of `tellapart index`, minilm and all granularities,
from reading to the last file; both ways in one run, without the cache. Alone: every sentence, paragraph, section,
document, function, class and file encoded by itself{", by the version before" if arguments.old else ""}. One pass:
paragraphs and functions only, the others pooled from them. The ratio counts, the seconds depend on the load.

{table(["corpus", "alone, s", "one pass, s", "ratio"], rows)}""",
        arguments.output,
    )


def indexing(path: str, source: Path | None, *, one_pass: bool = False) -> float:
    """Index a folder in a process of its own; give its CPU seconds."""
    folder = Path(tempfile.mkdtemp())
    environment = os.environ | {"TELLAPART_CACHE": "off"}
    if source:
        environment["PYTHONPATH"] = str(source)
    levels = [] if one_pass or source else [part for level in LEVELS for part in ("--encode", level)]
    command = [sys.executable, "-m", "tellapart", "index", path, "--index", str(folder / "index"), *levels]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        subprocess.run(command, env=environment, check=True, capture_output=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()

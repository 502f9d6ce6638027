"""A repository of 3,000 functions without judgements: seconds for its queries, and for the whole of `evaluate`.

    python bench/repository.py --work DIR --output docs/benchmarks/repository.md

The repository is made of packages of the standard library, in the order below, up to 3,000 functions. DIR keeps
it, its index and the vectors of its texts; every run starts from a copy of these vectors, so that blanked texts are
always encoded anew.
"""

from __future__ import annotations

import argparse
import ast
import io
import os
import pty
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from judged import publish, table
from tellapart.encoders.cache import VARIABLE, VectorCache, open_cache
from tellapart.engine import Index
from tellapart.experiments.synthetic import generate, leaks
from tellapart.index.store import FILE

FUNCTIONS = 3_000
ENCODERS = ("minilm", "lsa")
PACKAGES = (
    "json http email asyncio logging urllib xml concurrent importlib collections html wsgiref multiprocessing"
)
SEED = 0


def make_repository(folder: Path) -> int:
    """Copy modules until there are enough functions; give how many there are."""
    library = Path(sysconfig.get_paths()["stdlib"])
    files = [file for package in PACKAGES.split() for file in sorted((library / package).rglob("*.py"))]
    functions = 0
    for file in files:
        if functions >= FUNCTIONS or "test" in file.parts:
            continue
        tree = ast.parse(file.read_bytes())
        functions += sum(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) for node in ast.walk(tree))
        target = folder / file.relative_to(library)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    return functions


def measure(work: Path) -> str:
    repository, index_folder, vectors = work / "repository", work / "index", work / "vectors"
    functions = make_repository(repository)
    if not (index_folder / FILE).is_file():
        os.environ[VARIABLE] = str(vectors)
        Index.build([repository], index_folder, encoders=ENCODERS).close()
    with tempfile.TemporaryDirectory(dir=work) as passing:
        shutil.copytree(vectors, passing, dirs_exist_ok=True)
        os.environ[VARIABLE] = passing
        index = Index.open(index_folder)
        started = time.perf_counter()
        generated = generate(index, seed=SEED)
        made = time.perf_counter()
        known = _count()
        with generated.masked_index() as masked:
            ready = time.perf_counter()
            encoded = _count() - known
            found = leaks(generated, masked, index)
    rows = [
        ["functions", f"{functions:,}"],
        ["queries", f"{len(generated.query_set.queries):,}"],
        ["files blanked", f"{len(generated.replaced):,} of {index.store.count():,}"],
        ["texts encoded again with minilm", f"{encoded:,} of {known:,}"],
        ["leaks", str(len(found))],
        ["queries made, s", f"{made - started:.1f}"],
        ["blanked index with minilm and lsa, s", f"{ready - made:.1f}"],
    ]
    index.close()
    return table(["what", "measured"], rows + evaluated(work, repository, vectors))


def evaluated(work: Path, repository: Path, vectors: Path) -> list[list[str]]:
    """Time `evaluate` as it is typed after `index`, at a terminal: rows of what was measured."""
    with tempfile.TemporaryDirectory(dir=work) as passing:
        shutil.copytree(vectors, passing, dirs_exist_ok=True)
        os.environ[VARIABLE] = passing
        place = Path(passing) / "index"
        Index.build([repository], place).close()
        started = time.perf_counter()
        silence, said = watched([sys.executable, "-m", "tellapart", "evaluate", "--index", str(place)])
        seconds = time.perf_counter() - started
    sys.stderr.write(said)
    return [
        ["`evaluate` from start to end, lsa added, s", f"{seconds:.1f}"],
        ["longest time without a sign of life, s", f"{silence:.1f}"],
    ]


def watched(command: Sequence[str]) -> tuple[float, str]:
    """Run a command at a terminal of its own: the longest time between two writes, and all that was written."""
    terminal, slave = pty.openpty()
    process = subprocess.Popen(command, stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    written, longest, last = b"", 0.0, time.perf_counter()
    with open(terminal, "rb", buffering=0) as reader:
        while part := _read(reader):
            now = time.perf_counter()
            longest, last, written = max(longest, now - last), now, written + part
    if process.wait():
        raise RuntimeError(f"{command} failed: {written.decode()[-2_000:]}")
    return longest, written.decode()


def _read(reader: io.RawIOBase) -> bytes:
    """Read from a terminal until the other end is closed, which Linux reports as an error."""
    try:
        return reader.read(1 << 16) or b""
    except OSError:
        return b""


def _count() -> int:
    cache = open_cache()
    return cache.count() if isinstance(cache, VectorCache) else 0


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--work", type=Path, metavar="DIR", required=True)
    options.add_argument("--output", type=Path)
    chosen = options.parse_args()
    count = len(os.sched_getaffinity(0))
    cores = f"{count} core{'s' if count > 1 else ''}"
    text = f"""# A repository of 3,000 functions without judgements

`python bench/repository.py --work DIR`, seed {SEED}, at most 1,000 queries, {cores}. All vectors of the repository's
own texts are in the cache; what is blanked is encoded again. `evaluate` makes its queries, blanks, adds lsa, compares
all encoders, sizes of unit and rankers, and times each.

{measure(chosen.work)}"""
    publish(text, chosen.output)


if __name__ == "__main__":
    main()

"""CPU seconds of `tellapart index`: one pass for all granularities against every unit encoded by itself.

    python bench/index_cost.py scifact=DATA/scifact click=CLONE email=PACKAGE --output docs/benchmarks/index_cost.md

Each corpus is indexed both ways in turn, in a process of its own and without the cache of vectors. With `--old SRC`
the other way is an older version's own code (its `src` folder) instead of `--encode` for every level. Of a corpus given
as `NAME:count=PATH` only the tokens that the encoder reads are counted, which costs next to nothing.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from judged import publish, table
from tellapart.encoders.folder import open_minilm
from tellapart.encoders.windows import lay_out
from tellapart.engine import Index
from tellapart.index.embedding import TILES, unit_texts

FEW_WORDS = 5
WORD = re.compile(r"[^\W\d_]{2,}")
LEVELS = ("sentence", "section", "document", "class", "file")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpora", nargs="+", metavar="NAME=PATH", help="folders to index")
    parser.add_argument("--old", type=Path, help="the src folder of an older version")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    rows, read_for = [], []
    for corpus in arguments.corpora:
        name, _, path = corpus.partition("=")
        name, _, only = name.partition(":")
        read = [tokens_read(path, arguments.old), tokens_read(path, None, one_pass=True)]
        cells = ["", "", ""]
        if only != "count":
            old = indexing(path, arguments.old)
            new = indexing(path, None, one_pass=True)
            cells = [f"{old:.1f}", f"{new:.1f}", f"**{new / old:.2f}x**"]
        rows.append([name, *cells, *(f"{count:,}" for count in read), f"{read[1] / read[0]:.2f}x"])
        read_for.append([name, *(f"{share:.1%}" for share in shares(path))])
        sys.stderr.write(f"{rows[-1]} {read_for[-1]}\n")
    publish(
        f"""# What an index costs

Made by `python bench/index_cost.py`. CPU seconds (user and system) of `tellapart index`, minilm and all granularities,
from reading to the last file; both ways in one run, without the cache. Alone: every sentence, paragraph, section,
document, function, class and file encoded by itself{", by the version before" if arguments.old else ""}. One pass:
paragraphs and functions only, the others pooled from them. The ratio counts, the seconds depend on the load. Tokens are
those that the encoder reads, special ones and contexts included; they are counted and do not depend on the machine.

{table(["corpus", "alone, s", "one pass, s", "ratio", "tokens alone", "tokens in one pass", "ratio"], rows)}

## What one pass reads

Of its tokens: the text itself; paths, titles and headings before each unit, and the two special tokens of each window;
windows of units of fewer than {FEW_WORDS} different words; windows whose text stands under another path too; windows of
units that are longer than one.

{table(["corpus", "text", "contexts, special", "hardly a word", "copies", "long units"], read_for)}""",
        arguments.output,
    )


def shares(path: str) -> tuple[float, ...]:
    """Say what share of the tokens that one pass reads is text, and what falls to windows that say little."""
    encoder, units = open_minilm(threads=1), []
    with tempfile.TemporaryDirectory() as folder, Index.build([path], folder, encoders=()) as index:
        for number in index.store.identifiers():
            stored = index.stored(number)
            units += unit_texts(stored, TILES[stored.tree.kind])
    windows = {w.text: (w, layout) for layout in lay_out(encoder, units) for w in layout.windows}
    tokens = dict(zip(windows, encoder.count_tokens(list(windows)).tolist(), strict=True))
    bodies = {text: text[window.lead :].strip() for text, (window, _) in windows.items()}
    own = sum(encoder.count_tokens([text[w.lead :] for text, (w, _) in windows.items()]).tolist()) - 2 * len(
        windows
    )
    first = {body: text for text, body in reversed(bodies.items())}
    total = sum(tokens.values())
    few = sum(
        tokens[text] for text, body in bodies.items() if len(set(WORD.findall(body.lower()))) < FEW_WORDS
    )
    copies = sum(tokens[text] for text, body in bodies.items() if first[body] != text)
    long = sum(tokens[text] for text, (_, layout) in windows.items() if len(layout.windows) > 1)
    return own / total, 1 - own / total, few / total, copies / total, long / total


COUNTING = """
import sys, onnxruntime, numpy
read = 0
def run(session, outputs, feed, options=None):
    global read
    rows, tokens = feed["input_ids"].shape
    read += rows * tokens
    return [numpy.ones((rows, tokens, 384), numpy.float32)]
onnxruntime.InferenceSession.run = run
from tellapart.cli.app import run as tellapart
code = tellapart(sys.argv[1:])
print("tokens", read)
sys.exit(code)
"""
"""Runs the command line with a graph that computes nothing."""


def tokens_read(path: str, source: Path | None, *, one_pass: bool = False) -> int:
    """Count the tokens that the encoder reads while a folder is indexed."""
    printed, _ = run([sys.executable, "-c", COUNTING], path, source, one_pass=one_pass)
    return int(printed.split()[-1])


def indexing(path: str, source: Path | None, *, one_pass: bool = False) -> float:
    """Index a folder in a process of its own; give its CPU seconds."""
    _, seconds = run([sys.executable, "-m", "tellapart"], path, source, one_pass=one_pass)
    return seconds


def run(start: list[str], path: str, source: Path | None, *, one_pass: bool) -> tuple[str, float]:
    """Index a folder: what was printed, and CPU seconds."""
    folder = Path(tempfile.mkdtemp())
    environment = os.environ | {"TELLAPART_CACHE": "off"}
    if source:
        environment["PYTHONPATH"] = str(source)
    levels = [] if one_pass or source else [part for level in LEVELS for part in ("--encode", level)]
    command = [*start, "index", path, "--index", str(folder / "index"), *levels]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done.stdout, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()

"""Latent semantic analysis at several dimensions: nDCG@10 and the seconds of fitting.

TELLAPART_DATA=... python bench/lsa.py --output docs/benchmarks/lsa.md
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

from judged import load, ndcg, publish, table
from tellapart.corpus.document import Kind
from tellapart.encoders.lsa import DIM, LsaEncoder
from tellapart.index.lexical.tokens import Analyser

SETS = (
    ("cranfield", "test", Kind.PROSE),
    ("cisi", "test", Kind.PROSE),
    ("med", "test", Kind.PROSE),
    ("cacm", "test", Kind.PROSE),
    ("scifact", "train", Kind.PROSE),
    ("cosqa", "dev", Kind.CODE),
)
DIMS = (128, 256, 384)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    rows = []
    for name, split, kind in SETS:
        judged = load(name, split)
        documents, queries = list(judged.documents.values()), list(judged.queries.values())
        row = [f"{judged.name} ({len(documents):,})"]
        for dim in DIMS:
            started = time.perf_counter()
            lsa = LsaEncoder.fit(documents, analyse=analyser(kind), dim=dim)
            seconds = time.perf_counter() - started
            value = ndcg(judged, lsa.encode_query(queries), lsa.encode_document(documents)).mean()
            row.append(f"{value:.3f} ({seconds:.1f} s)")
        rows.append(row)
    head = ["set (documents)", *(f"{dim} dimensions" for dim in DIMS)]
    publish(
        f"""# Latent semantic analysis

Made by `python bench/lsa.py`: nDCG@10 over whole documents, and the seconds of fitting, analysis included. The
default is {DIM}; weighting (log-tf x idf) and dimension were chosen on these same sets, so the figures are in-sample.

{table(head, rows)}""",
        arguments.output,
    )


def analyser(kind: Kind) -> Callable[[str], list[str]]:
    words = Analyser()
    return lambda text: words.tokens(text, kind).terms


if __name__ == "__main__":
    main()

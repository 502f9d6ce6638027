"""Documents longer than the encoder: mean over windows against truncation at 256 tokens.

    TELLAPART_DATA=... python bench/long_units.py --output docs/benchmarks/long_units.md

minilm, whole documents, nDCG@10. Windows follow the sentences, as in an index. Vectors are kept in the user's
cache, so that a second run takes seconds.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from judged import Judged, load, ndcg, publish, table
from tellapart.corpus.document import Document, Granularity, Kind
from tellapart.corpus.units import split
from tellapart.encoders.cache import open_cache
from tellapart.encoders.folder import open_minilm
from tellapart.encoders.pooling import embed
from tellapart.encoders.windows import Pooling, UnitText
from tellapart.experiments.statistics import compare

SETS = (
    ("scifact", "train", "corpus.jsonl"),
    ("cisi", "test", "corpus.jsonl"),
    ("xquad-en", "article", "articles.jsonl"),
)
"""Many documents beyond 256 tokens (see the share in the table); xquad-en's articles are the longest by far."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    rows = [measured(load(name, qrels, corpus=corpus)) for name, qrels, corpus in SETS]
    head = [
        "set (queries)",
        "longer than 256",
        "windows each",
        "mean of windows",
        "truncated",
        "difference",
        "p",
    ]
    publish(
        f"""# Units longer than the encoder

Made by `python bench/long_units.py`. minilm, k-NN over whole documents, nDCG@10. Mean of windows: runs of sentences of
at most 256 tokens, averaged with their tokens as weights. Truncated: the first 256 tokens only. Differences are
paired, bootstrap-t intervals, sign-flip p, uncorrected.

{table(head, rows)}""",
        arguments.output,
    )


def measured(judged: Judged) -> list[str]:
    encoder, cache = open_minilm(), open_cache()
    units = [unit(name, text) for name, text in judged.documents.items()]
    queries = encoder.encode_query(list(judged.queries.values()))
    whole, report = embed(encoder, units, cache=cache, pooling=Pooling.MEAN)
    cut, _ = embed(encoder, units, cache=cache, pooling=Pooling.TRUNCATE)
    a, b = ndcg(judged, queries, whole), ndcg(judged, queries, cut)
    found = compare(a, b)
    return [
        f"{judged.name} ({len(a)})",
        f"{report.windowed:,} of {report.units:,}",
        f"{report.windows / max(1, report.windowed):.1f}",
        f"{a.mean():.4f}",
        f"{b.mean():.4f}",
        f"{found.difference:+.4f} [{found.low:+.4f}, {found.high:+.4f}]",
        f"{found.p:.4f}",
    ]


def unit(name: str, text: str) -> UnitText:
    tree = split(Document(id=name, text=text, kind=Kind.PROSE))
    starts = tree.levels[Granularity.SENTENCE].starts
    return UnitText("", text, np.asarray(starts[1:], dtype=np.int32))


if __name__ == "__main__":
    main()

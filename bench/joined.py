"""Two encoders as one, their vectors side by side, against each by itself: nearest neighbours over whole documents.

    tellapart models add bge-small
    TELLAPART_DATA=... python bench/joined.py --output docs/benchmarks/joined.md

Vectors are kept in the user's cache: a second run is quick.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from judged import load, ndcg, publish, table
from tellapart.encoders.cache import open_cache
from tellapart.encoders.load import load_encoder
from tellapart.encoders.pooling import embed
from tellapart.encoders.windows import UnitText
from tellapart.experiments.statistics import compare
from tellapart.progress import silent

SETS = (("cosqa", "dev"), ("mbpp", "train"), ("cranfield", "test"), ("med", "test"), ("cisi", "test"))
ALONE = ("minilm", "bge-small")
JOINED = "+".join(ALONE)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    cache, rows = open_cache(), []
    for name, split in SETS:
        judged = load(name, split)
        units = [UnitText("", text) for text in judged.documents.values()]
        values = {}
        for spec in (*ALONE, JOINED):
            encoder = load_encoder(spec)
            vectors, _ = embed(encoder, units, cache=cache, progress=silent)
            values[spec] = ndcg(judged, encoder.encode_query(list(judged.queries.values())), vectors)
        best = max(ALONE, key=lambda spec: values[spec].mean())
        gap = compare(values[JOINED], values[best])
        rows.append(
            [
                judged.name,
                f"{len(values[best]):,}",
                *(f"{values[spec].mean():.3f}" for spec in (*ALONE, JOINED)),
                f"{gap.difference:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}], p {gap.p:.4f}",
            ]
        )
        print(rows[-1], flush=True)
    head = ["set", "queries", *ALONE, JOINED, "minus the better of the two"]
    publish(
        f"""# Two encoders as one

Made by `python bench/joined.py`: nDCG@10 of whole documents by their cosine with the query. The joined encoder puts
both vectors side by side, so its cosine is the mean of theirs. Nothing is tuned; the better of the two is named by
these same queries, which is kind to it. Differences are paired over queries, with 95 % intervals.

{table(head, rows)}""",
        arguments.output,
    )


if __name__ == "__main__":
    main()

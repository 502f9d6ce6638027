"""How the cosines of encoders are spread on cranfield, and whether cures of the vectors help there.

TELLAPART_DATA=... python bench/cosines.py --output docs/benchmarks/cosines.md --picture docs/scores.svg
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from judged import data_folder, publish, table
from tellapart.engine import Index
from tellapart.experiments import QuerySet, read_query_set
from tellapart.learning.adapting.adapt import adapt_encoder
from tellapart.scores.cures import try_cures
from tellapart.scores.distributions import cosine_pictures, svg
from tellapart.scores.inspection_page import cure_gain

SET, SPLIT = "cranfield", "test"
TRAINED = {"minilm + labels": "linear", "minilm + words": "words"}
"""Encoders trained here, as the picture names them, and what `adapt --adapter` calls the way: a linear map learned
from half of the judged queries; the words of the corpus beside the vector, weighed by queries made from the corpus."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path)
    parser.add_argument("--picture", type=Path, metavar="SVG")
    parser.add_argument("--work", type=Path, default=Path("build") / "cosines")
    arguments = parser.parse_args()
    data = data_folder() / SET
    index = Index.build([data / "corpus.jsonl"], arguments.work / "index", encoders=("minilm", "lsa"))
    every = read_query_set(index, data, split=SPLIT)
    learned, queries = halves(every)
    folders = {}
    for name, adapter in TRAINED.items():
        folder = arguments.work / adapter
        judged = learned if adapter == "linear" else None
        if not (folder / "config.json").exists():
            adapt_encoder(index, folder, adapter=adapter, judged=judged, keep_anyway=True)
        if (folder / "config.json").exists():
            folders[f"folder:{folder}"] = name
    index.close()
    index = Index.build(
        [data / "corpus.jsonl"], arguments.work / "index", encoders=("minilm", "lsa", *folders)
    )
    pictures = [
        replace(each, encoder=folders.get(each.encoder, each.encoder))
        for each in cosine_pictures(index, queries=queries)
    ]
    if arguments.picture:
        arguments.picture.write_text(svg(pictures), encoding="utf-8")
    rows, cures = [], []
    for each in pictures:
        for group in each.groups:
            cells = [each.encoder, group.name, f"{group.values.mean():.2f} ± {group.values.std():.2f}"]
            if group.auc is None or group.overlap is None or group.d_prime is None:
                rows.append([*cells, "", "", ""])
            else:
                rows.append([*cells, f"{group.auc:.3f}", f"{group.overlap:.0%}", f"{group.d_prime:.2f}"])
        if each.encoder in TRAINED:
            continue
        plain, tried = try_cures(index, each.encoder, each.granularity, every)
        cures += [[each.encoder, f"{plain:.3f}", cure.name, cure_gain(cure)] for cure in tried]
    publish(
        "# Cosines\n\n"
        f"{SET}, paragraphs. AUC, overlap and d' against unrelated pairs; {len(queries.queries)} judged queries\n"
        "against queries with random units. Two encoders were trained here: `minilm + labels` is a linear map of\n"
        "minilm learned from the other half of the judged queries (`adapt --adapter linear`), `minilm + words` puts\n"
        "the words beside its vector, weighed by queries made from the corpus (`adapt`, no labels). Cures: k-NN, all\n"
        "225 judged queries, paired 95 % intervals, p Holm-corrected over the cures.\n\n"
        + table(["encoder", "pairs", "cosine", "AUC", "overlap", "d'"], rows)
        + "\n"
        + table(["encoder", "nDCG@10", "cure", "difference"], cures),
        arguments.output,
    )


def halves(queries: QuerySet) -> tuple[QuerySet, QuerySet]:
    """Deal the queries to two sets (seed 0)."""
    order = np.random.default_rng(0).permutation(sorted(queries.queries)).tolist()
    parts = order[: len(order) // 2], order[len(order) // 2 :]
    first, second = (
        replace(queries, queries={each: queries.queries[each] for each in part}, unanswered={})
        for part in parts
    )
    return first, second


if __name__ == "__main__":
    main()

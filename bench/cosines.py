"""How the cosines of encoders are spread on cranfield, and whether cures of the vectors help there.

TELLAPART_DATA=... python bench/cosines.py --output docs/benchmarks/cosines.md --picture docs/scores.svg
"""

from __future__ import annotations

import argparse
from pathlib import Path

from judged import data_folder, publish, table
from tellapart.engine import Index
from tellapart.experiments import read_query_set
from tellapart.scores.cures import try_cures
from tellapart.scores.distributions import cosine_pictures, svg
from tellapart.scores.inspection_page import cure_gain

SET, SPLIT = "cranfield", "test"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path)
    parser.add_argument("--picture", type=Path, metavar="SVG")
    parser.add_argument("--work", type=Path, default=Path("build") / "cosines")
    arguments = parser.parse_args()
    data = data_folder() / SET
    index = Index.build([data / "corpus.jsonl"], arguments.work, encoders=("minilm", "lsa"))
    queries = read_query_set(index, data, split=SPLIT)
    pictures = cosine_pictures(index, queries=queries)
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
        plain, tried = try_cures(index, each.encoder, each.granularity, queries)
        cures += [[each.encoder, f"{plain:.3f}", cure.name, cure_gain(cure)] for cure in tried]
    publish(
        "# Cosines\n\n"
        f"{SET}, paragraphs. AUC, overlap and d' against unrelated pairs; judged queries against queries with random\n"
        "units. Cures: k-NN, 225 judged queries, paired 95 % intervals, p Holm-corrected over the cures.\n\n"
        + table(["encoder", "pairs", "cosine", "AUC", "overlap", "d'"], rows)
        + "\n"
        + table(["encoder", "nDCG@10", "cure", "difference"], cures),
        arguments.output,
    )


if __name__ == "__main__":
    main()

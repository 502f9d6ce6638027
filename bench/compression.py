"""What fewer dimensions and bits of the vectors cost: quality, bytes and milliseconds, each against whole vectors.

    TELLAPART_DATA=... python bench/compression.py --indexes build/indexes --output docs/benchmarks/compression.md

Quality as `evaluate --compress` measures it, on samples of the judged collections (bench/development.py). Times of a
search are taken over 100,000 rows, each a random mixture of three of the collection's vectors.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

from development import COLLECTIONS, PLACE, Collection, build, sample
from judged import data_folder
from tellapart.encoders.compressed import CompressedEncoder, CompressionSpec, map_to, steps_for
from tellapart.engine import Index
from tellapart.experiments.evaluation import evaluate
from tellapart.experiments.query_files import read_query_set
from tellapart.experiments.verdict import Verdict
from tellapart.index.embedding import kept_rows
from tellapart.index.vectors import Moments, VectorIndex, build_derived
from tellapart.index.vectors.approximate import CODED_ROWS

NAMES = ("scifact", "cranfield")
ROWS = 100_000
MIXED = 3
"""Vectors of the collection that are mixed for each row."""
ROUNDS = 5


def times(index: Index, texts: list[str], specs: list[str]) -> dict[str, float]:
    """Milliseconds of a search for ten rows, in each kind of vectors, one after the other in every round."""
    base = index.encoder("minilm")
    with index.reading() as snapshot:
        own = snapshot.vectors("minilm", "paragraph").matrix()
    random = np.random.default_rng(0)
    rows = np.zeros((ROWS, own.shape[1]), dtype=np.float32)
    shares = random.dirichlet(np.ones(MIXED), ROWS).astype(np.float32)
    for share in shares.T:
        rows += share[:, None] * own[random.integers(0, len(own), ROWS)]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    second = Moments.of([rows.astype(np.float16)], rows.shape[1]).second
    asked: dict[str, tuple[VectorIndex, np.ndarray]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for spec in map(CompressionSpec.parse, specs):
            by = map_to(base, spec.dim, second)
            largest = float(np.abs(CompressedEncoder(base, spec, by, 0.0).mapped(rows[:10_000])).max())
            encoder = CompressedEncoder(base, spec, by, steps_for(largest))
            kept = np.concatenate([kept_rows(encoder, part) for part in np.array_split(rows, 20)])
            made = VectorIndex([kept], None, Path(folder) / str(spec), str(spec))
            build_derived(made, coded_rows=CODED_ROWS if not spec.coded else 1)
            asked[str(spec)] = made, encoder.encode_query(texts)
        found: dict[str, list[float]] = {spec: [] for spec in asked}
        for _ in range(ROUNDS):
            for spec, (made, queries) in asked.items():
                for query in queries:
                    started = time.perf_counter()
                    made.search(query[None], 10, exact="binary" not in spec)
                    found[spec].append(1000 * (time.perf_counter() - started))
    return {spec: median(each) for spec, each in found.items()}


def table(collection: Collection, data: Path, place: Path) -> list[str]:
    folder = sample(collection, data, place)
    at = Collection(f"{collection.name}-sample", collection.split)
    index = Index.open(place / at.name) if (place / at.name).is_dir() else build(at, folder.parent, place)
    judged = read_query_set(index, folder, split=collection.split)
    verdict: Verdict = evaluate(
        index, judged, encoders="minilm", granularities="paragraph", rankers=("knn", "hybrid"), compress=True
    )
    texts = [judged.queries[query] for query in verdict.queries[:20]]
    at_scale = times(index, texts, [each.spec for each in verdict.compressions])
    whole = verdict.compressions[0]
    names = list(whole.means)
    heads = [head for name in names for head in (name, "minus whole [95 %]")]
    columns = ["kept as", *heads, "bytes a unit", "ratio", "ms among 100,000", "ratio", "as good"]
    lines = [
        f"## {collection.name}: {len(verdict.queries)} judged queries, {len(index)} documents",
        "",
        f"| {' | '.join(columns)} |",
        f"|{' --- |' * len(columns)}",
    ]
    with index.reading() as snapshot:
        units = snapshot.units("paragraph").n_rows
    for each in verdict.compressions:
        cells = [each.spec]
        for name in names:
            less = each.differences.get(name)
            shown = f"{less.difference:+.4f} [{less.low:+.4f}, {less.high:+.4f}]" if less else ""
            cells += [f"{each.means[name]:.4f}", shown]
        ms, slow = at_scale[each.spec], at_scale[whole.spec]
        cells += [
            f"{each.bytes_kept / units:,.0f}", f"{each.bytes_kept / whole.bytes_kept:.2f}",
            f"{ms:.2f}", f"{ms / slow:.2f}", "yes" if each.as_good else "",
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--indexes", type=Path, metavar="DIR", default=PLACE)
    options.add_argument("--output", type=Path)
    chosen = options.parse_args()
    data = data_folder()
    lines = [
        "# Compressed vectors",
        "",
        "`python bench/compression.py`",
        "",
        "What `evaluate --compress` says on two samples (vectors of minilm, 384 dimensions, paragraphs; PCA "
        "fitted on the units of the index). Quality is nDCG@10 with paired intervals against whole vectors: "
        "for the hybrid of words and vectors, and for vectors alone. Bytes are those on disk, codes included "
        "(which cost more a unit where units are few). Times are of searching the vectors alone, one core, "
        "medians, among 100,000 rows, each a mixture of three of the collection's: all rows are scanned, "
        "and with `binary` codes propose and bytes rank. Mixtures lie closer together than real texts, which is "
        "hard on codes: on real passages they are several times as fast as a scan ([knn_speed](knn_speed.md)).",
        "",
    ]
    for collection in COLLECTIONS:
        if collection.name in NAMES:
            lines += table(collection, data, chosen.indexes)
    text = "\n".join(lines)
    (chosen.output.write_text(text, encoding="utf-8") if chosen.output else sys.stdout.write(text))


if __name__ == "__main__":
    main()

"""Is `structure` the right default where people judged single functions? Against hybrid, k-NN and BM25.

    TELLAPART_DATA=... python bench/code_default.py --output docs/benchmarks/code_default.md

Each record becomes a file of its own with a number for a name, so that paths say nothing and a file is a function: the
hardest case for a ranker of files. Records of a BEIR folder have no path, and `auto` takes hybrid there.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from judged import load, publish, table
from tellapart.corpus.document import Granularity
from tellapart.engine import Index
from tellapart.engine.configuration import Configuration
from tellapart.experiments.arms import Arm, Arms
from tellapart.experiments.deciding import decide
from tellapart.experiments.query_files import read_query_set
from tellapart.experiments.running import run_texts
from tellapart.experiments.verdict import Finding, Verdict

SETS = {
    "humaneval": ("test", ".py"),
    "mbpp": ("train", ".py"),
    "java-cs": ("valid", ".cs"),
    "cosqa": ("dev", ".py"),
}
LEVELS = (Granularity.FUNCTION,)
ENCODER = "minilm"
ARMS = ((None, "bm25"), (ENCODER, "knn"), (ENCODER, "hybrid"), (None, "structure"), (ENCODER, "structure"))


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--work", type=Path, default=Path("build") / "code_default")
    options.add_argument("--only", action="append", default=[])
    options.add_argument("--output", type=Path)
    chosen = options.parse_args()
    names = [name for name in SETS if not chosen.only or name in chosen.only]
    arms = [Arm.fixed(Configuration(encoder, LEVELS, ranker)) for encoder, ranker in ARMS]
    only = "".join(f" --only {name}" for name in chosen.only)
    rows = []
    for name in names:
        split, extension = SETS[name]
        verdict = _verdict(name, split, extension, chosen.work / name, arms)
        rows.append(
            [f"{name} {split} ({len(verdict.queries)})", *(_shown(verdict.finding(arm.name)) for arm in arms)]
        )
    publish(
        f"# The default for code where single functions were judged\n\n`python bench/code_default.py{only}`: nDCG@10 of"
        " people's queries; each function is a file with a number for a name, so that a ranker of files has nothing but"
        " the function to go by. In brackets the difference to hybrid, paired over queries, 95 %, p corrected for the"
        " comparisons (Holm). As records, which have no path, the same sets are ranked by hybrid by default.\n\n"
        + table(["", *(arm.name for arm in arms)], rows),
        chosen.output,
    )


def _verdict(name: str, split: str, extension: str, work: Path, arms: Sequence[Arm]) -> Verdict:
    judged = load(name, split)
    files = {document: f"f{number:05d}{extension}" for number, document in enumerate(judged.documents)}
    corpus = work / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for document, text in judged.documents.items():
        (corpus / files[document]).write_text(text, encoding="utf-8")
    queries = [json.dumps({"_id": query, "text": text}) for query, text in judged.queries.items()]
    (work / "queries.jsonl").write_text("\n".join(queries) + "\n", encoding="utf-8")
    lines = [
        f"{query}\t{files[document]}\t{grade}"
        for query, grades in judged.qrels.grades.items()
        for document, grade in grades.items()
    ]
    (work / "qrels.tsv").write_text(
        "query-id\tcorpus-id\tscore\n" + "\n".join(lines) + "\n", encoding="utf-8"
    )
    with Index.build([corpus], work / "index", encoders=(ENCODER,)) as index:
        query_set = read_query_set(index, work / "queries.jsonl", work / "qrels.tsv")
        return decide(run_texts(index, query_set, Arms.of(arms[2], arms[2], arms)))


def _shown(found: Finding) -> str:
    gap = found.vs_default
    beside = (
        "" if gap is None else f" ({gap.difference:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}], p {gap.p:.3f})"
    )
    return f"{found.mean:.3f}{beside}"


if __name__ == "__main__":
    main()

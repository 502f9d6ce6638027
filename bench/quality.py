"""Ranking quality on judged collections, every ranker paired with bm25 on the same queries.

    TELLAPART_DATA=... python bench/quality.py --output docs/benchmarks/quality.md

A collection is indexed once with the levels its rows need (`--indexes DIR` keeps the indexes). Rows without
`parts` are runs by document id: a document scores as its best unit. Rows with `parts` judge spans inside
documents: a hit stands for the judged part that it overlaps most, if it covers at least half of that part's
characters, and for nothing otherwise; so `R@10` of the rationales is the share of a claim's judged rationale
sentences that at least one of the top 10 sentence units covers by half or more, averaged over the claims.
Quality repeats exactly on one machine; int8 arithmetic may move a figure in the third decimal on another.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from judged import data_folder, publish, table
from parts import (
    Parts,
    part_of,
    scifact_rationales,
    scifact_sentences,
    texts_of,
    wikiqa_sentences,
    xquad_paragraphs,
)
from tellapart.engine import Index
from tellapart.experiments.measures import Evaluation, Measure, evaluate_run
from tellapart.experiments.qrels import JudgedQueries, read_beir
from tellapart.experiments.statistics import Comparison, compare_all, holm
from tellapart.rankers.run import RankedDocuments, Run

RANKERS = ("bm25", "knn", "svm", "hybrid", "rrf")
REFERENCE = "bm25"
ENCODER = "minilm"
JUDGED = Measure.parse("Judged@10")
PART_DEPTH = 50
"""Units asked for where parts are judged: several may stand for one part, and ten parts are scored."""
SEED = 0


@dataclass(frozen=True)
class Row:
    """What is measured: a collection, its judgements, and a granularity."""

    name: str
    folder: str
    split: str
    granularity: str = "document"
    corpus: str = "corpus.jsonl"
    measure: Measure = field(default_factory=lambda: Measure.parse("nDCG@10"))
    parts: Callable[[Path], Parts] | None = None
    judgements: Callable[[Path], JudgedQueries] | None = None


ROWS = (
    Row("scifact train", "scifact", "train"),
    Row("cranfield (source paper not relevant)", "cranfield", "test"),
    Row("cisi", "cisi", "test"),
    Row("cacm", "cacm", "test"),
    Row("med", "med", "test"),
    Row("cosqa dev", "cosqa", "dev"),
    Row("mbpp train", "mbpp", "train"),
    Row(
        "xquad-en paragraphs of articles",
        "xquad-en",
        "paragraph",
        "paragraph",
        "articles.jsonl",
        parts=xquad_paragraphs,
    ),
    Row(
        "wikiqa dev sentences of sections",
        "wikiqa",
        "dev",
        "sentence",
        "sections.jsonl",
        parts=wikiqa_sentences,
    ),
    Row("wikiqa dev sections", "wikiqa", "section-dev", "section", "sections.jsonl"),
    Row(
        "scifact train rationale sentences",
        "scifact",
        "train",
        "sentence",
        measure=Measure.parse("R@10"),
        parts=scifact_sentences,
        judgements=scifact_rationales,
    ),
)


@dataclass(frozen=True)
class Outcome:
    """One ranker on one row."""

    row: Row
    ranker: str
    evaluation: Evaluation
    versus: Comparison | None

    @property
    def mean(self) -> float:
        """Average of the row's measure."""
        return self.evaluation.mean(self.row.measure)


def measure_row(row: Row, index: Index, data: Path, rankers: Sequence[str]) -> list[Outcome]:
    folder = data / row.folder
    judged = row.judgements(folder) if row.judgements else read_beir(folder, row.split)
    parts = row.parts(folder) if row.parts else None
    texts = texts_of(folder / row.corpus) if parts else {}
    evaluations = {}
    for ranker in rankers:
        if parts is None:
            run = index.run(judged.queries.texts, ranker=ranker, granularity=row.granularity)
        else:
            run = _run_of_parts(row, index, judged.queries.texts, parts, texts, ranker)
        evaluations[ranker] = evaluate_run(run, judged.qrels, [row.measure, JUDGED])
    others = [ranker for ranker in rankers if ranker != REFERENCE]
    versus: dict[str, Comparison] = {}
    if others:
        columns = np.stack([evaluations[ranker].values[row.measure] for ranker in others], axis=1)
        reference = evaluations[REFERENCE].values[row.measure]
        versus = dict(zip(others, compare_all(columns, reference, seed=SEED), strict=True))
    return [Outcome(row, ranker, evaluations[ranker], versus.get(ranker)) for ranker in rankers]


def _run_of_parts(
    row: Row, index: Index, queries: Mapping[str, str], parts: Parts, texts: Mapping[str, str], ranker: str
) -> Run:
    rankings = {}
    for query, text in queries.items():
        hits = index.search(text, k=PART_DEPTH, ranker=ranker, granularity=row.granularity)
        found: dict[str, None] = {}
        for hit in hits:
            if texts[hit.document][slice(*hit.span)] != hit.text:
                sys.exit(f"{row.name}: the indexed text of {hit.document!r} is not title, newline, text")
            part = part_of(parts[hit.document], *hit.span)
            # A unit that stands for no part still takes its rank.
            found.setdefault(part or hit.id)
        rankings[query] = RankedDocuments(tuple(found), -np.arange(len(found), dtype=np.float64))
    return Run(rankings, ranker)


def build(
    data: Path, folder: str, corpus: str, rows: Sequence[Row], place: Path, encoders: Sequence[str]
) -> Index:
    """Index one corpus file with the levels that its rows need, as a BEIR folder so that ids stay as they are."""
    levels = {row.granularity for row in rows}
    if "document" in levels:
        levels.add("file")
    source = place / "sources" / folder / corpus
    source.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(data / folder / corpus, source / "corpus.jsonl")
    sys.stderr.write(f"{folder}/{corpus}: indexing {', '.join(sorted(levels))}\n")
    return Index.build([source], place / folder / corpus, encoders=encoders, granularities=sorted(levels))


def report(outcomes: Sequence[Outcome]) -> list[list[str]]:
    compared = [outcome.versus.p for outcome in outcomes if outcome.versus]
    adjusted = iter(holm(compared))
    return [_cells(outcome, outcomes, adjusted) for outcome in outcomes]


def _cells(outcome: Outcome, outcomes: Sequence[Outcome], adjusted: Iterator[float]) -> list[str]:
    row, versus = outcome.row, outcome.versus
    best = max(other.mean for other in outcomes if other.row is row)
    figure = f"**{outcome.mean:.3f}**" if outcome.mean == best else f"{outcome.mean:.3f}"
    against = ["", "", "", ""]
    if versus:
        against = [
            f"{versus.difference:+.3f} [{versus.low:+.3f}, {versus.high:+.3f}]",
            _p(versus.p),
            _p(next(adjusted)),
            f"{versus.detectable:.3f}",
        ]
    counts = str(len(outcome.evaluation.queries))
    judged = f"{outcome.evaluation.mean(JUDGED):.2f}"
    return [
        row.name,
        row.granularity,
        str(row.measure),
        outcome.ranker,
        counts,
        figure,
        *against,
        judged,
    ]


def _p(value: float) -> str:
    return f"{value:.4f}" if value >= 0.00015 else "< .0002"


HEAD = (
    "set",
    "granularity",
    "measure",
    "ranker",
    "queries",
    "mean",
    "minus bm25 [95 %]",
    "p",
    "p (Holm)",
    "detectable",
    "Judged@10",
)


def fingerprint(data: Path, rows: Sequence[Row]) -> str:
    """A short hash of every file that the rows read."""
    digest = hashlib.sha256()
    for folder in sorted({row.folder for row in rows}):
        for path in sorted((data / folder).rglob("*")):
            if path.suffix in {".jsonl", ".tsv"}:
                digest.update(path.relative_to(data).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def document(outcomes: Sequence[Outcome], data: Path, rows: Sequence[Row], command: str) -> str:
    left_out = {
        outcome.row.name: len(outcome.evaluation.left_out)
        for outcome in outcomes
        if outcome.evaluation.left_out
    }
    excluded = "; ".join(f"{name} {count}" for name, count in left_out.items()) or "none"
    return (
        "# Ranking quality\n\n"
        f"`{command}`\n\n"
        f"{(__doc__ or '').split('    TELLAPART_DATA')[0].strip()} Encoder {ENCODER}; every parameter at its"
        " default. A document scores as its best unit; where parts of documents are judged, a hit stands for"
        " the judged part that it overlaps most, if it covers at least half of it. Intervals are paired"
        " bootstrap-t (10,000 draws), p is of 10,000 sign flips, Holm over all comparisons of this table;"
        " `detectable` is the difference these queries would show in 80 % of trials. The best mean of a set"
        f" is bold, which does not mean that it is separated. Seed {SEED}; data {fingerprint(data, rows)};"
        f" judged queries left out because nothing is relevant: {excluded}.\n\n"
        + table(HEAD, report(outcomes))
    )


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument(
        "--only", action="append", metavar="FOLDER", help="collections to measure (repeatable)"
    )
    options.add_argument("--rankers", nargs="+", default=list(RANKERS), choices=RANKERS)
    options.add_argument("--indexes", type=Path, metavar="DIR", help="keep the indexes there")
    options.add_argument("--output", type=Path, metavar="FILE")
    chosen = options.parse_args()
    rankers = list(dict.fromkeys([REFERENCE, *chosen.rankers]))
    encoders = () if rankers == [REFERENCE] else (ENCODER,)
    rows = [row for row in ROWS if not chosen.only or row.folder in chosen.only]
    if not rows:
        options.error(f"no row measures {chosen.only}; choose from {sorted({row.folder for row in ROWS})}")
    data = data_folder()
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory() as temporary:
        place = chosen.indexes or Path(temporary)
        corpora: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for row in rows:
            corpora[row.folder, row.corpus].append(row)
        for (folder, corpus), members in corpora.items():
            index = build(data, folder, corpus, members, place, encoders)
            for row in members:
                outcomes.extend(measure_row(row, index, data, rankers))
                sys.stderr.write(
                    "".join(f"{o.row.name} {o.ranker} {o.mean:.4f}\n" for o in outcomes if o.row is row)
                )
            index.close()
    outcomes.sort(key=lambda outcome: ROWS.index(outcome.row))
    arguments = [f"--only {name}" for name in chosen.only or []]
    if set(rankers) != set(RANKERS):
        arguments.append("--rankers " + " ".join(rankers))
    command = " ".join(["python bench/quality.py", *arguments])
    publish(document(outcomes, data, rows, command), chosen.output)


if __name__ == "__main__":
    main()

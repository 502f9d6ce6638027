"""Lists that hold an answer (conformal): coverage, and length against a fixed number of hits.

    TELLAPART_DATA=... python bench/lists.py --work build/lists --output docs/benchmarks/lists.md

What searches found is kept in the work folder. Documents, sections and paragraphs are searched as they come;
scifact and xquad-en a second time by sentences, relevant where they overlap a judged passage.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from calibration_queries import drawn, kept_observed
from judged import data_folder, publish, table
from parts import scifact_rationales, scifact_sentences, text_of
from tellapart import Index
from tellapart.experiments import read_query_set
from tellapart.scores.evidence import HitTable, claims, reached
from tellapart.scores.observing import DEPTH, ObservedQuery
from tellapart.scores.thresholds import lower_quantile, one_each

COVERAGE = 0.9
SPLITS = 100
"""Draws of the half of the queries that sets the threshold; it is tried on the others."""
QUERIES = 200
"""Of a set at most, drawn with seed 0: 100 hits of each are described."""
DOCUMENTS = 600
"""Of scifact that are searched by sentences, all with a judged sentence among them: what encodes in a minute."""


@dataclass(frozen=True)
class Searched:
    """A set: its folder below TELLAPART_DATA, its split; with `passages`, how its judged passages are written."""

    name: str
    split: str
    passages: Callable[[Path, Path], None] | None = None

    @property
    def label(self) -> str:
        """Name in the table."""
        return f"{self.name}, sentences" if self.passages else self.name


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path)
    parser.add_argument("--work", type=Path, default=Path("build") / "lists")
    parser.add_argument("--sets", nargs="+", default=[each.label for each in SETS])
    arguments = parser.parse_args()
    rows = []
    for each in SETS:
        if each.label in arguments.sets:
            observed = found(each, arguments.work)
            rows.append([f"{each.label} ({len(observed)})", *list_figures(observed)])
    left = [each.label for each in SETS if each.label not in arguments.sets]
    publish(page(rows, left), arguments.output)


def found(searched: Searched, work: Path) -> list[ObservedQuery]:
    """Search some queries of a set, or read what was found before."""
    name = searched.label.replace(", ", "-")
    kept = work / f"{name}-lists.json"
    if kept.exists():
        return kept_observed(kept, None, None, None, DEPTH)  # type: ignore[arg-type]
    data = data_folder() / searched.name
    if searched.passages is None:
        index = Index.build([data / "corpus.jsonl"], work / name, granularities=("paragraph", "function"))
        configuration, queries = index.plan().configuration, read_query_set(index, data, split=searched.split)
    else:
        source = work / "sources" / name
        source.mkdir(parents=True, exist_ok=True)
        searched.passages(data, source)
        index = Index.build([source / "corpus.jsonl"], work / name, granularities=("sentence",))
        configuration = index.plan(granularity="sentence").configuration
        queries = read_query_set(index, source / "queries.jsonl", spans=source / "spans.tsv")
    some = replace(drawn(queries, QUERIES), unanswered={})
    observed = kept_observed(kept, index, some, configuration, DEPTH)
    index.close()
    return observed


def rationales(data: Path, target: Path) -> None:
    """Write scifact's sentences that experts marked, for some claims, and the abstracts with some others."""
    judged, parts = scifact_rationales(data), scifact_sentences(data)
    draw = np.random.default_rng(0)
    chosen = draw.permutation(sorted(judged.qrels.grades))[:QUERIES].tolist()
    spans = {part.id: part for every in parts.values() for part in every}
    wanted = {spans[name].document for query in chosen for name in judged.qrels.grades[query]}
    lines = (data / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    names = [str(json.loads(line)["_id"]) for line in lines]
    others = [name for name in draw.permutation(names).tolist() if name not in wanted]
    kept = wanted | set(others[: DOCUMENTS - len(wanted)])
    corpus = [line for line, name in zip(lines, names, strict=True) if name in kept]
    rows = [
        (query, spans[name].document, spans[name].start, spans[name].end)
        for query in chosen
        for name in judged.qrels.grades[query]
    ]
    _write(target, corpus, {query: judged.queries.texts[query] for query in chosen}, rows)


def answers(data: Path, target: Path) -> None:
    """Write xquad's paragraphs and, for every question, where its answer stands in one."""
    lines = (data / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    shifts = {}
    for line in lines:
        record = json.loads(line)
        shifts[str(record["_id"])] = len(text_of(record)) - len(record["text"])
    rows = []
    for line in (data / "spans.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        query, _, paragraph, start, end, _ = line.split("\t")
        rows.append((query, paragraph, shifts[paragraph] + int(start), shifts[paragraph] + int(end)))
    queries = {
        str(record["_id"]): str(record["text"])
        for record in map(json.loads, (data / "queries.jsonl").read_text(encoding="utf-8").splitlines())
    }
    _write(target, lines, {query: queries[query] for query, *_ in rows}, rows)


def _write(
    target: Path, corpus: Sequence[str], queries: dict[str, str], spans: Sequence[tuple[str, str, int, int]]
) -> None:
    (target / "corpus.jsonl").write_text("".join(f"{line}\n" for line in corpus), encoding="utf-8")
    texts = [json.dumps({"_id": query, "text": text}) for query, text in queries.items()]
    (target / "queries.jsonl").write_text("\n".join(texts) + "\n", encoding="utf-8")
    head = "query-id\tcorpus-id\tstart\tend\n"
    rows = ["\t".join(map(str, span)) + "\n" for span in spans]
    (target / "spans.tsv").write_text(head + "".join(rows), encoding="utf-8")


SETS = (
    Searched("wikiqa", "train"),
    Searched("scifact", "train"),
    Searched("scifact", "train", rationales),
    Searched("xquad-en", "paragraph"),
    Searched("xquad-en", "paragraph", answers),
    Searched("cosqa", "dev"),
    Searched("cranfield", "test"),
    Searched("med", "test"),
    Searched("cisi", "test"),
)


def list_figures(observed: Sequence[ObservedQuery]) -> list[str]:
    """Coverage and length on half of the queries; only those whose answer is among the first 100 hits."""
    has = [each for each in observed if each.relevant.any()]
    has = [has[at] for at in one_each([each.cluster for each in has])]
    clusters = [each.cluster for each in has]
    said = HitTable.of(has).predicted([each.features for each in has], clusters, "logistic", 0)
    claimed = [claims(p) for p in said]
    best = np.array([reached(p, each.relevant) for p, each in zip(said, has, strict=True)], dtype=float)
    first = np.array([int(each.relevant.argmax()) + 1 for each in has])
    draw = np.random.default_rng(0)
    covered, lengths, fixed, first_found = [], [], [], []
    for _ in range(SPLITS):
        order = draw.permutation(len(has))
        known, new = np.split(order, [len(order) // 2])
        threshold = lower_quantile(best[known], 1 - COVERAGE)
        covered.append((best[new] >= threshold).mean())
        lengths.append(np.mean([(claimed[at] >= threshold).sum() for at in new]))
        first_found.append(-lower_quantile(-first[known].astype(float), 1 - COVERAGE))
        fixed.append(np.sort(first[new])[max(math.ceil(float(covered[-1]) * len(new)) - 1, 0)])
    length, same, set_before = float(np.mean(lengths)), float(np.mean(fixed)), float(np.mean(first_found))
    low, high = np.percentile(1 - np.array(lengths) / np.array(fixed), [2.5, 97.5])
    return [
        str(len(has)),
        f"{np.mean(covered):.3f}",
        f"{length:.1f}",
        f"{same:.1f}",
        f"{1 - length / same:.0%} [{low:.0%}, {high:.0%}]",
        f"{set_before:.1f}",
    ]


def page(rows: Sequence[Sequence[str]], left: Sequence[str]) -> str:
    head = [
        "set (queries)",
        "with an answer",
        "coverage",
        "length",
        "fixed length, same coverage",
        "shorter by",
        "fixed length, set beforehand",
    ]
    return (
        "# Lists that hold an answer\n\n"
        f"`search --coverage {COVERAGE:g}`: of queries with an answer among the first {DEPTH} hits, as many shall find"
        " one in their list.\n"
        f"Half of the queries set the threshold, the others are searched; means over {SPLITS} splits, in brackets\n"
        "nineteen of twenty splits. The fixed length is the smallest that covers as often on the second half; it\n"
        "is chosen on the very queries that it is tried on, which favours it; the last column is set on the first\n"
        "half, as the list is.\n"
        f"*Sentences*: scifact's claims against {DOCUMENTS:,} abstracts by sentences, relevant where experts marked\n"
        "the sentence; xquad-en's questions, relevant where the answer stands.\n\n"
        + table(head, rows)
        + (f"\nNot run this time: {', '.join(left)}.\n" if left else "")
    )


if __name__ == "__main__":
    main()

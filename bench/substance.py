"""Does holding back units that say next to nothing cost anything? The same searches with and without it.

    TELLAPART_DATA=... python bench/substance.py --checkouts DIR --output docs/benchmarks/substance.md

Words only, default granularities; documents in the order in which their first hits come, ten hits a query. DIR holds
repositories of semble's benchmark, of whose documentation headings are asked for (bench/mixed_repositories.py).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from judged import MEASURE, data_folder, publish, table
from mixed_repositories import documentation
from tellapart.engine import Index, SearchRequest, hits
from tellapart.engine.searching import rank_units
from tellapart.experiments.measures import evaluate_run
from tellapart.experiments.qrels import Qrels, read_beir
from tellapart.experiments.statistics import compare
from tellapart.rankers.run import RankedDocuments, Run, rank_documents

SETS = (
    ("cranfield", "test", "corpus.jsonl"),
    ("cisi", "test", "corpus.jsonl"),
    ("cacm", "test", "corpus.jsonl"),
    ("scifact", "train", "corpus.jsonl"),
    ("wikiqa", "section-train", "sections.jsonl"),
    ("xquad-en", "article", "articles.jsonl"),
    ("cosqa", "dev", "corpus.jsonl"),
)
LEAST = (0, 3, 5, 8, 12)
K = 10

Grades = Mapping[str, Mapping[str, int]]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--checkouts", type=Path)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        place = options.work or Path(scratch)
        rows = [measured(*each) for each in collections(place, options.checkouts)]
    head = ["queries of", "n", "without", *(f"fewer than {least} words" for least in LEAST[1:])]
    publish(HEAD + table(head, rows) + TAIL, options.output)


def collections(
    place: Path, checkouts: Path | None
) -> Iterator[tuple[str, Index, Mapping[str, str], Grades]]:
    """Give name, index, queries and judgements of everything that is measured."""
    for name, split, corpus in SETS:
        folder = place / "sets" / name
        if not (folder / "index" / "store.sqlite").is_file():
            (folder / "source").mkdir(parents=True, exist_ok=True)
            (folder / "source" / "corpus.jsonl").write_bytes((data_folder() / name / corpus).read_bytes())
            Index.build(folder / "source", folder / "index", encoders=()).close()
        judged = read_beir(data_folder() / name, split)
        grades = {query: own for query, own in judged.qrels.grades.items() if max(own.values()) > 0}
        texts = {query: judged.queries.texts[query] for query in grades}
        yield f"{name} {split}", Index.open(folder / "index", refresh=False), texts, grades
    for name, index, asked in documentation(checkouts, place) if checkouts else ():
        grades = {text: {target.path: 1 for target in targets} for text, targets in asked.items()}
        yield f"documentation of {name}", index, {text: text for text in asked}, grades


def measured(name: str, index: Index, texts: Mapping[str, str], grades: Grades) -> list[str]:
    """One row: the value without holding back, and differences with it."""
    index.close()
    values = []
    for least in LEAST:
        hits.SUBSTANCE = max(least, 1)
        with Index.open(index.folder, refresh=False) as fresh:  # an open index keeps how much its units say
            run = Run({query: ranked(fresh, text, hold_back=least > 0) for query, text in texts.items()})
        values.append(evaluate_run(run, Qrels(grades), [MEASURE]).values[MEASURE])
    found = [compare(each, values[0]) for each in values[1:]]
    row = [name, str(len(texts)), f"{values[0].mean():.4f}"]
    row += [f"{each.difference:+.4f} [{each.low:+.4f}, {each.high:+.4f}]" for each in found]
    sys.stderr.write(f"{row}\n")
    changed = [bool(np.any(of != values[0])) for of in values[1:]]
    return row[:3] + [cell if new else "the same" for cell, new in zip(row[3:], changed, strict=True)]


def ranked(index: Index, text: str, *, hold_back: bool) -> RankedDocuments:
    """Documents by their best hit."""
    with index.reading() as snapshot:
        _, queries = index.level_queries(snapshot, SearchRequest(text, k=K))
        fetch = partial(snapshot.fetch, index.store)
        found = hits.distinct_hits(partial(rank_units, queries), fetch, K, hold_back=hold_back)
    names = list(dict.fromkeys(hit.document for hit in found))
    return rank_documents(names, [float(len(names) - at) for at in range(len(names))])


HEAD = """# Units that say next to nothing

Command: `python bench/substance.py --checkouts DIR`. nDCG@10 of documents in the order of their first hits, words
only, default granularities, without and with holding back paragraphs and blocks of few different words (a unit scores
the share that it has of so many; engine/hits.py). Differences are paired, intervals of 95 %; "the same" where no
value changed. In documentation of repositories headings that stand once are asked for, and the file that has the
heading answers.

"""
TAIL = """
5 is what `search` does. Sentences are never held back: titles are sentences of few words.
"""

if __name__ == "__main__":
    main()

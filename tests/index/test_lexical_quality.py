import json
from pathlib import Path

import numpy as np
import pytest

from tellapart.corpus.document import LEVELS, ContainmentTree, Document, Kind, Level
from tellapart.index.lexical import Bm25, LexicalSegment, LexicalWriter, analyse_query, defaults

ir_measures = pytest.importorskip("ir_measures")


def lines(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]


def judgements(path: Path) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        query, document, grade = line.split("\t")
        found.setdefault(query, {})[document] = int(grade)
    return found


@pytest.mark.parametrize(
    ("name", "split", "kind", "least"),
    [
        ("scifact", "train", Kind.PROSE, 0.690),
        ("cosqa", "dev", Kind.CODE, 0.38),
        ("mbpp", "train", Kind.CODE, 0.48),
    ],
)
def test_ndcg_reaches_the_figures(
    data: Path, tmp_path: Path, name: str, split: str, kind: Kind, least: float
) -> None:
    records, level = lines(data / name / "corpus.jsonl"), LEVELS[kind][-1]
    writer, whole = LexicalWriter((level,)), Level(np.zeros(1, np.int32), ("",))
    for record in records:
        title = record.get("title") or ""
        text = f"{title}\n{record['text']}" if title else record["text"]
        tree = ContainmentTree(len(text), kind, dict.fromkeys(LEVELS[kind], whole))
        writer.add(Document(record["_id"], text, kind, title=title), tree)
    writer.write(tmp_path / "s", [level])
    bm25, (k1, b) = Bm25([LexicalSegment.open(tmp_path / "s")], level), defaults(kind)
    qrels = judgements(data / name / "qrels" / f"{split}.tsv")
    run: dict[str, dict[str, float]] = {}
    for query in lines(data / name / "queries.jsonl"):
        if query["_id"] in qrels:
            rows, scores = bm25.top(analyse_query(query["text"], kind), 100, k1=k1, b=b)
            pairs = zip(rows.tolist(), scores.tolist(), strict=True)
            run[query["_id"]] = {records[row]["_id"]: score for row, score in pairs}
    assert ir_measures.calc_aggregate([ir_measures.nDCG @ 10], qrels, run)[ir_measures.nDCG @ 10] >= least

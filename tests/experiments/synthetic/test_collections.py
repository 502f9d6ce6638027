"""Collections that lack most of what queries are made from still give some, and nothing leaks."""

from __future__ import annotations

import numpy as np
import pytest

from tellapart.engine import Index
from tellapart.experiments.measures import Measure, evaluate_run
from tellapart.experiments.synthetic import generate, leaks

MEASURE = Measure.parse("nDCG@10")


@pytest.mark.parametrize(
    ("name", "sources"),
    [
        ("med", {"first-sentence", "inner-sentence", "rare-terms", "keywords", "fragment"}),
        ("cisi", {"title", "first-sentence", "inner-sentence", "rare-terms", "keywords", "fragment"}),
        ("mbpp", {"identifier", "comment", "rare-terms"}),
        ("limit-small", {"keywords", "fragment"}),
    ],
)
def test_a_collection_gives_what_it_has(data, tmp_path, name, sources):
    index = Index.build([data / name / "corpus.jsonl"], tmp_path / "index", encoders=[])
    generated = generate(index, at_most=200)
    gold = generated.query_set
    assert set(gold.sources.values()) == sources
    assert len(gold.queries) >= 30
    with generated.masked_index() as masked:
        assert leaks(generated, masked, index) == ()
        blanked, plain = (
            evaluate_run(each.run(gold.queries, ranker="bm25"), gold.qrels, [MEASURE]).values[MEASURE]
            for each in (masked, index)
        )
    hidden = np.array([query in generated.blanks for query in gold.qrels.grades])
    if hidden.any():
        assert plain[hidden].mean() > 1.2 * blanked[hidden].mean()

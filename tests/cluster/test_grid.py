"""The grid of `evaluate` gives the same values on a cluster, to the digit."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tellapart import Index, TellapartError
from tellapart.cluster import Cluster, GridOnCluster, grid
from tellapart.experiments import read_query_set, run_texts, running, text_arms

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ray_here")]


@pytest.fixture
def judged(corpus, tmp_path):
    """An index and judged queries of it."""
    queries, qrels = tmp_path / "queries.jsonl", tmp_path / "qrels.tsv"
    lines = [{"_id": f"q{n}", "text": f"what does record {n} say of thing{n % 7}"} for n in range(30)]
    queries.write_text("\n".join(map(json.dumps, lines)))
    rows = "".join(f"q{n}\trecords.jsonl/r{n}\t1\n" for n in range(30))
    qrels.write_text("query-id\tcorpus-id\tscore\n" + rows)
    folder = tmp_path / "my.idx"
    Index.build([corpus], folder, encoders=["lsa"])
    return folder, queries, qrels


def test_every_value_is_the_same(judged, monkeypatch):
    folder, queries, qrels = judged
    index = Index.open(folder)
    query_set = read_query_set(index, queries, qrels)
    monkeypatch.setattr(running, "BLOCK_CELLS", 1_000)  # several blocks for each part
    here = run_texts(index, query_set, text_arms(index))
    with Cluster.connect("local") as ray:
        there = run_texts(index, query_set, text_arms(index), runner=GridOnCluster(ray))
    assert there.arms.keys() == here.arms.keys()
    assert len(here.arms) > 8
    for name, table in here.arms.items():
        assert np.array_equal(there.arms[name].values, table.values), name
    assert np.array_equal(there.entropy_weights, here.entropy_weights)


def test_an_index_that_changes_meanwhile_is_not_mixed(judged, monkeypatch):
    """Workers that find another generation than the driver's say so."""
    folder, queries, qrels = judged
    index = Index.open(folder)
    query_set = read_query_set(index, queries, qrels)
    monkeypatch.setattr(grid, "_generation", lambda opened: "the one before")
    with (
        Cluster.connect("local") as ray,
        pytest.raises(TellapartError, match="changed while it was evaluated"),
    ):
        run_texts(index, query_set, text_arms(index), runner=GridOnCluster(ray))


@pytest.mark.parametrize("with_judgements", [True, False])
def test_the_command_line_gives_the_same_verdict(judged, call, with_judgements):
    folder, queries, qrels = judged
    asked = ["--queries", queries, "--qrels", qrels] if with_judgements else []
    verdicts = []
    for more in ([], ["--cluster", "local"]):
        code, out, err = call("evaluate", "--index", folder, *asked, "--no-keep", "--json", *more)
        assert code == 0, err
        verdict = json.loads(out)
        for each in verdict["configurations"]:
            del each["cost"]
        verdicts.append(verdict)
    assert verdicts[0]["configurations"] == verdicts[1]["configurations"]
    assert verdicts[0]["choice"] == verdicts[1]["choice"]

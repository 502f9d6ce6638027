"""A dataset that a cluster filled is published as the index made of it."""

from __future__ import annotations

import pytest

from tellapart import Index

pytestmark = pytest.mark.slow


def test_a_dataset_is_published(address, call, tmp_path):
    ray = pytest.importorskip("ray", reason="needs Ray: pip install 'tellapart[cluster]'")
    docs = tmp_path / "docs"
    docs.mkdir()
    for n in range(5):
        (docs / f"note{n}.md").write_text(f"# Note {n}\n\nThis one tells topic{n % 3} and what follows.\n")
    if not (shared := ray.is_initialized()):
        ray.init(
            "local", num_cpus=1, include_dashboard=False, object_store_memory=80_000_000, log_to_driver=False
        )
    place = tmp_path / "my.lance"
    code, _, err = call("index", docs, "--cluster", "local", "--output", place, "--encoder", "none")
    if not shared:
        ray.shutdown()
    assert code == 0, err
    code, _, err = call("publish", "--index", place, "--to", address)
    assert code == 0, err
    local = Index.build([docs], tmp_path / "local.idx", encoders=())
    hits = [
        [(hit.id, hit.score) for hit in index.search("topic1 follows", ranker="bm25")]
        for index in (Index.open(address), local)
    ]
    assert hits[0] == hits[1]
    code, _, err = call("publish", "--index", place, "--to", address)
    assert (code, "sent nothing" in err) == (0, True)

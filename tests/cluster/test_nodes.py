"""A node that is lost in the middle of a run changes nothing in what it writes."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from tests.cluster.conftest import age, write_records

lance = pytest.importorskip("lance", reason="needs Lance: pip install 'tellapart[cluster]'")
pytest.importorskip("ray", reason="needs Ray: pip install 'tellapart[cluster]'")
pytestmark = pytest.mark.slow

DRIVER = """
import json, os, sys, time
from contextlib import contextmanager
from pathlib import Path

import ray
from ray.cluster_utils import Cluster
from tellapart.cluster import build_dataset, job, tasks

corpus, folder = sys.argv[1], Path(sys.argv[2])
small = {"object_store_memory": 80_000_000}
cluster = Cluster(
    initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False, **small}
)
nodes = [cluster.add_node(num_cpus=1, **small) for _ in range(2)]
cluster.wait_for_nodes()
ray.init(cluster.address, log_to_driver=False)
job.BATCH_FILES, job.LARGE_BYTES = 1, 5_000
doomed = folder / "doomed"


def here():
    return ray.get_runtime_context().get_node_id()


def watched(function):
    def call(*arguments):
        mark = folder / f"{time.time_ns()}.{here()}"
        mark.touch()
        time.sleep(0.5)
        while doomed.exists() and doomed.read_text() == here():  # until its node is gone
            time.sleep(0.05)
        done = function(*arguments)
        mark.unlink()
        return done

    return call


job.read_files, job.encode_records = watched(tasks.read_files), watched(tasks.encode_records)
lost = []


@contextmanager
def losing(label, total):
    '''Remove a node once something is finished and it is at work.'''

    def advance(count):
        for node in nodes:
            at_work = f"*.{node.node_id}"
            if not lost and list(folder.glob(at_work)):
                doomed.write_text(node.node_id)
                time.sleep(0.3)
                if list(folder.glob(at_work)):
                    cluster.remove_node(node, allow_graceful=False)
                    lost.append(node.node_id)
                else:
                    doomed.unlink()

    yield advance


quiet = build_dataset([corpus], str(folder / "quiet.lance"))
assert not list(folder.glob("*.????????????????????????*"))
report = build_dataset([corpus], str(folder / "my.lance"), progress=losing)
alive, until = 3, time.monotonic() + 60
while alive > 2 and time.monotonic() < until:  # Ray notices late
    alive = sum(node["Alive"] for node in ray.nodes())
    time.sleep(0.2)
(folder / "told.json").write_text(json.dumps({
    "documents": [quiet.documents, report.documents],
    "lost": lost,
    "unfinished": [len(list(folder.glob(f"*.{node}"))) for node in lost],
    "alive": alive,
}))
"""


def content(place):
    """All that is kept of every document, its vectors included."""
    columns = [name for name in lance.dataset(place).schema.names if name != "stamp"]
    rows = lance.dataset(place).to_table(columns=columns, filter="digest IS NOT NULL").to_pylist()
    return sorted(rows, key=lambda row: (row["source"], row["id"]))


def test_a_node_that_is_lost_changes_nothing(corpus, tmp_path):
    for n in range(6):
        (corpus / f"note{n}.md").write_text(f"Note {n} tells topic{n % 5} and word{n % 3}.")
    write_records(corpus / "many.jsonl", 80)
    age(corpus)
    marks = tmp_path / "marks"
    marks.mkdir()
    driver = subprocess.run(
        [sys.executable, "-c", DRIVER, str(corpus), str(marks)], capture_output=True, text=True, check=False
    )
    assert driver.returncode == 0, driver.stderr[-3000:]
    told = json.loads((marks / "told.json").read_text())
    assert (len(told["lost"]), told["alive"]) == (1, 2)
    assert told["unfinished"][0] > 0, "nothing was in flight there"
    assert told["documents"][0] == told["documents"][1]
    quiet, held = content(str(marks / "quiet.lance")), content(str(marks / "my.lance"))
    assert len(held) == told["documents"][0]
    assert held == quiet

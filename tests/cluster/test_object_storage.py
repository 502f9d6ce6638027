"""Sources and dataset in object storage: an S3 of this machine."""

from __future__ import annotations

import pytest

from tellapart import Index
from tellapart.cluster import assemble, build_dataset
from tellapart.errors import TellapartError

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ray_here")]


def test_from_a_bucket_into_a_bucket(object_storage, corpus, tmp_path):
    bucket = object_storage or pytest.skip("needs an S3 to test with: pip install 'tellapart[dev]'")
    bucket.put(str(corpus), "bucket/docs", recursive=True)
    report = build_dataset(["s3://bucket/docs"], "s3://bucket/my.lance", encoders=())
    assert report.documents == 49
    assemble("s3://bucket/my.lance", tmp_path / "made.idx")
    made = Index.open(tmp_path / "made.idx")
    local = Index.build([corpus], tmp_path / "local.idx", encoders=())
    for query in ("topic3 word2", "record 7", "class Tool"):
        hits = [
            [(hit.id, hit.score) for hit in index.search(query, ranker="bm25")] for index in (made, local)
        ]
        assert hits[0] == hits[1]
    assert sorted(made.skipped()) == sorted(local.skipped())
    bucket.pipe("bucket/docs/tool.py", b"def other():\n    return 2\n")
    again = build_dataset([], "s3://bucket/my.lance")
    assert (again.added, again.removed, again.unchanged) == (1, 1, 10)
    assert assemble("s3://bucket/my.lance", tmp_path / "made.idx").changes.changed == 1
    with pytest.raises(TellapartError, match="no such file or folder"):
        build_dataset(["s3://bucket/none"], "s3://bucket/other.lance", encoders=())

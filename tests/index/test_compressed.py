"""A compressed index answers, is updated and merged like any other, with fewer bytes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tests.index.test_vectors_codes import text_like

from tellapart.encoders.compressed import CompressionSpec, compression_setting
from tellapart.engine import Index
from tellapart.engine.status import index_status, verify_index
from tellapart.errors import TellapartError
from tellapart.index.vectors import VectorIndex, build_derived, open_vectors, write_vectors
from tellapart.index.vectors.stored import CENTRE, as_bytes, widen

WORDS = "rose tomato water frost straw soil sun seed root leaf bee pole march winter valve".split()  # noqa: SIM905


def write(path: Path, rng: random.Random) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n\n".join(" ".join(rng.choices(WORDS, k=8)).capitalize() + "." for _ in range(4)))
    then = time.time() - 3600 - rng.random() * 1000
    os.utime(path, (then, then))


@pytest.fixture
def corpus(tmp_path):
    rng = random.Random(0)
    for number in range(30):
        write(tmp_path / "docs" / f"{number}.txt", rng)
    return tmp_path / "docs"


def found(index: Index, ranker: str = "knn") -> dict[str, dict[str, float]]:
    return {
        word: {hit.id: hit.score for hit in index.search(f"{word} {WORDS[0]}", ranker=ranker, k=8)}
        for word in WORDS
    }


def agreement(a: dict[str, dict[str, float]], b: dict[str, dict[str, float]]) -> float:
    return float(np.mean([len(set(a[word]) & set(b[word])) / len(a[word]) for word in a]))


@pytest.mark.parametrize(
    ("spec", "dim", "least"),
    [("int8", 32, 0.95), ("binary", 32, 0.95), ("16", 16, 0.5), ("16-int8", 16, 0.5)],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_a_compressed_index_finds_the_same(tmp_path, corpus, encoders, spec, dim, least, at_once):
    whole = Index.build(corpus, tmp_path / "whole", encoders=["words"])
    Index.build(corpus, tmp_path / "small", encoders=["words"], compress=spec if at_once else None).close()
    small = Index.build(corpus, tmp_path / "small", encoders=["words"], compress=spec)
    assert agreement(found(whole), found(small)) >= least
    assert agreement(found(whole, "hybrid"), found(small, "hybrid")) >= least
    status = index_status(small)
    assert status.compressed == {"words": spec}
    assert [each.dim for each in status.encoders] == [dim]
    verify_index(small)
    with small.reading() as snapshot:
        vectors = snapshot.vectors("words", "paragraph")
        assert vectors.row_bytes == dim * (1 if "-" in spec or spec in ("int8", "binary") else 2)
    assert small.related("3.txt", ranker="knn").hits
    assert [hit.score for hit in small.search("rose", ranker="svm", k=3)]


def test_updates_and_merges_keep_the_compression(tmp_path, corpus, encoders):
    index = Index.build(corpus, tmp_path / "index", encoders=["words"], compress="16-int8")
    rng = random.Random(1)
    before = encoders.encoded
    for step in range(8):
        write(corpus / f"new{step}.txt", rng)
        (corpus / f"{step}.txt").unlink()
        index.update()
    assert encoders.encoded - before < 8 * 40  # only what is new
    whole = Index.build(corpus, tmp_path / "whole", encoders=["words"])
    assert agreement(found(whole), found(index)) >= 0.5
    with index.reading() as snapshot:
        assert snapshot.encoders["words"].dim == 16
        assert len(snapshot.segments) < 8
    assert index.search("rose soil", ranker="knn").freshness.changed == 0


def test_a_search_that_reads_a_changed_file_compresses_its_vectors(tmp_path, corpus, encoders):
    index = Index.build(corpus, tmp_path / "index", encoders=["words"], compress="int8")
    (corpus / "0.txt").write_text("Valve valve valve march.")
    assert index.search("valve march", ranker="knn", k=1).hits[0].document.endswith("0.txt")


def test_another_compression_or_none(tmp_path, corpus, encoders):
    folder = tmp_path / "index"
    whole = found(Index.build(corpus, folder, encoders=["words"]))
    for spec, dim in (("16", 16), ("8-int8", 8), ("binary", 32), (None, 32)):
        index = Index.build(corpus, folder, encoders=["words"], compress=spec)
        with index.reading() as snapshot:
            assert snapshot.encoders["words"].dim == dim
    assert found(index) == whole
    assert not list((folder / "segments").rglob("*/paragraph.npy"))[1:]


def test_prefixes_where_the_encoder_was_trained_so(tmp_path, corpus, encoders):
    encoders.matryoshka = 16
    index = Index.build(corpus, tmp_path / "index", encoders=["words"], compress="16")
    whole = encoders.encode_query(["rose soil"])[0, :16]
    np.testing.assert_allclose(
        index.encode_queries("words", "rose soil")[0], whole / np.linalg.norm(whole), atol=1e-6
    )


@pytest.mark.parametrize("text", ["", "0", "4", "int9", "128-int9", "-int8", "128int8", "1e3", "none-int8"])
def test_what_cannot_be_read_is_one_line(text):
    with pytest.raises(TellapartError, match="give dimensions") as caught:
        compression_setting(text)
    assert "\n" not in str(caught.value)


def test_specs_are_spelled_one_way():
    assert [
        str(CompressionSpec.parse(t)) for t in ("128", "128-float16", "int8", "64-binary", "float16")
    ] == [
        "128",
        "128",
        "int8",
        "64-binary",
        "float16",
    ]
    assert compression_setting("none") == compression_setting("float16") == ""


def test_another_version_of_the_encoder_is_noticed(tmp_path, corpus, encoders):
    index = Index.build(corpus, tmp_path / "index", encoders=["words"], compress="16")
    index.close()
    encoders.fingerprint = "words-other"
    with pytest.raises(TellapartError, match="another version"):
        Index.open(tmp_path / "index").search("rose", ranker="knn")
    Index.open(tmp_path / "index").update()
    again = Index.open(tmp_path / "index")
    assert again.search("rose", ranker="knn").hits
    assert index_status(again).compressed == {"words": "16"}


KILLED = """
import sys
from tests.conftest import WordEncoder
from tellapart.engine import Index
for spec in ("16-int8", "8", "binary", None) * 20:
    Index.build(sys.argv[1], sys.argv[2], encoders={"words": WordEncoder()}, compress=spec).close()
"""


def test_killed_at_any_moment_the_index_still_answers(tmp_path, corpus, word_encoder):
    folder = tmp_path / "index"
    Index.build(corpus, folder, encoders={"words": word_encoder}).close()
    for wait in (1.6, 1.8, 2.0, 2.3):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, corpus, folder], cwd=Path(__file__).parents[2]
        )
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        process.wait()
        index = Index.open(folder, encoders={"words": word_encoder})
        assert all(found(index).values())
        verify_index(index)
        index.close()
    index = Index.build(corpus, folder, encoders={"words": word_encoder}, compress="16-int8")
    assert index_status(index).compressed == {"words": "16-int8"}


def test_bytes_keep_directions():
    rows = text_like(500, 3)
    kept = as_bytes(rows, 127 / np.abs(rows).max())
    cosines = (widen(kept) * rows).sum(axis=1)
    assert cosines.min() > 0.999
    np.testing.assert_allclose(np.linalg.norm(widen(kept), axis=1), 1, atol=1e-6)
    assert not widen(np.full((2, 8), CENTRE, np.uint8)).any()


def test_every_engine_finds_the_same_rows_of_bytes(tmp_path):
    rows, queries = text_like(6_000, 0), text_like(20, 1)
    kept = as_bytes(rows, 127 / np.abs(rows).max())
    write_vectors(tmp_path / "v.npy", kept, allow_absent=True)
    opened = open_vectors(tmp_path / "v.npy", dim=kept.shape[1])
    np.testing.assert_array_equal(opened, kept)
    index = VectorIndex([opened], None, tmp_path / "derived", "1")
    dense = np.argsort(-(queries @ widen(kept).T), axis=1, kind="stable")[:, :10]
    together = index.search(queries, 10)[0]  # numpy
    np.testing.assert_array_equal(together, dense)
    import faiss  # noqa: F401

    scanned = np.concatenate([index.search(query[None], 10)[0] for query in queries])
    np.testing.assert_array_equal(scanned, dense)
    build_derived(index, coded_rows=1)
    coded = VectorIndex([opened], None, tmp_path / "derived", "1")
    assert coded.coded
    by_codes = np.concatenate([coded.search(query[None], 10)[0] for query in queries])
    assert np.mean(by_codes == dense) > 0.98
    assert coded.bytes_read() < index.n_rows * index.row_bytes

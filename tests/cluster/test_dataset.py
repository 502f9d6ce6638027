"""A dataset that workers fill gives the index that one machine builds, whatever dies meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from tests.cluster.conftest import age, write_records

from tellapart import Index
from tellapart.cluster import assemble, build, build_dataset, job, ray, tasks
from tellapart.cluster.dataset import CompleteDocuments, Documents, LastRun, Recipe
from tellapart.cluster.files import find_files, opener_of
from tellapart.corpus.sources import ScanOptions
from tellapart.errors import LockedIndexError, TellapartError

lance = pytest.importorskip("lance", reason="needs Lance: pip install 'tellapart[cluster]'")
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ray_here")]

QUERIES = ("topic3 and word2", "record 7 speaks of thing0", "class Tool run", "two sentences")


def answers(index, ranker, granularity):
    found = [index.search(query, ranker=ranker, granularity=granularity) for query in QUERIES]
    return [[(hit.id, hit.score) for hit in hits] for hits in found]


def assert_same(made, local, *, rankers):
    """The same documents with the same digests and units, and the same hits."""
    held = [
        {stored.document.id: stored for stored in index.store.documents(numbers).values()}
        for index in (made, local)
        for numbers in [[row[0] for row in index.store.connection.execute("SELECT number FROM documents")]]
    ]
    assert {name: stored.document for name, stored in held[0].items()} == {
        name: stored.document for name, stored in held[1].items()
    }
    assert sorted(made.skipped()) == sorted(local.skipped())
    for ranker in rankers:
        for granularity in (None, "sentence", "document"):
            mine, theirs = answers(made, ranker, granularity), answers(local, ranker, granularity)
            assert [[name for name, _ in hits] for hits in mine] == [
                [name for name, _ in hits] for hits in theirs
            ]
            for hits, others in zip(mine, theirs, strict=True):
                assert [score for _, score in hits] == pytest.approx([score for _, score in others], abs=1e-6)


def rows(place):
    """How often each document is there."""
    held = (
        lance.dataset(str(place))
        .to_table(columns=["source", "digest"], filter="digest IS NOT NULL")
        .to_pylist()
    )
    return Counter((row["source"], row["digest"]) for row in held)


def test_the_index_made_of_a_dataset_is_the_one_built_here(corpus, tmp_path):
    place = str(tmp_path / "my.lance")
    report = build_dataset([str(corpus)], place)
    assert report.added == report.documents == 49
    assemble(place, tmp_path / "made.idx")
    local = Index.build([corpus], tmp_path / "local.idx")
    made = Index.open(tmp_path / "made.idx")
    assert_same(made, local, rankers=("bm25", "knn", "hybrid", "svm"))
    with made.reading() as mine, local.reading() as theirs:
        assert mine.encoders == theirs.encoders
    vectors = [
        {path.name: path.read_bytes() for path in (tmp_path / name).rglob("vectors-*/*.npy")}
        for name in ("made.idx", "local.idx")
    ]
    assert len(vectors[0]) == 7
    assert vectors[0] == vectors[1]


def test_a_second_run_does_only_what_changed(corpus, tmp_path):
    place = str(tmp_path / "my.lance")
    build_dataset([str(corpus)], place, encoders=())
    assemble(place, tmp_path / "made.idx")
    (corpus / "guide" / "part0.md").write_text("# Part 0\n\nAll of it is new and tells topic3.\n")
    (corpus / "guide" / "part1.md").unlink()
    (corpus / "guide" / "more.md").write_text("One more part tells word2.\n")
    write_records(corpus / "records.jsonl", 42)
    age(corpus)
    os.utime(corpus / "tool.py")
    report = build_dataset([], place)
    assert (report.added, report.removed, report.unchanged) == (4, 2, 7)
    changes = assemble(place, tmp_path / "made.idx").changes
    assert (changes.added, changes.changed, changes.removed, changes.unchanged) == (3, 1, 1, 47)
    assert_same(
        Index.open(tmp_path / "made.idx"),
        Index.build([corpus], tmp_path / "l.idx", encoders=()),
        rankers=["bm25"],
    )
    age(corpus)
    assert build_dataset([], place).added == 0
    before = lance.dataset(place).version
    assert build_dataset([], place).unchanged == 11
    assert lance.dataset(place).version == before


def test_many_small_pieces_become_few(corpus, tmp_path, monkeypatch):
    from tellapart.cluster import dataset

    place = str(tmp_path / "my.lance")
    monkeypatch.setattr(job, "BATCH_FILES", 2)
    build_dataset([str(corpus)], place, encoders=())
    before, counts = len(lance.dataset(place).get_fragments()), rows(place)
    assert before > 4
    monkeypatch.setattr(dataset, "FRAGMENTS", 4)
    (corpus / "guide" / "part1.md").write_text("# Part 1\n\nNothing but herons now.\n")
    age(corpus, 60)
    report = build_dataset([], place)
    assert (report.documents, report.added, report.removed) == (49, 1, 1)
    assert len(lance.dataset(place, version="complete").get_fragments()) < 4
    assert len(rows(place) - counts) == 1
    assemble(place, tmp_path / "made.idx")
    local = Index.build([corpus], tmp_path / "local.idx", encoders=())
    assert_same(Index.open(tmp_path / "made.idx"), local, rankers=["bm25"])
    assert build_dataset([], place).unchanged == 11


def test_a_large_collection_is_read_by_one_worker_and_encoded_by_many(corpus, tmp_path, monkeypatch):
    write_records(corpus / "records.jsonl", 3_000)
    (corpus / "broken.jsonl").write_text((corpus / "records.jsonl").read_text().replace("}", "", 1))
    age(corpus)
    monkeypatch.setattr(job, "LARGE_BYTES", 20_000)
    place = str(tmp_path / "my.lance")
    report = build_dataset([str(corpus)], place, encoders=())
    local = Index.build([corpus], tmp_path / "local.idx", encoders=())
    assert report.documents == len(local)
    assemble(place, tmp_path / "made.idx")
    assert_same(Index.open(tmp_path / "made.idx"), local, rankers=["bm25"])
    assert build_dataset([], place, encoders=()).unchanged == 12


def dying_once(assignment, files, known):
    """Die in the middle of the first call for these files."""
    mark = Path(f"{assignment.place}.{files[0].source.key.replace('/', '-')}.died")
    if not mark.exists():
        mark.touch()
        tasks.read_files(assignment, files[: len(files) // 2], known)
        os.kill(os.getpid(), signal.SIGKILL)
    return tasks.read_files(assignment, files, known)


def dying_of_one_file(assignment, files, known):
    """Die whenever one file is among them."""
    if any(each.source.key == "guide/part3.md" for each in files):
        os.kill(os.getpid(), signal.SIGKILL)
    return tasks.read_files(assignment, files, known)


def by_value(monkeypatch, function):
    """Let workers run a function of this file, which they cannot import."""
    from ray import cloudpickle

    module = sys.modules[function.__module__]
    cloudpickle.register_pickle_by_value(module)
    monkeypatch.setattr(job, "read_files", function)


def test_workers_that_are_killed_change_nothing(corpus, tmp_path, monkeypatch):
    build_dataset([str(corpus)], str(tmp_path / "quiet.lance"), encoders=())
    by_value(monkeypatch, dying_once)
    monkeypatch.setattr(job, "BATCH_FILES", 3)
    report = build_dataset([str(corpus)], str(tmp_path / "my.lance"), encoders=())
    assert len(list(tmp_path.glob("*.died"))) == 4
    assert report.documents == 49
    assert rows(tmp_path / "my.lance") == rows(tmp_path / "quiet.lance")


def test_a_file_that_kills_workers_is_left_out_and_named(corpus, tmp_path, monkeypatch):
    by_value(monkeypatch, dying_of_one_file)
    monkeypatch.setattr(ray, "ATTEMPTS", 1)
    report = build_dataset([str(corpus)], str(tmp_path / "my.lance"), encoders=())
    assert report.documents == 48
    assemble(str(tmp_path / "my.lance"), tmp_path / "made.idx")
    assert ("guide/part3.md", "3 workers died reading it") in Index.open(tmp_path / "made.idx").skipped()
    monkeypatch.undo()
    assert build_dataset([], str(tmp_path / "my.lance"), encoders=()).documents == 49


DRIVER = """
import sys
from tellapart.cluster import build_dataset, job
job.COMMIT_SECONDS, job.BATCH_FILES = 0.0, 1
build_dataset([sys.argv[1]], sys.argv[2], encoders=())
"""


def test_a_driver_that_is_killed_goes_on_where_it_was(corpus, tmp_path):
    for n in range(40):
        (corpus / f"note{n}.md").write_text(f"Note {n} tells topic{n % 5} and word{n % 3}.")
    age(corpus)
    place = tmp_path / "my.lance"
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(corpus), str(place)],
        start_new_session=True,
        stderr=subprocess.DEVNULL,
    )
    until = time.monotonic() + 240
    while time.monotonic() < until and not (place.exists() and sum(rows(place).values()) >= 5):
        time.sleep(0.1)
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()
    before = sum(rows(place).values())
    assert 5 <= before < 89, "killed too early or too late"
    with pytest.raises(TellapartError, match="not complete"):
        CompleteDocuments.open(str(place))
    report = build_dataset([str(corpus)], str(place), encoders=())
    assert report.added == 89 - before
    assert report.documents == 89
    assert set(rows(place).values()) == {1}


def test_a_run_that_is_interrupted_keeps_what_was_finished(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(job, "BATCH_FILES", 2)
    place = str(tmp_path / "my.lance")

    def interrupting(label, total):
        from contextlib import contextmanager

        @contextmanager
        def task():
            def advance(count):
                raise KeyboardInterrupt

            yield advance

        return task()

    with pytest.raises(KeyboardInterrupt):
        build_dataset([str(corpus)], place, encoders=(), progress=interrupting)
    kept = sum(rows(place).values())
    assert kept
    report = build_dataset([], place, encoders=())
    assert (report.added, report.documents) == (49 - kept, 49)


def test_a_second_run_that_is_stopped_before_it_deletes_old_versions(corpus, tmp_path, monkeypatch):
    place = str(tmp_path / "my.lance")
    build_dataset([str(corpus)], place, encoders=())
    (corpus / "guide" / "part1.md").write_text("# Part 1\n\nNothing but herons now.\n")
    age(corpus, 60)

    def stopped(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(build, "_tidy", stopped)
        with pytest.raises(KeyboardInterrupt):
            build_dataset([], place)
    report = build_dataset([], place)
    assert (report.documents, report.added, report.removed) == (49, 0, 1)
    assemble(place, tmp_path / "made.idx")
    with Index.open(tmp_path / "made.idx") as made:
        assert "herons" in made.store.document("guide/part1.md").document.text
    assert build_dataset([], place).unchanged == 11


def test_what_could_not_be_read_is_tried_again(corpus, tmp_path, monkeypatch):
    place = str(tmp_path / "my.lance")

    def failing(source):
        if source.key == "guide/part3.md":
            raise OSError("the store is busy")
        return opener_of(source)

    run, found = (
        LastRun(Recipe(), (str(corpus),), (), None),
        find_files([str(corpus)], ScanOptions(), output=place, now=time.time_ns())[0],
    )
    documents = Documents.create(place, run, rebuild=False)
    with monkeypatch.context() as patched:
        patched.setattr(tasks, "opener_of", failing)
        files = tuple(each for each in found if each.source.key.startswith("guide/"))
        done = tasks.read_files(tasks.Assignment(place, run.recipe, ScanOptions()), files, {})
    documents.commit(done.written)
    assert done.documents == 7
    assert build_dataset([], place).documents == 49


def test_two_writers_exclude_each_other(corpus, tmp_path):
    place = str(tmp_path / "my.lance")
    build_dataset([str(corpus)], place, encoders=())
    first = Documents.create(place, LastRun.of(place), rebuild=False)
    build_dataset([str(corpus)], place, encoders=(), rebuild=True)
    with pytest.raises(LockedIndexError, match="another process"):
        first.complete()


def test_readers_keep_the_old_rows_while_it_is_rebuilt(corpus, tmp_path):
    place = str(tmp_path / "my.lance")
    build_dataset([str(corpus)], place, encoders=())
    Documents.create(place, LastRun.of(place), rebuild=True)
    assemble(place, tmp_path / "made.idx")
    assert len(Index.open(tmp_path / "made.idx")) == 49


def test_the_command_line(corpus, tmp_path, call):
    place, made = tmp_path / "my.lance", tmp_path / "made.idx"
    code, out, err = call(
        "index", corpus, "--cluster", "local", "--output", place, "--encoder", "none", "--json"
    )
    assert code == 0, err
    assert '"documents":49' in out.replace(" ", "")
    assert call("index", "--from", place, "--index", made)[0] == 0
    assert call("search", "topic3", "--index", made, "--json")[0] == 0
    code, out, _ = call("status", "--index", made)
    assert code == 0
    assert str(place) in out
    assert "nothing changed since" in out
    code, _, err = call("index", "--index", made)
    assert (code, "up to date" in err) == (0, True)
    code, _, err = call("index", corpus, "--index", made)
    assert code == 2
    assert "is made from" in err
    code, _, err = call("index", "--from", tmp_path / "no.lance", "--index", tmp_path / "x.idx")
    assert (code, len(err.splitlines())) == (2, 1)
    code, _, err = call("index", corpus, "--cluster", "local")
    assert (code, "--output" in err) == (2, True)
    code, _, err = call("index", "s3://bucket/docs")
    assert (code, "--cluster local" in err) == (2, True)

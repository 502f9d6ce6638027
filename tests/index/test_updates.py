"""An index that was updated answers like one that was built anew."""

from __future__ import annotations

import math
import os
import random
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tellapart.corpus.document import Granularity
from tellapart.engine import Index
from tellapart.engine.building import build_index
from tellapart.index.build import Builder
from tellapart.index.settings import Settings
from tellapart.progress import silent

TOLERANCE = 2e-3
"""Scores are rounded to three digits, and vectors are kept in float16."""

WORDS = "rose tomato water frost straw soil sun seed root leaf bee pole march winter valve".split()  # noqa: SIM905


def aged(path: Path) -> None:
    """Give a file a time of change that lies safely in the past."""
    then = time.time() - 3600 - random.random() * 1000
    os.utime(path, (then, then))


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    aged(path)


def answers(index: Index) -> dict[str, list[tuple[str, str, float]]]:
    """Everything a user sees for many queries, rankers and levels."""
    seen = {}
    for word in WORDS:
        for ranker in ("bm25", "knn", "hybrid"):
            for granularity in ("sentence", "document"):
                hits = index.search(word, ranker=ranker, granularity=granularity, k=5)
                seen[f"{word}/{ranker}/{granularity}"] = [(h.id, h.text, round(h.score, 3)) for h in hits]
    return seen


def random_text(rng: random.Random) -> str:
    sentences = [
        " ".join(rng.choices(WORDS, k=rng.randint(3, 9))).capitalize() + "." for _ in range(rng.randint(1, 6))
    ]
    return "\n\n".join(sentences)


@pytest.mark.parametrize("seed", range(4))
def test_updates_equal_a_rebuild(tmp_path, encoders, seed):
    rng = random.Random(seed)
    folder, index = tmp_path / "docs", tmp_path / "index"
    for number in range(12):
        write(folder / f"{number}.txt", random_text(rng))
    Index.build([folder], index, encoders=["words"])
    for step in range(6):
        for _ in range(rng.randint(1, 4)):
            target = folder / f"{rng.randrange(20)}.txt"
            if target.exists() and rng.random() < 0.4:
                target.unlink()
            else:
                write(target, random_text(rng))
        if not list(folder.iterdir()):
            write(folder / "0.txt", random_text(rng))
        updated = Index.open(index)
        updated.update()
        fresh = Index.build([folder], tmp_path / f"fresh{step}", encoders=["words"])
        one, other = answers(updated), answers(fresh)
        for key in one:
            assert_same_hits(one[key], other[key])


def assert_same_hits(one, other):
    """Same scores in the same order, same units wherever the last place is not tied."""
    assert [hit[2] for hit in one] == pytest.approx([hit[2] for hit in other], abs=TOLERANCE)
    if one:
        last = one[-1][2] + TOLERANCE
        assert {hit[:2] for hit in one if hit[2] > last} == {hit[:2] for hit in other if hit[2] > last}


def test_second_run_changes_nothing(corpus, tmp_path):
    settings = Settings(sources=(str(corpus),))
    first = build_index(tmp_path / "index", settings)
    second = build_index(tmp_path / "index", settings)
    assert first.changes.added == 4
    assert not second.changes.any
    assert second.changes.unchanged == 4
    assert second.generation == first.generation


def test_touched_file_is_not_read_into_a_new_segment(corpus, tmp_path):
    settings = Settings(sources=(str(corpus),))
    before = build_index(tmp_path / "index", settings)
    aged(corpus / "README.md")
    after = build_index(tmp_path / "index", settings)
    assert not after.changes.any
    assert after.generation == before.generation


def test_change_within_the_clock_tick_is_seen(corpus, tmp_path):
    settings = Settings(sources=(str(corpus),))
    target = corpus / "notes" / "winter.txt"
    build_index(tmp_path / "index", settings)
    status = target.stat()
    text = target.read_text().replace("straw", "leafs")
    target.write_text(text)
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
    build_index(tmp_path / "index", settings)
    assert Index.open(tmp_path / "index").search("leafs", ranker="bm25")


def test_only_changed_units_are_encoded(corpus, tmp_path, encoders):
    folder = tmp_path / "index"
    settings = Settings(sources=(str(corpus),), encoders=("words",))
    Builder(folder, settings, lambda name: encoders, None, silent).run()
    first = encoders.encoded
    write(corpus / "notes" / "new.txt", "One new sentence about bees.")
    Builder(folder, settings, lambda name: encoders, None, silent).run()
    assert 0 < encoders.encoded - first <= 2
    assert first > 10


def test_interrupted_encoding_keeps_the_words_and_resumes(corpus, tmp_path, encoders, monkeypatch):
    folder = tmp_path / "index"
    settings = Settings(sources=(str(corpus),), encoders=("words",))

    def stopped(*_args, **_kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("tellapart.index.embedding.pool", stopped)
        with pytest.raises(KeyboardInterrupt):
            Builder(folder, settings, lambda name: encoders, None, silent).run()
    opened = Index.open(folder)
    assert opened.search("roses").configuration.encoder is None
    assert opened.search("roses")
    report = Builder(folder, settings, lambda name: encoders, None, silent).run()
    assert not report.changes.any
    assert opened.search("roses").configuration.encoder == "words"


def test_open_reader_sees_the_next_generation(corpus, tmp_path):
    index = Index.build([corpus], tmp_path / "index", encoders=())
    assert not index.search("lavender", ranker="bm25")
    write(corpus / "notes" / "herbs.txt", "Lavender likes lime.")
    build_index(tmp_path / "index", index.settings)
    assert [hit.document for hit in index.search("lavender", ranker="bm25")] == ["notes/herbs.txt"]


def test_many_small_updates_stay_few_segments(tmp_path):
    folder, index = tmp_path / "docs", tmp_path / "index"
    for number in range(40):
        write(folder / f"{number}.txt", f"Number {number} likes {WORDS[number % len(WORDS)]}.")
        Index.build([folder], index, encoders=())
        # three of one size at the most: the fourth is merged with them
        assert len(list((index / "segments").iterdir())) <= 3 * math.ceil(math.log(number + 2, 4))
    assert len(Index.open(index).search("likes", ranker="bm25", k=100)) == 40


def test_a_segment_is_rewritten_once_more_than_a_tenth_of_it_is_dead(tmp_path):
    folder, path = tmp_path / "docs", tmp_path / "index"
    for number in range(20):
        write(folder / f"{number}.txt", f"Number {number} likes roses.")
    Index.build([folder], path, encoders=())
    dead = []
    for number in range(4):
        (folder / f"{number}.txt").unlink()
        Index.build([folder], path, encoders=())
        with Index.open(path) as index, index.reading() as snapshot:
            dead.append(sum(int(segment.dead.sum()) for segment in snapshot.segments))
    assert dead == [1, 2, 0, 1]


def test_other_kind_or_granularity_reads_everything_again(corpus, tmp_path):
    index = Index.build([corpus], tmp_path / "index", encoders=(), granularities=["paragraph", "function"])
    with index.reading() as snapshot:
        assert set(snapshot.granularities) == {"paragraph", "function"}
    index = Index.build([corpus], tmp_path / "index", encoders=())
    with index.reading() as snapshot:
        assert len(snapshot.granularities) == 7


def test_leftovers_of_a_killed_run_are_swept(corpus, tmp_path):
    Index.build([corpus], tmp_path / "index", encoders=())
    stray = tmp_path / "index" / "segments" / "000099"
    stray.mkdir()
    (stray / "documents.npy").write_bytes(b"half")
    build_index(tmp_path / "index", Settings(sources=(str(corpus),)))
    assert not stray.exists()


def test_documents_that_the_granularities_leave_out_are_named(tmp_path):
    corpus = tmp_path / "docs"
    write(corpus / "one.txt", "Roses want water.")
    (corpus / "one.py").write_text("def one():\n    return 1\n")
    settings = Settings(sources=(str(corpus),), granularities=(Granularity.DOCUMENT,))
    notes = build_index(tmp_path / "index", settings).notes
    assert len(notes) == 1
    assert "code" in notes[0]
    assert "--kind prose" in notes[0]
    everything = replace(settings, granularities=())
    assert build_index(tmp_path / "index", everything).notes == ()

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tellapart.corpus.document import LEVELS, ContainmentTree, Document, Granularity, Kind, Level
from tellapart.corpus.units import contexts
from tellapart.errors import CorruptIndexError, StaleIndexError
from tellapart.index.lexical import Analyser, Bm25, LexicalSegment, LexicalWriter, layout, merge, writer
from tellapart.index.lexical.extra import is_extra

SENTENCE, DOCUMENT = Granularity.SENTENCE, Granularity.DOCUMENT
Pair = tuple[Document, ContainmentTree]


def record(text: str, kind: Kind = Kind.PROSE, title: str = "", path: str | None = None) -> Pair:
    """A document with one unit per level."""
    return sliced(text, [0], kind, title, path)


def sliced(
    text: str, starts: Sequence[int], kind: Kind = Kind.PROSE, title: str = "", path: str | None = None
) -> Pair:
    """A document whose finest level begins at `starts`; every other level is whole."""
    finest, *coarser = LEVELS[kind]
    levels = {finest: Level(np.array(starts, np.int32), ("",) * len(starts))}
    levels |= {granularity: Level(np.zeros(1, np.int32), ("",)) for granularity in coarser}
    return Document("d", text, kind, title=title, path=path), ContainmentTree(len(text), kind, levels)


def build(folder: Path, pairs: Sequence[Pair]) -> LexicalSegment:
    """Write documents as a segment with all levels of their kinds and open it."""
    writer = LexicalWriter()
    for document, tree in pairs:
        writer.add(document, tree)
    kinds = {document.kind for document, _ in pairs} or {Kind.PROSE}
    writer.write(folder, [g for kind in sorted(kinds) for g in LEVELS[kind]])
    return LexicalSegment.open(folder)


def content(segment: LexicalSegment, granularity: Granularity) -> list[Counter[str]]:
    """The terms of each unit, read back from the postings."""
    units: list[Counter[str]] = [Counter() for _ in range(segment.units(granularity))]
    postings = segment.postings(granularity)
    for number, term in enumerate(segment.terms()):
        _, start, end = postings.of(number)
        frequencies = postings.exact_frequencies(start, end).astype(int).tolist()
        for row, frequency in zip(postings.rows[start:end].tolist(), frequencies, strict=True):
            units[row][term] += frequency
    words = [sum(count for term, count in unit.items() if not is_extra(term)) for unit in units]
    assert words == postings.lengths.tolist()
    return units


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_every_level_is_a_slice_of_one_stream(tmp_path: Path) -> None:
    text = "First one. Second déjà vu. 我爱北京。 Last."
    pairs = [
        sliced(text, [0, 11, 27, 33], title="A title", path="docs/page.md"),
        sliced("def parse_json(): pass\nclass HTTPServer: ...", [0, 23], Kind.CODE, path="src/web.py"),
        sliced(text.encode("ascii", "ignore").decode(), [0, 11], path="docs/page.md"),
    ]
    segment = build(tmp_path / "s", pairs)
    for granularity in (*LEVELS[Kind.PROSE], *LEVELS[Kind.CODE]):
        expected = []
        for document, tree in pairs:
            if granularity in tree.levels:
                spans = tree.spans(granularity)
                for context, (start, end) in zip(contexts(document, tree, granularity), spans, strict=True):
                    own = document.text[start:end]
                    analyser = Analyser()
                    terms = (analyser.tokens(part, document.kind).terms for part in (context, own))
                    expected.append(Counter(itertools.chain.from_iterable(terms)))
        assert content(segment, granularity) == expected


def test_batches_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = [record(f"text {i} 我爱 don't " * (i % 5), path=f"p{i % 3}/x") for i in range(40)]
    build(tmp_path / "one", pairs)
    monkeypatch.setattr(writer, "BATCH", 50)
    build(tmp_path / "many", pairs)
    assert files(tmp_path / "one") == files(tmp_path / "many")


def test_only_chosen_levels_are_written(tmp_path: Path) -> None:
    document, tree = sliced("One here. Two there.", [0, 10])
    for chosen in ((), (SENTENCE,)):
        folder = tmp_path / f"n{len(chosen)}"
        some = LexicalWriter(chosen)
        some.add(document, tree)
        some.write(folder, [SENTENCE])
        segment = LexicalSegment.open(folder)
        assert segment.granularities == (SENTENCE,)
        assert (segment.units(SENTENCE), segment.units(DOCUMENT)) == (2, 0)
    assert files(tmp_path / "n0") == files(tmp_path / "n1")


def test_memory_grows_with_what_is_held() -> None:
    some = LexicalWriter()
    empty = some.memory
    some.add(*record("a few words " * 1000))
    assert some.memory > empty + 10_000


def test_empty_texts_are_units_too(tmp_path: Path) -> None:
    segment = build(tmp_path / "s", [record(""), record("word"), record("...")])
    assert content(segment, DOCUMENT) == [Counter(), Counter(["word"]), Counter()]


def test_terms_are_found_by_their_bytes(tmp_path: Path) -> None:
    words = ["apple", "app", "apples", "zebra", "école", "爱我", "🎉", "0"]
    segment = build(tmp_path / "s", [record(" ".join(words))])
    terms = list(segment.terms())
    assert terms == sorted(terms)
    assert [segment.find(term) for term in terms] == list(range(len(terms)))
    assert segment.find("ap") is None
    assert segment.find("two words") is None
    assert segment.find("\udcff") is None


# Merging

TEXTS = st.lists(st.sampled_from(["ant", "bee", "cow", "dog 我爱", "emu é", "fox"]), max_size=6).map(" ".join)
DOCUMENTS = st.tuples(TEXTS, st.sampled_from(Kind), st.booleans(), st.sampled_from([None, "dir/a", "b"]))


@settings(max_examples=12, deadline=None)
@given(st.lists(st.lists(DOCUMENTS, max_size=5), min_size=1, max_size=4))
def test_merging_equals_rebuilding_byte_for_byte(
    tmp_path_factory: pytest.TempPathFactory, groups: list[list[tuple[str, Kind, bool, str | None]]]
) -> None:
    folder = tmp_path_factory.mktemp("merge")
    pairs = [[sliced(f"{t}. {t}", [0, len(t) + 2], k, path=p) for t, k, _, p in group] for group in groups]
    lives = [[alive for _, _, alive, _ in group] for group in groups]
    both = [SENTENCE, Granularity.FUNCTION]  # each file is fsynced: few levels keep this fast
    segments, masks = [], []
    for number, (group, living) in enumerate(zip(pairs, lives, strict=True)):
        some = LexicalWriter()
        for document, tree in group:
            some.add(document, tree)
        some.write(folder / str(number), both)
        segments.append(LexicalSegment.open(folder / str(number)))
        masks.append(
            {
                granularity: np.array(
                    [
                        alive
                        for (_, tree), alive in zip(group, living, strict=True)
                        if granularity in tree.levels
                        for _ in tree.levels[granularity].starts
                    ],
                    dtype=bool,
                )
                for granularity in both
            }
        )
    merge(segments, masks, folder / "merged")
    rebuilt = LexicalWriter()
    for group, living in zip(pairs, lives, strict=True):
        for (document, tree), alive in zip(group, living, strict=True):
            if alive:
                rebuilt.add(document, tree)
    rebuilt.write(folder / "rebuilt", both)
    assert files(folder / "merged") == files(folder / "rebuilt")
    LexicalSegment.open(folder / "merged").verify()
    masked = Bm25(segments, SENTENCE, np.concatenate([mask[SENTENCE] for mask in masks]))
    fresh = Bm25([LexicalSegment.open(folder / "rebuilt")], SENTENCE)
    terms = ["ant", "bee", "dog", "é"]
    alive_rows = np.concatenate([mask[SENTENCE] for mask in masks])
    dense = masked.scores(terms, k1=1.5, b=0.75)
    assert dense[alive_rows].tolist() == fresh.scores(terms, k1=1.5, b=0.75).tolist()


def test_merging_without_deletions(tmp_path: Path) -> None:
    pairs = [record(f"word{i} shared " + "many " * 300) for i in range(6)]
    parts = [build(tmp_path / f"{i}", pairs[i : i + 2]) for i in (0, 2, 4)]
    merge(parts, [None] * 3, tmp_path / "merged")
    build(tmp_path / "whole", pairs)
    assert files(tmp_path / "merged") == files(tmp_path / "whole")


def test_segments_of_different_kinds_merge(tmp_path: Path) -> None:
    prose, code = record("retry the request"), record("def retryRequest(): ...", Kind.CODE)
    parts = [build(tmp_path / "prose", [prose]), build(tmp_path / "code", [code])]
    merge(parts, [None, {Granularity.FUNCTION: None}], tmp_path / "merged")
    build(tmp_path / "whole", [prose, code])
    assert files(tmp_path / "merged") == files(tmp_path / "whole")


# Damage


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    build(tmp_path / "s", [record("some words 我爱 and more words " * 40)])
    return tmp_path / "s"


def test_any_file_missing_or_cut_is_told(folder: Path) -> None:
    for name, whole in files(folder).items():
        path = folder / name
        path.unlink()
        with pytest.raises(
            CorruptIndexError, match=rf"{re.escape(name)} is missing.*tellapart index --rebuild"
        ):
            LexicalSegment.open(folder)
        if whole:
            path.write_bytes(whole[:-1])
            with pytest.raises(CorruptIndexError, match=re.escape(name)):
                LexicalSegment.open(folder)
        path.write_bytes(whole)
    LexicalSegment.open(folder).verify()


def test_any_changed_byte_is_told(folder: Path) -> None:
    for name, whole in files(folder).items():
        if whole:
            path = folder / name
            path.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
            with pytest.raises(CorruptIndexError, match=re.escape(name)):
                LexicalSegment.open(folder).verify()
            path.write_bytes(whole)
    LexicalSegment.open(folder).verify()


def test_another_version_is_stale(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "ANALYSER_VERSION", layout.ANALYSER_VERSION + 1)
    with pytest.raises(StaleIndexError, match=r"analyser \d+.*tellapart index --rebuild"):
        LexicalSegment.open(folder)


def test_levels_are_those_of_the_kinds(tmp_path: Path) -> None:
    segment = build(tmp_path / "s", [record("x = 1", Kind.CODE)])
    assert segment.granularities == LEVELS[Kind.CODE]

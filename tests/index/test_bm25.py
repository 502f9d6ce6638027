import itertools
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tellapart.corpus.document import LEVELS, ContainmentTree, Document, Granularity, Kind, Level
from tellapart.errors import TellapartError
from tellapart.index.lexical import Bm25, LexicalSegment, LexicalWriter

LEVEL = Granularity.DOCUMENT
WORDS = [f"w{c}q" for c in "abcdefghijklmnop"]  # a stem each


def build(folder: Path, units: list[list[str]]) -> LexicalSegment:
    """Write units as documents of their own."""
    level = Level(np.zeros(1, np.int32), ("",))
    some = LexicalWriter((LEVEL,))
    for words in units:
        text = " ".join(words)
        tree = ContainmentTree(len(text), Kind.PROSE, dict.fromkeys(LEVELS[Kind.PROSE], level))
        some.add(Document("d", text, Kind.PROSE), tree)
    some.write(folder, [LEVEL])
    return LexicalSegment.open(folder)


def oracle(units: list[list[str]], terms: list[str], k1: float, b: float) -> list[float]:
    """Lucene's BM25 in plain float64 loops."""
    average = sum(map(len, units)) / len(units)
    counts = [Counter(unit) for unit in units]
    scores = []
    for unit, count in zip(units, counts, strict=True):
        score = 0.0
        for term in terms:
            df = sum(term in other for other in counts)
            if df and count[term]:
                idf = math.log(1 + (len(units) - df + 0.5) / (df + 0.5))
                norm = k1 * (1 - b + b * len(unit) / average)
                score += idf * count[term] / (count[term] + norm)
        scores.append(score)
    return scores


def corpus(seed: int, count: int) -> list[list[str]]:
    dice = np.random.default_rng(seed)
    shares = 1 / np.arange(1, len(WORDS) + 1)
    sizes = dice.integers(1, 40, count)
    return [dice.choice(WORDS, size, p=shares / shares.sum()).tolist() for size in sizes]


def open_all(tmp_path: Path, units: list[list[str]], cuts: tuple[int, ...] = ()) -> list[LexicalSegment]:
    bounds = [0, *cuts, len(units)]
    return [build(tmp_path / f"s{i}", units[lo:hi]) for i, (lo, hi) in enumerate(itertools.pairwise(bounds))]


@pytest.mark.parametrize(("k1", "b"), [(1.5, 0.75), (0.9, 0.4), (0.0, 0.0), (2.0, 1.0)])
def test_equals_the_formula(tmp_path: Path, k1: float, b: float) -> None:
    units = corpus(0, 200)
    bm25 = Bm25(open_all(tmp_path, units, (70, 71)), LEVEL)
    for terms in (["waq"], ["wbq", "wpq", "wbq"], WORDS, ["absent", "wcq"]):
        np.testing.assert_allclose(bm25.scores(terms, k1=k1, b=b), oracle(units, terms, k1, b), atol=1e-4)


def test_equals_bm25s(tmp_path: Path) -> None:
    bm25s = pytest.importorskip("bm25s")
    units = corpus(1, 500)
    reference = bm25s.BM25(method="lucene", k1=1.5, b=0.75)
    reference.index(units, show_progress=False)
    ours = Bm25(open_all(tmp_path, units), LEVEL)
    for terms in (["waq", "wpq"], ["wdq", "wdq", "weq"]):
        np.testing.assert_allclose(ours.scores(terms, k1=1.5, b=0.75), reference.get_scores(terms), atol=1e-4)


@pytest.fixture(scope="module")
def sixties(tmp_path_factory: pytest.TempPathFactory) -> list[Bm25]:
    """Indexes of 60 units in two segments, without and with deleted units."""
    segments = open_all(tmp_path_factory.mktemp("sixties"), corpus(0, 60), (25,))
    return [Bm25(segments, LEVEL), Bm25(segments, LEVEL, np.arange(60) % 3 > 0)]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_top_is_the_head_of_all_scores(sixties: list[Bm25], data: st.DataObject) -> None:
    bm25 = data.draw(st.sampled_from(sixties))
    terms = data.draw(st.lists(st.sampled_from([*WORDS, "absent"]), max_size=8))
    k = data.draw(st.integers(1, 70))
    allowed = data.draw(st.none() | st.lists(st.booleans(), min_size=60, max_size=60).map(np.array))
    scores = bm25.scores(terms, k1=1.5, b=0.75)
    visible = scores if allowed is None else np.where(allowed, scores, 0)
    order = np.lexsort((np.arange(60), -visible))
    expected = [row for row in order.tolist() if visible[row] > 0][:k]
    rows, found = bm25.top(terms, k, k1=1.5, b=0.75, allowed=allowed)
    assert rows.dtype == np.int64
    assert found.dtype == np.float32
    assert rows.tolist() == expected
    assert found.tolist() == scores[expected].tolist()


def test_ties_go_by_row(tmp_path: Path) -> None:
    bm25 = Bm25(open_all(tmp_path, [["same"]] * 30, (10,)), LEVEL)
    rows, scores = bm25.top(["same"], 5, k1=1.5, b=0.75)
    assert rows.tolist() == [0, 1, 2, 3, 4]
    assert len(set(scores.tolist())) == 1


def test_deletions_change_the_statistics(tmp_path: Path) -> None:
    units = corpus(2, 80)
    alive = np.random.default_rng(0).random(80) < 0.6
    masked = Bm25(open_all(tmp_path, units, (30,)), LEVEL, alive)
    left = [unit for unit, lives in zip(units, alive, strict=True) if lives]
    fresh = Bm25(open_all(tmp_path / "fresh", left), LEVEL)
    assert masked.n_units == fresh.n_units == len(left)
    assert masked.average_length == fresh.average_length
    for terms in (["waq"], ["wpq", "wbq", "wbq"]):
        assert [masked.document_frequency(t) for t in terms] == [fresh.document_frequency(t) for t in terms]
        dense = masked.scores(terms, k1=1.5, b=0.75)
        assert (dense[~alive] == 0).all()
        assert dense[alive].tolist() == fresh.scores(terms, k1=1.5, b=0.75).tolist()


def test_weights_add_up(tmp_path: Path) -> None:
    units = corpus(3, 50)
    bm25 = Bm25(open_all(tmp_path, units, (20,)), LEVEL)
    terms = ["waq", "wbq", "wbq", "absent"]
    rows = sorted(bm25.top(terms, 3, k1=1.5, b=0.75)[0].tolist())
    given_by = bm25.weights(terms, rows, k1=1.5, b=0.75)
    assert set(given_by) == {"waq", "wbq"}
    scores = bm25.scores(terms, k1=1.5, b=0.75)[rows]
    assert np.sum(list(given_by.values()), axis=0) == pytest.approx(scores, rel=1e-6)


@pytest.mark.parametrize("count", [254, 255, 256, 300, 70_000])
def test_large_term_frequencies_are_exact(tmp_path: Path, count: int) -> None:
    units = [["waq"] * count + ["wbq"], ["waq"], ["wcq"]]
    bm25 = Bm25(open_all(tmp_path, units), LEVEL)
    for k1 in (1.5, 500.0):
        np.testing.assert_allclose(
            bm25.scores(["waq"], k1=k1, b=0.75), oracle(units, ["waq"], k1, 0.75), rtol=1e-5
        )
        assert bm25.weights(["waq"], [0], k1=k1, b=0.75)["waq"][0] == bm25.scores(["waq"], k1=k1, b=0.75)[0]


def test_nothing_to_find(tmp_path: Path) -> None:
    bm25 = Bm25(open_all(tmp_path, [["waq"]]), LEVEL)
    for terms in ([], ["absent"], ["two words"], [""], ["\x00"]):
        rows, scores = bm25.top(terms, 10, k1=1.5, b=0.75)
        assert len(rows) == len(scores) == 0
        assert bm25.scores(terms, k1=1.5, b=0.75).tolist() == [0.0]
    assert len(bm25.top(["waq"], 0, k1=1.5, b=0.75)[0]) == 0


def test_no_units_at_all(tmp_path: Path) -> None:
    for segments in ([], [build(tmp_path / "none", [])], open_all(tmp_path, [["waq"]])):
        bm25 = Bm25(segments, Granularity.FUNCTION)
        assert bm25.n_units == 0
        assert len(bm25.top(["waq"], 10, k1=1.5, b=0.75)[0]) == 0
    everything_dead = Bm25(open_all(tmp_path / "dead", [["waq"]]), LEVEL, np.zeros(1, bool))
    assert everything_dead.n_units == 0
    assert everything_dead.scores(["waq"], k1=1.5, b=0.75).tolist() == [0.0]


def test_a_very_long_query(tmp_path: Path) -> None:
    units = corpus(4, 100)
    bm25 = Bm25(open_all(tmp_path, units), LEVEL)
    terms = (WORDS + [f"absent{i}" for i in range(1000)]) * 20
    np.testing.assert_allclose(
        bm25.scores(terms, k1=1.5, b=0.75), oracle(units, WORDS * 20, 1.5, 0.75), rtol=1e-4
    )


@pytest.mark.parametrize(("k1", "b"), [(-1, 0.5), (1, 1.5), (1, -0.1), (math.nan, 0.5), (math.inf, 0.5)])
def test_bad_parameters_are_named(tmp_path: Path, k1: float, b: float) -> None:
    bm25 = Bm25(open_all(tmp_path, [["waq"]]), LEVEL)
    with pytest.raises(TellapartError, match=r"k1|b is"):
        bm25.scores(["waq"], k1=k1, b=b)


def test_defaults() -> None:
    from tellapart.index.lexical import defaults

    assert defaults(Kind.PROSE) == (1.5, 0.75)
    assert defaults(Kind.CODE) == (1.2, 0.75)

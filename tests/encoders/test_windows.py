from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tellapart.encoders.cache import VectorCache
from tellapart.encoders.folder import open_minilm
from tellapart.encoders.pooling import embed, pool
from tellapart.encoders.windows import Pooling, UnitText, inside, joined, lay_out, whole, windows
from tellapart.errors import TellapartError

MINILM = open_minilm(threads=1)


def unit(text: str, *cuts: int, context: str = "") -> UnitText:
    return UnitText(context, text, np.array(cuts, dtype=np.int32))


def words(count: int, start: int = 0) -> str:
    return " ".join(f"w{number}" for number in range(start, start + count))


def half(vectors: np.ndarray) -> np.ndarray:
    return vectors.astype(np.float16).astype(np.float32)


def test_a_short_unit_is_one_text_with_its_context_before_it(word_encoder) -> None:
    encoder = word_encoder()
    vectors, report = embed(encoder, [unit("some text", context="path.py")])
    assert encoder.seen == ["path.py\nsome text"]
    np.testing.assert_allclose(vectors[0], half(encoder.vector("path.py some text")), atol=1e-6)
    assert (report.units, report.texts, report.windowed, report.windows, report.cut) == (1, 1, 0, 0, 0)


def test_exactly_the_limit_is_still_one_text(word_encoder) -> None:
    assert embed(word_encoder(12), [unit(words(10))])[1].windowed == 0
    assert embed(word_encoder(12), [unit(words(11))])[1].windowed == 1


def test_windows_are_runs_of_whole_child_units(word_encoder) -> None:
    children = [words(4) + ". ", words(5, 10) + ". ", words(3, 20) + ". ", words(6, 30) + "."]
    cuts = list(itertools.accumulate(map(len, children)))[:-1]
    text = "".join(children)
    spans = windows(word_encoder(12), unit(text, *cuts))
    assert [text[start:end] for start, end in spans] == [children[0] + children[1], children[2] + children[3]]


def test_the_context_goes_before_every_window_and_takes_its_room(word_encoder) -> None:
    encoder = word_encoder(12)
    _, report = embed(encoder, [unit(words(20), context="a b c")])
    assert all(text.startswith("a b c\n") for text in encoder.seen)
    assert all(len(text.split()) <= 10 for text in encoder.seen)
    assert (
        " ".join(text.removeprefix("a b c\n") for text in sorted(encoder.seen, key=order)).split()
        == words(20).split()
    )
    assert report.cut == 0


def order(text: str) -> int:
    return int(text.partition("\n")[2].split()[0][1:])


def test_a_context_longer_than_half_a_window_is_cut_and_counted(word_encoder) -> None:
    encoder = word_encoder(12)
    _, report = embed(encoder, [unit(words(20), context=words(40, 100))])
    assert report.cut == 1
    assert all(len(text.split()) <= 10 for text in encoder.seen)
    seen = {word for text in encoder.seen for word in text.split()}
    assert set(words(20).split()) <= seen


def test_the_vector_is_the_mean_weighted_by_tokens(word_encoder) -> None:
    encoder = word_encoder(12)
    text = words(9) + "\n" + words(4, 50)
    vectors, report = embed(encoder, [unit(text, len(words(9)) + 1)])
    mean = 9 * half(encoder.vector(words(9))) + 4 * half(encoder.vector(words(4, 50)))
    np.testing.assert_allclose(vectors[0], mean / np.linalg.norm(mean), atol=1e-6)
    assert (report.windowed, report.windows) == (1, 2)


def test_truncation_can_be_asked_for_and_says_what_it_cut(word_encoder) -> None:
    encoder = word_encoder(12)
    vectors, report = embed(encoder, [unit(words(30)), unit(words(5))], pooling=Pooling.TRUNCATE)
    np.testing.assert_allclose(vectors[0], half(encoder.vector(words(10))), atol=1e-4)
    assert (report.windowed, report.cut) == (1, 1)


def test_an_encoder_without_limit_gets_one_text(word_encoder) -> None:
    encoder = word_encoder(None)
    assert embed(encoder, [unit(words(5_000))])[1].windowed == 0
    assert windows(encoder, unit(words(5_000))) == [(0, len(words(5_000)))]


texts = st.text(alphabet=st.sampled_from(" \n\t.abcXYZ9é漢字🙂\u0301"), max_size=400)


@given(
    text=texts, cuts=st.lists(st.integers(0, 400), max_size=8), context=st.sampled_from(["", "a b", "x" * 50])
)
@settings(max_examples=150, deadline=None)
def test_every_character_is_in_exactly_one_window(
    word_encoder, text: str, cuts: list[int], context: str
) -> None:
    encoder = word_encoder(12)
    spans = windows(encoder, unit(text, *sorted(set(cuts)), context=context))
    assert spans[0][0] == 0
    assert spans[-1][1] == len(text)
    assert all(before[1] == after[0] for before, after in itertools.pairwise(spans))


@given(text=st.text(max_size=3_000), seed=st.integers(0, 5))
@settings(max_examples=25, deadline=None)
def test_no_window_of_minilm_is_longer_than_it_takes(text: str, seed: int) -> None:
    text = text.encode("utf-8", "replace").decode() * (1 + seed)
    long = unit(text, context="docs/a page.md")
    spans = windows(MINILM, long)
    assert "".join(text[start:end] for start, end in spans) == text
    if len(spans) > 1:
        made = [whole(unit(text[start:end], context="docs/a page.md")) for start, end in spans]
        assert MINILM.count_tokens(made).max() <= 256


def test_a_word_without_end_is_cut_anywhere_rather_than_lost() -> None:
    text = "漢字" * 2_000
    spans = windows(MINILM, unit(text))
    assert "".join(text[start:end] for start, end in spans) == text
    assert MINILM.count_tokens([text[start:end] for start, end in spans]).max() <= 256


def test_megabytes_on_one_line_are_cut_in_linear_time(word_encoder) -> None:
    text = "word " * 1_000_000
    spans = windows(word_encoder(256), unit(text))
    assert spans[-1][1] == len(text)
    assert 1_000_000 / 254 <= len(spans) <= 1.3 * 1_000_000 / 254


def test_identical_texts_are_encoded_once_and_the_longest_come_first(word_encoder) -> None:
    encoder = word_encoder()
    vectors, report = embed(encoder, [unit("b"), unit("a longer one"), unit("b"), unit("bb")])
    assert encoder.seen == ["a longer one", "bb", "b"]
    assert report.texts == 3
    np.testing.assert_array_equal(vectors[0], vectors[2])


def test_a_cached_vector_equals_a_fresh_one(word_encoder, cache: VectorCache) -> None:
    units = [unit(words(3, 7 * number)) for number in range(40)] + [unit(words(40))]
    without = embed(word_encoder(), units)[0]
    first, report = embed(word_encoder(), units, cache=cache)
    again = word_encoder()
    second, repeated = embed(again, units, cache=cache)
    np.testing.assert_array_equal(first, without)
    np.testing.assert_array_equal(second, without)
    assert again.seen == []
    assert (report.cached, repeated.cached) == (0, repeated.texts)


def test_ctrl_c_keeps_what_is_done(word_encoder, cache: VectorCache) -> None:
    units = [unit(words(5, 10 * number)) for number in range(1_000)]

    class Impatient(word_encoder):
        def encode_document(self, texts, **_):
            if len(self.seen) > 500:
                raise KeyboardInterrupt
            return super().encode_document(texts)

    with pytest.raises(KeyboardInterrupt):
        embed(Impatient(), units, cache=cache)
    again = word_encoder()
    vectors, report = embed(again, units, cache=cache)
    assert report.cached == 512
    assert len(again.seen) == 488
    np.testing.assert_array_equal(vectors, embed(word_encoder(), units)[0])


def test_progress_ends_at_its_total(word_encoder, cache: VectorCache) -> None:
    totals: list[int | None] = []
    steps: list[int] = []

    @contextmanager
    def progress(label: str, total: int | None) -> Iterator:
        totals.append(total)
        yield steps.append

    units = [unit(words(5, 10 * number)) for number in range(600)]
    embed(word_encoder(), units[:300], cache=cache)
    embed(word_encoder(), units, cache=cache, progress=progress)
    assert len(totals) == 1
    assert sum(steps) == totals[0]
    assert max(steps[1:]) <= totals[0] / 2


def test_no_units_and_empty_texts(word_encoder) -> None:
    assert embed(word_encoder(), [])[0].shape == (0, 16)
    vectors, _ = embed(word_encoder(), [unit(""), unit(" \n")])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)


@pytest.mark.parametrize("bad", ["nan", "shape"])
def test_what_an_encoder_may_not_return_is_one_line(word_encoder, cache: VectorCache, bad: str) -> None:
    class Broken(word_encoder):
        def encode_document(self, texts, **_):
            return np.full((len(texts), 16 if bad == "nan" else 17), np.nan, dtype=np.float32)

    with pytest.raises(TellapartError, match="words") as error:
        embed(Broken(), [unit("a")], cache=cache)
    assert "\n" not in str(error.value)
    assert cache.count() == 0


def test_larger_units_are_means_of_windows_and_smaller_ones_spans_of_them(word_encoder) -> None:
    encoder = word_encoder(12)
    first, second = unit(words(6), context="a"), unit(words(3, 50))
    own = lay_out(encoder, [first, second], weighted=True)
    assert [window.weight for layout in own for window in layout.windows] == [6, 3]
    (mean, *_), texts, _ = pool(encoder, [joined(own), *own])
    assert texts == 2
    roots = np.sqrt([6, 3])
    wanted = roots[0] * half(encoder.vector("a " + words(6))) + roots[1] * half(encoder.vector(words(3, 50)))
    np.testing.assert_allclose(mean, wanted / np.linalg.norm(wanted), atol=1e-6)
    part = inside(own[0], (3, 8), first.text)
    assert [window.text[slice(*window.span)] for window in part.windows] == ["w1 w2"]
    with pytest.raises(TellapartError, match="gives no vectors of tokens"):
        pool(encoder, [part])


def test_spans_of_minilm_add_up_to_the_whole(cache: VectorCache) -> None:
    text = "Roses need sun. Cut them back in March, when the frost is over."
    cut = text.index("Cut")
    (layout,) = lay_out(MINILM, [unit(text, context="garden/rosés.md")])
    halves = [inside(layout, (0, cut), text), inside(layout, (cut, len(text)), text)]
    assert [each.windows[0].text[slice(*each.windows[0].span)] for each in halves] == [text[:cut], text[cut:]]
    vectors, _, cached = pool(MINILM, [layout, *halves], cache=cache)
    again, _, known = pool(MINILM, [*halves, layout], cache=cache)
    assert (cached, known) == (0, 1)
    np.testing.assert_array_equal(again[[2, 0, 1]], vectors)
    np.testing.assert_array_equal(vectors[0], embed(MINILM, [unit(text, context="garden/rosés.md")])[0][0])
    assert (vectors[0] @ vectors[1:].T > 0.5).all()
    assert vectors[1] @ vectors[2] < 0.98


def test_a_span_of_white_space_has_no_vector(word_encoder) -> None:
    (layout,) = lay_out(word_encoder(12), [unit("one  \n\n two")])
    assert inside(layout, (3, 8), "one  \n\n two").windows == ()
    assert not pool(word_encoder(12), [inside(layout, (3, 8), "one  \n\n two")])[0].any()

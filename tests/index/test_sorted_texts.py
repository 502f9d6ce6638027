"""Binary search in a sorted list of texts, before and after a process keeps some of them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tellapart.index.lexical import segment
from tellapart.index.lexical.segment import SortedTexts

TEXTS = st.lists(st.binary(max_size=4).filter(bool), max_size=60)


@given(TEXTS, st.lists(st.binary(max_size=5), max_size=20), st.integers(1, 9), st.integers(0, 1))
def test_every_text_is_found_where_it_stands(texts, others, fences, few):
    texts.sort()
    offsets = np.cumsum([0, *map(len, texts)], dtype="<u8")
    content = memoryview(b"".join(texts))
    kept = segment.FENCES, segment.FEW_SEARCHES
    segment.FENCES, segment.FEW_SEARCHES = fences, few
    try:
        listed = SortedTexts(content, offsets.data)
        assert list(listed) == texts
        for wanted in [*texts, *others]:
            before = sum(text < wanted for text in texts)
            assert listed.position(wanted) == before
            assert listed.find(wanted) == range(before, before + texts.count(wanted))
    finally:
        segment.FENCES, segment.FEW_SEARCHES = kept

"""Pages stand alone and escape what they show; charts keep their marks inside."""

from __future__ import annotations

import math
import re

import jinja2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tellapart.identities.answers import View
from tellapart.identities.clustering import Clustering, Group
from tellapart.identities.sheet import contact_sheet
from tellapart.pages.charts import MARKS, Scale, curve, fitting
from tellapart.pages.rendering import render_page

HOSTILE = "\"><script>alert('x')</script>"


def test_a_contact_sheet_escapes_names_texts_and_files():
    views = [View(f"/tmp/{HOSTILE}.jpg", np.ones(2, dtype=np.float32), b"a") for _ in range(2)]
    groups = tuple(Group((place,), (1.0,), 0.0, None, 0.0) for place in range(2))
    pictures = iter((b"jpeg", HOSTILE))
    page = contact_sheet(
        Clustering(groups, 1, 3, 0.5), views, [HOSTILE, ""], lambda _: next(pictures), what="faces"
    )
    assert "<script" not in page
    assert page.count("<h2>Group") == 2
    assert page.count('src="data:image/jpeg;base64,anBlZw=="') == 1
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in page
    assert not re.search(r"https?:|url\(|@import", page)
    assert "prefers-color-scheme: dark" in page


def test_a_value_that_a_page_lacks_is_an_error():
    with pytest.raises(jinja2.UndefinedError, match="rows"):
        render_page("identities.html", title="t")


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_marks_are_few_distinct_and_inside(low, width):
    scale = Scale(low, low + width)
    marks = scale.marks() if scale.high - scale.low > 1e-9 * abs(low) else [(0.0, "")]
    assert 1 <= len(marks) <= MARKS + 1
    assert all(-0.01 <= place <= 100.01 for place, _ in marks)


def test_marks_are_round():
    assert [text for _, text in Scale(0, 1).marks()] == ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]
    assert [text for _, text in Scale(0, 12_000).marks()] == [f"{n:,}" for n in range(0, 12_001, 2_000)]
    assert [text for _, text in Scale(0.611, 0.639).marks()] == ["0.615", "0.620", "0.625", "0.630", "0.635"]


def test_a_curve_leaves_out_what_is_not_finite():
    assert curve("x", [1, 2], [math.nan, math.inf]).strokes == ()
    drawn = curve("x", [1, 2, 3], [0.5, math.nan, 0.5])
    assert sum(stroke.kind.startswith("dot") for stroke in drawn.strokes) == 2
    assert fitting([2.0, 2.0, math.nan]).low < 2 < fitting([2.0]).high

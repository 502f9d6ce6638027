"""Filters: what a condition keeps, against the same condition in plain Python; what cannot be read."""

import contextlib
import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tellapart import Index, TellapartError
from tellapart.index.where import DEEPEST

RECORDS = [
    {
        "_id": "a",
        "title": "Rose",
        "text": "red",
        "year": 1999,
        "lang": "en",
        "metadata": {"author": {"name": "O'Neil"}},
    },
    {"_id": "b", "title": "Tulip", "text": "blue", "year": 2005, "draft": True, "a.b": "dotted"},
    {"_id": "c", "title": "100% wool", "text": "green", "year": "2005"},
    {"_id": "d", "title": "", "text": "grey"},
]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("where")
    path = folder / "records.jsonl"
    path.write_text("\n".join(json.dumps(record) for record in RECORDS))
    index = Index.build([path], folder / "index", encoders=())
    yield index.store
    index.close()


def found(store, *conditions):
    names = store.identifiers()
    return "".join(sorted(names[number].rpartition("#")[2][-1] for number in store.matching(conditions)))


@pytest.mark.parametrize(
    ("condition", "kept"),
    [
        ("title = 'Rose'", "a"),
        ("title != 'Rose'", "bcd"),
        ("TITLE LIKE '%ul%'", "b"),
        ("title not like '%ul%'", "acd"),
        ("title glob 'R*'", "a"),
        ("year = 2005", "b"),
        ("year = '2005'", "bc"),
        ("year >= 1999 and year < 2005", "a"),
        ("not year = 1999", "bcd"),
        ("year is null", "d"),
        ("year is not null", "abc"),
        ("year in (1999, '2005')", "abc"),
        ("year not in (1999, 2005)", "cd"),
        ("draft = true", "b"),
        ("author.name = 'O''Neil'", "a"),
        ("\"a.b\" = 'dotted'", "b"),
        ("title = 'Rose' or title = 'Tulip' and year = 1", "a"),
        ("(title = 'Rose' or title = 'Tulip') and year = 2005", "b"),
        ("title = ''';drop table documents;--'", ""),
    ],
)
def test_conditions_keep_what_they_say(store, condition, kept):
    assert found(store, condition) == kept


def test_several_conditions_must_all_hold(store):
    assert found(store, "year = '2005'", "title like 'T%'") == "b"


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("", "at its end"),
        ("title", "expected one of ="),
        ("title =", "expected 'text'"),
        ("title = Rose", "expected 'text' in single quotes"),
        ("title = 'Rose", 'at "\'Rose"'),
        ("title = 'Rose' year = 1", "expected and, or, or the end"),
        ("(title = 'Rose'", "expected )"),
        ("title not = 'Rose'", "expected one of"),
        ("title in ()", "expected 'text'"),
        ("1 = 1", "expected a field"),
        ("colour = 'red'", "no document has a field 'colour'"),
        ("(" * (DEEPEST + 1) + "title = 'x'" + ")" * (DEEPEST + 1), "inside one another"),
        ("title = 'a'; drop table documents", "cannot read the filter"),
    ],
)
def test_what_cannot_be_read_is_one_line(store, condition, said):
    with pytest.raises(TellapartError, match=re.escape(said)) as error:
        store.matching([condition])
    assert "\n" not in str(error.value)


TESTS = st.sampled_from(
    [
        ("title = 'Rose'", lambda r: r.get("title") == "Rose"),
        ("year >= 2000", lambda r: isinstance(r.get("year"), int) and r["year"] >= 2000),
        ("title like '%o%'", lambda r: "o" in r.get("title", "").lower()),
        ("draft is null", lambda r: r.get("draft") is None),
        ("lang in ('en', 'de')", lambda r: r.get("lang") in ("en", "de")),
    ]
)
EXPRESSIONS = st.recursive(
    TESTS,
    lambda inner: st.one_of(
        inner.map(lambda e: (f"not ({e[0]})", lambda r: not e[1](r))),
        st.tuples(inner, inner).map(
            lambda p: (f"({p[0][0]} and {p[1][0]})", lambda r: p[0][1](r) and p[1][1](r))
        ),
        st.tuples(inner, inner).map(
            lambda p: (f"({p[0][0]} or {p[1][0]})", lambda r: p[0][1](r) or p[1][1](r))
        ),
    ),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(EXPRESSIONS)
def test_any_condition_equals_plain_python(store, expression):
    text, holds = expression
    assert found(store, text) == "".join(r["_id"] for r in RECORDS if holds(r))


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="titleyar 'oandr()=<%!0123,.\"", max_size=40))
def test_rubbish_is_refused_or_answered_never_a_traceback(store, text):
    with contextlib.suppress(TellapartError):
        store.matching([text])

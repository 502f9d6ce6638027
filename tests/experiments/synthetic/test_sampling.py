from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from tellapart.experiments.synthetic.gathering import MAX_TARGETS, questions, sample
from tellapart.experiments.synthetic.queries import QueryCandidate, QuerySource

SOURCES = [QuerySource.TITLE, QuerySource.DOCSTRING, QuerySource.INNER_SENTENCE, QuerySource.RARE_TERMS]


def candidate(source: QuerySource, query: str, document: int, start: int = 0) -> QueryCandidate:
    return QueryCandidate(source, query, document, (start, start + 10))


def test_the_same_words_are_one_query_whatever_their_case_and_the_foremost_source_counts():
    found = questions(
        [
            candidate(QuerySource.IDENTIFIER, "parse the json", 1),
            candidate(QuerySource.DOCSTRING, "Parse the JSON.", 2),
            candidate(QuerySource.HEADING, "Parse the JSON", 2, start=50),
        ]
    )
    (question,) = found
    assert (question.source, question.query) == (QuerySource.DOCSTRING, "Parse the JSON.")
    assert [(each.document, each.span[0]) for each in question.targets] == [(2, 0), (1, 0)]


def test_what_many_units_offer_is_boilerplate():
    offers = [
        candidate(QuerySource.COMMENT, "handle all other cases", number) for number in range(MAX_TARGETS + 1)
    ]
    assert questions(offers) == []
    assert len(questions(offers[1:])) == 1


@given(
    offers=st.lists(
        st.tuples(st.sampled_from(SOURCES), st.integers(0, 9), st.sampled_from([0, 100])), max_size=80
    ),
    at_most=st.integers(1, 30),
    seed=st.integers(0, 3),
)
@settings(max_examples=100, deadline=None)
def test_a_sample_asks_for_no_unit_twice_and_leaves_no_room_unused(offers, at_most, seed):
    found = questions(
        candidate(source, f"{source} {number} query", document, start)
        for number, (source, document, start) in enumerate(offers)
    )
    drawn = sample(found, at_most, seed)
    assert drawn == sample(found, at_most, seed)
    units = Counter((target.document, target.span) for question in drawn for target in question.targets)
    assert not units or max(units.values()) == 1
    assert len(drawn) <= at_most
    left = [q for q in found if not any((t.document, t.span) in units for t in q.targets)]
    assert len(drawn) == at_most or not left


def test_documents_and_sources_take_turns():
    found = questions(
        candidate(source, f"{source} {document} {start} query", document, start + offset)
        for source, offset in ((QuerySource.TITLE, 0), (QuerySource.COMMENT, 1_000))
        for document in range(20)
        for start in range(0, 500, 100)
    )
    drawn = sample(found, 40, seed=0)
    assert Counter(question.source for question in drawn) == {QuerySource.TITLE: 20, QuerySource.COMMENT: 20}
    assert max(Counter((q.source, q.targets[0].document) for q in drawn).values()) == 1


def test_rare_terms_have_a_tenth_of_the_room_or_what_is_left():
    rare = [candidate(QuerySource.RARE_TERMS, f"rare {number} terms", number, 300) for number in range(50)]
    titles = [candidate(QuerySource.TITLE, f"title {number} words", number) for number in range(200)]
    enough = sample(questions(rare + titles), 100, seed=0)
    assert Counter(question.source for question in enough) == {
        QuerySource.TITLE: 90,
        QuerySource.RARE_TERMS: 10,
    }
    few = sample(questions(rare + titles[:30]), 100, seed=0)
    assert Counter(question.source for question in few) == {QuerySource.TITLE: 30, QuerySource.RARE_TERMS: 50}

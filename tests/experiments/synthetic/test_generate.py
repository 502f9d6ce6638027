"""Queries that a corpus gives about itself, and the index in which nothing gives them away."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tellapart.engine import Index
from tellapart.errors import TellapartError
from tellapart.experiments.synthetic import Blank, SyntheticQueries, generate, leaks
from tellapart.experiments.synthetic.masks import mask, occurrences
from tellapart.experiments.synthetic.queries import QueryCandidate, QuerySource, SyntheticQuestion
from tellapart.progress import silent


def by_source(generated: SyntheticQueries, source: str) -> dict[str, str]:
    """Queries of one source: text -> id."""
    gold = generated.query_set
    return {text: query for query, text in gold.queries.items() if gold.sources[query] == source}


def answers(index: Index, generated: SyntheticQueries, query: str) -> dict[str, str]:
    """Text of the source units of a query, by document."""
    found = {}
    for span in generated.query_set.spans[query]:
        document = index.store.document(span.document).document
        found[span.document] = document.text[span.start : span.end]
    return found


@pytest.fixture
def generated(index: Index) -> SyntheticQueries:
    return generate(index, seed=1)


def test_a_docstring_asks_for_its_function_and_a_copy_elsewhere_is_right_as_well(index):
    generated = generate(index, sources=[QuerySource.DOCSTRING])
    query = by_source(generated, "docstring")["Call again after a failure, waiting longer each time."]
    found = answers(index, generated, query)
    assert set(found) == {"valve.py", "pump/copy.py"}
    assert all(text.startswith("def retry_with_backoff") for text in found.values())
    assert generated.query_set.qrels.grades[query] == {"valve.py": 1, "pump/copy.py": 1}


def test_a_doc_comment_above_is_a_docstring_in_other_languages(index):
    generated = generate(index, sources=[QuerySource.DOCSTRING])
    query = by_source(generated, "docstring")["SoilMoisture averages the wet samples of the last hour."]
    assert "func SoilMoisture" in answers(index, generated, query)["pump/soil.go"]


def test_a_comment_asks_for_the_code_below_it(index):
    generated = generate(index, sources=[QuerySource.COMMENT])
    query = by_source(generated, "comment")["Double the pause so that a busy valve recovers"]
    assert "time.sleep(2**attempt)" in answers(index, generated, query)["valve.py"]
    with generated.masked_index() as masked:
        assert "Double the pause" not in masked.store.document("pump/copy.py").document.text


def test_words_of_a_name_ask_for_its_body_and_the_name_is_blanked_throughout(index, project):
    (project / "valve.py").write_text(
        "def close_valve(number, pipes):\n    for pipe in pipes:\n        pipe.turn(number, pipe.speed, pipe.limit)\n"
        "    return pipes, number, pipes.pressure\n\n\n"
        "def main(wanted):\n    print(close_valve(1, wanted), CLOSE_VALVE)\n"
    )
    index.update()
    generated = generate(index, sources=[QuerySource.IDENTIFIER])
    query = by_source(generated, "identifier")["close valve"]
    with generated.masked_index() as masked:
        text = masked.store.document("valve.py").document.text
        assert "close_valve" not in text.lower()
        assert text.count("def ") == 2
    assert len(generated.blanks[query]) == 3


def test_a_heading_of_two_sections_makes_both_right_and_leaves_text_and_context(index):
    generated = generate(index, sources=[QuerySource.HEADING])
    query = by_source(generated, "heading")["Cutting back old wood"]
    assert len(generated.query_set.spans[query]) == 2
    with generated.masked_index() as masked:
        stored = masked.store.document("guide.md")
        assert "cutting" not in stored.document.text.lower()
        labels = " ".join(label for level in stored.tree.levels.values() for label in level.labels)
        assert "Cutting" not in labels


def test_a_sentence_is_blanked_in_its_twin_too(index):
    generated = generate(index, sources=[QuerySource.FIRST_SENTENCE])
    sentence = "Roses need sun and a deep soil that never dries out completely."
    query = by_source(generated, "first-sentence")[sentence]
    assert set(answers(index, generated, query)) == {"guide.md"}
    assert {blank.document for blank in generated.blanks[query]} == {"guide.md", "almanac.txt"}


def test_nothing_leaks_at_any_level(index, generated):
    assert len(generated.blanks) >= 5
    with generated.masked_index() as masked:
        assert leaks(generated, masked, index) == ()


def test_without_blanking_everything_leaks(index, generated):
    found = leaks(generated, index, index)
    assert {leak.query for leak in found} == set(generated.blanks)
    assert {leak.granularity.value for leak in found} >= {"function", "class", "file", "sentence", "document"}


@pytest.mark.parametrize("where", ["text", "title", "label", "case"])
def test_a_planted_leak_is_found(index, where):
    generated = generate(index, sources=[QuerySource.HEADING])
    heading = by_source(generated, "heading")["Cutting back old wood"]
    planted = []
    for stored in generated.replaced:
        document, tree = stored.document, stored.tree
        if document.id == "guide.md":
            words = "Cutting back old wood"
            if where == "title":
                document = replace(document, title=words)
            elif where == "label":
                levels = {
                    g: replace(level, labels=tuple(words if each else "" for each in level.labels))
                    for g, level in tree.levels.items()
                }
                tree = replace(tree, levels=levels)
            else:
                words = "CUTTING  back\nold wood" if where == "case" else words
                document = replace(document, text=document.text[: -len(words) - 2] + " " + words + "\n")
        planted.append(replace(stored, document=document, tree=tree))
    with replace(generated, replaced=tuple(planted)).masked_index() as masked:
        found = leaks(generated, masked, index)
    assert {(leak.query, leak.document) for leak in found} == {(heading, "guide.md")}


def test_a_blank_that_was_left_out_is_found(index, generated):
    query = next(iter(generated.blanks))
    left = generated.blanks[query][0]
    kept = tuple(stored for stored in generated.replaced if stored.document.id != left.document)
    with replace(generated, replaced=kept).masked_index() as masked:
        assert query in {leak.query for leak in leaks(generated, masked, index)}


def test_overlap_is_the_share_of_the_terms_that_are_left(index):
    rare = generate(index, sources=[QuerySource.RARE_TERMS])
    assert set(rare.query_set.overlap) == set(rare.query_set.queries)
    assert set(rare.query_set.overlap.values()) == {1.0}
    assert rare.replaced == ()
    generated = generate(index, sources=[QuerySource.DOCSTRING])
    query = by_source(generated, "docstring")["SoilMoisture averages the wet samples of the last hour."]
    assert 0 < generated.query_set.overlap[query] < 1


def test_the_same_seed_gives_the_same_set_and_another_one_another(index):
    first, again = generate(index, seed=3, at_most=6), generate(index, seed=3, at_most=6)
    assert (first.query_set, first.blanks) == (again.query_set, again.blanks)
    assert len(first.query_set.queries) == 6
    others = [dict(generate(index, seed=seed, at_most=6).query_set.queries) for seed in range(5)]
    assert any(other != dict(first.query_set.queries) for other in others)


def test_no_unit_is_asked_for_twice_and_every_query_has_document_and_span(index, generated):
    gold = generated.query_set
    units = [(span.document, span.start) for spans in gold.spans.values() for span in spans]
    spans = [(s.document, s.start, s.end) for spans in gold.spans.values() for s in spans]
    assert len(spans) == len(set(spans)) <= len(units)
    assert (
        set(gold.queries)
        == set(gold.qrels.grades)
        == set(gold.spans)
        == set(gold.sources)
        == set(gold.clusters)
    )
    assert gold.provenance == "synthetic"


def test_sources_take_turns(index):
    generated = generate(index, seed=1, at_most=4)
    assert len(set(generated.query_set.sources.values())) >= 3


def test_what_the_corpus_lacks_is_said(index, generated):
    assert set(generated.offered) == {source.value for source in QuerySource}
    assert any("title" in note for note in generated.query_set.notes) == (generated.offered["title"] == 0)


def test_words_that_stand_in_a_path_make_no_query(index, project):
    (project / "mending-broken-garden-hoses.md").write_text(
        "# Mending broken garden hoses\n\nCut the damaged piece away and push the connector deep into both ends.\n"
        "\n## Storing things in winter\n\nEmpty everything that holds water, and keep it dry until the spring comes.\n"
    )
    index.update()
    generated = generate(index, seed=1)
    assert "Mending broken garden hoses" not in generated.query_set.queries.values()


def test_a_text_in_too_many_documents_is_left_out(index, project):
    sentence = "Every leaflet of this series ends with the very same sentence about the editors."
    for number in range(12):
        (project / f"leaflet{number}.txt").write_text(
            f"Leaflet number {number} speaks of plants.\n\n{sentence}\n"
        )
    index.update()
    question = SyntheticQuestion(
        sentence, (QueryCandidate(QuerySource.INNER_SENTENCE, sentence, 1, (0, 10), hidden=(sentence,)),)
    )
    masking = mask(index.store, [question], occurrences(index.store, [question], silent))
    assert masking.dropped == {0}
    assert masking.documents == ()


def test_an_empty_index_gives_an_empty_set(tmp_path):
    folder = tmp_path / "nothing"
    folder.mkdir()
    with pytest.raises(TellapartError):
        Index.build([folder / "missing"], tmp_path / "i", encoders=[])
    index = Index.build([folder], tmp_path / "i", encoders=[])
    generated = generate(index)
    assert not generated.query_set.queries
    with generated.masked_index() as masked:
        assert leaks(generated, masked, index) == ()


def test_no_queries_at_all_are_not_to_be_asked_for(index):
    with pytest.raises(TellapartError, match="at least 1"):
        generate(index, at_most=0)


def test_of_many_documents_some_are_read_and_what_answers_in_the_others_counts_too(index, monkeypatch):
    monkeypatch.setattr("tellapart.experiments.synthetic.gathering.READ_DOCUMENTS", 2)
    found = set()
    for seed in range(6):
        generated = generate(index, seed=seed, sources=[QuerySource.DOCSTRING])
        assert any("2 of 5 documents" in note for note in generated.query_set.notes)
        with generated.masked_index() as masked:
            assert leaks(generated, masked, index) == ()
        query = by_source(generated, "docstring").get("Call again after a failure, waiting longer each time.")
        if query:
            found.add(frozenset(answers(index, generated, query)))
    assert found == {frozenset({"valve.py", "pump/copy.py"})}


def test_a_title_that_the_text_does_not_repeat_is_blanked_too(index, project):
    (project / "page.html").write_text(
        "<title>Composting for small balconies</title><p>Worms eat what is left over from cooking, and their soil is"
        " better than any other. A box with holes in its sides suffices, if it stands in the shade.</p>"
    )
    index.update()
    generated = generate(index, sources=[QuerySource.TITLE])
    query = by_source(generated, "title")["Composting for small balconies"]
    assert generated.blanks[query] == (Blank("page.html", 0, 0),)
    with generated.masked_index() as masked:
        assert leaks(generated, masked, index) == ()
        assert not masked.search("Composting", ranker="bm25")
    assert {leak.query for leak in leaks(generated, index, index)} == {query}


def test_an_encoder_that_the_index_lacks_is_one_line(index):
    with pytest.raises(TellapartError, match="has no vectors of encoder 'other'"):
        generate(index, encoders=["other"])


def test_a_document_that_changed_meanwhile_is_one_line(index, project, generated):
    for name in ("valve.py", "guide.md", "pump/copy.py"):
        (project / name).write_text("x = 1\n")
    index.update()
    with pytest.raises(TellapartError), generated.masked_index():
        pass


def test_blanks_name_the_text_that_was_there(index, generated):
    for query, blanks in generated.blanks.items():
        assert blanks
        for blank in blanks:
            if blank.start == blank.end:
                continue  # a title
            assert isinstance(blank, Blank)
            document = index.store.document(blank.document).document
            assert document.text[blank.start : blank.end].strip(), query


@pytest.mark.parametrize(
    ("source", "level"), [(QuerySource.DOCSTRING, "sentence"), (QuerySource.HEADING, "function")]
)
def test_what_was_not_blanked_is_found_as_before(index, source, level):
    words = {"sentence": "market farmers wet summer", "function": "sample weights total"}[level]
    generated = generate(index, sources=[source])
    assert generated.replaced
    with generated.masked_index() as masked:
        for ranker in ("bm25", "knn", "svm", "hybrid"):
            wanted = [
                (hit.id, hit.text) for hit in index.search(words, granularity=level, ranker=ranker, k=2)
            ]
            assert [
                (hit.id, hit.text) for hit in masked.search(words, granularity=level, ranker=ranker, k=2)
            ] == wanted

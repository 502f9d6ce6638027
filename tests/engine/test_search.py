"""Searching as a user of the library does."""

from __future__ import annotations

import pytest

from tellapart.corpus.document import Granularity
from tellapart.engine import Configuration, Index
from tellapart.engine.configuration import present_levels
from tellapart.engine.results import unit_id, unit_ids
from tellapart.errors import CorruptIndexError, StaleIndexError, TellapartError
from tellapart.rankers.registry import Parameters


@pytest.fixture
def index(corpus, tmp_path, encoders):
    opened = Index.build([corpus], tmp_path / "index", encoders=["words", "lsa"])
    yield opened
    opened.close()


def test_hits_are_exact_spans_of_the_document(index, corpus):
    for granularity in ("sentence", "paragraph", "section", "document", "function", "class", "file"):
        for hit in index.search("roses water client", granularity=granularity, k=50):
            text = (corpus / hit.document).read_text()
            assert hit.text == text[hit.span[0] : hit.span[1]]
            first = hit.text.strip().splitlines()[0]
            assert first.strip() in text.splitlines()[hit.lines[0] - 1]


def test_default_finds_paragraphs_and_functions_in_one_list(index):
    answer = index.search("roses retry")
    assert answer.configuration.name == "words/paragraph+function/hybrid"
    assert {hit.granularity for hit in answer.hits} == {"paragraph", "function"}
    scores = [hit.score for hit in answer.hits]
    assert scores == sorted(scores, reverse=True)


def test_a_query_of_unknown_words_finds_nothing(index):
    for ranker in ("hybrid", "bm25", "knn", "rrf"):
        assert not index.search(
            "xylophon quartz", ranker=ranker, encoder="lsa" if ranker != "bm25" else None
        ).hits
    run = index.run({"q": "xylophon quartz", "p": "roses"}, ranker="hybrid", encoder="lsa")
    assert not run.rankings["q"].documents
    assert run.rankings["p"].documents


def test_document_level_finds_files_too(index):
    found = {hit.document for hit in index.search("roses soil", granularity="document", ranker="bm25")}
    assert "src/moisture.py" in found
    assert "README.md" in found


def test_the_function_that_is_asked_for_comes_first(index):
    hit = index.search("retry with backoff", granularity="function", ranker="bm25")[0]
    assert (hit.document, hit.lines[0]) == ("src/client.py", 8)
    assert "def retry_with_backoff" in hit.text


def test_headings_and_class_names_help_finding(index):
    hit = index.search("Client number", granularity="function", ranker="bm25")[0]
    assert "Client" not in hit.text
    assert "open_valve" in hit.text
    hit = index.search("Tomatoes poles", granularity="sentence", ranker="bm25")[0]
    assert "climb" in hit.text


@pytest.mark.parametrize("ranker", ["bm25", "knn", "svm", "hybrid", "rrf"])
def test_every_ranker_answers_and_respects_filters(index, ranker):
    hits = index.search("roses in winter", ranker=ranker, where=["path like 'notes/%'"], k=5)
    assert hits
    assert {hit.document for hit in hits} == {"notes/winter.txt"}


def test_hybrid_top_is_the_top_of_all_scores(index):
    ranked = index.search("water the roses", ranker="hybrid", granularity="sentence", k=3)
    everything = index.search("water the roses", ranker="hybrid", granularity="sentence", k=1000)
    assert [hit.id for hit in ranked] == [hit.id for hit in everything[:3]]


def test_ids_survive_changes_elsewhere(index, corpus):
    before = {h.text: h.id for h in index.search("roses", granularity="sentence", ranker="bm25")}
    readme = corpus / "README.md"
    readme.write_text("Something new on top. It has two sentences.\n\n" + readme.read_text())
    index.update()
    after = {h.text: h.id for h in index.search("roses", granularity="sentence", ranker="bm25")}
    assert {text: after[text] for text in before} == before


def test_a_hit_can_be_fetched_by_its_id(index):
    for hit in [
        *index.search("roses", granularity="sentence"),
        *index.search("roses", granularity="document"),
    ]:
        assert index.get(hit.id).span == hit.span


def test_related_leaves_out_the_unit_itself(index):
    result = index.related("src/client.py", 10, granularity="function")
    assert all("def retry_with_backoff" not in hit.text for hit in result.hits)
    assert result.hits
    assert index.related("README.md").configuration.granularity == "document+file"


def test_documents_rank_by_their_best_unit(index):
    run = index.run({"q": "cover roses with straw"}, ranker="bm25", granularity="sentence")
    ranking = run.rankings["q"]
    best = index.search("cover roses with straw", ranker="bm25", granularity="sentence", k=1)[0]
    assert ranking.documents[0] == best.document
    assert ranking.scores[0] == pytest.approx(best.score, rel=1e-5)
    assert len(set(ranking.documents)) == len(ranking.documents)


def test_parameters_change_the_answer(index):
    flat = index.search("roses roses water", ranker="bm25", parameters=Parameters(k1=0.0, b=0.0))
    usual = index.search("roses roses water", ranker="bm25")
    assert [hit.score for hit in flat] != [hit.score for hit in usual]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda i: i.search("  "), "query is empty"),
        (lambda i: i.search("x" * 100_001), "100,001 characters"),
        (lambda i: i.search("rose", k=0), "k is 0"),
        (lambda i: i.search("rose", ranker="cosine"), "unknown ranker 'cosine'"),
        (lambda i: i.search("rose", granularity="chapter"), "unknown granularity 'chapter'"),
        (lambda i: i.search("rose", encoder="minilm"), "no vectors of encoder 'minilm'"),
        (lambda i: i.search("rose", ranker="bm25", encoder="words"), "uses no encoder"),
        (lambda i: i.search("rose", where=["path = rubbish"]), "cannot read the filter"),
        (lambda i: i.search("rose", where=["colour = 'red'"]), "no document has a field 'colour'"),
        (lambda i: i.related("nowhere.md"), "no document 'nowhere.md'"),
        (lambda i: i.related("README.md", 999), "no line 999"),
        (lambda i: i.get("README.md#sentence:0000000000"), "not in the index any more"),
        (lambda i: Parameters(b=2.0), "b 2.0 is out of range"),
    ],
)
def test_mistakes_get_one_line(index, call, words):
    with pytest.raises(TellapartError, match=words) as caught:
        call(index)
    assert "\n" not in str(caught.value)


def test_long_query_is_answered(index):
    assert index.search("rose " * 19_999, ranker="bm25")


def test_other_weights_are_noticed(index, encoders, tmp_path):
    encoders.fingerprint = "words-of-another-make"
    fresh = Index.open(tmp_path / "index")
    with pytest.raises(StaleIndexError, match="tellapart index"):
        fresh.search("roses", encoder="words")


def test_no_index_names_the_command(tmp_path):
    with pytest.raises(TellapartError, match="tellapart index PATH --index"):
        Index.open(tmp_path / "nothing")


def test_another_format_names_the_command(index, tmp_path):
    index.store.path.chmod(0o644)
    import sqlite3

    with sqlite3.connect(index.store.path) as connection:
        connection.execute("UPDATE meta SET value = '0' WHERE key = 'format'")
    with pytest.raises(StaleIndexError, match="--rebuild"):
        Index.open(tmp_path / "index")


def test_empty_corpus_is_searchable(tmp_path):
    (tmp_path / "empty").mkdir()
    opened = Index.build([tmp_path / "empty"], tmp_path / "index", encoders=())
    assert len(opened.search("rose")) == 0
    assert opened.search("rose", granularity="sentence").why == "the index is empty"


@pytest.mark.parametrize("level", ["sentence", "document"])
def test_configurations_are_read_from_the_right(level):
    parsed = Configuration.parse(f"hub:org/model/{level}/hybrid")
    assert (parsed.encoder, parsed.granularity, parsed.ranker) == ("hub:org/model", level, "hybrid")
    assert parsed.name == f"hub:org/model/{level}/hybrid"
    assert Configuration.parse(f"{level}/bm25").encoder is None
    for wrong in (f"{level}/knn", f"minilm/{level}/bm25", "minilm/hybrid", "hybrid", f"minilm/{level}/best"):
        with pytest.raises(TellapartError, match="cannot read the configuration"):
            Configuration.parse(wrong)


def test_missing_default_level_falls_to_the_nearest():
    assert present_levels((), (Granularity.SENTENCE, Granularity.CLASS)) == (
        Granularity.SENTENCE,
        Granularity.CLASS,
    )


def test_damage_is_found_before_it_becomes_a_hit(index, tmp_path):
    folder = tmp_path / "index"
    files = [path for path in sorted((folder / "segments").rglob("*")) if path.is_file()]
    assert len(files) > 10
    for path in files:
        content = path.read_bytes()
        if not content:
            continue
        changed = bytearray(content)
        changed[len(content) // 2] ^= 0xFF
        path.write_bytes(changed)
        with pytest.raises(CorruptIndexError, match="--rebuild"):
            Index.open(folder).search("roses")
        path.write_bytes(content)
    assert Index.open(folder).search("roses")


def test_code_without_vectors_is_ranked_by_structure(corpus, tmp_path):
    with_words = Index.build([corpus], tmp_path / "words", encoders=[])
    answer = with_words.search("retry_with_backoff")
    assert answer.configuration.name == "paragraph+function/structure"
    assert "no vectors in this index" in answer.why
    assert answer[0].text.startswith("def retry_with_backoff")
    assert 0.0 < answer[0].probability <= 1.0
    assert with_words.search("roses", granularity="paragraph").configuration.name == "paragraph/bm25"
    assert with_words.search(like="src/client.py:8").configuration.ranker == "bm25"
    run = with_words.run({"q": "retry_with_backoff"})
    assert run.rankings["q"].documents[0] == "src/client.py"
    with pytest.raises(TellapartError, match="leave out --like"):
        with_words.search("x", like="README.md", ranker="structure")
    with_words.close()


def test_notes_with_some_scripts_stay_with_bm25(tmp_path):
    (tmp_path / "notes").mkdir()
    for number in range(5):
        (tmp_path / "notes" / f"{number}.md").write_text(f"# Note {number}\n\nA thought.\n")
    (tmp_path / "notes" / "plot.py").write_text("def plot():\n    return 1\n")
    index = Index.build([tmp_path / "notes"], tmp_path / "index", encoders=[])
    assert index.search("plot").configuration.name == "paragraph+function/bm25"
    index.close()


def test_code_with_many_small_files_of_text_is_ranked_by_structure(tmp_path):
    (tmp_path / "expected").mkdir()
    for number in range(9):
        (tmp_path / "expected" / f"{number}.md").write_text("# Output\n\nTen lines.\n")
    (tmp_path / "run.py").write_text("def shown(lines):\n    return [line.strip() for line in lines]\n" * 20)
    with Index.build([tmp_path], tmp_path / "my.idx", encoders=[]) as index:
        assert index.search("shown").configuration.ranker == "structure"


@pytest.mark.parametrize("name", ["function/structure", "minilm/function/structure"])
def test_structure_reads_with_and_without_an_encoder(name):
    assert Configuration.parse(name).name == name


REMARK = "The notes mention {} once, in passing.\n\n"
FUNCTION = 'def {}_{}(value):\n    """{}: {}."""\n    return value\n\n\n'


@pytest.mark.parametrize(("vectors", "ranker"), [(True, "hybrid"), (False, "bm25"), (False, "auto")])
def test_the_side_where_the_words_are_rare_does_not_win(tmp_path, encoders, vectors, ranker):
    """Code is about matrices and the notes are not; then the notes about licences and the code is not."""
    plants = [
        f"{name} grows slowly in the shade of {name} number {n}" for n, name in enumerate("abcdefgh" * 5)
    ]
    root = tmp_path / "both"
    root.mkdir()
    code = FUNCTION.format("multiply", "sparse", "Sparse matrix multiplication", "multiply sparse matrices")
    code += "".join(
        FUNCTION.format("sparse", f"matrix{n}", "Handle", f"a sparse matrix {n}") for n in range(40)
    )
    (root / "lib.py").write_text(code + FUNCTION.format("kappa", "remark", "Handle", "a licence notice"))
    prose = "\n\n".join([*plants, "Licence permission notice: the licence gives permission to copy."])
    licences = "\n\n".join(f"A licence of kind {n} must keep its notice." for n in range(40))
    (root / "notes.md").write_text(prose + "\n\n" + licences + "\n\n" + REMARK.format("a sparse matrix"))
    opened = Index.build([root], tmp_path / "both.idx", encoders=["words"] if vectors else [])
    found = opened.search("sparse matrix multiplication", k=1, ranker=ranker)
    assert found[0].document == "lib.py"
    assert vectors or "def multiply_sparse" in found[0].text
    assert "permission to copy" in opened.search("licence permission notice", k=1, ranker=ranker)[0].text
    if ranker == "auto":  # ranked by files: what the notes say of the code's subject is found in the notes
        assert found.configuration.ranker == "structure"
        assert opened.search("mention a sparse matrix in passing", k=1)[0].document == "notes.md"


def test_scores_of_one_ranker_are_the_rankers_own(index):
    """BM25 is printed as BM25 and a cosine as a cosine, over one granularity or several."""
    for ranker in ("bm25", "knn"):
        for hit in index.search("water the roses", ranker=ranker):
            assert hit.score == pytest.approx(hit.components[ranker])
            assert hit.score > 0 or ranker == "knn"


def test_every_unit_is_named_as_the_list_of_names_says(tmp_path):
    text = "def a():\n    return 1\n\n\ndef b():\n    return 2\n\n\ndef a():\n    return 1\n\n\nx = 1\n" * 2
    (tmp_path / "twice.py").write_text(text)
    index = Index.build([tmp_path / "twice.py"], tmp_path / "index", encoders=[])
    stored = index.store.document("twice.py")
    for granularity in stored.tree.levels:
        names = unit_ids(stored, granularity)
        assert [unit_id(stored, granularity, ordinal) for ordinal in range(len(names))] == names
    index.close()

"""What Python users expect of `Index` and of what a search returns."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import tellapart
from tellapart import Index, SearchRequest, TellapartError


@pytest.fixture
def index(corpus, tmp_path):
    with Index.build(str(corpus), tmp_path / "index", encoders=[]) as opened:
        yield opened


def test_one_text_is_one_source_one_condition_one_example(index, corpus):
    assert len(index) == 4
    hits = index.search("roses", where="kind = 'prose'")
    assert {hit.document for hit in hits} == {"README.md", "notes/winter.txt"}
    by_path = index.search(like=Path(corpus) / "notes" / "winter.txt", unlike="src/client.py:8")
    assert by_path.request.like == (str(corpus / "notes" / "winter.txt"),)
    assert index.search(SearchRequest("roses", where="kind = 'prose'")) == hits


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda index: index.search(3), "query is 3"),
        (lambda index: index.search("roses", where=7), "where is 7"),
        (lambda index: index.search("roses", like=[b"a"]), "like holds b'a'"),
        (lambda index: index.search("roses", k="10"), "k is '10'"),
        (lambda index: index.search("roses", granularity=["paragraph"]), "granularity is"),
        (lambda index: index.search("roses", parameters={"k1": 1}), "parameters is"),
        (lambda index: Index.build(5, "x.idx"), "sources is 5"),
    ],
)
def test_wrong_types_get_one_line(index, call, words):
    with pytest.raises(TellapartError) as caught:
        call(index)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_results_are_sequences_that_become_tables(index):
    result = index.search("water the roses", k=3)
    assert len(result) == 3
    assert list(result) == [result[0], *result[1:]]
    assert json.loads(json.dumps(result.to_dicts()))[0]["id"] == result[0].id
    pandas = pytest.importorskip("pandas")
    frame = result.to_frame()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame["rank"]) == [1, 2, 3]


def test_without_pandas_or_polars_it_says_what_to_install(index, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(TellapartError, match="pip install pandas"):
        index.search("roses").to_frame()


def test_notebooks_show_documents_and_never_run_them(tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "<b>.md").write_text("roses <script>alert(1)</script> offset\n")
    index = Index.build(tmp_path / "notes", tmp_path / "index", encoders=[])
    shown = index.search("kinds of rose")._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert '<li class="hit prose"><div class="place">&lt;b&gt;.md:1-1</div>' in shown
    assert "<mark>roses</mark>" in shown
    assert "<mark>offset" not in shown
    style = shown[: shown.index("</style>")]
    assert ":root" not in style  # nothing outside of the result is styled
    assert "body {" not in style


def test_an_index_says_what_it_is(index):
    assert repr(index).endswith("4 documents, words only>")
    assert index


def test_five_equal_files_take_one_place(corpus, tmp_path):
    for number in range(5):
        (corpus / f"licence{number}.txt").write_text("Permission is granted to water the garden.\n")
    index = Index.build(corpus, tmp_path / "copies", encoders=[])
    hits = index.search("permission granted water", k=3, ranker="bm25")
    assert len(hits[0].copies) == 4
    assert len({hit.text.strip() for hit in hits}) == len(hits) > 1


def test_everything_named_can_be_imported():
    for name in tellapart.__all__:
        assert getattr(tellapart, name) is not None
    assert set(tellapart.__all__) <= set(dir(tellapart))


def test_the_line_of_an_html_file_is_that_of_the_file_on_disk_wherever_it_is_given(tmp_path):
    head = "".join(f"<meta name=a{number} content=b>\n" for number in range(20))
    animals = ["The wombat digs long burrows.", "The bilby digs short burrows.", "The potoroo eats truffles."]
    body = "\n\n".join(f"<p>\n{each}\n</p>" for each in animals)
    page = tmp_path / "site" / "animals.html"
    page.parent.mkdir()
    page.write_text(f"<html><head><title>Animals</title>\n{head}</head><body>\n{body}\n</body></html>\n")
    (page.parent / "other.txt").write_text("A badger digs burrows too.\n")
    index = Index.build(page.parent, tmp_path / "index", encoders=["lsa"])
    for animal in animals:
        line = page.read_text().splitlines().index(animal) + 1
        found = index.search(animal, ranker="bm25", granularity="paragraph")[0]
        assert (found.text.strip(), found.lines) == (animal, (line, line))
        related = index.related(page, line, granularity="paragraph", k=20)
        for name in (f"animals.html:{line}", f"{page}:{line}", f"animals.html:{line}-{line}"):
            assert index.search(like=name, granularity="paragraph", k=20).hits == related.hits
        texts = {hit.text.strip() for hit in related}
        assert animal not in texts
        assert set(animals) - {animal} <= texts

"""A masked copy of an index is the index that the blanked documents would have given."""

from __future__ import annotations

import itertools
import math
import os
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tellapart.corpus.document import KIND_OF, ContainmentTree, Granularity, Kind, Level
from tellapart.corpus.units import contexts
from tellapart.encoders.cache import VectorCache
from tellapart.encoders.pooling import embed
from tellapart.encoders.windows import UnitText, windows
from tellapart.engine import Index
from tellapart.engine.status import verify_index
from tellapart.errors import TellapartError
from tellapart.experiments.synthetic.masks import blank
from tellapart.index.embedding import TILES
from tellapart.index.lexical import Analyser
from tellapart.index.lexical.extra import is_extra
from tellapart.index.masking import masked_copy
from tellapart.index.store import StoredDocument

QUERIES = (
    "roses sun march",
    "water call attempts",
    "host number",
    "straw frost garden",
    "moisture samples soil",
)
K1, B = 1.2, 0.75


@pytest.fixture
def index(corpus, tmp_path, encoders):
    opened = Index.build([corpus], tmp_path / "index", encoders=["words", "lsa"])
    yield opened
    opened.close()


def blanked(index: Index, identifier: str, *words: str) -> StoredDocument:
    stored = index.store.document(identifier)
    text = stored.document.text
    spans = [(text.index(word), text.index(word) + len(word)) for word in words]
    levels = {
        g: Level(level.starts, tuple("" if label in words else label for label in level.labels))
        for g, level in stored.tree.levels.items()
    }
    tree = ContainmentTree(stored.tree.length, stored.tree.kind, levels)
    return StoredDocument(stored.number, replace(stored.document, text=blank(text, spans)), tree)


@pytest.fixture
def documents(index):
    return [
        blanked(
            index, "README.md", "## Roses", "Roses need sun. Cut them back in March.", "They climb on poles."
        ),
        blanked(
            index,
            "src/client.py",
            "Call again after a failure, waiting longer each time.",
            "retry_with_backoff",
        ),
    ]


@pytest.fixture
def masked(index, documents):
    encoders = {name: index.encoder(name) for name in ("words", "lsa")}
    with masked_copy(index.folder, index.store, documents, encoders) as home:
        copy = Index.open(home)
        yield copy
        copy.close()


def brute_force(index: Index, level: Granularity, query: str) -> dict[tuple[str, int], float]:
    """BM25 in plain loops over what the store of an index holds."""
    analyser, kind = Analyser(), KIND_OF[level]
    units = {}
    for number in index.store.identifiers():
        stored = index.stored(number)
        if level in stored.tree.levels:
            around = contexts(stored.document, stored.tree, level)
            for ordinal, (start, end) in enumerate(stored.tree.spans(level)):
                text = f"{around[ordinal]}\n{stored.document.text[start:end]}"
                units[stored.document.id, ordinal] = Counter(analyser.tokens(text, kind).terms)
    length = {name: sum(n for term, n in unit.items() if not is_extra(term)) for name, unit in units.items()}
    average = sum(length.values()) / len(units)
    scores = dict.fromkeys(units, 0.0)
    for term in analyser.tokens(query, kind).terms:
        df = sum(term in unit for unit in units.values())
        idf = math.log(1 + (len(units) - df + 0.5) / (df + 0.5))
        for name, unit in units.items():
            if tf := unit[term]:
                scores[name] += idf * tf / (tf + K1 * (1 - B + B * length[name] / average))
    return scores


def rows(index: Index, level: Granularity) -> dict[tuple[str, int], int]:
    with index.reading() as snapshot:
        table = snapshot.units(level)
        alive = np.arange(table.n_rows) if table.alive is None else np.flatnonzero(table.alive)
        numbers, ordinals = table.locate(alive)
        ids = index.store.identifiers()
        places = zip(numbers.tolist(), ordinals.tolist(), strict=True)
        return {(ids[n], o): row for (n, o), row in zip(places, alive.tolist(), strict=True)}


LEVELS = [level for level in Granularity if KIND_OF[level] is not Kind.IMAGE]


def test_words_score_as_in_an_index_of_the_blanked_documents(masked):
    for level in LEVELS:
        place = rows(masked, level)
        with masked.reading() as snapshot:
            lexical = snapshot.lexical(level)
        for query in QUERIES:
            terms = Analyser().tokens(query, KIND_OF[level]).terms
            scores = lexical.scores(terms, k1=K1, b=B)
            wanted = brute_force(masked, level, query)
            assert wanted.keys() == place.keys()
            for name, score in wanted.items():
                assert scores[place[name]] == pytest.approx(score, abs=1e-5)


def test_vectors_are_those_of_the_blanked_texts(index, masked):
    with masked.reading() as snapshot:
        pooled = snapshot.encoders["words"].pooled
    assert set(pooled) == set(LEVELS) - {Granularity.PARAGRAPH, Granularity.FUNCTION}
    for encoder, level in itertools.product(("words", "lsa"), LEVELS):
        if encoder == "words" and level in pooled:
            continue
        model = masked.encoder(encoder)
        place = rows(masked, level)
        with masked.reading() as snapshot:
            vectors = snapshot.vectors(encoder, level).take(np.array(list(place.values())))
        for (identifier, ordinal), vector in zip(place, vectors, strict=True):
            stored = masked.store.document(identifier)
            start, end = stored.tree.span(level, ordinal)
            text, context = (
                stored.document.text[start:end],
                contexts(stored.document, stored.tree, level)[ordinal],
            )
            if not text.strip():
                assert not vector.any()
            elif model.max_tokens is None or len(text.split()) + len(context.split()) < model.max_tokens - 2:
                wanted = model.encode_document([f"{context}\n{text}" if context else text])[0]
                np.testing.assert_allclose(vector, wanted, atol=2e-3)


def test_pooled_vectors_are_those_of_the_blanked_windows(masked):
    model = masked.encoder("words")
    smaller = 0
    for level in set(LEVELS) - {Granularity.PARAGRAPH, Granularity.FUNCTION}:
        place = rows(masked, level)
        with masked.reading() as snapshot:
            vectors = snapshot.vectors("words", level).take(np.array(list(place.values())))
        for (identifier, ordinal), vector in zip(place, vectors, strict=True):
            stored = masked.store.document(identifier)
            start, end = stored.tree.span(level, ordinal)
            text = stored.document.text[start:end]
            if not text.strip():
                assert not vector.any()
            elif level is Granularity.SENTENCE:
                smaller += 1
                np.testing.assert_allclose(vector, model.encode_document([text])[0], atol=2e-3)
            else:
                tile = TILES[stored.tree.kind]
                around = contexts(stored.document, stored.tree, tile)
                mean = np.zeros(model.dim)
                for context, (first, last) in zip(around, stored.tree.spans(tile), strict=True):
                    inside = stored.document.text[first:last]
                    if start <= first < end and inside.strip():
                        whole = f"{context}\n{inside}" if context else inside
                        mean += np.sqrt(len(inside.split())) * model.encode_document([whole])[0]
                np.testing.assert_allclose(vector, mean / np.linalg.norm(mean), atol=2e-3)
    assert smaller


def test_what_was_blanked_is_found_by_no_ranker(index, masked):
    assert index.search("retry_with_backoff", granularity="function", ranker="bm25")
    assert not masked.search("retry_with_backoff", granularity="function", ranker="bm25")
    for hit in masked.search("Roses", granularity="sentence", ranker="knn", k=100):
        assert hit.text.strip()
    for hit in masked.search("They climb on poles.", granularity="sentence", k=100):
        assert "climb" not in hit.text


def test_units_lines_and_ids_of_documents_stay_where_they_were(index, masked):
    for number, identifier in index.store.identifiers().items():
        before, after = index.stored(number), masked.stored(number)
        assert after.document.id == identifier
        assert len(after.document.text) == len(before.document.text)
        assert after.document.text.count("\n") == before.document.text.count("\n")
        for level in before.tree.levels:
            assert list(after.tree.spans(level)) == list(before.tree.spans(level))


def test_the_index_itself_does_not_change(index, documents):
    before = [(hit.id, hit.score) for hit in index.search("roses retry backoff", k=50)]
    files = sorted(path.relative_to(index.folder) for path in index.folder.rglob("*"))
    words = {"words": index.encoder("words")}
    with (
        masked_copy(index.folder, index.store, documents, words) as home,
        Index.open(home).reading() as snapshot,
    ):
        assert list(snapshot.encoders) == ["words"]
    assert sorted(path.relative_to(index.folder) for path in index.folder.rglob("*")) == files
    assert [(hit.id, hit.score) for hit in index.search("roses retry backoff", k=50)] == before


def test_a_copy_is_sound_by_every_checksum(masked):
    verify_index(masked)


def test_where_nothing_can_be_made_or_linked_beside_the_index_it_is_copied_elsewhere(
    index, documents, monkeypatch
):
    made = tempfile.mkdtemp

    def elsewhere(**wanted):
        if wanted.get("dir"):
            raise OSError("read-only")
        return made(**wanted)

    def no_link(*_):
        raise OSError("another file system")

    monkeypatch.setattr(tempfile, "mkdtemp", elsewhere)
    monkeypatch.setattr(os, "link", no_link)
    with masked_copy(index.folder, index.store, documents, {"words": index.encoder("words")}) as home:
        assert index.folder not in home.parents
        verify_index(Index.open(home))
    assert not home.exists()


def test_a_copy_that_a_killed_process_left_is_removed_and_one_in_use_is_not(index, documents):
    left = index.folder / "copy-left"
    left.mkdir()
    (left / "store.sqlite").write_text("half")
    words = {"words": index.encoder("words")}
    with masked_copy(index.folder, index.store, documents, words) as first:
        assert not left.exists()
        script = (
            "import sys, pathlib, tellapart.index.copying as m\nprint(m._home(pathlib.Path(sys.argv[1])))"
        )
        subprocess.run([sys.executable, "-c", script, str(index.folder)], check=True, env=dict(os.environ))
        assert (first / "store.sqlite").exists()


def test_another_version_of_a_document_is_refused_in_one_line(index, documents):
    longer = replace(
        documents[0], document=replace(documents[0].document, text=documents[0].document.text + " ")
    )
    with (
        pytest.raises(TellapartError, match=r"README\.md"),
        masked_copy(index.folder, index.store, [longer], {}),
    ):
        pass
    assert not list(index.folder.glob("copy-*"))


def unit(text: str, *cuts: int, layout: UnitText | None = None) -> UnitText:
    return UnitText("some/path.py", text, np.array(cuts, dtype=np.int32), layout)


def test_only_windows_with_a_blank_are_encoded_again(word_encoder, tmp_path):
    cache = VectorCache(tmp_path / "vectors")
    sentences = [" ".join(f"w{i}{j}" for j in range(20)) + ". " for i in range(30)]
    cuts = np.cumsum([len(sentence) for sentence in sentences])[:-1].tolist()
    before = unit("".join(sentences), *cuts)
    embed(word_encoder, [before], cache=cache)
    start = before.text.index(sentences[7])
    after = unit(blank(before.text, [(start, start + 30)]), *cuts, layout=before)
    assert windows(word_encoder, after) == windows(word_encoder, before)
    word_encoder.encoded = 0
    _, report = embed(word_encoder, [after], cache=cache)
    assert (word_encoder.encoded, report.windows) == (1, len(windows(word_encoder, before)))


@given(
    text=st.text(alphabet=st.sampled_from("ab \n\t.é漢🙂"), max_size=80),
    ends=st.lists(st.tuples(st.integers(0, 80), st.integers(0, 80)), max_size=6),
)
@settings(max_examples=200, deadline=None)
def test_blanking_moves_nothing(text, ends):
    spans = [(min(pair), min(max(pair), len(text))) for pair in ends if min(pair) < len(text)]
    after = blank(text, spans)
    inside = {place for start, end in spans for place in range(start, end)}
    assert len(after) == len(text)
    for place, (old, new) in enumerate(zip(text, after, strict=True)):
        assert new == (" " if place in inside and not old.isspace() else old)


@given(
    words=st.lists(
        st.sampled_from(["alpha", "beta,", "gamma.", "delta\n", "漢字"]), min_size=20, max_size=120
    ),
    blanks=st.lists(st.tuples(st.integers(0, 500), st.integers(1, 200)), max_size=4),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_windows_of_a_blanked_unit_are_those_of_the_whole_one(word_encoder, words, blanks):
    before = unit(" ".join(words))
    after = unit(blank(before.text, [(start, start + size) for start, size in blanks]), layout=before)
    assert windows(word_encoder, after) == windows(word_encoder, before)
    vector = embed(word_encoder, [after])[0][0]
    assert np.linalg.norm(vector) == pytest.approx(1.0 if after.text.strip() else 0.0, abs=2e-3)

"""An adapted encoder on disk."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tellapart import Index, TellapartError, load_encoder
from tellapart.corpus.document import Kind
from tellapart.encoders.protocol import unit_rows
from tellapart.experiments.qrels import Qrels
from tellapart.experiments.query_set import QuerySet
from tellapart.learning.adapting import adapt
from tellapart.learning.adapting.adapt import adapt_encoder
from tellapart.learning.adapting.adapters import Components
from tellapart.learning.adapting.queries import synthetic_queries


@pytest.fixture
def promising(queries, monkeypatch):
    """Let the corpus offer queries with noise that a map takes away."""

    def make(kind: Kind, noisy: int = 40):
        made = queries(
            noisy=noisy,
            count=500,
            documents=300,
            dim=384,
            kind=kind,
            sources=("title", "sentence"),
            spread=(16.0, 3.0),
        )
        monkeypatch.setattr(adapt, "synthetic_queries", lambda *_, **__: made)
        return made

    return make


def test_a_recommended_map_becomes_a_folder_that_runs(index, tmp_path, promising):
    made = promising(Kind.PROSE)
    done = adapt_encoder(index, tmp_path / "adapted", adapter="linear")
    assert done.recommended
    encoder = load_encoder(f"folder:{tmp_path / 'adapted'}")
    texts = ["water the roses", "frost"]
    answers = made.units.vectors[made.pairs[:, 2]]
    matrix = Components.of(made.queries, answers).map(done.pull)
    expected = unit_rows(load_encoder("minilm").encode_query(texts) @ matrix.T, encoder="x")
    np.testing.assert_allclose(encoder.encode_query(texts), expected, atol=1e-6)
    np.testing.assert_array_equal(encoder.encode_document(texts), encoder.encode_query(texts))
    assert encoder.count_tokens(texts).tolist() == load_encoder("minilm").count_tokens(texts).tolist()
    assert encoder.fingerprint != load_encoder("minilm").fingerprint
    assert json.loads((tmp_path / "adapted" / "training.json").read_text()) == json.loads(
        json.dumps(done.to_json())
    )
    built = Index.build(
        index.settings.sources and [index.folder.parent], tmp_path / "new.idx", encoders=[encoder.name]
    )
    assert built.search("roses", ranker="knn", encoder=encoder.name)[0].document.endswith("roses.txt")
    with pytest.raises(TellapartError, match="already holds"):
        adapt_encoder(index, tmp_path / "adapted", adapter="linear")


def test_another_version_of_the_base_is_refused(index, tmp_path, promising):
    promising(Kind.PROSE)
    adapt_encoder(index, tmp_path / "a", adapter="linear")
    path = tmp_path / "a" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"base_fingerprint": "0" * 32}))
    with pytest.raises(TellapartError, match="another version of 'minilm'"):
        load_encoder(f"folder:{tmp_path / 'a'}")


@pytest.mark.parametrize("content", [b"no array", None])
def test_a_damaged_map_is_one_line(index, tmp_path, promising, content):
    promising(Kind.PROSE)
    adapt_encoder(index, tmp_path / "a", adapter="linear")
    if content is None:
        np.save(tmp_path / "a" / "map.npy", np.eye(3, dtype=np.float32))
    else:
        (tmp_path / "a" / "map.npy").write_bytes(content)
    with pytest.raises(TellapartError, match=r"map\.npy") as error:
        load_encoder(f"folder:{tmp_path / 'a'}")
    assert "\n" not in str(error.value)


def test_what_is_not_recommended_is_written_only_on_demand(index, tmp_path, promising):
    promising(Kind.PROSE, noisy=0)
    assert adapt_encoder(index, tmp_path / "a", adapter="linear").encoder is None
    assert not (tmp_path / "a").exists()
    assert adapt_encoder(index, tmp_path / "a", adapter="linear", keep_anyway=True).encoder is not None


def test_people_overrule_generated_queries(index, tmp_path, promising):
    promising(Kind.PROSE)
    names = [document for document in index.store.identifiers().values()]
    gold = QuerySet(
        {f"q{place}": Path(name).stem for place, name in enumerate(names)},
        Qrels({f"q{place}": {name: 1} for place, name in enumerate(names)}),
    )
    done = adapt_encoder(index, tmp_path / "a", adapter="linear", judged=gold)
    assert not done.recommended
    assert done.verdict.provenance == "judged"
    assert "5 judged queries" in done.reason
    assert done.encoder is None


def test_lsa_is_refused(index, tmp_path):
    with pytest.raises(TellapartError, match="fitted to the corpus already"):
        adapt_encoder(index, tmp_path / "a", encoder="lsa")


def test_synthetic_queries_point_at_what_they_were_made_from(tmp_path, monkeypatch):
    monkeypatch.setattr("tellapart.learning.adapting.queries.FEWEST", 2)
    folder = tmp_path / "notes"
    folder.mkdir()
    words = ["roses", "tomatoes", "valves", "straw", "frost", "pumps", "seeds", "poles"]
    for word in words:
        text = (
            f"# Keeping {word} through a long winter\n\nThe first thing to know about {word} is where they stand"
            f" in the garden and how they are watered. Old {word} need a dry shed and some patience from whoever"
            f" looks after them every morning. New {word} are sold by the dozen on the market of the next town.\n"
        )
        (folder / f"{word}.md").write_text(text)
    made = synthetic_queries(Index.build([folder], tmp_path / "my.idx"), "minilm")
    assert len(made.units.starts) == len(words)
    assert len(made.queries) == len(made.pairs) == len(made.bm25) == len(made.names)
    assert (made.units.starts[made.pairs[:, 1]] <= made.pairs[:, 2]).all()
    np.testing.assert_allclose(np.linalg.norm(made.units.vectors, axis=1), 1, atol=1e-3)
    assert ((made.bm25 >= 0) & (made.bm25 <= 1)).all()
    assert "roses" in made.contents[made.units.names.index("roses.md")].text

"""An adapted encoder on disk."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tellapart import Index, TellapartError, load_encoder
from tellapart.corpus.types import Granularity, Kind
from tellapart.encoders.rows import unit_rows
from tellapart.experiments.judgements import Qrels
from tellapart.experiments.query_set import QuerySet
from tellapart.learning.adapting import train
from tellapart.learning.adapting.pairs import Pairs, gather
from tellapart.learning.adapting.train import Adapter, adapt_encoder, report


def promising(kind: Kind) -> Pairs:
    random = np.random.default_rng(0)
    units = random.normal(size=(300, 384))
    answer = random.integers(0, 300, 500)
    spread = np.where(np.arange(384) < 40, 16.0, 3.0)
    return Pairs(
        queries=unit_rows(units[answer] + spread * random.normal(size=(500, 384)), encoder="x"),
        units=unit_rows(units, encoder="x"),
        answer=answer,
        starts=np.arange(300),
        document=answer,
        sources=random.choice(np.array(["title", "sentence"]), 500),
        groups=answer,
        bm25=np.zeros(500),
        lexical=random.integers(0, 300, (500, 30)),
        kind=kind,
        level=Granularity.DOCUMENT,
    )


def test_a_recommended_map_becomes_a_folder_that_runs(index, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "gather", lambda *_, **__: promising(Kind.PROSE))
    done = adapt_encoder(index, tmp_path / "adapted", adapter=Adapter.LINEAR)
    assert done.adaptation.recommended
    encoder = load_encoder(f"folder:{tmp_path / 'adapted'}")
    texts = ["water the roses", "frost"]
    expected = unit_rows(load_encoder("minilm").encode_query(texts) @ done.adaptation.map.T, encoder="x")
    np.testing.assert_allclose(encoder.encode_query(texts), expected, atol=1e-6)
    np.testing.assert_array_equal(encoder.encode_document(texts), encoder.encode_query(texts))
    assert encoder.count_tokens(texts).tolist() == load_encoder("minilm").count_tokens(texts).tolist()
    assert encoder.fingerprint != load_encoder("minilm").fingerprint
    assert json.loads((tmp_path / "adapted" / "training.json").read_text()) == json.loads(
        json.dumps(report(done.adaptation))
    )
    built = Index.build(
        index.settings.sources and [index.folder.parent], tmp_path / "new.idx", encoders=[encoder.name]
    )
    assert built.search("roses", ranker="knn", encoder=encoder.name)[0].document.endswith("roses.txt")
    with pytest.raises(TellapartError, match="already holds"):
        adapt_encoder(index, tmp_path / "adapted", adapter=Adapter.LINEAR)


def test_another_version_of_the_base_is_refused(index, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "gather", lambda *_, **__: promising(Kind.PROSE))
    adapt_encoder(index, tmp_path / "a", adapter=Adapter.LINEAR)
    path = tmp_path / "a" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"base_fingerprint": "0" * 32}))
    with pytest.raises(TellapartError, match="another version of 'minilm'"):
        load_encoder(f"folder:{tmp_path / 'a'}")


@pytest.mark.parametrize("content", [b"no array", None])
def test_a_damaged_map_is_one_line(index, tmp_path, monkeypatch, content):
    monkeypatch.setattr(train, "gather", lambda *_, **__: promising(Kind.PROSE))
    adapt_encoder(index, tmp_path / "a", adapter=Adapter.LINEAR)
    if content is None:
        np.save(tmp_path / "a" / "map.npy", np.eye(3, dtype=np.float32))
    else:
        (tmp_path / "a" / "map.npy").write_bytes(content)
    with pytest.raises(TellapartError, match=r"map\.npy") as error:
        load_encoder(f"folder:{tmp_path / 'a'}")
    assert "\n" not in str(error.value)


def test_what_is_not_recommended_is_written_only_on_demand(index, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "gather", lambda *_, **__: promising(Kind.CODE))
    assert adapt_encoder(index, tmp_path / "a", adapter=Adapter.LINEAR).encoder is None
    assert not (tmp_path / "a").exists()
    assert adapt_encoder(index, tmp_path / "a", adapter=Adapter.LINEAR, keep_anyway=True).encoder is not None


def test_people_overrule_generated_queries(index, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "gather", lambda *_, **__: promising(Kind.PROSE))
    names = [document for document in index.store.identifiers().values()]
    gold = QuerySet(
        {f"q{place}": Path(name).stem for place, name in enumerate(names)},
        Qrels({f"q{place}": {name: 1} for place, name in enumerate(names)}),
    )
    done = adapt_encoder(index, tmp_path / "a", adapter=Adapter.LINEAR, judged=gold)
    assert not done.adaptation.recommended
    assert done.adaptation.evidence[0].source == "judged"
    assert "5 judged queries" in done.adaptation.reason
    assert done.encoder is None


def test_lsa_is_refused(index, tmp_path):
    with pytest.raises(TellapartError, match="fitted to the corpus already"):
        adapt_encoder(index, tmp_path / "a", encoder="lsa")


def test_gathered_pairs_point_at_what_the_queries_were_made_from(tmp_path):
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
    made = gather(Index.build([folder], tmp_path / "my.idx"), "minilm")
    assert len(made.starts) == len(words)
    assert len(made.queries) == len(made.answer) == len(made.bm25) == len(made.groups)
    assert len(set(made.sources.tolist())) >= 2
    assert (made.starts[made.document] <= made.answer).all()
    np.testing.assert_allclose(np.linalg.norm(made.units, axis=1), 1, atol=1e-3)
    assert ((made.bm25 >= 0) & (made.bm25 <= 1)).all()

"""Words beside vectors: how much they weigh, and when they are left alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tellapart import Index, TellapartError, load_encoder
from tellapart.encoders.rows import unit_rows
from tellapart.encoders.windows import UnitText
from tellapart.experiments.judgements import Qrels
from tellapart.experiments.query_set import QuerySet
from tellapart.learning.adapting import train
from tellapart.learning.adapting.train import adapt_encoder
from tellapart.learning.adapting.words import PULLS

WORDS = [
    f"{first}{second}" for first in ("rose", "pump", "wing", "salt") for second in ("wood", "land", "mark")
]


@pytest.fixture
def lettered(pairs):
    """Give pairs of texts, and queries of four of their words: of the own answer, or (not `told`) the nearest other."""

    def make(*, told: bool):
        random = np.random.default_rng(0)
        made = pairs(noisy=4, count=400, documents=200, dim=384)
        hazy = made.units[made.answer] + 0.4 * random.normal(size=made.queries.shape)
        texts = [" ".join(random.choice(WORDS, 6)) + f" {number:03d}" for number in range(200)]
        near = hazy @ made.units.T
        near[np.arange(400), made.answer] = -np.inf
        asked = made.answer if told else near.argmax(axis=1)
        queries = tuple(" ".join(random.permutation(texts[row].split())[:4]) for row in asked.tolist())
        made = replace(made, queries=unit_rows(hazy, encoder="x"))
        return replace(made, texts=queries, contents=tuple(UnitText("", text) for text in texts))

    return make


def test_words_that_tell_answers_apart_are_recommended_and_written(index, lettered, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "gather", lambda *_, **__: lettered(told=True))
    done = adapt_encoder(index, tmp_path / "adapted")
    assert done.adaptation.recommended
    assert done.adaptation.pull == PULLS[-1]
    assert done.encoder is not None
    assert done.encoder.dim > load_encoder("minilm").dim
    assert sorted(path.name for path in (tmp_path / "adapted").iterdir()) == [
        "config.json",
        "tokenizer.json",
        "training.json",
        "words.npz",
    ]
    built = Index.build([index.folder.parent], tmp_path / "new.idx", encoders=[done.encoder.name])
    assert built.search("roses", ranker="knn", encoder=done.encoder.name)[0].document.endswith("roses.txt")


def test_words_that_mislead_are_not_recommended(index, lettered, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "gather", lambda *_, **__: lettered(told=False))
    done = adapt_encoder(index, tmp_path / "adapted")
    assert not done.adaptation.recommended
    assert done.adaptation.pull is None
    assert not list(tmp_path.glob("adapted*"))
    kept = adapt_encoder(index, tmp_path / "adapted", keep_anyway=True)
    assert kept.encoder is not None


def _gold(index, grade):
    names = sorted(index.store.identifiers().values())
    asked = {f"q{place}": Path(name).stem for place, name in enumerate(names)}
    return QuerySet(asked, Qrels({f"q{place}": grade(name) for place, name in enumerate(names)}))


def test_a_few_judgements_decide_what_generated_queries_made(index, lettered, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "gather", lambda *_, **__: lettered(told=True))
    done = adapt_encoder(index, tmp_path / "adapted", judged=_gold(index, lambda name: {name: 1}))
    assert [part.source for part in done.adaptation.evidence[:2]] == ["judged", "all"]
    assert "5 judged queries" in done.adaptation.reason
    assert done.encoder is None


def test_judgements_of_another_corpus_are_one_line(index, tmp_path):
    with pytest.raises(TellapartError, match="give those of this corpus") as error:
        adapt_encoder(index, tmp_path / "adapted", judged=_gold(index, lambda _: {"elsewhere": 1}))
    assert "\n" not in str(error.value)

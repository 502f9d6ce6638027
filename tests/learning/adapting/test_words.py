"""Words beside vectors: how much they weigh, and when they are left alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tellapart import Index, TellapartError, load_encoder
from tellapart.encoders.protocol import unit_rows
from tellapart.encoders.windows import UnitText
from tellapart.experiments.qrels import Qrels
from tellapart.experiments.query_set import QuerySet
from tellapart.learning.adapting import adapt
from tellapart.learning.adapting.adapt import adapt_encoder

WORDS = [
    f"{first}{second}" for first in ("rose", "pump", "wing", "salt") for second in ("wood", "land", "mark")
]


@pytest.fixture
def lettered(queries):
    """Give queries of four words: of the own answer, or (not `told`) of the nearest other."""

    def make(*, told: bool):
        random = np.random.default_rng(0)
        made = queries(noisy=0, count=400, documents=200, dim=384)
        answer, units = made.pairs[:, 2], made.units.vectors
        hazy = unit_rows(units[answer] + 0.4 * random.normal(size=made.queries.shape), encoder="x")
        texts = [" ".join(random.choice(WORDS, 6)) + f" {number:03d}" for number in range(200)]
        near = hazy @ units.T
        near[np.arange(400), answer] = -np.inf
        asked = answer if told else near.argmax(axis=1)
        worded = [" ".join(random.permutation(texts[row].split())[:4]) for row in asked.tolist()]
        query_set = replace(made.query_set, queries=dict(zip(made.names, worded, strict=True)))
        contents = tuple(UnitText("", text) for text in texts)
        return replace(made, query_set=query_set, queries=hazy, contents=contents)

    return make


def test_words_that_tell_answers_apart_are_recommended_and_written(index, lettered, tmp_path, monkeypatch):
    monkeypatch.setattr(adapt, "synthetic_queries", lambda *_, **__: lettered(told=True))
    done = adapt_encoder(index, tmp_path / "adapted")
    assert done.recommended
    assert done.pull is not None
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
    monkeypatch.setattr(adapt, "synthetic_queries", lambda *_, **__: lettered(told=False))
    done = adapt_encoder(index, tmp_path / "adapted")
    assert not done.recommended
    assert not list(tmp_path.glob("adapted*"))
    kept = adapt_encoder(index, tmp_path / "adapted", keep_anyway=True)
    assert kept.encoder is not None


def _gold(index, grade):
    names = sorted(index.store.identifiers().values())
    asked = {f"q{place}": Path(name).stem for place, name in enumerate(names)}
    return QuerySet(asked, Qrels({f"q{place}": grade(name) for place, name in enumerate(names)}))


def test_a_few_judgements_decide_what_generated_queries_made(index, lettered, tmp_path, monkeypatch):
    monkeypatch.setattr(adapt, "synthetic_queries", lambda *_, **__: lettered(told=True))
    done = adapt_encoder(index, tmp_path / "adapted", judged=_gold(index, lambda name: {name: 1}))
    assert done.verdict.provenance == "judged"
    assert "by 5 judged queries" in done.reason
    assert done.encoder is None


def test_judgements_of_another_corpus_are_one_line(index, tmp_path):
    with pytest.raises(TellapartError, match="give those of this corpus") as error:
        adapt_encoder(index, tmp_path / "adapted", judged=_gold(index, lambda _: {"elsewhere": 1}))
    assert "\n" not in str(error.value)

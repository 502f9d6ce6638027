"""The picture of cosines, and cures tried on a corpus."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tellapart import Index
from tellapart.corpus.document import Granularity
from tellapart.errors import TellapartError
from tellapart.experiments.qrels import Qrels
from tellapart.experiments.query_set import QuerySet
from tellapart.scores.cures import CURES, csls, try_cures
from tellapart.scores.distributions import auc, cosine_pictures, d_prime, overlap, svg


@pytest.fixture
def index(tmp_path: Path) -> Index:
    source = tmp_path / "notes"
    source.mkdir()
    for number, topic in enumerate(("roses", "kettles", "whales", "bicycles", "violins", "volcanoes")):
        paragraphs = [f"# All about {topic}\n"]
        for part in range(3):
            paragraphs.append(f"## Part {part}\n")
            paragraphs += [
                f"What {word} have to do with {topic} and {topic}.\n" for word in ("cooks", "kings")
            ]
        (source / f"{number}.md").write_text("\n".join(paragraphs))
    return Index.build([source], tmp_path / "idx", encoders=("lsa",))


QUERIES = QuerySet(
    {f"q{n}": f"about {t}" for n, t in enumerate(("roses", "kettles", "whales"))},
    Qrels({f"q{n}": {f"{n}.md": 1} for n in range(3)}),
)


def test_pairs_that_belong_together_stand_apart(index: Index) -> None:
    (picture,) = cosine_pictures(index, queries=QUERIES)
    names = [group.name for group in picture.groups]
    assert names == ["unrelated", "hard unrelated", "same document", "same section", "judged relevant"]
    together = picture.group("same document")
    assert together is not None
    assert together.auc is not None
    assert together.auc > 0.8
    drawn = svg([picture])
    assert drawn.count("<polygon") == 5
    assert "lsa" in drawn


def test_one_document_has_no_unrelated_pairs(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("One.\n\nTwo.\n\nThree words here.\n")
    only = Index.build([tmp_path / "a.txt"], tmp_path / "idx", encoders=("lsa",))
    with pytest.raises(TellapartError, match="need two documents"):
        cosine_pictures(only)


def test_figures_of_two_distributions() -> None:
    draw = np.random.default_rng(0)
    a, b = draw.normal(1, 1, 20_000), draw.normal(0, 1, 20_000)
    assert auc(a, b) == pytest.approx(0.760, abs=0.01)  # the normal distribution function at 1 / sqrt(2)
    assert d_prime(a, b) == pytest.approx(1.0, abs=0.03)
    assert overlap(a, b) == pytest.approx(0.617, abs=0.02)  # twice that function at -1 / 2
    assert auc(a, a) == pytest.approx(0.5)


def test_every_cure_is_tried_and_compared(index: Index) -> None:
    plain, tried = try_cures(index, "lsa", Granularity.PARAGRAPH, QUERIES)
    assert [each.name for each in tried] == list(CURES)
    for each in tried:
        assert each.mean - plain == pytest.approx(each.gain.difference, abs=1e-9)


def test_csls_holds_a_hub_back() -> None:
    units = np.eye(4, dtype=np.float32)[[0, 1, 2]]
    hub = np.array([[0.6, 0.6, 0.52, 0]], dtype=np.float32)
    every = np.concatenate([units, hub / np.linalg.norm(hub)])
    query = np.array([[0.85, 0.4, 0.33, 0]], dtype=np.float32)
    assert (query @ every.T).argmax() == 3
    assert csls(query, every).argmax() == 0

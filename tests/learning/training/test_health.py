from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")

from tellapart.learning.training.health import examine, suspects  # noqa: E402
from tellapart.learning.training.history import History, Look  # noqa: E402
from tellapart.learning.training.report import report_html, summary  # noqa: E402


def labelled(spread: float, offset: float, dim: int = 16) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(20), 5)
    centres = random.normal(size=(20, dim))
    return (centres[labels] + spread * random.normal(size=(100, dim)) + offset).astype(np.float32), labels


def test_good_vectors_are_found_good():
    health = examine(*labelled(0.1, 0.0))
    assert health.recall_at_1 == health.map_at_r == 1
    assert health.findings() == ()
    assert health.dimensions > 8
    assert sum(health.genuine) == 20 * 10
    assert sum(health.genuine) + sum(health.impostors) == 100 * 99 / 2


@pytest.mark.parametrize(("offset", "finding"), [(1.5, "anisotropy"), (10.0, "collapse")])
def test_a_cone_and_a_point_are_named(offset, finding):
    assert examine(*labelled(0.1, offset)).findings()[0].startswith(finding)


def test_a_line_is_named():
    features, labels = labelled(0.1, 0.0)
    features[:, 1:] *= 1e-3
    assert any("dimensions" in line for line in examine(features, labels).findings())


def test_pairs_that_look_alike_with_different_labels_are_listed():
    features, labels = labelled(0.1, 0.0)
    features[7] = features[50]
    names = [f"image{row}" for row in range(100)]
    found = suspects(torch.from_numpy(features), torch.from_numpy(labels), names, most=3)
    assert {found[0].first, found[0].second} == {"image7", "image50"}
    assert found[0].cosine == pytest.approx(1)


def history() -> History:
    looks = History()
    for step, offset in ((10, 10.0), (20, 0.0)):
        features, labels = labelled(0.1, offset)
        pairs = tuple(suspects(torch.from_numpy(features), torch.from_numpy(labels), ["<b>"] * 100, most=2))
        looks = looks.with_look(
            Look(step, 1 / step, 1e-3, 0.5, 100.0, float(step), examine(features, labels), pairs)
        )
    return looks


def test_a_history_survives_json():
    import json

    assert History.from_json(json.loads(json.dumps(history().to_json()))) == history()


def test_the_report_is_one_page_that_loads_nothing_and_escapes_names():
    page = report_html("Training of <mine>", history(), {"seed": "0", "command": "a < b"})
    assert summary(history()) in page
    assert "<mine>" not in page
    assert "a &lt; b" in page
    assert "http" not in page.replace("http-equiv", "")
    assert "default-src 'none'" in page
    assert "<script" not in page
    assert page.count("<svg") == 6 + 2


def test_without_held_out_identities_the_summary_says_so():
    look = Look(10, 0.5, 1e-3, 0.5, 100.0, 1.0, None, ())
    assert "nothing says how well" in summary(History((look,)))
    assert "<h1>" in report_html("x", History((look,)), {})

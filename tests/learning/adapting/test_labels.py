"""Adapting to labelled texts: the engine decides, what is refused, and a warning over other texts."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest

from tellapart import TellapartError
from tellapart.encoders.adapted import AdaptedEncoder
from tellapart.encoders.protocol import unit_rows
from tellapart.learning.adapting import labels as module
from tellapart.learning.adapting.labels import adapt_to_labels, read_labelled

DIM = 16


class Drawn:
    """Gives texts `label number` the vector of the label with noise in the first axes, others one of their own."""

    name, dim, max_tokens, fingerprint = "drawn", DIM, None, "drawn"

    def __init__(self, noisy: int) -> None:
        self.noise = np.where(np.arange(DIM) < noisy, 3.0, 0.4)

    def encode_query(self, texts):
        return self.encode_document(texts)

    def encode_document(self, texts, *, progress=None):
        rows = []
        for text in texts:
            label, number = text.split()
            shared = np.random.default_rng([7, int(label)]).normal(size=DIM) + 2 * (int(label) >= 1000)
            rows.append(
                shared + self.noise * np.random.default_rng([int(label), int(number)]).normal(size=DIM)
            )
        return unit_rows(rows, encoder="drawn")

    def count_tokens(self, texts):
        return np.full(len(texts), 2, dtype=np.int32)


@pytest.fixture
def drawn(monkeypatch):
    """Let labelled texts be encoded with noise in so many of 16 axes."""
    monkeypatch.setenv("TELLAPART_CACHE", "off")

    def use(noisy: int) -> Drawn:
        encoder = Drawn(noisy)

        def load(name: str, **_: object) -> object:
            return (
                AdaptedEncoder(module.Path(name[7:]), lambda _: encoder)
                if name.startswith("folder:")
                else encoder
            )

        monkeypatch.setattr(module, "load_encoder", load)
        return encoder

    return use


def written(path, labels: int = 40, each: int = 8):
    rows = [f"{label} {number}\t{label}" for label in range(labels) for number in range(each)]
    path.write_text("text\tlabel\n" + "\n".join(rows) + "\n")
    return path


def test_noise_that_labels_share_is_shrunk_for_labels_never_seen(drawn, tmp_path):
    drawn(4)
    done = adapt_to_labels(read_labelled(written(tmp_path / "l.tsv")), tmp_path / "e", encoder="drawn")
    assert done.recommended
    assert done.verdict is not None
    assert done.verdict.measure == "MAP@R"
    assert done.verdict.findings[1].vs_default.low > 0
    assert json.loads((tmp_path / "e" / "training.json").read_text())["recommended"]


def test_texts_far_from_every_label_are_told_once(drawn, tmp_path, caplog):
    drawn(0)
    data = read_labelled(written(tmp_path / "l.tsv"))
    encoder = adapt_to_labels(data, tmp_path / "e", encoder="drawn", keep_anyway=True).encoder
    assert encoder is not None
    with caplog.at_level(logging.WARNING, logger="tellapart"):
        encoder.encode_document([f"{label} 99" for label in range(40)] * 3)
        assert not caplog.records
        encoder.encode_document([f"{label} 0" for label in range(1000, 1200)])
        encoder.encode_document([f"{label} 0" for label in range(1000, 1200)])
    assert len(caplog.records) == 1
    assert "fitted to other texts than these" in caplog.text


def test_noise_alike_everywhere_leaves_nothing_to_gain(drawn, tmp_path):
    drawn(0)
    done = adapt_to_labels(read_labelled(written(tmp_path / "l.tsv")), tmp_path / "e", encoder="drawn")
    assert not done.recommended
    assert not (tmp_path / "e").exists()


def test_one_label_decides_nothing(drawn, tmp_path):
    drawn(4)
    with pytest.raises(TellapartError, match="1 labels have two texts"):
        adapt_to_labels(read_labelled(written(tmp_path / "l.tsv", labels=1)), tmp_path / "e", encoder="drawn")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.tsv", "label\nx\n", "needs text and label"),
        ("a.tsv", "text\tlabel\nhello\tx\n\tx\n", "record 2 lacks its text"),
        ("a.jsonl", '{"text": "a"', "not one JSON object per line"),
        ("a.csv", "", "(none)"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, name, content, words):
    (tmp_path / name).write_text(content)
    with pytest.raises(TellapartError) as caught:
        read_labelled(tmp_path / name)
    assert words in str(caught.value)


def test_formats_agree(tmp_path):
    (tmp_path / "a.csv").write_text('intent,text\nx,"hello, you"\ny,b\n')
    (tmp_path / "a.tsv").write_text("split\tintent\ttext\n1\tx\thello, you\n1\ty\tb\n")
    (tmp_path / "a.jsonl").write_text('{"text": "hello, you", "intent": "x"}\n{"text": "b", "intent": "y"}\n')
    found = [read_labelled(tmp_path / f"a.{kind}") for kind in ("csv", "tsv", "jsonl")]
    assert {each.texts for each in found} == {("hello, you", "b")}
    assert {each.names for each in found} == {("x", "y")}

"""The report: a page that stands alone, says everything, and lets no text become markup."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from tellapart.engine import Configuration, Index
from tellapart.experiments.experiment import Cost
from tellapart.experiments.posterior.choice import ExpectedGain, WeightGain
from tellapart.experiments.qrels import Qrels
from tellapart.experiments.query_set import Provenance, QuerySet
from tellapart.experiments.report.charts import weight_chart
from tellapart.experiments.report.page import (
    Contents,
    ReportExample,
    ReportSide,
    Shown,
    render,
    score_settings,
    worst_examples,
    write_report,
)
from tellapart.experiments.verdict import Difference, Finding, LengthBin, SourceFinding, Verdict
from tellapart.pages.rendering import interval, milliseconds, number, signed, size

QUERIES = tuple(f"q{n}" for n in range(6))
HOSTILE = "</style><script>alert('x')</script>\"'<img src=//e.vil onerror=x>&amp;"
VOID = {"meta", "wbr"}


def finding(name: str, mean: float, *, ms: float = 3.0, **more) -> Finding:
    low, high = mean - 0.03, mean + 0.03
    return Finding(
        name=name,
        configuration=Configuration.parse(name.removesuffix(" tuned")),
        mean=mean,
        low=low,
        high=high,
        vs_bm25=None if name == "document/bm25" else Difference(mean - 0.6, mean - 0.65, mean - 0.55, 0.012),
        vs_default=None,
        tied_with_best=mean > 0.7,
        non_inferior=mean > 0.72,
        per_query={query: mean + 0.01 * n for n, query in enumerate(QUERIES)},
        cost=Cost(0.0, ms, 1_234_567),
        lengths=tuple(LengthBin(10 * n, 10 * n + 9, 2, mean + 0.01 * n) for n in range(4)),
        **more,
    )


@pytest.fixture
def verdict() -> Verdict:
    findings = (
        finding("minilm/paragraph/hybrid", 0.74, ms=40, span_recall=0.876),
        finding("minilm/document/knn tuned", 0.71, ms=40.1),
        finding("document/bm25", 0.6, ms=0.7),
    )
    names = [each.name for each in findings]
    return Verdict(
        measure="nDCG@10", provenance=Provenance.SYNTHETIC, sources=("heading", "title"), corpus="abc123",
        corpus_sketch=(),
        queries=QUERIES, independent=5, findings=findings, choice=names[0], default=names[1], reference=names[2],
        suggested=None, optimism=0.004, transfer_error=0.021, detectable_difference=0.05, needed_for_half=24,
        reason="minilm/paragraph/hybrid is better than the default", notes=("3 queries were left out",),
        by_source=tuple(
            SourceFinding(source, 3, 0.4, dict(zip(names, (0.7, 0.71, 0.5), strict=True)))
            for source in ("heading", "title")
        ),
    )  # fmt: skip


def test_the_curve_over_the_weight_is_drawn_with_its_interval(verdict):
    points = tuple(WeightGain(weight, 0.1 - weight / 5, -weight, weight) for weight in (0.0, 0.5, 1.0))
    chart = weight_chart(replace(verdict, weights=points))
    assert len(chart.across) > 2
    assert sum("dot" in stroke.kind for stroke in chart.strokes) == 3
    assert any(stroke.kind == "area other" and stroke.path.endswith("Z") for stroke in chart.strokes)
    assert weight_chart(verdict) is None
    page = render(contents(replace(verdict, weights=points)))
    assert "by the weight of the vectors" in page
    assert "Which weight of the vectors?" in page
    assert "With 0.0 it is expected to gain the most: +.100" in page
    level = tuple(replace(each, expected=0.0) for each in points)
    assert "No other weight is expected to gain anything." in render(
        contents(replace(verdict, weights=level))
    )


GAIN = ExpectedGain(0.02, (0.01, 0.03), -0.02, 0.06, 0.8, 0.07)


def contents(verdict: Verdict, text: str = "plain") -> Contents:
    sides = [
        ReportSide(name, 0.2, (Shown(f"a.md:1-2 {text}", text, 1), Shown("b", text, None)))
        for name in ("x", "y")
    ]
    return Contents(
        verdict,
        f"my index {text}",
        f"tellapart evaluate --queries {text}",
        score_settings(verdict),
        (ReportExample(f"what is {text}?", *sides),),
        {"q0": text, "q1": "other"},
    )


class Page(HTMLParser):
    """Checks that every element is closed in its place; gathers texts and attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        assert len({name for name, _ in attrs}) == len(attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def test_the_page_is_well_formed_and_says_everything(verdict):
    page = Page(render(contents(verdict)))
    text = " ".join("".join(page.texts).split())
    for each in verdict.findings:
        assert each.name in text
        assert number(each.mean) in text
    for said in (
        "minilm/paragraph/hybrid is better than the default.", "tellapart evaluate --queries plain",
        "3 queries were left out.",
        "differences of .050 or more", ".021 on human queries", "heading", "40%", "k1 1.5", "nDCG@10", "what is plain?",
        "other", "10–19 (2)", ".876", "not judged", "corpus abc123",
    ):  # fmt: skip
        assert said in text, said
    assert page.tags.count("svg") == len(verdict.findings) + 2


def test_nothing_is_fetched(verdict):
    text = render(contents(verdict))
    page = Page(text)
    assert not {"script", "link", "img", "iframe", "object", "base"} & set(page.tags)
    assert not {"href", "src", "srcset", "action", "data", "onload"} & {name for name, _ in page.attributes}
    assert not re.search(r"https?:|url\(|@import|//[a-z]", text)
    assert "default-src 'none'" in text


def test_hostile_texts_stay_texts(verdict):
    evil = replace(verdict, reason=HOSTILE, notes=(HOSTILE,), corpus=HOSTILE, measure=HOSTILE)
    text = render(contents(evil, HOSTILE))
    page = Page(text)
    assert not {"script", "img"} & set(page.tags)
    assert "onerror" not in {name for name, _ in page.attributes}
    assert "".join(page.texts).count(HOSTILE) >= 8


def test_the_same_verdict_gives_the_same_page(verdict, tmp_path):
    shuffled = replace(verdict, findings=verdict.findings[::-1])
    assert render(contents(verdict)) == render(contents(shuffled))
    write_report(contents(verdict), tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text() == render(contents(verdict))


def test_one_configuration_and_unknown_limits_are_drawn(verdict):
    only = replace(
        verdict.findings[2],
        low=math.nan,
        high=math.nan,
        lengths=(),
        cost=Cost(None, 0.0, 0),
        tied_with_best=True,
    )
    lone = replace(
        verdict, findings=(only,), choice=only.name, default=only.name, detectable_difference=math.nan,
        by_source=(), transfer_error=None, optimism=0.0, notes=(),
    )  # fmt: skip
    text = render(Contents(lone, "t", "c"))
    Page(text)
    assert "nan" not in text
    assert "What to keep in mind" not in text
    assert "it is the choice" in text


def test_equal_means_and_times_leave_room(verdict):
    same = tuple(replace(each, mean=0.0, low=0.0, high=0.0) for each in verdict.findings)
    Page(render(Contents(replace(verdict, findings=same), "t", "c")))


def test_worst_queries_come_with_both_answers(corpus, tmp_path, verdict):
    index = Index.build([corpus], tmp_path / "idx", encoders=["lsa"])
    texts = {
        query: text
        for query, text in zip(QUERIES, ("roses", "water", "frost", "valve", "soil", "poles"), strict=True)
    }
    gold = QuerySet(texts, Qrels({query: {"README.md": 1} for query in texts}))
    findings = (
        finding("lsa/paragraph/knn", 0.74),
        finding("document/bm25", 0.6),
    )
    judged = replace(verdict, findings=findings, choice="lsa/paragraph/knn")
    found = worst_examples(index, gold, judged, count=2)
    assert [each.query for each in found] == ["roses", "water"]
    assert [each.choice.name for each in found] == ["lsa/paragraph/knn"] * 2
    assert found[0].choice.value == pytest.approx(0.74)
    places = {hit.place.split(":")[0]: hit.grade for hit in found[0].reference.hits}
    assert places["README.md"] == 1
    assert places["notes/winter.txt"] is None
    generated = replace(gold, provenance=Provenance.SYNTHETIC)
    assert worst_examples(index, generated, judged) == ()


def test_figures_are_short():
    assert [number(0.6123), number(1), number(math.nan)] == [".612", "1.000", "–"]
    assert [signed(-0.05), signed(0.05)] == ["−.050", "+.050"]
    assert [milliseconds(0.5), milliseconds(47.2), milliseconds(92_000)] == ["0.5 ms", "47 ms", "92 s"]
    assert [size(17), size(1_500), size(1_234_567), size(2_000_000_000)] == [
        "17 bytes",
        "1.5 kB",
        "1.2 MB",
        "2.0 GB",
    ]
    assert interval(math.nan, 1.0) == ""

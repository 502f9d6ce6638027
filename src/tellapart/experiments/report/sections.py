"""The parts of the page, in the order in which someone asks."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from tellapart.experiments.report import charts
from tellapart.experiments.report.contents import Contents, ReportExample, ReportSide
from tellapart.experiments.report.markup import (
    Html,
    Piece,
    breakable,
    element,
    interval,
    join,
    milliseconds,
    number,
    signed,
    size,
    table,
)
from tellapart.experiments.verdict import Difference, Finding, Verdict


def headline(contents: Contents) -> Html:
    """The verdict in one sentence, and the four figures behind it."""
    verdict, chosen = contents.verdict, contents.verdict.chosen
    gain = chosen.vs_bm25
    facts: list[tuple[str, Piece, str]] = [
        (number(chosen.mean), f"{verdict.measure} of the choice", interval(chosen.low, chosen.high)),
        (
            signed(gain.difference) if gain else "–",
            join(["against ", breakable(verdict.reference)]),
            interval(gain.low, gain.high, write=True) if gain else "it is the choice",
        ),
        (
            f"{len(verdict.queries):,}",
            f"{verdict.provenance} queries",
            f"{verdict.independent:,} independent",
        ),
        (milliseconds(chosen.cost.query_ms), "a query", f"{size(chosen.cost.bytes)} read"),
    ]
    cards = [
        element("div", element("b", figure), element("span", what), element("small", more), class_="fact")
        for figure, what, more in facts
    ]
    return element(
        "header",
        element("p", contents.title, class_="over"),
        element(
            "h1",
            "Use ",
            element("code", breakable(chosen.configuration.name)),
            element("small", f" {set_to}") if (set_to := _set_to(chosen)) else None,
        ),
        element("p", _sentence(verdict.reason), class_="reason"),
        element("div", *cards, class_="facts"),
    )


def _sentence(said: str) -> str:
    """A capital in front, unless a configuration's name stands there, and a full stop."""
    name = "/" in said.partition(" ")[0]
    return (said if name else said[:1].upper() + said[1:]) + ("" if said.endswith(".") else ".")


def evidence(verdict: Verdict) -> Html:
    """The interval plot with the group tied for best."""
    tied = [finding for finding in charts.ordered(verdict) if finding.tied_with_best]
    good = [finding.name for finding in tied if finding.non_inferior and finding.name != verdict.choice]
    words = [
        f"Each dot is the mean {verdict.measure} over all queries; the bar holds the true mean in 95 of 100"
        f" such evaluations. The thin line is {verdict.reference}."
    ]
    if len(tied) > 1:
        words.append(
            f"{len(tied)} of {len(verdict.findings)} are tied for best: these queries cannot tell them from the"
            f" one with the highest mean."
        )
    if len(tied) < len(verdict.findings):
        words.append(
            "All answered the same queries and are compared query by query: bars that overlap may still be told"
            " apart."
        )
    if good:
        words.append(f"At most .010 behind the best, and so as good: {', '.join(good)}.")
    return section("How they compare", charts.intervals(verdict), *(element("p", word) for word in words))


def caution(verdict: Verdict) -> Html:
    """How far the figures can be trusted."""
    lines: list[Piece] = []
    if math.isfinite(verdict.detectable_difference):
        lines.append(
            f"Between the default and its closest rival, these queries show differences of"
            f" {number(verdict.detectable_difference)} or more; to see half of that,"
            f" {verdict.needed_for_half:,} independent queries are needed."
        )
    if verdict.optimism > 0:
        lines.append(
            f"The highest of many means is partly luck: choosing it brings about {number(verdict.optimism)} less"
            " on new queries than it shows here."
        )
    if verdict.transfer_error is not None:
        lines.append(
            f"The queries were made from the corpus itself. How people ask may differ: such a choice can be off"
            f" by {number(verdict.transfer_error)} on human queries."
        )
    lines += [_sentence(note) for note in verdict.notes]
    if not lines:
        return Html()
    return section("What to keep in mind", element("ul", *(element("li", line) for line in lines)))


def costs(verdict: Verdict) -> Html:
    """Cost against quality, and the same as a table."""
    rows = [_cost_row(rank, finding) for rank, finding in enumerate(charts.ordered(verdict), start=1)]
    head = (
        "",
        "configuration",
        verdict.measure,
        f"minus {verdict.reference}",
        "p",
        "a query",
        "reads",
        "encoding",
    )
    whole = table(head, rows, kind="numbers")
    return section(
        "What it costs",
        charts.costs(verdict),
        element("details", element("summary", "All figures"), whole),
    )


def _cost_row(rank: int, finding: Finding) -> tuple[Piece, ...]:
    set_to = _set_to(finding)
    seconds = finding.cost.index_seconds
    return (
        str(rank),
        join([breakable(finding.name), element("small", set_to) if set_to else None]),
        number(finding.mean),
        _difference(finding.vs_bm25),
        "" if finding.vs_bm25 is None else _p(finding.vs_bm25.p),
        milliseconds(finding.cost.query_ms),
        size(finding.cost.bytes),
        "not known" if seconds is None else "none" if seconds == 0 else milliseconds(1000 * seconds),
    )


def _set_to(finding: Finding) -> str:
    """Parameters that are not the default's."""
    given = finding.configuration.parameters.given()
    return ", ".join(f"{name} {value:g}" for name, value in given.items())


def _difference(difference: Difference | None) -> Piece:
    if difference is None:
        return ""
    return join(
        [
            signed(difference.difference),
            element("small", interval(difference.low, difference.high, write=True)),
        ]
    )


def _p(value: float) -> str:
    return "< .001" if value < 0.001 else number(value)


def groups(contents: Contents) -> Html:
    """Per query source and per category."""
    verdict = contents.verdict
    shown = _compared(verdict)
    parts: list[Piece] = []
    if len(verdict.by_source) > 1 or any(each.overlap is not None for each in verdict.by_source):
        rows = [
            (
                each.name,
                f"{each.queries:,}",
                "–" if each.overlap is None else f"{each.overlap:.0%}",
                *(number(each.means.get(name, math.nan)) for name in shown),
            )
            for each in verdict.by_source
        ]
        parts.append(
            table(("made from", "queries", "shared words", *map(breakable, shown)), rows, kind="numbers")
        )
        parts.append(
            element("p", "Queries that share many words with their answer favour search by words (bm25).")
        )
    by_category = _by_category(verdict, contents.categories, shown)
    if len(by_category) > 1:
        rows = [(name, f"{count:,}", *(number(mean) for mean in means)) for name, count, means in by_category]
        parts.append(table(("category", "queries", *map(breakable, shown)), rows, kind="numbers"))
    return section("Which queries", *parts) if parts else Html()


def _compared(verdict: Verdict) -> list[str]:
    names = (verdict.choice, verdict.best.name, verdict.default, verdict.reference)
    return list(dict.fromkeys(names))


def _by_category(
    verdict: Verdict, categories: Mapping[str, str], shown: list[str]
) -> list[tuple[str, int, list[float]]]:
    members: dict[str, list[str]] = {}
    for query in verdict.queries:
        members.setdefault(categories.get(query, ""), []).append(query)
    values = [verdict.finding(name).per_query for name in shown]
    return [
        (name or "(none)", len(queries), [float(np.mean([of[query] for query in queries])) for of in values])
        for name, queries in sorted(members.items())
    ]


def sizes(verdict: Verdict) -> Html:
    """Which size of unit brings the answer within a budget of reading, and quality against length."""
    best: dict[str, Finding] = {}
    for finding in charts.ordered(verdict):
        level = finding.configuration.granularity
        if finding.span_recall is not None and finding.span_recall > _recall(best.get(level)):
            best[level] = finding
    parts: list[Piece] = []
    if best:
        rows = [
            (level, number(_recall(finding)), breakable(finding.name))
            for level, finding in sorted(best.items(), key=lambda each: (-_recall(each[1]), each[0]))
        ]
        parts.append(table(("returned units", "answer read", "by"), rows, kind="numbers"))
        parts.append(
            element(
                "p", "The share of the answering passage that someone has read after 1,000 tokens of results."
            )
        )
    parts.append(charts.lengths(verdict))
    return section("Small and large pieces", *parts) if any(parts) else Html()


def _recall(finding: Finding | None) -> float:
    return -1.0 if finding is None or finding.span_recall is None else finding.span_recall


def examples(contents: Contents) -> Html:
    """Queries on which the choice did worst, with what it and the reference returned."""
    if not contents.examples:
        return Html()
    return section(
        "Where it went wrong",
        element("p", "The queries that the choice answers worst. Open one to see what came back."),
        *(_example(each, first=at == 0) for at, each in enumerate(contents.examples)),
    )


def _example(each: ReportExample, *, first: bool) -> Html:
    figures = f"choice {number(each.choice.value)}, {each.reference.name} {number(each.reference.value)}"
    return element(
        "details",
        element("summary", element("span", each.query, class_="query"), element("small", figures)),
        element("div", _side(each.choice), _side(each.reference), class_="sides"),
        open="" if first else None,
    )


def _side(side: ReportSide) -> Html:
    hits = [
        element(
            "li",
            element("span", hit.place, class_="place"),
            element("small", _grade(hit.grade), class_="tag good" if hit.grade else "tag"),
            element("span", hit.text, class_="snippet"),
        )
        for hit in side.hits
    ]
    found = element("ol", *hits) if hits else element("p", "nothing found")
    return element("div", element("h3", breakable(side.name)), found, class_="side")


def _grade(grade: int | None) -> str:
    if grade is None:
        return "not judged"
    return "not relevant" if grade <= 0 else "relevant" if grade == 1 else f"relevant, grade {grade}"


def settings(contents: Contents) -> Html:
    """What the scores were made with, and how to make the page again."""
    rows = [join([element("dt", name), element("dd", value)]) for name, value in contents.settings]
    return section(
        "How it was measured",
        element("dl", *rows, class_="settings") if rows else None,
        element("p", "This command makes the report again:"),
        element("pre", element("code", contents.command)),
    )


def section(title: str, *children: Piece) -> Html:
    """A part of the page with its heading."""
    return element("section", element("h2", title), *children)

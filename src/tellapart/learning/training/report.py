"""One self-contained HTML page about a run: curves, histograms over time, findings, suspicious pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from tellapart.experiments.statistics import Estimate
from tellapart.learning.training.health import BINS
from tellapart.learning.training.history import History, Look
from tellapart.learning.training.judging import Judgement

WIDTH, HEIGHT = 520, 160
LEFT, BELOW = 52, 20
"""Room for the numbers of the axes."""

SHOWN = 6
"""Histograms drawn: first, last, and evenly between."""

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#222;background:#fff}
svg{background:#f6f6f6;display:block;margin:.3em 0 1em}table{border-collapse:collapse}
td,th{padding:.15em .8em .15em 0;text-align:left;vertical-align:top}.bad{color:#a00}
.g{stroke:#1a7a3c}.i{stroke:#b03a2e}.l{stroke:#2255aa}polyline{fill:none;stroke-width:1.5}text{font-size:11px;fill:#777}circle{stroke:none;fill:#25a}
@media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}svg{background:#242424}.bad{color:#f77}}
"""


def report_html(
    title: str, history: History, facts: Mapping[str, str], judgement: Judgement | None = None
) -> str:
    """Write the page; `facts` are shown as a table: data, options, seed, command."""
    looks = [look for look in history.looks if look.loss is not None]
    judged = [look for look in looks if look.quality]
    steps, late = [look.step for look in looks], [look.step for look in judged]
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{escape(summary(history, judgement))}</p>",
        _findings(looks),
        _judged(judgement) if judgement else "",
        _curve("Loss", steps, [look.loss or 0.0 for look in looks]),
        _curve(
            "MAP@R of what was held out", late, [look.quality.map_at_r for look in judged if look.quality]
        ),
        _curve(
            "R@1 of what was held out", late, [look.quality.recall_at_1 for look in judged if look.quality]
        ),
        _curve("Learning rate", steps, [look.rate for look in looks]),
        _curve("Length of the gradient, before clipping", steps, [look.gradient for look in looks]),
        _curve("Samples per second", steps, [look.per_second for look in looks]),
        _histograms(judged),
        _suspects(looks),
        "<h2>Run</h2>" + _table(facts.items()),
    ]
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)}</title>"
        f"<style>{STYLE}</style><body>{''.join(parts)}</body></html>\n"
    )


def summary(history: History, judgement: Judgement | None = None) -> str:
    """Say how the run went in one sentence."""
    if not history.looks:
        return "Nothing was trained."
    last, best = history.looks[-1], history.best
    text = f"{last.step:,} steps in {last.seconds:,.0f} s, last loss {last.loss or 0:.3f}"
    if best is None:
        return f"{text}; nothing was held out, so nothing says how well it works on new identities."
    look = history.looks[best]
    assert look.quality is not None
    text += f"; kept are the weights of step {look.step:,}"
    if judgement is None:
        return (
            f"{text}: R@1 {look.quality.recall_at_1:.3f}, MAP@R {look.quality.map_at_r:.3f} on what was held out, which"
            " also chose the step (so slightly optimistic)."
        )
    r1, ar = judgement.encoder.recall_at_1, judgement.encoder.map_at_r
    return (
        f"{text}: R@1 {_estimate(r1)}, MAP@R {_estimate(ar)} on {judgement.images:,} unseen {_unseen(judgement)}, which"
        f" also chose the step (so slightly optimistic); {judgement.reason}."
    )


def _unseen(judgement: Judgement) -> str:
    if judgement.unseen == "identities":
        return f"images of {judgement.identities:,} unseen identities"
    return f"images of {judgement.identities:,} learned identities"


def _estimate(found: Estimate) -> str:
    return f"{found.mean:.3f} [{found.low:.3f}, {found.high:.3f}]"


def _judged(judgement: Judgement) -> str:
    rows = [("", "R@1 [95 %]", "MAP@R [95 %]")]
    shown = [
        (f"encoder, unseen {judgement.unseen}", judgement.encoder),
        ("raw pixels, the same images", judgement.pixels),
    ]
    if judgement.learned is not None:
        shown.append(("encoder, learned images", judgement.learned))
    rows += [(name, _estimate(worth.recall_at_1), _estimate(worth.map_at_r)) for name, worth in shown]
    cells = "".join("<tr>" + "".join(f"<td>{escape(cell)}" for cell in row) for row in rows)
    text = f"<h2>What it is worth</h2><p>{escape(judgement.reason)}.</p><table>{cells}</table>"
    if judgement.eer is not None:
        text += f"<p>Equal error rate over all pairs {judgement.eer:.3f}."
    if judgement.tar is not None and judgement.far is not None and judgement.threshold is not None:
        text += (
            f" At a threshold of {judgement.threshold:.4f} on the cosine at most {judgement.far:g} of the pairs of"
            f" different identities are accepted, and {_estimate(judgement.tar)} of those of the same one. Do not"
            " use this threshold to search a gallery."
        )
    return text + "</p>"


def _findings(looks: Sequence[Look]) -> str:
    found = looks[-1].quality.findings() if looks and looks[-1].quality else ()
    return "".join(f"<p class=bad>{escape(line)}</p>" for line in found)


def _curve(title: str, steps: Sequence[int], values: Sequence[float]) -> str:
    """Draw a line with its axes: the range of the values at the left, that of the steps below."""
    if not values:
        return ""
    low, high = min(values), max(values)
    span, last = (high - low) or 1.0, max(steps[-1], 1)
    points = [
        (LEFT + (WIDTH - LEFT) * step / last, HEIGHT - BELOW - (HEIGHT - BELOW - 8) * (value - low) / span)
        for step, value in zip(steps, values, strict=True)
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = "".join(f"<circle cx={x:.1f} cy={y:.1f} r=1.6 class=l />" for x, y in points)
    marks = "".join(
        f"<text x={LEFT - 4} y={y:.0f} text-anchor=end>{value:.3g}</text>"
        for value, y in ((high, 12), ((low + high) / 2, (HEIGHT - BELOW) / 2 + 4), (low, HEIGHT - BELOW))
    )
    marks += f"<text x={LEFT} y={HEIGHT - 3}>step 0</text>"
    marks += f"<text x={WIDTH} y={HEIGHT - 3} text-anchor=end>{last:,}</text>"
    return (
        f"<h2>{escape(title)}</h2><p>{values[0]:.4g} at step {steps[0]:,}, {values[-1]:.4g} at step {steps[-1]:,}</p>"
        f"<svg width={WIDTH} height={HEIGHT} role=img aria-label='{escape(title)}'>{marks}"
        f"<polyline class=l points='{line}'/>{dots}</svg>"
    )


def _histograms(looks: Sequence[Look]) -> str:
    if not looks:
        return ""
    last = len(looks) - 1
    places = sorted({round(last * k / (SHOWN - 1)) for k in range(SHOWN)})
    parts = [
        "<h2>Cosines of pairs held out</h2><p>Green: same identity. Red: different ones. From -1 to 1.</p>"
    ]
    for place in places:
        look = looks[place]
        assert look.quality is not None
        lines = _outline(look.quality.genuine, "g") + _outline(look.quality.impostors, "i")
        parts.append(f"<p>step {look.step:,}</p><svg width={WIDTH} height={HEIGHT // 2}>{lines}</svg>")
    return "".join(parts)


def _outline(counts: Sequence[int], kind: str) -> str:
    highest, height = max(*counts, 1), HEIGHT / 2
    points = " ".join(
        f"{WIDTH * (place + 0.5) / BINS:.1f},{height - 2 - (height - 6) * count / highest:.1f}"
        for place, count in enumerate(counts)
    )
    return f"<polyline class={kind} points='{points}'/>"


def _suspects(looks: Sequence[Look]) -> str:
    found = {(suspect.first, suspect.second): suspect for look in looks for suspect in look.suspects}
    if not looks or not looks[-1].suspects:
        return ""
    rows = [(f"{s.first} / {s.second}", f"{s.cosine:.3f}") for s in looks[-1].suspects]
    return (
        "<h2>Alike, but labelled differently</h2><p>From the last batches: wrong labels, near-duplicates, or pairs the"
        f" encoder cannot tell apart. {len(found):,} such pairs were seen over the run.</p>" + _table(rows)
    )


def _table(rows: object) -> str:
    cells = [f"<tr><td>{escape(str(a))}<td>{escape(str(b))}" for a, b in rows]  # type: ignore[attr-defined]
    return f"<table>{''.join(cells)}</table>"

"""One self-contained HTML page about a run: curves, histograms over time, findings, suspicious pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from tellapart.learning.training.health import BINS
from tellapart.learning.training.history import History, Look

WIDTH, HEIGHT = 520, 160
SHOWN = 6
"""Histograms drawn: first, last, and evenly between."""

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#222;background:#fff}
svg{background:#f6f6f6;display:block;margin:.3em 0 1em}table{border-collapse:collapse}
td,th{padding:.15em .8em .15em 0;text-align:left;vertical-align:top}.bad{color:#a00}
.g{stroke:#1a7a3c}.i{stroke:#b03a2e}.l{stroke:#2255aa}polyline{fill:none;stroke-width:1.5}
@media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}svg{background:#242424}.bad{color:#f77}}
"""


def report_html(title: str, history: History, facts: Mapping[str, str]) -> str:
    """Write the page; `facts` are shown as a table: data, settings, seed, command."""
    looks = history.looks
    parts = [f"<h1>{escape(title)}</h1>", f"<p>{escape(summary(history))}</p>", _findings(looks)]
    parts += [_curve("Loss", [look.step for look in looks], [look.loss for look in looks])]
    judged = [look for look in looks if look.health]
    steps = [look.step for look in judged]
    parts += [
        _curve(
            "MAP@R of held-out identities", steps, [look.health.map_at_r for look in judged if look.health]
        ),
        _curve(
            "R@1 of held-out identities", steps, [look.health.recall_at_1 for look in judged if look.health]
        ),
        _curve("Samples per second", [look.step for look in looks], [look.per_second for look in looks]),
        _histograms(judged),
        _suspects(looks),
        "<h2>Settings</h2>" + _table(facts.items()),
    ]
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)}</title>"
        f"<style>{STYLE}</style><body>{''.join(parts)}</body></html>\n"
    )


def summary(history: History) -> str:
    """Say how the run went in one sentence."""
    if not history.looks:
        return "Nothing was trained."
    last, best = history.looks[-1], history.best
    text = f"{last.step:,} steps in {last.seconds:,.0f} s, last loss {last.loss:.3f}"
    if best is None:
        return f"{text}; no identities were held out, so nothing says how well it works on new ones."
    look = history.looks[best]
    assert look.health is not None
    return (
        f"{text}; kept are the weights of step {look.step:,}: R@1 {look.health.recall_at_1:.3f}, MAP@R"
        f" {look.health.map_at_r:.3f} on held-out identities, which also chose the step (so slightly optimistic)."
    )


def _findings(looks: Sequence[Look]) -> str:
    found = looks[-1].health.findings() if looks and looks[-1].health else ()
    return "".join(f"<p class=bad>{escape(line)}</p>" for line in found)


def _curve(title: str, steps: Sequence[int], values: Sequence[float]) -> str:
    if len(values) < 2:
        return ""
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    points = " ".join(
        f"{WIDTH * step / steps[-1]:.1f},{HEIGHT - 8 - (HEIGHT - 16) * (value - low) / span:.1f}"
        for step, value in zip(steps, values, strict=True)
    )
    return (
        f"<h2>{escape(title)}</h2><p>{values[0]:.4g} at step {steps[0]:,}, {values[-1]:.4g} at step {steps[-1]:,};"
        f" from {low:.4g} to {high:.4g}</p><svg width={WIDTH} height={HEIGHT} role=img aria-label='{escape(title)}'>"
        f"<polyline class=l points='{points}'/></svg>"
    )


def _histograms(looks: Sequence[Look]) -> str:
    if not looks:
        return ""
    last = len(looks) - 1
    places = sorted({round(last * k / (SHOWN - 1)) for k in range(SHOWN)})
    parts = [
        "<h2>Cosines of held-out pairs</h2><p>Green: same identity. Red: different ones. From -1 to 1.</p>"
    ]
    for place in places:
        look = looks[place]
        assert look.health is not None
        lines = _outline(look.health.genuine, "g") + _outline(look.health.impostors, "i")
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

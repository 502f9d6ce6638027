"""The page about a training run: curves, cosines over time, findings, suspicious pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tellapart.experiments.statistics import Estimate
from tellapart.learning.training.evaluation import Judgement
from tellapart.learning.training.history import History, Look
from tellapart.pages.charts import Chart, curve, histogram
from tellapart.pages.rendering import render_page

SHOWN = 6
"""Histograms drawn: first, last, and evenly between."""


def report_html(
    title: str, history: History, facts: Mapping[str, str], judgement: Judgement | None = None
) -> str:
    """Write the page; `facts` are shown as a table: data, options, seed, command."""
    looks = [look for look in history.looks if look.loss is not None]
    last = looks[-1] if looks else None
    pairs = {(suspect.first, suspect.second) for look in looks for suspect in look.suspects}
    return render_page(
        "training.html",
        title=title,
        summary=summary(history, judgement),
        problems=last.quality.findings() if last and last.quality else (),
        judgement=judgement,
        worth=_worth(judgement) if judgement else (),
        tar=_estimate(judgement.tar) if judgement and judgement.tar else "",
        curves=_curves(looks),
        cosines=_cosines(looks),
        suspects=[(f"{s.first} / {s.second}", f"{s.cosine:.3f}") for s in (last.suspects if last else ())],
        seen=len(pairs),
        facts=facts,
    )


def summary(history: History, judgement: Judgement | None = None) -> str:
    """Say how the run went in one sentence."""
    if not history.looks:
        text = "Fitted in closed form"
        if judgement is None:
            return f"{text}; nothing was held out, so nothing says how well it works on new identities."
        return f"{text}: {_worth_said(judgement)}; {judgement.reason}."
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
    return f"{text}: {_worth_said(judgement)}, which also chose the step (so slightly optimistic); {judgement.reason}."


def _worth_said(judgement: Judgement) -> str:
    r1, ar = judgement.encoder.recall_at_1, judgement.encoder.map_at_r
    return f"R@1 {_estimate(r1)}, MAP@R {_estimate(ar)} on {judgement.images:,} unseen {_unseen(judgement)}"


def _unseen(judgement: Judgement) -> str:
    if judgement.unseen == "identities":
        return f"images of {judgement.identities:,} unseen identities"
    return f"images of {judgement.identities:,} learned identities"


def _estimate(found: Estimate) -> str:
    return f"{found.mean:.3f} [{found.low:.3f}, {found.high:.3f}]"


def _worth(judgement: Judgement) -> list[tuple[str, str, str]]:
    shown = [
        (f"encoder, unseen {judgement.unseen}", judgement.encoder),
        ("raw pixels, the same images", judgement.pixels),
    ]
    if judgement.learned is not None:
        shown.append(("encoder, learned images", judgement.learned))
    return [(name, _estimate(worth.recall_at_1), _estimate(worth.map_at_r)) for name, worth in shown]


def _curves(looks: Sequence[Look]) -> list[Chart]:
    held_out = [(look.step, look.quality) for look in looks if look.quality]
    values = {
        "Loss": [(look.step, look.loss or 0.0) for look in looks],
        "MAP@R on held-out data": [(step, quality.map_at_r) for step, quality in held_out],
        "R@1 on held-out data": [(step, quality.recall_at_1) for step, quality in held_out],
        "Learning rate": [(look.step, look.rate) for look in looks],
        "Gradient norm before clipping": [(look.step, look.gradient) for look in looks],
        "Samples per second": [(look.step, look.per_second) for look in looks],
    }
    return [
        curve(
            label,
            [step for step, _ in points],
            [value for _, value in points],
            caption=f"{points[0][1]:.4g} at step {points[0][0]:,}, {points[-1][1]:.4g} at step {points[-1][0]:,}",
        )
        for label, points in values.items()
        if points
    ]


def _cosines(looks: Sequence[Look]) -> list[Chart]:
    held_out = [(look.step, look.quality) for look in looks if look.quality]
    last = len(held_out) - 1
    drawn = sorted({round(last * k / (SHOWN - 1)) for k in range(SHOWN)}) if held_out else []
    return [
        histogram(
            f"Cosines at step {step:,}",
            -1,
            1,
            [
                ("same identity", "choice", quality.genuine),
                ("different identities", "other", quality.impostors),
            ],
            caption=f"step {step:,}",
            small=True,
        )
        for step, quality in map(held_out.__getitem__, drawn)
    ]

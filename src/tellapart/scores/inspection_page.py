"""What `inspect` found, as lines for a terminal and as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tellapart.pages.rendering import render_page
from tellapart.scores.cures import TriedCure
from tellapart.scores.distributions import CosinePicture, PairGroup, svg
from tellapart.scores.inspecting import Inspection


def picture_lines(picture: CosinePicture) -> list[str]:
    """Write the groups of one encoder as a table."""
    lines = [
        f"cosines of {picture.encoder}/{picture.granularity}: mean ± spread; AUC, overlap, d' against unrelated pairs"
    ]
    for group in picture.groups:
        cosine, *others = _cells(group)[1:]
        lines.append(f"  {group.name:16} {cosine:>12} {''.join(f'{each:>8}' for each in others)}".rstrip())
    return lines


def cure_gain(cure: TriedCure) -> str:
    """Write what a cure gained, with its interval."""
    gain = cure.gain
    return f"{gain.difference:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}], p {cure.p:.3f}"


def inspection_page(
    name: str,
    inspections: Sequence[Inspection],
    pictures: Sequence[CosinePicture],
    cures: Mapping[str, tuple[float, Sequence[TriedCure]]],
) -> str:
    """Write the page: the picture of cosines, its figures, the findings, the cures that were tried."""
    from markupsafe import Markup

    return render_page(
        "inspection.html",
        title=f"What the vectors of {name} are worth",
        picture=Markup(svg(pictures)),
        groups=[(each.encoder, [_cells(group) for group in each.groups]) for each in pictures],
        findings=[
            (f"{each.encoder}/{each.granularity}", [(d.name, d.shown, d.meaning) for d in each.diagnostics])
            for each in inspections
        ],
        cures=[
            (encoder, f"{plain:.3f}", [(each.name, f"{each.mean:.3f}", cure_gain(each)) for each in tried])
            for encoder, (plain, tried) in cures.items()
        ],
    )


def _cells(group: PairGroup) -> list[str]:
    cells = [group.name, f"{group.values.mean():.2f} ± {group.values.std():.2f}"]
    if group.auc is None or group.overlap is None or group.d_prime is None:
        return [*cells, "", "", ""]
    return [*cells, f"{group.auc:.3f}", f"{group.overlap:.0%}", f"{group.d_prime:.2f}"]

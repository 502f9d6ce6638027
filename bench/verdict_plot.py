"""A plot of predicted against obtained gains, as SVG."""

from __future__ import annotations

from collections.abc import Sequence

from numpy.typing import NDArray

SIDE, EDGE = 640, 60
COLOURS = {"minilm": "#1f5fbf", "lsa": "#c9631b"}


def calibration_svg(outcomes: Sequence[tuple[NDArray, NDArray, str]]) -> str:
    """Draw a dot with its 50 % interval for every pair: `predicted` (m, 5), `obtained` (m,), encoder."""
    largest = max(
        0.05, *(float(abs(obtained).max()) for _, obtained, _ in outcomes),
        *(float(abs(predicted[:, 0]).max()) for predicted, _, _ in outcomes),
    )  # fmt: skip
    reach = (int(largest * 20) + 1) / 20

    def across(value: float) -> float:
        return EDGE + (max(-reach, min(reach, value)) + reach) / (2 * reach) * (SIDE - 2 * EDGE)

    def up(value: float) -> float:
        return SIDE - across(value)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIDE} {SIDE}" font-family="sans-serif" font-size="13">',
        f'<rect width="{SIDE}" height="{SIDE}" fill="white"/>',
        f'<line x1="{across(-reach)}" y1="{up(-reach)}" x2="{across(reach)}" y2="{up(reach)}" stroke="#999"/>',
    ]
    steps = [round(-reach + n * reach / 4, 3) for n in range(9)]
    for step in steps:
        parts.append(
            f'<text x="{across(step):.1f}" y="{SIDE - EDGE + 18}" text-anchor="middle" fill="#555">{step:+.2f}</text>'
            f'<text x="{EDGE - 8}" y="{up(step) + 4:.1f}" text-anchor="end" fill="#555">{step:+.2f}</text>'
            f'<line x1="{across(step):.1f}" x2="{across(step):.1f}" y1="{EDGE}" y2="{SIDE - EDGE}" stroke="#eee"/>'
            f'<line y1="{up(step):.1f}" y2="{up(step):.1f}" x1="{EDGE}" x2="{SIDE - EDGE}" stroke="#eee"/>'
        )
    for predicted, obtained, encoder in outcomes:
        for (mean, low, high, _, _), gain in zip(predicted.tolist(), obtained.tolist(), strict=True):
            parts.append(
                f'<line x1="{across(low):.1f}" x2="{across(high):.1f}" y1="{up(gain):.1f}" y2="{up(gain):.1f}"'
                f' stroke="{COLOURS[encoder]}" opacity=".15"/>'
                f'<circle cx="{across(mean):.1f}" cy="{up(gain):.1f}" r="2.6" fill="{COLOURS[encoder]}" opacity=".6"/>'
            )
    for place, (encoder, colour) in enumerate(COLOURS.items()):
        parts.append(
            f'<circle cx="{EDGE + 14}" cy="{EDGE + 14 + 20 * place}" r="4" fill="{colour}"/>'
            f'<text x="{EDGE + 26}" y="{EDGE + 18 + 20 * place}">default with {encoder}</text>'
        )
    parts.append(
        f'<text x="{SIDE / 2}" y="{SIDE - 12}" text-anchor="middle">expected gain from synthetic queries (line: 50 %'
        " interval)</text>"
        f'<text transform="translate(14 {SIDE / 2}) rotate(-90)" text-anchor="middle">gain that people\'s judgements'
        " show</text></svg>"
    )
    return "\n".join(parts) + "\n"

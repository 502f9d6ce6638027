"""What the scores of a report were made with, so that another tool can be set to the same."""

from __future__ import annotations

from collections.abc import Sequence

from tellapart.corpus.document import Granularity, Kind
from tellapart.experiments.verdict import Verdict
from tellapart.index.lexical import defaults
from tellapart.index.lexical.tokens import STOP_WORDS
from tellapart.rankers.registry import WEIGHT
from tellapart.rankers.svm import DEFAULT_RATIO

TESTED = ("intervals, p", "paired bootstrap-t and sign flips, 10,000 draws; Holm over all configurations")


def score_settings(verdict: Verdict) -> tuple[tuple[str, str], ...]:
    """Names and values; parameters chosen on these queries stand with their configuration."""
    (k1, b), (k1_code, b_code) = defaults(Kind.PROSE), defaults(Kind.CODE)
    given = [
        f"{finding.name}: {set_to}"
        for finding in verdict.findings
        if (set_to := finding.configuration.parameters.shown())
    ]
    if all(finding.configuration.granularities == (Granularity.IMAGE,) for finding in verdict.findings):
        return _of_images(verdict, given)
    return (
        ("measure", f"{verdict.measure}; linear gains, documents without a judgement are not relevant"),
        (
            "words",
            f"Porter stems and {len(STOP_WORDS)} stop words for prose; identifiers whole and in parts for code",
        ),
        (
            "bm25",
            f"k1 {k1:g}, b {b:g} for prose; k1 {k1_code:g}, b {b_code:g} for code;"
            " idf ln(1 + (N - df + .5) / (df + .5))",
        ),
        (
            "hybrid",
            f"z-scores; weight of the vectors {WEIGHT[Kind.PROSE]:g} for prose, {WEIGHT[Kind.CODE]:g} for code",
        ),
        ("svm", f"ridge of {DEFAULT_RATIO:g} mean eigenvalues"),
        ("document score", "the best of its units"),
        TESTED,
        *((("chosen here", "; ".join(given)),) if given else ()),
    )


def _of_images(verdict: Verdict, given: Sequence[str]) -> tuple[tuple[str, str], ...]:
    return (
        ("measure", f"{verdict.measure}; the query's own image is never found"),
        ("svm, ridge", f"ridge of {DEFAULT_RATIO:g} mean eigenvalues; one image as example"),
        TESTED,
        *((("chosen here", "; ".join(given)),) if given else ()),
    )

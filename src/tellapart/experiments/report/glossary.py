"""The words of the report for someone who never studied statistics."""

from __future__ import annotations

from tellapart.experiments.report.markup import Html, element, join
from tellapart.experiments.report.sections import section

WORDS = (
    (
        "configuration",
        "One way of searching, written encoder / size of what is returned / ranking. minilm/paragraph/hybrid means:"
        " paragraphs, found by meaning (minilm) and by words together. Without an encoder only words count.",
    ),
    (
        "bm25, knn, svm, hybrid, rrf",
        "Rankings. bm25: shared words, rare ones count more. knn: nearness in meaning. svm: a line drawn between the"
        " query and everything else. hybrid: words and meaning, weighed. rrf: words and meaning by rank.",
    ),
    (
        "tuned",
        "Its parameters were chosen on four fifths of the queries and measured on the rest, in turn, so that choosing"
        " flatters nothing. All figures say what was chosen in the end.",
    ),
    (
        "nDCG@10",
        "How much of the best possible first page was reached, from 0 to 1. An answer at rank 1 counts fully, one at"
        " rank 10 not a third as much.",
    ),
    (
        "95 % interval",
        "With other queries of the same kind the figure would be a little different. In 95 of 100 such repetitions"
        " the interval holds the true figure. Wide bars mean: too few queries.",
    ),
    (
        "significant, p",
        "p is the chance of seeing a difference this large if both were equally good. Below .05 (after allowing for the"
        " number of comparisons) it is called significant.",
    ),
    (
        "tied",
        "Not shown to be worse than the best. That does not prove them equal: with more queries they may come apart.",
    ),
    (
        "as good",
        "Tied, and at most .010 behind the best even in the worse case. The cheapest of these may be used.",
    ),
    (
        "independent queries",
        "Queries about the same document stand or fall together; such a group counts once.",
    ),
    (
        "default",
        "What search uses without an evaluation. It is left only where the evidence is clear.",
    ),
    (
        "generated, judged",
        "Generated queries are made from the corpus, each with the place it came from as its answer. Judged ones have"
        " answers that people chose.",
    ),
)


def glossary() -> Html:
    """The words, in the order in which the page uses them."""
    return section(
        "In plain words",
        element("dl", *(join([element("dt", word), element("dd", said)]) for word, said in WORDS)),
    )

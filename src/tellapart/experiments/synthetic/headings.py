"""Heading -> section: the heading blanked in the text, and where it is part of a context."""

from __future__ import annotations

from collections.abc import Iterator

from tellapart.corpus.prose.split import plain_title
from tellapart.corpus.types import Granularity
from tellapart.corpus.units import SEPARATOR
from tellapart.experiments.synthetic.material import Material
from tellapart.experiments.synthetic.types import QueryCandidate, QuerySource, Span
from tellapart.experiments.synthetic.words import PHRASE_WORDS, content_words, phrase

MIN_CONTENT = 2
LOOKED_AT = 8
"""Lines of a section in which its heading is looked for: headings may stand together at its beginning."""


def headings(material: Material) -> Iterator[QueryCandidate]:
    """Give the heading of each section that has text."""
    if material.is_code:
        return
    for ordinal, label in enumerate(material.tree.levels[Granularity.SECTION].labels):
        heading = label.rpartition(SEPARATOR)[2]
        if len(phrase(heading)) < PHRASE_WORDS or content_words(heading) < MIN_CONTENT:
            continue
        unit = material.tree.span(Granularity.SECTION, ordinal)
        line = _line(material.document.text, unit, heading)
        if line and material.says_more(unit, line):
            yield QueryCandidate(
                QuerySource.HEADING, heading, material.number, unit, hidden=(heading,), masks=(line,)
            )


def _line(text: str, unit: Span, heading: str) -> Span | None:
    """Find the line that is the heading; None where markup makes it another one."""
    start, wanted = unit[0], phrase(heading)
    for _ in range(LOOKED_AT):
        stop = text.find("\n", start, unit[1])
        end = stop if stop >= 0 else unit[1]
        if phrase(plain_title(text[start:end].strip("# \t="))) == wanted:
            return start, end
        if stop < 0:
            return None
        start = end + 1
    return None

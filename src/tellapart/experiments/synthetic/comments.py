"""Comment -> the code below it: the comment blanked, its function (or piece of a file) the answer."""

from __future__ import annotations

from collections.abc import Iterator

from tellapart.corpus.types import Granularity
from tellapart.experiments.synthetic import remarks
from tellapart.experiments.synthetic.docstrings import documented
from tellapart.experiments.synthetic.material import Material
from tellapart.experiments.synthetic.types import QueryCandidate, QuerySource


def comments(material: Material) -> Iterator[QueryCandidate]:
    """Give the first sentence of each comment that stands on lines of its own with code below it."""
    text = material.document.text
    for comment in material.comments:
        if not material.documents_inside and documented(material, comment):
            continue  # a docstring
        span = comment.start, comment.end
        unit = material.unit_at(Granularity.FUNCTION, comment.start)
        remark = text[slice(*span)]
        query = remarks.of_comment(remark)
        below = (comment.end, unit[1])
        if (
            query
            and comment.end <= unit[1]
            and text[slice(*below)].strip()
            and material.says_more(unit, span)
        ):
            yield QueryCandidate(
                QuerySource.COMMENT, query, material.number, unit, hidden=(query, remark), masks=(span,)
            )

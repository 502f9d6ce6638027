"""From ranked units to hits: texts are fetched, and units with the same text become one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from tellapart.corpus.document import Granularity
from tellapart.engine.results import Hit, make_hit
from tellapart.engine.searching import Found, Growing
from tellapart.index.lexical.characters import is_unspaced
from tellapart.index.store import StoredDocument

SPARE = 20
"""Units ranked beyond those asked for, to take the places of copies. Two
lists of ten; where more copies than this stand first, a list is shorter."""

SUBSTANCE = 5
"""Different words from which on a unit says enough. A heading, an anchor or a link by itself has fewer; of the judged
paragraphs of cranfield, cisi and wikiqa next to none has, and their rankings stay as they are (bench/substance.py)."""

GLANCE = 300
"""Characters at the beginning of a unit that mostly settle it: reading all of a long one takes longer than ranking."""

WORDS = re.compile(r"[^\W\d_]+")
ADDRESSES = re.compile(r"\w+://\S+|\S+@\S+\.\w+")
BLOCK = "block"
HELD_BACK = "substance"
"""Names the share among what a score is made of."""
OF_FILE = "file"
"""Names what a unit's file scores, where files are ranked first."""

Fetch = Callable[[Sequence[int]], Mapping[int, StoredDocument]]
"""Fetches documents by number."""


def distinct_hits(
    rank: Callable[[int], Sequence[Found]], fetch: Fetch, k: int, *, hold_back: bool = False
) -> tuple[Hit, ...]:
    """Make hits of the best k units, of which those with the same text are one; its copies are named.

    Args:
        rank: Gives so many of the best. Texts of spare ones are only fetched where there are places to fill.
        fetch: Fetches documents by number.
        k: How many hits.
        hold_back: Whether units that say next to nothing score only a share of what they would (see `substance`).
    """
    few = 1 if isinstance(rank, Growing) else SPARE
    found = rank(k + few)
    surely = fetch([each.document for each in found[: k + 1]])  # together: one by one takes twice as long

    def stored(number: int) -> StoredDocument:
        return surely[number] if number in surely else fetch([number])[number]

    made: list[Hit] = []
    texts: set[tuple[Granularity, str]] = set()
    for spare in dict.fromkeys((few, SPARE)):
        found = found if spare == few else rank(k + spare)
        for each in found[len(made) :]:
            if len(texts) > k and not _may_rise(made, each.score, k):
                break
            made.append(_hit(len(made) + 1, each, stored(each.document), hold_back=hold_back))
            texts.add(_text(made[-1]))
        if len(texts) > k or len(found) < k + spare:
            break
    if any(HELD_BACK in hit.components for hit in made) and OF_FILE in made[0].components:
        found = found if spare == SPARE else rank(k + SPARE)
        made += _of_quiet_files(found, made, stored)
    return _collapsed(_ordered(made), k)


def _may_rise(made: Sequence[Hit], score: float, k: int) -> bool:
    """Whether a unit of this score may still come among the best k because some of those are held back."""
    if OF_FILE in made[0].components or not any(HELD_BACK in hit.components for hit in made):
        return False
    stay = {_text(hit) for hit in made if _held_back(hit).score >= score}
    return len(stay) <= k


def _of_quiet_files(
    found: Sequence[Found], made: Sequence[Hit], stored: Callable[[int], StoredDocument]
) -> list[Hit]:
    """Make the further hits of files that stand in the list by a unit that says next to nothing."""
    quiet = {each.document for each, hit in zip(found, made, strict=False) if HELD_BACK in hit.components}
    rest = enumerate(found[len(made) :], start=len(made) + 1)
    return [
        _hit(rank, each, stored(each.document), hold_back=True)
        for rank, each in rest
        if each.document in quiet
    ]


def substance(hit: Hit, stored: StoredDocument) -> float:
    """How much a unit says, from 0 to 1: its different words, addresses aside, as a share of `SUBSTANCE`.

    Only paragraphs and blocks of code are measured, which are cut out of documents whatever they hold. What is a
    document of its own, was defined by somebody, or was asked for as a sentence is as short as it should be.
    """
    measured = hit.granularity is Granularity.PARAGRAPH or hit.unit == BLOCK
    if not measured or len(stored.tree.levels[hit.granularity].starts) == 1:
        return 1.0
    begins = (hit.text[:GLANCE].rsplit(None, 1) or [""])[0] if len(hit.text) > GLANCE else ""
    return 1.0 if _words_in(begins) >= SUBSTANCE else min(1.0, _words_in(hit.text) / SUBSTANCE)


def _words_in(text: str) -> int:
    """Count the different words of a text; scripts without spaces write many in a row."""
    if "://" in text or "@" in text:
        text = ADDRESSES.sub(" ", text)
    words = set(WORDS.findall(text.lower()))
    if text.isascii():
        return sum(len(word) > 1 for word in words)  # a letter is no word
    return sum(len(word) if is_unspaced(word[0]) else len(word) > 1 for word in words)


def _hit(rank: int, found: Found, stored: StoredDocument, *, hold_back: bool) -> Hit:
    key = found.granularity, found.ordinal
    kept: tuple[Hit, float] | None = stored.shown.get(key)
    if kept is None:
        bare = make_hit(0, stored, found.granularity, found.ordinal)
        kept = stored.shown[key] = bare, substance(bare, stored)
    bare, share = kept
    components = found.components
    if hold_back and share < 1 and found.score > 0:
        components = {**components, HELD_BACK: share}
    return Hit(
        rank=rank,
        id=bare.id,
        document=bare.document,
        path=bare.path,
        granularity=bare.granularity,
        span=bare.span,
        lines=bare.lines,
        score=found.score,
        probability=found.probability,
        text=bare.text,
        components=components,
        place=bare.place,
        unit=bare.unit,
        label=bare.label,
        indent=bare.indent,
    )


def _ordered(hits: list[Hit]) -> list[Hit]:
    if not any(HELD_BACK in hit.components for hit in hits):
        return hits
    hits = _speaking(hits) if OF_FILE in hits[0].components else [*map(_held_back, hits)]
    return sorted(hits, key=lambda hit: -hit.score)


def _held_back(hit: Hit) -> Hit:
    return replace(hit, score=hit.score * hit.components.get(HELD_BACK, 1.0))


def _speaking(hits: list[Hit]) -> list[Hit]:
    """Let a file stand for itself by a unit that says something, where the ranker has put files in order."""
    of_file: dict[str, list[int]] = {}
    for at, hit in enumerate(hits):
        of_file.setdefault(hit.document, []).append(at)
    for places in of_file.values():
        scores = [hits[at].score for at in places]
        # Stable: among those that say something, and among those that do not, the order stays.
        order = sorted(places, key=lambda at: HELD_BACK in hits[at].components)
        for at, score in zip(order, scores, strict=True):
            if hits[at].score != score:
                hits[at] = replace(hits[at], score=score)
    return hits


def _collapsed(made: Sequence[Hit], k: int) -> tuple[Hit, ...]:
    texts: dict[tuple[Granularity, str], int] = {}
    hits: list[Hit] = []
    for hit in made:
        at = texts.setdefault(_text(hit), len(hits))
        if at < len(hits):
            hits[at] = replace(hits[at], copies=(*hits[at].copies, hit.id))
        elif len(hits) == k:
            break
        else:
            rank = len(hits) + 1
            hits.append(hit if hit.rank == rank else replace(hit, rank=rank))
    return tuple(hits)


def _text(hit: Hit) -> tuple[Granularity, str]:
    """Tell copies by. The text of an image is its caption: equal captions are no copies."""
    return hit.granularity, hit.id if hit.granularity is Granularity.IMAGE else hit.text.strip()

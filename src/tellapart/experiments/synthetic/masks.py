"""Blanking what queries were made from: in their documents, and wherever else the same words stand."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tellapart.corpus.types import ContainmentTree, Level
from tellapart.experiments.synthetic.occurrences import Occurrences, hidden
from tellapart.experiments.synthetic.sampling import SyntheticQuestion
from tellapart.experiments.synthetic.types import Span
from tellapart.experiments.synthetic.words import Phrase, Phrases, phrase
from tellapart.index.store import Store, StoredDocument

MAX_DOCUMENTS = 10
"""Documents in which a text may stand to be blanked in all of them. Our choice, not measured."""

_INK = re.compile(r"\S")


def blank(text: str, spans: Iterable[Span]) -> str:
    """Replace what is not white space in some spans by spaces: length and lines stay."""
    parts, done = [], 0
    for start, end in sorted(spans):
        begin = max(start, done)
        if begin < end:
            parts += [text[done:begin], _INK.sub(" ", text[begin:end])]
            done = end
    return "".join([*parts, text[done:]])


def mentions(name: str, text: str) -> Iterator[Span]:
    """Give the places where an identifier stands as a whole, whatever its case."""
    return (match.span() for match in re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE))


@dataclass(frozen=True, slots=True)
class Masking:
    """What is blanked: per question the spans in each document, and all documents as they are then.

    `dropped` are positions of questions whose words stand in too many documents, or in a path, which cannot be
    blanked; nothing was blanked for them.
    """

    spans: Mapping[int, Mapping[int, tuple[Span, ...]]]
    documents: tuple[StoredDocument, ...]
    dropped: frozenset[int]


def mask(store: Store, asked: Sequence[SyntheticQuestion], where: Mapping[Phrase, Occurrences]) -> Masking:
    """Blank everything that would give a question away; `where` its words stand was looked up."""
    return _Masker(store, asked, where).run()


class _Masker:
    def __init__(
        self, store: Store, asked: Sequence[SyntheticQuestion], where: Mapping[Phrase, Occurrences]
    ) -> None:
        self.store = store
        self.asked = asked
        self.where = where
        self.hidden = [hidden(question) for question in asked]
        self.known = store.documents([target.document for question in asked for target in question.targets])

    def run(self) -> Masking:
        spans: dict[int, Mapping[int, tuple[Span, ...]]] = {}
        dropped = set()
        for place, question in enumerate(self.asked):
            where = [self.where[each] for each in self.hidden[place] if each in self.where]
            if self._exposed(question, where):
                dropped.add(place)
            else:
                spans[place] = self._own(question, where)
        return Masking(spans, self._blanked(spans), frozenset(dropped))

    def _exposed(self, question: SyntheticQuestion, where: Sequence[Occurrences]) -> bool:
        """Whether a question cannot be hidden: too many documents to blank, or a path that holds its words."""
        if any(each.in_path or len(each.spans) > MAX_DOCUMENTS for each in where):
            return True
        paths = {
            self.known[target.document].document.path or "" for target in question.targets if target.name
        }
        words = phrase(question.query)
        return any(_holds(phrase(path), words) for path in paths)

    def _own(self, question: SyntheticQuestion, where: Sequence[Occurrences]) -> dict[int, tuple[Span, ...]]:
        """Spans to blank for one question, by document."""
        own: dict[int, set[Span]] = defaultdict(set)
        for each in where:
            for number, found in each.spans.items():
                own[number].update(found)
        for target in question.targets:
            if target.masks or target.name:
                own[target.document].update(target.masks)
            if target.name:
                own[target.document].update(mentions(target.name, self.known[target.document].document.text))
        return {number: tuple(sorted(found)) for number, found in sorted(own.items())}

    def _blanked(self, spans: Mapping[int, Mapping[int, tuple[Span, ...]]]) -> tuple[StoredDocument, ...]:
        """Give the new versions of all documents that any question touches."""
        together: dict[int, set[Span]] = defaultdict(set)
        names: dict[int, set[str]] = defaultdict(set)
        for place, own in spans.items():
            for number, found in own.items():
                together[number].update(found)
            for target in self.asked[place].targets:
                if target.name:
                    names[target.document].add(target.name)
        phrases = Phrases(each for place in spans for each in self.hidden[place])
        documents = self.store.documents(sorted(together))
        return tuple(
            _blanked(documents[number], found, phrases, names[number])
            for number, found in sorted(together.items())
        )


def _holds(words: Phrase, wanted: Phrase) -> bool:
    return any(words[place : place + len(wanted)] == wanted for place in range(len(words) - len(wanted) + 1))


def _blanked(
    stored: StoredDocument, spans: Iterable[Span], phrases: Phrases, names: Iterable[str]
) -> StoredDocument:
    """Blank spans of the text, and what gives a question away in the title and the labels of units."""

    def hide(text: str) -> str:
        found = [span for each in phrases.find(text).values() for span in each]
        return blank(text, [*found, *(span for name in sorted(names) for span in mentions(name, text))])

    before, tree = stored.document, stored.tree
    document = replace(before, text=blank(before.text, spans), title=hide(before.title).rstrip())
    levels = {
        granularity: Level(level.starts, tuple(hide(label) for label in level.labels), level.blocks)
        for granularity, level in tree.levels.items()
    }
    return StoredDocument(stored.number, document, ContainmentTree(tree.length, tree.kind, levels))

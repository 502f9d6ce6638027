"""Blanking what queries were made from: in their documents, and wherever else the same words stand."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tellapart.corpus.types import ContainmentTree, Level
from tellapart.evaluation.generated.sampling import Question
from tellapart.evaluation.generated.types import Span
from tellapart.evaluation.generated.words import Phrase, Phrases, phrase
from tellapart.index.store import Store, StoredDocument
from tellapart.progress import Progress

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


def mask(store: Store, asked: Sequence[Question], progress: Progress) -> Masking:
    """Find everything that would give a question away, and blank it."""
    return _Masker(store, asked, progress).run()


@dataclass(slots=True)
class _Occurrences:
    """Where a phrase stands: spans by document (none where only the title has it), and whether a path has it."""

    spans: dict[int, list[Span]] = field(default_factory=dict)
    in_path: bool = False


class _Masker:
    def __init__(self, store: Store, asked: Sequence[Question], progress: Progress) -> None:
        self.store = store
        self.asked = asked
        self.progress = progress
        self.hidden = [_hidden(question) for question in asked]
        self.known = store.documents([target.document for question in asked for target in question.targets])

    def run(self) -> Masking:
        where = self._search()
        spans: dict[int, Mapping[int, tuple[Span, ...]]] = {}
        dropped = set()
        for place, question in enumerate(self.asked):
            if self._exposed(question, [where[each] for each in self.hidden[place] if each in where]):
                dropped.add(place)
            else:
                spans[place] = self._own(question, [where[p] for p in self.hidden[place] if p in where])
        return Masking(spans, self._blanked(spans), frozenset(dropped))

    def _search(self) -> dict[Phrase, _Occurrences]:
        """Look for every phrase in every document of the corpus."""
        phrases = Phrases(each for hidden in self.hidden for each in hidden)
        where: dict[Phrase, _Occurrences] = defaultdict(_Occurrences)
        with self.progress("looking for repetitions", self.store.count()) as advance:
            for number, path, title, text in self.store.texts():
                for each, found in phrases.find(text).items():
                    where[each].spans[number] = found
                for each in phrases.find(title):
                    where[each].spans.setdefault(number, [])
                for each in phrases.find(path):
                    where[each].in_path = True
                advance(1)
        return dict(where)

    def _exposed(self, question: Question, where: Sequence[_Occurrences]) -> bool:
        """Whether a question cannot be hidden: too many documents to blank, or a path that holds its words."""
        if any(each.in_path or len(each.spans) > MAX_DOCUMENTS for each in where):
            return True
        paths = {
            self.known[target.document].document.path or "" for target in question.targets if target.name
        }
        words = phrase(question.query)
        return any(_holds(phrase(path), words) for path in paths)

    def _own(self, question: Question, where: Sequence[_Occurrences]) -> dict[int, tuple[Span, ...]]:
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


def _hidden(question: Question) -> list[Phrase]:
    """Word sequences that must not stand anywhere: of the query, and of what it was taken from."""
    return sorted({phrase(text) for target in question.targets for text in target.hidden})


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
        granularity: Level(level.starts, tuple(hide(label) for label in level.labels))
        for granularity, level in tree.levels.items()
    }
    return StoredDocument(stored.number, document, ContainmentTree(tree.length, tree.kind, levels))

"""Blanking what queries were made from wherever its words stand, and the proof that nothing of it is left."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tellapart.corpus.document import ContainmentTree, Granularity, Level
from tellapart.corpus.units import contexts
from tellapart.errors import CorruptIndexError
from tellapart.experiments.synthetic.phrases import PHRASE_WORDS, Phrase, Phrases, phrase
from tellapart.experiments.synthetic.queries import QuerySource, Span, SyntheticQueries, SyntheticQuestion
from tellapart.index.reading import DocumentStore
from tellapart.index.store import StoredDocument
from tellapart.progress import Progress

if TYPE_CHECKING:
    from tellapart.engine.facade import Index


@dataclass(slots=True)
class Occurrences:
    """Where a phrase stands: spans by document (none where only the title has it), and whether a path has it."""

    spans: dict[int, list[Span]] = field(default_factory=dict)
    in_path: bool = False


def hidden(question: SyntheticQuestion) -> list[Phrase]:
    """Give the word sequences that must not stand anywhere: of the query, and of what it was taken from."""
    return sorted({phrase(text) for target in question.targets for text in target.hidden})


def occurrences(
    store: DocumentStore, asked: Sequence[SyntheticQuestion], progress: Progress
) -> Mapping[Phrase, Occurrences]:
    """Look for every phrase that must be hidden in every document of the corpus, in one pass."""
    phrases = Phrases(each for question in asked for each in hidden(question))
    where: dict[Phrase, Occurrences] = defaultdict(Occurrences)
    with progress("looking for repetitions", store.count()) as advance:
        for number, path, title, text in store.texts():
            for each, found in phrases.find(text).items():
                where[each].spans[number] = found
            for each in phrases.find(title):
                where[each].spans.setdefault(number, [])
            for each in phrases.find(path):
                where[each].in_path = True
            advance(1)
    return dict(where)


MAX_DOCUMENTS = 10
"""Documents in which a text may stand to be blanked in all of them: more are boilerplate (a licence, a footer), and
each is one more document to index again."""

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


def mask(
    store: DocumentStore, asked: Sequence[SyntheticQuestion], where: Mapping[Phrase, Occurrences]
) -> Masking:
    """Blank everything that would give a question away; `where` its words stand was looked up."""
    return _Blanker(store, asked, where).run()


class _Blanker:
    def __init__(
        self, store: DocumentStore, asked: Sequence[SyntheticQuestion], where: Mapping[Phrase, Occurrences]
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


@dataclass(frozen=True, slots=True)
class Leak:
    """A unit whose indexed text still holds what a query was made from."""

    query: str
    document: str
    granularity: Granularity
    ordinal: int
    text: str


def leaks(made: SyntheticQueries, masked: Index, original: Index) -> tuple[Leak, ...]:
    """Look for every query's blanked texts in all units, contexts included, of all documents they were blanked in.

    Case and white space do not count. This reads what `masked` has in its store and compares texts as such; it
    shares nothing with the search for word sequences that the blanking relies on.
    """
    wanted = _needles(made, original)
    found: list[Leak] = []
    with masked.reading():
        for identifier, needles in sorted(wanted.items()):
            stored = masked.store.document(identifier)
            if stored is None:
                raise CorruptIndexError(f"document {identifier!r} is missing from {masked.folder}")
            found += _in_document(stored, needles)
    return tuple(sorted(found, key=lambda leak: (leak.query, leak.document, leak.granularity, leak.ordinal)))


def _needles(made: SyntheticQueries, original: Index) -> Mapping[str, dict[str, set[str]]]:
    """Texts that must be gone, by document and query: what was blanked there, and the query itself."""
    wanted: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    texts: dict[str, str] = {}
    with original.reading():
        for query, blanks in made.blanks.items():
            for blank in blanks:
                if blank.document not in texts:
                    stored = original.store.document(blank.document)
                    texts[blank.document] = stored.document.text if stored else ""
                needles = wanted[blank.document][query]
                needles.add(_normal(texts[blank.document][blank.start : blank.end]))
                if _hides_words(made, query):
                    needles.add(_normal(made.query_set.queries[query]))
    return wanted


def _hides_words(made: SyntheticQueries, query: str) -> bool:
    """Whether the query's own words had to be blanked: those of an identifier may stand apart anywhere."""
    words = phrase(made.query_set.queries[query])
    return made.query_set.source(query) != QuerySource.IDENTIFIER and len(words) >= PHRASE_WORDS


def _in_document(stored: StoredDocument, needles: Mapping[str, set[str]]) -> Iterator[Leak]:
    document, tree = stored.document, stored.tree
    wanted = {
        query: [
            (each, re.compile(rf"(?<!\w){re.escape(each)}(?!\w)")) for each in sorted(texts) if phrase(each)
        ]
        for query, texts in needles.items()
    }
    for granularity in tree.levels:
        around = contexts(document, tree, granularity)
        for ordinal, (start, end) in enumerate(tree.spans(granularity)):
            text = _normal(f"{around[ordinal]}\n{document.text[start:end]}")
            for query, those in wanted.items():
                if any(each in text and pattern.search(text) for each, pattern in those):
                    yield Leak(query, document.id, granularity, ordinal, text)


def _normal(text: str) -> str:
    return " ".join(text.casefold().split())

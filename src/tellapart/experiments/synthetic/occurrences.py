"""Where else in the corpus the words of queries stand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tellapart.experiments.synthetic.sampling import SyntheticQuestion
from tellapart.experiments.synthetic.types import Span
from tellapart.experiments.synthetic.words import Phrase, Phrases, phrase
from tellapart.index.store import Store
from tellapart.progress import Progress


@dataclass(slots=True)
class Occurrences:
    """Where a phrase stands: spans by document (none where only the title has it), and whether a path has it."""

    spans: dict[int, list[Span]] = field(default_factory=dict)
    in_path: bool = False


def hidden(question: SyntheticQuestion) -> list[Phrase]:
    """Give the word sequences that must not stand anywhere: of the query, and of what it was taken from."""
    return sorted({phrase(text) for target in question.targets for text in target.hidden})


def occurrences(
    store: Store, asked: Sequence[SyntheticQuestion], progress: Progress
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

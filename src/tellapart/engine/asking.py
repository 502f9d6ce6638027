"""From a plan to what each granularity is asked: words, vectors and examples of a request over one snapshot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import KIND_OF, Granularity, Kind
from tellapart.corpus.places import offset_of_line
from tellapart.corpus.readers.extracted import NotReadableError
from tellapart.encoders.protocol import Encoder, OfImages, Vectors
from tellapart.engine.examples import ExampleSet, vectors_of
from tellapart.engine.planning import IMAGES, SearchPlan
from tellapart.engine.regex import count_matches
from tellapart.errors import TellapartError
from tellapart.index.lexical import analyse_query
from tellapart.index.reading import DocumentStore
from tellapart.index.snapshot import Snapshot, UnitTable
from tellapart.rankers.query import Examples, Query, Ranker, Units
from tellapart.rankers.registry import LEXICAL_ONLY, make_ranker

WORDS_OF_EXAMPLES = 64
"""How many of the words that examples share ask for units like them. About as many as a paragraph
has; with half and twice .0015 nDCG@10 less, which is not significant (bench/constants.py)."""

READS_WORDS = frozenset({*LEXICAL_ONLY, "hybrid", "rrf"})

LoadEncoder = Callable[[str, str], Encoder]
"""Loads an encoder by name and fingerprint."""


@dataclass(frozen=True, slots=True)
class LevelQuery:
    """One query put to the units of one granularity; `matches` (rows,) counts those of a regular expression."""

    granularity: Granularity
    table: UnitTable
    query: Query
    units: Units
    ranker: Ranker
    matches: NDArray[np.int32] | None = None


class QueryBuilder:
    """Makes what each granularity of a plan is asked; `load` gives the encoders of the index."""

    def __init__(self, snapshot: Snapshot, store: DocumentStore, load: LoadEncoder, plan: SearchPlan) -> None:
        self.snapshot = snapshot
        self.store = store
        self.load = load
        self.plan = plan
        levels = plan.configuration.granularities
        self._lexical = dict(zip(levels, snapshot.lexical_together(levels), strict=True))

    def for_text(self, text: str, where: Sequence[str] = (), regex: str | None = None) -> list[LevelQuery]:
        """Put a text query to every granularity, restricted to documents that meet all conditions.

        `regex` restricts it to units in which it matches.
        """
        ((_, queries),) = self.for_texts({"": text}, where)
        return queries if regex is None else self._matching(queries, regex, where)

    def _matching(self, queries: list[LevelQuery], regex: str, where: Sequence[str]) -> list[LevelQuery]:
        levels = [each.granularity for each in queries]
        numbers = self.store.matching(where) if where else None
        counts = count_matches(regex, self.snapshot, self.store, levels, numbers)
        return [
            replace(
                each,
                units=replace(each.units, allowed=counts[each.granularity] > 0),
                matches=counts[each.granularity],
            )
            for each in queries
        ]

    def for_texts(
        self, texts: Mapping[str, str], where: Sequence[str] = ()
    ) -> Iterator[tuple[str, list[LevelQuery]]]:
        """Put many text queries, encoded together."""
        numbers = self.store.matching(where) if where else None
        vectors = self._encoded(list(texts.values()))
        for position, (name, text) in enumerate(texts.items()):
            vector = None if vectors is None else vectors[position]
            yield (
                name,
                [
                    self._level_query(
                        level, Query(self._terms(text, level), vector, text=text), numbers, "knn"
                    )
                    for level in self.plan.configuration.granularities
                ],
            )

    def for_examples(self, examples: ExampleSet, text: str | None, where: Sequence[str]) -> list[LevelQuery]:
        """Put examples, and the text query beside them, to every granularity.

        Raises:
            TellapartError: Every unit is an example, or no example has a vector and there is no text.
        """
        chosen = self.plan.configuration
        numbers = self.store.matching(where) if where else None
        vectors = None if text is None or chosen.granularities == IMAGES else self._encoded([text])
        vector, given = self._vectors(examples, None if vectors is None else vectors[0])
        queries = []
        for level in chosen.granularities:
            own = examples.own_rows(self.snapshot, level)
            words = self._words(examples, text, level) if chosen.ranker in READS_WORDS else ()
            query = Query(words, vector, own, given)
            queries.append(self._level_query(level, query, numbers, self.plan.by_examples))
        _refuse_nothing_left(queries)
        return queries

    def _terms(self, text: str, level: Granularity) -> tuple[str, ...]:
        return terms_of(text, KIND_OF[level], self.snapshot.languages)

    def _level_query(
        self, level: Granularity, query: Query, numbers: list[int] | None, vector_side: str
    ) -> LevelQuery:
        """Put a query to one granularity, restricted to documents given by number.

        `vector_side` names what fusions put beside the words.
        """
        chosen = self.plan.configuration
        table = self.snapshot.units(level)
        units = Units(
            granularity=level,
            n_rows=table.n_rows,
            lexical=self._lexical[level],
            vectors=None if chosen.encoder is None else self.snapshot.vectors(chosen.encoder, level),
            alive=table.alive,
            allowed=None if numbers is None else table.rows_of(numbers),
            offsets=table.offsets,
            names=self.snapshot.names if chosen.ranker == "structure" else None,
            at_line=partial(_unit_at_line, self.store, table, level),
        )
        of_text = (
            chosen.encoder if vector_side == "knn" else None
        )  # weights for examples were not measured anew
        ranker = make_ranker(
            chosen.ranker, KIND_OF[level], chosen.parameters, encoder=of_text, vector_side=vector_side
        )
        return LevelQuery(level, table, query, units, ranker)

    def _encoded(self, texts: Sequence[str]) -> Vectors | None:
        """Encode queries (n, dim); None where the plan looks at words only."""
        name = self.plan.configuration.encoder
        if name is None:
            return None
        return self.load(name, self.snapshot.encoders[name].fingerprint).encode_query(texts)

    def _vectors(
        self, examples: ExampleSet, vector: NDArray[np.float32] | None
    ) -> tuple[NDArray[np.float32] | None, Examples | None]:
        encoder = self.plan.configuration.encoder
        if encoder is None:
            return None, None
        liked = self._with_outside(vectors_of(self.snapshot, encoder, examples.liked), examples.liked_outside)
        unliked = self._with_outside(
            vectors_of(self.snapshot, encoder, examples.unliked), examples.unliked_outside
        )
        seen = (len(liked) == 0 or liked.any()) and (len(unliked) == 0 or unliked.any())
        if not seen:
            raise TellapartError(
                f"no example has a vector of {encoder} (it says nothing to that encoder): choose another example"
            )
        if vector is None and len(liked) == 1 and not len(unliked):
            return liked[0], None  # so that a nearest neighbour's score is a cosine
        return vector, Examples(liked, unliked)

    def _with_outside(self, vectors: Vectors, files: Sequence[Path]) -> Vectors:
        """Add the vectors of images outside the index."""
        if not files:
            return vectors
        name = str(self.plan.configuration.encoder)
        encoder = self.load(name, self.snapshot.encoders[name].fingerprint)
        if not isinstance(encoder, OfImages):
            raise TellapartError(
                f"{files[0]} is an image, but {name} encodes texts: choose an encoder that sees images (--encoder)"
            )
        return np.concatenate([vectors, encoder.encode_images([_pixels(encoder, file) for file in files])])

    def _words(self, examples: ExampleSet, text: str | None, level: Granularity) -> tuple[str, ...]:
        """Words of the query and of the examples: those of most examples first, rare ones before common.

        A word counts as often as examples have it, a word of the query as if all had it. What a
        counter-example says too tells nothing apart, and is left out.
        """
        kind = KIND_OF[level]
        asked = () if text is None else self._terms(text, level)
        liked = examples.texts(examples.liked)
        shared = _shared_words(liked, kind)
        for word in {*asked, *_shared_words(examples.texts(examples.unliked), kind)}:
            shared.pop(word, None)
        frequency = self.snapshot.lexical(level).document_frequency
        # What only the examples have finds nothing else.
        known = [word for word in shared if frequency(word) > shared[word]]
        known.sort(key=lambda word: (-shared[word], frequency(word), word))
        repeated = [word for word in known[:WORDS_OF_EXAMPLES] for _ in range(shared[word])]
        return (*asked * max(len(liked), 1), *repeated)


def _unit_at_line(
    store: DocumentStore, table: UnitTable, level: Granularity, position: int, line: int
) -> int | None:
    number = table.documents.item(position)
    stored = store.documents([number])[number]
    offset = offset_of_line(stored.document, line) if line >= 1 else None
    return None if offset is None else stored.tree.at(level, min(offset, len(stored.document.text) - 1))


def terms_of(text: str, kind: Kind, languages: Sequence[str] = ()) -> tuple[str, ...]:
    """Cut a query into the words of one kind of document; `languages` are those of the documents."""
    return tuple(analyse_query(text, kind, languages))


def _pixels(encoder: OfImages, file: Path) -> NDArray[np.uint8]:
    from tellapart.index.image_vectors import pixels_for

    try:
        return pixels_for(encoder, file)
    except NotReadableError as error:
        raise TellapartError(f"{file}: {error}; give another example") from error


def _shared_words(texts: Sequence[str], kind: Kind) -> Counter[str]:
    """In how many of the texts each word stands."""
    return Counter(word for text in texts for word in set(terms_of(text, kind)))


def _refuse_nothing_left(queries: Sequence[LevelQuery]) -> None:
    for each in queries:
        alive = each.units.alive
        own = np.array(each.query.own_rows, dtype=np.int64)
        examples = len(own) if alive is None else int(np.count_nonzero(alive[own]))
        if each.table.n_alive > examples:
            return
    raise TellapartError("every unit is an example: nothing is left to find; name fewer, or a larger index")

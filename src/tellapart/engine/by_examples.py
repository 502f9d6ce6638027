"""A search by examples: which ranker answers it, and what it asks of each granularity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.readers.types import NotReadableError
from tellapart.corpus.types import KIND_OF, Granularity, Kind
from tellapart.encoders.protocol import OfImages, Vectors
from tellapart.engine.advice import Answer, kept_advice
from tellapart.engine.configuration import Configuration
from tellapart.engine.examples import ExampleSet, vectors_of
from tellapart.engine.planning import AUTO, RELATED_TERMS, Plan, Planner, Question, terms_of
from tellapart.errors import TellapartError
from tellapart.index.snapshot import Snapshot
from tellapart.index.store import Store
from tellapart.index.where import matching_documents
from tellapart.rankers.query import Examples, Query
from tellapart.rankers.registry import LEXICAL_ONLY, Parameters

VECTOR_SIDE = "ridge"
"""Ranks by examples unless this corpus was measured to want another: three examples of judged documents found .033
nDCG@10 more than their mean, and beside a query .027 more than Rocchio (docs/svm.md)."""

REFUSED_SIDE = "rocchio"
"""Ranks by examples where that was measured to find less than k-NN."""

IMAGES = (Granularity.IMAGE,)
READS_WORDS = frozenset({*LEXICAL_ONLY, "hybrid", "rrf"})


def plan_by_examples(
    planner: Planner,
    store: Store,
    ranker: str,
    granularity: str | None,
    encoder: str | None,
    parameters: Parameters,
    *,
    text: bool,
    single: bool = False,
) -> Plan:
    """Choose what the user left open in a search that has examples, beside a `text` query or without one.

    With a text its words count too (hybrid); examples alone are ranked by their vectors. A verdict on images was
    measured with a `single` one as example, and is followed to the letter then.
    """
    if ranker != AUTO:
        return planner.default(ranker, granularity, encoder, parameters, examples=True)
    plan = planner.plan(AUTO, granularity, encoder, parameters)
    if plan.configuration.encoder is None:  # a verdict for words alone knows nothing of examples
        plan = planner.default(AUTO, granularity, encoder, parameters)
    chosen = plan.configuration
    if chosen.encoder is None or (single and planner.follows(plan) and chosen.granularities == IMAGES):
        return plan
    side, why = vector_side(planner.snapshot, store, chosen)
    ranker = "hybrid" if text else side
    if text:
        why = f"{why}: words, and {side} for the examples"
    return Plan(Configuration(chosen.encoder, chosen.granularities, ranker, parameters), why)


def vector_side(snapshot: Snapshot, store: Store, chosen: Configuration) -> tuple[str, str]:
    """Name the ranker of vectors that examples are given to, and say why; what was measured here decides.

    Where granularities disagree nothing is told.
    """
    if chosen.encoder is None:
        return VECTOR_SIDE, "no vectors are used"
    kept = [
        kept_advice(store, snapshot.encoders, VECTOR_SIDE, chosen.encoder, level)
        for level in chosen.granularities
    ]
    decided = [each for each in kept if each is not None and each.answer is not Answer.UNKNOWN]
    if len({each.answer for each in decided}) != 1:
        return VECTOR_SIDE, "the default with examples"
    first = decided[0]
    side = VECTOR_SIDE if first.answer is Answer.YES else REFUSED_SIDE
    interval = f"{first.difference:+.3f} nDCG@10 [{first.low:+.3f}, {first.high:+.3f}]"
    return side, f"inspect measured {VECTOR_SIDE} - knn with examples on this corpus, {interval}"


class ExampleQuestions:
    """Turns examples, and the text query beside them, into questions over one snapshot."""

    def __init__(self, planner: Planner, store: Store, plan: Plan, examples: ExampleSet) -> None:
        self.planner = planner
        self.snapshot: Snapshot = planner.snapshot
        self.store = store
        self.plan = plan
        self.examples = examples

    def ask(self, text: str | None, where: Sequence[str]) -> list[Question]:
        """Put the search to every granularity of the plan.

        Raises:
            TellapartError: every unit is an example, or no example has a vector and there is no text.
        """
        numbers = matching_documents(self.store, where) if where else None
        words_only = text is None or self.plan.configuration.granularities == IMAGES
        vector = None if words_only else self.planner.vector(self.plan, str(text))
        vector, examples = self._vectors(vector)
        side, _ = vector_side(self.snapshot, self.store, self.plan.configuration)
        questions = []
        for level in self.plan.configuration.granularities:
            own = self.examples.own_rows(self.snapshot, level)
            words = self._words(text, level) if self.plan.configuration.ranker in READS_WORDS else ()
            query = Query(words, vector, own, examples)
            questions.append(self.planner.question(self.plan, level, query, numbers, side))
        _refuse_nothing_left(questions)
        return questions

    def _vectors(self, vector: np.ndarray | None) -> tuple[np.ndarray | None, Examples | None]:
        encoder = self.plan.configuration.encoder
        if encoder is None:
            return None, None
        examples = self.examples
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
        encoder = self.planner.load(name, self.snapshot.encoders[name].fingerprint)
        if not isinstance(encoder, OfImages):
            raise TellapartError(
                f"{files[0]} is an image, but {name} encodes texts: choose an encoder that sees images (--encoder)"
            )
        return np.concatenate([vectors, encoder.encode_images([_pixels(encoder, file) for file in files])])

    def _words(self, text: str | None, level: Granularity) -> tuple[str, ...]:
        """Words of the query and of the examples: those of most examples first, rare ones before common.

        A word counts as often as examples have it, a word of the query as if all had it. What a
        counter-example says too tells nothing apart, and is left out.
        """
        kind = KIND_OF[level]
        asked = () if text is None else terms_of(text, kind)
        liked = self.examples.texts(self.examples.liked)
        shared = _shared_words(liked, kind)
        for word in {*asked, *_shared_words(self.examples.texts(self.examples.unliked), kind)}:
            shared.pop(word, None)
        frequency = self.snapshot.lexical(level).document_frequency
        known = [word for word in shared if frequency(word)]
        known.sort(key=lambda word: (-shared[word], frequency(word), word))
        repeated = [word for word in known[:RELATED_TERMS] for _ in range(shared[word])]
        return (*asked * max(len(liked), 1), *repeated)


def _pixels(encoder: OfImages, file: Path) -> NDArray[np.uint8]:
    from tellapart.index.image_vectors import pixels_for

    try:
        return pixels_for(encoder, file)
    except NotReadableError as error:
        raise TellapartError(f"{file}: {error}; give another example") from error


def _shared_words(texts: Sequence[str], kind: Kind) -> Counter[str]:
    """In how many of the texts each word stands."""
    return Counter(word for text in texts for word in set(terms_of(text, kind)))


def _refuse_nothing_left(questions: Sequence[Question]) -> None:
    for question in questions:
        alive = question.units.alive
        own = np.array(question.query.own_rows, dtype=np.int64)
        examples = len(own) if alive is None else int(np.count_nonzero(alive[own]))
        if question.table.n_alive > examples:
            return
    raise TellapartError("every unit is an example: nothing is left to find; name fewer, or a larger index")

"""Passages for a language model: what of a corpus belongs to a question, within a number of tokens.

A sentence is scored by itself and by its paragraph, each by what `search` would use (words and vectors where there
are any). The best sentences are taken until the budget is full: a short paragraph comes whole,
small gaps inside a paragraph are closed, and sentences that follow each other become one passage. Code is taken by
functions. docs/benchmarks/context.md compares this with fixed windows and with what others do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from tellapart.arguments import whole_number
from tellapart.corpus.document import KIND_OF, LEVELS, Granularity, Kind
from tellapart.corpus.places import place_of
from tellapart.engine import Configuration, Hit, Index, SearchResult
from tellapart.engine.asking import LevelQuery
from tellapart.engine.packing import TOKENIZER, Piece, PieceRun, count_tokens, count_tokens_of, pack
from tellapart.engine.relevance import GIVEN_AN_ANSWER, nothing_relevant
from tellapart.engine.request import SearchRequest
from tellapart.errors import TellapartError
from tellapart.index.snapshot import Snapshot
from tellapart.index.store import StoredDocument

FEWEST_TOKENS = 50

FINE_DEPTH, COARSE_DEPTH = 400, 100
"""How many sentences and paragraphs are ranked; what is not among them gets the lowest score of its list. Half of both
changed recall at 1,000 tokens by less than .001 on chunking_evaluation."""

LOOKED_AT = 5
"""Hits by which the corpus is judged to hold an answer."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document; `number` is what an answer cites.

    `span` counts code points of the document's text, end exclusive; `lines` count from 1, inclusive; `place` is
    where a person finds it (path:lines, or a page, cell or row). `score` orders passages; `probability` is None until
    scores are calibrated.
    """

    number: int
    document: str
    path: str | None
    place: str
    span: tuple[int, int]
    lines: tuple[int, int]
    text: str
    tokens: int
    score: float
    probability: float | None


@dataclass(frozen=True, slots=True)
class Context:
    """What to give a language model for a question.

    `tokens` is the size of `text`, counted with `tokenizer`, and at most `limit`. `absent` says why nothing in the
    corpus answers, and is None otherwise; there are no passages then. `nearest` are the best hits in any case.
    `partial` says which shards of a published index did not answer, None where all did.
    """

    query: str
    passages: tuple[Passage, ...]
    tokens: int
    limit: int
    tokenizer: str
    configuration: Configuration
    why: str
    absent: str | None
    nearest: tuple[Hit, ...]
    partial: str | None = None

    @property
    def text(self) -> str:
        """The passages with their numbers and places, as they are counted."""
        return "\n\n".join(rendered(each.number, each.place, each.text) for each in self.passages)


def rendered(number: int, place: str, text: str) -> str:
    """Write a passage below its number and place."""
    return f"[{number}] {place}\n{text}"


def choose_context(
    index: Index, query: str, *, tokens: int, where: Sequence[str] = (), always: bool = False
) -> Context:
    """Choose passages for a question: what `Index.context` does, which says more."""
    if whole_number(tokens, "tokens") < FEWEST_TOKENS:
        raise TellapartError(f"tokens is {tokens}: give at least {FEWEST_TOKENS}, room for one passage")
    with index.reading() as snapshot:
        found = index.search(query, k=LOOKED_AT, where=where)
        absent = nothing_relevant(index, found)
        levels = _levels(snapshot, found.configuration)
        if not found.hits or not levels or (absent is not None and not always):
            return _made(found, query, (), tokens, absent)
        chosen = found.configuration
        ranker = chosen.ranker
        if ranker == GIVEN_AN_ANSWER:  # it orders files, and passages are of any size
            ranker = "hybrid" if chosen.encoder else "bm25"
        plan, asked = index.level_queries(
            snapshot,
            SearchRequest(
                query,
                ranker=ranker,
                granularity="+".join(levels),
                encoder=chosen.encoder,
                where=tuple(where),
                parameters=chosen.parameters,
            ),
        )
        runs = pack(_pieces(index, asked), tokens)
        return _made(replace(found, configuration=plan.configuration), query, runs, tokens, absent)


def _levels(snapshot: Snapshot, chosen: Configuration) -> list[Granularity]:
    """Levels that passages are made of, among those that the search can look at."""
    made_of = (Granularity.SENTENCE, Granularity.PARAGRAPH, Granularity.FUNCTION)
    levels: list[Granularity] = [
        level
        for level in made_of
        if level in snapshot.granularities
        and (chosen.encoder is None or snapshot.has_vectors(chosen.encoder, level))
    ]
    return levels or [level for level in chosen.granularities if level is not Granularity.IMAGE]


@dataclass(frozen=True, slots=True)
class LevelScores:
    """Scores of the best units of one level by document number and ordinal; all others score `floor` at most."""

    level: Granularity
    scores: Mapping[tuple[int, int], float]
    floor: float

    def of(self, number: int, ordinal: int) -> float:
        """Score of a unit."""
        return self.scores.get((number, ordinal), self.floor)


def _scored(question: LevelQuery, depth: int) -> LevelScores:
    spreads = question.ranker.spreads(question.query, question.units)
    ranking = question.ranker.rank(question.query, question.units, depth, spreads or None)
    numbers, ordinals = question.table.locate(ranking.rows)
    scores = {
        (int(number), int(ordinal)): float(score)
        for number, ordinal, score in zip(numbers, ordinals, ranking.scores, strict=True)
    }
    floor = min(scores.values(), default=0.0)
    own = spreads.get(question.ranker.name)
    if len(scores) < depth and own is not None and own.std > 0:  # the others share no word with the query
        floor = -own.mean / own.std
    return LevelScores(question.granularity, scores, floor)


def _pieces(index: Index, questions: Sequence[LevelQuery]) -> list[Piece]:
    """Score what passages can be made of: the finest units, with their paragraphs."""
    pieces: list[Piece] = []
    for kind in (Kind.PROSE, Kind.CODE):
        own = [question for question in questions if KIND_OF[question.granularity] is kind]
        if not own:
            continue
        order = LEVELS[kind]
        own.sort(key=lambda question: order.index(question.granularity))
        fine, coarse = _scored(own[0], FINE_DEPTH), _scored(own[-1], COARSE_DEPTH)
        numbers = dict.fromkeys(number for number, _ in [*coarse.scores, *list(fine.scores)[:COARSE_DEPTH]])
        for stored in index.store.documents(list(numbers)).values():
            pieces += _of_document(stored, fine, coarse)
    counts = count_tokens_of([piece.text for piece in pieces])
    return [replace(piece, tokens=count) for piece, count in zip(pieces, counts, strict=True)]


def _of_document(stored: StoredDocument, fine: LevelScores, coarse: LevelScores) -> list[Piece]:
    tree, text = stored.tree, stored.document.text
    spans = list(tree.spans(fine.level))
    groups = [tree.at(coarse.level, start) for start, _ in spans]
    pieces = []
    for ordinal, ((start, end), group) in enumerate(zip(spans, groups, strict=True)):
        known = (stored.number, group) in coarse.scores or (stored.number, ordinal) in fine.scores
        if known and text[start:end].strip():
            score = fine.of(stored.number, ordinal) + coarse.of(stored.number, group)
            pieces.append(Piece(stored, ordinal, group, start, end, score))
    return pieces


def _made(
    found: SearchResult, query: str, runs: Sequence[PieceRun], limit: int, absent: str | None
) -> Context:
    """Number the passages, best first; the last ones go until the text keeps to the limit."""
    passages = [_passage(number, run, found.hits) for number, run in enumerate(runs, start=1)]
    about = TOKENIZER, found.configuration, found.why, absent, tuple(found.hits), found.partial
    made = Context(query, tuple(passages), 0, limit, *about)
    size = count_tokens(made.text)
    while size > limit and made.passages:
        made = replace(made, passages=made.passages[:-1])
        size = count_tokens(made.text)
    return replace(made, tokens=size)


def _passage(number: int, run: PieceRun, hits: Sequence[Hit]) -> Passage:
    document = run.stored.document
    start, end = run.span
    place = place_of(document, start, end)
    known = [
        hit.probability
        for hit in hits
        if hit.probability is not None
        and hit.document == document.id
        and hit.span[0] < end
        and start < hit.span[1]
    ]
    text = document.text[start:end]
    lines = place.lines or (1, 1)
    plain = place.lines is not None and not (place.pages or place.cells or place.rows)
    where = f"{document.id}:{lines[0]}-{lines[1]}" if plain else f"{document.id}, {place}"
    return Passage(
        number=number,
        document=document.id,
        path=document.path,
        place=where,
        span=(start, end),
        lines=lines,
        text=text,
        tokens=count_tokens(text),
        score=run.score,
        probability=max(known, default=None),
    )


def context_json(given: Context) -> dict[str, Any]:
    """Give a context in the documented shape."""
    return {
        "query": given.query,
        "configuration": given.configuration.name,
        "why": given.why,
        "absent": given.absent,
        "partial": given.partial,
        "tokens": given.tokens,
        "limit": given.limit,
        "tokenizer": given.tokenizer,
        "passages": [asdict(passage) for passage in given.passages],
        "text": given.text,
    }

"""What `auto` means: from a user's wishes to one configuration and the questions it asks of the index."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tellapart.corpus.types import KIND_OF, LEVELS, Granularity, Kind
from tellapart.encoders.load import PIXELS
from tellapart.encoders.protocol import Encoder
from tellapart.engine.configuration import Configuration, parse_granularities, present_levels
from tellapart.engine.kept import KeptVerdict, Standing
from tellapart.errors import TellapartError
from tellapart.index.latent import LSA
from tellapart.index.lexical import analyse_query
from tellapart.index.snapshot import Snapshot, UnitTable
from tellapart.index.store import Store, StoredDocument
from tellapart.index.where import matching_documents
from tellapart.rankers.query import Query, Ranker, Units
from tellapart.rankers.registry import EXAMPLE_RANKERS, LEXICAL_ONLY, RANKERS, Parameters, make_ranker

AUTO = "auto"
PREFERRED_ENCODER = "minilm"
WEIGHTLESS = frozenset({LSA, PIXELS})

RELATED_TERMS = 64
"""How many of a unit's rarest words ask for units like it. Our choice, not measured: a paragraph has about as many."""

LoadEncoder = Callable[[str, str], Encoder]


@dataclass(frozen=True, slots=True)
class Plan:
    """The configuration a search uses, and why it was chosen."""

    configuration: Configuration
    why: str


@dataclass(frozen=True, slots=True)
class Question:
    """One query put to one granularity."""

    granularity: Granularity
    table: UnitTable
    query: Query
    units: Units
    ranker: Ranker


class Planner:
    """Turns wishes into questions over one snapshot.

    What a user leaves open follows the verdict kept in the index, unless it is stale (`standing`).
    """

    def __init__(self, snapshot: Snapshot, load: LoadEncoder, standing: Standing | None = None) -> None:
        self.snapshot = snapshot
        self.load = load
        self.standing = standing

    def plan(self, ranker: str, granularity: str | None, encoder: str | None, parameters: Parameters) -> Plan:
        """Choose what the user left open."""
        if self.standing is None or (ranker, granularity, encoder) != (AUTO, None, None):
            return self.default(ranker, granularity, encoder, parameters)
        if self.standing.stale is None:
            return _followed(self.standing.verdict, parameters)
        plan = self.default(ranker, granularity, encoder, parameters)
        kept = self.standing.verdict.configuration.name
        why = f"{plan.why}; the verdict for {kept} is stale ({self.standing.stale}): run 'tellapart evaluate'"
        return Plan(plan.configuration, why)

    def follows(self, plan: Plan) -> bool:
        """Whether a plan is what the verdict says."""
        return (
            self.standing is not None
            and self.standing.stale is None
            and replace(plan.configuration, parameters=Parameters())
            == replace(self.standing.verdict.configuration, parameters=Parameters())
        )

    def plan_text(
        self, ranker: str, granularity: str | None, encoder: str | None, parameters: Parameters
    ) -> Plan:
        """Choose what the user left open in a search by words: no encoder of images understands them."""
        plan = self.plan(ranker, granularity, encoder, parameters)
        chosen = plan.configuration
        if chosen.granularities != (Granularity.IMAGE,) or (ranker, encoder) != (AUTO, None):
            return plan
        return Plan(
            Configuration(None, chosen.granularities, "bm25", parameters),
            "of images only paths and captions have words: give an image as example (--like)",
        )

    def default(
        self,
        ranker: str,
        granularity: str | None,
        encoder: str | None,
        parameters: Parameters,
        *,
        examples: bool = False,
    ) -> Plan:
        """Choose what the user left open as if nothing had ever been evaluated; some rankers need `examples`."""
        known = (AUTO, *RANKERS, *EXAMPLE_RANKERS) if examples else (AUTO, *RANKERS)
        if ranker in EXAMPLE_RANKERS and not examples:
            raise TellapartError(f"the ranker {ranker} ranks by examples: name some with --like")
        if ranker not in known:
            more = "" if examples else f"; with --like: {', '.join(EXAMPLE_RANKERS)}"
            raise TellapartError(f"unknown ranker {ranker!r}: choose one of {', '.join(known)}{more}")
        asked = parse_granularities(granularity) if granularity else ()
        if encoder and encoder not in self.snapshot.encoders:
            raise self.snapshot.unknown_encoder(encoder)
        if not self.snapshot.granularities:
            return Plan(Configuration(None, (), "bm25", parameters), "the index is empty")
        covered = self.snapshot.encoders[encoder].granularities if encoder and not asked else ()
        levels = present_levels(asked, covered or self.snapshot.granularities)
        if ranker in LEXICAL_ONLY:
            if encoder:
                raise TellapartError(f"the ranker {ranker} uses no encoder: leave out --encoder {encoder}")
            return Plan(Configuration(None, levels, ranker, parameters), "asked for")
        chosen = encoder or self._covering(levels)
        if ranker == AUTO:
            return self._auto(levels, chosen, parameters)
        if chosen is None:
            raise TellapartError(
                f"the ranker {ranker} needs vectors, which this index does not have:"
                f" add them with 'tellapart index --encoder {PREFERRED_ENCODER} --index {self.snapshot.folder}'"
            )
        return Plan(Configuration(chosen, levels, ranker, parameters), "asked for")

    def _auto(self, levels: tuple[Granularity, ...], encoder: str | None, parameters: Parameters) -> Plan:
        if encoder is None:
            return Plan(Configuration(None, levels, "bm25", parameters), "no vectors in this index")
        why = "the default: words and vectors together"
        return Plan(Configuration(encoder, levels, "hybrid", parameters), why)

    def plan_related(
        self, stored: StoredDocument, at_line: bool, ranker: str, granularity: str | None, encoder: str | None
    ) -> Plan:
        """Choose how to find units like a given one: by vectors where there are any."""
        if granularity is None and not at_line:
            granularity = LEVELS[stored.tree.kind][-1]
        plan = self.default(ranker, granularity, encoder, Parameters())
        if ranker != AUTO or plan.configuration.encoder is None:
            return plan
        return Plan(
            Configuration(plan.configuration.encoder, plan.configuration.granularities, "knn"),
            "the default for units like this one",
        )

    def _covering(self, levels: Sequence[Granularity]) -> str | None:
        """Name an encoder that covers all these levels: the bundled one first, those without weights last."""
        names = sorted(
            self.snapshot.encoders, key=lambda name: (name in WEIGHTLESS, name != PREFERRED_ENCODER, name)
        )
        return next((n for n in names if all(self.snapshot.has_vectors(n, level) for level in levels)), None)

    def questions(self, plan: Plan, text: str, store: Store, where: Sequence[str]) -> list[Question]:
        """Put a text query to every granularity of the plan."""
        numbers = matching_documents(store, where) if where else None
        vector = self.vector(plan, text)
        return [
            self.question(plan, level, Query(terms_of(text, KIND_OF[level]), vector), numbers)
            for level in plan.configuration.granularities
        ]

    def batch(self, plan: Plan, queries: Mapping[str, str]) -> Iterator[tuple[str, list[Question]]]:
        """Put many text queries, encoded together."""
        vectors = self._encoded(plan, list(queries.values()))
        for position, (qid, text) in enumerate(queries.items()):
            vector = None if vectors is None else vectors[position]
            yield (
                qid,
                [
                    self.question(plan, level, Query(terms_of(text, KIND_OF[level]), vector), None)
                    for level in plan.configuration.granularities
                ],
            )

    def question(
        self,
        plan: Plan,
        level: Granularity,
        query: Query,
        numbers: list[int] | None,
        vector_side: str = "knn",
    ) -> Question:
        """Put a query to one granularity, restricted to documents given by number.

        `vector_side` names what fusions put beside the words.
        """
        encoder = plan.configuration.encoder
        table = self.snapshot.units(level)
        units = Units(
            n_rows=table.n_rows,
            lexical=self.snapshot.lexical(level),
            vectors=None if encoder is None else self.snapshot.vectors(encoder, level),
            alive=table.alive,
            allowed=None if numbers is None else table.rows_of(numbers),
        )
        chosen = plan.configuration
        ranker = make_ranker(chosen.ranker, KIND_OF[level], chosen.parameters, vector_side=vector_side)
        return Question(level, table, query, units, ranker)

    def vector(self, plan: Plan, text: str) -> np.ndarray | None:
        """Encode one query (d,); None where the plan looks at words only."""
        vectors = self._encoded(plan, [text])
        return None if vectors is None else np.asarray(vectors[0])

    def _encoded(self, plan: Plan, texts: Sequence[str]) -> np.ndarray | None:
        name = plan.configuration.encoder
        if name is None:
            return None
        return self.load(name, self.snapshot.encoders[name].fingerprint).encode_query(texts)


def _followed(verdict: KeptVerdict, parameters: Parameters) -> Plan:
    """Take the verdict's configuration; parameters that the user gave win over tuned ones."""
    chosen = verdict.configuration
    return Plan(
        replace(chosen, parameters=parameters.over(chosen.parameters)),
        f"the verdict of {verdict.made[:10]}: {verdict.reason}",
    )


def terms_of(text: str, kind: Kind) -> tuple[str, ...]:
    """Cut a query into the words of one kind of document."""
    return tuple(analyse_query(text, kind))

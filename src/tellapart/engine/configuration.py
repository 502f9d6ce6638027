"""A configuration: encoder x granularity x ranker, as a value with a readable name."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from tellapart.arguments import need
from tellapart.corpus.document import KIND_OF, Granularity, Kind
from tellapart.errors import TellapartError
from tellapart.rankers.registry import LEXICAL_ONLY, RANKERS, WITHOUT_VECTORS, Parameters

BETWEEN_LEVELS = "+"
WHOLE = (Granularity.DOCUMENT, Granularity.FILE)
"""A file is a document: asking for either kind's whole documents by `document` finds both."""

PARAMETERS = frozenset(each.name for each in fields(Parameters)) - {"rerank"}
"""Parameters that stand in brackets behind a name; a cross-encoder is a part of the name."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """How a query is answered; `encoder` is None for rankers that look at words only."""

    encoder: str | None
    granularities: tuple[Granularity, ...]
    ranker: str
    parameters: Parameters = field(default_factory=Parameters)

    @property
    def granularity(self) -> str:
        """The granularities as users write them."""
        return BETWEEN_LEVELS.join(self.granularities)

    @property
    def name(self) -> str:
        """For example `minilm/paragraph/hybrid`, `paragraph/bm25` or `minilm/paragraph/hybrid+ms-marco-minilm`."""
        ranker = BETWEEN_LEVELS.join(filter(None, (self.ranker, self.parameters.rerank)))
        parts = (self.encoder, self.granularity, ranker)
        return "/".join(part for part in parts if part)

    @property
    def described(self) -> str:
        """The name with the parameters that were set, to six digits: `minilm/paragraph/hybrid (weight 0.5)`."""
        given = self.parameters.shown()
        return f"{self.name} ({given})" if given else self.name

    @classmethod
    def parse(cls, name: str) -> Configuration:
        """Read a name from the right, since an encoder's name may hold slashes itself; parameters stand in brackets."""
        need(name, str, "the configuration", "a name such as minilm/paragraph/hybrid")
        plain, given = _split_parameters(name)
        before, plus, rerank = _split_rerank(plain)
        head, _, ranker = before.rpartition("/")
        encoder, _, granularity = head.rpartition("/")
        if ranker not in RANKERS or not granularity:
            raise TellapartError(
                f"cannot read the configuration {name!r}: write encoder/granularity/ranker,"
                f" for example minilm/paragraph/hybrid or paragraph/bm25"
            )
        if (ranker in LEXICAL_ONLY) if encoder else (ranker not in WITHOUT_VECTORS):
            wanted = f"{granularity}/{ranker}" if encoder else f"ENCODER/{granularity}/{ranker}"
            raise TellapartError(f"cannot read the configuration {name!r}: write {wanted}")
        if plus:
            given["rerank"] = rerank
        parameters = Parameters(**given)
        return cls(encoder or None, parse_granularities(granularity), ranker, parameters)


def _split_parameters(name: str) -> tuple[str, dict[str, Any]]:
    """Cut `(weight 0.5, k1 2)` from behind a name."""
    plain, bracket, rest = name.partition(" (")
    if not bracket:
        return name, {}
    if not rest.endswith(")"):
        raise TellapartError(f"the configuration {name!r} lacks its closing bracket")
    given: dict[str, Any] = {}
    for item in rest.removesuffix(")").split(", "):
        key, _, value = item.partition(" ")
        if key not in PARAMETERS:
            known = ", ".join(sorted(PARAMETERS))
            raise TellapartError(
                f"unknown parameter {key!r} in the configuration {name!r}: choose from {known}"
            )
        try:
            given[key] = value if key == "solver" else int(value) if key == "depth" else float(value)
        except ValueError:
            raise TellapartError(
                f"cannot read {item!r} in the configuration {name!r}: write for example"
                " minilm/paragraph/hybrid (weight 0.5)"
            ) from None
    return plain, given


def _split_rerank(name: str) -> tuple[str, str, str]:
    """Cut the name of a cross-encoder, which may hold slashes, from behind the ranker's."""
    for ranker in RANKERS:
        before, plus, rerank = name.partition(f"/{ranker}{BETWEEN_LEVELS}")
        if plus and rerank:
            return f"{before}/{ranker}", plus, rerank
    return name, "", ""


def parse_granularities(text: str) -> tuple[Granularity, ...]:
    """Read one granularity or several joined by `+`."""
    chosen = []
    for name in text.split(BETWEEN_LEVELS):
        try:
            chosen.append(Granularity(name.strip()))
        except ValueError:
            known = ", ".join(Granularity)
            raise TellapartError(f"unknown granularity {name!r}: choose from {known}") from None
    return tuple(dict.fromkeys(chosen))


def present_levels(
    asked: tuple[Granularity, ...], available: tuple[Granularity, ...]
) -> tuple[Granularity, ...]:
    """Choose among the levels an index has: those asked for, or paragraphs and functions, or else images."""
    if asked:
        wanted = dict.fromkeys(level for each in asked for level in (WHOLE if each is WHOLE[0] else (each,)))
        found = tuple(level for level in wanted if level in available)
        if not found:
            known = ", ".join(available) or "none, it is empty"
            raise TellapartError(f"the index has no {BETWEEN_LEVELS.join(asked)} units (it has: {known})")
        return found
    found = tuple(level for kind in (Kind.PROSE, Kind.CODE) if (level := _default_level(kind, available)))
    return found or tuple(level for level in available if level is Granularity.IMAGE)


def _default_level(kind: Kind, available: tuple[Granularity, ...]) -> Granularity | None:
    """Paragraph or function, or where these were not indexed the nearest larger level, then smaller."""
    order = (
        (Granularity.PARAGRAPH, Granularity.SECTION, Granularity.DOCUMENT, Granularity.SENTENCE)
        if kind is Kind.PROSE
        else (Granularity.FUNCTION, Granularity.CLASS, Granularity.FILE)
    )
    return next((level for level in order if level in available and KIND_OF[level] is kind), None)

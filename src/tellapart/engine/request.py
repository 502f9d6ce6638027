"""A search as a value: what is looked for, how, and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypedDict, Unpack, cast

from tellapart.arguments import Names, names, need, shown, texts, whole_number
from tellapart.errors import TellapartError
from tellapart.rankers.registry import Parameters

AUTO = "auto"
"""The ranker of a user who leaves the choice to tellapart."""

DEFAULT_TOKENS = 1_000
"""Of a context where nobody says how many."""

MAX_QUERY_CHARACTERS = 100_000
"""A longer query is refused: an encoder reads its first 256 tokens, and words beyond this only cost time."""


class _Choices(TypedDict, total=False):
    k: int
    ranker: str
    granularity: str | None
    encoder: str | None


class Wishes(TypedDict, total=False):
    """Keywords that choose a configuration; the fields of `SearchRequest` with the same names say what they mean."""

    ranker: str
    granularity: str | None
    encoder: str | None
    parameters: Parameters | None


class SearchWishes(Wishes, total=False):
    """Keywords of a search beside what is looked for; see `SearchRequest`."""

    k: int
    where: Names


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What to search for, and what the user decided about how; the rest is left to `auto`.

    Attributes:
        query: Text to look for; None to search by examples alone, or where only the other wishes matter.
        like: Examples to be like, each a FILE, FILE:LINE, the id of a unit, or a folder.
        unlike: Counter-examples, given in the same ways.
        k: How many hits.
        ranker: `auto`, or the name of a ranker such as `bm25`, `knn` or `hybrid`.
        granularity: One granularity, or several joined by `+`; None for paragraphs and functions together.
        encoder: Name of an encoder of the index; None for the first that covers the granularities.
        where: Conditions on documents that must all hold, such as `language = 'python'`.
        parameters: Settings of the ranker; None where the defaults are wanted.
        regex: Regular expression (Python's) that must match in a unit; without a query it is what is looked for.

    A single `str` or `Path` may be given for `like`, `unlike` and `where`; the field holds a tuple.

    Raises:
        TellapartError: A field has another type, or a value that no search can have.
    """

    query: str | None = None
    like: tuple[str, ...] = ()
    unlike: tuple[str, ...] = ()
    k: int = 10
    ranker: str = AUTO
    granularity: str | None = None
    encoder: str | None = None
    where: tuple[str, ...] = ()
    parameters: Parameters = field(default_factory=Parameters)
    regex: str | None = None

    def __post_init__(self) -> None:
        for name in ("like", "unlike", "where"):
            object.__setattr__(self, name, names(getattr(self, name), name))
        if self.parameters is None:
            object.__setattr__(self, "parameters", Parameters())
        for name in ("query", "ranker", "granularity", "encoder", "regex"):
            value = getattr(self, name)
            if not isinstance(value, str) and (value is not None or name == "ranker"):
                raise TellapartError(f"{name} is {shown(value)}: give a text")
        need(self.parameters, Parameters, "parameters", "tellapart.Parameters(...)")
        whole_number(self.k, "k", least=1)
        if self.query is not None:
            _check_text(self.query)

    @property
    def examples(self) -> tuple[str, ...]:
        """Names of all examples, liked and unliked."""
        return (*self.like, *self.unlike)

    @property
    def left_open(self) -> bool:
        """Whether words are looked for and the ranker is left to tellapart: who names one wants its scores as is."""
        return self.ranker == AUTO and self.query is not None and self.regex is None

    def check_searchable(self) -> SearchRequest:
        """Give the request back if there is something to search for; raise TellapartError otherwise."""
        if self.regex is not None:
            if self.examples:
                raise TellapartError(
                    "a regular expression cannot be searched beside examples: leave out one of them"
                )
            return self
        if self.query is None and not self.like:
            beside = " beside what it should be unlike" if self.unlike else ""
            raise TellapartError(f"nothing to search for: give a query or an example (--like){beside}")
        return self


def request_of(like: Names = (), **wishes: Unpack[SearchWishes]) -> SearchRequest:
    """Make a request of keywords; one name counts as a list of one."""
    parameters = wishes.pop("parameters", None) or Parameters()
    where = names(wishes.pop("where", ()), "where")
    choices = cast("_Choices", wishes)
    return SearchRequest(like=names(like, "like"), where=where, parameters=parameters, **choices)


def _check_text(query: str) -> None:
    if not query.strip():
        raise TellapartError("the query is empty: give some words to search for")
    if len(query) > MAX_QUERY_CHARACTERS:
        raise TellapartError(
            f"the query has {len(query):,} characters: give at most {MAX_QUERY_CHARACTERS:,}"
        )


def check_queries(queries: Mapping[str, str], depth: int) -> None:
    """Check the queries of a run and how many documents it wants of each.

    Raises:
        TellapartError: They are no mapping from ids to texts, or the depth is no whole number from 1 on.
    """
    need(queries, Mapping, "queries", "a mapping from the id of a query to its text")
    texts(queries.values(), "queries")
    whole_number(depth, "depth", least=1)

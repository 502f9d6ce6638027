"""What a search returns, also as the documented JSON (schema 1, docs/json.md)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from html import escape
from importlib import import_module
from textwrap import dedent
from typing import TYPE_CHECKING, Any, overload

from tellapart.corpus.document import KIND_OF, LEVELS, Granularity, Kind
from tellapart.corpus.places import indent_before, lines, place_of
from tellapart.engine.configuration import Configuration
from tellapart.engine.request import SearchRequest
from tellapart.errors import TellapartError
from tellapart.index.freshness import Freshness
from tellapart.index.store import StoredDocument
from tellapart.rankers.query import Certificate

if TYPE_CHECKING:
    from tellapart.engine.probabilities import HitCalibration

SHOWN_LINES, SHOWN_CHARACTERS = 4, 160
"""Of a hit's text in a notebook."""

HASH_BYTES = 5
"""40 bits tell the units of one document apart: two of a million would share them once in two."""

IDENTIFIER = re.compile(
    r"(?P<document>.*)#(?P<granularity>[a-z]+):(?P<hash>[0-9a-f]{10})(?:-(?P<copy>\d+))?", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Hit:
    """One unit found; `score` orders hits of one search and means nothing beyond that.

    `span` counts code points of the document's text, end exclusive; `lines` count from 1, inclusive;
    `probability`, None where scores are not calibrated, is that of the hit being relevant, for code that
    of its file; `components` says what the score was made of. `place` is where a person finds it in the file:
    "page 3", "row 17", "lines 3-9"; `unit` what a person calls it: its granularity, or `block` for code that is
    no function; `label` its name, as of a function, or its headings. `indent` is the white space that stands before
    the text in its first line, so that `indent + text` lines up as in the file. `copies` are the ids of units with the
    same text that were found too.
    """

    rank: int
    id: str
    document: str
    path: str | None
    granularity: Granularity
    span: tuple[int, int]
    lines: tuple[int, int]
    score: float
    probability: float | None
    text: str
    components: Mapping[str, float] = field(default_factory=dict)
    place: str = ""
    unit: str = ""
    label: str = ""
    indent: str = ""
    copies: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Give the hit in the shape that `search --json` documents (docs/json.md)."""
        return {
            "rank": self.rank,
            "id": self.id,
            "document": self.document,
            "path": self.path,
            "granularity": self.granularity.value,
            "span": list(self.span),
            "lines": list(self.lines),
            "score": self.score,
            "probability": self.probability,
            "text": self.text,
            "components": dict(self.components),
            "place": self.place,
            "unit": self.unit,
            "label": self.label,
            "indent": self.indent,
            "copies": list(self.copies),
        }


@dataclass(frozen=True, slots=True)
class SearchResult(Sequence[Hit]):
    """Hits, best first, with the configuration that found them and why it was chosen.

    `notes` says what a user should know about the answer. `certificates` hold, by granularity, what an
    exact solver proved of its ranking. `freshness` says whether the index still shows the files on disk; None where
    nobody looked.
    `calibration` is what the probabilities come from, None where the index holds
    none for this search. `best_probability` is the highest of the first ten hits, however many were asked for;
    `answered` the probability that the index holds an answer at all, None where no such map was fitted. `partial` says
    which shards of a published index did not answer, None where all did.
    """

    request: SearchRequest
    configuration: Configuration
    why: str
    hits: tuple[Hit, ...]
    notes: tuple[str, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    freshness: Freshness | None = None
    calibration: HitCalibration | None = None
    best_probability: float | None = None
    answered: float | None = None
    partial: str | None = None

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    def __len__(self) -> int:
        return len(self.hits)

    @overload
    def __getitem__(self, position: int) -> Hit: ...

    @overload
    def __getitem__(self, position: slice) -> tuple[Hit, ...]: ...

    def __getitem__(self, position: int | slice) -> Hit | tuple[Hit, ...]:
        return self.hits[position]

    def to_dicts(self) -> list[dict[str, Any]]:
        """Give the hits as dictionaries, in the shape that `search --json` documents (docs/json.md)."""
        return [hit.to_dict() for hit in self.hits]

    def to_frame(self) -> Any:  # noqa: ANN401
        """Give the hits as a data frame, one row each: of pandas if it is installed, else of polars.

        Raises:
            TellapartError: Neither is installed.
        """
        return frame_of(self.to_dicts())

    def _repr_html_(self) -> str:
        """Show the hits in a notebook as the page does; everything from documents is escaped."""
        from tellapart.pages import notebook

        shown = [
            notebook.hit(
                f"{hit.document}:{hit.lines[0]}-{hit.lines[1]}",
                hit.unit if hit.probability is not None else f"{hit.unit} · score {hit.score:.3f}",
                _beginning(hit.indent + hit.text),
                prose=KIND_OF[hit.granularity] is Kind.PROSE,
                query=self.request.query,
                probability=hit.probability,
            )
            for hit in self.hits
        ]
        said = f'<p class="status">{escape(self.configuration.name)}: {escape(self.why)}</p>'
        return notebook.framed(f'{said}<ol class="hits">{"".join(shown)}</ol>')


def unit_ids(stored: StoredDocument, granularity: Granularity) -> list[str]:
    """Name the units of one level so that the names survive changes elsewhere in the document.

    A whole document goes by its own id; a smaller unit by a hash of its text, numbered where the same
    text comes again.
    """
    document = stored.document
    if granularity is LEVELS[stored.tree.kind][-1]:
        return [document.id]
    seen: Counter[str] = Counter()
    names = []
    for start, end in stored.tree.spans(granularity):
        name = f"{document.id}#{granularity}:{_hash(document.text[start:end])}"
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return names


def unit_id(stored: StoredDocument, granularity: Granularity, ordinal: int) -> str:
    """Name one unit as `unit_ids` does, without hashing all the others."""
    start, end = stored.tree.span(granularity, ordinal)
    return _unit_id(stored, granularity, ordinal, start, stored.document.text[start:end])


def _unit_id(stored: StoredDocument, granularity: Granularity, ordinal: int, start: int, text: str) -> str:
    document = stored.document
    if granularity is LEVELS[stored.tree.kind][-1]:
        return document.id
    copies = 1
    if ordinal:
        starts = stored.tree.levels[granularity].starts[: ordinal + 1]
        same = starts[:-1][starts[1:] - starts[:-1] == len(text)].tolist()
        copies += sum([document.text.startswith(text, place) for place in same])
    name = f"{document.id}#{granularity}:{_hash(text)}"
    return name if copies == 1 else f"{name}-{copies}"


def parse_unit_id(identifier: str) -> tuple[str, Granularity] | None:
    """Document id and granularity of a unit's id; None where it is the id of a whole document."""
    match = IDENTIFIER.fullmatch(identifier)
    if not match or match["granularity"] not in set(Granularity):
        return None
    return match["document"], Granularity(match["granularity"])


def make_hit(rank: int, stored: StoredDocument, granularity: Granularity, ordinal: int) -> Hit:
    """Fill in everything a person or program needs to use a unit, which has no score yet."""
    if ordinal >= len(stored.tree.levels[granularity].starts):
        raise TellapartError(
            f"{stored.document.id!r} has no {granularity} number {ordinal}: run 'tellapart index' again"
        )
    document = stored.document
    start, end = stored.tree.span(granularity, ordinal)
    text = document.text[start:end]
    where = place_of(document, start, end)
    return Hit(
        rank=rank,
        id=_unit_id(stored, granularity, ordinal, start, text),
        document=document.id,
        path=document.path,
        granularity=granularity,
        span=(start, end),
        lines=where.lines or lines(document.text, start, end),
        score=0.0,
        probability=None,
        text=text,
        components={},
        place=str(where),
        unit=stored.tree.name_of(granularity, ordinal),
        label=stored.tree.levels[granularity].labels[ordinal],
        indent=indent_before(document.text, start),
    )


def hit_of(stored: StoredDocument, identifier: str) -> Hit:
    """Give the unit of a document that goes by an id, as a hit without a score.

    Raises:
        TellapartError: The document has no such unit any more.
    """
    parsed = parse_unit_id(identifier)
    granularity = parsed[1] if parsed else list(stored.tree.levels)[-1]
    names = unit_ids(stored, granularity)
    if identifier not in names:
        raise TellapartError(f"the unit {identifier!r} is not in the index any more: search again")
    return make_hit(1, stored, granularity, names.index(identifier))


def frame_of(records: Sequence[Mapping[str, Any]]) -> Any:  # noqa: ANN401
    """Make a data frame of records: of pandas if it is installed, else of polars.

    Raises:
        TellapartError: Neither is installed.
    """
    for module in ("pandas", "polars"):
        try:
            return import_module(module).DataFrame(list(records))
        except ImportError:
            continue
    raise TellapartError("a data frame needs pandas or polars: pip install pandas, or use to_dicts()")


def _beginning(text: str) -> str:
    lines_of = dedent(text).strip("\n").splitlines()[:SHOWN_LINES]
    return "\n".join(line[:SHOWN_CHARACTERS] for line in lines_of)


def _hash(text: str) -> str:
    return blake2b(text.encode(), digest_size=HASH_BYTES).hexdigest()


SCHEMA = 1


def search_json(result: SearchResult) -> dict[str, Any]:
    """Give a search's answer in the documented shape."""
    configuration = result.configuration
    return {
        "schema": SCHEMA,
        "query": result.request.query,
        "like": list(result.request.like),
        "unlike": list(result.request.unlike),
        "configuration": {
            "encoder": configuration.encoder,
            "granularity": configuration.granularity,
            "ranker": configuration.ranker,
        },
        "why": result.why,
        "calibration": _calibration_json(result),
        "certificates": [
            {**asdict(certificate), "holds": certificate.holds} for certificate in result.certificates
        ],
        "freshness": None if result.freshness is None else asdict(result.freshness),
        "partial": result.partial,
        "hits": result.to_dicts(),
    }


def answer_json(result: SearchResult, absent: str | None) -> dict[str, Any]:
    """Give a search's answer where it was asked whether there is one.

    `absent` says why nothing here answers, null otherwise; then there are no hits, and `nearest` has the best of what
    was found.
    """
    shape = search_json(result)
    if absent is not None:
        shape["nearest"], shape["hits"] = shape["hits"], []
    return {**shape, "absent": absent}


def _calibration_json(result: SearchResult) -> dict[str, Any] | None:
    kept = result.calibration
    if kept is None:
        return None
    return {
        "source": kept.provenance,
        "queries": kept.queries,
        "made": kept.made,
        "answer_threshold": kept.answer_threshold,
        "best_probability": result.best_probability,
        "answered": result.answered,
    }

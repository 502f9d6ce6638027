"""The facade: open or build an index, search it, keep it up to date."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tellapart.corpus.types import Granularity, Kind
from tellapart.corpus.units import offset_of_line
from tellapart.encoders.load import load_encoder
from tellapart.encoders.protocol import Encoder, Vectors
from tellapart.engine.places import find_document
from tellapart.engine.planning import Plan, Planner
from tellapart.engine.results import Hit, SearchResult, make_hit, parse_unit_id, unit_ids
from tellapart.engine.searching import Found, rank_documents, rank_units
from tellapart.errors import StaleIndexError, TellapartError
from tellapart.index.catalogue import Catalogue
from tellapart.index.latent import open_encoder
from tellapart.index.settings import Settings, kept_settings, located, portable
from tellapart.index.snapshot import Snapshot
from tellapart.index.store import FILE, Store, StoredDocument, corruption_named
from tellapart.progress import Progress, silent
from tellapart.rankers.registry import Parameters
from tellapart.rankers.run import RankedDocuments, Run

if TYPE_CHECKING:
    from tellapart.index.build import BuildReport

DEFAULT_ENCODERS = ("minilm",)
MAX_QUERY_CHARACTERS = 100_000
"""A longer query is refused: an encoder reads its first 256 tokens, and words beyond this only cost time."""


class Index:
    """Documents of one corpus, searchable at every granularity.

    Open one with `Index.open(path)` or make one with `Index.build(sources, path)`. Several processes may
    search while one writes; each search sees one complete generation.
    """

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder = folder
        self.store = store
        self.catalogue = Catalogue(store)
        self._snapshot: Snapshot | None = None
        self._encoders: dict[str, Encoder] = {}

    @classmethod
    def open(cls, path: Path | str) -> Index:
        """Open an existing index; raise TellapartError where there is none or it cannot be read."""
        folder = Path(path)
        return cls(folder, Store.open(folder))

    @classmethod
    def build(
        cls,
        sources: Sequence[Path | str],
        path: Path | str,
        *,
        encoders: Sequence[str] = DEFAULT_ENCODERS,
        granularities: Sequence[Granularity | str] = (),
        kind: Kind | str | None = None,
        include: Sequence[str] = (),
        max_bytes: int | None = None,
        progress: Progress = silent,
        fresh: bool = False,
    ) -> Index:
        """Index `sources` (files, folders, `-`) into the folder `path`, or bring it up to date with them.

        `encoders` empty means words only; `granularities` empty means all of each kind of document.
        """
        folder = Path(path)
        settings = Settings(
            sources=portable(sources, folder),
            kind=Kind(kind) if kind else None,
            include=tuple(include),
            max_bytes=max_bytes,
            granularities=tuple(Granularity(g) for g in granularities),
            encoders=tuple(dict.fromkeys(encoders)),
        )
        build_index(folder, settings, progress=progress, fresh=fresh)
        return cls.open(folder)

    def update(self, *, progress: Progress = silent) -> BuildReport:
        """Take over what changed in the sources since the last run."""
        return build_index(self.folder, self.settings, progress=progress)

    @property
    def settings(self) -> Settings:
        """What this index was told to hold."""
        return kept_settings(self.store)

    def skipped(self) -> list[tuple[str, str]]:
        """List what was not indexed, with the reason."""
        return self.catalogue.skipped()

    def close(self) -> None:
        """Release the files."""
        self._snapshot = None
        self.store.close()

    def search(
        self,
        query: str,
        *,
        k: int = 10,
        ranker: str = "auto",
        granularity: str | None = None,
        encoder: str | None = None,
        where: Sequence[str] = (),
        parameters: Parameters | None = None,
    ) -> list[Hit]:
        """Find the k best units for a query; `granularity` None = paragraphs and functions together."""
        found = self.answer(
            query,
            k=k,
            ranker=ranker,
            granularity=granularity,
            encoder=encoder,
            where=where,
            parameters=parameters,
        )
        return list(found.hits)

    def answer(
        self,
        query: str,
        *,
        k: int = 10,
        ranker: str = "auto",
        granularity: str | None = None,
        encoder: str | None = None,
        where: Sequence[str] = (),
        parameters: Parameters | None = None,
    ) -> SearchResult:
        """Search, and say with which configuration and why."""
        check_query(query, k)
        with self.reading() as snapshot:
            planner = Planner(snapshot, self._encoder)
            plan = planner.plan(ranker, granularity, encoder, parameters or Parameters())
            found = rank_units(planner.questions(plan, query, self.store, where), k)
            return SearchResult(query, plan.configuration, plan.why, self._hits(found))

    def related(
        self,
        document: str,
        line: int | None = None,
        *,
        k: int = 10,
        ranker: str = "auto",
        granularity: str | None = None,
        encoder: str | None = None,
        where: Sequence[str] = (),
    ) -> SearchResult:
        """Find units like the one at a line (from 1) of a document, or like the whole document."""
        with self.reading() as snapshot:
            stored = self._document(document)
            planner = Planner(snapshot, self._encoder)
            plan = planner.plan_related(stored, line is not None, ranker, granularity, encoder)
            offset = 0 if line is None else _offset(stored, line)
            found = rank_units(planner.questions_like(plan, stored, offset, self.store, where), k)
            name = document if line is None else f"{document}:{line}"
            return SearchResult(name, plan.configuration, plan.why, self._hits(found))

    def run(
        self,
        queries: Mapping[str, str],
        *,
        depth: int = 1000,
        ranker: str = "auto",
        granularity: str | None = None,
        encoder: str | None = None,
        parameters: Parameters | None = None,
        progress: Progress = silent,
    ) -> Run:
        """Rank documents for every query, at most `depth` each.

        A document scores as its best unit of the granularity; the maximum is taken before the cut.
        """
        with self.reading() as snapshot:
            planner = Planner(snapshot, self._encoder)
            plan = planner.plan(ranker, granularity, encoder, parameters or Parameters())
            identifiers = self.store.identifiers()
            ranked: dict[str, RankedDocuments] = {}
            with progress("searching", len(queries)) as advance:
                for qid, questions in planner.batch(plan, queries):
                    numbers, scores = rank_documents(questions, depth)
                    documents = tuple(identifiers[number] for number in numbers)
                    ranked[qid] = RankedDocuments(documents, np.asarray(scores, dtype=np.float64))
                    advance(1)
            return Run(ranked, tag=plan.configuration.name)

    def plan(
        self,
        *,
        ranker: str = "auto",
        granularity: str | None = None,
        encoder: str | None = None,
        parameters: Parameters | None = None,
    ) -> Plan:
        """Say what a search with these wishes would use."""
        with self.reading() as snapshot:
            return Planner(snapshot, self._encoder).plan(
                ranker, granularity, encoder, parameters or Parameters()
            )

    def get(self, identifier: str) -> Hit:
        """Fetch one unit or document by the id that a search gave it."""
        with self.reading():
            parsed = parse_unit_id(identifier)
            stored = self._document(parsed[0] if parsed else identifier)
            granularity = parsed[1] if parsed else list(stored.tree.levels)[-1]
            names = unit_ids(stored, granularity)
            if identifier not in names:
                raise TellapartError(f"the unit {identifier!r} is not in the index any more: search again")
            return make_hit(1, stored, granularity, names.index(identifier), 0.0, {})

    def document_at(self, file: str) -> str:
        """Find the id of the document that a file on disk, or a path as search prints it, stands for."""
        with corruption_named(self.folder / FILE), self.store.reading():
            return find_document(self.store, file, located(self.settings.sources, self.folder))

    def encode_queries(self, encoder: str, texts: Sequence[str]) -> Vectors:
        """Encode queries with an encoder of this index: (n, dim) float32."""
        with self.reading() as snapshot:
            return self._encoder(encoder, snapshot.encoders[encoder].fingerprint).encode_query(texts)

    def encoder(self, name: str) -> Encoder:
        """Load an encoder of this index, made sure to be the one whose vectors it holds."""
        with self.reading() as snapshot:
            if name not in snapshot.encoders:
                raise snapshot.unknown_encoder(name)
            return self._encoder(name, snapshot.encoders[name].fingerprint)

    def stored(self, number: int) -> StoredDocument:
        """Fetch a document by its number in the store."""
        return self.store.documents([number])[number]

    @contextmanager
    def reading(self) -> Iterator[Snapshot]:
        """Hold one generation for the length of a call."""
        with corruption_named(self.folder / FILE), self.store.reading():
            if self._snapshot is None or self._snapshot.generation != self.store.generation:
                self._snapshot = self._fresh_snapshot()
            yield self._snapshot

    def _fresh_snapshot(self) -> Snapshot:
        return Snapshot(self.folder, self.store)

    def _encoder(self, name: str, fingerprint: str) -> Encoder:
        """Load an encoder and make sure that it is the one whose vectors the index holds."""
        if name not in self._encoders:
            self._encoders[name] = open_encoder(self.folder, self.store, name, fingerprint)
        encoder = self._encoders[name]
        if encoder.fingerprint != fingerprint:
            raise StaleIndexError(
                f"the vectors in {self.folder} were made by another version of {name!r}:"
                f" make new ones with 'tellapart index --index {self.folder}'"
            )
        return encoder

    def _document(self, identifier: str) -> StoredDocument:
        stored = self.store.document(identifier)
        if stored is None:
            raise TellapartError(
                f"no document {identifier!r} in the index {self.folder}: give a path as 'tellapart search' prints it"
            )
        return stored

    def _hits(self, found: Sequence[Found]) -> tuple[Hit, ...]:
        documents = self.store.documents([each.document for each in found])
        return tuple(
            make_hit(
                rank, documents[each.document], each.granularity, each.ordinal, each.score, each.components
            )
            for rank, each in enumerate(found, start=1)
        )


def build_index(
    folder: Path, settings: Settings, *, progress: Progress = silent, fresh: bool = False
) -> BuildReport:
    """Bring the index in `folder` to what `settings` ask for."""
    from tellapart.encoders.cache import open_cache
    from tellapart.index.build import Builder  # readers and splitters, which a search need not load

    return Builder(folder, settings, load_encoder, open_cache(), progress, fresh).run()


def check_query(query: str, k: int) -> None:
    """Refuse a query that nothing can be found for."""
    if not query.strip():
        raise TellapartError("the query is empty: give some words to search for")
    if len(query) > MAX_QUERY_CHARACTERS:
        raise TellapartError(
            f"the query has {len(query):,} characters: give at most {MAX_QUERY_CHARACTERS:,}"
        )
    if k < 1:
        raise TellapartError(f"k is {k}: ask for at least 1 hit")


def _offset(stored: StoredDocument, line: int) -> int:
    offset = offset_of_line(stored.document.text, line) if line >= 1 else None
    if offset is None:
        raise TellapartError(
            f"{stored.document.id!r} has no line {line}: it has {stored.document.text.count(chr(10)) + 1}"
        )
    return min(offset, len(stored.document.text) - 1)

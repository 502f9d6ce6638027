"""The facade: open or build an index, search it, keep it up to date."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from tellapart.arguments import Names, names, need, path_of, texts, whole_number
from tellapart.corpus.document import LEVELS, Granularity, Kind
from tellapart.encoders.objects import EncodersGiven, named_encoders, object_encoder
from tellapart.encoders.protocol import Encoder, Vectors
from tellapart.engine.asking import LevelQuery, QueryBuilder
from tellapart.engine.building import add_encoder, build_index, builder, settings_of
from tellapart.engine.examples import ExampleReader
from tellapart.engine.hits import distinct_hits
from tellapart.engine.lookup import find_document, stored_document
from tellapart.engine.opened import OpenedIndex, answer_notes, despite_losses, folder_store, look, own_folder
from tellapart.engine.planning import Planner, SearchPlan, about_vectors
from tellapart.engine.probabilities import calibrated_ranking
from tellapart.engine.records import CheckedVerdict
from tellapart.engine.regex import words_of_pattern
from tellapart.engine.request import (
    AUTO,
    DEFAULT_TOKENS,
    SearchRequest,
    SearchWishes,
    Wishes,
    check_queries,
    request_of,
)
from tellapart.engine.results import Hit, SearchResult, hit_of, parse_unit_id
from tellapart.engine.searching import certificates
from tellapart.engine.second_look import rank_queries
from tellapart.errors import StaleIndexError
from tellapart.index.catalogue import Catalogue
from tellapart.index.latent import open_encoder
from tellapart.index.settings import Settings, kept_settings, located
from tellapart.index.snapshot import Snapshot
from tellapart.index.store import FILE, StoredDocument, corruption_named
from tellapart.progress import Progress, silent
from tellapart.rankers.registry import LEXICAL_ONLY, Parameters
from tellapart.rankers.run import Run

if TYPE_CHECKING:
    from tellapart.engine.context import Context
    from tellapart.index.build import BuildReport

DEFAULT_ENCODERS = ("minilm",)


class Index:
    """Documents of one corpus, searchable at every granularity.

    Open one with `Index.open(path)` or make one with `Index.build(sources, path)`. Several processes may
    search while one writes; each search sees one complete generation.
    """

    def __init__(self, place: OpenedIndex, objects: Mapping[str, Encoder], *, refresh: bool = True) -> None:
        self.folder = place.folder
        self.place = place.place
        self.store = place.store
        self._generations = place.generations
        self.objects = dict(objects)
        self._refresher = place.refresher(self.objects) if refresh else None
        self._verdict: tuple[tuple[int, str], CheckedVerdict | None] | None = None
        self._encoders: dict[str, Encoder] = {}

    @classmethod
    def open(cls, path: Path | str, *, encoders: EncodersGiven = (), refresh: bool = True) -> Index:
        """Open an existing index, with the encoder objects that it was built with: `{"name": encoder}`, or a list.

        `path` is a folder, or `postgresql://user@host/database` (docs/scale.md). With `refresh` a search looks at the
        sources first and reads again what changed. Raises TellapartError where there is none, or it cannot be read.
        """
        return cls(OpenedIndex.open(path), named_encoders(encoders)[1], refresh=refresh)

    @classmethod
    def build(
        cls,
        sources: Names,
        path: Path | str,
        *,
        encoders: EncodersGiven = DEFAULT_ENCODERS,
        granularities: str | Sequence[Granularity | str] = (),
        kind: Kind | str | None = None,
        include: str | Sequence[str] = (),
        max_bytes: int | None = None,
        vectors_for: str | Sequence[str] = (),
        compress: str | None = None,
        progress: Progress = silent,
        fresh: bool = False,
    ) -> Index:
        """Index `sources` (files, folders, `-`) into the folder `path`, or bring it up to date with them.

        `encoders` are names, or objects with `encode(texts)` such as a `SentenceTransformer`, as `{"name": encoder}`
        or by their own names; empty means words only. `granularities` empty means all of each kind of document.
        `vectors_for` are globs of the documents that get vectors (empty = all). `compress` says how vectors are kept:
        dimensions, int8 or binary, such as `128-int8` (None = whole).
        """
        folder = path_of(path, "path")
        encoder_names, objects = named_encoders(encoders)
        settings = settings_of(
            folder, sources, encoder_names, granularities, kind, include, max_bytes, vectors_for, compress
        )
        build_index(folder, settings, objects=objects, progress=progress, fresh=fresh)
        return cls(OpenedIndex.of_folder(folder), objects)

    def update(self, *, progress: Progress = silent) -> BuildReport:
        """Take over what changed in the sources since the last run."""
        return build_index(own_folder(self.store), self.settings, objects=self.objects, progress=progress)

    def add_encoder(
        self, encoder: str | object, *, name: str | None = None, progress: Progress = silent
    ) -> None:
        """Add the vectors of one more encoder to the documents as they are, without reading the sources.

        One that sees images is the exception: with the first of them images become documents. `encoder` is a name,
        or an object with `encode(texts)`, which the index then calls `name`.
        """
        if not isinstance(encoder, str):
            made = object_encoder(encoder, name=name)
            encoder = name or made.name
            self.objects[encoder] = made
        add_encoder(own_folder(self.store), self.settings, encoder, objects=self.objects, progress=progress)

    def encode_alone(self, encoder: str, *levels: Granularity, progress: Progress = silent) -> None:
        """Encode the units of these levels by themselves, where their vectors are pooled from those of others."""
        building = builder(own_folder(self.store), self.settings, objects=self.objects, progress=progress)
        building.encode_alone(encoder, levels)

    @property
    def catalogue(self) -> Catalogue:
        """Tables about sources and files of an index in a folder."""
        return Catalogue(folder_store(self.store))

    @property
    def settings(self) -> Settings:
        """What this index was told to hold."""
        return kept_settings(self.store)

    def skipped(self) -> list[tuple[str, str]]:
        """List what was not indexed, with the reason."""
        return self.catalogue.skipped()

    def __repr__(self) -> str:
        with self.reading() as snapshot:
            encoders = ", ".join(snapshot.encoders) or "words only"
            return f"<Index {self.place!r}: {len(self):,} documents, {encoders}>"

    def __len__(self) -> int:
        """How many documents it holds."""
        return self.store.count()

    def __bool__(self) -> bool:
        """An empty index is an index."""
        return True

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the files."""
        self._generations.close()
        self.store.close()

    def search(
        self,
        query: str | SearchRequest | None = None,
        *,
        like: Names = (),
        unlike: Names = (),
        k: int = 10,
        ranker: str = AUTO,
        granularity: str | None = None,
        encoder: str | None = None,
        where: Names = (),
        parameters: Parameters | None = None,
        regex: str | None = None,
    ) -> SearchResult:
        """Find the k best units for a query, for examples, or for both.

        The keywords are those of `SearchRequest`; a whole request may be given in their place.

        Args:
            query: Text to look for, or a `SearchRequest`.
            like: An example or several, each a file, `file:line`, the id of a unit or a folder; never found again.
            unlike: Counter-examples, given in the same ways.
            k: How many hits.
            ranker: `auto` follows the verdict kept in the index, else words and vectors together.
            granularity: One granularity, or several joined by `+`; None for paragraphs and functions together.
            encoder: Name of an encoder of the index.
            where: One condition on documents or several, such as `language = 'python' and path like 'src/%'`.
            parameters: Settings of the ranker.
            regex: Regular expression that must match in a unit; without a query it is what is looked for.

        Returns:
            The hits, best first, with the configuration that found them. It iterates over the hits.

        Raises:
            TellapartError: Nothing can be found for such a request; the message says what to change.
        """
        if isinstance(query, SearchRequest):
            return self._answer(query)
        examples, settings = (names(like, "like"), names(unlike, "unlike")), parameters or Parameters()
        conditions = names(where, "where")
        return self._answer(
            SearchRequest(query, *examples, k, ranker, granularity, encoder, conditions, settings, regex)
        )

    def related(
        self, document: str | PathLike[str], line: int | None = None, **wishes: Unpack[SearchWishes]
    ) -> SearchResult:
        """Find units like the one at a line (from 1) of a document, or documents like the whole of it.

        Short for `search(like=f"{document}:{line}")`. `document` is an id, a file on disk, or the end of its path.
        """
        name = (
            str(path_of(document, "document")) if line is None else f"{document}:{whole_number(line, 'line')}"
        )
        request = request_of(like=name, **wishes)
        if line is None and request.granularity is None:
            whole = stored_document(self.store, self.document_at(name)).tree.kind
            request = replace(request, granularity=LEVELS[whole][-1])
        return self._answer(request)

    @despite_losses
    def context(
        self, query: str, *, tokens: int = DEFAULT_TOKENS, where: Names = (), always: bool = False
    ) -> Context:
        """Choose passages for a language model that answers a question: `tokens` (50 at least) of them at most.

        `always` gives the nearest passages even where nothing seems to answer. docs/context.md says more.
        """
        from tellapart.engine.context import choose_context

        return choose_context(self, query, tokens=tokens, where=names(where, "where"), always=always)

    @despite_losses
    def run(
        self,
        queries: Mapping[str, str],
        *,
        depth: int = 1000,
        progress: Progress = silent,
        **wishes: Unpack[Wishes],
    ) -> Run:
        """Rank documents for every query, at most `depth` each.

        A document scores as its best unit of the granularity; the maximum is taken before the cut.
        `ranker`, `granularity`, `encoder` and `parameters` are those of `SearchRequest`.
        """
        check_queries(queries, depth)
        with self.reading() as snapshot:
            plan = self.planner(snapshot).plan(request_of(**wishes))
            asked = QueryBuilder(snapshot, self.store, self._encoder, plan).for_texts(queries)
            with progress("searching", len(queries)) as advance:
                return rank_queries(self.store, snapshot, plan, asked, depth, advance)

    def plan(self, **wishes: Unpack[Wishes]) -> SearchPlan:
        """Say what a search with these wishes (fields of `SearchRequest`) would use."""
        with self.reading() as snapshot:
            return self.planner(snapshot).plan(request_of(**wishes))

    @despite_losses
    def _answer(self, request: SearchRequest) -> SearchResult:
        freshness = look(self._refresher, encode=request.check_searchable().ranker not in LEXICAL_ONLY)
        with self.reading() as snapshot:
            plan, level_queries = self.level_queries(snapshot, request)
            ranked = calibrated_ranking(self.store, snapshot, plan, request, level_queries)
            fetch = partial(snapshot.fetch, self.store)
            hits = distinct_hits(ranked.rank, fetch, request.k, hold_back=request.left_open)
            notes = plan.notes + about_vectors(snapshot, plan.configuration, self.store)
            notes += answer_notes(freshness, self.folder, snapshot.partial)
            rest = certificates(level_queries), freshness, ranked.calibration, ranked.best, ranked.answered
            return SearchResult(request, plan.configuration, plan.why, hits, notes, *rest, snapshot.partial)

    def level_queries(
        self, snapshot: Snapshot, request: SearchRequest
    ) -> tuple[SearchPlan, list[LevelQuery]]:
        """Plan a request and say what each granularity is asked; for tools that look inside a search."""
        plan = self.planner(snapshot).plan(request)
        chosen = plan.configuration
        builder = QueryBuilder(snapshot, self.store, self._encoder, plan)
        if not request.examples:
            text = words_of_pattern(str(request.regex)) if request.query is None else request.query
            return plan, builder.for_text(text, request.where, request.regex)
        reader = ExampleReader(snapshot, self.store, self._sources(), chosen.granularities, chosen.encoder)
        examples = reader.read(request.like, request.unlike)
        asked = builder.for_examples(examples, request.query, request.where)
        return replace(plan, notes=examples.notes), asked

    def get(self, identifier: str) -> Hit:
        """Fetch one unit or document by the id that a search gave it."""
        need(identifier, str, "identifier", "the id of a unit, as a search gives it")
        with self.reading():
            return hit_of(
                stored_document(self.store, (parse_unit_id(identifier) or (identifier,))[0]), identifier
            )

    def document_at(self, file: str) -> str:
        """Find the id of the document that a file on disk, or a path as search prints it, stands for."""
        file = str(path_of(file, "file"))
        with corruption_named(self.folder / FILE), self.store.reading():
            return find_document(self.store, file, self._sources())

    def encode_queries(self, encoder: str, queries: str | Sequence[str]) -> Vectors:
        """Encode queries with an encoder of this index: (n, dim) float32."""
        return self.encoder(encoder).encode_query(texts(queries, "queries"))

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
        with self._generations.reading() as snapshot:
            yield snapshot

    def planner(self, snapshot: Snapshot) -> Planner:
        """Plan over a snapshot that `reading` gave, following the verdict kept with it."""
        version = snapshot.generation, self.store.records_version
        if self._verdict is None or self._verdict[0] != version:
            self._verdict = version, CheckedVerdict.of(self.store, snapshot)
        return Planner(snapshot, self.store, self._sources, self._verdict[1])

    def _sources(self) -> list[str]:
        return located(self.settings.sources, self.folder)

    def _encoder(self, name: str, fingerprint: str) -> Encoder:
        """Load an encoder and make sure that it is the one whose vectors the index holds."""
        encoder = self._encoders.get(name)
        if encoder is None or encoder.fingerprint != fingerprint:  # fitted anew by a writer, meanwhile
            given = self.objects.get(name)
            encoder = open_encoder(self.folder, self.store, name, fingerprint, given)
            self._encoders[name] = encoder
        if encoder.fingerprint != fingerprint:
            with self.reading() as snapshot:
                how = f"{snapshot.adding()}, or Index.update() for an encoder object"
            raise StaleIndexError(
                f"another version of {name!r} made the vectors in {self.place}: make new ones with {how}"
            )
        return encoder

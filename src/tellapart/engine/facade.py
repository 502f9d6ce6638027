"""The facade: open or build an index, search it, keep it up to date."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tellapart.corpus.types import Granularity, Kind
from tellapart.encoders.load import load_encoder, sees_images
from tellapart.encoders.protocol import Encoder, Vectors
from tellapart.engine.by_examples import ExampleQuestions, plan_by_examples
from tellapart.engine.checking import check_search
from tellapart.engine.examples import ExampleReader, are_images
from tellapart.engine.kept import Standing
from tellapart.engine.places import find_document
from tellapart.engine.planning import Plan, Planner
from tellapart.engine.results import Hit, SearchResult, make_hit, parse_unit_id, unit_ids
from tellapart.engine.searching import Found, certificates, rank_documents, rank_units
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
        self._standing: tuple[int, Standing | None] | None = None
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

    def add_encoder(self, name: str, *, progress: Progress = silent) -> None:
        """Add the vectors of one more encoder to the documents as they are, without reading the sources.

        One that sees images is the exception: with the first of them images become documents.
        """
        if sees_images(name, home=self.folder.resolve().parent):
            encoders = tuple(dict.fromkeys((*self.settings.encoders, name)))
            build_index(self.folder, replace(self.settings, encoders=encoders), progress=progress)
            return
        from tellapart.encoders.cache import open_cache
        from tellapart.index.build import Builder

        load = partial(load_encoder, home=self.folder.resolve().parent)
        Builder(self.folder, self.settings, load, open_cache(), progress).add_encoder(name)

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
        query: str | None = None,
        *,
        like: Sequence[str] = (),
        unlike: Sequence[str] = (),
        k: int = 10,
        ranker: str = "auto",
        granularity: str | None = None,
        encoder: str | None = None,
        where: Sequence[str] = (),
        parameters: Parameters | None = None,
    ) -> list[Hit]:
        """Find the k best units for a query, for examples, or for both.

        An example, `like` or `unlike`, is a file, `file:line`, a unit's id or a folder; none of them is
        found again. `granularity` None = paragraphs and functions together.
        """
        found = self.answer(
            query,
            like=like,
            unlike=unlike,
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
        query: str | None = None,
        *,
        like: Sequence[str] = (),
        unlike: Sequence[str] = (),
        k: int = 10,
        ranker: str = "auto",
        granularity: str | None = None,
        encoder: str | None = None,
        where: Sequence[str] = (),
        parameters: Parameters | None = None,
    ) -> SearchResult:
        """Search, and say with which configuration and why."""
        check_search(query, like, unlike, k)
        with self.reading() as snapshot:
            planner = self.planner(snapshot)
            wished = parameters or Parameters()
            notes: tuple[str, ...] = ()
            if query is not None and not like and not unlike:
                plan = planner.plan_text(ranker, granularity, encoder, wished)
                questions = planner.questions(plan, query, self.store, where)
            else:
                sources = located(self.settings.sources, self.folder)
                if granularity is None and are_images(snapshot, self.store, sources, [*like, *unlike]):
                    granularity = Granularity.IMAGE
                plan = plan_by_examples(
                    planner,
                    self.store,
                    ranker,
                    granularity,
                    encoder,
                    wished,
                    text=query is not None,
                    single=query is None and len(like) == 1 and not unlike,
                )
                examples = self._examples(snapshot, plan).read(like, unlike)
                questions = ExampleQuestions(planner, self.store, plan, examples).ask(query, where)
                notes = examples.notes
            hits = self._hits(rank_units(questions, k))
            proven = certificates(questions)
            return SearchResult(
                query, plan.configuration, plan.why, hits, tuple(like), tuple(unlike), notes, proven
            )

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
            planner = self.planner(snapshot)
            plan = planner.plan_related(stored, line is not None, ranker, granularity, encoder)
            reader = self._examples(snapshot, plan)
            named = reader.of_document(stored, line)
            examples = reader.combined([named])
            questions = ExampleQuestions(planner, self.store, plan, examples).ask(None, where)
            hits = self._hits(rank_units(questions, k))
            return SearchResult(named.name, plan.configuration, plan.why, hits, notes=examples.notes)

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
            planner = self.planner(snapshot)
            plan = planner.plan_text(ranker, granularity, encoder, parameters or Parameters())
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
            return self.planner(snapshot).plan(ranker, granularity, encoder, parameters or Parameters())

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

    def planner(self, snapshot: Snapshot) -> Planner:
        """Plan over a snapshot that `reading` gave, following the verdict kept with it."""
        if self._standing is None or self._standing[0] != snapshot.generation:
            self._standing = snapshot.generation, Standing.of(self.store, snapshot)
        return Planner(snapshot, self._encoder, self._standing[1])

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

    def _examples(self, snapshot: Snapshot, plan: Plan) -> ExampleReader:
        sources = located(self.settings.sources, self.folder)
        chosen = plan.configuration
        return ExampleReader(snapshot, self.store, sources, chosen.granularities, chosen.encoder)

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

    home = folder.resolve().parent
    settings = replace(settings, images=any(sees_images(name, home=home) for name in settings.encoders))
    return Builder(folder, settings, partial(load_encoder, home=home), open_cache(), progress, fresh).run()

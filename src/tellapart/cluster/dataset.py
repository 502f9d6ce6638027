"""The Lance dataset that a cluster fills.

A row is a document with its units and vectors (`digest` is set), something that was left out (`skipped` says why), or
the note that a source was read to its end (`stamp`, `size`, `mtime_ns`). Rows are appended and committed while work
goes on, so that a run that was stopped goes on where it was. The tag `complete` names the version that a finished run
left: readers see that one and nothing of a run in flight.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from tellapart.cluster.files import EXTRA
from tellapart.corpus.document import Granularity, Kind
from tellapart.corpus.units import SPLITTER_VERSION
from tellapart.errors import LockedIndexError, StaleIndexError, TellapartError, require

KEY = b"tellapart.documents"
"""Marks such a dataset, in the metadata of its schema."""

RUN = "tellapart.run"
COMPLETE = "complete"
FORMAT = 1
"""Raised whenever a dataset written before can no longer be read."""

FRAGMENTS = 100
"""A dataset of more pieces than that is written anew in large ones, since each piece is opened by whoever reads a
column; the old pieces stay for readers as long as `KEPT_VERSIONS`. Not measured at other values."""

KEPT_VERSIONS = timedelta(days=1)
"""How long somebody may go on reading a version after another one became the complete one."""

REPLACED = "replaced-"
"""Tags versions that were complete, with the second in which they were replaced: Lance counts a version's age from its
commit, and would delete one of last month in that moment, under whoever reads it."""

STRINGS = ("source", "stamp", "id", "skipped", "kind", "language", "title", "path")
LONG_STRINGS = ("metadata", "places", "text", "tree")


@dataclass(frozen=True, slots=True)
class HeldEncoder:
    """An encoder whose vectors a dataset holds for `levels`; those of `pooled` ones come from windows of others."""

    name: str
    fingerprint: str
    dim: int
    levels: tuple[Granularity, ...]
    pooled: tuple[Granularity, ...]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What every row of a dataset is made with; the fields are those of `Settings`."""

    encoders: tuple[HeldEncoder, ...] = ()
    kind: Kind | None = None
    granularities: tuple[Granularity, ...] = ()
    encoded: tuple[Granularity, ...] = ()
    comments: bool = False
    splitter: int = SPLITTER_VERSION

    def encode(self) -> bytes:
        """Write as JSON."""
        return json.dumps({"format": FORMAT, **asdict(self)}).encode()

    @classmethod
    def decode(cls, encoded: bytes) -> Recipe:
        """Read what `encode` wrote."""
        kept = json.loads(encoded)
        encoders = (
            HeldEncoder(e["name"], e["fingerprint"], e["dim"], _levels(e["levels"]), _levels(e["pooled"]))
            for e in kept["encoders"]
        )
        return cls(
            tuple(encoders),
            Kind(kept["kind"]) if kept["kind"] else None,
            _levels(kept["granularities"]),
            _levels(kept["encoded"]),
            kept["comments"],
            kept["splitter"],
        )

    def need_same(self, asked: Recipe, place: str) -> None:
        """Refuse to go on with a dataset in another way than it was begun.

        Raises:
            StaleIndexError: It was made otherwise; the message says how.
        """
        if self != asked:
            raise StaleIndexError(
                f"{place} was made with {_differing(self, asked)}: give the same options, name another place, or"
                " begin anew with --rebuild"
            )

    @property
    def vector_columns(self) -> list[str]:
        """Columns that hold vectors, of all encoders."""
        return [vectors_column(n, level) for n, each in enumerate(self.encoders) for level in each.levels]


def _levels(names: Sequence[str]) -> tuple[Granularity, ...]:
    return tuple(Granularity(name) for name in names)


def vectors_column(encoder: int, level: Granularity) -> str:
    """Column of one encoder's vectors of a document's units of one level: (units, dim) float16, little endian."""
    return f"vectors_{encoder}_{level}"


def windows_column(encoder: int) -> str:
    """Column that says what became of units longer than an encoder's window: so many, their windows, texts cut."""
    return f"windows_{encoder}"


def schema_of(recipe: Recipe) -> Any:  # noqa: ANN401
    """Give the Arrow schema of a dataset's rows."""
    arrow = require("pyarrow", extra=EXTRA)
    windows = arrow.list_(arrow.int64(), 3)
    return arrow.schema(
        [
            *(arrow.field(name, arrow.string()) for name in STRINGS),
            *(arrow.field(name, arrow.large_string()) for name in LONG_STRINGS),
            *(arrow.field(name, arrow.int64()) for name in ("size", "mtime_ns", "ordinal", "tree_checksum")),
            arrow.field("digest", arrow.binary()),
            *(arrow.field(name, arrow.large_binary()) for name in recipe.vector_columns),
            *(arrow.field(windows_column(n), windows) for n in range(len(recipe.encoders))),
        ],
        {KEY: recipe.encode()},
    )


@contextmanager
def lance_errors(place: str) -> Iterator[None]:
    """Turn what Lance raises, which has no common class, into one line."""
    try:
        yield
    except (TellapartError, KeyboardInterrupt):
        raise
    except Exception as error:
        why = (str(error).splitlines() or [type(error).__name__])[0].partition(", /")[0][:300]
        raise TellapartError(f"{place}: {why}; check address, credentials and free space") from error


def write_rows(rows: Sequence[dict[str, Any]], recipe: Recipe, place: str) -> tuple[str, ...]:
    """Write rows beside those of a dataset: nobody sees them before `Documents.commit` takes them over.

    Returns:
        The new files, as JSON for `commit`.
    """
    arrow, fragment = require("pyarrow", extra=EXTRA), require("lance.fragment", extra=EXTRA)
    schema = schema_of(recipe)
    with lance_errors(place):
        table = arrow.Table.from_pylist(list(rows), schema=schema)
        made = fragment.write_fragments(table, place, schema=schema)
    return tuple(json.dumps(each.to_json()) for each in made)


@dataclass(frozen=True, slots=True)
class LastRun:
    """What the run before was told: its recipe, sources, and what else decides over them."""

    recipe: Recipe
    sources: tuple[str, ...]
    include: tuple[str, ...]
    max_bytes: int | None

    @classmethod
    def of(cls, place: str) -> LastRun | None:
        """Read it; None where there is no dataset yet.

        Raises:
            TellapartError: There is something else, or it cannot be read.
        """
        opened = _open(place)
        if opened is None:
            return None
        kept = json.loads(opened.config().get(RUN, '{"sources": [], "include": [], "max_bytes": null}'))
        return cls(_recipe(opened, place), tuple(kept["sources"]), tuple(kept["include"]), kept["max_bytes"])

    def encode(self) -> str:
        """Write what stands beside the recipe as JSON."""
        return json.dumps({"sources": self.sources, "include": self.include, "max_bytes": self.max_bytes})


@dataclass
class Documents:
    """A dataset open for writing by one process."""

    place: str
    recipe: Recipe
    dataset: Any

    @classmethod
    def create(cls, place: str, run: LastRun, *, rebuild: bool) -> Documents:
        """Open the dataset at a place, making an empty one where there is none.

        Args:
            place: As `address_of` gives it.
            run: What is to be done now.
            rebuild: Begin anew; readers keep the old rows until the new ones are complete.

        Raises:
            TellapartError: It cannot be read or written.
        """
        lance = require("lance", extra=EXTRA)
        opened = _open(place)
        with lance_errors(place):
            if opened is None or rebuild:
                schema = schema_of(run.recipe)
                mode = "create" if opened is None else "overwrite"
                opened = lance.write_dataset(schema.empty_table(), place, schema=schema, mode=mode)
            if opened.config().get(RUN) != run.encode():
                opened.update_config({RUN: run.encode()})
        return cls(place, run.recipe, opened)

    def rows(self, *columns: str) -> Any:  # noqa: ANN401
        """Read some columns of all rows, with `_rowid`."""
        with lance_errors(self.place):
            return self.dataset.to_table(columns=list(columns), with_row_id=True)

    def notes(self) -> frozenset[int]:
        """Give the `_rowid` of all rows that are no documents."""
        with lance_errors(self.place):
            found = self.dataset.to_table(columns=["source"], filter="digest IS NULL", with_row_id=True)
        return frozenset(found.column("_rowid").to_pylist())

    def commit(self, files: Collection[str]) -> None:
        """Take over what `write_rows` wrote; raises LockedIndexError where another process has written meanwhile."""
        if not files:
            return
        lance, fragment = require("lance", extra=EXTRA), require("lance.fragment", extra=EXTRA)
        self._check_alone()
        made = [fragment.FragmentMetadata.from_json(each) for each in files]
        with lance_errors(self.place):
            append = lance.LanceOperation.Append(made)
            self.dataset = lance.LanceDataset.commit(self.place, append, read_version=self.dataset.version)

    def delete(self, rows: Sequence[int]) -> None:
        """Delete rows by their `_rowid`."""
        self._check_alone()
        with lance_errors(self.place):
            for start in range(0, len(rows), 5_000):  # some 50 KB in one predicate (not measured)
                some = ", ".join(map(str, rows[start : start + 5_000]))
                self.dataset.delete(f"_rowid IN ({some})")

    def complete(self) -> None:
        """Show readers what is there now, in few files, and delete what nobody can be reading any more."""
        self._check_alone()
        with lance_errors(self.place):
            if len(self.dataset.get_fragments()) > FRAGMENTS:
                self.dataset.optimize.compact_files()
            tags, version, now = self.dataset.tags, self.dataset.version, int(time.time())
            if COMPLETE not in (named := tags.list()):
                tags.create(COMPLETE, version)
            elif (before := named[COMPLETE]["version"]) != version:
                tags.create(f"{REPLACED}{now}-{before}", before)
                tags.update(COMPLETE, version)
            for name in [each for each in named if each.startswith(REPLACED)]:
                if now - int(name.split("-")[1]) > KEPT_VERSIONS.total_seconds():
                    tags.delete(name)
            self.dataset.cleanup_old_versions(KEPT_VERSIONS, error_if_tagged_old_versions=False)

    def _check_alone(self) -> None:
        with lance_errors(self.place):
            latest = self.dataset.latest_version
        if latest != self.dataset.version:
            raise LockedIndexError(
                f"{self.place}: another process is writing it; let it finish, then run this command again"
            )


@dataclass(frozen=True, slots=True)
class CompleteDocuments:
    """What a finished run left in a dataset, for reading."""

    place: str
    recipe: Recipe
    dataset: Any

    @classmethod
    def open(cls, place: str) -> CompleteDocuments:
        """Open the version that the last finished run left.

        Raises:
            TellapartError: There is none.
        """
        lance = require("lance", extra=EXTRA)
        opened = _open(place)
        if opened is None:
            raise TellapartError(
                f"no dataset in {place}: make one with 'tellapart index PATH --cluster local --output {place}'"
            )
        _recipe(opened, place)
        with lance_errors(place):
            if COMPLETE not in opened.tags.list():
                raise TellapartError(
                    f"{place} is not complete: run 'tellapart index --cluster ... --output {place}' again to finish it"
                )
            opened = lance.dataset(place, version=COMPLETE)
        recipe = _recipe(opened, place)
        if recipe.splitter != SPLITTER_VERSION:
            again = f"run 'tellapart index --cluster ... --output {place} --rebuild'"
            raise StaleIndexError(
                f"{place} has splitter version {recipe.splitter}, this tellapart needs {SPLITTER_VERSION}: {again}"
            )
        return cls(place, recipe, opened)

    def columns(self, *names: str) -> Any:  # noqa: ANN401
        """Read some columns of all rows, in the order of `take`."""
        with lance_errors(self.place):
            return self.dataset.to_table(columns=list(names))

    def take(self, rows: Sequence[int], columns: Sequence[str]) -> list[dict[str, Any]]:
        """Read some rows by their place, in this order."""
        with lance_errors(self.place):
            found: list[dict[str, Any]] = self.dataset.take(list(rows), columns=list(columns)).to_pylist()
        return found


def _open(place: str) -> Any:  # noqa: ANN401
    lance = require("lance", extra=EXTRA)
    try:
        return lance.dataset(place)
    except (ValueError, FileNotFoundError, OSError) as error:
        if "not found" in str(error).lower():
            return None
        with lance_errors(place):
            raise


def _recipe(opened: Any, place: str) -> Recipe:  # noqa: ANN401
    kept = (opened.schema.metadata or {}).get(KEY)
    if kept is None:
        raise TellapartError(f"{place} is a dataset that 'tellapart index' did not write: name another place")
    if json.loads(kept)["format"] != FORMAT:
        raise StaleIndexError(f"{place} is of another version of tellapart: write it again with --rebuild")
    return Recipe.decode(kept)


def _differing(held: Recipe, asked: Recipe) -> str:
    """Name what a dataset was made with and what is asked of it now."""
    if [each.name for each in held.encoders] != [each.name for each in asked.encoders]:
        names = [", ".join(e.name for e in each.encoders) or "no encoder" for each in (held, asked)]
        return f"{names[0]}, not with {names[1]}"
    if held.encoders != asked.encoders:
        return "another version of an encoder, or other levels"
    pairs = {
        name: (getattr(held, name), getattr(asked, name)) for name in ("kind", "granularities", "encoded")
    }
    pairs |= {"comments": (held.comments, asked.comments), "splitter": (held.splitter, asked.splitter)}
    name, (before, now) = next((name, pair) for name, pair in pairs.items() if pair[0] != pair[1])
    return f"{name} {before or 'not given'}, not {now or 'none'}"

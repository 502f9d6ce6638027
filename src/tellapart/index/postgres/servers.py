"""The servers of a published index: the first, which says what is published, and shards, all asked at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import TypeVar

from tellapart.errors import StaleIndexError, TellapartError
from tellapart.index.postgres.address import Address
from tellapart.index.postgres.database import Database, LostConnectionError, psycopg, spoken
from tellapart.index.postgres.placing import NOWHERE, PLACED, PlacedSegment, Placement
from tellapart.index.postgres.schema import FIRST, LIVE, PUBLISHED, RECORDED, SWEPT, VERSION, WHOLE

Answer = TypeVar("Answer")

ATTEMPTS, PAUSE_SECONDS = 100, 0.05
"""How often, and with what pauses, a reader looks again where the first server names a publication that a shard does
not have, or not any more. Between servers it is gone at the next look; a replica may lag behind for seconds."""

LOST_SECONDS = 30.0
"""How long searches that do without a lost shard do not ask for it again: each would wait for its connection, ten
seconds where a host is gone."""


LOOK = (
    f"SELECT key, value FROM meta WHERE key IN ('{PUBLISHED}', 'index')"
    f" UNION ALL SELECT name, value FROM records WHERE name = '{RECORDED}'"
)
"""What tells whether something was published, or kept here, since."""


class LostShardError(TellapartError):
    """A shard was lost in the middle of a search that may do without it: asked again, it does."""


class Servers:
    """All servers of an index, used by one thread at a time; inside `reading` all show one publication.

    What is published is decided at the first server, in one transaction. A shard has all that the publications from
    `swept` to `whole` consist of. A reader makes sure that its own is one of these before it asks for anything, in the
    transaction that it then asks in.
    """

    def __init__(self, first: Database) -> None:
        self.first = first
        self.meta: dict[str, str] = {}
        self.recorded = ""
        self.segments: list[PlacedSegment] = []
        self.placement: Placement = NOWHERE
        self.lost: dict[int, LostConnectionError] = {}
        self._shards: dict[int, Database] = {}
        self._silent_since: dict[int, float] = {}
        self._threads: ThreadPoolExecutor | None = None
        self._reading = False

    @property
    def numbers(self) -> list[int]:
        """Numbers of the servers that are asked, the first one first."""
        return [FIRST, *(number for number in self._shards if number not in self.lost)]

    @property
    def addresses(self) -> list[Address]:
        """Where the shards are."""
        return [database.address for database in self._shards.values()]

    @property
    def index(self) -> str:
        """Name of the index, which no other one has."""
        return self.meta.get("index", "")

    @property
    def publication(self) -> int:
        """Counts what was published, as far as `follow` has seen."""
        return int(self.meta.get(PUBLISHED, 0))

    @property
    def partial(self) -> str | None:
        """Say what is left out, None where all is there."""
        if not self.lost:
            return None
        left_out, documents = self.placement.count_at(self.lost), len(self.placement.numbers)
        names = ", ".join(str(self._shards[number].address) for number in self.lost)
        return f"no answer from {names}: {left_out:,} of {documents:,} documents are left out"

    def close(self) -> None:
        """Let go of the connections."""
        for database in (self.first, *self._shards.values()):
            database.close()
        self._set_threads(0)

    def follow(self) -> int:
        """Look at the first server whether something was published since, and read what is where if so."""
        with self.first.reading():
            named: dict[str, str] = dict(self.first.seen)
            self.recorded = named.get(RECORDED, "")
            # not the count alone: another index may be published in a schema that was dropped and made again
            if any(named.get(key) != self.meta.get(key) for key in (PUBLISHED, "index")):
                self.meta = dict(self.first.rows("SELECT key, value FROM meta"))
                rows = self.first.rows(f"SELECT {PLACED} FROM segments WHERE {LIVE} ORDER BY position")
                self.segments = [PlacedSegment.of(row) for row in rows]
                self.placement = Placement(self.segments)
                self._set_shards(dict(self.first.rows("SELECT number, address FROM shards ORDER BY number")))
        return self.publication

    def _set_shards(self, kept: Mapping[int, str]) -> None:
        before, self._shards = self._shards, {}
        for number, written in kept.items():
            address = self.first.address.shard(written)
            known = before.get(number)
            same = known is not None and known.address == address
            self._shards[number] = before.pop(number) if same else Database(address)
        for number, database in before.items():
            database.close()
            self._silent_since.pop(number, None)
            self.lost.pop(number, None)
        self._set_threads(len(self._shards))

    def _set_threads(self, count: int) -> None:
        if self._threads is not None:
            self._threads.shutdown(wait=False)
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="shard") if count else None

    @contextmanager
    def reading(self) -> Iterator[None]:
        """See one publication throughout, whatever a publisher commits meanwhile.

        Raises:
            LostConnectionError: A server does not answer, and answers without it were not asked for.
            TellapartError: A shard holds something else.
        """
        if self._reading:
            yield
            return
        with ExitStack() as stack:
            self._begin(stack)
            self._reading = True
            try:
                yield
            finally:
                self._reading = False

    def _begin(self, stack: ExitStack) -> None:
        """Open a transaction at every server, all of one publication."""
        for _ in range(ATTEMPTS):
            with ExitStack() as trying:
                trying.enter_context(self.first.reading())
                publication = self.follow()
                if not self._shards or self._enter_shards(trying, publication):
                    stack.push(trying.pop_all())
                    return
            time.sleep(PAUSE_SECONDS)
        raise TellapartError(
            f"{self.first.address} names publication {publication}, which a shard has not, or not any more:"
            " a replica lags behind; try again, or publish again"
        )

    def _enter_shards(self, stack: ExitStack, publication: int) -> bool:
        """Open a transaction at every shard; False where one of them has not this publication."""
        now = time.monotonic()
        self._silent_since = {n: at for n, at in self._silent_since.items() if now - at < LOST_SECONDS}
        self.lost = {number: error for number, error in self.lost.items() if number in self._silent_since}
        begun: dict[int, ExitStack] = {}
        stack.callback(self._leave, begun)

        def begin(number: int) -> bool:
            database = self._shards[number]
            with ExitStack() as trying:
                trying.enter_context(database.reading())
                swept, whole = _publications(database, number, self.index)
                begun[number] = trying.pop_all()
            return swept <= publication <= whole

        asked = [number for number in self._shards if number not in self.lost]
        answers = self._at_once({number: partial(begin, number) for number in asked})
        for number, answer in answers.items():
            if isinstance(answer, LostConnectionError) and self.first.address.partial:
                self.lost[number], self._silent_since[number] = answer, now
            elif isinstance(answer, BaseException):
                raise self._advised(answer)
        return all(answers[number] for number in asked if number not in self.lost)

    def _leave(self, begun: Mapping[int, ExitStack]) -> None:
        """End the transactions; where a shard was lost since, nothing is lost with it."""

        def leave(held: ExitStack) -> None:
            with suppress(TellapartError):
                held.close()

        self._at_once({number: partial(leave, held) for number, held in begun.items()})

    def gather(
        self, ask: Callable[[int, Database], Answer], numbers: Iterable[int] | None = None
    ) -> dict[int, Answer]:
        """Ask all servers, or some of them, at once; those that are lost are left out.

        Raises:
            LostShardError: One was lost since, and may be: what was asked so far may miss its documents.
        """
        with self.reading():
            wanted = None if numbers is None else set(numbers)
            asked = [number for number in self.numbers if wanted is None or number in wanted]
            answers = self._at_once({number: partial(ask, number, self._server(number)) for number in asked})
            found: dict[int, Answer] = {}
            for number, answer in answers.items():
                if not isinstance(answer, BaseException):
                    found[number] = answer
                elif number == FIRST or not isinstance(answer, LostConnectionError):
                    raise answer
                elif not self.first.address.partial:
                    raise self._advised(answer)
                else:
                    self.lost[number], self._silent_since[number] = answer, time.monotonic()
                    raise LostShardError(str(answer)) from answer
            return found

    def _server(self, number: int) -> Database:
        return self.first if number == FIRST else self._shards[number]

    def _at_once(self, calls: Mapping[int, Callable[[], Answer]]) -> dict[int, Answer | BaseException]:
        """Call for several servers, in threads but for the first call; gives answers and errors."""
        if not calls:
            return {}
        (number, own), *others = calls.items()
        waiting = {}
        if others:
            assert self._threads is not None
            waiting = {other: self._threads.submit(call) for other, call in others}
        answers: dict[int, Answer | BaseException] = {}
        try:
            answers[number] = own()
        except Exception as error:
            answers[number] = error
        finally:
            wait(waiting.values())  # nobody else may use their connections before
        for other, future in waiting.items():
            failed = future.exception()
            answers[other] = future.result() if failed is None else failed
        return answers

    def _advised(self, error: BaseException) -> BaseException:
        """Say what can be done without a shard."""
        if not isinstance(error, LostConnectionError):
            return error
        return LostConnectionError(f"{error}; an address with partial=yes gets answers without this shard")


def _publications(database: Database, number: int, index: str) -> tuple[int, int]:
    """Read from which to which publication a shard is whole.

    Raises:
        StaleIndexError: Another version of tellapart wrote it.
        TellapartError: It is not this shard of this index.
    """
    with database.reading() as connection, spoken(database.address):
        try:
            kept: dict[str, str] = dict(connection.execute("SELECT key, value FROM meta").fetchall())
        except psycopg().errors.UndefinedTable:
            kept = {}
    if (kept.get("index"), kept.get("server")) != (index, str(number)):
        raise TellapartError(
            f"{database.address} does not hold shard {number} of this index any more: publish again"
        )
    if kept.get("version") != str(VERSION):
        raise StaleIndexError(f"{database.address} has tables of another version: publish again")
    return int(kept.get(SWEPT, 0)), int(kept.get(WHOLE, 0))

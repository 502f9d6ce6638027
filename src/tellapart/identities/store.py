"""Identities, templates, what a person said about them, and the audit log, in a gallery's file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart.encoders.protocol import Vectors
from tellapart.errors import CorruptIndexError, TellapartError
from tellapart.identities.answers import Entry, Floats, Identity, Origin, Rows, View
from tellapart.identities.file import GalleryFile, Sealed, now


@dataclass(frozen=True, slots=True, eq=False)
class Templates:
    """Templates in the order of their numbers: identities (n,), automatic (n,), qualities (n,), vectors (n, dim)."""

    numbers: Rows
    identities: Rows
    automatic: NDArray[np.bool_]
    qualities: Floats
    vectors: Vectors

    def rows(self, chosen: Rows) -> Templates:
        """Give some of them."""
        return Templates(
            self.numbers[chosen],
            self.identities[chosen],
            self.automatic[chosen],
            self.qualities[chosen],
            self.vectors[chosen],
        )


@dataclass(frozen=True, slots=True)
class StoredView:
    """What is kept about a template besides its vector."""

    number: int
    identity: int
    origin: Origin
    quality: float
    source: str
    added: str
    key: bytes


class GalleryStore(GalleryFile):
    """What a gallery holds; changes belong inside `writing` (or, for the log, `noting`)."""

    def add_identity(self, name: str, *, consent: str = "", cohort: bool = False) -> int:
        """Give the number of an identity, which is made if there is none of that name.

        Raises:
            TellapartError: Nothing can be called so.
        """
        check_name(name)
        if (known := self.find(name)) is not None:
            return known
        facts = {"name": name, "consent": consent, "added": now()}
        tag = self.cipher.tag(name.encode())
        cursor = self.connection.execute(
            "INSERT INTO identities (tag, facts, cohort) VALUES (?, ?, ?)",
            (tag, self.sealed(facts, "identity"), cohort),
        )
        return int(cursor.lastrowid or 0)

    def find(self, name: str) -> int | None:
        """Give the number of the identity of that name."""
        tag = self.cipher.tag(name.encode())
        row = self.connection.execute("SELECT id FROM identities WHERE tag = ?", (tag,)).fetchone()
        return int(row[0]) if row else None

    def names(self, *, after: int = 0) -> dict[int, str]:
        """Map identities' numbers to their names, the cohort left out."""
        rows = self.connection.execute(
            "SELECT id, facts FROM identities WHERE NOT cohort AND id > ?", (after,)
        )
        return {number: self.opened(facts, "identity")["name"] for number, facts in rows}

    def identities(self) -> list[Identity]:
        """List all identities."""
        rows = self.connection.execute(
            "SELECT i.id, i.facts, i.cohort, COUNT(t.id), COALESCE(SUM(t.automatic), 0) FROM identities i"
            " LEFT JOIN templates t ON t.identity = i.id GROUP BY i.id ORDER BY i.id"
        ).fetchall()
        found = []
        for number, sealed, cohort, count, automatic in rows:
            facts = self.opened(sealed, "identity")
            found.append(
                Identity(
                    number, facts["name"], count, automatic, facts["added"], facts["consent"], bool(cohort)
                )
            )
        return found

    def rename(self, number: int, name: str) -> None:
        """Call an identity something else; raises TellapartError where nothing can be called so."""
        check_name(name)
        row = self.connection.execute("SELECT facts FROM identities WHERE id = ?", (number,)).fetchone()
        facts = {**self.opened(row[0], "identity"), "name": name}
        self.connection.execute(
            "UPDATE identities SET tag = ?, facts = ? WHERE id = ?",
            (self.cipher.tag(name.encode()), self.sealed(facts, "identity"), number),
        )

    def remove_identity(self, number: int) -> int:
        """Forget an identity and its templates; says how many those were."""
        tags = self.connection.execute("SELECT tag FROM templates WHERE identity = ?", (number,)).fetchall()
        for (tag,) in tags:
            self.connection.execute("DELETE FROM links WHERE a = ? OR b = ?", (tag, tag))
        self.connection.execute("DELETE FROM templates WHERE identity = ?", (number,))
        self.connection.execute("DELETE FROM identities WHERE id = ?", (number,))
        self.count_removal()
        return len(tags)

    def add_templates(
        self,
        identities: Sequence[int],
        views: Sequence[View],
        origin: Origin,
        pictures: Sequence[bytes | None],
    ) -> None:
        """Keep views as templates."""
        moment = now()
        self.connection.executemany(
            "INSERT INTO templates (identity, tag, vector, quality, automatic, facts, picture) VALUES (?,?,?,?,?,?,?)",
            (
                (
                    identity,
                    self.cipher.tag(view.key),
                    self.cipher.seal(view.vector.astype("<f2").tobytes(), "vector"),
                    view.quality,
                    origin is Origin.AUTOMATIC,
                    self.sealed(
                        {"source": view.source, "added": moment, "box": view.box, "key": view.key.hex()},
                        "template",
                    ),
                    None if picture is None else self.cipher.seal(picture, "picture"),
                )
                for identity, view, picture in zip(identities, views, pictures, strict=True)
            ),
        )

    def holder(self, key: bytes) -> int | None:
        """Give the identity for which the view of this key is enrolled."""
        tag = self.cipher.tag(key)
        row = self.connection.execute("SELECT identity FROM templates WHERE tag = ?", (tag,)).fetchone()
        return int(row[0]) if row else None

    def remove_template(self, number: int) -> None:
        """Forget one template."""
        row = self.connection.execute("SELECT tag FROM templates WHERE id = ?", (number,)).fetchone()
        self.connection.execute("DELETE FROM links WHERE a = ? OR b = ?", (row[0], row[0]))
        self.connection.execute("DELETE FROM templates WHERE id = ?", (number,))
        self.count_removal()

    def move_templates(self, numbers: Sequence[int], identity: int) -> None:
        """Give templates to another identity."""
        self.connection.executemany(
            "UPDATE templates SET identity = ?, automatic = 0 WHERE id = ?",
            ((identity, number) for number in numbers),
        )
        self.count_removal()

    def views_of(self, identity: int) -> list[StoredView]:
        """List what is kept about an identity's templates."""
        rows = self.connection.execute(
            "SELECT id, automatic, quality, facts FROM templates WHERE identity = ? ORDER BY id", (identity,)
        )
        found = []
        for number, automatic, quality, sealed in rows:
            facts = self.opened(sealed, "template")
            origin = Origin.AUTOMATIC if automatic else Origin.PERSON
            found.append(
                StoredView(
                    number,
                    identity,
                    origin,
                    quality,
                    facts["source"],
                    facts["added"],
                    bytes.fromhex(facts["key"]),
                )
            )
        return found

    def picture(self, number: int) -> bytes | None:
        """Give the picture that was kept with a template."""
        row = self.connection.execute("SELECT picture FROM templates WHERE id = ?", (number,)).fetchone()
        return None if row is None or row[0] is None else self.cipher.open(row[0], "picture")

    def templates(
        self, dim: int, *, after: int = 0, of: Iterable[int] | None = None, cohort: bool = False
    ) -> Templates:
        """Read templates numbered above `after`, of some identities or all; of the cohort, or of the others."""
        query = (
            "SELECT t.id, t.identity, t.automatic, t.quality, t.vector FROM templates t JOIN identities i"
            f" ON i.id = t.identity WHERE i.cohort = {int(cohort)}"
        )
        if of is None:
            rows = self.connection.execute(f"{query} AND t.id > ? ORDER BY t.id", (after,)).fetchall()
        else:
            rows = []
            for number in of:
                rows += self.connection.execute(
                    f"{query} AND t.identity = ? ORDER BY t.id", (number,)
                ).fetchall()
        sealed = isinstance(self.cipher, Sealed)
        content = b"".join(self.cipher.open(row[4], "vector") if sealed else row[4] for row in rows)
        if len(content) != 2 * dim * len(rows):
            raise CorruptIndexError(
                f"the templates of {self.place} hold {len(content):,} bytes instead of {2 * dim * len(rows):,}:"
                " restore the gallery from a copy"
            )
        vectors = np.frombuffer(content, dtype="<f2").reshape(len(rows), dim).astype(np.float32)
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)
        columns = list(zip(*(row[:4] for row in rows), strict=True)) or [(), (), (), ()]
        return Templates(
            np.array(columns[0], dtype=np.int64),
            np.array(columns[1], dtype=np.int64),
            np.array(columns[2], dtype=bool),
            np.array(columns[3], dtype=np.float64),
            vectors,
        )

    def link(self, a: View, b: View, *, same: bool) -> None:
        """Remember that a person said two views show the same, or different ones."""
        first, second = sorted((self.cipher.tag(a.key), self.cipher.tag(b.key)))
        self.connection.execute("INSERT OR REPLACE INTO links VALUES (?, ?, ?)", (first, second, same))

    def links(self, views: Sequence[View]) -> list[tuple[int, int, bool]]:
        """Give what a person said about these views: (place, place, same)."""
        places = {self.cipher.tag(view.key): place for place, view in enumerate(views)}
        rows = self.connection.execute("SELECT a, b, same FROM links")
        return [(places[a], places[b], bool(same)) for a, b, same in rows if a in places and b in places]

    def log(self, action: str, identities: Sequence[int] = (), **details: Any) -> None:  # noqa: ANN401
        """Add a line to the audit log."""
        entry = {"time": now(), "action": action, "identities": list(identities), **details}
        self.connection.execute("INSERT INTO audit (entry) VALUES (?)", (self.sealed(entry, "audit"),))

    def entries(self) -> list[Entry]:
        """Read the audit log, oldest first."""
        rows = self.connection.execute("SELECT entry FROM audit ORDER BY id")
        found = []
        for (sealed,) in rows:
            entry = self.opened(sealed, "audit")
            time, action, identities = entry.pop("time"), entry.pop("action"), entry.pop("identities")
            found.append(Entry(time, action, tuple(identities), entry))
        return found


def check_name(name: str) -> None:
    """Refuse a name that no list could show."""
    if not name.strip() or "\t" in name or len(name.splitlines()) > 1:
        raise TellapartError(
            f"an identity cannot be called {name!r}: give it a name of one line, without tabs"
        )

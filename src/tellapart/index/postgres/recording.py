"""Records (verdict, calibrators, relations) of a published index: sent from the folder, or kept at the database.

What was kept last in one of both places counts. So the table remembers beside each record what the folder had when it
was published last: only where the folder has something else now, it replaces what the database has.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import TYPE_CHECKING

from tellapart.index.postgres.database import Database, Row, spoken
from tellapart.index.postgres.schema import RECORDED, plain

if TYPE_CHECKING:
    from psycopg import Cursor


def keep_at(database: Database, records: Mapping[str, str]) -> None:
    """Keep records at the database, and let all readers see that there are other ones.

    Raises:
        TellapartError: The server, or the role, does not let us.
    """
    with (
        spoken(database.address),
        closing(database.connect(writing=True)) as connection,
        connection.transaction(),
        connection.cursor() as cursor,
    ):
        cursor.executemany(
            "INSERT INTO records (name, value) VALUES (%s, %s)"
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            [(plain(name), value) for name, value in records.items()],
        )
        cursor.execute(
            "INSERT INTO records AS kept (name, value) VALUES (%s, '1')"
            " ON CONFLICT (name) DO UPDATE SET value = (kept.value::bigint + 1)::text",
            (RECORDED,),
        )


def send_records(cursor: Cursor[Row], records: Mapping[str, str], *, other: bool) -> tuple[str, ...]:
    """Send the folder's records, inside the transaction that publishes; `other` says that it is another index.

    Gives the names of those that were kept at the database and are about the index before: they are gone.
    """
    own = {plain(name): value for name, value in records.items()}
    cursor.execute(
        "LOCK TABLE records IN SHARE ROW EXCLUSIVE MODE"
    )  # nobody keeps one meanwhile; readers go on
    rows = cursor.execute("SELECT name, value, sent FROM records WHERE name != %s", (RECORDED,)).fetchall()
    sent = {name: was for name, _, was in rows}
    gone = [name for name in sent if other or (name not in own and sent[name] is not None)]
    cursor.execute("DELETE FROM records WHERE name = ANY(%s)", (gone,))
    cursor.executemany(
        "INSERT INTO records VALUES (%s, %s, %s)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value, sent = excluded.sent",
        [(name, value, value) for name, value in own.items() if other or sent.get(name) != value],
    )
    return tuple(sorted(name for name, value, was in rows if value != was)) if other else ()

"""The same queries to a folder, to the index published from it, and to pgvector called directly."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import psycopg

from tellapart import Granularity, Index, Kind
from tellapart.index.lexical import analyse_query
from tellapart.index.postgres.building import CONSTRUCTION
from tellapart.index.postgres.database import prepare_session
from tellapart.index.postgres.vector_table import SLACK, WALK
from tellapart.index.snapshot import UnitTable

K = 10
LEVEL = Granularity.PARAGRAPH
SETS = {".05": ("id glob '*[02468]3'", "[02468]3$"), ".005": ("id glob '*[0-4]13'", "[0-4]13$")}
"""Filters by the share of the documents that they keep, for us and as a regular expression of PostgreSQL."""


def timed(act: Callable[[], object]) -> float:
    """Seconds that something takes."""
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def both(values: Sequence[float]) -> str:
    """Median and 95th percentile in milliseconds."""
    ordered = sorted(values)
    return f"{1000 * statistics.median(ordered):.1f} / {1000 * ordered[int(0.95 * (len(ordered) - 1))]:.1f}"


def recall(found: np.ndarray, exact: np.ndarray) -> float:
    return float(np.mean([len(np.intersect1d(a, b)) / K for a, b in zip(found, exact, strict=True)]))


def rows_at(vectors: Any) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:  # noqa: ANN401
    """Give what finds the rows of documents and ordinals at the only server."""
    (table,) = vectors._tables.values()
    return table._rows_of


class Asking:
    """Puts the same queries to the folder, to the published index and to the server directly."""

    def __init__(self, folder: Index, published: Index, address: str, uri: str, asked: Sequence[str]) -> None:
        self.folder = folder
        self.published = published
        self.address = address
        self.asked = asked
        self.direct = psycopg.connect(uri, autocommit=True)
        prepare_session(self.direct, "bench")
        row = self.direct.execute("SELECT key, ef_search FROM vector_sets WHERE NOT retired").fetchone()
        assert row is not None
        self.table, self.ef_search = f"vectors_{row[0]}", row[1]
        self.direct.execute(f"SET hnsw.ef_search = {self.ef_search}")
        self.lines: list[str] = []

    def words(self) -> None:
        """BM25: identity, and times of every way to have it."""
        folder, published, differences, same = [], [], [], 0
        for query in self.asked:
            started = time.perf_counter()
            kept = self.folder.search(query, ranker="bm25", granularity="paragraph", k=K)
            between = time.perf_counter()
            again = self.published.search(query, ranker="bm25", granularity="paragraph", k=K)
            folder.append(between - started)
            published.append(time.perf_counter() - between)
            same += [hit.id for hit in kept] == [hit.id for hit in again]
            differences += [abs(a.score - b.score) for a, b in zip(kept, again, strict=True)]
        self.lines.append(
            f"| BM25, the same ten ids in the same order | {same:,} of {len(self.asked):,} queries;"
            f" scores differ by {max(differences):.0e} at the most |"
        )
        self.lines.append(f"| BM25, whole search, folder | {both(folder)} ms |")
        self.lines.append(f"| BM25, whole search, published | {both(published)} ms |")

    def full_text(self, some: int = 20) -> None:
        """PostgreSQL's own full text search beside BM25: passages with any of the words, and with all of them."""
        execute = self.direct.execute
        execute("DROP TABLE IF EXISTS full_texts")
        execute(
            "CREATE TABLE full_texts AS SELECT key, to_tsvector('english', convert_from(text, 'UTF8')) AS words"
            " FROM documents"
        )
        execute("CREATE INDEX ON full_texts USING gin (words)")
        execute("VACUUM ANALYZE full_texts")
        all_words = "plainto_tsquery('english', %s)"
        any_word = f"replace({all_words}::text, '&', '|')::tsquery"

        def ranked(asked: str, query: str) -> Callable[[], object]:
            statement = (
                f"SELECT key FROM full_texts, (SELECT {asked} AS q) AS asked WHERE words @@ q"
                f" ORDER BY ts_rank(words, q) DESC LIMIT {K}"
            )
            return lambda: execute(statement, (query,)).fetchall()

        def ours(query: str) -> Callable[[], object]:
            return lambda: self.published.search(query, ranker="bm25", granularity="paragraph", k=K)

        times: list[list[float]] = [[], [], []]
        for query in self.asked[:some]:
            ways = ours(query), ranked(any_word, query), ranked(all_words, query)
            for own, way in zip(times, ways, strict=True):
                way()  # its pages are in memory then
                own.append(timed(way))
        execute("DROP TABLE full_texts")
        self.lines += [
            f"| BM25, whole search, published, {some} queries asked again | {both(times[0])} ms |",
            f"| the same queries by `tsvector` and `ts_rank` directly, passages with any word | {both(times[1])} ms |",
            f"| the same, passages with all words | {both(times[2])} ms |",
        ]

    def scoring_in_sql(self, some: int = 20) -> None:
        """BM25 by a statement over a table of (term, unit, tf), and by postings that are fetched."""
        with self.folder.reading() as snapshot:
            lexical, languages = snapshot.lexical(LEVEL), snapshot.languages
            n, average = lexical.n_units, lexical.average_length
        asked = [analyse_query(query, Kind.PROSE, languages) for query in self.asked[:some]]
        postings = self._table_of({term for terms in asked for term in terms})
        statement = (
            "SELECT unit, sum(ln(1 + (%s - df + .5) / (df + .5)) * tf / (tf + 1.5 * (.25 + .75 * length / %s))) AS s"
            " FROM exploded JOIN (SELECT term, count(*) AS df FROM exploded WHERE term = ANY(%s) GROUP BY term) AS f"
            " USING (term) GROUP BY unit ORDER BY s DESC, unit LIMIT 10"
        )
        in_sql, first, again, agree = [], [], [], 0
        for terms in asked:
            keys = [term.encode() for term in dict.fromkeys(terms)]
            started = time.perf_counter()
            rows = self.direct.execute(statement, (n, average, keys)).fetchall()
            in_sql.append(time.perf_counter() - started)
            with Index.open(self.address) as fresh, fresh.reading() as reading:
                own = reading.lexical(LEVEL)
                own.top(["warm"], K, k1=1.5, b=0.75)
                started = time.perf_counter()
                best, _ = own.top(terms, K, k1=1.5, b=0.75)
                first.append(time.perf_counter() - started)
                started = time.perf_counter()
                own.top(terms, K, k1=1.4, b=0.75)
                again.append(time.perf_counter() - started)
            agree += {row[0] for row in rows} == set(best.tolist())
        row = self.direct.execute("SELECT pg_total_relation_size('exploded')").fetchone()
        assert row is not None
        self.lines += [
            f"| BM25, ranking alone: postings fetched, then scored here | {both(first)} ms |",
            f"| the same, postings of these terms here already | {both(again)} ms |",
            f"| BM25, ranking alone: one SQL statement over (term, unit, tf); the same ten units for {agree} of {some}"
            f" | {both(in_sql)} ms; {row[0] / postings:,.0f} bytes a posting |",
        ]

    def _table_of(self, terms: set[str]) -> int:
        """Write the postings of some terms as rows; says how many."""
        execute, count, first = self.direct.execute, 0, 0
        execute("DROP TABLE IF EXISTS exploded")
        execute("CREATE TABLE exploded (term bytea, unit int, tf int, length int)")
        with (
            self.folder.reading() as snapshot,
            self.direct.cursor() as cursor,
            cursor.copy("COPY exploded FROM STDIN (FORMAT BINARY)") as copy,
        ):
            copy.set_types(["bytea", "int4", "int4", "int4"])
            lexical, alive = snapshot.lexical(LEVEL), snapshot.units(LEVEL).alive
            for segment in snapshot.segments:
                for term in terms:
                    number = segment.lexical.find(term)
                    if number is None:
                        continue
                    own, start, end = segment.lexical.postings(LEVEL).of(number)
                    found = own.rows[start:end].tolist()
                    for row, tf in zip(found, own.exact_frequencies(start, end).tolist(), strict=True):
                        if alive is None or alive[first + row]:
                            copy.write_row((term.encode(), first + row, int(tf), lexical.length(first + row)))
                            count += 1
                first += segment.lexical.units(LEVEL)
        execute("CREATE INDEX ON exploded (term) INCLUDE (unit, tf, length)")
        execute("VACUUM ANALYZE exploded")
        return count

    def neighbours(self, some: int = 200) -> None:
        """k-NN: recall and time beside the statement that anybody would write."""
        encoder = self.folder.encoder("lsa")
        queries = encoder.encode_query(list(self.asked[:some]))
        with self.folder.reading() as snapshot:
            exact, _ = snapshot.vectors("lsa", LEVEL).search(queries, K, exact=True)
            local = snapshot.vectors("lsa", LEVEL)
            table = snapshot.units(LEVEL)
            in_folder = [timed(lambda q=q: local.search(q[None], K)) for q in queries]
        with self.published.reading() as reading:
            rows_of = rows_at(reading.vectors("lsa", LEVEL))
        plain_statement = (
            f"SELECT document, ordinal FROM {self.table} ORDER BY embedding <#> %s::halfvec LIMIT 10"
        )
        plain, ours, plain_rows, our_rows = [], [], [], []
        for at, query in enumerate(queries):
            literal = "[" + ",".join(f"{value:.6g}" for value in query.tolist()) + "]"
            self.direct.execute(plain_statement, (literal,))  # its pages are in memory then, for both
            for mine in (True, False) if at % 2 else (False, True):
                started = time.perf_counter()
                if mine:
                    with self.published.reading() as reading:
                        rows, _ = reading.vectors("lsa", LEVEL).search(query[None], K)
                else:
                    found = self.direct.execute(plain_statement, (literal,)).fetchall()
                (ours if mine else plain).append(time.perf_counter() - started)
            plain_rows.append(rows_of(*np.array(found, np.int64).T))
            our_rows.append(rows[0])
        ratio = statistics.median(ours) / statistics.median(plain)
        columns = f"document, ordinal, embedding FROM {self.table}"
        walk = WALK.replace("%s", f"'{self.ef_search}'")
        at_server = [self._at_server(plain_statement, queries)]
        at_server.append(
            self._at_server(
                f"SELECT {columns} WHERE {walk} ORDER BY embedding <#> %s::halfvec LIMIT {K + SLACK}", queries
            )
        )
        self.lines += [
            f"| k-NN, folder | {both(in_folder)} ms |",
            f"| k-NN, pgvector called directly (`ef_construction` {CONSTRUCTION}, `ef_search` {self.ef_search}) |"
            f" {both(plain)} ms, recall@10 {recall(np.array(plain_rows), exact):.4f};"
            f" {at_server[0]:.1f} ms at the server for a query not asked just before |",
            f"| k-NN, published: a transaction, the same graph, exact scores | {both(ours)} ms,"
            f" recall@10 {recall(np.array(our_rows), exact):.4f}; {ratio:.2f} x as long;"
            f" {at_server[1]:.1f} ms at the server for a query not asked just before |",
        ]
        for share, conditions in SETS.items():
            self._filtered(share, *conditions, queries[:60], table)

    def _at_server(self, statement: str, queries: np.ndarray) -> float:
        """Median milliseconds that the server plans and executes a statement, by its own account."""
        times = []
        for query in queries:
            (told,) = self.direct.execute(
                f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement}", (str(query.tolist()),)
            ).fetchone() or ([{}],)
            times.append(told[0]["Planning Time"] + told[0]["Execution Time"])
        return statistics.median(times)

    def _filtered(
        self, share: str, condition: str, expression: str, queries: np.ndarray, table: UnitTable
    ) -> None:
        with self.folder.reading() as snapshot:
            allowed = table.rows_of(self.folder.store.matching([condition]))
            exact, _ = snapshot.vectors("lsa", LEVEL).search(queries, K, allowed=allowed, exact=True)
        ours, rows = [], []
        with self.published.reading() as reading:
            vectors = reading.vectors("lsa", LEVEL)
            for query in queries:
                started = time.perf_counter()
                found, _ = vectors.search(query[None], K, allowed=allowed)
                ours.append(time.perf_counter() - started)
                rows.append(found[0])
            scanned = timed_search(vectors, queries, allowed, limit=0)
        told = []
        for scan in ("off", "strict_order"):
            self.direct.execute(f"SET hnsw.iterative_scan = {scan}")
            plain, plain_rows = [], []
            for query in queries:
                literal = "[" + ",".join(f"{value:.6g}" for value in query.tolist()) + "]"
                started = time.perf_counter()
                found = self.direct.execute(
                    f"SELECT v.document, v.ordinal FROM {self.table} v JOIN documents d ON d.key = v.document"
                    " WHERE d.id ~ %s ORDER BY embedding <#> %s::halfvec LIMIT 10",
                    (expression, literal),
                ).fetchall()
                plain.append(time.perf_counter() - started)
                own = rows_at(vectors)(*np.array(found, np.int64).reshape(-1, 2).T)
                plain_rows.append(np.append(own, np.full(K - len(own), -2)))
            told.append(f"{scan}: {both(plain)} ms, recall@10 {recall(np.array(plain_rows), exact):.4f}")
        prepare_session(self.direct, "bench")
        self.lines += [
            f"| k-NN, a filter of {share}, published | {both(ours)} ms,"
            f" recall@10 {recall(np.array(rows), exact):.4f} |",
            f"| the same by the graph alone, whatever the filter leaves | {both(scanned[0])} ms,"
            f" recall@10 {recall(scanned[1], exact):.4f} |",
            f"| the same, pgvector with a join, `iterative_scan` | {'; '.join(told)} |",
        ]

    def fused(self, some: int = 100) -> None:
        """The hybrid, and how far it is that of the folder."""
        folder, published, overlap, first = [], [], [], 0
        for query in self.asked[:some]:
            started = time.perf_counter()
            kept = self.folder.search(query, ranker="hybrid", encoder="lsa", granularity="paragraph", k=K)
            between = time.perf_counter()
            again = self.published.search(query, ranker="hybrid", encoder="lsa", granularity="paragraph", k=K)
            folder.append(between - started)
            published.append(time.perf_counter() - between)
            ids = {hit.id for hit in kept}
            overlap.append(len(ids & {hit.id for hit in again}) / max(len(ids), 1))
            first += [hit.id for hit in kept[:1]] == [hit.id for hit in again[:1]]
        self.lines += [
            f"| hybrid, top ten in common with the folder | {np.mean(overlap):.4f}; the same first hit for {first} of"
            f" {len(overlap)} |",
            f"| hybrid, whole search, folder | {both(folder)} ms |",
            f"| hybrid, whole search, published | {both(published)} ms |",
        ]


def timed_search(vectors, queries: np.ndarray, allowed: np.ndarray, limit: int):  # noqa: ANN001, ANN201
    """Search with another limit for scoring all units of a filter."""
    from tellapart.index.postgres import vector_table as module

    kept, module.SCANNED = module.SCANNED, limit
    try:
        times, rows = [], []
        for query in queries:
            started = time.perf_counter()
            found, _ = vectors.search(query[None], K, allowed=allowed)
            times.append(time.perf_counter() - started)
            rows.append(found[0])
    finally:
        module.SCANNED = kept
    return times, np.array(rows)

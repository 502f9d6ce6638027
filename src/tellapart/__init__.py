"""Embedding search that decides with evidence.

    from tellapart import Index

    index = Index.build(["docs/", "src/"], "my.idx")
    for hit in index.search("how are retries handled"):
        print(hit.document, hit.lines, hit.score)

Everything a caller may use is named here; it is imported on first use, so that `import tellapart` stays fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tellapart.public import lazily

if TYPE_CHECKING:
    from tellapart.corpus.document import ContainmentTree, Document, Granularity, Kind
    from tellapart.encoders.load import load_encoder
    from tellapart.encoders.protocol import Encoder
    from tellapart.engine import Configuration, Hit, Index, SearchRequest, SearchResult
    from tellapart.engine.context import Context
    from tellapart.engine.exporting import export
    from tellapart.engine.publishing import publish
    from tellapart.errors import CorruptIndexError, LockedIndexError, StaleIndexError, TellapartError
    from tellapart.experiments import Experiment, Finding, QuerySet, Verdict, decide, evaluate, read_query_set
    from tellapart.identities import Gallery
    from tellapart.rankers.registry import Parameters
    from tellapart.scores.corpus_map import CorpusMap, map_corpus

__all__ = [
    "Configuration",
    "ContainmentTree",
    "Context",
    "CorpusMap",
    "CorruptIndexError",
    "Document",
    "Encoder",
    "Experiment",
    "Finding",
    "Gallery",
    "Granularity",
    "Hit",
    "Index",
    "Kind",
    "LockedIndexError",
    "Parameters",
    "QuerySet",
    "SearchRequest",
    "SearchResult",
    "StaleIndexError",
    "TellapartError",
    "Verdict",
    "decide",
    "evaluate",
    "export",
    "load_encoder",
    "map_corpus",
    "publish",
    "read_query_set",
]

__getattr__ = lazily(
    __name__,
    {
        "tellapart.corpus.document": (
            "ContainmentTree",
            "Document",
            "Granularity",
            "Kind",
        ),
        "tellapart.encoders.load": ("load_encoder",),
        "tellapart.engine.context": ("Context",),
        "tellapart.engine.exporting": ("export",),
        "tellapart.engine.publishing": ("publish",),
        "tellapart.encoders.protocol": ("Encoder",),
        "tellapart.scores.corpus_map": ("CorpusMap", "map_corpus"),
        "tellapart.engine": (
            "Configuration",
            "Hit",
            "Index",
            "SearchRequest",
            "SearchResult",
        ),
        "tellapart.errors": (
            "CorruptIndexError",
            "LockedIndexError",
            "StaleIndexError",
            "TellapartError",
        ),
        "tellapart.experiments": (
            "Experiment",
            "Finding",
            "QuerySet",
            "Verdict",
            "decide",
            "evaluate",
            "read_query_set",
        ),
        "tellapart.identities": ("Gallery",),
        "tellapart.rankers.registry": ("Parameters",),
    },
)


def __dir__() -> list[str]:
    return __all__

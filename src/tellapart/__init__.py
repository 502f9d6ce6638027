"""Embedding search that decides with evidence.

    from tellapart import Index

    index = Index.build(["docs/", "src/"], "my.idx")
    for hit in index.search("how are retries handled"):
        print(hit.document, hit.lines, hit.score)

Everything a caller may use is named here; it is imported on first use, so that `import tellapart` stays fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tellapart.corpus.types import ContainmentTree, Document, Granularity, Kind
    from tellapart.encoders.load import load_encoder
    from tellapart.encoders.protocol import Encoder
    from tellapart.engine import Configuration, Hit, Index, SearchRequest, SearchResult
    from tellapart.engine.context import Context
    from tellapart.errors import CorruptIndexError, LockedIndexError, StaleIndexError, TellapartError
    from tellapart.experiments import Experiment, Finding, QuerySet, Verdict, decide, evaluate, read_query_set
    from tellapart.identities import Gallery
    from tellapart.rankers.registry import Parameters

_HOMES = {
    "Configuration": "tellapart.engine",
    "ContainmentTree": "tellapart.corpus.types",
    "Context": "tellapart.engine.context",
    "CorruptIndexError": "tellapart.errors",
    "Document": "tellapart.corpus.types",
    "Encoder": "tellapart.encoders.protocol",
    "Experiment": "tellapart.experiments",
    "Finding": "tellapart.experiments",
    "Gallery": "tellapart.identities",
    "Granularity": "tellapart.corpus.types",
    "Hit": "tellapart.engine",
    "Index": "tellapart.engine",
    "Kind": "tellapart.corpus.types",
    "LockedIndexError": "tellapart.errors",
    "Parameters": "tellapart.rankers.registry",
    "QuerySet": "tellapart.experiments",
    "SearchRequest": "tellapart.engine",
    "SearchResult": "tellapart.engine",
    "StaleIndexError": "tellapart.errors",
    "TellapartError": "tellapart.errors",
    "Verdict": "tellapart.experiments",
    "decide": "tellapart.experiments",
    "evaluate": "tellapart.experiments",
    "load_encoder": "tellapart.encoders.load",
    "read_query_set": "tellapart.experiments",
}

__all__ = [
    "Configuration",
    "ContainmentTree",
    "Context",
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
    "load_encoder",
    "read_query_set",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401
    if name not in _HOMES:
        raise AttributeError(f"module 'tellapart' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__

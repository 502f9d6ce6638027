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
    from tellapart.corpus.document import ContainmentTree as ContainmentTree
    from tellapart.corpus.document import Document as Document
    from tellapart.corpus.document import Granularity as Granularity
    from tellapart.corpus.document import Kind as Kind
    from tellapart.encoders.images import was_learned as was_learned
    from tellapart.encoders.load import load_encoder as load_encoder
    from tellapart.encoders.protocol import Encoder as Encoder
    from tellapart.engine import Configuration as Configuration
    from tellapart.engine import Hit as Hit
    from tellapart.engine import Index as Index
    from tellapart.engine import SearchRequest as SearchRequest
    from tellapart.engine import SearchResult as SearchResult
    from tellapart.engine.context import Context as Context
    from tellapart.engine.exporting import export as export
    from tellapart.engine.publishing import publish as publish
    from tellapart.errors import CorruptIndexError as CorruptIndexError
    from tellapart.errors import LockedIndexError as LockedIndexError
    from tellapart.errors import StaleIndexError as StaleIndexError
    from tellapart.errors import TellapartError as TellapartError
    from tellapart.experiments import Experiment as Experiment
    from tellapart.experiments import Finding as Finding
    from tellapart.experiments import QuerySet as QuerySet
    from tellapart.experiments import Verdict as Verdict
    from tellapart.experiments import decide as decide
    from tellapart.experiments import evaluate as evaluate
    from tellapart.experiments import read_query_set as read_query_set
    from tellapart.identities import Gallery as Gallery
    from tellapart.learning.adapting.adapt import adapt_encoder as adapt_encoder
    from tellapart.rankers.registry import Parameters as Parameters
    from tellapart.scores.corpus_map import CorpusMap as CorpusMap
    from tellapart.scores.corpus_map import map_corpus as map_corpus

__getattr__, __dir__, __all__ = lazily(__name__)

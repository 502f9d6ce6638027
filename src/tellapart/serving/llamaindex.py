"""Our context as a LlamaIndex retriever (extra `llamaindex`)."""

from __future__ import annotations

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from tellapart.engine import DEFAULT_TOKENS, Index


class TellapartNodeRetriever(BaseRetriever):
    """Gives the passages of `Index.context(query, tokens=)`; none where nothing in the corpus answers."""

    def __init__(self, index: Index, *, tokens: int = DEFAULT_TOKENS) -> None:
        super().__init__()
        self._corpus, self._tokens = index, tokens

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        given = self._corpus.context(query_bundle.query_str, tokens=self._tokens)
        return [
            NodeWithScore(node=TextNode(text=each.text, metadata={"source": each.place}), score=each.score)
            for each in given.passages
        ]

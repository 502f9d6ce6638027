"""Our context as a LangChain retriever (extra `langchain`)."""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document as LangChainDocument
from langchain_core.retrievers import BaseRetriever

from tellapart.engine import DEFAULT_TOKENS
from tellapart.engine.context import Passage


class TellapartRetriever(BaseRetriever):
    """Gives the passages of `Index.context(query, tokens=)`; none where nothing in the corpus answers."""

    index: Any
    tokens: int = DEFAULT_TOKENS

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[LangChainDocument]:
        given = self.index.context(query, tokens=self.tokens)
        return [
            LangChainDocument(page_content=each.text, metadata=_metadata(each)) for each in given.passages
        ]


def _metadata(passage: Passage) -> dict[str, object]:
    return {"source": passage.place, "score": passage.score, "probability": passage.probability}

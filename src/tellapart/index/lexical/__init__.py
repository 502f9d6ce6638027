"""Terms, postings and BM25: finding units by their words."""

from tellapart.index.lexical.bm25 import B_CODE, B_PROSE, K1_CODE, K1_PROSE, Bm25, defaults
from tellapart.index.lexical.merge import merge
from tellapart.index.lexical.segment import LexicalSegment
from tellapart.index.lexical.tokens import ANALYSER_VERSION, Analyser, analyse_query
from tellapart.index.lexical.writer import LexicalWriter

__all__ = [
    "ANALYSER_VERSION",
    "B_CODE",
    "B_PROSE",
    "K1_CODE",
    "K1_PROSE",
    "Analyser",
    "Bm25",
    "LexicalSegment",
    "LexicalWriter",
    "analyse_query",
    "defaults",
    "merge",
]

"""Prose: sentences, paragraphs and sections of plain text, Markdown and reStructuredText."""

from tellapart.corpus.prose.sentences import sentence_starts
from tellapart.corpus.prose.split import split

__all__ = ["sentence_starts", "split"]

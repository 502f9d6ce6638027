"""Source code: its languages, and its functions and classes found by tree-sitter."""

from tellapart.corpus.code.languages import LANGUAGES, Language, language_of_path
from tellapart.corpus.code.split import split

__all__ = ["LANGUAGES", "Language", "language_of_path", "split"]

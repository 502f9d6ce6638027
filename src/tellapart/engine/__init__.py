"""The facade `Index`: puts store, encoders, rankers and kept records together, decides what `auto` means."""

from tellapart.engine.building import build_index
from tellapart.engine.configuration import Configuration
from tellapart.engine.facade import DEFAULT_ENCODERS, Index
from tellapart.engine.request import DEFAULT_TOKENS, SearchRequest
from tellapart.engine.results import Hit, SearchResult

__all__ = [
    "DEFAULT_ENCODERS",
    "DEFAULT_TOKENS",
    "Configuration",
    "Hit",
    "Index",
    "SearchRequest",
    "SearchResult",
    "build_index",
]

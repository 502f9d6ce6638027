"""Names of a public module that are imported when they are first used, so that `import tellapart` stays fast."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def lazily(
    module: str, homes: Mapping[str, Sequence[str]], first: Callable[[], object] = lambda: None
) -> Callable[[str], Any]:
    """Make the `__getattr__` of a module: `homes` maps a module to the names that it holds.

    `first` is called before anything is imported, for an extra that may be missing.
    """
    home_of = {name: home for home, names in homes.items() for name in names}

    def find(name: str) -> Any:  # noqa: ANN401
        if name not in home_of:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        first()
        return getattr(import_module(home_of[name]), name)

    return find

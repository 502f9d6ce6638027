"""Names of a public module that are imported when they are first used, so that `import tellapart` stays fast."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any


def lazily(
    module: str, first: Callable[[], object] = lambda: None
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Make `__getattr__`, `__dir__` and `__all__` of a module from what it imports under `if TYPE_CHECKING`.

    As lazy loading by stubs does (scientific Python's SPEC 1), so that a type checker and the interpreter read the same
    list. `first` is called before anything is imported, for an extra that may be missing.
    """
    loader: Any = sys.modules[module].__loader__  # of files or of a zip archive
    home_of = {
        alias.name: str(each.module)
        for block in ast.parse(loader.get_source(module)).body
        if isinstance(block, ast.If) and isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING"
        for each in block.body
        if isinstance(each, ast.ImportFrom)
        for alias in each.names
    }
    names = sorted(home_of)

    def find(name: str) -> Any:  # noqa: ANN401
        if name not in home_of:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        first()
        return getattr(import_module(home_of[name]), name)

    return find, lambda: names, names

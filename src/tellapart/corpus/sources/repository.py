"""Where a folder stands in a git repository: the rules that reach it from above."""

from __future__ import annotations

import os

from tellapart.corpus.sources.ignore import GITIGNORE, OWN_IGNORE, RuleFile, read_rules


def rules_above(root: str) -> tuple[list[RuleFile], list[RuleFile]]:
    """Rules that reach `root` (a real path) from the repository around it: git's and our own, farthest first.

    Empty outside a repository and for a repository's own top folder, whose rules the walk reads itself.
    """
    top = _repository_of(root)
    if top is None or top == root:
        return [], []
    parts = os.path.relpath(root, top).split(os.sep)
    folders = [os.path.join(top, *parts[:depth]) for depth in range(len(parts))]
    exclude = exclude_rules(top, os.fsencode("/".join(parts)) + b"/")
    git = [exclude, *(_rules_in(folder, GITIGNORE, root) for folder in folders)]
    own = [_rules_in(folder, OWN_IGNORE, root) for folder in folders]
    return [rules for rules in git if rules is not None], [rules for rules in own if rules is not None]


def exclude_rules(top: str, above: bytes = b"", cut: int = 0) -> RuleFile | None:
    """The repository's own `info/exclude`, which is committed nowhere."""
    path = os.path.join(_common_folder(top), "info", "exclude")
    try:
        return read_rules(path, ".git/info/exclude", above=above, cut=cut)
    except OSError:
        return None


def _rules_in(folder: str, name: str, root: str) -> RuleFile | None:
    path = os.path.join(folder, name)
    if os.path.islink(path) or not os.path.isfile(path):
        return None
    above = os.fsencode(os.path.relpath(root, folder)) + b"/"
    try:
        return read_rules(path, os.path.relpath(path, root), above=above)
    except OSError:
        return None


def _repository_of(folder: str) -> str | None:
    """The nearest folder at or above that holds `.git`."""
    while True:
        if os.path.lexists(os.path.join(folder, ".git")):
            return folder
        parent = os.path.dirname(folder)
        if parent == folder:
            return None
        folder = parent


def _common_folder(top: str) -> str:
    """The git directory of a working tree, also where it is a worktree or a submodule."""
    folder = os.path.join(top, ".git")
    if os.path.isfile(folder):
        target = _first_line(folder).removeprefix("gitdir:").strip()
        folder = os.path.normpath(os.path.join(top, target))
    common = _first_line(os.path.join(folder, "commondir"))
    return os.path.normpath(os.path.join(folder, common)) if common else folder


def _first_line(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            return stream.readline(4096).strip()
    except OSError:
        return ""

"""Ignore files at work: which rule decides over an entry, through all the folders and the repository above it."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from tellapart.corpus.wildmatch import Rule, folders_above, parse_rule, parse_rules

GITIGNORE = ".gitignore"
OWN_IGNORE = ".tellapartignore"
_MAX_RULE_BYTES = 4_000_000
"""An ignore file beyond this is no ignore file (ours, not measured; git's own test-suite stays below 1
MB)."""


@dataclass(frozen=True, slots=True)
class _Chooser:
    """Finds the last of some rules that matches: one expression, the last rule as its first alternative."""

    rules: Sequence[Rule]
    expression: re.Pattern[bytes]

    def position(self, name: bytes) -> int:
        """Position of the rule among `rules` counted from their end, which is 1; 0 for none."""
        match = self.expression.fullmatch(name)
        return 0 if match is None else match.lastindex or 0


def _chooser(rules: Sequence[Rule], *, by_name: bool, folder: bool) -> _Chooser | None:
    chosen = [r for r in reversed(rules) if r.by_name == by_name and (folder or not r.only_folders)]
    if not chosen:
        return None
    return _Chooser(chosen, re.compile(b"|".join(b"(%b)" % rule.pattern for rule in chosen), re.DOTALL))


@dataclass(slots=True)
class RuleFile:
    """The rules of one ignore file.

    `above` is put before, and `cut` bytes are taken from, an entry's path relative to the walk's root, to make
    it relative to this file's folder. `shown` is how messages name the file.
    """

    shown: str
    rules: Sequence[Rule]
    above: bytes = b""
    cut: int = 0
    _by_name: tuple[_Chooser | None, _Chooser | None] = field(init=False)
    _by_path: tuple[_Chooser | None, _Chooser | None] = field(init=False)

    def __post_init__(self) -> None:
        self._by_name, self._by_path = (
            (
                _chooser(self.rules, by_name=by_name, folder=False),
                _chooser(self.rules, by_name=by_name, folder=True),
            )
            for by_name in (True, False)
        )

    def deciding(self, path: bytes, *, folder: bool) -> Rule | None:
        """The last rule that matches the entry at `path` (relative to the walk's root), or None."""
        found: Rule | None = None
        by_name, by_path = self._by_name[folder], self._by_path[folder]
        if by_name is not None and (position := by_name.position(path[path.rfind(b"/") + 1 :])):
            found = by_name.rules[position - 1]
        if by_path is not None and (position := by_path.position(self.above + path[self.cut :])):
            rule = by_path.rules[position - 1]
            found = rule if found is None or rule.line > found.line else found
        return found


def deciding_rule(files: Sequence[RuleFile], path: bytes, *, folder: bool) -> tuple[RuleFile, Rule] | None:
    """The rule that decides: in the file nearest to the entry (last in `files`), its last match."""
    for rule_file in reversed(files):
        rule = rule_file.deciding(path, folder=folder)
        if rule is not None:
            return rule_file, rule
    return None


class Named:
    """Globs in .gitignore syntax, the last that fits decides: `src/` names all below, `!src/gen/` not these."""

    def __init__(self, globs: Sequence[str]) -> None:
        self._rules = RuleFile("globs", parse_rules(b"\n".join(map(os.fsencode, globs))))

    def covers(self, path: str) -> bool:
        """Whether a path (forward slashes) or a folder that it lies in is named."""
        parts = os.fsencode(path).split(b"/")
        rules = (
            self._rules.deciding(b"/".join(parts[:end]), folder=end < len(parts))
            for end in range(1, len(parts) + 1)
        )
        last = max((rule for rule in rules if rule is not None), key=lambda rule: rule.line, default=None)
        return last is not None and not last.negated


class ForceInclude:
    """Globs that take files back in whatever else speaks against them."""

    def __init__(self, globs: Sequence[str]) -> None:
        encoded = [os.fsencode(glob).removeprefix(b"!") for glob in globs]
        above = [folders_above(glob) for glob in encoded]
        self._named = _rules_of(encoded)
        self._leads = _rules_of([lead for leads, _ in above for lead in leads])
        self._below = _rules_of([top for _, top in above if top is not None])

    def covers(self, path: bytes, *, folder: bool) -> bool:
        """Whether a glob names this entry."""
        return self._named.deciding(path, folder=folder) is not None

    def reaches_into(self, path: bytes) -> bool:
        """Whether a glob names something inside this folder, which must then be entered though ignored."""
        if self._leads.deciding(path, folder=True) is not None:
            return True
        parts = path.split(b"/")
        parents = (b"/".join(parts[: i + 1]) for i in range(len(parts)))
        return any(self._below.deciding(parent, folder=True) is not None for parent in parents)


def _rules_of(globs: Sequence[bytes]) -> RuleFile:
    return RuleFile("include", [rule for glob in globs if (rule := parse_rule(glob)) is not None])


def read_rules(path: str, shown: str, *, above: bytes = b"", cut: int = 0) -> RuleFile | None:
    """Read an ignore file that exists; None where it holds no rule.

    Raises:
        OSError: it cannot be read, or is too large for an ignore file.
    """
    with open(path, "rb") as stream:
        return rules_from(stream, shown, above=above, cut=cut)


def rules_from(stream: BinaryIO, shown: str, *, above: bytes = b"", cut: int = 0) -> RuleFile | None:
    """Read an ignore file that was opened, as `read_rules` does."""
    content = stream.read(_MAX_RULE_BYTES + 1)
    if len(content) > _MAX_RULE_BYTES:
        raise OSError(f"larger than {_MAX_RULE_BYTES} bytes")
    rules = parse_rules(content)
    return RuleFile(shown, rules, above, cut) if rules else None


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


def rule_files_above(root: str) -> list[str]:
    """Paths of all files, existing or not, that `rules_above` looks at."""
    top = _repository_of(root)
    if top is None:
        return []
    paths = [os.path.join(_common_folder(top), "info", "exclude")]
    folder = root
    while folder != top:
        folder = os.path.dirname(folder)
        paths += [os.path.join(folder, GITIGNORE), os.path.join(folder, OWN_IGNORE)]
    return paths


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

"""git check-ignore is the referee of the ignore rules."""

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tellapart.corpus.ignore import RuleFile
from tellapart.corpus.scan import scan
from tellapart.corpus.sources import ScanOptions
from tellapart.corpus.wildmatch import parse_rules

NAMES = ("a", "b", "foo", "foo.py", "bar.txt", "A", "a b", "[x]", "é", "build", "x-1", "foo ")
FILES = (
    *(f"{name}.f" for name in NAMES),
    "foo/bar.txt",
    "foo/foo/foo.py",
    "fooX/y/bar.txt",
    "a/b/foo.py",
    "a/b/c/bar.txt",
    "b/a",
    "build/out.py",
    "src/build/out.py",
    "src/foo.py",
    "src/é/x",
    "src/[x]/a",
    "src/a b/c",
)


def git(folder: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    environment = {name: value for name, value in environment.items() if not name.startswith("GIT_DIR")}
    done = subprocess.run(
        ["git", "-c", f"core.excludesFile={os.devnull}", *arguments],
        cwd=folder,
        input=stdin,
        capture_output=True,
        env=environment,
    )
    assert done.returncode in (0, 1), done.stderr
    return done.stdout


def git_ignored(folder: Path, paths: list[str]) -> set[str]:
    asked = b"\0".join(map(os.fsencode, paths))
    return {
        os.fsdecode(path) for path in git(folder, "check-ignore", "-z", "--stdin", stdin=asked).split(b"\0")
    } - {""}


def make_tree(root: Path, files: tuple[str, ...] = FILES) -> Path:
    for file in files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x\n")
    git(root, "init", "-q")
    return root


def found(root: Path, **options) -> set[str]:
    sources, _ = scan([root], ScanOptions(**options))
    return {os.path.relpath(source.file, os.path.realpath(root)) for source in sources}


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    return make_tree(tmp_path_factory.mktemp("tree"))


PIECES = st.sampled_from(
    [
        *"abfox/*?[]!^-\\.",
        "foo",
        "bar",
        "**",
        "**/",
        "/**",
        "*.py",
        "[a-f]",
        "[!a]",
        "[[:alpha:]]",
        "[]x]",
        "é",
        " ",
        "\\ ",
        "build/",
        "src/",
    ]
)
PATTERNS = st.lists(PIECES, min_size=1, max_size=5).map("".join)
LINES = st.lists(
    st.one_of(
        PATTERNS,
        PATTERNS.map("!{}".format),
        st.sampled_from(["*", "!*/", "!*.py", "/*", "foo/*", "!foo/bar.txt"]),
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    root_lines=LINES, nested_lines=st.one_of(st.just([]), LINES), exclude_lines=st.one_of(st.just([]), LINES)
)
def test_walk_ignores_exactly_what_git_ignores(tree, root_lines, nested_lines, exclude_lines):
    ignores = {
        tree / ".gitignore": root_lines,
        tree / "src/.gitignore": nested_lines,
        tree / ".git/info/exclude": exclude_lines,
    }
    for path, lines in ignores.items():
        path.write_bytes("\n".join(lines).encode())
    ignored = git_ignored(tree, list(FILES))
    assert found(tree) == set(FILES) - ignored


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(PIECES, min_size=1, max_size=7).map("".join), min_size=40, max_size=40))
def test_single_patterns_match_what_git_matches(tree, patterns):
    """Many patterns in one call of git: the last match is reported with its line."""
    lines = [pattern for pattern in patterns if not pattern.startswith("!")]
    (tree / ".gitignore").write_bytes("\n".join(lines).encode())
    (tree / "src/.gitignore").write_bytes(b"")
    (tree / ".git/info/exclude").write_bytes(b"")
    entries = sorted({*FILES, *(str(parent) for file in FILES for parent in Path(file).parents)} - {"."})
    asked = b"\0".join(map(os.fsencode, entries))
    out = git(tree, "check-ignore", "-z", "-v", "-n", "--stdin", stdin=asked).split(b"\0")
    reported = {os.fsdecode(out[i + 3]): out[i + 1] for i in range(0, len(out) - 1, 4)}
    rules = RuleFile("x", parse_rules("\n".join(lines).encode()))
    for entry in entries:
        verdict = None
        for parent in [*reversed(Path(entry).parents), Path(entry)]:
            if str(parent) != ".":
                rule = rules.deciding(os.fsencode(str(parent)), folder=(tree / parent).is_dir())
                verdict = rule
                if rule is not None:
                    break
        line = b"" if verdict is None else str(verdict.line).encode()
        assert reported[entry] == line, (entry, lines[int(reported[entry] or 0) - 1], verdict)

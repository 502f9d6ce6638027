"""What a scan finds, what it leaves out and why."""

import os
import socket
from pathlib import Path

import pytest

from tellapart.corpus.read import read
from tellapart.corpus.scan import scan
from tellapart.corpus.sources import UNSEEN, Format, ScanOptions
from tellapart.errors import TellapartError

DEFAULT = ScanOptions()


def write(root: Path, *names: str, text: str = "some words\n") -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def keys(*paths, **options) -> list[str]:
    return [source.key for source in scan(paths, ScanOptions(**options))[0]]


def reasons(*paths, **options) -> dict[str, str]:
    return {skipped.path: skipped.reason for skipped in scan(paths, ScanOptions(**options))[1]}


def test_one_folder_names_files_by_their_path_in_it(tmp_path):
    write(tmp_path, "b.md", "a/x.py", "a/c/y.txt")
    assert keys(tmp_path) == ["a/c/y.txt", "a/x.py", "b.md"]


def test_one_file_is_named_by_its_name(tmp_path):
    write(tmp_path, "deep/er/x.py")
    assert keys(tmp_path / "deep/er/x.py") == ["x.py"]


def test_current_folder(tmp_path, monkeypatch):
    write(tmp_path, "x.py")
    monkeypatch.chdir(tmp_path)
    assert keys(".") == ["x.py"]
    assert keys(".", "x.py") == [f"{tmp_path.name}/x.py"]


def test_several_paths_are_prefixed_and_made_unique(tmp_path):
    write(tmp_path, "one/src/a.py", "two/src/a.py", "two/a.py")
    expected = ["a.py", "src/a.py", "src~2/a.py"]
    assert keys(tmp_path / "one/src", tmp_path / "two/src", tmp_path / "two/a.py") == expected
    forward = scan([tmp_path / "one/src", tmp_path / "two/src"], DEFAULT)[0]
    backward = scan([tmp_path / "two/src", tmp_path / "one/src"], DEFAULT)[0]
    assert {s.key: s.file for s in forward} == {s.key: s.file for s in backward}


def test_a_numbered_label_does_not_meet_a_real_name(tmp_path):
    write(tmp_path, "1/x/a", "2/x/a", "3/x~2/a")
    found = keys(tmp_path / "1/x", tmp_path / "2/x", tmp_path / "3/x~2")
    assert len(set(found)) == 3


def test_overlapping_paths_read_each_file_once(tmp_path):
    write(tmp_path, "docs/api/a.md", "docs/b.md")
    found, skipped = scan([tmp_path / "docs", tmp_path / "docs/api"], DEFAULT)
    assert [source.key for source in found] == ["docs/api/a.md", "docs/b.md"]
    assert [(s.path, s.reason) for s in skipped] == [("api/a.md", "already read as docs/api/a.md")]


@pytest.mark.parametrize("name", ["nothing", "no/thing", "line\nbreak", "nul\0"])
def test_a_missing_path_is_named_in_one_line(tmp_path, name):
    with pytest.raises(TellapartError) as error:
        scan([f"{tmp_path}/{name}"], DEFAULT)
    assert "\n" not in str(error.value)
    assert repr(name.split("/")[-1])[1:-1].replace("x00", "") in str(error.value).replace("x00", "")


def test_no_path_and_stdin_twice_are_refused():
    with pytest.raises(TellapartError, match="no source"):
        scan([], DEFAULT)
    with pytest.raises(TellapartError, match="only once"):
        scan(["-", "-"], DEFAULT)


def test_bad_options_are_refused():
    with pytest.raises(TellapartError, match="max_bytes = 0"):
        ScanOptions(max_bytes=0)
    with pytest.raises(TellapartError, match="include"):
        ScanOptions(include=("",))


def test_hidden_and_ignored_are_listed_folders_as_one_entry(tmp_path):
    write(tmp_path, ".env", ".github/w.yml", "node_modules/a/b.js", "node_modules/c.js", "x.py", "y.log")
    (tmp_path / ".gitignore").write_text("node_modules/\n*.log\n")
    assert keys(tmp_path) == ["x.py"]
    assert reasons(tmp_path) == {
        ".env": "hidden",
        ".github/": "hidden",
        ".gitignore": "hidden",
        "node_modules/": "ignored by .gitignore:1 'node_modules/'",
        "y.log": "ignored by .gitignore:2 '*.log'",
    }


def test_vendored_folders_are_read_unless_ignored(tmp_path):
    write(tmp_path, "node_modules/a.js", "vendor/b.go")
    assert keys(tmp_path) == ["node_modules/a.js", "vendor/b.go"]


def test_own_ignore_file_has_the_last_word(tmp_path):
    write(tmp_path, "a.proto", "b.txt", "sub/c.proto", ".hidden.txt", "package-lock.json")
    (tmp_path / ".gitignore").write_text("*.proto\n")
    (tmp_path / ".tellapartignore").write_text("!*.proto\nb.txt\n!.hidden.txt\n!package-lock.json\n")
    assert keys(tmp_path) == [".hidden.txt", "a.proto", "package-lock.json", "sub/c.proto"]
    assert reasons(tmp_path)["b.txt"] == "ignored by .tellapartignore:2 'b.txt'"


@pytest.mark.parametrize(
    ("include", "expected"),
    [
        ((), ["x.py"]),
        (("*.proto",), ["a.proto", "x.py"]),
        (("gen/*.proto",), ["gen/b.proto", "x.py"]),
        (("gen/**",), ["gen/b.proto", "gen/deep/c.proto", "gen/readme.md", "x.py"]),
        (("gen/**/*.proto",), ["gen/b.proto", "gen/deep/c.proto", "x.py"]),
        (("!gen/",), ["gen/b.proto", "gen/deep/c.proto", "gen/readme.md", "x.py"]),
        (("/.github/workflows/*.yml",), [".github/workflows/ci.yml", "x.py"]),
        ((".env",), [".env", "x.py"]),
    ],
)
def test_force_include(tmp_path, include, expected):
    write(tmp_path, "a.proto", "gen/b.proto", "gen/deep/c.proto", "gen/readme.md", "x.py", ".env")
    write(tmp_path, ".github/workflows/ci.yml", ".github/other.yml")
    (tmp_path / ".gitignore").write_text("gen/\n/*.proto\n")
    found = keys(tmp_path, include=include)
    if include == ("!gen/",):  # the folder is taken back; what lies in it follows the rules again
        assert found == expected
    else:
        assert found == expected


def test_rules_of_the_repository_above_hold(tmp_path):
    write(tmp_path, "repo/src/a.py", "repo/src/b.log", "repo/src/c.tmp", "repo/src/d.me")
    (tmp_path / "repo/.git/info").mkdir(parents=True)
    (tmp_path / "repo/.git/info/exclude").write_text("src/*.tmp\n")
    (tmp_path / "repo/.gitignore").write_text("*.log\n")
    (tmp_path / "repo/.tellapartignore").write_text("*.me\n")
    assert keys(tmp_path / "repo/src") == ["a.py"]
    assert reasons(tmp_path / "repo/src")["b.log"] == "ignored by ../.gitignore:1 '*.log'"


def test_a_worktree_and_a_nested_repository_have_rules_of_their_own(tmp_path):
    write(tmp_path, "main/.git/info/exclude", text="*.tmp\n")
    write(tmp_path, "main/.git/worktrees/w/commondir", text="../..\n")
    write(tmp_path, "tree/a.tmp", "tree/b.py", "tree/inner/c.tmp", "tree/inner/d.py")
    (tmp_path / "tree/.git").write_text(f"gitdir: {tmp_path}/main/.git/worktrees/w\n")
    (tmp_path / "tree/inner/.git").mkdir()
    assert keys(tmp_path / "tree") == ["b.py", "inner/c.tmp", "inner/d.py"]


def test_an_ignored_folder_that_is_named_is_read(tmp_path):
    write(tmp_path, "build/a.py")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").write_text("build/\n")
    assert keys(tmp_path / "build") == ["a.py"]


def test_the_index_is_never_a_source(tmp_path):
    write(tmp_path, ".tellapart/store", "my.idx/store", "x.py")
    found, skipped = scan(
        [tmp_path], ScanOptions(include=(".tellapart/**",)), index_folder=tmp_path / "my.idx"
    )
    assert [source.key for source in found] == ["x.py"]
    assert {s.path for s in skipped} == {".tellapart/", "my.idx/"}


def test_binary_generated_minified_and_empty_by_name(tmp_path):
    write(tmp_path, "a.png", "b.mp3", "yarn.lock", "x.min.js", "x.js.map", "x.js", "UPPER.PNG")
    write(tmp_path, "empty.py", text="")
    assert keys(tmp_path) == ["x.js"]
    assert reasons(tmp_path) == {
        "UPPER.PNG": UNSEEN,
        "a.png": UNSEEN,
        "b.mp3": "binary",
        "empty.py": "empty",
        "x.js.map": "generated: a source map",
        "x.min.js": "minified",
        "yarn.lock": "generated: a package manager's lock file",
    }
    assert keys(tmp_path, images=True) == ["UPPER.PNG", "a.png", "x.js"]
    assert keys(tmp_path / "yarn.lock") == ["yarn.lock"]
    assert reasons(tmp_path / "empty.py") == {"empty.py": "empty"}


def test_a_huge_file_is_skipped_by_its_size_without_being_read(tmp_path):
    with open(tmp_path / "huge.txt", "wb") as stream:
        stream.truncate(1 << 30)
    assert keys(tmp_path) == []
    assert reasons(tmp_path) == {"huge.txt": "1,073,741,824 bytes: over the limit of 2,000,000"}


def test_the_size_limit_spares_named_files_and_collections(tmp_path):
    write(tmp_path, "a.txt", "b.jsonl", text='{"text": "word"}\n' * 10)
    assert keys(tmp_path, max_bytes=100) == ["b.jsonl"]
    assert keys(tmp_path / "a.txt", max_bytes=100) == ["a.txt"]
    assert keys(tmp_path, max_bytes=100, include=("*.txt",)) == ["b.jsonl"]


def test_symbolic_links_are_listed_not_followed_and_loops_end(tmp_path):
    write(tmp_path, "a/x.py")
    (tmp_path / "a/loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "secret.txt").symlink_to("/etc/hostname")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    assert keys(tmp_path) == ["a/x.py"]
    assert set(reasons(tmp_path)) == {"a/loop", "secret.txt", "dangling"}
    (tmp_path / "again").symlink_to(tmp_path / "a", target_is_directory=True)
    assert keys(tmp_path / "again") == ["x.py"]


def test_pipes_sockets_and_devices_are_never_opened(tmp_path):
    write(tmp_path, "x.py")
    os.mkfifo(tmp_path / "pipe.txt")
    server = socket.socket(socket.AF_UNIX)
    here = Path.cwd()
    os.chdir(tmp_path)  # a socket's path is short
    try:
        server.bind("s.txt")
    finally:
        os.chdir(here)
        server.close()
    assert keys(tmp_path) == ["x.py"]
    assert reasons(tmp_path) == {"pipe.txt": "a named pipe", "s.txt": "a socket"}
    for path in (tmp_path / "pipe.txt", tmp_path / "s.txt", "/dev/null"):
        with pytest.raises(TellapartError, match="neither a file nor a folder"):
            scan([path], DEFAULT)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        (b"two\nlines.txt", "two\\nlines.txt"),
        (b"caf\xe9.txt", "caf\\xe9.txt"),
        (b"back\\slash.txt", "back\\\\slash.txt"),
        (b"esc\x1b[31m.txt", "esc\\x1b[31m.txt"),
        ("日本語 😀.txt".encode(), "日本語 😀.txt"),
    ],
)
def test_any_file_name_becomes_a_printable_id(tmp_path, name, key):
    path = os.path.join(os.fsencode(tmp_path), name)
    with open(path, "wb") as stream:
        stream.write(b"hello there")
    found, _ = scan([tmp_path], DEFAULT)
    assert [source.key for source in found] == [key]
    key.encode("utf-8")
    assert [document.text for document in read(found[0], DEFAULT)] == ["hello there"]


def test_different_names_never_get_one_id(tmp_path):
    for name in (b"a\nb", b"a\\nb", b"a\\\nb"):
        Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name))).write_text("x")
    assert len(set(keys(tmp_path))) == 3


def test_a_folder_that_cannot_be_listed(tmp_path, monkeypatch):
    write(tmp_path, "open/x.py", "closed/y.py")
    real = os.scandir

    def scandir(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert keys(tmp_path) == ["open/x.py"]
    assert reasons(tmp_path) == {"closed/": "cannot be listed: permission denied"}
    with pytest.raises(TellapartError, match="closed: cannot be listed"):
        scan([tmp_path / "closed"], DEFAULT)


def test_beir_folder_is_one_source_without_a_prefix(tmp_path):
    write(tmp_path, "corpus.jsonl", "queries.jsonl", "qrels/test.tsv", "meta.json", "extra.tsv", text="{}\n")
    found, skipped = scan([tmp_path], DEFAULT)
    assert [(s.key, s.format, s.prefix) for s in found] == [("corpus.jsonl", Format.BEIR, "")]
    assert {s.path for s in skipped} == {"queries.jsonl", "qrels/", "meta.json", "extra.tsv"} or {
        s.path for s in skipped
    } == {"queries.jsonl", "qrels", "meta.json", "extra.tsv"}


def test_beir_folders_among_others_are_prefixed(tmp_path):
    write(tmp_path, "sci/corpus.jsonl", "sci/queries.jsonl", "notes/a.md", "notes/faq.jsonl", text="{}\n")
    found, _ = scan([tmp_path / "sci", tmp_path / "notes"], DEFAULT)
    assert [(s.key, s.prefix) for s in found] == [
        ("notes/a.md", ""),
        ("notes/faq.jsonl", "notes/faq.jsonl/"),
        ("sci/corpus.jsonl", "sci/"),
    ]
    nested, _ = scan([tmp_path], DEFAULT)
    assert {s.prefix for s in nested} == {"", "sci/", "notes/faq.jsonl/"}


def test_a_corpus_beside_code_is_no_beir_folder(tmp_path):
    write(tmp_path, "corpus.jsonl", "src/main.py", "queries.jsonl", text="{}\n")
    assert keys(tmp_path) == ["corpus.jsonl", "queries.jsonl", "src/main.py"]


def test_thousands_of_files_scan_fast(tmp_path):
    import time

    for i in range(2_000):
        if i % 100 == 0:
            folder = tmp_path / f"p{i}"
            folder.mkdir()
        (folder / f"m{i}.py").touch()
    started = time.process_time()
    found, skipped = scan([tmp_path], DEFAULT)
    assert len(found) + len(skipped) == 2_000
    assert time.process_time() - started < 10  # a look at all others for each file takes longer

"""From the paths a user gives to the sources of one corpus."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from tellapart.corpus.sources import (
    COLLECTIONS,
    STDIN,
    STDIN_KEY,
    Format,
    ScanOptions,
    Skipped,
    Source,
    format_of,
    printable,
)
from tellapart.corpus.walk import BEIR_CORPUS, Walker, unfit
from tellapart.errors import TellapartError


def scan(
    paths: Sequence[Path | str],
    options: ScanOptions,
    *,
    index_folder: Path | None = None,
    looked_at: dict[str, tuple[int, int]] | None = None,
) -> tuple[list[Source], list[Skipped]]:
    """Find what is to be read, and what is not and why; both sorted by path.

    Folders are walked without following symbolic links (a repository of strangers could link to anything);
    `.gitignore` (nested and from the repository above), `.git/info/exclude` and `.tellapartignore` hold, the
    user's global git settings do not, so that every machine reads the same corpus. Nothing is opened: what
    shows only in a file's content is said by `read`. A file named directly is read whatever its name and
    size. Of paths inside one another each file is read once, under the first path given.

    Args:
        paths: files, folders, or "-" for standard input.
        options: limits, kind and force-included globs.
        index_folder: where the index lies, left out of the walk.
        looked_at: filled with the size and time of change of folders and files that decided what the sources are
            (see `Walker`): while they and the sources stay as they are, another scan finds the same.

    Raises:
        TellapartError: no path, a path that does not exist or is neither file nor folder, a folder that
            cannot be listed, or standard input named twice.
    """
    given = [os.fspath(path) for path in paths]
    if not given:
        raise TellapartError("no source given; name a file, a folder, or - for standard input")
    if given.count(STDIN) > 1:
        raise TellapartError("-: standard input can be read only once; name it once")
    walker = Walker(options, None if index_folder is None else os.path.realpath(index_folder))
    seen: dict[str, str] = {}
    for path, label in zip(given, labels_of(given), strict=True):
        before = len(walker.sources)
        if path == STDIN:
            walker.sources.append(_stdin(label))
        elif os.path.isdir(path):
            walker.walk(path, label)
        else:
            found = _single(path, label, options)
            (walker.sources if isinstance(found, Source) else walker.skipped).append(found)  # type: ignore[arg-type]
        if len(given) > 1:
            _drop_seen(walker, before, seen)
    if looked_at is not None:
        looked_at.update(walker.looked_at)
    walker.sources.sort(key=lambda source: source.key)
    walker.skipped.sort(key=lambda skipped: (skipped.path, skipped.reason))
    return walker.sources, walker.skipped


def _stdin(label: str) -> Source:
    key = label or STDIN_KEY
    return Source(
        key, None, 0, 0, Format.TEXT, STDIN, prefix=f"{key}/" if label else "", chosen=True, limited=False
    )


def _single(path: str, label: str, options: ScanOptions) -> Source | Skipped:
    """The source for a file named directly, whatever its size and name; skipped only where it is empty.

    Raises:
        TellapartError: it does not exist, cannot be looked at, or is no file.
    """
    if "\0" in path:
        raise TellapartError(f"{printable(path)}: a path cannot hold a NUL character; correct it")
    try:
        status = os.stat(path)
    except FileNotFoundError:
        raise TellapartError(f"{printable(path)}: no such file or folder; check the path") from None
    except OSError as error:
        raise TellapartError(
            f"{printable(path)}: cannot be read ({error.strerror or error}); check path and permissions"
        ) from error
    name = os.path.basename(path)
    form = Format.BEIR if name == BEIR_CORPUS else format_of(name)
    key = label or printable(name)
    if not stat.S_ISREG(status.st_mode):
        reason = unfit(status, form, options)
        raise TellapartError(f"{printable(path)}: {reason}, neither a file nor a folder; pipe its text to -")
    if status.st_size == 0:
        return Skipped(key, "empty")
    prefix = f"{label}/" if label and form in COLLECTIONS else ""
    return Source(
        key,
        Path(path).absolute(),
        status.st_size,
        status.st_mtime_ns,
        form,
        path,
        prefix,
        chosen=True,
        limited=False,
    )


def labels_of(given: Sequence[str]) -> list[str]:
    """The first part of every key: "" for a single path, else the path's last part made unique.

    Equal last parts are numbered in the order of the whole paths, so that ids do not depend on the order
    given.
    """
    if len(given) == 1:
        return [""]
    wholes = [STDIN if path == STDIN else os.path.realpath(path) for path in given]
    bases = [
        STDIN_KEY if path == STDIN else printable(os.path.basename(os.path.abspath(path)) or "root")
        for path in given
    ]
    labels = [""] * len(given)
    taken = set(bases)
    numbered: set[str] = set()
    for position in sorted(range(len(given)), key=lambda i: (wholes[i], i)):
        label, number = bases[position], 1
        while label in numbered or (number > 1 and label in taken):
            number += 1
            label = f"{bases[position]}~{number}"
        numbered.add(label)
        labels[position] = label
    return labels


def _drop_seen(walker: Walker, before: int, seen: dict[str, str]) -> None:
    """Leave out of the newest path what an earlier path has brought."""
    kept = []
    for source in walker.sources[before:]:
        if source.file is not None:
            # what a walk finds has a real path already, and resolving it again would cost a call per folder
            real = os.fspath(source.file) if source.limited else os.path.realpath(source.file)
            if real in seen:
                walker.skipped.append(Skipped(source.key, f"already read as {seen[real]}"))
                continue
            seen[real] = source.key
        kept.append(source)
    walker.sources[before:] = kept

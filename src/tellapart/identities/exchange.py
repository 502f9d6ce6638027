"""Galleries and answers as JSON lines, to move and to read them elsewhere."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from tellapart.errors import TellapartError
from tellapart.experiments.textfiles import numbered_lines, replacing
from tellapart.identities.answers import PART_BYTES, Identified, Origin, View
from tellapart.identities.gallery import Gallery
from tellapart.identities.store import check_name
from tellapart.progress import Progress, silent

FLUSHED = 20
"""Files between two writes to the disk: what a kill costs, some seconds of work."""


def identify_files(
    gallery: Gallery,
    files: Sequence[Path],
    output: Path | None,
    *,
    fpir: float | None,
    prior: float,
    grow: bool,
    progress: Progress = silent,
) -> Iterator[Identified | str]:
    """Identify files one after the other; a file that cannot be used gives a line that says why.

    With `output`, each answer is a line there, and files that have lines there already are passed over.
    """
    gallery.fpir_bound(fpir, grow=grow)  # what is wrong with all files is said once
    done = _done(output) if output is not None else set()
    todo = [path for path in files if str(path) not in done]
    stream = output.open("a", encoding="utf-8") if output is not None else None
    try:
        with progress("identifying", len(files)) as advance:
            advance(len(files) - len(todo))
            for number, path in enumerate(todo):
                try:
                    answers: Sequence[Identified] = gallery.identify(path, fpir=fpir, prior=prior, grow=grow)
                    lines = [answer.to_dict() for answer in answers]
                    yield from answers
                except TellapartError as error:
                    lines = [{"source": str(path), "error": str(error)}]
                    yield str(error)
                if stream is not None:
                    stream.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
                    if number % FLUSHED == 0:
                        stream.flush()
                        os.fsync(stream.fileno())
                advance(1)
    finally:
        if stream is not None:
            stream.close()


def _done(output: Path) -> set[str]:
    """Which files have answers; a last line that was cut off is removed, and its file asked again."""
    if not output.exists():
        return set()
    content = output.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    found: set[str] = set()
    try:
        found = {json.loads(line)["source"] for line in whole.splitlines()}
    except (ValueError, KeyError, TypeError) as error:
        raise TellapartError(
            f"{output} is not a list of answers: choose another file with --output"
        ) from error
    if len(whole) < len(content):
        with output.open("r+b") as stream:
            stream.truncate(len(whole))
    return found


FORMAT = 1


def export_gallery(gallery: Gallery, path: Path) -> int:
    """Write all identities and templates, in plain; says how many templates those are."""
    settings = gallery.store.settings
    head = {"format": FORMAT, "encoder": settings["encoder"], "fingerprint": settings["fingerprint"]}
    count = 0
    with replacing(path) as stream:
        stream.write(json.dumps({**head, "dim": settings["dim"]}) + "\n")
        for identity in gallery.store.identities():
            templates = gallery.store.templates(settings["dim"], of=[identity.number], cohort=identity.cohort)
            views = gallery.store.views_of(identity.number)
            for view, vector in zip(views, templates.vectors, strict=True):
                line = {
                    "name": identity.name,
                    "consent": identity.consent,
                    "cohort": identity.cohort,
                    "source": view.source,
                    "quality": view.quality,
                    "origin": view.origin.value,
                    "key": view.key.hex(),
                    "vector": [round(float(value), 5) for value in vector],
                }
                stream.write(json.dumps(line, ensure_ascii=False) + "\n")
                count += 1
    return count


def exported_encoder(path: Path) -> tuple[str, str]:
    """Give name and fingerprint of the encoder of an exported gallery.

    Raises:
        TellapartError: The file is not an export.
    """
    try:
        _, first = next(iter(numbered_lines(path)))
        head = json.loads(first)
        form, encoder, fingerprint = (head[name] for name in ("format", "encoder", "fingerprint"))
    except (StopIteration, ValueError, KeyError, TypeError) as error:
        raise TellapartError(f"{path} is not an exported gallery") from error
    if form != FORMAT:
        raise TellapartError(f"{path} has format {form}, this tellapart reads {FORMAT}")
    return str(encoder), str(fingerprint)


def import_gallery(gallery: Gallery, path: Path) -> tuple[int, int]:
    """Add what another gallery exported, all or nothing; says how many templates were added and how many known.

    Raises:
        TellapartError: The file is not an export, or one of another encoder.
    """
    encoder, fingerprint = exported_encoder(path)
    if fingerprint != gallery.encoder.fingerprint:
        raise TellapartError(
            f"{path} was exported from a gallery of the encoder {encoder!r} ({fingerprint[:8]}), this one is of"
            f" {gallery.encoder.name!r} ({gallery.encoder.fingerprint[:8]}): enrol the pictures here instead"
        )
    new, known = 0, 0
    with gallery.store.writing():
        for number, line in islice(numbered_lines(path), 1, None):
            try:
                name, consent, cohort, origin, view = _template(line, gallery.encoder.dim)
            except (ValueError, KeyError, TypeError, TellapartError) as error:
                raise TellapartError(
                    f"{path}, line {number}: no template ({error}); nothing was imported"
                ) from error
            if gallery.store.holder(view.key) is not None:
                known += 1
                continue
            identity = gallery.store.add_identity(name, consent=consent, cohort=cohort)
            gallery.store.add_templates([identity], [view], origin, [None])
            new += 1
        gallery.store.log("import", templates=new)
    return new, known


def _template(line: str, dim: int) -> tuple[str, str, bool, Origin, View]:
    """Read name, consent, whether it is of the cohort, who says so, and the view; an error says what is wrong."""
    entry = json.loads(line)
    name, consent, source = (entry[field] for field in ("name", "consent", "source"))
    if not all(isinstance(each, str) for each in (name, consent, source)):
        raise ValueError("name, consent and source are texts")
    check_name(name)
    vector = np.array(entry["vector"], dtype=np.float32)
    if vector.shape != (dim,) or not np.isfinite(vector).all() or not vector.any():
        raise ValueError(f"its vector is not one of {dim} numbers")
    key, quality = bytes.fromhex(entry["key"]), float(entry["quality"])
    if len(key) <= PART_BYTES or not 0 <= quality <= 1:
        raise ValueError("its key is too short, or its quality is not between 0 and 1")
    part = int.from_bytes(key[-PART_BYTES:], "big")
    view = View(source, vector, key[:-PART_BYTES], part, quality=quality)
    return name, consent, bool(entry["cohort"]), Origin(entry["origin"]), view

"""Encoders of an index: loaded from elsewhere, compressed for it, and latent semantic analysis fitted on its units."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tellapart.corpus.document import LEVELS, Granularity, Kind
from tellapart.corpus.units import contexts
from tellapart.encoders.load import is_spec, load_encoder
from tellapart.encoders.protocol import Encoder
from tellapart.errors import CorruptIndexError, TellapartError
from tellapart.index.catalogue import Catalogue, StoredEncoder
from tellapart.index.files import files_below, remove, sync
from tellapart.index.lexical import analyse_query
from tellapart.index.segments import Segment
from tellapart.index.store import Store, rebuilding
from tellapart.progress import Progress

if TYPE_CHECKING:
    from tellapart.encoders.compressed import CompressionSpec
    from tellapart.index.reading import DocumentStore
    from tellapart.index.update import Changes

LSA = "lsa"
FOLDER = "encoders"
REFIT_SHARE = 0.2
"""Share of changed documents beyond which the analysis is fitted anew. Not measured: words that only new documents
have count nothing until then; at half of it fits come twice as often."""

UNUSED = "unused"
UNUSED_SECONDS = 600.0
"""How long a fitted encoder stays after the last generation with it: longer than any search, and they are small."""

CHANGED = "lsa_changed"
KIND = "lsa_kind"


def open_encoder(
    index: Path, store: DocumentStore, name: str, fingerprint: str, given: Encoder | None = None
) -> Encoder:
    """Load the encoder that an index names, or take the object `given`; `lsa` lies in the index itself.

    Where the index keeps its vectors compressed, so are those of what is returned.
    """
    if name == LSA:
        return _load(index, fingerprint, Kind(store.meta(KIND) or Kind.PROSE))
    try:
        base = given or load_encoder(name, home=index.resolve().parent)
    except TellapartError:
        need_spec(name, index)
        raise
    return as_kept(index, base, fingerprint)


def as_kept(index: Path, base: Encoder, fingerprint: str) -> Encoder:
    """Give what made the vectors with a fingerprint: an encoder itself, or compressed as this index does."""
    folder = compressed_folder(index, fingerprint)
    if fingerprint == base.fingerprint or not folder.is_dir():
        return base
    from tellapart.encoders.compressed import CompressedEncoder

    return CompressedEncoder.open(folder, base)


def kept_spec(index: Path, fingerprint: str) -> CompressionSpec | None:
    """Say how the vectors of an encoder are compressed; None where they are whole."""
    folder = compressed_folder(index, fingerprint)
    if not folder.is_dir():
        return None
    from tellapart.encoders.compressed import CompressionSpec, read_compressed

    return CompressionSpec.parse(read_compressed(folder).spec)


def whole_fingerprint(index: Path, fingerprint: str) -> str:
    """Give the fingerprint of the encoder whose vectors are kept, compressed or not, under a fingerprint."""
    folder = compressed_folder(index, fingerprint)
    if not folder.is_dir():
        return fingerprint
    from tellapart.encoders.compressed import read_compressed

    return read_compressed(folder).base_fingerprint


def compressed_folder(index: Path, fingerprint: str) -> Path:
    """Where an index keeps how the vectors of an encoder are compressed."""
    return index / FOLDER / f"compressed-{fingerprint[:16]}"


def need_spec(name: str, index: Path) -> None:
    """Say how to pass an encoder that the index holds by a name that opens nothing: it was an object."""
    if not is_spec(name):
        raise TellapartError(
            f"the encoder {name!r} of the index {index} was a Python object: pass it again with"
            f" Index.open({str(index)!r}, encoders={{{name!r}: encoder}}), or search with the ranker bm25"
        )


def fitted_lsa(
    index: Path,
    store: Store,
    segments: Sequence[Segment],
    kept: StoredEncoder | None,
    changes: Changes,
    progress: Progress,
) -> tuple[Encoder, int]:
    """Give the analysis fitted on this corpus and how many documents it was fitted on.

    New units are folded into the one there is until more than a fifth of the documents changed.
    """
    from tellapart.encoders.lsa import LsaEncoder

    changed = int(store.meta(CHANGED) or 0) + changes.added + changes.changed + changes.removed
    if kept and changed <= REFIT_SHARE * kept.fitted and _folder(index, kept.fingerprint).is_dir():
        store.set_meta(CHANGED, str(changed))
        return open_encoder(index, store, LSA, kept.fingerprint), kept.fitted
    kind = _prevailing_kind(segments)
    documents = sum(int((~segment.dead).sum()) for segment in segments)
    with progress("reading units for lsa", documents) as advance:
        texts = list(_texts(store, segments, advance))
    with progress("fitting lsa", None):
        encoder = LsaEncoder.fit(texts, analyse=_analyser(kind))
    folder = _folder(index, encoder.fingerprint)
    remove(folder)
    encoder.save(folder)
    sync(folder, files_below(folder))
    store.set_meta(CHANGED, "0")
    store.set_meta(KIND, kind)
    return encoder, documents


def sweep_encoders(index: Path, catalogue: Catalogue) -> None:
    """Delete fitted encoders that no generation has used for a while: a search loads its encoder when it needs it."""
    fingerprints = [encoder.fingerprint for encoder in catalogue.encoders().values()]
    used = {place(index, each) for each in fingerprints for place in (_folder, compressed_folder)}
    for folder in sorted((index / FOLDER).glob("*")):
        left = folder / UNUSED
        if folder in used:
            left.unlink(missing_ok=True)
        elif not left.exists():
            left.touch()
        elif time.time() - left.stat().st_mtime > UNUSED_SECONDS:
            remove(folder)


def _load(index: Path, fingerprint: str, kind: Kind) -> Encoder:
    from tellapart.encoders.lsa import LsaEncoder

    folder = _folder(index, fingerprint)
    encoder = LsaEncoder.load(folder, analyse=_analyser(kind))
    if encoder.fingerprint != fingerprint:
        raise CorruptIndexError(f"{folder} is damaged: {rebuilding(index / 'store')}")
    return encoder


def _folder(index: Path, fingerprint: str) -> Path:
    return index / FOLDER / f"{LSA}-{fingerprint[:16]}"


def _analyser(kind: Kind) -> Callable[[str], list[str]]:
    return lambda text: analyse_query(text, kind)


def _prevailing_kind(segments: Sequence[Segment]) -> Kind:
    units = {
        kind: sum(int(segment.offsets(g)[-1]) for segment in segments for g in levels)
        for kind, levels in LEVELS.items()
        if kind is not Kind.IMAGE
    }
    return max(units, key=lambda kind: units[kind])


def _texts(store: Store, segments: Sequence[Segment], advance: Callable[[int], None]) -> Iterator[str]:
    """Give the paragraphs and functions, the size at which words that belong together stand together."""
    for segment in segments:
        for number in segment.documents[~segment.dead].tolist():
            stored = store.documents([number])[number]
            if stored.tree.kind is Kind.IMAGE:
                continue
            level = Granularity.FUNCTION if stored.tree.kind is Kind.CODE else Granularity.PARAGRAPH
            around = contexts(stored.document, stored.tree, level)
            for context, (start, end) in zip(around, stored.tree.spans(level), strict=True):
                yield f"{context}\n{stored.document.text[start:end]}"
            advance(1)

"""From the name a user writes to an encoder."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from tellapart.arguments import need
from tellapart.encoders.protocol import Encoder
from tellapart.encoders.shelf import SHELF, fetched, need_fetched
from tellapart.errors import TellapartError

KINDS = (
    "minilm (bundled), lsa (fitted on the corpus), pixels (of images), face (of the faces in images),"
    " hub:ORG/MODEL, model2vec:NAME, openai:MODEL[@BASE-URL], folder:PATH, onnx:FOLDER (an exported encoder of texts),"
    " onnx:FILE (a face network), what 'tellapart models' lists, and several joined, as minilm+bge-small"
)

PIXELS = "pixels"
FACE = "face"
BUILT_IN = ("minilm", "lsa", PIXELS, FACE)
FOLDER = "folder"
ONNX = "onnx"


def load_encoder(spec: str, *, home: Path | None = None) -> Encoder:
    """Open the encoder a user named; only `hub:`, `model2vec:` and `openai:` ever touch the network.

    Args:
        spec: `minilm`, `pixels`, `face`, `hub:ORG/MODEL`, `model2vec:NAME-OR-FOLDER`, `openai:MODEL[@BASE-URL]`,
            `folder:PATH`, `onnx:FOLDER`, `onnx:FILE`, a fetched model (`tellapart models`), or several of them that
            encode texts, joined by `+`: their vectors side by side.
        home: Where a relative path is looked for too, if the working folder has none.

    Raises:
        TellapartError: No such kind, nothing after the colon, a missing extra, file or key.
    """
    check_encoder(spec)
    if spec == "minilm":
        from tellapart.encoders.folder import open_minilm

        return open_minilm()
    if spec == PIXELS:
        from tellapart.encoders.images import PixelEncoder

        return PixelEncoder()
    if spec == FACE:
        from tellapart.encoders.faces import open_face

        return open_face()
    if spec == "lsa":
        raise TellapartError(
            "the encoder 'lsa' is fitted on a corpus and lives in its index: open it through the index"
            " (tellapart index --encoder lsa), or fit one with tellapart.encoders.lsa.LsaEncoder.fit"
        )
    if (parts := _parts(spec)) is not None:
        from tellapart.encoders.joined import JoinedEncoder

        return JoinedEncoder([load_encoder(part, home=home) for part in parts])
    kind, colon, rest = spec.partition(":")
    if not colon:
        from tellapart.encoders.folder import FolderEncoder

        return FolderEncoder(need_fetched(spec), name=spec, export=True)
    if kind == FOLDER:
        return _folder(rest, home)
    if kind == ONNX and (exported := _located(rest, home)).is_dir():
        from tellapart.encoders.folder import FolderEncoder

        return FolderEncoder(exported, name=spec, export=True)
    return _OPENERS[kind](rest)


def check_encoder(spec: str) -> None:
    """Refuse a name that opens nothing, without opening anything.

    Raises:
        TellapartError: No such kind, nothing after the colon, or a model that was not fetched.
    """
    need(spec, str, "the encoder", f"its name; known are {KINDS}")
    _, colon, rest = spec.partition(":")
    if spec in BUILT_IN:
        return
    if (parts := _parts(spec)) is not None:
        if "lsa" in parts:
            raise TellapartError(
                f"{spec!r}: lsa is fitted on a corpus, and cannot be joined to other encoders"
            )
        for part in parts:
            check_encoder(part)
    elif not colon and (spec in SHELF or fetched(spec)):
        need_fetched(spec)
    elif not _opens_one(spec):
        raise TellapartError(f"unknown encoder {spec!r}; known are {KINDS}")
    elif colon and not rest.strip():
        raise TellapartError(f"the encoder {spec!r} names nothing after the colon; known are {KINDS}")


def _parts(spec: str) -> list[str] | None:
    """Split `minilm+bge-small`; None where it is no such list (a folder's name may hold a plus)."""
    parts = spec.split("+")
    known = [_opens_one(part) or bool(part and fetched(part)) for part in parts]
    return parts if len(parts) > 1 and all(known) else None


def is_spec(name: str) -> bool:
    """Whether `load_encoder` or an index opens an encoder by such a name."""
    return _opens_one(name) or _parts(name) is not None


def _opens_one(name: str) -> bool:
    kind, colon, _ = name.partition(":")
    return name in (*BUILT_IN, *SHELF) or bool(colon and kind in (FOLDER, *_OPENERS))


def sees_images(spec: str, *, home: Path | None = None) -> bool:
    """Whether the encoder a user named takes images rather than texts; reads its config.json at most."""
    kind, _, rest = spec.partition(":")
    if kind == ONNX and rest:
        return not _located(rest, home).is_dir()
    if kind != FOLDER or not rest:
        return spec in (PIXELS, FACE)
    from tellapart.encoders.config import IMAGE_KIND, read_content

    return bool(read_content(_located(rest, home)).get("kind") == IMAGE_KIND)


def _located(name: str, home: Path | None) -> Path:
    """Find a folder from the working folder, or else from `home`, so that an index works from anywhere."""
    folder = Path(name).expanduser()
    return home / folder if home and not folder.is_dir() and (home / folder).is_dir() else folder


def _hub(name: str) -> Encoder:
    from tellapart.encoders.hub import HubEncoder

    return HubEncoder.open(name)


def _model2vec(name: str) -> Encoder:
    from tellapart.encoders.hub import Model2VecEncoder

    return Model2VecEncoder.open(name)


def _openai(name: str) -> Encoder:
    from tellapart.encoders.openai import OpenAiEncoder

    return OpenAiEncoder.open(name)


def _onnx(name: str) -> Encoder:
    from tellapart.encoders.faces import open_onnx

    return open_onnx(name)


def _folder(name: str, home: Path | None) -> Encoder:
    from tellapart.encoders.config import IMAGE_KIND, read_content

    folder = _located(name, home)
    spec = f"folder:{name}"
    match read_content(folder).get("kind"):
        case kind if kind == IMAGE_KIND:
            from tellapart.encoders.images import ImageEncoder

            return ImageEncoder(folder, name=spec)
        case "adapted":
            from tellapart.encoders.adapted import AdaptedEncoder

            return AdaptedEncoder(folder, partial(load_encoder, home=home), name=spec)
        case "worded":
            from tellapart.encoders.word_vectors import HybridEncoder

            return HybridEncoder(folder, partial(load_encoder, home=home), name=spec)
        case _:
            from tellapart.encoders.folder import FolderEncoder

            return FolderEncoder(folder, name=spec)


_OPENERS: dict[str, Callable[[str], Encoder]] = {
    "hub": _hub,
    "model2vec": _model2vec,
    "openai": _openai,
    ONNX: _onnx,
}

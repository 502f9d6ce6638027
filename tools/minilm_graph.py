"""all-MiniLM-L6-v2 as an ONNX graph, in dynamic int8 or in float32: written from weights, and read back to them.

Written node by node, without tracing: the same weights and the same version of `onnx` give the same bytes. Names of
weights are those of the published safetensors file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart.errors import require

LAYERS, HEADS, DIM = 6, 12, 384
MAX_TOKENS = 256
"""The length the model was trained with (its sentence_bert_config.json); the rest of its 512 positions is left out."""

LEVELS = 127
"""Largest int8 value."""

PAIR_SUM = 128
"""Largest sum of two neighbouring weights of one sign. x86 processors without VNNI add products of unsigned
activations (up to 255) and weights two by two in 16 bits, saturating at 32,767 = 255 * 128.5. Seven-bit weights, the
usual remedy, cost .0013 of cosine to float32; this bound costs less and rules saturation out just as surely."""

OPSET, IR_VERSION = 17, 8
CONTRIB = "com.microsoft"
PRODUCTS = {"projected": "attention.output.dense", "wide": "intermediate.dense", "narrow": "output.dense"}
"""Quantised layers of a transformer layer by the name of their nodes, beside the joined query, key and value."""

Weights = dict[str, NDArray[np.float32]]


def safe_scale(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give the smallest scale of each column (out,) that keeps values within LEVELS and pairs within PAIR_SUM."""
    scale = np.abs(weight).max(axis=0) / LEVELS
    while True:
        values = np.round(weight / scale)
        pairs = np.abs(values[0::2] + values[1::2]).max(axis=0)
        too_large = pairs > PAIR_SUM
        if not too_large.any():
            return np.asarray(scale, dtype=np.float32)
        scale = np.where(too_large, scale * np.maximum(pairs / PAIR_SUM, 1.001), scale).astype(np.float32)


@dataclass
class Graph:
    """An ONNX graph under construction; every method returns the name of the tensor it makes."""

    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)
    int8: bool = True

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """Add an array of weights."""
        numpy_helper = require("onnx", extra="train").numpy_helper

        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(
        self,
        operator: str,
        inputs: list[str],
        *outputs: str,
        domain: str = "",
        **attributes: Any,  # noqa: ANN401
    ) -> str:
        """Add one operation."""
        from onnx import helper

        made = helper.make_node(operator, inputs, list(outputs), name=outputs[0], domain=domain, **attributes)
        self.nodes.append(made)
        return outputs[0]

    def quantised(self, name: str, weight: NDArray[np.float32]) -> tuple[str, str, str]:
        """Add a weight (in, out) as int8 with one scale per output column: names of values, scales, zero points."""
        scale = safe_scale(weight)
        values = np.round(weight / scale).astype(np.int8)
        return (
            self.constant(f"{name}.int8", values),
            self.constant(f"{name}.scale", scale.astype(np.float32)),
            self.constant(f"{name}.zero", np.zeros(weight.shape[1], dtype=np.int8)),
        )

    def product(self, name: str, inputs: str, weight: NDArray[np.float32]) -> str:
        """Multiply by a weight; in int8 the input is quantised on the fly, one scale for the whole tensor."""
        if not self.int8:
            return self.node("MatMul", [inputs, self.constant(f"{name}.float", weight)], f"{name}.out")
        parts = self.quantised(name, weight)
        return self.node("DynamicQuantizeMatMul", [inputs, *parts], f"{name}.out", domain=CONTRIB)

    def normalised(self, name: str, inputs: str, residual: str, bias: str, weights: Weights, key: str) -> str:
        """Add bias and residual, then layer normalisation, fused."""
        gain = self.constant(f"{name}.gain", weights[f"{key}.weight"])
        shift = self.constant(f"{name}.shift", weights[f"{key}.bias"])
        return self.node(
            "SkipLayerNormalization",
            [inputs, residual, gain, shift, bias],
            name,
            domain=CONTRIB,
            epsilon=1e-12,
        )


def embeddings(graph: Graph, weights: Weights) -> str:
    """Word (int8, one scale per word) plus position plus type embeddings, layer-normalised."""
    from onnx import TensorProto

    words = weights["embeddings.word_embeddings.weight"]
    scale = np.maximum(np.abs(words).max(axis=1, keepdims=True), 1e-12) / LEVELS
    graph.constant("words.int8", np.round(words / scale).astype(np.int8))
    graph.constant("words.scale", scale.astype(np.float32))
    positions = weights["embeddings.position_embeddings.weight"][:MAX_TOKENS]
    graph.constant("positions", positions + weights["embeddings.token_type_embeddings.weight"][0])
    graph.constant("zero", np.zeros(1, dtype=np.int64))
    graph.node("Gather", ["words.int8", "input_ids"], "words.found")
    graph.node("Cast", ["words.found"], "words.float", to=TensorProto.FLOAT)
    graph.node("Gather", ["words.scale", "input_ids"], "words.factor")
    graph.node("Mul", ["words.float", "words.factor"], "words.out")
    graph.node("Shape", ["input_ids"], "length", start=1, end=2)
    graph.node("Slice", ["positions", "zero", "length", "zero"], "positions.out")
    graph.node("Add", ["words.out", "positions.out"], "embedded")
    gain = graph.constant("embedded.gain", weights["embeddings.LayerNorm.weight"])
    shift = graph.constant("embedded.shift", weights["embeddings.LayerNorm.bias"])
    return graph.node("LayerNormalization", ["embedded", gain, shift], "layer0.in", axis=-1, epsilon=1e-12)


def attention(graph: Graph, weights: Weights, number: int, hidden: str) -> str:
    """Self-attention of one layer, its query, key and value joined to one product."""
    own, key, mask = f"layer{number}", f"encoder.layer.{number}", "attention_mask.int32"
    roles = [f"{key}.attention.self.{role}" for role in ("query", "key", "value")]
    joined = np.concatenate([weights[f"{role}.weight"].T for role in roles], axis=1)
    offsets = np.concatenate([weights[f"{role}.bias"] for role in roles])
    if not graph.int8:
        inputs = [
            hidden,
            graph.constant(f"{own}.qkv.float", joined),
            graph.constant(f"{own}.qkv.bias", offsets),
            mask,
        ]
        return graph.node("Attention", inputs, f"{own}.attended", domain=CONTRIB, num_heads=HEADS)
    values, scale, zero = graph.quantised(f"{own}.qkv", joined)
    bias = graph.constant(f"{own}.qkv.bias", offsets)
    graph.node("DynamicQuantizeLinear", [hidden], f"{own}.in.q", f"{own}.in.scale", f"{own}.in.zero")
    inputs = [f"{own}.in.q", values, bias, f"{own}.in.scale", scale, mask, f"{own}.in.zero", zero]
    return graph.node("QAttention", inputs, f"{own}.attended", domain=CONTRIB, num_heads=HEADS)


def layer(graph: Graph, weights: Weights, number: int, hidden: str) -> str:
    """One transformer layer: attention and feed-forward, exact GELU."""
    own, key = f"layer{number}", f"encoder.layer.{number}"
    attended = attention(graph, weights, number, hidden)
    projected = graph.product(f"{own}.projected", attended, weights[f"{key}.attention.output.dense.weight"].T)
    bias = graph.constant(f"{own}.projected.bias", weights[f"{key}.attention.output.dense.bias"])
    middle = graph.normalised(
        f"{own}.middle", projected, hidden, bias, weights, f"{key}.attention.output.LayerNorm"
    )
    wide = graph.product(f"{own}.wide", middle, weights[f"{key}.intermediate.dense.weight"].T)
    bias = graph.constant(f"{own}.wide.bias", weights[f"{key}.intermediate.dense.bias"])
    active = graph.node("BiasGelu", [wide, bias], f"{own}.active", domain=CONTRIB)
    narrow = graph.product(f"{own}.narrow", active, weights[f"{key}.output.dense.weight"].T)
    bias = graph.constant(f"{own}.narrow.bias", weights[f"{key}.output.dense.bias"])
    return graph.normalised(f"layer{number + 1}.in", narrow, middle, bias, weights, f"{key}.output.LayerNorm")


def graph(weights: Weights, *, int8: bool = True) -> bytes:
    """Serialise the whole encoder: input_ids and attention_mask (b, s) to token vectors (b, s, 384).

    Without `int8` only the words are quantised: what fine-tuning changes about the others is smaller than a step of
    int8 (vectors then had a cosine of .96 to the trained network's).
    """
    from onnx import TensorProto, checker, helper

    made = Graph(int8=int8)
    made.node("Cast", ["attention_mask"], "attention_mask.int32", to=TensorProto.INT32)
    hidden = embeddings(made, weights)
    for number in range(LAYERS):
        hidden = layer(made, weights, number, hidden)
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
        for name in ("input_ids", "attention_mask")
    ]
    output = helper.make_tensor_value_info(hidden, TensorProto.FLOAT, ["batch", "sequence", 384])
    body = helper.make_graph(made.nodes, "all-MiniLM-L6-v2", inputs, [output], made.constants)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIB, 1)]
    model = helper.make_model(body, opset_imports=opsets, ir_version=IR_VERSION)
    checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))

"""What an exported ONNX model is, read from the files that Hugging Face's tools put beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tellapart.encoders.config import FILE, FORMAT
from tellapart.encoders.sessions import open_session
from tellapart.errors import TellapartError

TEXTS, PAIRS = "onnx-text", "onnx-pair"
"""Kinds in config.json: encoders of texts, and cross-encoders, which score a query and a text together."""

GRAPHS = ("model.onnx", "onnx/model.onnx", "model_quantized.onnx", "onnx/model_quantized.onnx")
LONGEST = 256
"""Tokens of a text at most, whatever a model could take: as for minilm."""


def is_ours(folder: Path) -> bool:
    """Whether config.json of a folder is tellapart's own."""
    return bool(_json(folder / FILE).get("format") == FORMAT)


def described_export(folder: Path) -> dict[str, Any]:
    """Say what the ONNX export in a folder is, as the content of our config.json.

    The graph's first output decides: (batch, 1) is a cross-encoder, (batch, tokens, dim) an encoder whose pooling
    stands in 1_Pooling/config.json (mean where nothing is said), (batch, dim) one that pools by itself. Prompts are
    those of config_sentence_transformers.json.

    Raises:
        TellapartError: No graph, no tokenizer, or outputs of another shape.
    """
    graph = next((each for each in GRAPHS if (folder / each).is_file()), None)
    if graph is None:
        raise TellapartError(f"{folder} has no {GRAPHS[0]}: name the folder of an ONNX export")
    if not (folder / "tokenizer.json").is_file():
        raise TellapartError(
            f"{folder} has no tokenizer.json: export the model again, with its fast tokenizer"
        )
    shape = open_session(folder / graph, threads=1).get_outputs()[0].shape
    length = _length(folder)
    if len(shape) == 2 and shape[1] == 1:
        return {"kind": PAIRS, "name": folder.name, "max_tokens": length, "model": graph}
    if len(shape) not in (2, 3) or not isinstance(shape[-1], int):
        raise TellapartError(
            f"{folder / graph} gives {shape}: an encoder gives (batch, tokens, dim) or (batch, dim),"
            " a cross-encoder (batch, 1)"
        )
    prompts = _json(folder / "config_sentence_transformers.json").get("prompts") or {}
    return {
        "kind": TEXTS,
        "name": folder.name,
        "dim": shape[-1],
        "max_tokens": length,
        "pooling": "none" if len(shape) == 2 else _pooling(folder),
        "query_prompt": str(prompts.get("query", "")),
        "document_prompt": str(prompts.get("document", prompts.get("passage", ""))),
        "model": graph,
    }


def _pooling(folder: Path) -> str:
    said = _json(folder / "1_Pooling" / "config.json")
    if said.get("pooling_mode_cls_token"):
        return "cls"
    return "last" if said.get("pooling_mode_lasttoken") else "mean"


def _length(folder: Path) -> int:
    longest = _json(folder / "sentence_bert_config.json").get("max_seq_length")
    longest = longest or _json(folder / "tokenizer_config.json").get("model_max_length") or LONGEST
    return int(min(longest, LONGEST))


def _json(path: Path) -> dict[str, Any]:
    """Read a JSON object; {} where there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise TellapartError(f"cannot read {path}: {error}; get the folder again") from error
    return content if isinstance(content, dict) else {}

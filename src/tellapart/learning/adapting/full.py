"""All of MiniLM fine-tuned to a corpus, judged as strictly as a map: other documents, other kinds of queries.

A fit takes minutes, so there is one: it learns from the kinds `_divided` names, in one half of the documents, and is
judged by the other kinds in the other half. What was judged is what is written.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tellapart.encoders.folder import FolderEncoder
from tellapart.encoders.protocol import Encoder
from tellapart.encoders.windows import embed, whole
from tellapart.learning.adapting.deciding import (
    FEWEST,
    HALVES,
    Adaptation,
    conclusion,
    counting_sources,
    gather_evidence,
    halves,
    nothing,
)
from tellapart.learning.adapting.judging import ranks, ranks_among, values
from tellapart.learning.adapting.pairs import NEAR, Pairs
from tellapart.progress import Progress, silent


def adapt_fully(
    pairs: Pairs, base: Encoder, folder: Path, name: str, *, seed: int = 0, progress: Progress = silent
) -> Adaptation:
    """Fine-tune, write the encoder into `folder`, and judge it; without queries enough, nothing is written.

    Args:
        pairs: With their texts.
        base: `minilm`, or what was fine-tuned from it.
        folder: Of the new encoder.
        name: Of the new encoder.
        seed: Of the halves and the batches.
        progress: Told of steps and of texts encoded.

    Raises:
        TellapartError: The encoder is no MiniLM.
    """
    from tellapart.learning.texts.finetune import Recipe, TextPairs, export_network, fine_tune, load_network

    assert isinstance(base, FolderEncoder)
    network = load_network(base)
    sources = counting_sources(pairs)
    if not sources:
        return nothing(pairs)
    kept = np.flatnonzero(np.isin(pairs.sources, sources))
    half = halves(pairs.groups[kept], seed)
    taught, asked = _divided(pairs.sources[kept], sources)
    learned, judged = kept[(half == 0) & taught], kept[(half == 1) & asked]
    answers = [whole(pairs.contents[row]) for row in pairs.answer[learned].tolist()]
    learn = TextPairs(
        queries=base.token_ids([pairs.texts[row] for row in learned.tolist()]),
        answers=base.token_ids(answers),
        places=pairs.units[pairs.answer[learned]],
        near=NEAR,
    )
    fine_tune(network, learn, Recipe(seed=seed), progress=progress)
    encoder = export_network(network, base, folder, name)
    found, before = ranks_of(pairs, judged, encoder, progress), ranks(pairs, judged, None)
    enough = [kind for kind in sources if (pairs.sources[judged] == kind).sum() >= FEWEST / HALVES]
    evidence = gather_evidence(pairs, judged, values(found), values(before), tuple(enough))
    recommended, reason = conclusion(pairs.kind, evidence, helped=True)
    return Adaptation(None, None, evidence, recommended, reason)


def ranks_of(
    pairs: Pairs, rows: NDArray[np.int64], encoder: Encoder, progress: Progress
) -> NDArray[np.int64]:
    """Rank of the right document for some queries (r,) by another encoder."""
    units = embed(encoder, pairs.contents, progress=progress)[0]
    queries = encoder.encode_query([pairs.texts[row] for row in rows.tolist()])
    return ranks_among(pairs, rows, queries, units)


def _divided(of: NDArray[np.str_], sources: tuple[str, ...]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which queries teach and which judge: the most frequent kind teaches, all others judge; with one kind, both."""
    counts = {source: int((of == source).sum()) for source in sources}
    frequent = max(sources, key=lambda source: (counts[source], source))
    taught = of == frequent
    return taught, ~taught if len(sources) > 1 else taught

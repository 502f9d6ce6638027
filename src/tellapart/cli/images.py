"""What `tellapart evaluate` does with an index of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tellapart.cli.output import note
from tellapart.cli.progress import terminal_progress
from tellapart.corpus.types import Granularity
from tellapart.encoders.load import PIXELS
from tellapart.engine import Index
from tellapart.errors import TellapartError

if TYPE_CHECKING:
    from tellapart.experiments.evaluate import Wishes
    from tellapart.experiments.verdict.verdict import Verdict


def holds_only_images(index: Index) -> bool:
    """Whether an index has nothing else."""
    with index.reading() as snapshot:
        return snapshot.granularities == (Granularity.IMAGE,)


def asks_for_images(index: Index, granularities: Sequence[str]) -> bool:
    """Whether an evaluation is about images: said so, or the index holds nothing else."""
    return list(granularities) == [Granularity.IMAGE] or (not granularities and holds_only_images(index))


def image_verdict(
    index: Index, qrels: Path | None, wishes: Wishes, for_texts: Mapping[str, object], *, keep: bool
) -> Verdict:
    """Compare what sees images; `for_texts` are options that only judged texts have, None where not given."""
    from tellapart.experiments.evaluate import evaluate_images
    from tellapart.experiments.queries.judgements import read_qrels

    for name, given in for_texts.items():
        if given is not None:
            raise TellapartError(
                f"{name} is for texts: images are asked for by images, and judged by their folders or --qrels"
            )
    if keep and not wishes.encoders and PIXELS not in index.settings.encoders:
        index.add_encoder(PIXELS, progress=terminal_progress())
        note("added the encoder pixels, what every other has to beat, to the index")
    judged = None if qrels is None else read_qrels(qrels)
    return evaluate_images(index, judged, wishes, progress=terminal_progress())

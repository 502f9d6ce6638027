"""What a writer computes from the vectors at the end of a run, so that no search has to."""

from __future__ import annotations

from tellapart.index.vectors.approximate import CODED_ROWS
from tellapart.index.vectors.index import VectorIndex
from tellapart.progress import Progress, silent


def build_derived(index: VectorIndex, *, progress: Progress = silent, coded_rows: int = CODED_ROWS) -> None:
    """Bring the derived files up to date and remove stale ones; the writer calls this at the end of a run.

    Moments and spectrum always; codes from `coded_rows` rows on, if they are missing or more than 10 % of
    the rows died or came since.

    Raises:
        TellapartError: the derived folder cannot be written.
    """
    folder = index.derived
    if folder is None or index.n_rows == 0:
        return
    if index.n_alive:
        index.spectrum()
    index.prepare_codes(progress, coded_rows)
    keep = index.derived_names()
    for file in sorted([*folder.glob("moments-*.npz"), *folder.glob("spectrum-*.npz")]):
        if file.name not in keep:
            file.unlink(missing_ok=True)

"""The grid of `evaluate` as tasks of Ray: the same values wherever they are computed."""

from __future__ import annotations

import copyreg
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from tellapart.cluster.ray import ATTEMPTS, SPARE, Cluster, LostWorkError
from tellapart.engine import Index
from tellapart.errors import TellapartError
from tellapart.experiments.measures import Measure
from tellapart.experiments.query_set import QuerySet
from tellapart.experiments.running import GridPart, GridValues, measure_part, steps_of
from tellapart.progress import Advance

copyreg.pickle(MappingProxyType, lambda view: (MappingProxyType, (dict(view),)))


@dataclass(frozen=True, slots=True)
class GridOnCluster:
    """Computes the parts of a grid on a cluster, whose nodes must see the index under the same path."""

    ray: Cluster

    @property
    def pieces(self) -> int:
        """A part for each task that can be handed out."""
        return self.ray.room() // SPARE

    def run(
        self,
        index: Index,
        query_set: QuerySet,
        measure: Measure,
        parts: Sequence[GridPart],
        advance: Advance,
    ) -> Iterator[tuple[int, GridValues]]:
        """Give what came out of each part as it is done.

        Raises:
            TellapartError: A part could not be computed.
        """
        folder, generation = str(index.folder.resolve()), _generation(index)
        shared = self.ray.share((query_set, measure))
        pending = {}
        for place, part in enumerate(parts):
            pending[self.ray.submit(measured_part, folder, generation, shared, part)] = place
        try:
            while pending:
                for ref in self.ray.finished(list(pending)):
                    place = pending.pop(ref)
                    try:
                        found: GridValues = self.ray.result(ref)
                    except LostWorkError as error:
                        raise TellapartError(
                            f"{ATTEMPTS} workers died comparing {parts[place].arms[0].name}: run the command again"
                        ) from error
                    advance(steps_of(parts[place]))
                    yield place, found
        finally:
            self.ray.cancel(list(pending))


def measured_part(
    folder: str, generation: str, shared: tuple[QuerySet, Measure], part: GridPart
) -> GridValues:
    """Compute a part in a worker."""
    query_set, measure = shared
    return measure_part(_opened(folder, generation), query_set, measure, part, lambda count: None)


@lru_cache(maxsize=1)
def _opened(folder: str, generation: str) -> Index:
    """Open an index once in a process, and anew when it has changed.

    Raises:
        TellapartError: It has another generation already: parts of two must not be mixed.
    """
    opened = Index.open(folder, refresh=False)
    if _generation(opened) != generation:
        opened.close()
        raise TellapartError(f"{folder} changed while it was evaluated: run the command again")
    return opened


def _generation(index: Index) -> str:
    return f"{index.store.identity} {index.store.generation}"

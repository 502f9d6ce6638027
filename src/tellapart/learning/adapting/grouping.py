"""Things that belong together because a chain of links joins them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def connected(links: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Number the connected components of `count` things (count,) joined by links (l, 2)."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    graph = coo_matrix((np.ones(len(links)), (links[:, 0], links[:, 1])), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)

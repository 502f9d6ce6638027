"""Batches of P identities with K samples each, drawn from the step's number alone.

Nothing random is carried from step to step, so a run resumed at step n draws what the unbroken run would have.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tellapart.errors import TellapartError

IDENTITIES, SAMPLES = 0, 1
"""Streams of random numbers; a seed, a stream and a step name each draw."""


@dataclass(frozen=True, slots=True)
class IdentityBatches:
    """Rows grouped by identity; an epoch visits every identity once, those left over go into the next one."""

    order: NDArray[np.int64]
    starts: NDArray[np.int64]
    identities: int
    samples: int
    seed: int

    @classmethod
    def of(cls, labels: NDArray[np.int64], *, identities: int, samples: int, seed: int) -> IdentityBatches:
        """Group rows by their label (n,), labels counting from 0.

        Raises:
            TellapartError: Fewer than two identities in all or in a batch.
        """
        order = np.argsort(labels, kind="stable")
        starts = np.searchsorted(labels[order], np.arange(int(labels.max(initial=-1)) + 2))
        known = len(starts) - 1
        if min(known, identities) < 2:
            raise TellapartError(
                f"{known} identities, {identities} of them in a batch: training needs two to tell apart"
            )
        return cls(order, starts, min(identities, known), samples, seed)

    @property
    def size(self) -> int:
        """Rows in a batch."""
        return self.identities * self.samples

    def rows(self, step: int) -> NDArray[np.int64]:
        """Rows of one batch (P x K,), identity by identity; fewer samples than K are drawn repeatedly."""
        known = len(self.starts) - 1
        per_epoch = known // self.identities
        epoch, place = divmod(step, per_epoch)
        shuffled = np.random.default_rng([self.seed, IDENTITIES, epoch]).permutation(known)
        chosen = shuffled[place * self.identities : (place + 1) * self.identities]
        draw = np.random.default_rng([self.seed, SAMPLES, step])
        parts = []
        for identity in chosen.tolist():
            members = self.order[self.starts[identity] : self.starts[identity + 1]]
            if len(members) < self.samples:
                extra = draw.choice(members, self.samples - len(members))
                parts.append(np.concatenate([draw.permutation(members), extra]))
            else:
                parts.append(draw.choice(members, self.samples, replace=False))
        return np.concatenate(parts)

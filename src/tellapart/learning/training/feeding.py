"""Batches for a network, made ahead of it by threads; what is in a batch depends on the step's number alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tellapart.errors import TellapartError
from tellapart.learning.centres.workers import Workers
from tellapart.learning.training.options import TrainingOptions

AHEAD = 2
"""Batches each thread makes ahead: one to hand over while the next is made; more only take memory."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Inputs (b, ...) and labels (b,) of this worker, and what each sample is called."""

    inputs: Tensor
    labels: Tensor
    names: Sequence[str]


class Feed(Protocol):
    """Batches without end, and a hash of the data."""

    @property
    def size(self) -> int:
        """Samples of a batch over all workers."""
        ...

    def batches(self, first: int) -> Generator[Batch]:
        """Give this worker's part of every batch from step `first` on."""
        ...

    def digest(self) -> str:
        """Hash the data: what a resumed run compares."""
        ...


class Samples(Protocol):
    """Labelled samples: what of them a network is fed, in training and when it is judged."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """Identity of each sample (n,)."""
        ...

    @property
    def sources(self) -> Sequence[str]:
        """What each sample is called."""
        ...

    def training(self, rows: NDArray[np.int64], draw: torch.Generator) -> Tensor:
        """Give inputs of some rows, changed at random."""
        ...

    def plain(self, rows: NDArray[np.int64]) -> Tensor:
        """Give inputs of some rows as they are."""
        ...

    def digest(self) -> str:
        """Hash the samples."""
        ...


@dataclass(frozen=True, slots=True)
class SampleFeed:
    """Batches of P identities x K samples, changed at random; `loaders` threads make them ahead (0: none)."""

    samples: Samples
    order: IdentityBatches
    seed: int
    workers: Workers
    loaders: int
    pinned: bool

    @classmethod
    def of(
        cls,
        samples: Samples,
        options: TrainingOptions,
        *,
        workers: Workers | None = None,
        loaders: int = 1,
        pinned: bool = False,
    ) -> SampleFeed:
        """Arrange samples for a run."""
        order = IdentityBatches.of(
            samples.labels, identities=options.identities, samples=options.samples, seed=options.seed
        )
        return cls(samples, order, options.seed, workers or Workers(), loaders, pinned)

    @property
    def size(self) -> int:
        """Samples of a batch over all workers."""
        return self.order.size

    def digest(self) -> str:
        """Hash the samples."""
        return self.samples.digest()

    def batch(self, step: int) -> Batch:
        """Make this worker's part of one batch."""
        rows = self.order.rows(step)
        part = self.workers.share(len(rows))
        rows = rows[part.start : part.stop]
        draw = torch.Generator().manual_seed(
            (self.seed * 1_000_003 + step) * self.workers.count + self.workers.rank
        )
        inputs = self.samples.training(rows, draw)
        labels = torch.from_numpy(self.samples.labels[rows])
        names = [self.samples.sources[row] for row in rows.tolist()]
        return Batch(inputs.pin_memory() if self.pinned else inputs, labels, names)

    def batches(self, first: int) -> Generator[Batch]:
        """Give this worker's part of every batch from step `first` on."""
        if not self.loaders:
            while True:
                yield self.batch(first)
                first += 1
        with ThreadPoolExecutor(self.loaders, thread_name_prefix="loader") as pool:
            ahead: deque[Future[Batch]] = deque()
            try:
                while True:
                    while len(ahead) < AHEAD * self.loaders:
                        ahead.append(pool.submit(self.batch, first))
                        first += 1
                    yield ahead.popleft().result()
            finally:
                for future in ahead:
                    future.cancel()


IDENTITIES, SAMPLES = 0, 1
"""Streams of random numbers; a seed, a stream and a step name each draw."""


@dataclass(frozen=True, slots=True)
class IdentityBatches:
    """Rows grouped by identity; an epoch visits every identity once, those left over go into the next one.

    Nothing random is carried from step to step: a run resumed at step n draws what the unbroken run would have.
    """

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

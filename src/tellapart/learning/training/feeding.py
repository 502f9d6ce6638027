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

from tellapart.learning.centres.workers import Workers
from tellapart.learning.training.batches import IdentityBatches
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

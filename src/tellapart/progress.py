"""How long work reports on itself without knowing who watches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

Advance = Callable[[int], None]
"""Says that so many more items are done."""

Progress = Callable[[str, int | None], AbstractContextManager[Advance]]
"""Opens a task: `with progress("encoding", total) as advance: ... advance(32)`; total None = unknown."""


@contextmanager
def silent(label: str, total: int | None) -> Iterator[Advance]:
    """Report to nobody."""
    yield lambda count: None


def part_of(advance: Advance, amount: int) -> Progress:
    """Report an inner task of any total as `amount` items of an outer one."""

    @contextmanager
    def inner(label: str, total: int | None) -> Iterator[Advance]:
        done = seen = 0

        def step(count: int) -> None:
            nonlocal done, seen
            seen += count
            reached = amount * seen // total if total else 0
            advance(max(0, reached - done))
            done = max(done, reached)

        yield step
        advance(amount - done)

    return inner

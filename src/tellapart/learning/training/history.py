"""What a run has seen of itself so far; kept in its checkpoints and shown in its report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tellapart.learning.training.health import Health, Suspect


@dataclass(frozen=True, slots=True)
class Look:
    """The state after `step` steps; `loss` and `per_second` are means since the last look.

    `health` is that of held-out identities, None without any. `suspects` were seen in the last batch.
    """

    step: int
    loss: float
    rate: float
    per_second: float
    seconds: float
    health: Health | None
    suspects: tuple[Suspect, ...]

    def to_json(self) -> dict[str, Any]:
        """Give plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Look:
        """Take back what `to_json` gave and JSON has made of it."""
        health = content["health"]
        if health is not None:
            counts = {name: tuple(health[name]) for name in ("genuine", "impostors")}
            health = Health(**{**health, **counts})
        return cls(
            **{**content, "health": health, "suspects": tuple(Suspect(**s) for s in content["suspects"])}
        )


@dataclass(frozen=True, slots=True)
class History:
    """All looks of a run, and which of them had the best MAP@R."""

    looks: tuple[Look, ...] = ()

    def with_look(self, look: Look) -> History:
        """Add a look."""
        return History((*self.looks, look))

    @property
    def seconds(self) -> float:
        """Time spent, over all resumptions."""
        return self.looks[-1].seconds if self.looks else 0.0

    @property
    def best(self) -> int | None:
        """Place of the best look, None before the first that was held against others."""
        scored = [(look.health.map_at_r, -place) for place, look in enumerate(self.looks) if look.health]
        return -max(scored)[1] if scored else None

    def since_best(self) -> int:
        """Looks since the best one."""
        return 0 if self.best is None else len(self.looks) - 1 - self.best

    def to_json(self) -> list[dict[str, Any]]:
        """Give plain values."""
        return [look.to_json() for look in self.looks]

    @classmethod
    def from_json(cls, content: list[Mapping[str, Any]]) -> History:
        """Take back what `to_json` gave."""
        return cls(tuple(Look.from_json(look) for look in content))

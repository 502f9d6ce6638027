"""Ray, as far as it is used: connecting, tasks, actors, and what a dead worker looks like."""

from __future__ import annotations

import logging
import os
import re
import socket
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from tellapart.cluster.files import EXTRA
from tellapart.errors import TellapartError, require

LOCAL = "local"

LOCAL_STORE_BYTES = 200_000_000
"""Shared memory of Ray on this machine: pieces of large collections wait there, a few megabytes each (not measured)."""

CONNECT_SECONDS = 10.0
"""How long a head node may take to answer a connection."""

_HOST_AND_PORT = re.compile(r"(?:ray://)?(\[[^]]+\]|[^:/\[]+):(\d+)")

ATTEMPTS = 3
"""How many workers may die of one task."""

WAIT_SECONDS = 0.5
"""After so long the driver looks whether it is to commit, or was interrupted."""

SPARE = 2
"""Tasks handed out for each that can run, so that no worker waits for the driver."""


class LostWorkError(Exception):
    """The worker or the node that did something is gone, and nothing came back."""


def check_answers(address: str) -> None:
    """See that somebody listens at HOST:PORT: Ray itself goes on trying for minutes.

    Raises:
        TellapartError: Nobody does.
    """
    if found := _HOST_AND_PORT.fullmatch(address):
        try:
            socket.create_connection((found[1].strip("[]"), int(found[2])), CONNECT_SECONDS).close()
        except (OSError, OverflowError) as error:
            raise _unreachable(address, str(error)) from error


def _unreachable(address: str, why: str) -> TellapartError:
    return TellapartError(f"--cluster {address}: cannot connect ({why}); give ray://HOST:10001 or local")


@dataclass
class Cluster:
    """A connection to a Ray cluster."""

    address: str
    _ray: ModuleType
    _remote: dict[Any, Any] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def connect(cls, address: str) -> Iterator[Cluster]:
        """Connect for a while; `local` starts Ray here, unless this process is connected already.

        Raises:
            TellapartError: Nobody answers there.
        """
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent to anybody
        ray = require("ray", extra=EXTRA)
        ours = not ray.is_initialized()
        if ours:
            quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
            check_answers(address)
            if address == LOCAL:
                quiet |= {"include_dashboard": False, "object_store_memory": LOCAL_STORE_BYTES}
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # what matters of it is in the error
                    ray.init("local" if address == LOCAL else address, **quiet)
            except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
                raise _unreachable(address, (str(error).splitlines() or [type(error).__name__])[0]) from error
        try:
            yield cls(address, ray)
        finally:
            if ours:
                ray.shutdown()

    def room(self) -> int:
        """How many tasks to have handed out."""
        return SPARE * max(int(self._ray.cluster_resources().get("CPU", 1)), 1)

    def submit(self, function: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401
        """Let a worker with one core call a function; give what `result` reads."""
        if function not in self._remote:
            self._remote[function] = self._ray.remote(num_cpus=1, max_retries=ATTEMPTS - 1)(function)
        return self._remote[function].remote(*arguments)

    def share(self, value: object) -> Any:  # noqa: ANN401
        """Send a value to the cluster once; `submit` takes what this gives in its place."""
        return self._ray.put(value)

    def actor(self, kind: type, *arguments: object) -> Any:  # noqa: ANN401
        """Make an object in a worker; it takes no core, for it waits for those that do."""
        if kind not in self._remote:
            self._remote[kind] = self._ray.remote(num_cpus=0)(kind)
        return self._remote[kind].remote(*arguments)

    def ask(self, actor: Any) -> tuple[Any, Any]:  # noqa: ANN401
        """Call `next` of an actor, which returns two things; give them to `submit` or `result`."""
        first, second = actor.next.options(num_returns=2).remote()
        return first, second

    def stop(self, actor: object) -> None:
        """Let an actor go."""
        with suppress(Exception):
            self._ray.kill(actor)

    def finished(self, pending: Sequence[Any]) -> list[Any]:
        """Wait a moment for any of these; give those that are done."""
        if not pending:
            return []
        ready, _ = self._ray.wait(list(pending), num_returns=1, timeout=WAIT_SECONDS)
        if ready:
            ready, _ = self._ray.wait(list(pending), num_returns=len(pending), timeout=0)
        return list(ready)

    def result(self, reference: object) -> Any:  # noqa: ANN401
        """Give what a function returned.

        Raises:
            LostWorkError: The worker is gone.
            TellapartError: The function raised it, or something unforeseen.
        """
        errors = self._ray.exceptions
        try:
            return self._ray.get(reference)
        except errors.RayTaskError as error:
            cause = error.cause
            if isinstance(cause, TellapartError):
                raise cause from None
            if isinstance(cause, errors.RayError):  # an argument was lost with its node
                raise LostWorkError(str(cause)) from error
            if isinstance(cause, ImportError):
                raise TellapartError(
                    f"--cluster {self.address}: a node lacks a package ({cause}): install 'tellapart[cluster]' there"
                ) from error
            raise TellapartError(
                f"--cluster {self.address}: a task failed ({type(cause).__name__}: {cause}); run the command again to"
                " go on where it stopped"
            ) from error
        except errors.RayError as error:
            raise LostWorkError(str(error)) from error

    def cancel(self, pending: Sequence[object]) -> None:
        """Stop what is in flight."""
        for reference in pending:
            with suppress(Exception):
                self._ray.cancel(reference, force=True)

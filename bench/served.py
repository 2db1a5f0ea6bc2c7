"""A server under load, and what it and its store use meanwhile."""

from collections.abc import Callable
from typing import NamedTuple

from bench.load import Load
from bench.processes import cpu_seconds
from bench.samples import WRITES, Sample
from bench.servers import Server

WARM_UP = 1
"""Seconds before each sample, which nobody counts."""


class Served(NamedTuple):
    """A server, who asks it, its store's process, and how the store is put back."""

    server: Server
    load: Load
    store: int
    put_back: Callable[[], None]

    def warm_up(self, operation: str, seconds: int) -> None:
        """Send requests that nobody counts."""
        self.load.send(operation, self.server.port, seconds, 0)

    def sample(self, operation: str, seconds: int, seed: int) -> Sample:
        """Send requests for some seconds; leave the store as it was found."""
        self.warm_up(operation, WARM_UP)
        before = self._cpu_seconds()
        answered = self.load.send(operation, self.server.port, seconds, seed)
        after = self._cpu_seconds()
        self.server.forget_log()
        if operation in WRITES:
            self.put_back()
        if not answered.requests:
            raise RuntimeError(f"no {operation} was answered in {seconds} s")
        cpu_us, store_us = (
            (now - then) * 1e6 / answered.requests
            for now, then in zip(after, before, strict=True)
        )
        rps = answered.requests / answered.seconds
        return Sample(rps, cpu_us, store_us, answered.p50_us, answered.p99_us)

    def _cpu_seconds(self) -> tuple[float, float]:
        """Return what the server and the store have used."""
        return self.server.cpu_seconds, cpu_seconds(self.store)

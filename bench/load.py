"""The load: wrk on a core of its own, each request drawn from a population."""

import json
import subprocess
from pathlib import Path
from typing import NamedTuple

from bench.processes import OTHER_CORE

SCRIPT = Path(__file__).with_name("load.lua")
CONNECTIONS = 8


class Answered(NamedTuple):
    """What wrk counted: whole answers, the seconds, and two quantiles of the time."""

    requests: int
    seconds: float
    p50_us: float
    p99_us: float


class Load(NamedTuple):
    """What is asked for: a collection's path, who asks (a file), and a body's form."""

    path: str
    targets: Path
    body: str

    def send(self, operation: str, port: int, seconds: int, seed: int) -> Answered:
        """Ask a server for an operation; raise RuntimeError where it refuses any."""
        done = subprocess.run(
            f"taskset -c {OTHER_CORE} wrk -t1 -c{CONNECTIONS} -d{seconds}s".split()
            + ["-s", str(SCRIPT), f"http://127.0.0.1:{port}", "--", operation]
            + [self.path, str(self.targets), str(seed), self.body],
            capture_output=True,
            text=True,
            check=True,
        )
        counted = json.loads(done.stdout.rpartition("result ")[2])
        if counted.pop("refused") + counted.pop("errors"):
            raise RuntimeError(f"{operation} failed under load:\n{done.stdout}")
        return Answered(**counted)

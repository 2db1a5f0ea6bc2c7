"""The processes of a measurement: each on one core, watched through /proc, ended."""

import os
import shlex
import signal
import socket
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep

SERVER_CORE, OTHER_CORE = 0, 1
"""Where the server is; where the load and the stores are."""
PATIENCE = 30
"""Seconds until a server that does not answer is given up."""
MERCY = 10
"""Seconds that a process gets to end by itself."""
TICKS = os.sysconf("SC_CLK_TCK")
LAST_CHARACTERS = 2000


class Process:
    """A process on one core of the machine, with what it starts; it logs to a file."""

    def __init__(
        self,
        command: Sequence[str],
        core: int,
        log: Path,
        environment: Mapping[str, str],
        folder: Path | None = None,
    ) -> None:
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                ["taskset", "-c", str(core), *command],
                cwd=folder,
                env=_plain() | dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for us, and ends it in order
            )
        self.pid = self._process.pid
        self._name = shlex.join(command)

    def wait_for(self, address: int | Path) -> None:
        """Wait until it listens at a port or socket; raise RuntimeError if it ends."""
        until = monotonic() + PATIENCE
        while not _answers(address):
            if self._process.poll() is not None or monotonic() > until:
                said = self.log.read_text(errors="replace")[-LAST_CHARACTERS:]
                raise RuntimeError(f"`{self._name}` does not answer. It said:\n{said}")
            sleep(0.005)

    def end(self) -> None:
        """End it, and whatever it has started."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(MERCY)
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()


@contextmanager
def running(
    command: Sequence[str],
    core: int,
    log: Path,
    environment: Mapping[str, str],
    address: int | Path,
    folder: Path | None = None,
) -> Iterator[Process]:
    """Run a server for a block, from when it listens at its port or socket."""
    process = Process(command, core, log, environment, folder)
    try:
        process.wait_for(address)
        yield process
    finally:
        process.end()


def _plain() -> dict[str, str]:
    """Return the environment of every process: no settings of the caller's."""
    return {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}


def _answers(address: int | Path) -> bool:
    family = socket.AF_INET if isinstance(address, int) else socket.AF_UNIX
    to = ("127.0.0.1", address) if isinstance(address, int) else str(address)
    with socket.socket(family) as probe:
        return probe.connect_ex(to) == 0


def free_port() -> int:
    """Return a port of this machine where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def tree(pid: int) -> list[int]:
    """Return a process and all that it has started, and they."""
    children = _children()
    found = [pid]
    for process in found:  # it grows as it goes
        found += children[process]
    return found


def _children() -> dict[int, list[int]]:
    """Return the children of every process of the machine.

    The kernel's own lists of children skip some while others end (proc(5)).
    """
    children = defaultdict(list)
    for folder in Path("/proc").glob("[0-9]*"):
        if fields := _stat(int(folder.name)):
            children[int(fields[1])].append(int(folder.name))
    return children


def _stat(pid: int) -> list[str]:
    """Return the fields after the name (proc_pid_stat(5)); none if it has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def cpu_seconds(*pids: int) -> float:
    """Return the user and system time of processes and all that they have started.

    Also of those that have ended: utime + stime + cutime + cstime of each.
    """
    processes = [process for pid in pids for process in tree(pid)]
    return sum(sum(map(int, _stat(pid)[11:15])) for pid in processes) / TICKS


def resident_bytes(pid: int) -> int:
    """Return the memory that a process holds (VmRSS)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def pin(pid: int, core: int) -> None:
    """Put a process that runs, and all that it has started, on one core."""
    for process in tree(pid):
        with suppress(ProcessLookupError):
            os.sched_setaffinity(process, {core})

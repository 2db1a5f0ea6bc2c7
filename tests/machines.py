"""Machines of a cluster, all on this one: network namespaces with a link each.

A machine has an address, and processes; whoever loses it loses its link first, without
a word to its peers, and then its processes. Linux and root; see ip-netns(8).
"""

import ctypes
import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Self

PREFIX = "myapp-cluster"
SWITCH = "switch"
NEWNET = 0x40000000  # CLONE_NEWNET, setns(2)
HERE = "/proc/thread-self/ns/net"
LAST_LINES = 40


class Machine:
    """One machine: processes that reach others by its link alone."""

    def __init__(self, name: str, address: str, switch: str, folder: Path) -> None:
        self.name, self.address = name, address
        self.folder = folder
        self._switch, self._namespace = switch, f"{PREFIX}-{os.getpid()}-{name}"
        self._processes: list[subprocess.Popen[bytes]] = []
        folder.mkdir()
        folder.chmod(0o755)  # also for the users of its processes

    def plug_in(self) -> None:
        """Make it, and link it to the switch."""
        ip("netns", "add", self._namespace)
        peer = ("type", "veth", "peer", "eth0", "netns", self._namespace)
        ip("-n", self._switch, "link", "add", self.name, *peer)
        ip("-n", self._switch, "link", "set", self.name, "master", SWITCH, "up")
        here = ("-n", self._namespace)
        ip(*here, "address", "add", f"{self.address}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            ip(*here, "link", "set", device, "up")

    def start(
        self,
        *command: str | Path,
        user: str = "",
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start a program, as another user if one is named; it logs to a file."""
        name = Path(command[-1] if "/" not in str(command[0]) else command[0]).name
        with self._log(name).open("ab") as log:
            process = subprocess.Popen(
                [*self._prefix(user), *command],
                cwd=folder or self.folder,
                env={"PATH": os.environ["PATH"]} | dict(environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._processes.append(process)

    def run(self, *command: str | Path, environment: Mapping[str, str]) -> None:
        """Run a program to its end; raise RuntimeError where it fails."""
        done = subprocess.run(
            [*self._prefix(""), *command],
            env={"PATH": os.environ["PATH"]} | dict(environment),
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"{self.name}: {command} failed:\n{done.stderr[-2000:]}")

    def lose(self) -> None:
        """Cut the link, so that nobody hears of its end, and end every process."""
        with suppress(subprocess.CalledProcessError):  # it has gone before
            self.unlink()
        for pid in ip("netns", "pids", self._namespace).split():
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        for process in self._processes:
            process.wait()
        self._processes.clear()

    def unlink(self) -> None:
        """Cut its link; its processes go on."""
        ip("-n", self._switch, "link", "set", self.name, "down")

    def link(self) -> None:
        """Link it again; what was lost is to be started."""
        ip("-n", self._switch, "link", "set", self.name, "up")

    def remove(self) -> None:
        """Leave nothing of it."""
        with suppress(subprocess.CalledProcessError):  # it was not plugged in
            self.lose()
            ip("netns", "del", self._namespace)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Let this thread open its sockets on the machine, for a block."""
        with open(HERE) as home, open(f"/run/netns/{self._namespace}") as there:
            _enter(there.fileno())
            try:
                yield
            finally:
                _enter(home.fileno())

    def said(self) -> str:
        """Return the end of each log."""
        logs = sorted(self.folder.glob("*.log"))
        ends = (log.read_text(errors="replace").splitlines() for log in logs)
        texts = ("\n".join(lines[-LAST_LINES:]) for lines in ends)
        return "\n".join(f"--- {log}\n{text}" for log, text in zip(logs, texts))

    def _prefix(self, user: str) -> list[str]:
        enter = ["ip", "netns", "exec", self._namespace]
        become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"]
        return enter + become * bool(user)

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"


class Network:
    """Machines on one switch, for a block; whatever ends it, nothing of them stays."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._switch = f"{PREFIX}-{os.getpid()}-{SWITCH}"
        self._stack = ExitStack()
        self.machines: dict[str, Machine] = {}

    def __enter__(self) -> Self:
        remove_forgotten()
        self._stack.callback(_remove_namespace, self._switch)
        try:
            ip("netns", "add", self._switch)
            ip("-n", self._switch, "link", "add", SWITCH, "type", "bridge")
            ip("-n", self._switch, "link", "set", SWITCH, "up")
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def add(self, name: str, address: str) -> Machine:
        """Return a new machine."""
        machine = Machine(name, address, self._switch, self._folder / name)
        self._stack.callback(machine.remove)
        machine.plug_in()
        self.machines[name] = machine
        return machine


def ip(*arguments: str) -> str:
    """Run ip(8); return what it says, raise CalledProcessError where it refuses."""
    command: Sequence[str] = ["ip", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def remove_forgotten() -> None:
    """Remove what a test left that was killed itself: its process is gone."""
    for name in re.findall(rf"^{PREFIX}-\d+-\S+", ip("netns"), re.MULTILINE):
        owner = name.removeprefix(f"{PREFIX}-").partition("-")[0]
        if not Path("/proc", owner).exists():
            for pid in ip("netns", "pids", name).split():
                os.kill(int(pid), signal.SIGKILL)
            _remove_namespace(name)


def _remove_namespace(name: str) -> None:
    with suppress(subprocess.CalledProcessError):  # it is none any more
        ip("netns", "del", name)


def _enter(namespace: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(namespace, NEWNET):
        raise OSError(ctypes.get_errno(), "setns(2) refused")

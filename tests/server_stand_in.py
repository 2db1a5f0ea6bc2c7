"""A server for deployments, on loopback: a true sshd, and what systemd does for us.

`systemctl` and `sudo` of its ssh sessions come to `Systemd` here, which starts, reloads
and stops what deploy/myapp.service says, and holds the socket meanwhile.
"""

import getpass
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from devtools.environment import BASE
from tests.programs import free_port, program, wait_for_port

SERVICE = (Path(__file__).parents[1] / "deploy" / "myapp.service").read_text()
PATIENCE = 60
LISTENING = 3
"""The descriptor of an inherited socket (sd_listen_fds(3))."""
INHERIT = """\
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
os.execv(sys.argv[2], sys.argv[2:])
"""
SYSTEMCTL = """\
#!{python} -IS
import socket, sys
with socket.socket(socket.AF_UNIX) as systemd:
    systemd.connect({address!r})
    systemd.sendall(" ".join(sys.argv[1:]).encode())
    systemd.shutdown(socket.SHUT_WR)
    status, _, said = systemd.makefile().read().partition(" ")
print(said, end="", file=sys.stderr)
sys.exit(int(status))
"""
SSHD = """\
ListenAddress 127.0.0.1:{port}
HostKey {folder}/host
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
AuthorizedKeysFile {folder}/deployer.pub
SetEnv {environment}
"""


class Systemd:
    """Runs a service, as its unit says, in a folder for /var/app/myapp."""

    def __init__(self, prefix: Path, settings: Path, folder: Path) -> None:
        self.prefix, self.settings, self.folder = prefix, settings, folder
        self.log = folder / "service.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(self.address))
        self._listening.listen(1024)
        self._control = socket.socket(socket.AF_UNIX)
        self._control.bind(str(folder / "systemd.sock"))
        self._control.listen()
        self._thread = threading.Thread(target=self._serve)

    @property
    def address(self) -> Path:
        """The socket that the service inherits."""
        return self.folder / "app.sock"

    def __enter__(self) -> "Systemd":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._control.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._stop()
        self._control.close()
        self._listening.close()

    def _serve(self) -> None:
        """Do what `systemctl` asks for, one after the other."""
        with suppress(OSError):  # it is shut down
            while True:
                connection, _ = self._control.accept()
                with connection:
                    asked = connection.makefile().read()
                    connection.sendall(self._do(asked).encode())

    def _do(self, asked: str) -> str:
        """Carry out one command; return its status and what it says."""
        if asked == "is-active --quiet myapp":
            return "0 " if self._runs() else "3 "
        if asked == "restart myapp":
            self._stop()
            return self._start()
        assert asked == "reload myapp", "sudoers admits nothing else"
        done = subprocess.run(
            self._command("ExecReload"), capture_output=True, text=True
        )
        return f"{done.returncode} {done.stdout}{done.stderr}"

    def _runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def _start(self) -> str:
        """Start the service, and wait until it says that it is ready."""
        with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as notified:
            address = self.folder / "notify.sock"
            address.unlink(missing_ok=True)
            notified.bind(str(address))
            notified.settimeout(PATIENCE)
            inherited = str(self._listening.fileno())
            command = [sys.executable, "-c", INHERIT, inherited]
            with self.log.open("ab") as log:
                self.process = subprocess.Popen(
                    [*command, *self._command("ExecStart")],
                    env=self._environment() | {"NOTIFY_SOCKET": str(address)},
                    pass_fds=[self._listening.fileno()],
                    stdout=log,
                    stderr=log,
                )
            try:
                while b"READY=1" not in notified.recv(1000):
                    pass
            except TimeoutError:
                return "1 it did not become ready"
        return "0 "

    def _stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(PATIENCE)

    def _command(self, key: str) -> list[str]:
        """Return a command of the unit, as it is in our folder."""
        unit = SERVICE.replace("\\\n", "").replace("/var/app/myapp", str(self.prefix))
        (command,) = re.findall(rf"(?m)^{key}=(.*)$", unit)
        return shlex.split(command)

    def _environment(self) -> dict[str, str]:
        lines = re.findall(r"(?m)^Environment=(.*)$", SERVICE)
        lines += (self.settings / "env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if line[0] != "#")


class Ssh(NamedTuple):
    """How to get to the server: arguments of `./run deploy`."""

    login: str
    port: int
    folder: Path

    @property
    def options(self) -> list[str]:
        """The port, the key, and the key of the server."""
        known, key = self.folder / "known_hosts", self.folder / "deployer"
        return f"--port {self.port} --identity {key} --known-hosts {known}".split()


@contextmanager
def sshd(folder: Path, environment: dict[str, str]) -> Iterator[Ssh]:
    """Let the user who runs the tests log in, with a key made for that."""
    for name in ("host", "deployer"):
        made = ["-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run([program("ssh-keygen"), *made], check=True)
    ssh = Ssh(f"{getpass.getuser()}@127.0.0.1", free_port(), folder)
    host = (folder / "host.pub").read_text()
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{ssh.port} {host}")
    set_up = " ".join(f'"{name}={value}"' for name, value in environment.items())
    text = SSHD.format(port=ssh.port, folder=folder, environment=set_up)
    (folder / "sshd_config").write_text(text)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where it locks itself up
    log = folder / "sshd.log"
    command = [program("sshd"), "-D", "-f", str(folder / "sshd_config"), "-E", str(log)]
    process = subprocess.Popen(command)
    try:
        wait_for_port(ssh.port, process, log)
        yield ssh
    finally:
        process.terminate()
        process.wait(PATIENCE)


def commands(folder: Path, systemd: Systemd) -> Path:
    """Make the folder that is first on the PATH of the server."""
    bin = folder / "bin"
    bin.mkdir()
    address = str(systemd.folder / "systemd.sock")
    for name, text in {
        "systemctl": SYSTEMCTL.format(python=sys.executable, address=address),
        "sudo": '#!/bin/sh\n[ "$1" = -n ] && shift\nexec "$@"\n',
        "python3": f'#!/bin/sh\nexec {BASE} "$@"\n',
    }.items():
        (bin / name).write_text(text)
        (bin / name).chmod(0o755)
    return bin

"""Sends the committed state to a server and puts it into service: `./run deploy`.

What is done there is deploy/release.py, which is sent along. Imports the standard
library only: `./run deploy` needs no environment.
"""

import argparse
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = (
    "myapp",
    "migrations",
    "deploy",
    "default_config.py",
    "wsgi.py",
    "myapp.ini",
    "requirements.txt",
    "requirements-tracing.txt",
)
DESTINATION = re.compile(r"([\w.-]+@[\w.-]+):(/[\w./-]*[\w-])")
SSH = ("-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=15")


class Server(NamedTuple):
    """Where to deploy, and how to get there."""

    login: str
    folder: str
    ssh: list[str]

    def run(self, *command: str) -> int:
        """Run a command there; its output is ours."""
        return subprocess.call([*self.ssh, self.login, shlex.join(command)])


def main() -> None:
    """Deploy, or go back; end with what went wrong and how the server is."""
    asked = arguments()
    server = server_of(asked)
    if asked.rollback:
        script = f"{server.folder}/current/deploy/release.py"
        sys.exit(told(server.run("python3", script, "rollback")))
    name = release_name()
    place = f"{server.folder}/releases/{name}"
    print(f"sending {name}", flush=True)
    if send(server, place):
        sys.exit(
            "./run deploy: sending the release failed, see above. Nothing on the server"
            " has changed.\nCheck the address, the key and that deploy/server-setup"
            " has run there; then deploy again."
        )
    script = f"{place}/deploy/release.py"
    sys.exit(told(server.run("python3", script, "activate", name)))


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="./run deploy")
    parser.add_argument("destination", help="user@host:/var/app/myapp")
    parser.add_argument("--rollback", action="store_true", help="the release before")
    parser.add_argument("--port", default="22", help="of ssh")
    parser.add_argument("--identity", help="the file of a private key")
    parser.add_argument("--known-hosts", help="a file with the key of the server")
    return parser.parse_args()


def server_of(asked: argparse.Namespace) -> Server:
    """Return the server; end where it is not named in full."""
    found = DESTINATION.fullmatch(asked.destination)
    if not found:
        sys.exit(
            f"./run deploy: {asked.destination} is no destination: give a user, a host"
            " and a folder, as in deploy@api.example.com:/var/app/myapp"
        )
    ssh = ["ssh", *SSH, "-p", asked.port]
    if asked.identity:
        ssh += ["-i", asked.identity, "-o", "IdentitiesOnly=yes"]
    if known := asked.known_hosts:
        ssh += ["-o", f"UserKnownHostsFile={known}", "-o", "StrictHostKeyChecking=yes"]
    return Server(found[1], found[2], ssh)


def release_name() -> str:
    """Return the time and the commit; end where files differ from the commit."""
    if changed := git("status", "--porcelain", "--", *SHIPPED).rstrip():
        sys.exit(
            f"./run deploy: what is sent is a commit, and this is in none:\n{changed}\n"
            "Commit it, or put it away with git stash -u."
        )
    commit = git("rev-parse", "--short=12", "HEAD").strip()
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{commit}"


def send(server: Server, place: str) -> int:
    """Send what a server needs of the commit; return rsync's status."""
    listed = git("ls-files", "-z", "--", *SHIPPED).split("\0")
    files = [name for name in listed if not Path(name).name.startswith("test_")]
    modes = "--chmod=Dgo=rx,Fgo=rX"  # the service's user reads it
    how = ["-az", modes, "--from0", "--files-from=-", "-e", shlex.join(server.ssh)]
    command = ["rsync", *how, f"{ROOT}/", f"{server.login}:{place}/"]
    try:
        return subprocess.run(command, input="\0".join(files).encode()).returncode
    except FileNotFoundError:
        sys.exit("./run deploy: there is no rsync here: sudo apt install rsync")


def git(*command: str) -> str:
    """Return what git says; end where it fails."""
    done = subprocess.run(["git", *command], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"./run deploy: {done.stderr.strip()}\nDeploy from a clone.")
    return done.stdout


def told(status: int) -> str | int:
    """Return how to end, after what the server has said."""
    if status == 255:  # ssh's own
        return (
            "./run deploy: the connection failed or broke. The server ends what it has"
            " begun, or undoes it: look there, or deploy again in a minute."
        )
    return status and "./run deploy: it failed, and the lines above say how it stands."


if __name__ == "__main__":
    main()

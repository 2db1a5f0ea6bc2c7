"""Puts a release into service on the server, or the one before it back.

`./run deploy` sends a release and runs this file of it, as the user who deploys. Before
the link `current` moves, nothing that serves has changed; after that, what fails is
undone here. Imports the standard library only. Where things are: docs/deploying.md.
"""

import argparse
import fcntl
import hashlib
import http.client
import os
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[3]
RELEASES, VENVS, CURRENT = ROOT / "releases", ROOT / "venvs", ROOT / "current"
SETTINGS = Path("/etc/myapp")
"""Root's: systemd reads it, too."""
KEPT = 5
"""Releases that stay, with their environments."""
TRIES, SECONDS = 3, 10
"""How often a new release is asked whether it is ready; how long an answer may take."""
IMPORT = "import wsgi"
READY = """\
from wsgi import app
answer = app.test_client().get("/health/ready")
if answer.status_code != 200:
    raise SystemExit(f"/health/ready answers {answer.status}: {answer.text}")
"""


class Failure(Exception):
    """A step failed; the text says which, and what it said."""


class Stranded(Exception):
    """Neither the new release nor the old one serves."""


def main() -> None:
    """Activate a release, or go back to the one before."""
    parser = argparse.ArgumentParser(prog="release.py")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("activate").add_argument("name")
    commands.add_parser("rollback")
    asked = parser.parse_args()
    os.umask(0o022)  # the service's user reads it
    try:
        activate(RELEASES / asked.name) if asked.command == "activate" else roll_back()
    except Stranded as stranded:
        sys.exit(str(stranded))


def activate(new: Path) -> None:
    """Put a release that was sent into service; end with what went wrong, undone."""
    tables = "Nothing has changed"
    try:
        with one_at_a_time(f"of {new.name}"):
            old = serving()
            prepare(new)
            step("migrate the tables", [*flask(new), "db", "upgrade"], new, owner())
            tables = "The tables are migrated, nothing else has changed"
            step("ask whether it is ready", python(new, READY), new, settings())
            (new / "previous").write_text(old.name if old else "")
            switch(old, new)
            clean_if_possible()
    except (Failure, OSError) as failure:
        old = serving()
        if old != new:
            shutil.rmtree(new, ignore_errors=True)
        stays = f"{old.name} goes on serving" if old else "nothing has served before"
        sys.exit(f"{failure}\n{tables}: {stays}. Mend the cause and deploy again.")
    say(f"{new.name} serves")


def roll_back() -> None:
    """Put the release before the present one back; the tables stay as they are."""
    try:
        with one_at_a_time("back to the release before"):
            old = serving()
            name = (old / "previous").read_text() if old else ""
            new = RELEASES / name
            if old is None or not name or not new.is_dir():
                raise Failure("There is no release before this one.")
            switch(old, new)
    except (Failure, OSError) as failure:
        sys.exit(f"{failure}\nNothing has changed. Deploy what is to serve instead.")
    say(f"{new.name} serves again; the tables stay as they are")


@contextmanager
def one_at_a_time(what: str) -> Iterator[None]:
    """Hold the lock of this server; the kernel drops it when its holder dies."""
    with (ROOT / "deploy.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise Failure(
                f"Another deployment is at work, {lock.read()}: wait for its end."
            ) from None
        write_over(lock, f"{what}, since {time.strftime('%H:%M:%S %Z')}")
        yield


def write_over(file: IO[str], text: str) -> None:
    """Replace what a file says."""
    file.truncate(0)
    file.write(text)
    file.flush()


# steps


def prepare(new: Path) -> None:
    """Give a release its packages, instance folder and bytecode; see that it loads."""
    install(new)
    (new / "instance").symlink_to("../../instance")
    step("compile it", [binary(new), "-m", "compileall", "-q", "."], new)
    step("import it", python(new, IMPORT), new, settings())


def install(new: Path) -> None:
    """Link a release to the environment of its pins, made unless it is there."""
    pins = [new / name for name in requirements()]
    pinned = b"".join(file.read_bytes() for file in pins)
    digest = hashlib.sha256(pinned + sys.version.encode()).hexdigest()[:16]
    venv = VENVS / digest
    (new / ".venv").symlink_to(f"../../venvs/{digest}")
    if (venv / "complete").exists():
        return
    shutil.rmtree(venv, ignore_errors=True)  # one cut short
    step("make an environment", [sys.executable, "-m", "venv", venv], new)
    how = "--quiet --no-input --require-hashes --only-binary :all: --no-deps".split()
    files = [f"--requirement={file}" for file in pins]
    pip: list[str | Path] = [binary(new), "-m", "pip", "install", *how, *files]
    step("install the packages", pip, new, os.environ)
    (venv / "complete").touch()


def requirements() -> list[str]:
    """Name the files of pins that this server's settings ask for."""
    traced = ["requirements-tracing.txt"] if settings().get("MYAPP_TRACES") else []
    return ["requirements.txt", *traced]


def switch(old: Path | None, new: Path) -> None:
    """Let a release serve; raise Failure where it does not, with the old one back."""
    public_url()  # missing, it would be so for the old one, too
    try:
        put_in_place(old, new)
    except Failure as failure:
        if serving() == old:  # the link has not moved
            raise
        if old is None:
            CURRENT.unlink()
            raise
        say(f"{failure}\n{new.name} does not serve: going back to {old.name}")
        try:
            put_in_place(new, old)
        except Failure as second:
            raise Stranded(
                f"{second}\n{old.name} does not serve either:"
                " `journalctl -u myapp` on the server says why."
                " Then `sudo systemctl restart myapp`, or deploy."
            ) from second
        raise


def put_in_place(old: Path | None, new: Path) -> None:
    """Move the link to a release, let the workers follow it, and ask how it is."""
    try:
        move_link(new)
        verb = "reload" if old and is_active() and follows(old, new) else "restart"
        step(verb, ["sudo", "-n", "systemctl", verb, "myapp"], ROOT, os.environ)
        check_health()
    except OSError as error:  # as of a full disk
        raise Failure(f"Putting {new.name} in place failed: {error}") from error


def move_link(new: Path) -> None:
    """Let `current` name a release, at once: there is one at any moment."""
    link = ROOT / "current.new"
    link.unlink(missing_ok=True)
    link.symlink_to(new.relative_to(ROOT))
    link.replace(CURRENT)


def follows(old: Path, new: Path) -> bool:
    """Tell whether new workers of the uWSGI that runs are enough for a release.

    They import anew whatever lies behind `current`, packages included; Python, uWSGI
    and its settings are those that it was started with.
    """

    def started_with(release: Path) -> object:
        venv = (release / ".venv").resolve()
        uwsgi = sorted(path.name for path in venv.glob("lib/*/*/pyuwsgi-*"))
        python = os.path.realpath(venv / "bin/python3")
        return python, uwsgi, (release / "myapp.ini").read_bytes()

    return started_with(old) == started_with(new)


def is_active() -> bool:
    """Tell whether the service runs."""
    return not subprocess.call(["systemctl", "is-active", "--quiet", "myapp"])


def check_health() -> None:
    """Ask nginx on this machine whether the service is ready; raise Failure if not."""
    said = ""
    for attempt in range(TRIES):
        time.sleep(attempt)
        with suppress(OSError, http.client.HTTPException):
            said = "it does not answer"
            status, said = get("/health/ready")
            if status == 200:
                return
    raise Failure(f"Asking {public_url()}/health/ready failed: {said}")


def get(path: str) -> tuple[int, str]:
    """Return the status and the beginning of an answer, by nginx of this machine."""
    address = urlsplit(public_url())
    # It stays on the machine: the certificate, self-signed at first, proves nothing.
    trusting = ssl._create_unverified_context()
    connection = http.client.HTTPSConnection(
        "127.0.0.1", address.port or 443, timeout=SECONDS, context=trusting
    )
    connection.request("GET", path, headers={"Host": address.netloc})
    answer = connection.getresponse()
    text = answer.read(500).decode(errors="replace")
    connection.close()
    return answer.status, f"{answer.status} {text}"


def clean_if_possible() -> None:
    """Clean up; what hinders it is said, and undoes nothing: the release serves."""
    try:
        clean()
    except OSError as error:
        say(f"Old releases may remain: {error}")


def clean() -> None:
    """Remove old releases, and the environments that none uses.

    One that never came to serve has no `previous`; a newer one may be on its way here.
    """
    new = serving()
    assert new is not None
    names = sorted((path.name for path in RELEASES.iterdir()), reverse=True)
    served = [name for name in names if (RELEASES / name / "previous").is_file()]
    kept = {*served[:KEPT], new.name, (new / "previous").read_text()}
    for name in names:
        if name not in kept and name < new.name:
            shutil.rmtree(RELEASES / name, ignore_errors=True)
    used = {(path / ".venv").resolve().name for path in RELEASES.iterdir()}
    for venv in VENVS.iterdir():
        if venv.name not in used:
            shutil.rmtree(venv, ignore_errors=True)


# what they work with


def serving() -> Path | None:
    """Return the release that `current` names."""
    return CURRENT.resolve() if CURRENT.is_symlink() else None


def step(
    name: str,
    command: Sequence[str | Path],
    folder: Path,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run one step; raise Failure with what it said."""
    say(name)
    plain = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    done = subprocess.run(
        command,
        cwd=folder,
        env=plain | dict(environment or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if done.returncode:
        raise Failure(f"{done.stdout.strip()[-3000:]}\nThe step `{name}` failed.")


def settings() -> dict[str, str]:
    """Return the environment of the service, but that nothing is counted.

    The figures lie in instance/, where only the service writes.
    """
    said = {"MYAPP_CONFIG": "production"} | read(SETTINGS / "env")
    return said | {"MYAPP_METRICS": ""}


def owner() -> dict[str, str]:
    """Return it with what only migrations have: the tables' owner."""
    return settings() | read(SETTINGS / "env.owner")


def public_url() -> str:
    """Return where the service is reached; raise Failure where nothing says it."""
    try:
        return settings()["PUBLIC_URL"]
    except KeyError:
        raise Failure(f"PUBLIC_URL is missing in {SETTINGS}/env.") from None


def read(file: Path) -> dict[str, str]:
    """Read a file of `NAME=value` lines, as systemd does (systemd.exec(5))."""
    try:
        lines = [line.strip() for line in file.read_text().splitlines()]
    except OSError as error:
        raise Failure(f"{error}: deploy/server-setup writes it.") from error
    pairs = [line.partition("=") for line in lines if line and line[0] not in "#;"]
    return {name.strip(): value.strip().strip("\"'") for name, _, value in pairs}


def binary(release: Path) -> Path:
    """Return the Python of a release."""
    return release / ".venv/bin/python3"


def python(release: Path, code: str) -> list[str | Path]:
    """Return the command that runs a few lines within a release."""
    return [binary(release), "-c", code]


def flask(release: Path) -> list[str | Path]:
    """Return the flask command of a release."""
    return [binary(release), "-m", "flask", "--app", "myapp"]


def say(text: str) -> None:
    """Print a line; who deploys may have gone, which must not stop us half-way."""
    with suppress(OSError):
        print(text, flush=True)


if __name__ == "__main__":
    main()

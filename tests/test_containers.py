"""Dockerfile, compose.yaml and Procfile, as far as no container engine is needed.

What an image would hold is copied into a folder, and its commands are run there.
"""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from fnmatch import fnmatchcase
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from sqlalchemy import make_url

import default_config
from devtools import pins
from devtools.postgres_server import PostgresServer, installed
from myapp.settings import FROM_ENVIRONMENT
from tests.programs import free_port, wait_for_port

ROOT = Path(__file__).parents[1]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
PROCFILE = dict(
    line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines()
)
IGNORED = [
    line
    for line in (ROOT / ".dockerignore").read_text().splitlines()
    if line and not line.startswith("#")
]
PROGRAMS = Path(sysconfig.get_path("scripts"))
PATIENCE = 30
OURS = {"MYAPP_CONFIG", "WEB_CONCURRENCY", "FLASK_APP", "LISTEN"}
"""What is no setting of default_config.py, but read all the same."""
GIVEN = {
    "POSTGRES_PASSWORD": "s3cret",
    "OWNER_PASSWORD": "0wner",
    "APPLICATION_PASSWORD": "appl1cation",
    "MYAPP_SECRET_KEY": "the secret of the tests, and of no server",
    "MYAPP_MAIL_FROM": "myapp <no-reply@example.com>",
    "MAIL_URL": "smtp://127.0.0.1:1",
    "PUBLIC_URL": "https://api.example.com",
}
"""What .env has to give: exactly what compose.yaml asks for."""


class Instruction(NamedTuple):
    """A line of the Dockerfile, with those that continue it."""

    name: str
    text: str


def read_dockerfile() -> list[Instruction]:
    """Return the instructions of the Dockerfile."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [Instruction(*line.split(maxsplit=1)) for line in lines if line.strip()]


DOCKERFILE = read_dockerfile()


def texts(name: str) -> list[str]:
    """Return what follows each instruction of a name."""
    return [found.text for found in DOCKERFILE if found.name == name]


def copies() -> Iterator[tuple[list[str], str]]:
    """Return the sources and the target of each COPY from this folder."""
    for text in texts("COPY"):
        *sources, target = shlex.split(text)
        if not sources[0].startswith("--from="):
            yield sources, target


def is_let_through(path: str) -> bool:
    """Tell whether .dockerignore has a file in the context: the last match decides."""
    parts = Path(path).parts
    beginnings = ["/".join(parts[: end + 1]) for end in range(len(parts))]
    is_in = True
    for line in IGNORED:
        pattern = line.removeprefix("!").rstrip("/")
        either = [pattern, pattern.removeprefix("**/")]
        if any(_matches(each, one) for each in either for one in beginnings):
            is_in = line.startswith("!")
    return is_in


def _matches(pattern: str, path: str) -> bool:
    """Tell whether a path matches; a star is for no slash, two are for any folders."""
    if pattern.startswith("**/"):
        return fnmatchcase(path, pattern)
    same_depth = pattern.count("/") == path.count("/")
    return same_depth and fnmatchcase(path, pattern)


def environment_of(service: str, given: Mapping[str, str] = GIVEN) -> dict[str, str]:
    """Return the environment of a service, its variables filled in."""

    def value(found: re.Match[str]) -> str:
        name, default = found[1], found[2]
        return given[name] if default == "?" else given.get(name, default[1:])

    named = SERVICES[service]["environment"]
    return {
        name: re.sub(r"\$\{(\w+):(\?|-[^}]*)\}", value, str(text))
        for name, text in named.items()
    }


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A folder with what an image has: the files that it copies, and the packages."""
    for sources, target in copies():
        for source in sources:
            to = tmp_path / target
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, to, ignore=_ignored)
            else:
                to = to / Path(source).name if target.endswith("/") else to
                to.parent.mkdir(exist_ok=True)
                shutil.copy(ROOT / source, to)
    (tmp_path / ".venv").symlink_to(PROGRAMS.parent)
    (tmp_path / "instance").mkdir()
    return tmp_path


def _ignored(folder: str, names: list[str]) -> list[str]:
    at = Path(folder).relative_to(ROOT)
    return [name for name in names if not is_let_through(str(at / name))]


def of_image(port: int) -> dict[str, str]:
    """Return the environment that the image sets, to listen at a port of ours."""
    (text,) = texts("ENV")
    own = dict(pair.split("=", 1) for pair in shlex.split(text))
    own["PATH"] = own["PATH"].replace("/app/.venv/bin", str(PROGRAMS))
    own["PATH"] = own["PATH"].replace("$PATH", os.environ["PATH"])
    return own | {"LISTEN": f"127.0.0.1:{port}"}


# the context


@pytest.mark.parametrize(
    "source", [source for sources, _ in copies() for source in sources]
)
def test_what_is_copied_is_there_and_let_through(source):
    assert (ROOT / source).exists()
    assert is_let_through(source)


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        ".git/config",
        ".venv/bin/python",
        "instance/config.py",
        "tests/test_http.py",
        "deploy/gunicorn.conf.py",
        "devtools/secret.py",
        "myapp/users/test_users.py",
        "myapp/__pycache__/db.cpython-311.pyc",
    ],
)
def test_what_no_image_needs_stays_outside(path):
    assert not is_let_through(path)


def test_everything_that_is_let_through_is_copied():
    copied = [source for sources, _ in copies() for source in sources]
    kept = {line.removeprefix("!").rstrip("/") for line in IGNORED if line[0] == "!"}
    assert kept == set(copied)


# the image


def test_every_stage_is_of_one_python_that_has_wheels_for_every_pin():
    (base,) = {text.split()[0] for text in texts("FROM")}
    found = re.fullmatch(r"python:(\d)\.(\d+)-slim-\w+", base)
    assert found and (int(found[1]), int(found[2])) in pins.PYTHONS


def test_packages_are_the_hashed_pins():
    (install,) = [text for text in texts("RUN") if "pip install" in text]
    assert "--require-hashes" in install and "--only-binary :all:" in install
    assert "--requirement requirements.txt" in install


def test_image_runs_as_a_user_without_rights():
    names = [found.name for found in DOCKERFILE]
    assert texts("USER") == ["myapp"]
    assert "RUN" not in names[names.index("USER") :]
    assert any(
        re.match(r"useradd .*--uid \d{4,} .*myapp$", run) for run in texts("RUN")
    )


def test_port_is_the_same_everywhere():
    (exposed,) = texts("EXPOSE")
    assert f"LISTEN=0.0.0.0:{exposed}" in texts("ENV")[0]
    assert f"http://127.0.0.1:{exposed}/health/live" in texts("HEALTHCHECK")[0]
    (published,) = SERVICES["app"]["ports"]
    assert published.rpartition(":")[2] == exposed


class Served(NamedTuple):
    """A web process: where it listens, its process and its log."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path


@contextmanager
def running(
    command: list[str], folder: Path, environment: Mapping[str, str], port: int
) -> Iterator[Served]:
    """Run a web process for a block."""
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=dict(environment), stderr=output, stdout=output
        )
    try:
        wait_for_port(port, process, log)
        yield Served(port, process, log)
    finally:
        process.kill()
        process.wait()


def settings_of_tests(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return compose.yaml's settings, on the stores of the tests."""
    stores = {name: settings[name] for name in ("DATABASE_URL", "REDIS_URL")}
    # A worker that is still loading would make it wait at its end.
    return environment_of("app") | stores | {"WEB_CONCURRENCY": "1"}


def ask(port: int, url: str, **headers: str) -> int:
    """Send one GET; return the status."""
    with closing(HTTPConnection("127.0.0.1", port, PATIENCE)) as connection:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET", url, headers=named)
        return connection.getresponse().status


def in_image(port: int) -> tuple[list[str], dict[str, str]]:
    return json.loads(texts("CMD")[0]), of_image(port)


def on_a_platform(port: int) -> tuple[list[str], dict[str, str]]:
    path = f"{PROGRAMS}:{os.environ['PATH']}"
    return ["sh", "-c", f"exec {PROCFILE['web']}"], {"PATH": path, "PORT": str(port)}


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("prepare", [in_image, on_a_platform])
def test_web_process_serves_believes_its_proxy_and_stops(image, settings, prepare):
    command, own = prepare(port := free_port())
    own |= settings_of_tests(settings)
    with running(command, image, own, port) as served:
        assert ask(port, "/health/ready") == 200
        assert ask(port, "/v1/users", X_Forwarded_For="192.0.2.1, 203.0.113.9") == 401
        assert ask(port, "/v1/accounts", X_Forwarded_For="192.0.2.1, no.address") == 401
        assert ask(port, "/v1/users/me", X_Forwarded_For="203.0.113.9:51234") == 401
        assert ask(port, "/v1/api_keys", X_Forwarded_For="2001:db8::9") == 401
        assert run_health_check(image, own, port) == 0
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(PATIENCE) == 0
        assert run_health_check(image, own, port) == 1
        lines = served.log.read_text().splitlines()
    logged = [json.loads(line) for line in lines if line.startswith("{")]
    peers = {line["path"]: line["peer"] for line in logged}
    assert (peers["/v1/users"], peers["/v1/accounts"]) == ("203.0.113.9", "127.0.0.1")
    assert peers["/v1/users/me"] == "203.0.113.9"
    assert peers["/v1/api_keys"] == "2001:db8::9"


def run_health_check(image: Path, environment: Mapping[str, str], port: int) -> int:
    """Run the health check of the Dockerfile; return its status."""
    command = json.loads(texts("HEALTHCHECK")[0].partition("CMD ")[2])
    own = [part.replace(":5000/", f":{port}/") for part in command]
    quiet = subprocess.DEVNULL
    done = subprocess.run(own, cwd=image, env=dict(environment), stderr=quiet)
    return done.returncode


# compose.yaml


def test_compose_file_keeps_its_specification():
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema"]
    done = subprocess.run(
        [*check, "vendor.compose-spec", ROOT / "compose.yaml"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("service", ["app", "migrate"])
def test_settings_of_a_service_are_there(service):
    for name in environment_of(service).keys() - OURS - set(FROM_ENVIRONMENT):
        assert hasattr(default_config.Config, name.removeprefix("MYAPP_")), name


def test_what_is_asked_of_the_operator_is_listed():
    text = (ROOT / "compose.yaml").read_text()
    asked = set(re.findall(r"\$\{(\w+):\?\}", text))
    assert asked == GIVEN.keys()
    listed = re.search(r"without a default:\n((?:#     .*\n)+)", text)
    assert listed and set(re.findall(r"\w+", listed[1])) == asked


def test_application_has_no_password_but_its_own():
    values = "".join(environment_of("app").values())
    assert GIVEN["APPLICATION_PASSWORD"] in values
    for name in ("OWNER_PASSWORD", "POSTGRES_PASSWORD"):
        assert GIVEN[name] not in values


def test_stores_are_not_published():
    assert [name for name in SERVICES if "ports" in SERVICES[name]] == ["app"]
    assert SERVICES["app"]["ports"][0].startswith("127.0.0.1:")


def test_files_that_are_mounted_are_there():
    mounted = [
        each for service in SERVICES.values() for each in service.get("volumes", [])
    ]
    sources = {volume.partition(":")[0] for volume in mounted}
    named = {source for source in sources if not source.startswith("./")}
    assert named == COMPOSE["volumes"].keys()
    for source in sources - named:
        assert os.access(ROOT / source, os.X_OK)


def test_empty_volume_becomes_a_database_that_the_application_uses(
    image, redis_url, tmp_path_factory
):
    with PostgresServer(tmp_path_factory.mktemp("postgres")) as server:
        place = {"PGHOST": str(server.directory)}
        path = f"{PROGRAMS}:{installed()}:{os.environ['PATH']}"
        run(
            ["deploy/postgres-roles.sh"], ROOT, environment_of("postgres") | place, path
        )

        def on_the_server(service: str) -> dict[str, str]:
            own = environment_of(service) | {"REDIS_URL": redis_url}
            for name in own.keys() & {"DATABASE_URL", "MIGRATION_DATABASE_URL"}:
                url = make_url(own[name]).set(host="", port=None)
                url = url.update_query_dict({"host": str(server.directory)})
                own[name] = url.render_as_string(hide_password=False)
            return own | {"FLASK_APP": "myapp"}

        for command in (SERVICES["migrate"]["command"], PROCFILE["release"].split()):
            run(command, image, on_the_server("migrate"), path)
        port = free_port()
        own = of_image(port) | on_the_server("app")
        with running(in_image(port)[0], image, own, port):
            assert ask(port, "/health/ready") == 200
            assert ask(port, "/v1/users", Authorization="Bearer none") == 401


def run(
    command: list[str], folder: Path, environment: Mapping[str, str], path: str
) -> None:
    """Run a command to its end."""
    own = {**environment, "PATH": path}
    done = subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

"""A cluster as docs/scaling.md has it, with the files of deploy/, on tests/machines.py.

HAProxy in front of two application hosts (nginx, uWSGI); PostgreSQL with a standby
under Patroni; etcd on three machines; Redis.
"""

import json
import os
import shutil
import ssl
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from functools import partial
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from time import monotonic, sleep
from typing import Any, NamedTuple

import psycopg

from devtools.redis_server import RedisServer
from tests.machines import Machine, Network
from tests.servers import ROOT, lay_out
from tests.uwsgi_server import WSGI

DEPLOY = ROOT / "deploy"
BALANCER, CLIENT = "10.0.0.5", "10.0.0.101"
HOSTS = {"app1": "10.0.0.11", "app2": "10.0.0.12"}
DATABASES = {"db1": "10.0.0.21", "db2": "10.0.0.22"}
ETCD = {**DATABASES, "third": "10.0.0.31"}
ADDRESSES = {"lb": BALANCER, "client": CLIENT, **HOSTS, **ETCD}
NAME = "api.example.com"
PATIENCE = 90  # seconds until something that starts is given up
SUPERUSER = "postgres:change-me-1"
TRUSTING = ssl._create_unverified_context()
MAKE_TABLE = """\
from myapp import create_app
from tests.sample_customers import Customer
from tests.samples import make_table

make_table(create_app(), Customer.__table__)
"""
NGINX = """\
user www-data;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx-errors.log;
events {{}}
http {{
    set_real_ip_from {balancer};
    real_ip_header X-Forwarded-For;
    include {folder}/site.conf;
}}
"""
PACKAGES = {
    "ip": "iproute2",
    "setpriv": "util-linux",
    "openssl": "openssl",
    "haproxy": "haproxy",
    "nginx": "nginx",
    "etcd": "etcd-server",
    "patroni": "patroni python3-etcd",
    "/usr/lib/postgresql/15/bin/postgres": "postgresql-15",
}
"""Debian's package of each program."""


def missing() -> str:
    """Return what a cluster lacks here; nothing where it can be brought up."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "it makes network namespaces: run it as root on Linux"
    found = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    lacking = [
        PACKAGES[name] for name in PACKAGES if not shutil.which(name, path=found)
    ]
    return lacking and f"install with apt: {' '.join(lacking)}" or ""


class Cluster(NamedTuple):
    """Its machines, by their names; the settings of an application host."""

    machines: dict[str, Machine]
    environment: dict[str, str]

    def bring_back(self, name: str) -> None:
        """Let a machine that was lost run again."""
        machine = self.machines[name]
        machine.link()
        if name in HOSTS:
            _start_host(machine, self.environment)
            until(partial(self.is_ready, name), f"{name} is ready")
        else:
            _start_etcd(machine)
            _start_patroni(machine)

    def primary(self) -> str:
        """Return the machine whose PostgreSQL takes writes; empty where none does."""
        return next((name for name in DATABASES if self._is(name, "primary")), "")

    def is_ready(self, name: str) -> bool:
        """Ask an application host whether it reaches its stores."""
        with self.machines["client"].inside():
            connection = HTTPSConnection(HOSTS[name], timeout=5, context=TRUSTING)
            with closing(connection), suppress(OSError):
                connection.request("GET", "/health/ready")
                return connection.getresponse().status == 200
        return False

    def has_standby(self) -> bool:
        """Tell whether a standby acknowledges what the primary writes."""
        return any(self._is(name, "synchronous") for name in DATABASES)

    def _is(self, name: str, role: str) -> bool:
        """Ask Patroni on a machine for its role."""
        with self.machines["client"].inside():
            connection = HTTPConnection(DATABASES[name], 8008, timeout=2)
            with closing(connection), suppress(OSError):
                connection.request("GET", f"/{role}")
                return connection.getresponse().status == 200
        return False

    def hand_over(self) -> None:
        """Let the standby take over in order, as for maintenance."""
        primary = self.primary()
        with self.machines["client"].inside():
            connection = HTTPConnection(DATABASES[primary], 8008, timeout=PATIENCE)
            with closing(connection):
                body = json.dumps({"leader": primary})
                connection.request("POST", "/switchover", body)
                answer = connection.getresponse()
                text = answer.read().decode()
        if answer.status != 200:
            raise RuntimeError(f"Patroni does not hand over: {text}")


@contextmanager
def cluster(folder: Path, redis: RedisServer) -> Iterator[Cluster]:
    """Bring one up for a block; nothing of it stays."""
    with Network(folder) as network:
        for name, address in ADDRESSES.items():
            network.add(name, address)
        made = Cluster(network.machines, _environment(redis))
        try:
            _start(made)
            yield made
        except Exception as error:
            said = "\n".join(machine.said() for machine in network.machines.values())
            raise RuntimeError(f"{error}\n{said}") from error


def _start(cluster: Cluster) -> None:
    machines = cluster.machines
    for name in ETCD:
        _start_etcd(machines[name])
    for name in DATABASES:
        _write_patroni(machines[name])
        _start_patroni(machines[name])
        # The first to come is the primary; which one it is, tests need not ask.
        until(cluster.primary, "PostgreSQL has a primary")
    until(cluster.has_standby, "PostgreSQL has a standby")
    _migrate(cluster)
    for name in HOSTS:
        _write_host(machines[name])
        _start_host(machines[name], cluster.environment)
    for name in HOSTS:
        until(partial(cluster.is_ready, name), f"{name} is ready")
    _start_balancer(cluster)


def until(condition: Callable[[], Any], what: str) -> None:
    """Wait until something holds; raise RuntimeError where it takes too long."""
    give_up = monotonic() + PATIENCE
    while not condition():
        if monotonic() > give_up:
            raise RuntimeError(f"it takes longer than {PATIENCE} s: {what}")
        sleep(0.2)


def _start_etcd(machine: Machine) -> None:
    listed = ",".join(f"{name}=http://{at}:2380" for name, at in ETCD.items())
    peer, client = (f"http://{machine.address}:{port}" for port in (2380, 2379))
    options = {
        "name": machine.name,
        "data-dir": str(machine.folder / "etcd"),
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "listen-client-urls": client,
        "advertise-client-urls": client,
        "initial-cluster": listed,
    }
    machine.start("etcd", *(f"--{name}={value}" for name, value in options.items()))


def _write_patroni(machine: Machine) -> None:
    """Write deploy/patroni.yml as a machine has it."""
    text = (DEPLOY / "patroni.yml").read_text()
    text = text.replace("name: db1", f"name: {machine.name}")
    for key in ("listen", "connect_address"):
        text = text.replace(f"{key}: 10.0.0.21", f"{key}: {machine.address}")
    text = text.replace("/var/lib/postgresql/", f"{machine.folder}/")
    text += f"  parameters: {{unix_socket_directories: {machine.folder}}}\n"
    (machine.folder / "15").mkdir()
    file = machine.folder / "patroni.yml"
    file.write_text(text)
    for path in (machine.folder, machine.folder / "15", file):
        shutil.chown(path, "postgres", "postgres")


def _start_patroni(machine: Machine) -> None:
    machine.start("patroni", machine.folder / "patroni.yml", user="postgres")


def _environment(redis: RedisServer) -> dict[str, str]:
    """Return the settings of an application host."""
    hosts = ",".join(f"{address}:5432" for address in DATABASES.values())
    owner = "myapp_owner:owner"
    return {
        "MYAPP_CONFIG": "production",
        "DATABASE_URL": f"postgresql://myapp:application@{hosts}/myapp",
        "MIGRATION_DATABASE_URL": f"postgresql://{owner}@{hosts}/myapp",
        "REDIS_URL": redis.url,  # sockets know no namespaces: it is on every machine
        "PUBLIC_URL": f"https://{NAME}",
        "MAIL_URL": "smtp://127.0.0.1:1",
        "MYAPP_MAIL_FROM": "myapp <no-reply@example.com>",
        "MYAPP_SECRET_KEY": "the secret of a cluster, and of no server",
        "MYAPP_OPEN_SIGN_UP": "true",
        "MYAPP_RATE_LIMIT": "0",
        "MYAPP_RATE_LIMIT_ANONYMOUS": "0",
        "MYAPP_SQL_CONNECTIONS": "8",
        "WEB_CONCURRENCY": "2",
    }


def _migrate(cluster: Cluster) -> None:
    """Make the roles, the database and its tables."""
    address = DATABASES[cluster.primary()]
    made = (
        "CREATE ROLE myapp_owner LOGIN PASSWORD 'owner'",
        "CREATE ROLE myapp LOGIN PASSWORD 'application'",
        "CREATE DATABASE myapp OWNER myapp_owner",
    )
    url = f"postgresql://{SUPERUSER}@{address}/postgres"
    with cluster.machines["client"].inside():
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in made:
                connection.execute(statement)
    flask = [sys.executable, "-m", "flask", "--app", "myapp", "db", "upgrade"]
    migrations = ["--directory", str(ROOT / "migrations")]
    here = {**cluster.environment, "PYTHONPATH": str(ROOT)}
    cluster.machines["app1"].run(*flask, *migrations, environment=here)
    make_table = [sys.executable, "-c", MAKE_TABLE]
    cluster.machines["app1"].run(*make_table, environment=here)


def _write_host(machine: Machine) -> None:
    """Write what an application host has: the application, and deploy/nginx.conf."""
    folder = machine.folder
    lay_out(folder, WSGI)
    shutil.copy(ROOT / "myapp.ini", folder)
    _make_certificate(folder / "myapp")
    site = (DEPLOY / "nginx.conf").read_text()
    for path in ("/run/myapp", "/etc/nginx/myapp", "/var/log/nginx/myapp"):
        site = site.replace(path, f"{folder}/myapp")
    (folder / "site.conf").write_text(site)
    around = NGINX.format(folder=folder, balancer=BALANCER)
    (folder / "nginx.conf").write_text(around)


def _start_host(machine: Machine, environment: Mapping[str, str]) -> None:
    """Start uWSGI, and nginx in front of it."""
    uwsgi = f"{sysconfig.get_path('scripts')}/uwsgi"
    options = ["--ini", "myapp.ini", "--socket", "myapp.sock", "--chmod-socket=666"]
    machine.start(sys.executable, uwsgi, *options, environment=environment)
    machine.start("nginx", "-c", machine.folder / "nginx.conf")


def _start_balancer(cluster: Cluster) -> None:
    machine = cluster.machines["lb"]
    _make_certificate(machine.folder / "own")
    own = [(machine.folder / f"own.{kind}").read_bytes() for kind in ("crt", "key")]
    (machine.folder / "myapp.pem").write_bytes(b"".join(own))
    hosts = [cluster.machines[name].folder / "myapp.crt" for name in HOSTS]
    certificates = b"".join(file.read_bytes() for file in hosts)
    (machine.folder / "hosts.pem").write_bytes(certificates)
    text = (DEPLOY / "haproxy.cfg").read_text()
    text = text.replace("/etc/haproxy/", f"{machine.folder}/")
    (file := machine.folder / "haproxy.cfg").write_text(text)
    machine.start("haproxy", "-db", "-f", file)


def _make_certificate(path: Path) -> None:
    """Make a certificate for NAME that it signs itself: path.crt and path.key."""
    made = ["-keyout", f"{path}.key", "-out", f"{path}.crt", "-days", "2"]
    name = ["-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"]
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-nodes", *made, *name]
    curve = ["-pkeyopt", "ec_paramgen_curve:prime256v1"]
    subprocess.run([*command, *curve], check=True, capture_output=True)

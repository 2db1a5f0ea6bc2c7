"""What Prometheus is told: added up over real workers, on an address of its own."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen
from uuid import uuid4

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from deploy import metrics as exporter
from myapp.openapi import VERSION
from tests.programs import free_port
from tests.servers import ROOT, environment_of
from tests.stores import on_sqlite
from tests.uwsgi_server import INI, UwsgiServer, serving

WORKERS = 3
CUSTOMERS = "/v1/sample_customers"
Figures = Mapping[str, float]


@pytest.fixture(scope="module")
def environment(settings: Mapping[str, Any]) -> dict[str, str]:
    """What the workers and `flask metrics` are told."""
    return environment_of(settings, MYAPP_METRICS=f"127.0.0.1:{free_port()}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the workers run."""
    return tmp_path_factory.mktemp("uwsgi")


@pytest.fixture(scope="module")
def server(folder: Path, environment: Mapping[str, str]) -> Iterator[UwsgiServer]:
    """Workers that count."""
    with serving(folder, environment, WORKERS) as server:
        yield server


@pytest.fixture
def figures(server: UwsgiServer, folder: Path) -> Callable[[], Figures]:
    """Return what all workers have added up: `name{label=value,…}` and the figure."""
    return lambda: figures_of(folder)


def figures_of(folder: Path) -> Figures:
    shown = exporter.registry(folder / "instance", folder / "backups")
    return read(generate_latest(shown).decode())


def read(text: str) -> Figures:
    """Read what Prometheus would."""
    return {
        f"{sample.name}{{{','.join(map('='.join, sorted(sample.labels.items())))}}}": (
            sample.value
        )
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def counted(before: Figures, after: Figures) -> dict[str, float]:
    """Return by how many requests each operation has grown."""
    name = "myapp_request_seconds_count"
    grown = {
        series.removeprefix(name): after[series] - before.get(series, 0)
        for series in after
        if series.startswith(name)
    }
    return {series: number for series, number in grown.items() if number}


@contextmanager
def exporting(folder: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """Run deploy/metrics.py for a block, as on a server; return its URL."""
    (script := folder / "deploy/metrics.py").parent.mkdir()
    script.write_text((ROOT / "deploy/metrics.py").read_text())
    own = {**environment, "BACKUP_FOLDER": str(folder / "backups")}
    process = subprocess.Popen([sys.executable, script], env=own)
    url = f"http://{environment['MYAPP_METRICS']}/metrics"
    try:
        while process.poll() is None and not answers(url):
            pass
        yield url
    finally:
        process.terminate()
        process.wait()


def answers(url: str) -> bool:
    try:
        urlopen(url).close()
    except URLError:
        return False
    return True


# --- what is counted


@on_sqlite
def test_requests_of_all_workers_are_added_up_by_operation_and_status(
    server, figures, acme
):
    before = figures()

    def ask(number: int) -> str:
        url = (CUSTOMERS, f"{CUSTOMERS}/{uuid4()}", "/nothing")[number % 3]
        worker: str = server.get(url, acme.headers).worker
        return worker

    with ThreadPoolExecutor(16) as pool:
        workers = set(pool.map(ask, range(300)))
    assert len(workers) > 1
    after = figures()
    assert counted(before, after) == {
        "{operation=sample_customers_list,status=2xx}": 100,
        "{operation=sample_customers_retrieve,status=4xx}": 100,
        "{operation=other,status=4xx}": 100,
    }
    problem = "myapp_problems_total{operation=sample_customers_retrieve,status=404}"
    assert after[problem] - before.get(problem, 0) == 100


@on_sqlite
def test_seconds_fall_into_buckets_and_add_up(server, figures, acme):
    server.get(CUSTOMERS, acme.headers)
    found = figures()
    series = "{operation=sample_customers_list,status=2xx}"
    last = "{le=+Inf,operation=sample_customers_list,status=2xx}"
    assert 0 < found[f"myapp_request_seconds_sum{series}"]
    assert (
        found[f"myapp_request_seconds_bucket{last}"]
        == found[f"myapp_request_seconds_count{series}"]
    )


@on_sqlite
def test_store_that_does_not_answer_is_counted_by_its_status(
    tmp_path, environment, acme
):
    nowhere = environment | {"REDIS_URL": "redis://127.0.0.1:1/0"}
    with serving(tmp_path, nowhere, 1) as server:
        assert server.get("/v1/sample_checkouts", acme.headers).status == 503
        found = figures_of(tmp_path)
    assert found["myapp_problems_total{operation=sample_checkouts_list,status=503}"]


@on_sqlite
def test_connections_in_use_and_their_most_are_shown(server, figures, acme):
    server.get(CUSTOMERS, acme.headers)
    found = figures()
    assert found["myapp_sql_connections_most{}"] % 16 == 0
    assert (
        0 <= found["myapp_sql_connections{}"] <= found["myapp_sql_connections_most{}"]
    )
    assert found["myapp_redis_away{}"] == 0


@on_sqlite
def test_build_is_the_one_that_the_workers_loaded(server, figures):
    [build] = [series for series in figures() if series.startswith("myapp_build_info")]
    assert f"version={VERSION}" in build


@on_sqlite
def test_worker_goes_on_where_the_one_before_it_ended(tmp_path, environment, acme):
    ini = f"{INI}\nmax-requests = 1\nmin-worker-lifetime = 0\n"
    processes: list[str] = []
    with serving(tmp_path, environment, 1, ini) as server:
        while len({*processes}) < 2:
            answer = server.get(CUSTOMERS, acme.headers)
            processes.append(answer.headers["X-Process"])
    found = counted({}, figures_of(tmp_path))
    assert found == {"{operation=sample_customers_list,status=2xx}": len(processes)}


# --- where it is shown


@on_sqlite
def test_exporter_shows_what_the_workers_have_counted(
    server, folder, environment, acme
):
    server.get(CUSTOMERS, acme.headers)
    with exporting(folder, environment) as url, urlopen(url) as answer:
        found = read(answer.read().decode())
    assert found[
        "myapp_request_seconds_count{operation=sample_customers_list,status=2xx}"
    ]


def test_exporter_says_when_a_task_last_succeeded(tmp_path):
    for name in ("instance", "backups"):
        (tmp_path / name).mkdir()
    task = "myapp_task_success_timestamp_seconds{{task={}}}".format
    assert figures_of(tmp_path)[task("purge")] == 0
    for file in ("instance/purged", "backups/last"):
        (tmp_path / file).touch()
        os.utime(tmp_path / file, (1_700_000_000,) * 2)
    found = figures_of(tmp_path)
    assert found[task("purge")] == found[task("backup")] == 1_700_000_000


@on_sqlite
def test_public_address_leads_nowhere_near(server, acme):
    for path in ("/metrics", "/v1/metrics", "/metrics/"):
        assert server.get(path, acme.headers).status == 404


@pytest.mark.parametrize(
    "address", ["8.8.8.8:9127", "0.0.0.0:9127", "[::]:9127", "localhost", ""]
)
def test_address_that_others_reach_is_refused(address):
    command = (sys.executable, ROOT / "deploy/metrics.py")
    done = subprocess.run(
        command, env={"MYAPP_METRICS": address}, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"MYAPP_METRICS={address}: ")
    assert done.stderr.endswith("as in 127.0.0.1:9127.\n")


# --- off


@on_sqlite
def test_nothing_of_it_is_loaded_where_it_is_off(folder, environment):
    off = environment | {"MYAPP_METRICS": ""}
    script = "import sys, myapp; myapp.create_app(); print(*sys.modules)"
    modules = subprocess.check_output(
        [sys.executable, "-c", script], cwd=folder, env=off, text=True
    )
    assert not {"prometheus_client", "myapp.metrics"} & set(modules.split())

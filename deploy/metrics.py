"""Answers Prometheus: adds up what the workers of myapp have counted.

    MYAPP_METRICS=127.0.0.1:9127 .venv/bin/python deploy/metrics.py

Workers count (myapp/metrics.py) where the same MYAPP_METRICS is set
for them. BACKUP_FOLDER is that of deploy/backup. Loads nothing of the application, so
it takes 30 MB and answers whatever befalls that.
"""

import json
import os
import sys
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

INSTANCE = Path(__file__).absolute().parents[1] / "instance"


class Standing(Collector):
    """The release that runs, and when each task last succeeded, by files they touch."""

    def __init__(self, build: Path, tasks: dict[str, Path]) -> None:
        self._build = build
        self._tasks = tasks

    def collect(self) -> Iterator[Metric]:
        """Yield the figures."""
        if self._build.exists():  # else no worker has started yet
            build = json.loads(self._build.read_text())
            text = "The release that a worker loaded last."
            yield InfoMetricFamily("myapp_build", text, build)
        succeeded = GaugeMetricFamily(
            "myapp_task_success_timestamp_seconds",
            "When a task last succeeded; 0 where it never has.",
            labels=["task"],
        )
        for task, file in self._tasks.items():
            succeeded.add_metric([task], moment(file))
        yield succeeded


def moment(file: Path) -> float:
    """Return when a file was written, in seconds since 1970; 0 where there is none."""
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0


def registry(instance: Path, backups: Path) -> CollectorRegistry:
    """Return what is shown."""
    folder = instance / "metrics"
    folder.mkdir(exist_ok=True)  # no worker may have started yet
    shown = CollectorRegistry()
    MultiProcessCollector(shown, path=str(folder))
    tasks = {"purge": instance / "purged", "backup": backups / "last"}
    shown.register(Standing(folder / "build.json", tasks))
    return shown


def address_of(setting: str) -> tuple[str, int]:
    """Return a host and port; raise ValueError where others can reach it."""
    host, _, port = setting.rpartition(":")
    address = ip_address(host.strip("[]"))
    if address.is_unspecified or not address.is_private:
        raise ValueError(f"{host} can be reached from outside")
    return str(address), int(port)


def main() -> None:
    """Answer until the process ends."""
    setting = os.environ.get("MYAPP_METRICS", "")
    backups = Path(os.environ.get("BACKUP_FOLDER", "/var/backups/myapp"))
    try:
        host, port = address_of(setting)
        _, thread = start_http_server(port, host, registry(INSTANCE, backups))
    except (ValueError, OSError) as error:
        sys.exit(
            f"MYAPP_METRICS={setting}: {error}. Give a free port on an address"
            " that only this machine or its network reaches, as in 127.0.0.1:9127."
        )
    thread.join()


if __name__ == "__main__":
    main()

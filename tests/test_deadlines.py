"""Each layer waits longer than the one below it, as docs/bad-days.md says."""

import re
from pathlib import Path

from default_config import ProductionConfig
from myapp.postgres_connection import CONNECT, KEEPALIVE, deadline

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "bad-days.md").read_text()


def set_in(file: str, setting: str) -> float:
    """Return the seconds that a file sets."""
    found = re.search(rf"^\s*{setting}[ =]+(\d+)", (ROOT / file).read_text(), re.M)
    assert found, f"{file} sets no {setting}"
    return float(found[1])


def deadlines() -> list[float]:
    """Return the seconds that each layer waits, from the inside out."""
    probes = KEEPALIVE["keepalives_interval"] * KEEPALIVE["keepalives_count"]
    return [
        ProductionConfig.REDIS_TIMEOUT,
        CONNECT,
        ProductionConfig.SQL_TIMEOUT,
        ProductionConfig.SQL_TIMEOUT,
        deadline({"SQL_TIMEOUT": ProductionConfig.SQL_TIMEOUT}),
        KEEPALIVE["keepalives_idle"] + probes,
        set_in("myapp.ini", "harakiri"),
        set_in("deploy/nginx.conf", "uwsgi_read_timeout"),
        set_in("deploy/myapp.service", "TimeoutStopSec"),
    ]


def test_each_layer_waits_longer_than_the_one_below():
    found = deadlines()
    assert found == sorted(found)
    assert found[4] < found[6] < found[7] < found[8]


def test_page_tells_every_deadline():
    told = re.findall(r"^\|[^|]+\|[^|]+\| ([\d.]+) s \|", PAGE, re.M)
    assert [float(seconds) for seconds in told] == deadlines()

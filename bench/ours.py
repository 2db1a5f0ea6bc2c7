"""Our own server as shipped: `myapp.ini`, one worker, settings of production."""

import sys
import sysconfig
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

from bench.database import IDENTITY, Database
from bench.processes import SERVER_CORE, Process, running

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = Path(__file__).with_name("wsgi.py")
UNAUDITED = Path(__file__).with_name("unaudited.py")
SHARED = ("myapp", "default_config.py", "tests", ".venv")


class Stores(NamedTuple):
    """What a server works on."""

    database: Database
    redis_url: str


class Variant(NamedTuple):
    """How one of our servers differs from what is shipped."""

    title: str
    environment: Mapping[str, str] = {}
    wsgi: Path = SHIPPED


VARIANTS = {
    "myapp": Variant("myapp, everything on"),
    "myapp_lane_off": Variant("myapp without the lane", {"MYAPP_LANE": "false"}),
    "myapp_unaudited": Variant("myapp without the audit of a write", wsgi=UNAUDITED),
}


def serving(
    folder: Path, stores: Stores, address: int | Path, variant: Variant
) -> AbstractContextManager[Process]:
    """Serve for a block at a port or, for nginx, on a unix socket."""
    uwsgi = f"{sysconfig.get_path('scripts')}/uwsgi"
    command = [sys.executable, uwsgi, "--ini", "myapp.ini"]
    environment = _settings(stores) | dict(variant.environment)
    if isinstance(address, int):
        environment["PORT"] = str(address)
    else:
        command += ["--socket", str(address)]
    place = _checkout(folder, variant.wsgi)
    log = folder.with_suffix(".log")
    return running(command, SERVER_CORE, log, environment, address, place)


def _settings(stores: Stores) -> dict[str, str]:
    """Return the environment of a server; every request is counted, none refused."""
    return {
        "MYAPP_CONFIG": "production",
        "DATABASE_URL": stores.database.url("application"),
        "REDIS_URL": stores.redis_url,
        "MAIL_URL": IDENTITY["MAIL_URL"],
        "PUBLIC_URL": IDENTITY["PUBLIC_URL"],
        "MYAPP_MAIL_FROM": IDENTITY["MAIL_FROM"],
        "MYAPP_SECRET_KEY": IDENTITY["SECRET_KEY"],
        "MYAPP_RATE_LIMIT": "1000000000",
        "WEB_CONCURRENCY": "1",
    }


def _checkout(folder: Path, wsgi: Path) -> Path:
    """Make a folder that myapp.ini takes for this; its instance/ is its own."""
    (folder / "instance").mkdir(parents=True)
    for name in SHARED:
        (folder / name).symlink_to(ROOT / name)
    (folder / "wsgi.py").symlink_to(wsgi)
    (folder / "myapp.ini").write_text((ROOT / "myapp.ini").read_text())
    return folder

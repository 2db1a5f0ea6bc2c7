"""OpenStack Swift in one process: its S3 API, one bucket, its objects in memory.

python server.py FOLDER KEY SECRET BUCKET: prints its address, and serves until it is
ended. It runs in an environment of its own, which `requirements.txt` beside it pins.
"""

import sys
from pathlib import Path
from typing import Any

from eventlet import listen, spawn, wsgi
from swift.common import utils
from swift.common.ring import RingBuilder
from swift.common.swob import Request
from swift.common.wsgi import loadapp

HOST = "127.0.0.1"
STORES = {"account": "account", "container": "container", "object": "mem_object"}
"""The servers that hold something, and the kind of each."""

CONFIGURATION = """\
[DEFAULT]
swift_dir = {folder}
devices = {folder}
mount_check = false
[pipeline:main]
pipeline = {pipeline}
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
[filter:tempauth]
use = egg:swift#tempauth
user_{user} = {secret} .admin
[app:{kind}-server]
use = egg:swift#{kind}
account_autocreate = true
"""


def main(folder: Path, key: str, secret: str, bucket: str) -> None:
    """Serve from an empty folder."""
    utils.monkey_patch()  # as all servers of Swift do
    (folder / "swift.conf").write_text("[swift-hash]\nswift_hash_path_suffix = tests\n")
    (folder / "disk").mkdir()
    utils.set_swift_dir(str(folder))

    def app(kind: str, *filters: str) -> Any:
        """Return a server behind filters."""
        file = folder / f"{kind}.conf"
        values = {"folder": folder, "user": key.replace(":", "_"), "secret": secret}
        pipeline = " ".join([*filters, f"{kind}-server"])
        file.write_text(CONFIGURATION.format(kind=kind, pipeline=pipeline, **values))
        return loadapp(str(file))

    sockets = {name: listen((HOST, 0)) for name in STORES}
    for name, socket in sockets.items():
        make_ring(folder, name, socket.getsockname()[1])
    for name, socket in sockets.items():
        spawn(wsgi.server, socket, app(STORES[name]), log_output=False)

    owner, _, _ = key.partition(":")
    made = Request.blank(f"/v1/AUTH_{owner}/{bucket}", {"REQUEST_METHOD": "PUT"})
    assert made.get_response(app("proxy")).is_success
    proxy = listen((HOST, 0))
    print(f"{HOST}:{proxy.getsockname()[1]}", flush=True)
    wsgi.server(proxy, app("proxy", "s3api", "tempauth"), log_output=False)


def make_ring(folder: Path, name: str, port: int) -> None:
    """Say that all of a kind is on one server."""
    ring = RingBuilder(part_power=1, replicas=1, min_part_hours=0)
    where = {"ip": HOST, "port": port, "device": "disk", "region": 1, "zone": 1}
    ring.add_dev({"id": 0, "weight": 1, **where})
    ring.rebalance()
    ring.get_ring().save(str(folder / f"{name}.ring.gz"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])

"""A real nginx for a test: deploy/nginx.conf, on loopback, in a folder of its own."""

import os
import signal
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any, NamedTuple

from tests.programs import free_port, program, wait_for_port
from tests.servers import ROOT, Answer, answer_of

SITE = (ROOT / "deploy" / "nginx.conf").read_text()
PATIENCE = 30
AROUND = """\
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    # As on Debian, and more of it: the site must not depend on what is here.
    gzip on;
    gzip_types *;
    gzip_proxied any;
    gzip_min_length 1;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    uwsgi_temp_path {folder}/uwsgi;
    fastcgi_temp_path {folder}/fastcgi;
    scgi_temp_path {folder}/scgi;
    {site}
}}
"""
TRUSTING = ssl._create_unverified_context()


class Nginx(NamedTuple):
    """An nginx that serves: with TLS at one port, without at another."""

    port: int
    plain_port: int
    folder: Path

    def connect(self, address: str = "127.0.0.1") -> HTTPSConnection:
        """Return a connection from an address of this machine."""
        return HTTPSConnection(
            "127.0.0.1",
            self.port,
            timeout=PATIENCE,
            context=TRUSTING,
            source_address=(address, 0),
        )

    def ask(self, method: str, url: str, *, address: str = "127.0.0.1", **sent: Any):
        """Send one request, on a connection of its own."""
        with closing(self.connect(address)) as connection:
            return ask(connection, method, url, **sent)

    def ask_plain(self, method: str, url: str) -> Answer:
        """Send one request without TLS."""
        with closing(HTTPConnection("127.0.0.1", self.plain_port)) as connection:
            return ask(connection, method, url)

    def send(self, sent: bytes) -> Answer:
        """Send bytes, and return the answer."""
        with closing(self.connect()) as connection:
            connection.connect()
            connection.sock.sendall(sent)
            with closing(HTTPResponse(connection.sock)) as answer:
                answer.begin()
                return answer_of(answer)


def ask(connection: HTTPConnection, method: str, url: str, **sent: Any) -> Answer:
    """Send one request, and return the answer."""
    connection.request(method, url, **sent)
    return answer_of(connection.getresponse())


@contextmanager
def nginx(folder: Path, upstream: Path, port: int = 0) -> Iterator[Nginx]:
    """Serve for a block what answers at a unix socket by uWSGI's protocol."""
    served = Nginx(port or free_port(), free_port(), folder)
    certify(folder / "myapp")
    site = adapted(served, upstream)
    # Its worker must reach the socket, which is the caller's.
    user = "user root;" if os.geteuid() == 0 else ""
    text = AROUND.format(user=user, folder=folder, site=site)
    (folder / "nginx.conf").write_text(text)
    log, file = folder / "error.log", folder / "nginx.conf"
    process = subprocess.Popen([program("nginx"), "-e", log, "-c", file])
    try:
        wait_for_port(served.port, process, log)
        yield served
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)


def adapted(served: Nginx, upstream: Path) -> str:
    """Return the site with the ports and the places of a test."""
    site = SITE
    for shipped, ours in {
        "unix:/run/myapp.sock": f"unix:{upstream}",
        "listen 443": f"listen 127.0.0.1:{served.port}",
        "listen 80": f"listen 127.0.0.1:{served.plain_port}",
        "listen [::]:443 ssl http2;": "",
        "listen [::]:80;": "",
        "/etc/nginx/": f"{served.folder}/",
        "/var/log/nginx/": f"{served.folder}/",
    }.items():
        assert shipped in site
        site = site.replace(shipped, ours)
    return site


def certify(path: Path) -> None:
    """Write a self-signed certificate and its key."""
    how = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    command = [program("openssl"), *how.split(), "-subj", "/CN=api.example.com"]
    command += ["-keyout", f"{path}.key", "-out", f"{path}.crt"]
    subprocess.run(command, check=True, capture_output=True)

"""nginx in front of a server: one worker, on the server's core."""

import os
from contextlib import AbstractContextManager
from pathlib import Path

from bench.processes import SERVER_CORE, Process, running
from bench.programs import path_of

CONFIGURATION = """\
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 256; }}
http {{
    access_log off;
    keepalive_requests 1000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    uwsgi_temp_path {folder}/uwsgi;
    fastcgi_temp_path {folder}/fastcgi;
    scgi_temp_path {folder}/scgi;
    upstream server {{ server {upstream}; {keepalive} }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            {passing}
        }}
    }}
}}
"""
UWSGI = """\
uwsgi_pass server;
uwsgi_param QUERY_STRING $query_string;
uwsgi_param REQUEST_METHOD $request_method;
uwsgi_param CONTENT_TYPE $content_type;
uwsgi_param CONTENT_LENGTH $content_length;
uwsgi_param REQUEST_URI $request_uri;
uwsgi_param PATH_INFO $document_uri;
uwsgi_param SERVER_PROTOCOL $server_protocol;
uwsgi_param REQUEST_SCHEME $scheme;
uwsgi_param REMOTE_ADDR $remote_addr;
uwsgi_param REMOTE_PORT $remote_port;
uwsgi_param SERVER_PORT $server_port;
uwsgi_param SERVER_NAME $server_name;
"""
HTTP = """\
proxy_pass http://server;
proxy_http_version 1.1;
proxy_set_header Connection "";
"""


def serving(
    folder: Path, port: int, upstream: int | Path
) -> AbstractContextManager[Process]:
    """Serve at a port for a block, before HTTP at another or uWSGI at a socket."""
    folder.mkdir()
    by_http = isinstance(upstream, int)
    text = CONFIGURATION.format(
        # Its worker must reach the socket, which is the caller's.
        user="user root;" if os.geteuid() == 0 else "",
        folder=folder,
        port=port,
        upstream=f"127.0.0.1:{upstream}" if by_http else f"unix:{upstream}",
        keepalive="keepalive 16;" if by_http else "",
        passing=HTTP if by_http else UWSGI,
    )
    (folder / "nginx.conf").write_text(text)
    command = [path_of("nginx") or "nginx", "-e", "stderr", "-c"]
    command.append(str(folder / "nginx.conf"))
    return running(command, SERVER_CORE, folder / "log", {}, port)

"""How gunicorn serves myapp, where uWSGI is not wanted any more:

    pip install gunicorn
    PORT=5000 gunicorn --config deploy/gunicorn.conf.py wsgi:app

Everything is answered alike (tests/test_gunicorn.py). What differs:

- Rate limits: each worker counts for itself, so that N workers admit N quotas.
- There is no harakiri: what bounds a request are the deadlines of its stores.
- A request that is no HTTP, or has headers of more than 8 KiB, is refused by gunicorn
  in HTML; nginx in front of it does so first, with a problem.

Behind proxies, say how many: PROXIES=1 takes the client's address from the last entry
of X-Forwarded-For. Without it nobody's word is taken for an address.
"""

import os
from typing import Any

from werkzeug.middleware.proxy_fix import ProxyFix

PROXIES = int(os.environ.get("PROXIES", "0"))

bind = f"127.0.0.1:{os.environ.get('PORT', '5000')}"

# Every process loads the application itself, so none shares a database connection.
preload_app = False
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
worker_class = "gthread"
threads = 8

# SIGTERM lets running requests end, SIGHUP starts the workers again on new code.
graceful_timeout = 30

# No header sets SCRIPT_NAME, PATH_INFO or the scheme behind the application's back.
forwarder_headers = ""
secure_scheme_headers: dict[str, str] = {}
limit_request_line = 8190

# The application writes its own line for each request.
accesslog = None
# It would be a socket in the home of whoever runs this.
control_socket_disable = True


def child_exit(_server: Any, worker: Any) -> None:
    """Let the figures of a worker that has ended count no more as being in use."""
    if os.environ.get("MYAPP_METRICS"):
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(worker.pid, "instance/metrics")


def post_worker_init(worker: Any) -> None:
    """Let a worker take the client's address from the proxies in front of it."""
    if PROXIES:
        worker.wsgi = ProxyFix(worker.wsgi, x_for=PROXIES, x_proto=0, x_host=0)

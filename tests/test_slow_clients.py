"""Slow and huge clients by the hundred, before deploy/nginx.conf: others go on.

How long the others waited is not asserted; `--write-table` puts it into
docs/bad-days.md.
"""

import ssl
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from http.client import HTTPException
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from time import monotonic
from typing import NamedTuple

import pytest

from devtools.pages import put
from tests.actors import Actor
from tests.nginx_server import Nginx, nginx
from tests.servers import ROOT, environment_of
from tests.stores import on_postgresql
from tests.uwsgi_server import INI, serving

PAGE = ROOT / "docs" / "bad-days.md"
COMMAND = "./run test tests/test_slow_clients.py --all --write-table"
PHASE = 12
"""Seconds; more than nginx waits for a slow client."""
OTHERS = 4
PAUSE = 0.02
"""Seconds between two requests of one of the others."""
SLOW_ONES, OF_ONE_ADDRESS = 500, 100
"""As many of one address as nginx lets in."""
CUSTOMERS = "/v1/sample_customers"
HEAD = "POST /v1/sample_customers HTTP/1.1\r\nHost: api.example.com\r\n"
SLOW = {
    "headers": f"{HEAD}X-Slow: ",
    "body": f"{HEAD}Content-Length: 100000\r\n\r\n",
    "reader": "GET /openapi.json HTTP/1.1\r\nHost: api.example.com\r\n\r\n" * 100,
}
"""What is slow of a client, and what it sends at once; then it sends a byte a second,
and reads nothing."""
HUGE: list[tuple[str, str, dict[str, str], bytes | None, int]] = [
    ("POST", CUSTOMERS, {}, b"a" * (2**20 + 1), 413),
    ("GET", CUSTOMERS, {"X-Long": "a" * 16_384}, None, 431),
    ("GET", f"/{'a' * 16_384}", {}, None, 414),
    ("POST", CUSTOMERS, {}, b"[" * 2**20, 401),
]
"""Requests that are too large, and what they are answered with."""


class Phase(NamedTuple):
    """What the others saw for a while."""

    statuses: Counter[int | str]
    seconds: list[float]

    def row(self, name: str) -> str:
        """Return a line of the table, in milliseconds."""
        ordered = sorted(self.seconds)
        shown = (ordered[len(ordered) * part // 100] for part in (50, 99))
        cells = [f"{each * 1000:.0f}" for each in (*shown, ordered[-1])]
        return f"| {name} | {len(ordered)} | {' | '.join(cells)} |\n"


class SlowClient:
    """A connection that holds on to the server for as long as it can."""

    def __init__(self, front: Nginx, address: str, begins: str) -> None:
        self._front, self._address, self._begins = front, address, begins
        self._socket: ssl.SSLSocket | None = None
        self.times_cut_off = 0

    def go_on(self) -> None:
        """Send a byte, or begin anew where the server has hung up."""
        try:
            if self._socket is None:
                self._begin()
            else:
                self._socket.send(b"a")
        except OSError:
            self.times_cut_off += 1
            self.end()

    def _begin(self) -> None:
        connection = self._front.connect(self._address)
        connection.connect()
        self._socket = connection.sock
        self._socket.settimeout(0.5)
        self._socket.send(self._begins.encode())

    @property
    def is_open(self) -> bool:
        """Tell whether it holds a connection."""
        return self._socket is not None

    def end(self) -> None:
        """Let go."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


@pytest.fixture(scope="module")
def front(settings, tmp_path_factory) -> Iterator[Nginx]:
    """An nginx before two workers."""
    with TemporaryDirectory(prefix="myapp-") as name:
        address = Path(name, "app.sock")
        own, folder = environment_of(settings), tmp_path_factory.mktemp("uwsgi")
        with (
            serving(folder, own, 2, f"{INI}\nsocket = {address}\n"),
            nginx(Path(name), address) as front,
        ):
            yield front


@contextmanager
def repeated(*work: Callable[[], object]) -> Iterator[None]:
    """Do things again and again, each in a thread of its own, for a block."""
    over = Event()

    def repeat(do: Callable[[], object]) -> None:
        while not over.is_set():
            do()

    threads = [Thread(target=repeat, args=(each,)) for each in work]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def ask_for_a_while(front: Nginx, acme: Actor) -> Phase:
    """Let the others read for a while."""
    seen = Phase(Counter(), [])
    until = monotonic() + PHASE

    def ask(_: int) -> None:
        while monotonic() < until:
            began = monotonic()
            try:
                status: int | str = front.ask(
                    "GET", CUSTOMERS, headers=acme.headers
                ).status
            except (OSError, HTTPException) as error:
                status = repr(error)
            seen.statuses[status] += 1
            seen.seconds.append(monotonic() - began)
            Event().wait(PAUSE)

    with ThreadPoolExecutor(OTHERS) as pool:
        list(pool.map(ask, range(OTHERS)))
    return seen


def send_huge(front: Nginx, seen: Counter[tuple[int, int]]) -> None:
    """Send everything that is too large, once."""
    for method, url, headers, body, wanted in HUGE:
        with suppress(OSError):  # nginx hangs up on whoever goes on sending
            answer = front.ask(
                method, url, address="127.0.0.9", headers=headers, body=body
            )
            seen[(answer.status, wanted)] += 1


@on_postgresql
@pytest.mark.once
@pytest.mark.slow
def test_slow_and_huge_clients_harm_no_others(front, acme, pytestconfig):
    acme.post(CUSTOMERS, json={"name": "Ada", "email": "ada@example.com"})
    kinds = cycle(SLOW.values())
    slow = [
        SlowClient(front, f"127.0.1.{1 + number // OF_ONE_ADDRESS}", next(kinds))
        for number in range(SLOW_ONES)
    ]
    refused: Counter[tuple[int, int]] = Counter()
    before = ask_for_a_while(front, acme)
    for client in slow:
        client.go_on()
    held = sum(client.is_open for client in slow)

    def annoy() -> None:
        for client in slow:
            client.go_on()
        Event().wait(1)

    with repeated(annoy, partial(send_huge, front, refused)):
        during = ask_for_a_while(front, acme)
    for client in slow:
        client.end()
    after = ask_for_a_while(front, acme)

    assert held == SLOW_ONES
    assert sum(client.times_cut_off > 0 for client in slow) > SLOW_ONES / 2
    assert refused and all(status == wanted for status, wanted in refused)
    for phase in (before, during, after):
        assert set(phase.statuses) == {200}
    if pytestconfig.getoption("write_table"):
        phases = {"before": before, "during": during, "after": after}
        rows = "".join(phase.row(name) for name, phase in phases.items())
        heads = "| others' requests | number | p50 ms | p99 ms | longest ms |\n"
        put(PAGE, COMMAND, f"{heads}|---|--:|--:|--:|--:|\n{rows}")

"""A cluster loses machines while clients write: nothing acknowledged is lost with them.

./run test -m cluster [--write-table]     as root, on Debian 12; takes minutes

No time is asserted; all of them are written into docs/scaling.md by `--write-table`.
"""

import json
import signal
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Any, NamedTuple
from uuid import uuid4

import pytest

from devtools.pages import put
from devtools.redis_server import RedisServer
from tests import cluster as clusters
from tests.actors import OWNER, PASSWORD
from tests.cluster import BALANCER, DATABASES, NAME, Cluster

LACKING = clusters.missing()
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(bool(LACKING), reason=f"no cluster here: {LACKING}"),
]
PAGE = Path(__file__).parents[1] / "docs" / "scaling.md"
COMMAND = "./run test -m cluster --write-table"
WRITERS = 8
PAUSE = 0.02
"""Seconds between two requests of a writer."""
IN_A_ROW = 30
"""Acknowledged writes of each writer that say that all is well again."""
PATIENCE = 120
"""Seconds until a test gives up waiting for that."""
CUSTOMERS = "/v1/sample_customers"
HEAD = """\
| what befell it | what the writers saw | longest time without a write, s | last \
failure after, s | slowest answer, s |
|---|---|--:|--:|--:|
"""


class Write(NamedTuple):
    """One attempt to make a customer: the name sent, and what came of it."""

    name: str
    outcome: str
    sent_at: float
    ended_at: float
    id: str | None = None

    @property
    def is_acknowledged(self) -> bool:
        """Whether the client was told that it is kept."""
        return self.id is not None


class Client:
    """One keep-alive connection to the balancer."""

    def __init__(self, cluster: Cluster, key: str = "") -> None:
        file = cluster.machines["lb"].folder / "own.crt"
        self._context = ssl.create_default_context(cafile=str(file))
        self._context.check_hostname = False  # it is called by its address
        self._key = key
        self._connection: HTTPSConnection | None = None

    def ask(self, method: str, url: str, body: Any = None) -> tuple[int, Any]:
        """Send one request; raise OSError or HTTPException where no answer comes."""
        if self._connection is None:
            self._connection = HTTPSConnection(
                BALANCER, timeout=60, context=self._context
            )
        headers = {"Host": NAME, "Content-Type": "application/json"}
        headers |= {"Authorization": f"Bearer {self._key}"} if self._key else {}
        try:
            sent = None if body is None else json.dumps(body)
            self._connection.request(method, url, sent, headers)
            answer = self._connection.getresponse()
            text = answer.read()
        except BaseException:
            self.close()
            raise
        is_json = answer.headers.get_content_subtype().endswith("json")
        return answer.status, json.loads(text) if is_json else text

    def is_served(self) -> bool:
        """Tell whether a host is there that reaches its stores."""
        try:
            return self.ask("GET", "/health/ready")[0] == 200
        except OSError:
            return False

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Writers:
    """Clients that make customers, one after the other, until they are stopped."""

    def __init__(self, cluster: Cluster, key: str) -> None:
        self._cluster, self._key = cluster, key
        self.writes: list[list[Write]] = [[] for _ in range(WRITERS)]
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._write, args=[number])
            for number in range(WRITERS)
        ]

    def _write(self, number: int) -> None:
        with self._cluster.machines["client"].inside():
            client = Client(self._cluster, self._key)
            while not self._stop.wait(PAUSE):
                name = f"{number}-{len(self.writes[number])}"
                self.writes[number].append(_write_one(client, name))
            client.close()

    def start(self) -> None:
        """Let them write."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> list[Write]:
        """Let them end; return all that they wrote."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        return [write for own in self.writes for write in own]

    def wait_until_well(self, since: float) -> None:
        """Wait until each has had its writes acknowledged, many in a row."""
        give_up = monotonic() + PATIENCE
        while not all(_is_well(own, since) for own in self.writes):
            assert monotonic() < give_up, "they are still refused"
            sleep(0.1)

    def between(self, start: float, end: float) -> list[Write]:
        """Return what ended in a span of time."""
        found = [write for own in self.writes for write in own]
        return [write for write in found if start <= write.ended_at <= end]


def _write_one(client: Client, name: str) -> Write:
    sent_at = monotonic()
    body = {"name": name, "email": "ada@example.com"}
    try:
        status, answer = client.ask("POST", CUSTOMERS, body)
    except (OSError, HTTPException):
        return Write(name, "no answer", sent_at, monotonic())
    id = answer["id"] if status == 201 else None
    return Write(name, str(status), sent_at, monotonic(), id)


def _is_well(writes: list[Write], since: float) -> bool:
    last = writes[-IN_A_ROW:]
    return len(last) == IN_A_ROW and all(
        write.is_acknowledged and write.sent_at > since for write in last
    )


class Episode(NamedTuple):
    """What clients saw of one loss."""

    title: str
    began: float
    writes: list[Write]

    def row(self) -> str:
        """Return its row of the table."""
        seen = Counter(write.outcome for write in self.writes)
        listed = ", ".join(
            f"{name} × {count:,}" for name, count in sorted(seen.items())
        )
        failed = [write for write in self.writes if not write.is_acknowledged]
        last = max((write.ended_at - self.began for write in failed), default=0.0)
        slowest = max(write.ended_at - write.sent_at for write in self.writes)
        cells = (
            self.title,
            listed,
            *(f"{each:.1f}" for each in (self.gap, last, slowest)),
        )
        return f"| {' | '.join(cells)} |\n"

    @property
    def gap(self) -> float:
        """The longest time, in seconds, in which no write was acknowledged."""
        acknowledged = [w.ended_at for w in self.writes if w.is_acknowledged]
        times = [self.began, *sorted(acknowledged)]
        return max(later - earlier for earlier, later in zip(times, times[1:]))


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A cluster that serves; a signal that ends the tests ends it, too."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: pytest.exit("the tests were ended"))
    with TemporaryDirectory(prefix="myapp-cluster-") as name:
        Path(name).chmod(0o755)  # PostgreSQL does not run as root
        with RedisServer(Path(name, "redis")) as redis:
            with clusters.cluster(Path(name), redis) as made:
                yield made


@pytest.fixture
def key(cluster: Cluster) -> str:
    """The key of an account's owner."""
    body = {"name": "acme", "slug": f"acme-{uuid4().hex[:12]}"}
    body |= {"email": OWNER, "password": PASSWORD}
    with cluster.machines["client"].inside():
        client = Client(cluster)
        clusters.until(client.is_served, "a host is ready")
        status, account = client.ask("POST", "/v1/accounts", body)
        client.close()
    assert status == 201, account
    return str(account["api_key"])


@contextmanager
def writing(cluster: Cluster, key: str) -> Iterator[Writers]:
    """Let clients write for a block."""
    writers = Writers(cluster, key)
    writers.start()
    try:
        yield writers
    finally:
        writers.stop()


def befall(writers: Writers, title: str, fault: Callable[[], None]) -> Episode:
    """Do something to the cluster, and wait until nobody notices any more."""
    writers.wait_until_well(monotonic())
    began = monotonic()
    fault()
    writers.wait_until_well(monotonic())
    return Episode(title, began, writers.between(began, monotonic()))


def kept(cluster: Cluster, key: str) -> Counter[tuple[str, str]]:
    """Return the id and the name of every customer, counted."""
    found: Counter[tuple[str, str]] = Counter()
    with cluster.machines["client"].inside():
        client = Client(cluster, key)
        url: str | None = f"{CUSTOMERS}?limit=100"
        while url:
            status, page = client.ask("GET", url)
            assert status == 200, page
            found.update((item["id"], item["name"]) for item in page["items"])
            url = page["next"] and f"{CUSTOMERS}?limit=100&cursor={page['next']}"
        client.close()
    return found


def test_cluster_loses_machines_and_no_acknowledged_write(
    cluster: Cluster, key: str, pytestconfig: pytest.Config
) -> None:
    with writing(cluster, key) as writers:
        seen = [
            befall(writers, "an application host lost", partial(lose, cluster, "app1")),
            befall(writers, "… and back", partial(cluster.bring_back, "app1")),
            befall(writers, "the primary handed over in order", cluster.hand_over),
        ]
        clusters.until(cluster.has_standby, "PostgreSQL has a standby")
        primary = cluster.primary()
        seen += [
            befall(
                writers,
                "the primary's machine lost",
                partial(lose_primary, cluster, primary),
            ),
            befall(
                writers, "… and back, as the standby", partial(rejoin, cluster, primary)
            ),
        ]
        writes = writers.stop()

    found = kept(cluster, key)
    acknowledged = {(write.id, write.name) for write in writes if write.is_acknowledged}
    assert not acknowledged - found.keys()
    assert max(Counter(name for _, name in found.elements()).values()) == 1
    outcomes = {write.outcome for write in writes}
    assert outcomes <= {"201", "502", "503", "504", "no answer"}, outcomes

    text = report(seen, writes, len(acknowledged), len(found))
    print(text)
    if pytestconfig.getoption("--write-table"):
        put(PAGE, COMMAND, text)


def lose(cluster: Cluster, name: str) -> None:
    """Lose a machine."""
    cluster.machines[name].lose()


def lose_primary(cluster: Cluster, primary: str) -> None:
    """Lose the primary's machine in a moment in which the standby hears nothing of it.

    Whatever it acknowledged in that moment would be lost with it.
    """
    (standby,) = DATABASES.keys() - {primary}
    cluster.machines[standby].unlink()
    sleep(1)
    cluster.machines[primary].lose()
    cluster.machines[standby].link()


def rejoin(cluster: Cluster, name: str) -> None:
    """Bring a machine back, and wait until its PostgreSQL has all that is written."""
    cluster.bring_back(name)
    clusters.until(cluster.has_standby, "PostgreSQL has a standby")


def report(
    episodes: list[Episode], writes: list[Write], acknowledged: int, found: int
) -> str:
    """Return what was seen, as the page has it."""
    rows = "".join(episode.row() for episode in episodes)
    unknown = len(writes) - acknowledged
    return (
        f"{HEAD}{rows}\nOf {len(writes):,} writes by {WRITERS} clients {acknowledged:,}"
        f" were acknowledged: 0 of them are lost, none is there twice. Of the"
        f" {unknown:,} that failed {found - acknowledged:,} are there, once."
    )

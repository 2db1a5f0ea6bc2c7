"""Does the time of a failed login tell whether a user exists?

    ./run bench logins [--number 1000] [--database-url postgresql://…]

Signs in with a wrong password of a known user, as an unknown user, to an unknown
account, as a disabled user and as another account's user, in random order, in process,
with the shipped cost of hashing. The throttle counts and never strikes: each comes from
an address of its own, and the limit of a user is lifted. Prints the median of each kind
as a ratio to the first.
"""

import argparse
import logging
import random
import sys
from ipaddress import IPv4Address
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any
from uuid import UUID

import click
import flask_migrate
from flask import Flask

from myapp import create_app, db, throttle
from myapp.accounts.models import NEW_ACCOUNT, sign_up
from myapp.users.models import find, users

ROOT = Path(__file__).resolve().parents[1]
RIGHT, WRONG = "correct horse battery staple", "another horse battery staple"
LOGINS = {
    "known user, wrong password": ("acme-bench", "known@example.com", WRONG),
    "unknown user": ("acme-bench", "nobody@example.com", WRONG),
    "unknown account": ("no-such-bench", "known@example.com", WRONG),
    "disabled user, right password": ("acme-bench", "disabled@example.com", RIGHT),
    "user of another account": ("rival-bench", "known@example.com", RIGHT),
}
EVEN = 0.05


def main() -> None:
    """Measure, print a table, and end with 1 where a median is off by over 5 %."""
    parser = argparse.ArgumentParser(prog="./run bench logins")
    parser.add_argument("--number", type=int, default=1000, help="logins in all")
    parser.add_argument("--database-url", help="SQLite in a folder of its own without")
    chosen = parser.parse_args()
    with TemporaryDirectory() as folder:
        url = chosen.database_url or f"sqlite:///{folder}/bench.sqlite"
        app = create_app(
            {
                "DATABASE_URL": url,
                "REDIS_URL": "redis://127.0.0.1:1/0",  # no login needs it
                "MAIL_URL": Path(folder).as_uri(),
                "SECRET_KEY": "the secret of a measurement",
                "RATE_LIMIT": 0,
                "RATE_LIMIT_ANONYMOUS": 0,
            }
        )
        logging.getLogger("myapp").setLevel(logging.ERROR)  # not a line for each login
        with app.app_context():
            flask_migrate.upgrade(directory=str(ROOT / "migrations"))
        populate(app)
        throttle.MOST_FOR_USER = chosen.number + 1
        times = measure(app, chosen.number)
    sys.exit(report(times))


def populate(app: Flask) -> None:
    """Open two accounts; one has a user who is switched off."""
    with db.use(app.extensions["myapp"]):
        for slug in ("acme-bench", "rival-bench"):
            email = "known@example.com" if slug == "acme-bench" else "rival@example.com"
            owner = {"email": email, "password": RIGHT}
            new = NEW_ACCOUNT.validate({"name": slug, "slug": slug, **owner})
            record = sign_up(new)
            tenant: UUID = record.values[0]
            if slug == "acme-bench":
                disable(tenant)


def disable(tenant: UUID) -> None:
    """Add a user with a known password, and switch it off."""
    known = find(tenant, "known@example.com")
    assert known is not None
    row = {"name": "disabled", "email": "disabled@example.com", "role": "member"}
    users.create(tenant, row, is_active=False, password_hash=known.password_hash)


def measure(app: Flask, number: int) -> dict[str, list[float]]:
    """Return the seconds of each login, by kind."""
    times: dict[str, list[float]] = {kind: [] for kind in LOGINS}
    client = app.test_client()
    kinds = [kind for kind in LOGINS for _ in range(number // len(LOGINS))]
    random.shuffle(kinds)
    for kind in LOGINS:  # what is only slow the first time
        attempt(client, kind, 0)
    with click.progressbar(kinds, label="Logins") as bar:
        for index, kind in enumerate(bar, 1):
            times[kind].append(attempt(client, kind, index))
    return times


def attempt(client: Any, kind: str, index: int) -> float:
    """Fail to sign in once; return how long it took."""
    account, username, password = LOGINS[kind]
    body = {"account": account, "username": username, "password": password}
    address = str(IPv4Address("10.0.0.0") + index)
    started = perf_counter()
    answer = client.post(
        "/v1/auth/login", json=body, environ_overrides={"REMOTE_ADDR": address}
    )
    took = perf_counter() - started
    assert answer.status_code == 401, answer.get_data()
    return took


def report(times: dict[str, list[float]]) -> int:
    """Print the table; return 1 where it is uneven."""
    first = median(next(iter(times.values())))
    print("| login | number | median ms | p90 ms | ratio |\n|---|---|---|---|---|")
    ratios = []
    for kind, found in times.items():
        ratios.append(median(found) / first)
        p90 = quantiles(found, n=10)[-1]
        print(
            f"| {kind} | {len(found)} | {median(found) * 1000:.2f} | {p90 * 1000:.2f}"
            f" | {ratios[-1]:.3f} |"
        )
    return int(any(abs(ratio - 1) > EVEN for ratio in ratios))


if __name__ == "__main__":
    main()

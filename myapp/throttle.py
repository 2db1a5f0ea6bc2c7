"""Guessing is slowed down: how often a password may be wrong, on both engines.

An attempt is counted, and committed, before the password is looked at: so guesses
that come together are all counted, and a failed login rolls nothing back. Success
takes its count away again. What is stored is a digest of what is counted for.

A guesser with many networks has 100 attempts on one user in a window: as many as ten
networks have, more than a person makes, and 10,000 a day do not find a password that is
not among the common ones, which are refused. Whoever uses them up keeps the user out
of new networks alone: one that the user has signed in from in the last 30 days is not
counted there, so nobody far away can lock its owner out.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from math import ceil
from typing import Any, NamedTuple

from sqlalchemy import Connection, Integer, String, case, delete, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

from myapp import db, tables
from myapp.db import sql
from myapp.errors import TooManyRequests, Unavailable
from myapp.rate_limits import network_of
from myapp.tables import Shared, UtcDateTime
from myapp.tokens import digest

WINDOW = timedelta(minutes=15)
LEEWAY = timedelta(minutes=1)
"""How far two clocks, or two attempts that wait for one another, may be apart."""
MOST_FOR_ONE = 10
"""Attempts on one user from one address, or on one secret, in a window."""
MOST_FOR_USER = 100
"""Attempts on one user from all networks that the user is new in, in a window."""
KNOWN = timedelta(days=30)
"""How long a network is remembered after a login."""
MOST_FROM_ADDRESS = 100
"""Failed attempts of one address, on whomever, in a window."""
MOST_MAILS, MAILS = 3, timedelta(hours=1)
"""Mails to one user that anyone can ask for, and in which time."""


class Attempt(Shared, sql.Model):
    """A row of attempts, which belong to no account: a guess may name none."""

    __tablename__ = "attempts"

    key_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    number: Mapped[int] = mapped_column(Integer)
    ends_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class Limit(NamedTuple):
    """How many attempts may be counted for one thing."""

    counted_for: str
    most: int = MOST_FOR_ONE
    window: timedelta = WINDOW


def limits_of(user: str, address: str) -> list[Limit]:
    """Return what a login counts for: the user from there, and the address itself."""
    source = network_of(address)
    return [
        Limit(f"{user} from {source}"),
        Limit(f"anyone from {source}", MOST_FROM_ADDRESS),
    ]


def limits_of_login(user: str, address: str) -> list[Limit]:
    """Return `limits_of` and, from where the user is new, the one of all networks."""
    if _is_known(user, address):
        return limits_of(user, address)
    everywhere = Limit(f"{user} from anywhere", MOST_FOR_USER)
    return [*limits_of(user, address), everywhere]


def limit_of_mails(user: str) -> Limit:
    """Return how many mails one user is sent that anyone can ask for."""
    return Limit(f"mails to {user}", MOST_MAILS, MAILS)


def _is_known(user: str, address: str) -> bool:
    chosen = select(Attempt.ends_at).where(Attempt.key_sha256 == _home(user, address))
    with db.transaction(None, read_only=True) as connection:
        ends_at = connection.execute(chosen).scalar_one_or_none()
    return ends_at is not None and ends_at > tables.now()


def remember(user: str, address: str) -> None:
    """Remember that a user has signed in from a network."""
    ends_at = tables.now() + KNOWN
    with db.transaction(None) as connection:
        insert = INSERTS[connection.dialect.name]
        home = {"key_sha256": _home(user, address), "number": 0, "ends_at": ends_at}
        remembered = insert(Attempt).values(home)
        connection.execute(
            remembered.on_conflict_do_update(
                index_elements=[Attempt.key_sha256], set_={"ends_at": ends_at}
            )
        )


def _home(user: str, address: str) -> str:
    return digest(f"{user} is known in {network_of(address)}")


@contextmanager
def attempt(*limits: Limit) -> Iterator[None]:
    """Count the attempt inside the block, unless it could not be made (503).

    Raises TooManyRequests where there were enough.
    """
    begin(*limits)
    try:
        yield
    except Unavailable:
        succeed(*limits)
        raise


def begin(*limits: Limit) -> None:
    """Count an attempt; raise TooManyRequests where there were enough."""
    now = tables.now()
    with db.transaction(None) as connection:
        connection.execute(delete(Attempt).where(Attempt.ends_at < now - WINDOW))
        counted = [_count(connection, limit, now) for limit in limits]
    for limit, (number, ends_at) in zip(limits, counted, strict=True):
        if number > limit.most:
            raise TooManyRequests(ceil((ends_at - now).total_seconds()))


def succeed(*limits: Limit) -> None:
    """Take back what an attempt has counted: it was right, or none."""
    with db.transaction(None) as connection:
        for limit in limits:
            chosen = Attempt.key_sha256 == digest(limit.counted_for)
            one_less = update(Attempt).where(chosen, Attempt.number > 0)
            connection.execute(one_less.values(number=Attempt.number - 1))


def _count(connection: Connection, limit: Limit, now: datetime) -> tuple[int, datetime]:
    """Add one to a count; return it, and when it starts anew."""
    insert = INSERTS[connection.dialect.name]
    first = {"key_sha256": digest(limit.counted_for), "number": 1}
    ends_at = now + limit.window
    statement = insert(Attempt).values(first | {"ends_at": ends_at})
    # One that ends too late was begun by a clock that has been set back since.
    over = or_(Attempt.ends_at <= now, Attempt.ends_at > ends_at + LEEWAY)
    counting = statement.on_conflict_do_update(
        index_elements=[Attempt.key_sha256],
        set_={
            "number": case((over, 1), else_=Attempt.number + 1),
            "ends_at": case((over, ends_at), else_=Attempt.ends_at),
        },
    ).returning(Attempt.number, Attempt.ends_at)
    number, ends_at = connection.execute(counting).one()
    return number, ends_at


INSERTS: dict[str, Any] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}
"""Both engines have ON CONFLICT, and SQLAlchemy a construct of each."""

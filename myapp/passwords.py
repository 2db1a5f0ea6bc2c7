"""Passwords: hashed with argon2id, a few at a time, and none that everybody knows."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import BoundedSemaphore
from unicodedata import normalize

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from myapp import db
from myapp.contract_rules import Schema
from myapp.errors import BrokenRule, InvalidBody, Unavailable

PASSWORD: Schema = {
    "type": "string",
    "minLength": 10,
    "maxLength": 128,
    "writeOnly": True,
    "examples": ["correct horse battery staple"],
}
"""The contract of a password that is chosen; one that is checked has no minLength."""

GIVEN: Schema = {
    "type": "string",
    "maxLength": 128,
    "writeOnly": True,
    "examples": ["correct horse battery staple"],
}
HASHES_AT_ONCE = 2
"""A hash takes 25 ms of a core and 19 MiB: a flood of logins gets no more than this."""
MOST_IN_LINE = 6
"""Those who hash, and who wait for it: two of a worker's eight threads stay free."""

_line, _turns = BoundedSemaphore(MOST_IN_LINE), BoundedSemaphore(HASHES_AT_ONCE)


@cache
def _hasher(time_cost: int, memory_cost: int) -> PasswordHasher:
    return PasswordHasher(time_cost, memory_cost, parallelism=1)


def hasher() -> PasswordHasher:
    """Return the hasher of the application at work, with the cost of its settings."""
    settings = db.stores().settings
    return _hasher(settings["ARGON2_TIME"], settings["ARGON2_MEMORY"])


@contextmanager
def _a_turn() -> Iterator[None]:
    """Wait for one of the few turns; raise Unavailable where too many wait."""
    if not _line.acquire(blocking=False):
        raise Unavailable("Too many passwords are being checked: try again.")
    try:
        with _turns:
            yield
    finally:
        _line.release()


@cache
def _common() -> frozenset[str]:
    # Imported when it is first asked: the lists take 13 MB, and few workers need them.
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    shortest = PASSWORD["minLength"]
    words = FREQUENCY_LISTS["passwords"]
    return frozenset(word for word in words if len(word) >= shortest)


def normal(password: str) -> str:
    """Return a password as it is hashed: the same, whichever keyboard typed it.

    One `é` may be sent as one character or as two, a full-width `ａ` for an `a`
    (NFKC: NIST SP 800-63B, 3.1.1.2; as RFC 8265 prepares passwords).
    """
    return normalize("NFKC", password)


def hashed(password: str) -> str:
    """Return what is stored of a password (argon2id, RFC 9106)."""
    with _a_turn():
        return hasher().hash(normal(password))


def matches(stored: str | None, password: str) -> bool:
    """Tell whether a password is the stored one; takes as long where there is none."""
    with _a_turn():
        try:
            return hasher().verify(stored or _nobodys(hasher()), normal(password))
        except (VerifyMismatchError, InvalidHashError):
            return False


@cache
def _nobodys(hasher: PasswordHasher) -> str:
    """Return a hash that no password matches, as dear to check as any other."""
    return hasher.hash("no password")[:-4] + "AAAA"


def is_outdated(stored: str) -> bool:
    """Tell whether the settings now ask for a dearer hash."""
    return hasher().check_needs_rehash(stored)


def refuse_common(password: str, email: str, at: str = "/password") -> None:
    """Raise InvalidBody for what is guessed first: what many choose, or the address."""
    guess, address = normal(password).lower(), email.lower()
    if guess in _common() or guess in (address, address.rpartition("@")[0]):
        rule = BrokenRule(at, "common", "is among the first that are guessed")
        raise InvalidBody("Choose a password that nobody else uses.", [rule])

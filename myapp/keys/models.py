"""Signing keys: the table, how they follow one another, how tokens are signed.

A key is `next` (published, signs nothing yet), `active` (signs), then `retired` (still
verifies, until the last token that it signed has expired). The private part is sealed
under SECRET_KEY, and forgotten when the key retires; workers read the keys again
within a second.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from contextlib import suppress
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Literal, NamedTuple
from uuid import UUID

import msgspec
from cryptography.fernet import Fernet, InvalidToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey
from sqlalchemy import (
    JSON,
    Connection,
    Index,
    String,
    Text,
    delete,
    insert,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column
from uuid_utils.compat import uuid7

from myapp import db, housekeeping, tables
from myapp.contract import Contract
from myapp.db import sql
from myapp.errors import Conflict, Unavailable
from myapp.keys.shapes import KeySetDocument
from myapp.recent import recently
from myapp.repository import Record
from myapp.secret_key import derived
from myapp.tables import Shared, UtcDateTime

ALGORITHM = "RS256"
"""The one algorithm that every verifier of RFC 9068 supports."""
BITS = 2048
PUBLISHED_SECONDS = 300
"""How long the published set may be kept by those who fetched it."""

KEY_SET = Contract[Any, KeySetDocument](
    "KeySet",
    description="The public keys that verify access tokens (RFC 7517).",
    properties={
        "keys": {
            "type": "array",
            "maxItems": 100,
            "readOnly": True,
            "items": {
                "type": "object",
                "properties": {
                    name: {"type": "string", "maxLength": 1000}
                    for name in ("kty", "kid", "alg", "use", "n", "e")
                },
                "required": ["kty", "kid", "alg", "use", "n", "e"],
                "additionalProperties": False,
            },
        }
    },
)


class SigningKey(Shared, sql.Model):
    """A row of signing_keys, which belong to the service."""

    __tablename__ = "signing_keys"
    __table_args__ = (
        Index(
            "uq_signing_keys_state",
            "state",
            unique=True,
            sqlite_where=text("state <> 'retired'"),
            postgresql_where=text("state <> 'retired'"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    kid: Mapped[str] = mapped_column(String(43), unique=True)
    state: Mapped[str] = mapped_column(String(7))
    public: Mapped[dict[str, str]] = mapped_column(JSON)
    private: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=tables.now)
    retired_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Header(msgspec.Struct, forbid_unknown_fields=True):
    """What a token of ours says of itself (RFC 9068, 2.1), and not a word more."""

    alg: Literal["RS256"]
    typ: Literal["at+jwt"]
    kid: str


class Keys(NamedTuple):
    """The keys of the service: those that verify, by `kid`, and the one that signs."""

    public: dict[str, RSAKey]
    signer: RSAKey


def keys() -> Keys:
    """Return the keys as of less than a second ago; the first call makes them."""
    found = recently("signing keys", _read)
    assert found is not None
    return found


def key_set() -> Record:
    """Return what is published, as KEY_SET."""
    return Record(([key.as_dict(private=False) for key in keys().public.values()],))


def sign(claims: dict[str, Any]) -> str:
    """Return an access token of these claims (RFC 9068)."""
    signer = keys().signer
    header = {"alg": ALGORITHM, "typ": "at+jwt", "kid": signer.kid}
    return jwt.encode(header, claims, signer, algorithms=[ALGORITHM])


def verified(token: str) -> dict[str, Any] | None:
    """Return the claims of a token that one of our keys has signed, else None.

    No token chooses its algorithm or type, or brings a key or a key's address: its
    header is read before a library sees it, and none but ours is one.
    """
    part, _, _ = token.partition(".")
    try:
        raw = urlsafe_b64decode(part + "=" * (-len(part) % 4))
        key = keys().public.get(msgspec.json.decode(raw, type=Header).kid)
        if key is None:
            return None
        return dict(jwt.decode(token, key, algorithms=[ALGORITHM]).claims)
    except (JoseError, ValueError):
        return None


def _read() -> Keys:
    still_good = or_(
        SigningKey.retired_at.is_(None),
        SigningKey.retired_at > tables.now() - _longest_life(),
    )
    chosen = select(SigningKey).where(still_good).order_by(SigningKey.id)
    with db.transaction(None, read_only=True) as connection:
        rows = connection.execute(chosen).all()
    active = [row for row in rows if row.state == "active"]
    if not active:
        _begin()
        return _read()
    public = {row.kid: RSAKey.import_key(row.public) for row in rows}
    return Keys(public, _unsealed(active[0].private, active[0].kid))


def _longest_life() -> timedelta:
    """Return how long a token may outlive the retirement of its key."""
    lasting: int = db.stores().settings["ACCESS_TOKEN_SECONDS"]
    return timedelta(seconds=lasting + 60)  # 60: for clocks that differ


def _begin() -> None:
    """Make the first two keys, unless another worker is making them."""
    made = [_new("active"), _new("next")]  # that takes long: no lock is held meanwhile
    active = select(SigningKey.id).where(SigningKey.state == "active")
    with suppress(Conflict), db.transaction(None) as connection:
        if connection.execute(active).first() is None:
            connection.execute(insert(SigningKey), made)


def rotate(*, compromised: bool = False) -> str:
    """Let the next key sign from now on; return its `kid`.

    The active key retires, and verifies until the last token that it signed has
    expired. Where it is compromised, all keys are made anew: every access token ends
    within a second. Raises Conflict where the next key was published too recently to
    be known to all.
    """
    if compromised:
        _replace_all()
    else:
        _retire_active()
    with db.transaction(None, read_only=True) as connection:
        signing = select(SigningKey.kid).where(SigningKey.state == "active")
        return str(connection.execute(signing).scalar_one())


def _replace_all() -> None:
    """Make the first two keys again; who stole one key may have stolen them all."""
    made = [_new("active"), _new("next")]
    with db.transaction(None) as connection:
        connection.execute(delete(SigningKey))
        connection.execute(insert(SigningKey), made)


def _retire_active() -> None:
    keys()
    now, following = tables.now(), _new("next")
    retired = {"state": "retired", "retired_at": now, "private": ""}
    with db.transaction(None) as connection:
        _refuse_early(connection, now)
        for statement in (
            delete(SigningKey).where(SigningKey.retired_at < now - _longest_life()),
            update(SigningKey).where(SigningKey.state == "active").values(retired),
            update(SigningKey).where(SigningKey.state == "next").values(state="active"),
            insert(SigningKey).values(following),
        ):
            connection.execute(statement)


def forget_retired() -> int:
    """Remove the keys that no living token is signed with; return how many."""
    ended = SigningKey.retired_at < tables.now() - _longest_life()
    with db.transaction(None) as connection:
        return connection.execute(delete(SigningKey).where(ended)).rowcount


housekeeping.chores.append(housekeeping.Chore("signing_keys", forget_retired))


def _refuse_early(connection: Connection, now: datetime) -> None:
    """Raise Conflict while a verifier may not have seen the next key."""
    # Whoever rotates at the same time waits here.
    following = select(SigningKey.created_at).where(SigningKey.state == "next")
    published_at = connection.execute(following.with_for_update()).scalar()
    if published_at is None:  # somebody else was faster
        raise Conflict("The keys have just been rotated.")
    known_at = published_at + timedelta(seconds=2 * PUBLISHED_SECONDS)
    if known_at > now:
        raise Conflict(
            "The next key is not known to every verifier yet: rotate after"
            f" {known_at:%H:%M:%S} UTC, or at once with --compromised."
        )


def _new(state: str) -> dict[str, Any]:
    key = RSAKey.generate_key(BITS)
    kid = key.thumbprint()  # RFC 7638
    public = {**key.as_dict(private=False), "kid": kid, "alg": ALGORITHM, "use": "sig"}
    sealed = _seal().encrypt(key.as_pem(private=True)).decode()
    return {"kid": kid, "state": state, "public": public, "private": sealed}


def _unsealed(private: str, kid: str) -> RSAKey:
    try:
        pem = _seal().decrypt(private.encode())
    except InvalidToken:
        raise Unavailable() from RuntimeError(
            "the signing keys are sealed under another SECRET_KEY: give that one, or"
            " make new keys with `flask keys rotate --compromised`"
        )
    return _imported(pem, kid)


@lru_cache(8)
def _imported(pem: bytes, kid: str) -> RSAKey:
    """Return a private key; OpenSSL checks it for 65 ms, so it is imported once."""
    return RSAKey.import_key(pem, {"kid": kid})


def _seal() -> Fernet:
    return Fernet(urlsafe_b64encode(derived("signing keys")))

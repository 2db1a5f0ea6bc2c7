"""Opaque tokens: API keys, refresh tokens, authorization codes, one-time links.

A token is a prefix that names its kind, and base64url of the account's id, 256 bits
of secret and a CRC-32. The account leads to the row in one statement, the checksum
spares the look-up for what is no token. Only the SHA-256 is stored (docs/adr/0004).
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import crc32
from hashlib import sha256
from secrets import token_bytes
from uuid import UUID

SECRET_BYTES = 32


def new_token(prefix: str, account_id: UUID, secret: bytes | None = None) -> str:
    """Return a token of an account that carries a secret of 32 bytes."""
    body = account_id.bytes + (secret or token_bytes(SECRET_BYTES))
    checksum = crc32(body).to_bytes(4, "big")
    return prefix + urlsafe_b64encode(body + checksum).rstrip(b"=").decode()


def account_of(prefix: str, token: str) -> UUID | None:
    """Return the account that a well-formed token names, None for anything else."""
    try:
        raw = urlsafe_b64decode(token.removeprefix(prefix) + "==")
        account_id, secret = UUID(bytes=raw[:16]), raw[16:48]
    except ValueError:
        return None
    if len(secret) < SECRET_BYTES:
        return None
    # base64 reads many spellings alike; a token has the one that we gave it.
    return account_id if token == new_token(prefix, account_id, secret) else None


def digest(token: str) -> str:
    """Return what is stored of a token: its SHA-256, in hex."""
    return sha256(token.encode()).hexdigest()

"""What clients send and see of keys, as types for editors and mypy.

Written by `./run flask contracts types --write` from the contracts: change those.
"""

from typing import TypedDict


class KeySetDocumentKeysItem(TypedDict):
    """An object inside."""

    kty: str
    kid: str
    alg: str
    use: str
    n: str
    e: str


class KeySetDocument(TypedDict):
    """What clients see of KeySet."""

    keys: list[KeySetDocumentKeysItem]

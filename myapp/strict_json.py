"""The strict JSON reader in front of everything: one meaning for each body.

Refuses what parsers disagree about (RFC 8259, I-JSON RFC 7493): duplicate names,
NaN and infinities, integers beyond 64 bits, NUL and lone surrogates, byte order
marks, encodings other than UTF-8, and nesting that only an attacker would send.
"""

from math import isfinite
from typing import Any

import jiter

from myapp.errors import BadRequest

DEEPEST = 64
MOST_VALUES = 10_000
INTEGERS = range(-(2**63), 2**63)


def loads(raw: bytes) -> Any:
    """Parse JSON text; raise BadRequest, which never quotes the text."""
    if not raw:
        raise BadRequest("The body is empty: send a JSON document.")
    try:
        document = jiter.from_json(
            raw, catch_duplicate_keys=True, allow_inf_nan=False, cache_mode="keys"
        )
    except ValueError as error:
        raise BadRequest(f"The body is not strict JSON: {_reason(error)}") from None
    check(document)
    return document


def _reason(error: ValueError) -> str:
    text = str(error)
    if text.startswith("Detected duplicate key"):
        return "a name appears twice in one object" + text[text.rfind(" at line") :]
    return text


def check(document: Any) -> None:
    """Raise BadRequest for a value that cannot be stored or sent back as it is."""
    level = [document]
    depth = seen = 0
    while level:
        depth += 1
        seen += len(level)
        if depth > DEEPEST:
            raise BadRequest(f"The document nests deeper than {DEEPEST} levels.")
        if seen > MOST_VALUES:
            raise BadRequest(f"The document has more than {MOST_VALUES} values.")
        level = [child for value in level for child in _children(value)]


def _children(value: Any) -> list[Any]:
    if isinstance(value, str):
        if "\0" in value:
            raise BadRequest("A string holds NUL (U+0000), which cannot be stored.")
    elif isinstance(value, dict):
        return [*value.keys(), *value.values()]
    elif isinstance(value, list):
        return value
    elif isinstance(value, int):
        if value not in INTEGERS:
            raise BadRequest("An integer does not fit into 64 bits.")
    elif isinstance(value, float) and not isfinite(value):
        raise BadRequest("A number is too large for a double.")
    return []

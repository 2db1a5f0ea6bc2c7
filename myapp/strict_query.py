"""The reader of query strings and forms: UTF-8, few parameters, each given once.

Imports `errors` and `pagination`.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from myapp.pagination import bad_parameter

MOST_PARAMETERS = 50


def read_pairs(text: str) -> list[tuple[str, str]]:
    """Return the names and values of `a=1&b=2`; raise ValueError where it is doubtful.

    `text` is as WSGI has it: each character stands for one byte (PEP 3333).
    """
    pairs = parse_qsl(
        text.encode("latin-1").decode(),
        keep_blank_values=True,
        errors="strict",
        max_num_fields=MOST_PARAMETERS,
    )
    return pairs


def read_query(text: str, known: Mapping[str, Any]) -> dict[str, str]:
    """Return the parameters of a query string; raise BadRequest for a doubtful one."""
    if not text:
        return {}
    try:
        pairs = read_pairs(text)
    except ValueError:
        detail = f"must be UTF-8, with at most {MOST_PARAMETERS} parameters"
        raise bad_parameter("", "format", detail) from None
    names = [name for name, _ in pairs]
    for name, value in pairs:
        if name not in known:
            listed = ", ".join(known) or "none"
            raise bad_parameter(
                name, "unknown", f"is not known here; there is: {listed}"
            )
        if "\0" in value:
            raise bad_parameter(name, "format", "holds NUL (U+0000)")
        if names.count(name) > 1:
            raise bad_parameter(name, "unique", "is given twice: give it once")
    return dict(pairs)

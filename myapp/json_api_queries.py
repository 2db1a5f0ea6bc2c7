"""The query parameters of JSON:API: `page[…]`, `filter[…]` and `sort`.

https://jsonapi.org/format/1.1/#query-parameters. Every other one is a 400, as the
specification asks: there is no `include`, and there are no sparse `fields`.
"""

from collections.abc import Mapping
from typing import Any

from myapp.errors import BrokenRule
from myapp.strict_query import read_query

PAGING = ("cursor", "limit", "count")


def outer_name(name: str) -> str:
    """Return a parameter's name in JSON:API: `filter[total][gt]` for `total[gt]`."""
    if name == "sort":
        return name
    if name in PAGING:
        return f"page[{name}]"
    field, bracket, comparison = name.partition("[")
    return f"filter[{field}]{bracket}{comparison}"


def parameters(inner: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of an operation under their names in JSON:API."""
    return {outer_name(name): schema for name, schema in inner.items()}


def inner_query(text: str, known: Mapping[str, Any]) -> dict[str, str]:
    """Return the parameters of a query under the names that a list reads."""
    return {_inner_name(name): text for name, text in read_query(text, known).items()}


def _inner_name(name: str) -> str:
    family, _, rest = name.partition("[")
    return rest.replace("]", "", 1) if rest else family


def in_query(rule: BrokenRule) -> BrokenRule:
    """Return a broken rule of a list's parameter under the name that was sent."""
    return rule._replace(at=f"?{outer_name(rule.at[1:])}")

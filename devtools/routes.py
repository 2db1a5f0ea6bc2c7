"""`./run flask routes`: what is served, by feature, and who may call it."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import click
from flask import Flask

from myapp.access import MEMBER, SAFE, VIEWER
from myapp.operations import Operation
from myapp.plain_features import is_operation, is_public

IMPLIED = {"HEAD", "OPTIONS"}
"""The methods that every view with a GET has."""


class Route(NamedTuple):
    """One line of the list."""

    group: str
    method: str
    url: str
    who: str
    summary: str


def show(app: Flask) -> None:
    """Print the routes of an application, feature by feature, then the pages."""
    found = [*map(_of_operation, app.extensions["operations"]), *_of_views(app)]
    for group in dict.fromkeys(route.group for route in found):
        _show(group, [route for route in found if route.group == group])


def _show(group: str, routes: Sequence[Route]) -> None:
    """Show a group, its columns as wide as they must be."""
    click.secho(f"\n{group}", bold=True)
    widths = [max(map(len, column)) for column in zip(*routes, strict=True)]
    for route in routes:
        padded = map(str.ljust, route[1:], widths[1:])
        click.echo(f"  {'  '.join(padded)}".rstrip())


def _of_operation(operation: Operation) -> Route:
    return Route(
        operation.feature,
        operation.method,
        operation.url,
        operation.rule.text,
        operation.summary,
    )


def _of_views(app: Flask) -> Iterator[Route]:
    """Yield the views of plain features, then the pages."""
    pages = []
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        if is_operation(view):
            continue
        feature, _, name = rule.endpoint.rpartition(".")
        for method in sorted((rule.methods or set()) - IMPLIED):
            if is_public(rule.endpoint, view):
                pages.append(Route("pages", method, rule.rule, "anyone", name))
            else:
                who = VIEWER.text if method in SAFE else MEMBER.text
                yield Route(feature, method, rule.rule, who, name)
    yield from pages

"""All requests, in an order in which each finds what it needs.

First an account of the run's own and who signs in to it; then the features, each after
those whose answers it uses; last, in reverse, what removes.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

import click

from devtools.clients.postman import values
from devtools.clients.postman.request import Json, Request, bearer
from myapp.contract_rules import types_of
from myapp.openapi import Document
from myapp.operations import Operation

SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"


def collection(document: Document, operations: Iterable[Operation]) -> Json:
    """Return the collection of a document's operations."""
    found = _requests(document["paths"], [*operations])
    requests = {request.id: request for request in found}
    first = [requests[id] for id in values.FIRST]
    rest = [requests[id] for id in requests if id not in values.FIRST]
    made = [request for request in rest if request.method != "delete"]
    removed = [request for request in reversed(rest) if request.method == "delete"]
    folders = {"Sign up": first, **_ordered(made, first), "Remove": removed}
    given = [{"key": name, "value": value} for name, value in values.GIVEN.items()]
    info = {"name": document["info"]["title"], "version": document["info"]["version"]}
    return {
        "info": {**info, "schema": SCHEMA},
        "auth": bearer("token"),
        "variable": given,
        "item": [_folder(name, requests) for name, requests in folders.items()],
    }


def _requests(paths: Json, operations: list[Operation]) -> Iterator[Request]:
    declared = {each.id: each for each in operations}
    ids = {each.feature: _parameter_below(each.home, paths) for each in operations}
    for path, methods in paths.items():
        for method, operation in methods.items():
            # What cannot be made here is taken from the list.
            names = method == ("post" if "post" in methods else "get")
            item = _parameter_below(path, paths) if names else ""
            if (id := operation["operationId"]) not in values.LEFT_OUT:
                references = _references(declared[id], ids)
                yield Request(method, path, operation, item, references)


def _parameter_below(path: str, paths: Iterable[str]) -> str:
    """Return the parameter by which one resource of a list is addressed, or nothing."""
    pattern = re.compile(rf"{re.escape(path)}/{{(\w+)}}")
    return next((found[1] for url in paths if (found := pattern.fullmatch(url))), "")


def _references(operation: Operation, ids: Mapping[str, str]) -> Json:
    """Return the fields that refer to another resource, with the id of the one made.

    Where null will do it is null: a resource may refer to its own kind. A body whose
    contract has no table of its own refers to what the answer refers to.
    """
    accepts, answers = operation.accepts, operation.answers
    if accepts is None:
        return {}
    tables = {**(answers.references if answers else {}), **accepts.references}
    found: Json = {}
    for field in tables.keys() & {*accepts.writable}:
        name = ids.get(tables[field]) or field
        nullable = "null" in types_of(accepts.properties[field])
        found[field] = None if nullable else f"{{{{{name}}}}}"
    return found


def _ordered(
    requests: Iterable[Request], first: Iterable[Request]
) -> dict[str, list[Request]]:
    """Return the requests by feature, each feature after those that it needs."""
    waiting: dict[str, list[Request]] = {}
    for request in requests:
        waiting.setdefault(request.operation["tags"][0], []).append(request)
    known = {*values.GIVEN, "etag", *_provided(first)}
    ordered = {}
    while waiting:
        name = _next(waiting, known)
        ordered[name] = sorted(waiting.pop(name), key=_makes_nothing)
        known.update(_provided(ordered[name]))
    return ordered


def _next(waiting: dict[str, list[Request]], known: set[str]) -> str:
    """Return the first feature of which every request has what it needs."""
    for name, requests in waiting.items():
        provided = known.union(_provided(requests))
        if all(request.needs <= provided for request in requests):
            return name
    raise click.ClickException(_lacking(waiting, known))


def _lacking(waiting: dict[str, list[Request]], known: set[str]) -> str:
    rest = [request for requests in waiting.values() for request in requests]
    provided = known.union(_provided(rest))
    lines = [
        f"No answer provides {', '.join(sorted(missing))}, which {request.id} needs.\n"
        for request in rest
        if (missing := request.needs - provided)
    ] or [f"These features need one another: {', '.join(waiting)}.\n"]
    remedy = "say which answer does, or leave it out, in devtools/clients/postman"
    return f"{''.join(lines)}For each, {remedy}/values.py."


def _provided(requests: Iterable[Request]) -> set[str]:
    return {name for request in requests for name in request.provides}


def _makes_nothing(request: Request) -> bool:
    """Sort what makes a resource, on which others work, ahead of them."""
    return not (request.item and request.method == "post")


def _folder(name: str, requests: Iterable[Request]) -> Json:
    return {"name": name, "item": [request.document() for request in requests]}

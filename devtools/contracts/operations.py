"""The changes between two OpenAPI documents, operation by operation.

An operation is known by its method and path, whatever its parameters are called there.
"""

import re
from collections.abc import Iterator
from typing import Any

from devtools.contracts.rules import Change, Direction, Level
from devtools.contracts.schemas import Difference, compare

Document = dict[str, Any]
Documents = dict[str, Document]
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
REQUEST, RESPONSE = Direction
WHOLE = "operation"
"""Where something is that is neither in the request nor in an answer."""


def changes(released: Document, current: Document) -> list[Change]:
    """Return what has changed for clients, the worst first."""
    was, now = _operations(released), _operations(current)
    found: dict[Change, None] = {}  # in order; media types often share a schema
    for key, (name, operation) in (was | now).items():
        if key not in now:
            found[Change(name, REQUEST, WHOLE, "operation-removed", "")] = None
        elif key not in was:
            found[Change(name, REQUEST, WHOLE, "operation-added", "")] = None
        else:
            for direction, difference in _of_operation(was[key][1], operation):
                found[Change(name, direction, *difference)] = None
    return sorted(found, key=lambda change: [*Level].index(change.level))


def _operations(document: Document) -> dict[tuple[str, str], tuple[str, Document]]:
    """Return each operation with its name, by its method and its anonymous path."""
    resolved = _resolved(document["paths"], document)
    return {
        (method, re.sub(r"\{\w+\}", "{}", path)): (f"{method.upper()} {path}", item)
        for path, methods in resolved.items()
        for method, item in methods.items()
        if method in METHODS
    }


def _resolved(part: Any, document: Document) -> Any:
    """Return a part of a document with what its references refer to in their place."""
    if isinstance(part, list):
        return [_resolved(item, document) for item in part]
    if not isinstance(part, dict):
        return part
    if isinstance(part.get("$ref"), str):
        target: Any = document
        for step in part["$ref"].removeprefix("#/").split("/"):
            target = target[step.replace("~1", "/").replace("~0", "~")]
        return _resolved(target, document)
    return {key: _resolved(value, document) for key, value in part.items()}


Found = Iterator[tuple[Direction, Difference]]


def _of_operation(old: Document, new: Document) -> Found:
    if old == new:
        return
    for difference in (
        *_of_identity(old, new),
        *_of_access(old, new),
        *_of_parameters(old, new),
        *_of_body(old.get("requestBody"), new.get("requestBody")),
    ):
        yield REQUEST, difference
    for difference in _of_answers(old["responses"], new["responses"]):
        yield RESPONSE, difference


def _of_identity(old: Document, new: Document) -> Iterator[Difference]:
    was, now = old.get("operationId"), new.get("operationId")
    if was != now:
        yield Difference(WHOLE, "operation-renamed", f"{was} → {now}")
    if new.get("deprecated") and not old.get("deprecated"):
        yield Difference(WHOLE, "deprecated")


# who may call it


def _of_access(old: Document, new: Document) -> Iterator[Difference]:
    """Compare the credentials, else the description: ours says which role is asked."""
    was, now = (_security(each) for each in (old, new))
    if lost := [one for one in was if not any(_fits(one, other) for other in now)]:
        yield Difference(WHOLE, "security-tightened", f"without {_credentials(lost)}")
    elif won := [one for one in now if not any(_fits(one, other) for other in was)]:
        yield Difference(WHOLE, "security-loosened", f"also {_credentials(won)}")
    elif (said := old.get("description")) != new.get("description"):
        yield Difference(WHOLE, "rule-changed", f"{said} → {new.get('description')}")


Credential = dict[str, list[str]]


def _security(operation: Document) -> list[Credential]:
    """Return the credentials that are admitted, each with its scopes; {} is none."""
    return operation.get("security") or [{}]


def _fits(credential: Credential, asked: Credential) -> bool:
    """Tell whether somebody with one credential has what another one asks for."""
    return all(
        scheme in credential and set(scopes) <= set(credential[scheme])
        for scheme, scopes in asked.items()
    )


def _credentials(them: list[Credential]) -> str:
    """Return them in words: `bearer, oauth customers:read`."""
    return ", ".join(
        " and ".join(" ".join([scheme, *scopes]) for scheme, scopes in one.items())
        or "nobody's"
        for one in them
    )


# what is sent


def _of_parameters(old: Document, new: Document) -> Iterator[Difference]:
    was, now = (_parameters(each) for each in (old, new))
    for where in was | now:
        before, after = was.get(where), now.get(where)
        if after is None:
            yield Difference(where, "parameter-removed")
        elif before is None:
            must = "required-" if after.get("required") else ""
            yield Difference(where, f"{must}parameter-added")
        else:
            yield from _of_need("parameter", where, before, after)
            yield from compare(before["schema"], after["schema"], where)


def _parameters(operation: Document) -> dict[str, Document]:
    """Return the parameters by their place; those of the path have only their order."""
    found: dict[str, Document] = {}
    for parameter in operation.get("parameters", ()):
        place, name = parameter["in"], parameter["name"]
        if place == "path":
            name = str(sum(where.startswith("path ") for where in found) + 1)
        found[f"{place} {name}"] = parameter
    return found


def _of_need(
    thing: str, where: str, old: Document, new: Document
) -> Iterator[Difference]:
    was, now = bool(old.get("required")), bool(new.get("required"))
    if was != now:
        yield Difference(where, f"{thing}-made-{'required' if now else 'optional'}")


def _of_body(old: Document | None, new: Document | None) -> Iterator[Difference]:
    if new is None or old is None:
        if old is not None:
            yield Difference("body", "body-removed")
        elif new is not None:
            must = "required-" if new.get("required") else ""
            yield Difference("body", f"{must}body-added")
        return
    yield from _of_need("body", "body", old, new)
    yield from _of_content(old["content"], new["content"], "body")


# what is read


def _of_answers(old: Documents, new: Documents) -> Iterator[Difference]:
    """Compare the answers by status; those that are problems have one shape."""
    for status in old | new:
        failed = status >= "400"
        what, where = ("problem", "problem") if failed else ("status", status)
        if status not in new:
            yield Difference(where, f"{what}-removed", status)
        elif status not in old:
            yield Difference(where, f"{what}-added", status)
        else:
            yield from _of_answer(old[status], new[status], where)


def _of_answer(old: Document, new: Document, where: str) -> Iterator[Difference]:
    was, now = (each.get("headers", {}) for each in (old, new))
    for name in was | now:
        if name not in now:
            yield Difference(f"{where} {name}", "header-removed")
        elif name not in was:
            yield Difference(f"{where} {name}", "header-added")
        else:
            before, after = was[name]["schema"], now[name]["schema"]
            yield from compare(before, after, f"{where} {name}")
    yield from _of_content(old.get("content", {}), new.get("content", {}), where)


# what both have


def _of_content(old: Documents, new: Documents, where: str) -> Iterator[Difference]:
    """Compare the schemas by media type."""
    for media_type in old | new:
        if media_type not in new:
            yield Difference(where, "media-type-removed", media_type)
        elif media_type not in old:
            yield Difference(where, "media-type-added", media_type)
        else:
            was, now = old[media_type]["schema"], new[media_type]["schema"]
            for found in compare(was, now):
                place = f"{where} {found.where}".rstrip()
                yield found._replace(where=place)

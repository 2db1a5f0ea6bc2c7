"""The two patch formats: JSON Merge Patch (RFC 7396) and JSON Patch (RFC 6902).

A patch applies to the document that clients see and may change what they may write.
The result is validated by the contract, so a patch can do nothing a PUT could not.
A `test` of a proof, as of the current password, hands its value over instead of
comparing it; only the feature can tell whether it is right.
"""

from collections.abc import Callable, Collection
from copy import deepcopy
from typing import Any, Generic

import jsonpatch
from jsonpointer import JsonPointer, JsonPointerException
from typing_extensions import TypeVar

from myapp import strict_json
from myapp.contract import Contract
from myapp.errors import BadRequest, BrokenRule, Conflict, InvalidBody, Unprocessable

MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
MOST_OPERATIONS = 100

Document = dict[str, Any]
Written = TypeVar("Written", default=Any, covariant=True)
"""The values that a patch writes; a feature's `shapes` have their type."""


class Patch(Generic[Written]):
    """A patch on one contract's documents; call it with the current document."""

    def __init__(self, contract: Contract, apply: Callable[[Document], Any]) -> None:
        self._contract = contract
        self._apply = apply

    def __call__(self, document: Any) -> Written:
        """Return the values to write; raise InvalidBody, Conflict, Unprocessable."""
        patched = self._apply(document)
        if not isinstance(patched, dict):
            rule = BrokenRule("", "type", "must stay an object")
            raise InvalidBody("The patch replaces the whole document.", [rule])
        assigned = self._contract.assigned
        _refuse_changes(assigned, document, patched)
        written = {f: patched[f] for f in patched if f not in assigned}
        return self._contract.validate_change(written)  # type: ignore[return-value]


def _refuse_changes(
    assigned: Collection[str], document: Document, patched: Document
) -> None:
    rules = [
        BrokenRule(f"/{field}", "readOnly", "is assigned by the server")
        for field in assigned
        if field not in patched or patched[field] != document[field]
    ]
    if rules:
        raise Unprocessable("The patch changes what the server assigns.", rules)


def read_patch(contract: Contract, media_type: str, raw: bytes) -> Patch:
    """Read a patch of either format; raise BadRequest for a malformed one."""
    parsed = strict_json.loads(raw)
    if media_type == MERGE_PATCH:
        if not isinstance(parsed, dict):
            raise BadRequest("A merge patch is a JSON object (RFC 7396).")
        return Patch(contract, lambda document: merge(document, parsed))
    return Patch(contract, _json_patch(parsed, contract.proofs))


def merge(target: Any, patch: Any) -> Any:
    """Return the target with a merge patch applied (RFC 7396, section 2)."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge(merged.get(name), value)
    return merged


def _json_patch(parsed: Any, proofs: Collection[str]) -> Callable[[Document], Any]:
    if not isinstance(parsed, list) or len(parsed) > MOST_OPERATIONS:
        raise BadRequest(
            f"A JSON Patch is an array of at most {MOST_OPERATIONS} operations"
            " (RFC 6902)."
        )
    steps = [_step(index, operation) for index, operation in enumerate(parsed)]
    given = _given(parsed, proofs)
    return lambda document: _apply(steps, document, given)


def _given(operations: list[Any], proofs: Collection[str]) -> dict[int, Document]:
    """Return the proofs that tests hand over, by the index of the test.

    They come before the first change, as what permits it.
    """
    paths = {f"/{field}": field for field in proofs}
    given = {
        index: {paths[operation["path"]]: operation["value"]}
        for index, operation in enumerate(operations)
        if operation["op"] == "test" and operation["path"] in paths
    }
    for index in given:
        if any(operation["op"] != "test" for operation in operations[:index]):
            rule = BrokenRule(
                f"/{index}", "order", "comes after a change: put it first"
            )
            raise BadRequest("A test of this member permits what follows it.", [rule])
    return given


def _step(index: int, operation: Any) -> jsonpatch.JsonPatch:
    """Read one operation; the library itself looks at `op` and `path` only."""
    try:
        step = jsonpatch.JsonPatch([operation])
        if operation["op"] in ("move", "copy"):
            JsonPointer(operation["from"])
        elif operation["op"] != "remove":
            operation["value"]
    except (jsonpatch.InvalidJsonPatch, JsonPointerException, TypeError, KeyError):
        rule = BrokenRule(f"/{index}", "operation", "is no operation of RFC 6902")
        raise BadRequest(
            "Each operation of a JSON Patch has `op` (add, remove, replace, move, copy"
            " or test), `path`, and `value` or `from` where it needs them (RFC 6902).",
            [rule],
        ) from None
    return step


def _apply(
    steps: list[jsonpatch.JsonPatch], document: Any, given: dict[int, Document]
) -> Any:
    document = deepcopy(document)
    for index, step in enumerate(steps):
        if index in given:
            document |= given[index]
            continue
        try:
            document = step.apply(document, in_place=True)
        except jsonpatch.JsonPatchTestFailed:
            rule = BrokenRule(f"/{index}", "test", "the value is another one")
            raise Conflict("A test of the patch failed.", [rule]) from None
        except (jsonpatch.JsonPatchException, JsonPointerException, TypeError):
            rule = BrokenRule(f"/{index}/path", "path", "leads nowhere")
            raise Unprocessable("The patch cannot be applied.", [rule]) from None
        strict_json.check(document)  # copies of copies must not grow without bound
    return document

"""The documents of JSON:API, made from contracts: resource objects, both ways.

https://jsonapi.org/format/1.1/#document-structure. A field that refers to another
resource by a foreign key is a relationship (`user_id` → `user`, if that name is free),
every other one but the id an attribute. Knows no request.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from myapp.contract import Contract, compiled, pointer
from myapp.errors import BrokenRule, Conflict, Forbidden, InvalidBody
from myapp.json_api_errors import VERSION
from myapp.repository import Record

Document = dict[str, Any]

IDENTIFIER = {
    "type": ["object", "null"],
    "properties": {"type": {"type": "string"}, "id": {"type": "string"}},
    "required": ["type", "id"],
}
_is_document = compiled(
    {
        "type": "object",
        "properties": {
            "data": {
                "type": "object",
                "properties": {
                    "type": {"type": "string"},
                    "id": {"type": "string"},
                    "attributes": {"type": "object"},
                    "relationships": {
                        "type": "object",
                        "patternProperties": {"^@": {}},
                        "additionalProperties": {
                            "type": "object",
                            "properties": {"data": IDENTIFIER},
                            "required": ["data"],
                        },
                    },
                },
                "required": ["type"],
            }
        },
        "required": ["data"],
    }
)
"""What is not in here is ignored, as the specification asks."""

known: dict[str, "ResourceType"] = {}
"""The types that can be retrieved, by name: that of their feature and their table."""


class Relationship(NamedTuple):
    """What a field refers to: one resource of a type."""

    field: str
    name: str
    type: "ResourceType"


@dataclass(frozen=True)
class ResourceType:
    """What clients call a feature's records: their type, and where they are."""

    name: str
    home: str
    contract: Contract

    @cached_property
    def relationships(self) -> Mapping[str, Relationship]:
        """The relationships, by field; known once all features are imported."""
        return {
            field: Relationship(field, self._short(field), known[table])
            for field, table in self.contract.references.items()
            if table in known
        }

    def _short(self, field: str) -> str:
        """Return a relationship's name, which no attribute has (1.1, fields)."""
        name = field.removesuffix("_id")
        taken = {"type", "id", *self.contract.properties}
        return field if name in taken else name

    @property
    def is_known(self) -> bool:
        """Whether its resources can be retrieved, each by its own address."""
        return self.name in known

    def field_of(self, name: str) -> str | None:
        """Return the field of a relationship."""
        found = {each.name: field for field, each in self.relationships.items()}
        return found.get(name)

    def address(self, id: str, root: str) -> Document:
        """Return the link to a resource, if it can be retrieved."""
        return {"links": {"self": f"{root}{self.home}/{id}"}} if self.is_known else {}

    def show(self, contract: Contract, record: Record, root: str) -> Document:
        """Return the resource object of a record, with links below `root`."""
        attributes = contract.document(record)
        id = attributes.pop("id")
        shown: Document = {"type": self.name, "id": id, "attributes": attributes}
        related = {
            each.name: _linked(each.type, attributes.pop(field), root)
            for field, each in self.relationships.items()
            if field in attributes
        }
        if related:
            shown["relationships"] = related
        return shown | self.address(id, root)

    def read_new(self, document: Any, contract: Contract) -> Document:
        """Return the fields in a document that asks for a new resource."""
        data = self._data(document)
        if "id" in data:
            rule = BrokenRule("#/data/id", "id", "is assigned here: leave it out")
            raise Forbidden("Ids of clients are not supported.", [rule])
        needed = {*contract.write_schema["required"]} - self.relationships.keys()
        if needed and "attributes" not in data:
            raise _invalid("#/data", "required", "lacks `attributes`")
        return self._fields(data)

    def read_change(self, document: Any, id: str) -> Document:
        """Return the fields to change in the resource of an id."""
        data = self._data(document)
        if "id" not in data:
            raise _invalid("#/data", "required", "lacks `id`")
        if data["id"] != id:
            rule = BrokenRule("#/data/id", "id", "is not the one in the URL")
            raise Conflict("The document is of another resource.", [rule])
        return self._fields(data)

    def _data(self, document: Any) -> Document:
        """Return the resource object of a document; raise InvalidBody, Conflict."""
        for error in _is_document.iter_errors(document):
            at = f"#{pointer([*error.instance_path])}"
            missing = getattr(error.kind, "property", None)
            detail = f"lacks `{missing}`" if missing else "is of the wrong type"
            raise _invalid(at, error.kind.name, detail)
        data: Document = document["data"]
        if data["type"] != self.name:
            rule = BrokenRule("#/data/type", "type", f"must be {self.name}")
            raise Conflict("The collection has another type.", [rule])
        return data

    def _fields(self, data: Document) -> Document:
        """Return attributes and relationships as the fields of the contract."""
        given = _members(data.get("attributes", {}))
        for misplaced in given.keys() & self.relationships.keys():
            name = self.relationships[misplaced].name
            at = f"#/data/attributes/{misplaced}"
            raise _invalid(at, "relationship", f"is the relationship `{name}`")
        for name, linkage in _members(data.get("relationships", {})).items():
            at = f"#{pointer(['data', 'relationships', name])}"
            field = self.field_of(name)
            if field is None:
                raise _invalid(at, "additionalProperties", "is no relationship here")
            given[field] = _id_in(linkage["data"], self.relationships[field], at)
        return given

    def locate(self, at: str, rule: str) -> str:
        """Return where in a document the field is that a pointer leads to.

        What is missing is pointed to by where it should be (1.1, error objects).
        """
        field, _, below = at[1:].partition("/")
        is_missing = rule == "required" and not below
        if field in self.relationships:
            name = self.relationships[field].name
            return "/data" if is_missing else f"/data/relationships/{name}"
        return "/data/attributes" if is_missing else f"/data/attributes{at}"


def whole(content: Document) -> Document:
    """Return a document that says which version of the specification it keeps."""
    return {"jsonapi": VERSION, **content}


def _linked(type: ResourceType, id: str | None, root: str) -> Document:
    if id is None:
        return {"data": None}
    related = f"{root}{type.home}/{id}"
    return {"data": {"type": type.name, "id": id}, "links": {"related": related}}


def _members(given: Mapping[str, Any]) -> Document:
    """Return the members of an object but those that begin with `@`."""
    return {name: value for name, value in given.items() if name[:1] != "@"}


def _id_in(linkage: Document | None, expected: Relationship, at: str) -> Any:
    if linkage is None:
        return None
    if linkage["type"] != expected.type.name:
        text = f"must be {expected.type.name}"
        raise _invalid(f"{at}/data/type", "type", text)
    return linkage["id"]


def _invalid(at: str, rule: str, detail: str) -> InvalidBody:
    text = "The body is no such document of JSON:API."
    return InvalidBody(text, [BrokenRule(at, rule, detail)])

"""Breaking changes that are let through until a day, each with its reason."""

from datetime import date
from fnmatch import fnmatchcase

import click
import msgspec

from devtools.contracts import documents
from devtools.contracts.rules import Change, Level

FILE = "docs/openapi-waivers.toml"


class Waiver(msgspec.Struct, forbid_unknown_fields=True):
    """One `[[waiver]]` of the file; `*` in an operation stands for anything."""

    operation: str
    where: str
    change: str
    reason: str
    until: date

    def covers(self, change: Change) -> bool:
        """Tell whether the waiver is about a change, whatever the day."""
        about = (self.where, self.change) == (change.where, change.kind)
        breaks = change.level is Level.BREAKING
        return breaks and about and fnmatchcase(change.operation, self.operation)

    @property
    def name(self) -> str:
        """Return what tells the waiver from the others."""
        return f"{FILE}: the waiver for {self.operation}, {self.where}, {self.change}"

    @property
    def expired(self) -> bool:
        """Tell whether its last day is over."""
        return self.until < date.today()


class _File(msgspec.Struct, forbid_unknown_fields=True):
    waiver: list[Waiver] = []


def read() -> list[Waiver]:
    """Return the waivers; say which is not well-formed, and how."""
    file = documents.ROOT / FILE
    if not file.exists():
        return []
    try:
        return msgspec.toml.decode(file.read_text(), type=_File).waiver
    except msgspec.DecodeError as error:
        raise click.ClickException(
            f"{FILE}: {error}. A [[waiver]] has operation, where, change, reason and"
            " until, a date as in 2027-01-31."
        ) from error

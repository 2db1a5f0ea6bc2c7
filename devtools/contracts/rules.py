"""What each change of a contract means for clients, who send and who read.

The table is the policy: a request that was right stays right, and an answer stays one
that a client could read before. Fields that a client does not know it passes over.
"""

from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    """How much a change asks of clients; the worst first."""

    BREAKING = "breaking"
    RISKY = "risky"
    SAFE = "safe"


class Direction(StrEnum):
    """Which half of the conversation has changed."""

    REQUEST = "request"
    RESPONSE = "response"


BREAKING, RISKY, SAFE = Level
NEVER = None
"""In place of a level: this direction has no such change."""


class Rule(NamedTuple):
    """What a kind of change is in each direction, and what takes it back."""

    request: Level | None
    response: Level | None
    undo: str = ""


RULES = {
    # fields
    "field-added": Rule(SAFE, SAFE),
    "required-field-added": Rule(BREAKING, SAFE, "Give it a default"),
    "field-removed": Rule(BREAKING, BREAKING, "Keep it, perhaps as deprecated"),
    "field-made-required": Rule(BREAKING, SAFE, "Give it a default"),
    "field-made-optional": Rule(SAFE, BREAKING, "Answer with it always"),
    "field-made-read-only": Rule(BREAKING, SAFE, "Let clients set it"),
    "field-made-writable": Rule(SAFE, SAFE),
    "field-made-write-only": Rule(SAFE, BREAKING, "Show it"),
    "field-made-readable": Rule(SAFE, SAFE),
    "object-opened": Rule(SAFE, RISKY),
    "object-closed": Rule(BREAKING, SAFE, "Admit other fields"),
    # values
    "type-added": Rule(SAFE, BREAKING, "Answer with the old type"),
    "type-removed": Rule(BREAKING, SAFE, "Take the old type, too"),
    "type-changed": Rule(BREAKING, BREAKING, "Add a field for the new type"),
    "null-allowed": Rule(SAFE, BREAKING, "Answer with a value always"),
    "null-refused": Rule(BREAKING, SAFE, "Take null, too"),
    "value-added": Rule(SAFE, RISKY),
    "value-removed": Rule(BREAKING, SAFE, "Take it, too"),
    "values-limited": Rule(BREAKING, SAFE, "Take other values, too"),
    "values-unlimited": Rule(SAFE, RISKY),
    "limit-loosened": Rule(SAFE, RISKY),
    "limit-tightened": Rule(BREAKING, SAFE, "Leave the limit where it was"),
    "limit-changed": Rule(BREAKING, RISKY, "Leave the limit as it was"),
    "pattern-added": Rule(BREAKING, SAFE, "Take what does not fit it, too"),
    "pattern-changed": Rule(BREAKING, RISKY, "Leave the pattern as it was"),
    "pattern-removed": Rule(SAFE, RISKY),
    "format-added": Rule(BREAKING, SAFE, "Take what does not fit it, too"),
    "format-changed": Rule(BREAKING, BREAKING, "Add a field for the new format"),
    "format-removed": Rule(SAFE, BREAKING, "Answer in the old format"),
    "alternative-added": Rule(SAFE, BREAKING, "Answer with the old ones"),
    "alternative-removed": Rule(BREAKING, SAFE, "Take it, too"),
    "default-added": Rule(SAFE, SAFE),
    "default-changed": Rule(RISKY, SAFE),
    "default-removed": Rule(RISKY, SAFE),
    "deprecated": Rule(SAFE, SAFE),
    "keyword-changed": Rule(BREAKING, BREAKING, "Leave it as it was"),
    # operations
    "operation-added": Rule(SAFE, NEVER),
    "operation-removed": Rule(BREAKING, NEVER, "Keep it, perhaps as deprecated"),
    "operation-renamed": Rule(RISKY, NEVER),
    "security-tightened": Rule(BREAKING, NEVER, "Admit the credentials of before"),
    "security-loosened": Rule(SAFE, NEVER),
    "rule-changed": Rule(RISKY, NEVER),
    "parameter-added": Rule(SAFE, NEVER),
    "required-parameter-added": Rule(BREAKING, NEVER, "Make it optional"),
    "parameter-removed": Rule(BREAKING, NEVER, "Keep it, perhaps as deprecated"),
    "parameter-made-required": Rule(BREAKING, NEVER, "Leave it optional"),
    "parameter-made-optional": Rule(SAFE, NEVER),
    "body-added": Rule(SAFE, NEVER),
    "required-body-added": Rule(BREAKING, NEVER, "Make it optional"),
    "body-removed": Rule(BREAKING, NEVER, "Take it as before"),
    "body-made-required": Rule(BREAKING, NEVER, "Leave it optional"),
    "body-made-optional": Rule(SAFE, NEVER),
    "media-type-added": Rule(SAFE, SAFE),
    "media-type-removed": Rule(BREAKING, BREAKING, "Keep it"),
    "status-added": Rule(NEVER, RISKY),
    "status-removed": Rule(NEVER, BREAKING, "Answer with it as before"),
    "problem-added": Rule(NEVER, SAFE),
    "problem-removed": Rule(NEVER, SAFE),
    "header-added": Rule(NEVER, SAFE),
    "header-removed": Rule(NEVER, BREAKING, "Send it as before"),
}


class Change(NamedTuple):
    """One difference, as clients of one operation meet it."""

    operation: str
    direction: Direction
    where: str
    kind: str
    detail: str

    @property
    def level(self) -> Level:
        """Return what the change asks of clients."""
        rule = RULES[self.kind]
        sent = self.direction is Direction.REQUEST
        level = rule.request if sent else rule.response
        assert level is not NEVER, f"{self.kind} is of the other direction"
        return level

    @property
    def undo(self) -> str:
        """Return what takes the change back."""
        return RULES[self.kind].undo

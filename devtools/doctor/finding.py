"""One thing that was looked at. Standard library only."""

from typing import NamedTuple, Self


class Finding(NamedTuple):
    """What was found, with the remedy where it is wrong."""

    is_ok: bool
    text: str

    @classmethod
    def of(cls, refusal: str | None, otherwise: str) -> Self:
        """Return what is wrong where there is a reason, else what is well."""
        return cls(refusal is None, refusal or otherwise)

    def __str__(self) -> str:
        text = self.text.strip().replace("\n", "\n       ")
        return f"{'ok' if self.is_ok else 'wrong':<6} {text}"

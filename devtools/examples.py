"""Bodies made from contracts: for seeds, and for the tests of every feature."""

from typing import Any

from myapp import openapi
from myapp.contract import Contract
from myapp.errors import InvalidBody


def marked(contract: Contract, mark: str) -> dict[str, Any]:
    """Return a body that the contract admits, with a mark wherever it takes any text.

    The mark also makes the unique values unique: let it be short, and a valid slug.
    """
    body = openapi.example(contract)
    for field in body:
        # A password that is the address's local part would be refused.
        secret = contract.properties[field].get("writeOnly", False)
        own = f"{mark} in secret" if secret else mark
        for text in (own, f"{mark}@example.com", f"https://example.com/{mark}"):
            if _admits(contract, body | {field: text}):
                body[field] = text
                break
    return body


def _admits(contract: Contract, body: dict[str, Any]) -> bool:
    try:
        contract.validate(body)
    except InvalidBody:
        return False
    return True

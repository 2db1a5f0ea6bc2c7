"""What is derived from SECRET_KEY: one key for each purpose, so that none is shared."""

import hmac

from myapp import db
from myapp.settings import SettingsError


def derived(purpose: str, value: bytes = b"") -> bytes:
    """Return 32 bytes that belong to a purpose, and to a value."""
    key = db.stores().settings["SECRET_KEY"].encode()
    if not key:
        raise SettingsError(
            "SECRET_KEY is not set: start with ./run, which makes one, or set it in"
            " instance/config.py"
        )
    purposeful = hmac.digest(key, purpose.encode(), "sha256")
    return hmac.digest(purposeful, value, "sha256")

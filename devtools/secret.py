"""The secret of this checkout: made by the first start, the same at every other.

The demo data come from it and, in development, SECRET_KEY. So it is written down before
an application is loaded. Imports the standard library only: `./run` waits for it.
"""

import fcntl
import os
import re
import secrets
from pathlib import Path

LINE = re.compile(r"""^DEVELOPMENT_SECRET *= *["'](.+)["']""", re.MULTILINE)
NEW = """\
# Made on the first start; the demo's passwords and keys come from it.
DEVELOPMENT_SECRET = "{}"
"""


def kept_in(instance: Path) -> str:
    """Return the secret in the settings of an instance folder; write one, if need be.

    Whoever starts at the same time waits, and gets the same one.
    """
    instance.mkdir(exist_ok=True)
    # Only its owner may read the file, from the moment that it is there.
    with open(instance / "config.py", "a+", opener=_for_owner) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        text = file.read()
        if found := LINE.findall(text):
            return str(found[-1])  # the last one counts, as in Python
        os.fchmod(file.fileno(), 0o600)
        secret = secrets.token_urlsafe(32)
        file.write(f"\n{NEW}".format(secret) if text else NEW.format(secret))
    return secret


def _for_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)

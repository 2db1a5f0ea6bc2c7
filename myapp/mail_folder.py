"""Mail in development: it leaves for a folder, and the log shows it."""

import logging
import os
from contextlib import suppress
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from urllib.parse import unquote, urlsplit

from uuid_utils import uuid7

logger = logging.getLogger("myapp.mail")

MOST_KEPT = 50


def keep(url: str, message: EmailMessage) -> None:
    """Log a message with its text, and write it to the folder of a URL."""
    logger.info(
        "mail to %s: %s\n%s", message["To"], message["Subject"], message.get_content()
    )
    folder = _path(url)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(folder, message)
    for old in _files(folder)[MOST_KEPT:]:
        old.unlink(missing_ok=True)


def kept(url: str) -> list[EmailMessage]:
    """Return the messages in the folder of a URL, the newest first."""
    found = []
    for file in _files(_path(url)):
        with suppress(FileNotFoundError):  # another process has just removed it
            found.append(message_from_bytes(file.read_bytes(), policy=default))
    return found


def _path(url: str) -> Path:
    return Path(unquote(urlsplit(url).path))


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.eml"), reverse=True)


def _write(folder: Path, message: EmailMessage) -> None:
    """Write a message under a name that sorts by age, at once, for the owner alone."""
    name = uuid7()
    draft = folder / f"{name}.part"
    created = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(created, "wb") as file:
        file.write(message.as_bytes())
    draft.rename(folder / f"{name}.eml")

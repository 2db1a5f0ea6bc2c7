"""Mail, as the features see it: `send(Message(to, subject, text))`.

`MAIL_URL` says how it leaves: by SMTP, or into a folder in development.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from functools import partial
from typing import NamedTuple
from urllib.parse import urlsplit
from uuid import uuid4

from myapp import background, db, mail_folder, smtp

TRANSPORTS: dict[str, Callable[[str, EmailMessage], None]] = {
    "smtp": smtp.deliver,
    "smtps": smtp.deliver,
    "file": mail_folder.keep,
}
"""How mail leaves, by the scheme of `MAIL_URL`."""


class Message(NamedTuple):
    """A mail of plain text to one address."""

    to: str
    subject: str
    text: str


def send(message: Message) -> None:
    """Send a message once the open transaction has committed, or now; never wait.

    A message that cannot be sent is logged, without its text. Links in the text start
    with the setting PUBLIC_URL: the Host header is the caller's to choose.
    """
    db.after_commit(partial(background.run, _deliver, message))


def _deliver(message: Message) -> None:
    settings = db.stores().settings
    transport = TRANSPORTS[urlsplit(settings["MAIL_URL"]).scheme]
    transport(settings["MAIL_URL"], compose(message, settings["MAIL_FROM"]))


def compose(message: Message, sender: str) -> EmailMessage:
    """Return a message as RFC 5322 writes it.

    Raises what `Address` raises where the recipient is anything but one address.
    """
    composed = EmailMessage()
    composed["From"] = sender
    composed["To"] = Address(addr_spec=message.to)
    # A subject may hold a name that someone chose: no line of it becomes a header.
    composed["Subject"] = " ".join(message.subject.split())
    composed["Date"] = datetime.now(UTC)
    # The same in every try, so that a server that has it already can tell.
    domain = composed["From"].addresses[0].domain
    composed["Message-ID"] = f"<{uuid4().hex}@{domain}>"
    composed["Auto-Submitted"] = "auto-generated"  # RFC 3834: no "I am away" in return
    composed.set_content(message.text)
    return composed

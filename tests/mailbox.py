"""What the application has mailed in a test."""

import re

from flask.testing import FlaskClient

from myapp import background, mail_folder


def mails_to(client: FlaskClient, address: str) -> list[str]:
    """Return the texts of the mails to an address, the newest first."""
    background.drain()
    kept = mail_folder.kept(client.application.config["MAIL_URL"])
    return [mail.get_content() for mail in kept if mail["To"] == address]


def mailed_token(client: FlaskClient, address: str) -> str:
    """Return the token in the newest mail to an address."""
    found = re.search(r"myapp_once_\S+", mails_to(client, address)[0])
    assert found, "the mail has no token"
    return found[0]

"""What users are mailed: an invitation, and a way to a new password.

Both name what a login asks for: the slug of the account, and the address.
"""

from typing import Any

from myapp import db
from myapp.mail import Message


def invitation(account: Any, email: str, token: str) -> Message:
    """Return the mail whose token lets somebody choose their first password."""
    text = (
        f"You are invited to sign in to {account.name}. Choose a password, and send it"
        f" with this token to {_url('/v1/users/invitations/accept')} within a day:"
        f"\n\n{token}\n\n{_login(account, email)}"
    )
    return Message(to=email, subject="You are invited", text=text)


def reset(account: Any, email: str, token: str) -> Message:
    """Return the mail with the token by which somebody chooses another password."""
    text = (
        f"Somebody, perhaps you, asked for a new password at {account.name}. Choose"
        f" one, and send it with this token to"
        f" {_url('/v1/auth/password-reset/confirm')} within an hour:"
        f"\n\n{token}\n\nOtherwise do nothing. {_login(account, email)}"
    )
    return Message(to=email, subject="Your new password", text=text)


def _login(account: Any, email: str) -> str:
    """Say what to send to sign in."""
    return (
        f"Then sign in at {_url('/v1/auth/login')} with\n\n"
        f"    account: {account.slug}\n    username: {email}\n"
    )


def _url(path: str) -> str:
    return f"{db.stores().settings['PUBLIC_URL']}{path}"

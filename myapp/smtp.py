"""Mail by SMTP (RFC 5321): encrypted, bounded in time, tried again where that helps."""

import logging
import re
import ssl
from contextlib import closing, suppress
from email.message import EmailMessage
from smtplib import (
    SMTP,
    SMTP_SSL,
    SMTPNotSupportedError,
    SMTPRecipientsRefused,
    SMTPResponseException,
)
from time import sleep
from urllib.parse import SplitResult, unquote, urlsplit

logger = logging.getLogger("myapp.smtp")

URL = re.compile(
    r"smtps?://"
    r"([^\s:@/?#\[\]]+:[^\s:@/?#\[\]]+@)?"  # what else is in them is percent-encoded
    r"([\w.-]+|\[[0-9a-fA-F:.]+\])(:[0-9]+)?/?"
)
ON_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")
TIMEOUT = 10.0
"""Seconds that the server may take for each step."""

PAUSES = (1.0, 5.0)
"""Seconds before the second try, and before the third and last."""


def is_server(url: str) -> bool:
    """Tell whether a URL names a mail server."""
    with suppress(ValueError):  # a port that is too high, an odd IPv6 address
        return bool(URL.fullmatch(url)) and urlsplit(url).port != 0
    return False


def deliver(url: str, message: EmailMessage) -> None:
    """Hand a message to the server of a URL; log an error where it does not take it."""
    for pause in (*PAUSES, None):
        try:
            _hand_over(urlsplit(url), message)
        except OSError as error:  # smtplib's are among them
            if pause is None or _is_final(error):
                logger.error("%s: not sent: %s", _trace(message), _reason(error))
                return
            sleep(pause)
        else:
            logger.info("%s: sent", _trace(message))
            return


def _hand_over(url: SplitResult, message: EmailMessage) -> None:
    with closing(_connect(url)) as server:
        # A relay on this machine has no certificate to show, and no wire to tap.
        if url.scheme == "smtp" and url.hostname not in ON_THIS_MACHINE:
            server.starttls(context=ssl.create_default_context())
        if url.username and url.password:
            server.login(unquote(url.username), unquote(url.password))
        server.send_message(message)
        with suppress(OSError):  # the server has it: no last word may send it again
            server.quit()


def _connect(url: SplitResult) -> SMTP:
    host = url.hostname or ""
    if url.scheme == "smtps":
        context = ssl.create_default_context()
        return SMTP_SSL(host, url.port or 465, timeout=TIMEOUT, context=context)
    return SMTP(host, url.port or 587, timeout=TIMEOUT)


def _is_final(error: OSError) -> bool:
    """Tell whether the next try would fail alike: 5yz, and what is about TLS."""
    if isinstance(error, SMTPNotSupportedError | ssl.SSLCertVerificationError):
        return True
    return _code(error) >= 500


def _code(error: OSError) -> int:
    """Return the server's reply code (RFC 5321, section 4.2), 0 where there is none."""
    if isinstance(error, SMTPRecipientsRefused):
        [(code, _)] = error.recipients.values()
        return int(code)
    return error.smtp_code if isinstance(error, SMTPResponseException) else 0


def _reason(error: OSError) -> str:
    """Name an error; what the server wrote may repeat what it was sent."""
    return f"{type(error).__name__} {_code(error) or ''}".strip()


def _trace(message: EmailMessage) -> str:
    """Say which message it is: by its id, as the servers log it, and the domain."""
    [recipient] = message["To"].addresses
    return f"mail {message['Message-ID']} to {recipient.domain}"

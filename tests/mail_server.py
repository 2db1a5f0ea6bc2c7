"""A real mail server in a thread, which can refuse, wait and speak TLS."""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from ipaddress import ip_address
from pathlib import Path
from threading import Event, Thread
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

ACCEPTED = "250 accepted"
USER, PASSWORD = "myapp", "s3cret /@ of the mail server"


class MailServer:
    """What a server has received, and how it answers; aiosmtpd calls `handle_…`."""

    def __init__(self) -> None:
        self.port = 0
        self.received: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.tries = 0
        self.replies: list[str] = []
        """What the next messages are answered with; accepted where it is empty."""
        self.hangs_up = False
        """Whether it ends the connection where it should say goodbye."""
        self.encrypted: list[bool] = []
        """Of each message that has come, whether it came by TLS."""
        self.open = Event()
        """Whether it answers at all, or lets a message wait."""
        self.open.set()

    @property
    def url(self) -> str:
        """The `MAIL_URL` of the server, without TLS."""
        return f"smtp://127.0.0.1:{self.port}"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Take a message, or answer what the test has put into `replies`."""
        self.tries += 1
        await asyncio.get_running_loop().run_in_executor(None, self.open.wait, 30)
        reply = self.replies.pop(0) if self.replies else ACCEPTED
        if reply == ACCEPTED:
            message = message_from_bytes(envelope.content, policy=default)
            assert isinstance(message, EmailMessage)
            self.received.append(message)
            self.recipients += envelope.rcpt_tos
            self.encrypted.append(session.ssl is not None)
        return reply

    async def handle_QUIT(self, server: Any, session: Any, envelope: Any) -> str:
        """Say goodbye, or hang up without a word."""
        if self.hangs_up:
            server.transport.abort()
        return "221 bye"


@contextmanager
def mail_server(**options: Any) -> Iterator[MailServer]:
    """Serve on a free port; the options are those of `aiosmtpd.smtp.SMTP`."""
    server, loop = MailServer(), asyncio.new_event_loop()
    over_tls = options.pop("ssl", None)

    def protocol() -> SMTP:
        return SMTP(server, loop=loop, **options)

    listening = loop.run_until_complete(
        loop.create_server(protocol, "127.0.0.1", 0, ssl=over_tls)
    )
    server.port = listening.sockets[0].getsockname()[1]
    thread = Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server
    finally:
        server.open.set()
        loop.call_soon_threadsafe(listening.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(_cancel_all())
        loop.close()


async def _cancel_all() -> None:
    """End the connections that are open."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_default_executor()


def only_user(_server: Any, _session: Any, _envelope: Any, _by: str, data: Any) -> Any:
    """Let USER in, with PASSWORD."""
    known = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=known, handled=False)


def certificate(folder: Path) -> ssl.SSLContext:
    """Return a server's TLS for 127.0.0.1; `folder/ca.pem` is whom to trust for it."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail server")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "key.pem").write_bytes(private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "ca.pem", folder / "key.pem")
    return context

"""Mail leaves after the commit and in the background, by SMTP or for a folder."""

import logging
import re
import stat
from urllib.parse import quote

import pytest

from myapp import background, create_app, db, mail_folder, smtp
from myapp.errors import Conflict
from myapp.mail import Message, compose, send
from tests.mail_server import PASSWORD, USER, certificate, mail_server, only_user

NOWHERE = {"DATABASE_URL": "sqlite:///none", "REDIS_URL": "redis://127.0.0.1:1/0"}
TOKEN = "t0ken-of-an-invitation"
LINK = f"https://api.example.com/accept?token={TOKEN}&next=1"
INVITATION = Message("ada@example.com", "Join Acme", f"Grüße! Accept it: {LINK}.\n")


@pytest.fixture(autouse=True)
def seen(caplog, monkeypatch):
    """What is logged; and no pause between two tries."""
    monkeypatch.setattr(smtp, "PAUSES", (0, 0))
    caplog.set_level(logging.DEBUG, "myapp")
    return caplog


@pytest.fixture
def server():
    with mail_server() as server:
        yield server


def post(message=INVITATION, **settings):
    """Send a message from an application with these settings; wait until it is done."""
    app = create_app(NOWHERE | settings)
    with db.use(app.extensions["myapp"]):
        send(message)
    background.drain()
    return app


def assert_secret(seen, *secrets):
    """No line of the log holds a secret, or the text of the mail."""
    assert seen.text
    for secret in (TOKEN, "Accept it", INVITATION.subject, "ada@", *secrets):
        assert secret not in seen.text


# after the commit


def test_send_within_a_transaction_waits_for_its_commit(
    start_app, server, tenant, engine
):
    app = start_app(MAIL_URL=server.url)
    with db.use(app.extensions["myapp"]):
        with db.transaction(tenant):
            send(INVITATION)
            background.drain()
            assert server.tries == 0
        background.drain()
    assert len(server.received) == 1


def test_send_within_a_transaction_that_rolls_back_sends_nothing(
    start_app, server, tenant, engine
):
    app = start_app(MAIL_URL=server.url)
    with db.use(app.extensions["myapp"]):
        with pytest.raises(Conflict), db.transaction(tenant):
            send(INVITATION)
            raise Conflict()
        background.drain()
    assert server.tries == 0


def test_send_waits_for_no_server(server):
    server.open.clear()
    app = create_app(NOWHERE | {"MAIL_URL": server.url})
    with db.use(app.extensions["myapp"]):
        send(INVITATION)
    assert server.received == []  # it has returned, and the server has not answered
    server.open.set()
    background.drain()
    assert len(server.received) == 1


# the message


def test_message_arrives_as_it_was_sent(server):
    post(MAIL_URL=server.url, MAIL_FROM="myapp <no-reply@example.com>")
    [message] = server.received
    assert message["From"] == "myapp <no-reply@example.com>"
    assert message["To"] == "ada@example.com"
    assert message["Subject"] == "Join Acme"
    assert message.get_content_type() == "text/plain"
    assert message.get_content().replace("\r\n", "\n") == INVITATION.text
    assert message["Auto-Submitted"] == "auto-generated"
    assert re.fullmatch(r"<[^<>@]+@example\.com>", message["Message-ID"])
    assert message["Date"].datetime.utcoffset().total_seconds() == 0


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\u2028", "\x85", "\v"])
def test_line_break_in_a_subject_starts_no_header(server, end):
    subject = f"Join Acme{end}Bcc: eve@example.com{end}{end}Other text"
    post(INVITATION._replace(subject=subject), MAIL_URL=server.url)
    [message] = server.received
    assert message["Subject"] == "Join Acme Bcc: eve@example.com Other text"
    assert message["Bcc"] is None
    assert server.recipients == ["ada@example.com"]
    assert message.get_content().replace("\r\n", "\n") == INVITATION.text


@pytest.mark.parametrize(
    "to",
    [
        pytest.param("ada@example.com\nBcc: eve@example.com", id="line"),
        pytest.param("ada@example.com\r\nBcc: eve@example.com", id="crlf"),
        pytest.param("ada@example.com, eve@example.com", id="two"),
        pytest.param("Ada <ada@example.com>", id="name"),
        pytest.param("ada@example.com>\n<eve@example.com", id="brackets"),
        pytest.param("ada", id="no_domain"),
        pytest.param("", id="empty"),
    ],
)
def test_recipient_that_is_not_one_address_gets_nothing(server, seen, to):
    post(INVITATION._replace(to=to), MAIL_URL=server.url)
    assert server.tries == 0
    assert "_deliver failed" in seen.text
    assert_secret(seen, "eve@")


def test_dot_on_a_line_of_its_own_does_not_end_the_message(server):
    text = "first\n.\nRCPT TO:<eve@example.com>\nlast\n"
    post(INVITATION._replace(text=text), MAIL_URL=server.url)
    [message] = server.received
    assert message.get_content().replace("\r\n", "\n") == text


# a server that fails


def test_server_that_is_down_is_logged_without_a_secret(server, seen):
    nobody = f"smtp://{USER}:s3cret@127.0.0.1:1"
    post(MAIL_URL=nobody)
    assert "to example.com: not sent: ConnectionRefusedError" in seen.text
    assert_secret(seen, "s3cret")


def test_mail_that_was_sent_is_logged_without_a_secret(server, seen):
    post(MAIL_URL=server.url)
    assert f"mail {server.received[0]['Message-ID']} to example.com: sent" in seen.text
    assert_secret(seen)


def test_server_that_is_busy_is_asked_again_for_the_same_message(server):
    server.replies = ["451 try again later", "421 closing"]
    post(MAIL_URL=server.url)
    assert server.tries == 3
    assert len(server.received) == 1


def test_server_that_stays_busy_is_given_up(server, seen):
    server.replies = [f"451 no room for {LINK}"] * 5
    post(MAIL_URL=server.url)
    assert server.tries == 3
    assert "not sent: SMTPDataError 451" in seen.text
    assert_secret(seen)


def test_message_that_is_refused_is_not_tried_again(server, seen):
    server.replies = [f"554 this looks like spam: {LINK}"]
    post(MAIL_URL=server.url)
    assert server.tries == 1
    assert "not sent: SMTPDataError 554" in seen.text
    assert_secret(seen)


def test_message_that_was_accepted_is_not_sent_again(server):
    server.hangs_up = True
    post(MAIL_URL=server.url)
    assert len(server.received) == 1


# TLS


@pytest.fixture
def far(monkeypatch):
    """Take 127.0.0.1 for another machine, where mail goes by TLS alone."""
    monkeypatch.setattr(smtp, "ON_THIS_MACHINE", ())


@pytest.fixture
def tls(tmp_path, monkeypatch):
    """The TLS of a server whom this machine trusts."""
    context = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    return context


def with_login(url, password=PASSWORD):
    return url.replace("://", f"://{USER}:{quote(password, safe='')}@")


def test_login_and_message_go_by_starttls(far, tls):
    login = {"authenticator": only_user, "auth_required": True}
    with mail_server(tls_context=tls, require_starttls=True, **login) as server:
        post(MAIL_URL=with_login(server.url))
    assert server.encrypted == [True]


def test_smtps_is_encrypted_from_the_start(tls):
    with mail_server(ssl=tls) as server:
        post(MAIL_URL=server.url.replace("smtp:", "smtps:"))
    assert len(server.received) == 1


def test_wrong_password_is_logged_and_not_tried_again(far, tls, seen):
    login = {"authenticator": only_user, "auth_required": True}
    with mail_server(tls_context=tls, **login) as server:
        post(MAIL_URL=with_login(server.url, "wr0ng"))
    assert server.received == []
    assert seen.text.count("SMTPAuthenticationError 535") == 1
    assert_secret(seen, "wr0ng")


def test_server_without_tls_gets_neither_login_nor_message(far, server, seen):
    post(MAIL_URL=with_login(server.url))
    assert server.tries == 0
    assert seen.text.count("not sent: SMTPNotSupportedError") == 1


@pytest.mark.parametrize(
    ("scheme", "option"), [("smtp", "tls_context"), ("smtps", "ssl")]
)
def test_server_whom_nobody_vouches_for_gets_no_message(
    far, tmp_path, seen, scheme, option
):
    with mail_server(**{option: certificate(tmp_path)}) as server:
        post(MAIL_URL=server.url.replace("smtp", scheme))
    assert server.tries == 0
    assert "not sent: SSLCertVerificationError" in seen.text


# in development


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "instance" / "mail"


def test_development_logs_the_whole_mail(folder, seen):
    post(MAIL_URL=folder.as_uri())
    assert "mail to ada@example.com: Join Acme" in seen.text
    assert LINK in seen.text


def test_development_shows_its_mail_newest_first(folder):
    app = post(MAIL_URL=folder.as_uri())
    post(INVITATION._replace(subject="A new password"), MAIL_URL=folder.as_uri())
    page = app.test_client().get("/dev/mail")
    assert page.status_code == 200
    assert page.mimetype == "text/html"
    assert page.headers["Cache-Control"] == "no-store"
    assert re.findall("<h2>(.*)</h2>", page.text) == ["A new password", "Join Acme"]
    assert "To ada@example.com" in page.text
    assert "Grüße!" in page.text


def test_links_of_a_mail_can_be_followed(folder):
    app = post(MAIL_URL=folder.as_uri())
    page = app.test_client().get("/dev/mail")
    address = LINK.replace("&", "&amp;")
    assert f'<a href="{address}">{address}</a>.' in page.text


def test_what_a_mail_holds_is_text_on_the_page(folder):
    hostile = '<script>alert(1)</script> https://a.example/"onclick="alert(1) <b>'
    app = post(Message("ada@example.com", hostile, hostile), MAIL_URL=folder.as_uri())
    page = app.test_client().get("/dev/mail")
    assert "<script" not in page.text
    assert "<b>" not in page.text
    assert '"onclick' not in page.text


def test_page_runs_nothing_and_stands_in_no_frame(folder):
    app = post(MAIL_URL=folder.as_uri())
    policy = app.test_client().get("/dev/mail").headers["Content-Security-Policy"]
    directives = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert directives["default-src"] == "'none'"
    assert "script-src" not in directives
    assert directives["style-src"].startswith("'sha256-")
    assert directives["frame-ancestors"] == "'none'"


def test_page_without_a_mail_says_so(folder):
    app = create_app(NOWHERE | {"MAIL_URL": folder.as_uri()})
    assert "There is none yet" in app.test_client().get("/dev/mail").text


def test_page_of_another_site_reads_no_mail(folder):
    app = post(MAIL_URL=folder.as_uri())
    theirs = {"Origin": "https://evil.example"}
    answer = app.test_client().get("/dev/mail", headers=theirs)
    assert answer.status_code == 403
    assert TOKEN not in answer.text


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:5000", 200),
        ("localhost", 200),
        ("LOCALHOST:8080", 200),
        ("[::1]:5000", 200),
        ("evil.example", 403),
        ("evil.example:5000", 403),
        ("127.0.0.1.evil.example", 403),
        ("localhost.evil.example:5000", 403),
        ("192.0.2.1:5000", 403),
        ("", 403),
    ],
)
def test_page_under_another_name_shows_no_mail(folder, host, status):
    app = post(MAIL_URL=folder.as_uri())
    answer = app.test_client().get("/dev/mail", headers={"Host": host})
    assert answer.status_code == status
    assert (TOKEN in answer.text) == (status == 200)


def test_kept_mail_is_readable_by_its_owner_alone(folder):
    post(MAIL_URL=folder.as_uri())
    [file] = folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_folder_keeps_the_newest(folder, monkeypatch):
    monkeypatch.setattr(mail_folder, "MOST_KEPT", 3)
    for number in range(5):
        subject = INVITATION._replace(subject=f"Number {number}")
        mail_folder.keep(folder.as_uri(), compose(subject, "myapp@localhost"))
    found = [message["Subject"] for message in mail_folder.kept(folder.as_uri())]
    assert found == ["Number 4", "Number 3", "Number 2"]
    assert len(list(folder.iterdir())) == 3


def test_production_has_no_page_of_mail(start_production):
    answer = start_production().test_client().get("/dev/mail")
    assert answer.status_code == 404

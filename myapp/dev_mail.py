"""The page `/dev/mail`: what was mailed, on a developer's machine."""

import re
from base64 import b64encode
from email.message import EmailMessage
from hashlib import sha256
from html import escape

from flask import Blueprint, Response, request

from myapp import errors, mail_folder

STYLE = """
body { font: 1rem/1.5 sans-serif; max-width: 48rem; margin: 2rem auto; }
article { border-top: 1px solid; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; }
"""
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Mail</title>
<style>{style}</style>
<h1>Mail</h1>
<p>Sent from this machine, newest first. None of it has left.</p>
{articles}
</html>
"""
ARTICLE = """<article>
<h2>{subject}</h2>
<p>To {to}, <time>{date}</time></p>
<pre>{text}</pre>
</article>
"""
LINK = re.compile(r"(https?://[^\s<>\"']*[\w/=&-])")
_HASH = b64encode(sha256(STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none';"
        " form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
}


LOOPBACK = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?", re.IGNORECASE)


def blueprint(url: str) -> Blueprint:
    """Return the page that shows the mail in the folder of a URL."""
    pages = Blueprint("dev_mail", __name__)
    pages.add_url_rule("/dev/mail", "page", lambda: _page(url))
    return pages


def _page(url: str) -> Response:
    # In development the pages of every site may call the API, but none reads mail.
    if "Origin" in request.headers:
        raise errors.Forbidden("Open this page in a browser: no other page may read it")
    # … not even one whose name has been made to lead to this machine (DNS rebinding).
    if not LOOPBACK.fullmatch(request.headers.get("Host", "")):
        raise errors.Forbidden("Open this page at http://127.0.0.1, with the same port")
    articles = "".join(map(_article, mail_folder.kept(url)))
    page = PAGE.format(style=STYLE, articles=articles or "<p>There is none yet.</p>")
    return Response(page, mimetype="text/html", headers=HEADERS)


def _article(message: EmailMessage) -> str:
    named = {name: escape(message[name]) for name in ("subject", "to", "date")}
    return ARTICLE.format(text=_linked(message.get_content()), **named)


def _linked(text: str) -> str:
    """Return text as HTML, with its addresses as links."""
    parts = map(escape, LINK.split(text))
    return "".join(
        f'<a href="{part}">{part}</a>' if number % 2 else part
        for number, part in enumerate(parts)
    )

"""The consent page: a user signs in, and lets a client act (RFC 6749, section 4.1).

No cookie keeps anybody signed in here: each consent asks for the password. The form
is good only in the browser that was shown it (a cookie), for the request it was shown
for (a token), and never inside another page's frame.
"""

import re
from base64 import b64encode
from hashlib import sha256
from hmac import compare_digest
from html import escape
from secrets import token_urlsafe
from urllib.parse import urlsplit

import msgspec
from authlib.oauth2.rfc6749 import OAuth2Error
from werkzeug.http import dump_cookie, parse_cookie

from myapp import db, errors
from myapp.access import EVERY_SCOPE
from myapp.accounts.models import ACCOUNT, accounts
from myapp.auth.forms import AUTHORIZATION
from myapp.auth.grants import user_of
from myapp.auth.parties import OAuthRequest
from myapp.auth.protocol import FORM, NOT_STORED, read_form, read_parameters
from myapp.auth.server import server
from myapp.auth.shapes import ConsentBody
from myapp.errors import BadRequest, Forbidden, Problem, Reply, Unauthorized
from myapp.kinds import Protocol
from myapp.repository import Values
from myapp.request import Request
from myapp.secret_key import derived

HTML = "text/html; charset=utf-8"
COOKIE = "consent"
NONCE = re.compile(r"[\w-]{32}", re.ASCII)
STYLE = """
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 24rem; margin: 3rem auto;
  padding: 0 1rem; color: #1f2933; background: #fff }
h1 { font-size: 1.3rem }
label { display: block; margin: 1rem 0 }
input { display: block; width: 100%; box-sizing: border-box; padding: .5rem;
  font: inherit; border: 1px solid #7b8794; border-radius: .3rem }
button { font: inherit; padding: .5rem 1.2rem; margin-right: .5rem;
  border: 1px solid #0b5cad; border-radius: .3rem; background: #fff; color: #0b5cad }
button.main { background: #0b5cad; color: #fff }
.wrong { color: #b00020 }
code { background: #f0f2f4; padding: 0 .25rem }
"""
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>{style}</style>
<main>
<h1>{title}</h1>
{main}
</main>
</html>
"""
FORM_PAGE = """{wrong}
<p>You sign in to <b>{account}</b> (<code>{slug}</code>).</p>
<p>It asks to act for you, at most in the role <b>{role}</b>, with these scopes:
{scopes}.</p>
<p>You go on to <code>{target}</code>.</p>
<form method="post" action="/v1/auth/authorize">
{hidden}
<label>E-mail address
<input name="username" type="email" value="{username}" autocomplete="username"
 required{focus_username}></label>
<label>Password
<input name="password" type="password" autocomplete="current-password"
 required{focus_password}></label>
<button class="main" name="decision" value="allow">Allow</button>
<button name="decision" value="deny" formnovalidate>Deny</button>
</form>"""
WRONG = '<p class="wrong" role="alert">The address or the password is wrong.</p>'
_HASH = b64encode(sha256(STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; form-action 'self'{{target}};"
    " base-uri 'none'; frame-ancestors 'none'"
)


def ask(request: Request) -> Reply:
    """Show the consent page, or send the client away with an error."""
    return _ask(request, AUTHORIZATION.validate(dict(request.query)))


def answer(request: Request[ConsentBody]) -> Reply:
    """Carry out what the user has decided; raise Forbidden for a forged form."""
    sent, known = request.body, AUTHORIZATION.properties
    asked = {name: value for name, value in sent.items() if name in known and value}
    _refuse_forged(request, asked, sent["csrf_token"] or "")
    oauth = OAuthRequest(request, asked)
    try:
        grant = server.get_consent_grant(oauth)
    except OAuth2Error as error:
        return _turned_away(oauth, error)
    user = None
    if sent["decision"] == "allow":
        name, password = sent["username"] or "", sent["password"] or ""
        user = user_of(oauth.client, name, password, oauth.origin)
        if user is None:
            return _ask(request, asked, wrong=name)
    reply: Reply = server.create_authorization_response(oauth, user, grant=grant)
    return reply


def _ask(request: Request, asked: Values, *, wrong: str | None = None) -> Reply:
    """Show the form; again with the address that came with a wrong password."""
    oauth = OAuthRequest(request, asked)
    try:
        server.get_consent_grant(oauth)
    except OAuth2Error as error:
        return _turned_away(oauth, error)
    nonce = _nonce(request) or token_urlsafe(24)
    title = f"{oauth.client.row.name} wants to sign you in"
    form = _form(oauth, nonce, wrong)
    reply = page(200, title, form, target=f" {_target(oauth)}")
    headers = {**reply.headers, "Set-Cookie": _cookie(nonce)}
    if wrong is None:
        return reply._replace(headers=headers)
    return Reply(401, reply.body, {**headers, **Unauthorized("").headers})


def _form(oauth: OAuthRequest, nonce: str, wrong: str | None) -> str:
    fields = {**oauth.fields, "csrf_token": _token(nonce, oauth.fields)}
    tenant = oauth.client.row.account_id
    account = ACCOUNT.document(accounts.retrieve(tenant, tenant))
    first, then = (" autofocus", "") if wrong is None else ("", " autofocus")
    return FORM_PAGE.format(
        wrong="" if wrong is None else WRONG,
        account=escape(account["name"]),
        slug=escape(account["slug"]),
        role=oauth.client.row.role,
        scopes=", ".join(map(_shown, _scopes(oauth))),
        target=escape(_target(oauth)),
        hidden="\n".join(
            f'<input type="hidden" name="{name}" value="{escape(value)}">'
            for name, value in fields.items()
        ),
        username=escape(wrong or ""),
        focus_username=first,
        focus_password=then,
    )


def _target(oauth: OAuthRequest) -> str:
    """Return the origin that the user is sent on to."""
    uri = urlsplit(oauth.payload.redirect_uri)
    return f"{uri.scheme}://{uri.netloc}"


def _scopes(oauth: OAuthRequest) -> list[str]:
    return (oauth.client.get_allowed_scope(oauth.payload.scope) or "").split()


def _shown(scope: str) -> str:
    meaning = " (everything)" if scope == EVERY_SCOPE else ""
    return f"<code>{escape(scope)}</code>{meaning}"


def _turned_away(oauth: OAuthRequest, error: OAuth2Error) -> Reply:
    """Send an error to the client, if its address is known to be its own."""
    if error.redirect_uri:
        reply: Reply = server.handle_error_response(oauth, error)
        return reply
    raise BadRequest(
        f"{error.error}: {error.description or 'the request is not valid'}"
    )


def _nonce(request: Request) -> str:
    """Return what ties a browser to its forms, "" for what we have not made."""
    try:
        sent = parse_cookie(request.environ.get("HTTP_COOKIE")).get(COOKIE, "")
    except UnicodeDecodeError:
        return ""
    return sent if NONCE.fullmatch(sent) else ""


def _cookie(nonce: str) -> str:
    return dump_cookie(
        COOKIE,
        nonce,
        path="/v1/auth/authorize",
        secure=db.stores().settings["PUBLIC_URL"].startswith("https:"),
        httponly=True,
        samesite="Strict",
    )


def _token(nonce: str, asked: Values) -> str:
    """Return what ties a form to a browser and to what was asked for."""
    return derived("consent", msgspec.json.encode([nonce, sorted(asked.items())])).hex()


def _refuse_forged(request: Request, asked: Values, token: str) -> None:
    nonce = _nonce(request)
    if not nonce or not compare_digest(_token(nonce, asked), token):
        raise Forbidden("This form was not made here, or not for you: start again.")


def page(status: int, title: str, main: str, *, target: str = "") -> Reply:
    """Return a page that runs no script, loads nothing and is in no frame."""
    html = PAGE.format(title=escape(title), style=STYLE, main=main)
    policy = POLICY.format(target=target)
    headers = {"Content-Type": HTML, "Content-Security-Policy": policy, **NOT_STORED}
    return Reply(status, html.encode(), headers)


def respond(error: Exception, request_id: str) -> Reply:
    """Return a page that says what went wrong."""
    problem: Problem = errors.problem_of(error)
    text = escape(problem.detail or problem.__doc__ or "")
    broken = "".join(
        f"<li><code>{escape(rule.at)}</code> {escape(rule.detail)}</li>"
        for rule in problem.errors
    )
    main = f"<p>{text}</p><ul>{broken}</ul><p>Request {escape(request_id)}.</p>"
    reply = page(problem.status, problem.title, main)
    return reply._replace(headers={**reply.headers, **problem.headers})


PAGES = Protocol(
    reads=(FORM,),
    answers="text/html",
    problems="text/html",
    problem_schema={"title": "Page", "description": "For people.", "type": "string"},
    read_body=read_form,
    read_query=read_parameters,
    respond=respond,
    redirects=True,
)

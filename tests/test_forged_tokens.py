"""Forged access tokens: whoever did not get one from us is nobody, and nothing fails.

A forger knows all that is public: how our tokens look, the published keys, and a
token of their own. Each case changes one thing; where the case is about a claim, even
the signature is ours, so that nothing but the claim can be what is refused.
"""

import hmac
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from flask import Flask, json
from joserfc.jwk import RSAKey

from myapp import db
from myapp.keys.models import Keys, keys
from tests.actors import Actor, sign_in
from tests.oauth import (
    INTROSPECT,
    base64url,
    basic,
    holder,
    json_of,
    part_of,
    register,
)
from tests.tables import statements

URL = "/v1/sample_customers"
OURS = RSAKey.generate_key(2048)
"""A key of the forger's own."""

Claims = dict[str, Any]
Sign = Callable[[bytes], bytes]


class Forge:
    """What a forger knows, with what only we have: the key that signs."""

    def __init__(self, token: str, known: Keys) -> None:
        self.token = token
        self.header, self.claims = part_of(token, 0), part_of(token, 1)
        self.known = known
        self.public = known.public[self.header["kid"]]

    def signed_by(self, key: RSAKey) -> Sign:
        """Return what signs with a key by RS256."""
        private: Any = key.private_key
        return lambda text: private.sign(text, PKCS1v15(), SHA256())

    def make(self, header: Any, claims: Any, sign: Sign | None = None) -> str:
        """Return a token of any header and claims; our key signs, unless told so."""
        parts = [
            base64url(part if isinstance(part, bytes) else json.dumps(part).encode())
            for part in (header, claims)
        ]
        text = ".".join(parts)
        signature = (sign or self.signed_by(self.known.signer))(text.encode())
        return f"{text}.{base64url(signature)}"

    def with_header(self, **own: Any) -> str:
        """Return a token with another header, which the forger signs."""
        return self.make(self.header | own, self.claims, self.signed_by(OURS))

    def with_our_header(self, **own: Any) -> str:
        """Return a token with another header, under our signature."""
        return self.make(self.header | own, self.claims)

    def with_claims(self, **own: Any) -> str:
        """Return a token with other claims, under our signature."""
        return self.make(self.header, self.claims | own)

    def without_claim(self, name: str) -> str:
        """Return a token that lacks a claim, under our signature."""
        rest = {each: self.claims[each] for each in self.claims if each != name}
        return self.make(self.header, rest)

    def raw_claim(self, name: str, text: str) -> str:
        """Return a token with a claim as it is written in JSON, under our signature."""
        claims = json.dumps(self.claims | {name: "here"})
        return self.make(self.header, claims.replace('"here"', text).encode())

    def hmac(self, key: bytes) -> Sign:
        """Return what signs with a shared secret by HS256."""
        return lambda text: hmac.digest(key, text, sha256)


@pytest.fixture
def user(acme: Actor) -> Actor:
    """Somebody who is signed in."""
    return sign_in(acme)


@pytest.fixture
def forge(app: Flask, user: Actor) -> Forge:
    """A forger who has seen a token of the user's."""
    with db.use(app.extensions["myapp"]):
        return Forge(user.key, keys())


def embedded(forge: Forge) -> dict[str, Any]:
    """Return the forger's own public key, as a header carries one."""
    return OURS.as_dict(private=False)


HEADERS: dict[str, Callable[[Forge], str]] = {
    "alg-none": lambda f: f.make(f.header | {"alg": "none"}, f.claims, lambda _: b""),
    "alg-nOnE": lambda f: f.make(f.header | {"alg": "nOnE"}, f.claims, lambda _: b""),
    "alg-none-with-our-signature": lambda f: f.with_our_header(alg="none"),
    "hs256-with-the-public-key": lambda f: f.make(
        f.header | {"alg": "HS256"}, f.claims, f.hmac(f.public.as_pem(private=False))
    ),
    "hs256-with-the-published-key": lambda f: f.make(
        f.header | {"alg": "HS256"},
        f.claims,
        f.hmac(json.dumps(f.public.as_dict(private=False)).encode()),
    ),
    "hs256-with-an-empty-key": lambda f: f.make(
        f.header | {"alg": "HS256"}, f.claims, f.hmac(b"")
    ),
    "alg-rs512": lambda f: f.with_our_header(alg="RS512"),
    "alg-ps256": lambda f: f.with_our_header(alg="PS256"),
    "alg-list": lambda f: f.with_our_header(alg=["RS256"]),
    "alg-object": lambda f: f.with_our_header(alg={}),
    "alg-null": lambda f: f.with_our_header(alg=None),
    "jwk-header": lambda f: f.with_header(jwk=embedded(f)),
    "jwk-header-alone": lambda f: f.make(
        {"alg": "RS256", "typ": "at+jwt", "jwk": embedded(f)},
        f.claims,
        f.signed_by(OURS),
    ),
    "jku-header": lambda f: f.with_header(jku="https://evil.example/keys"),
    "x5u-header": lambda f: f.with_header(x5u="https://evil.example/chain.pem"),
    "x5c-header": lambda f: f.with_header(x5c=[OURS.as_pem(private=False).decode()]),
    "jku-under-our-signature": lambda f: f.with_our_header(jku="https://evil.example"),
    "crit-unknown": lambda f: f.with_our_header(crit=["exp2"], exp2=1),
    "crit-known": lambda f: f.with_our_header(crit=["b64"], b64=True),
    "crit-empty": lambda f: f.with_our_header(crit=[]),
    "crit-number": lambda f: f.with_our_header(crit=1),
    "kid-of-nobody": lambda f: f.with_header(kid=OURS.thumbprint()),
    "kid-of-ours": lambda f: f.with_header(),
    "kid-path": lambda f: f.with_header(kid="../../../../dev/null"),
    "kid-sql": lambda f: f.with_header(kid="' UNION SELECT 'secret' --"),
    "kid-nul": lambda f: f.with_header(kid="a\0b"),
    "kid-long": lambda f: f.with_header(kid="k" * 2000),
    "kid-list": lambda f: f.with_our_header(kid=[f.header["kid"]]),
    "kid-object": lambda f: f.with_our_header(kid={}),
    "kid-null": lambda f: f.with_our_header(kid=None),
    "kid-of-another-key-of-ours": lambda f: f.with_our_header(
        kid=next(kid for kid in f.known.public if kid != f.header["kid"])
    ),
    "no-kid": lambda f: f.make({"alg": "RS256", "typ": "at+jwt"}, f.claims),
    "typ-jwt": lambda f: f.with_our_header(typ="JWT"),  # as an id token has it
    "typ-missing": lambda f: f.make({"alg": "RS256", "kid": f.header["kid"]}, f.claims),
    "typ-logout": lambda f: f.with_our_header(typ="logout+jwt"),
    "header-array": lambda f: f.make([], f.claims),
    "header-number": lambda f: f.make(1, f.claims),
    "header-null": lambda f: f.make(None, f.claims),
    "header-deep": lambda f: ".".join([base64url(b"[" * 2900), "e30", "AA"]),
    "header-not-utf-8": lambda f: f.make(b'{"alg":"\xff"}', f.claims),
    "header-utf-16": lambda f: f.make(json.dumps(f.header).encode("utf-16"), f.claims),
    "header-empty": lambda f: f.make(b"", f.claims),
}
CLAIMS: dict[str, Callable[[Forge], str]] = {
    "wrong-iss": lambda f: f.with_claims(iss="https://evil.example"),
    "iss-list": lambda f: f.with_claims(iss=[f.claims["iss"]]),
    "missing-iss": lambda f: f.without_claim("iss"),
    "wrong-aud": lambda f: f.with_claims(aud="https://other.example"),
    "wrong-aud-list": lambda f: f.with_claims(aud=["https://other.example"]),
    "missing-aud": lambda f: f.without_claim("aud"),
    "missing-exp": lambda f: f.without_claim("exp"),
    "missing-iat": lambda f: f.without_claim("iat"),
    "missing-jti": lambda f: f.without_claim("jti"),
    "missing-sub": lambda f: f.without_claim("sub"),
    "missing-client-id": lambda f: f.without_claim("client_id"),
    "missing-session": lambda f: f.without_claim("sid"),
    "missing-account": lambda f: f.without_claim("account_id"),
    "missing-scope": lambda f: f.without_claim("scope"),
    "exp-string": lambda f: f.with_claims(exp=str(f.claims["exp"])),
    "exp-float": lambda f: f.with_claims(exp=f.claims["exp"] + 0.5),
    "exp-null": lambda f: f.with_claims(exp=None),
    "exp-true": lambda f: f.with_claims(exp=True),
    "exp-huge": lambda f: f.with_claims(exp=10**18),
    "exp-beyond-64-bits": lambda f: f.with_claims(exp=10**400),
    "exp-infinite": lambda f: f.raw_claim("exp", "1e999"),
    "exp-not-a-number": lambda f: f.raw_claim("exp", "NaN"),
    "exp-negative": lambda f: f.with_claims(exp=-1),
    "exp-60-seconds-ago": lambda f: f.with_claims(
        iat=f.claims["iat"] - 660, exp=f.claims["iat"] - 60
    ),
    "iat-60-seconds-ahead": lambda f: f.with_claims(iat=f.claims["iat"] + 60),
    "iat-string": lambda f: f.with_claims(iat=str(f.claims["iat"])),
    "nbf-60-seconds-ahead": lambda f: f.with_claims(nbf=f.claims["iat"] + 60),
    "nbf-string": lambda f: f.with_claims(nbf="0"),
    "jti-number": lambda f: f.with_claims(jti=1),
    "claims-array": lambda f: f.make(f.header, []),
    "claims-not-json": lambda f: f.make(f.header, b"{"),
}


def flipped(part: str) -> str:
    """Return base64url whose last letter has other bits that count for nothing."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return part[:-1] + letters[letters.index(part[-1]) ^ 1]


def changed(token: str, number: int, change: Callable[[str], str]) -> str:
    """Return a token with one of its parts changed."""
    parts = token.split(".")
    parts[number] = change(parts[number])
    return ".".join(parts)


SPELLINGS: dict[str, Callable[[Forge], str]] = {
    "signature-truncated": lambda f: f.token[:-4],
    "signature-missing": lambda f: f.token.rpartition(".")[0] + ".",
    "signature-malleable": lambda f: changed(f.token, 2, flipped),
    "signature-padded": lambda f: f.token + "==",
    "signature-longer": lambda f: f.token + "AAAA",
    "signature-of-another-token": lambda f: changed(
        f.token, 2, lambda _: f.with_claims(jti="other").split(".")[2]
    ),
    "signature-not-base64": lambda f: f.token[:-1] + "!",
    "claims-changed": lambda f: changed(
        f.token, 1, lambda _: f.with_claims(scope="*").split(".")[1][:-1] + "Q"
    ),
    "claims-respelt": lambda f: changed(f.token, 1, lambda part: part + "!"),
    "two-parts": lambda f: f.token.rpartition(".")[0],
    "four-parts": lambda f: f.token + ".AA",
    "five-parts": lambda f: "a.b.c.d.e",
    "only-dots": lambda f: "..",
    "not-ascii": lambda f: "é.é.é",
    "1-mib": lambda f: "a" * 1024 * 1024,
    "1-mib-of-dots": lambda f: "." * 1024 * 1024,
    "1-mib-signature": lambda f: f.token + "A" * 1024 * 1024,
    "lower-case": lambda f: f.token.lower(),
}
FORGERIES = HEADERS | CLAIMS | SPELLINGS


@pytest.mark.parametrize("case", [pytest.param(case, id=case) for case in FORGERIES])
def test_a_forged_token_answers_401_as_invalid(user, forge, case):
    refused = holder(user, FORGERIES[case](forge)).get(URL)
    assert refused.status_code == 401
    challenge = refused.headers["WWW-Authenticate"]
    assert challenge == 'Bearer realm="myapp", error="invalid_token"'


def test_a_forged_token_is_not_active(acme, forge):
    reports = register(acme)
    for case in HEADERS | CLAIMS:
        told = reports.send(INTROSPECT, token=FORGERIES[case](forge))
        assert (told.status_code, told.json) == (200, {"active": False}), case


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case)
        for case in ("kid-of-nobody", "kid-sql", "jku-header", "1-mib", "two-parts")
    ],
)
def test_a_forged_token_asks_no_store(app, user, forge, case, pass_time):
    forged = FORGERIES[case](forge)
    pass_time()  # no more: what is remembered stays so
    assert user.get(URL).status_code == 200
    with statements(app) as executed:
        for _ in range(5):
            assert holder(user, forged).get(URL).status_code == 401
    assert executed == []


# --- what is no forgery: each shows that the cases above fail for their reason alone


GENUINE: dict[str, Callable[[Forge], str]] = {
    "as-issued": lambda f: f.token,
    "signed-again": lambda f: f.with_claims(),
    "aud-list-with-us": lambda f: f.with_claims(aud=["other", f.claims["aud"]]),
    "exp-20-seconds-ago": lambda f: f.with_claims(exp=f.claims["iat"] - 20),
    "iat-20-seconds-ahead": lambda f: f.with_claims(iat=f.claims["iat"] + 20),
    "nbf-20-seconds-ahead": lambda f: f.with_claims(nbf=f.claims["iat"] + 20),
    "header-in-another-order": lambda f: f.make(
        dict(reversed(f.header.items())), f.claims
    ),
}


@pytest.mark.parametrize("case", [pytest.param(case, id=case) for case in GENUINE])
def test_a_genuine_token_answers_200(user, forge, case):
    assert holder(user, GENUINE[case](forge)).get(URL).status_code == 200


def test_a_token_ends_when_it_expires_but_for_the_clocks(user, app, pass_time):
    lasting = app.config["ACCESS_TOKEN_SECONDS"]
    pass_time(seconds=lasting + 25)
    assert user.get(URL).status_code == 200
    pass_time(seconds=10)
    assert user.get(URL).status_code == 401


# --- other tokens in the place of an access token


def test_a_refresh_token_is_no_access_token(acme):
    tokens = register(acme).tokens()
    assert holder(acme, tokens["access_token"]).get(URL).status_code == 200
    assert holder(acme, tokens["refresh_token"]).get(URL).status_code == 401


def test_a_code_is_no_access_token(acme):
    assert holder(acme, register(acme).code()).get(URL).status_code == 401


def test_an_access_token_is_no_refresh_token(acme):
    reports = register(acme)
    refused = reports.refresh(reports.tokens()["access_token"])
    assert refused.status_code == 400
    assert json_of(refused)["error"] == "invalid_grant"


def test_a_token_of_another_account_opens_only_that(acme, rival):
    acme.post(URL, json={"name": "Ada", "email": "ada@example.com"})
    token = register(rival).tokens()["access_token"]
    assert holder(rival, token).get(URL).json["items"] == []


def test_a_token_with_another_account_in_it_finds_no_session(user, forge, rival):
    moved = forge.with_claims(account_id=rival.account_id)
    assert holder(user, moved).get(URL).status_code == 401


# --- where a token may stand (RFC 6750, section 2)


def test_a_duplicated_authorization_header_answers_401(client, user):
    twice = [("Authorization", f"Bearer {user.key}")] * 2
    assert client.get(URL, headers=twice).status_code == 401


def test_a_token_in_the_query_answers_401(client, user):
    refused = client.get(URL, query_string={"access_token": user.key})
    assert refused.status_code == 401
    assert "error=" not in refused.headers["WWW-Authenticate"]


def test_a_token_in_the_body_answers_401(client, user):
    refused = client.post(URL, data={"access_token": user.key})
    assert refused.status_code == 401
    assert client.post(URL, json={"access_token": user.key}).status_code == 401


def test_a_token_in_a_cookie_answers_401(client, user):
    sent = {"Cookie": f"access_token={user.key}; Authorization=Bearer {user.key}"}
    assert client.get(URL, headers=sent).status_code == 401


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer "])
def test_the_scheme_is_good_in_any_case(client, user, scheme):
    """RFC 9110, 11.1: schemes are case-insensitive; RFC 7235 allows 1*SP."""
    sent = {"Authorization": f"{scheme} {user.key}"}
    assert client.get(URL, headers=sent).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        pytest.param("{}", id="no-scheme"),
        pytest.param("Token {}", id="other-scheme"),
        pytest.param("Bearer{}", id="no-space"),
        pytest.param("Bearer {0}, Bearer {0}", id="two"),
        pytest.param("Bearer {0} {0}", id="two-tokens"),
        pytest.param('Bearer "{}"', id="quoted"),
        pytest.param("Bearer", id="no-token"),
        pytest.param("Bearer ", id="empty-token"),
    ],
)
def test_a_malformed_authorization_header_answers_401(client, user, header):
    sent = {"Authorization": header.format(user.key)}
    refused = client.get(URL, headers=sent)
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"].startswith('Bearer realm="myapp"')


def test_the_credentials_of_a_client_open_nothing_by_themselves(acme):
    reports = register(acme)
    named = f"{reports.client_id}:{reports.client_secret}"
    assert acme.client.get(URL, headers=basic(named)).status_code == 401
    assert reports.credentials_token().status_code == 200


# --- the table


PROMISED = {
    "alg none": "alg-none",
    "alg nOnE": "alg-nOnE",
    "HS256 with the public key": "hs256-with-the-public-key",
    "jwk header": "jwk-header",
    "jku header": "jku-header",
    "x5u header": "x5u-header",
    "unknown crit": "crit-unknown",
    "kid = path": "kid-path",
    "kid = SQL": "kid-sql",
    "kid = another's": "kid-of-nobody",
    "id token as access token (typ)": "typ-jwt",
    "wrong iss": "wrong-iss",
    "wrong aud": "wrong-aud",
    "missing exp": "missing-exp",
    "missing iat": "missing-iat",
    "missing jti": "missing-jti",
    "exp as string": "exp-string",
    "exp as float": "exp-float",
    "exp huge": "exp-huge",
    "nbf ahead": "nbf-60-seconds-ahead",
    "60 s skew, ahead": "iat-60-seconds-ahead",
    "60 s skew, behind": "exp-60-seconds-ago",
    "truncated signature": "signature-truncated",
    "malleable signature": "signature-malleable",
    "1 MiB token": "1-mib",
}
"""Each forgery that the project promises to refuse, and the id of its test."""


@pytest.mark.parametrize("words", PROMISED)
def test_every_promised_forgery_is_a_case(words):
    assert PROMISED[words] in FORGERIES

"""What a handler may ask of a request; what costs is parsed on first use.

Reads the WSGI environment (PEP 3333), strictly: a query, a header or a body that
could be understood in two ways is a BadRequest.
"""

import re
from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Generic
from uuid import UUID

from typing_extensions import TypeVar
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header, parse_options_header

from myapp import db
from myapp.access import Principal
from myapp.errors import (
    BadRequest,
    BrokenRule,
    Forbidden,
    LengthRequired,
    PayloadTooLarge,
    PreconditionFailed,
    PreconditionRequired,
    Unauthorized,
    UnsupportedMediaType,
)
from myapp.pagination import Slice, read_slice
from myapp.patch import MERGE_PATCH, Patch, read_patch
from myapp.repository import Condition

if TYPE_CHECKING:
    from myapp.operations import Operation

Environ = dict[str, Any]
Sent = TypeVar("Sent", default=Any, covariant=True)
"""The values of the body; a handler that reads it names their type."""

UTF_8 = re.compile(r';\s*charset="?utf-8"?', re.IGNORECASE)
"""Some clients name the one encoding that JSON has."""
ENTITY_TAG = re.compile(r'(?:W/)?"([!#-~\x80-\xff]*)"')
OUR_TAG = re.compile(r"([0-9]{1,9})-[0-9a-f]{8}")


class Request(Generic[Sent]):
    """One call of an operation."""

    signed_in: Principal | None = None
    """Who calls, as far as the operation has to know; None for a PUBLIC one."""

    standing: Mapping[str, str] = {}
    """The headers that say what is left of the caller's quota; none where none is."""

    query: Mapping[str, str] = {}
    """The query parameters, each known and given once."""

    def __init__(
        self, operation: "Operation", environ: Environ, path: Mapping[str, Any]
    ) -> None:
        self.operation = operation
        self.environ = environ
        self.path = path

    @property
    def principal(self) -> Principal:
        """Who calls; raise Unauthorized where nobody is signed in."""
        if self.signed_in is None:
            raise Unauthorized("This needs a bearer token.")
        return self.signed_in

    @property
    def tenant(self) -> UUID:
        """The account of the caller; raise Unauthorized where nobody is signed in."""
        account_id = self.principal.account_id
        if account_id is None:
            raise Forbidden("The operator's credential belongs to no account.")
        return account_id

    @property
    def url(self) -> str:
        """The path that was asked for, without a slash at its end."""
        path: str = self.environ.get("SCRIPT_NAME", "") + self.environ["PATH_INFO"]
        return path.rstrip("/")

    @property
    def peer(self) -> str:
        """The address that the request came from."""
        return str(self.environ.get("REMOTE_ADDR", ""))

    @cached_property
    def page(self) -> Slice:
        """The part of the list that is asked for; raise BadRequest."""
        return read_slice(self.operation.answered, self.query, self.tenant)

    @cached_property
    def raw(self) -> bytes:
        """The bytes of the body; raise on a foreign type or too large a body."""
        self._check_media_type()
        return read_body(self.environ, db.stores().settings["MAX_CONTENT_LENGTH"])

    @property
    def media_type(self) -> str:
        """The media type of the body, in lower case, without parameters."""
        content_type: str = self.environ.get("CONTENT_TYPE", "")
        return content_type.partition(";")[0].strip().lower()

    @property
    def _is_encoded(self) -> bool:
        encoding: str = self.environ.get("HTTP_CONTENT_ENCODING", "identity")
        return encoding != "identity"

    def _check_media_type(self) -> None:
        accepted = self.operation.reads
        if self.environ.get("CONTENT_TYPE") in accepted and not self._is_encoded:
            return
        _, options = parse_options_header(self.environ.get("CONTENT_TYPE"))
        charset = options.get("charset", "utf-8").lower()
        if self.media_type not in accepted or charset not in ("utf-8", "utf8"):
            listed = " or ".join(accepted)
            problem = UnsupportedMediaType(f"Send {listed}, encoded in UTF-8.")
            if MERGE_PATCH in accepted:
                problem.headers = {"Accept-Patch": ", ".join(accepted)}
            raise problem
        self._check_encoding()

    def _check_encoding(self) -> None:
        if self._is_encoded:
            raise UnsupportedMediaType("Send the body without a Content-Encoding.")

    @cached_property
    def body(self) -> Sent:
        """The values of a body that keeps the contract; raise InvalidBody."""
        contract = self.operation.accepted
        document = self.operation.speaks.read_body(self.raw, contract)
        values: Sent = contract.validate(document)
        return values

    @cached_property
    def change(self) -> Patch[Sent]:
        """The patch in the body; raise BadRequest."""
        contract = self.operation.accepted
        return read_patch(contract, self.media_type, self.raw)

    @cached_property
    def if_match(self) -> int | None:
        """The version that If-Match asks for (RFC 9110, 13.1.1)."""
        header = self.environ.get("HTTP_IF_MATCH")
        if header is None:
            if self.operation.requires_match:
                raise PreconditionRequired()
            return None
        return None if header.strip() == "*" else read_version(header)

    @property
    def where(self) -> Condition | None:
        """What the rule asks of the record itself."""
        where = self.operation.rule.where
        return where(self.principal) if where else None

    def has_current(self, tag: str) -> bool:
        """Tell whether If-None-Match lists this entity tag (RFC 9110, 13.1.2)."""
        header = self.environ.get("HTTP_IF_NONE_MATCH")
        if header is None:
            return False
        return header.strip() == "*" or tag.strip('"') in ENTITY_TAG.findall(header)


def read_body(environ: Environ, most: int) -> bytes:
    """Return the bytes of a body of at most `most` bytes."""
    length = environ.get("CONTENT_LENGTH") or ""
    if not length:
        return _read_unmeasured(environ, most)
    if not (length.isascii() and length.isdigit()):
        raise BadRequest("Content-Length must be a number of bytes.")
    size = int(length.lstrip("0")[:18] or "0")  # 18 digits are too many already
    if size > most:
        raise PayloadTooLarge(f"The body may have at most {most} bytes.")
    try:
        raw: bytes = environ["wsgi.input"].read(size)
    except OSError:
        raise BadRequest("The body ended before its Content-Length.") from None
    if len(raw) < size:
        raise BadRequest("The body ended before its Content-Length.")
    return raw


def _read_unmeasured(environ: Environ, most: int) -> bytes:
    if "HTTP_TRANSFER_ENCODING" not in environ:
        return b""
    if not environ.get("wsgi.input_terminated"):
        raise LengthRequired("Send the body with Content-Length, not in chunks.")
    raw: bytes = environ["wsgi.input"].read(most + 1)
    if len(raw) > most:
        raise PayloadTooLarge(f"The body may have at most {most} bytes.")
    return raw


@lru_cache(256)
def accepts_type(header: str, media_type: str) -> bool:
    """Tell whether an Accept header admits a media type (RFC 9110, 12.5.1)."""
    accepted = parse_accept_header(UTF_8.sub("", header), MIMEAccept)
    return bool(accepted.quality(media_type))


def refuse_if_none_match() -> None:
    """Raise BadRequest for If-None-Match on a write of what must exist."""
    rule = BrokenRule("If-None-Match:", "method", "is for GET: send If-Match here")
    raise BadRequest("A header cannot be honoured.", [rule])


def read_version(header: str) -> int:
    """Return the version in one strong or weakened entity tag.

    Raises BadRequest for what is no entity tag, PreconditionFailed for a foreign one.
    """
    tag = ENTITY_TAG.fullmatch(header.strip())
    if tag is None:
        rule = BrokenRule("If-Match:", "format", 'must be one entity tag: `"…"`')
        raise BadRequest("A header cannot be read.", [rule])
    ours = OUR_TAG.fullmatch(tag[1])
    if ours is None:
        raise PreconditionFailed()
    return int(ours[1])

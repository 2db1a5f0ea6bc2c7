"""The operations: list, create, retrieve, replace, update, delete and action.

Every rule of HTTP is written here once. A feature marks its methods with
`operation.<kind>(RULE)`; `Operation.answer` takes a WSGI environment to a Reply:
authenticate, limit, scope and rule, handler, reply. Knows no web framework.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, NamedTuple
from urllib.parse import urlencode

from myapp import audit, contract as contracts, errors, pagination, rate_limits
from myapp.access import Principal, Rule, admit, authenticate, scope_of
from myapp.contract import Contract
from myapp.contract_rules import Schema
from myapp.errors import NotAcceptable, Reply
from myapp.kinds import (
    ACTION,
    CREATE,
    DELETE,
    LIST,
    REPLACE,
    REST,
    RETRIEVE,
    UPDATE,
    Kind,
    Problems,
    Protocol,
    problems_of,
)
from myapp.negotiation import USUAL, asks_for_json_api
from myapp.repository import Page, Record
from myapp.request import Environ, Request, accepts_type, refuse_if_none_match

Result = Record | Page | Reply | None
Handler = Callable[..., Result]

ITEM_WRITES = (REPLACE, UPDATE, DELETE)
BREAKS = re.compile("[\r\n]")
HEADERS = {
    "Content-Type": contracts.MEDIA_TYPE,
    "Cache-Control": "private, no-cache",
    "Vary": "Accept, Authorization, Origin",
}


class Mark(NamedTuple):
    """What a feature's method declares; its feature completes it to an Operation."""

    kind: Kind
    rule: Rule
    handler: Handler
    accepts: Contract | None
    answers: Contract | None
    problems: Problems
    requires_match: bool
    parameters: Mapping[str, Schema]
    speaks: Protocol
    status: int | None


def _marks(kind: Kind) -> Callable[..., Callable[[Handler], Mark]]:
    def declare(
        rule: Rule,
        *,
        accepts: Contract | None = None,
        answers: Contract | None = None,
        problems: Problems = (),
        requires_match: bool = False,
        parameters: Mapping[str, Schema] = {},
        speaks: Protocol = REST,
        status: int | None = None,
    ) -> Callable[[Handler], Mark]:
        return lambda handler: Mark(
            kind=kind,
            rule=rule,
            handler=handler,
            accepts=accepts,
            answers=answers,
            problems=problems,
            requires_match=requires_match,
            parameters=parameters,
            speaks=speaks,
            status=status,
        )

    declare.__qualname__ = f"operation.{kind.name}"  # where its rule is forgotten
    return declare


class operation:
    """The decorators of a feature's methods: `@operation.retrieve(VIEWER)`.

    The rule is required. `accepts` and `answers` default to the feature's contract;
    an action has only those that it names. `requires_match` asks for If-Match (428);
    `parameters` are those of the query; `speaks` another protocol than REST; `status`
    is that of success, where it is not the kind's.
    """

    list = staticmethod(_marks(LIST))
    create = staticmethod(_marks(CREATE))
    retrieve = staticmethod(_marks(RETRIEVE))
    replace = staticmethod(_marks(REPLACE))
    update = staticmethod(_marks(UPDATE))
    delete = staticmethod(_marks(DELETE))
    action = staticmethod(_marks(ACTION))


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One operation of a feature: frozen data, and `answer`."""

    kind: Kind
    method: str
    url: str
    feature: str
    home: str
    """The URL that the operations of its feature have in common."""

    scope: str
    rule: Rule
    accepts: Contract | None
    answers: Contract | None
    problems: Problems
    parameters: Mapping[str, Schema]
    requires_match: bool
    speaks: Protocol
    status: int
    """The status of success."""

    summary: str
    handler: Handler
    translated: "Operation | None" = field(default=None, compare=False, repr=False)
    """The same operation for those who ask for JSON:API, where it speaks that."""

    requests: ClassVar[type[Request]] = Request

    @cached_property
    def id(self) -> str:
        """A unique, readable name: `users_update`, `users_me_retrieve`."""
        below = self.url.removeprefix(self.home)
        parts = below.replace("-", "_").split("/")
        names = [part for part in parts if part and not part.startswith("<")]
        if self.kind is not ACTION:
            names.append(self.kind.name)
        elif self.method != "POST":
            names.append(self.method.lower() if names else f"{self.method.lower()}_all")
        return "_".join([self.feature, *names])

    @property
    def reads(self) -> tuple[str, ...]:
        """The media types of the body."""
        return self.kind.reads or self.speaks.reads

    @cached_property
    def accepted(self) -> Contract:
        """The contract of the body; raise TypeError where none is declared."""
        return self._declared("accepts")

    @cached_property
    def answered(self) -> Contract:
        """The contract of the answer; raise TypeError where none is declared."""
        return self._declared("answers")

    def _declared(self, name: str) -> Contract:
        contract: Contract | None = getattr(self, name)
        if contract is None:
            where = f"{self.method} {self.url}"
            raise TypeError(f"{where} declares no contract: add `{name}=CONTRACT`")
        return contract

    def permits(self, principal: Principal | None) -> bool:
        """Tell whether rule and scope admit a principal, before any record is read."""
        try:
            admit(principal, self.rule, self.scope)
        except (errors.Unauthorized, errors.Forbidden):
            return self.rule.allows(None)
        return True

    def answer(self, environ: Environ, path: Mapping[str, Any]) -> Reply:
        """Carry out one request; every exception becomes a problem."""
        accept = environ.get("HTTP_ACCEPT", "*/*")
        # `get` would be one more call of every request: they are budgeted.
        sent = environ["CONTENT_TYPE"] if "CONTENT_TYPE" in environ else ""
        if self.translated and not (accept in USUAL and sent in USUAL):
            if asks_for_json_api(accept, sent):
                return self.translated.answer(environ, path)
        request = self.requests(self, environ, path)
        environ["myapp.request"] = request
        try:
            self._admit(request)
            if accept != "*/*":
                self._check_accept(accept)
            if "HTTP_IF_NONE_MATCH" in environ and self.kind in ITEM_WRITES:
                refuse_if_none_match()
            if query := environ.get("QUERY_STRING"):
                request.query = self.speaks.read_query(query, self.parameters)
            reply = self._reply(request, self._carry_out(request))
        except Exception as error:
            reply = self.speaks.respond(error, environ.get("myapp.request_id", ""))
        return rate_limits.tell(request, reply)

    def _admit(self, request: Request) -> None:
        try:
            if not self.rule.allows(None):
                header = request.environ.get("HTTP_AUTHORIZATION")
                request.signed_in = authenticate(header)
        except errors.Unauthorized:
            rate_limits.count(request)
            raise
        rate_limits.count(request)
        admit(request.signed_in, self.rule, self.scope)

    def _carry_out(self, request: Request) -> Result:
        """Call the handler; its changes are put down to whom it serves."""
        if self.kind.method == "GET":  # a list or a retrieval changes nothing
            return self.handler(request)
        who = request.signed_in.subject if request.signed_in else "anonymous"
        request_id = request.environ.get("myapp.request_id")
        with audit.caused_by(who, operation=self.id, request_id=request_id):
            return self.handler(request)

    def _check_accept(self, header: str) -> None:
        media_type = self.speaks.answers
        if header not in ("", media_type) and not accepts_type(header, media_type):
            raise NotAcceptable(f"This answers {media_type}: accept it.")

    def _reply(self, request: Request, result: Result) -> Reply:
        if isinstance(result, Record):
            return self._reply_record(request, result)
        if isinstance(result, Page):
            return self._reply_page(request, result)
        if result and any(map(BREAKS.search, result.headers.values())):
            raise ValueError("a header holds a line's end")
        return result or Reply(204)

    def _reply_record(self, request: Request, record: Record) -> Reply:
        contract = self.answered
        headers = dict(HEADERS)
        if record.version:
            headers["ETag"] = contract.entity_tag(record)
            if self.kind is RETRIEVE and request.has_current(headers["ETag"]):
                return Reply(304, headers=headers)
        if self.kind is CREATE:
            created = contract.value(record, "id")
            headers["Location"] = f"{request.url}/{created}"
        if self.method == "POST":  # what is shown only once is in no cache
            headers["Cache-Control"] = "no-store"
        return Reply(self.status, contract.represent(record), headers)

    def _reply_page(self, request: Request, page: Page) -> Reply:
        headers = dict(HEADERS)
        if page.next:
            query = urlencode({**request.query, "cursor": page.next})
            headers["Link"] = f'<{request.url}?{query}>; rel="next"'
        if page.total is not None:
            headers["X-Total-Count"] = str(page.total)
        return Reply(200, self.answered.represent_page(page), headers)


def complete(
    mark: Mark, *, feature: str, home: str, method: str, url: str, contract: Contract
) -> Operation:
    """Return the operation that a mark declares at a URL below its feature's home."""
    kind = mark.kind
    own = None if kind is ACTION else contract
    accepts = mark.accepts or (own if kind.reads else None)
    answers = mark.answers or (None if kind is DELETE else own)
    listing = pagination.parameters(answers or contract) if kind is LIST else None
    return Operation(
        kind=kind,
        method=method,
        url=home + url,
        feature=feature,
        home=home,
        scope=scope_of(feature, method),
        rule=mark.rule,
        accepts=accepts,
        answers=answers,
        problems=problems_of(
            kind,
            mark.rule,
            mark.problems,
            reads_body=bool(accepts),
            requires_match=mark.requires_match,
        ),
        parameters=listing or mark.parameters,
        requires_match=mark.requires_match,
        speaks=mark.speaks,
        status=mark.status or (kind.status if answers else 204),
        summary=(mark.handler.__doc__ or "").strip().partition("\n")[0],
        handler=mark.handler,
    )

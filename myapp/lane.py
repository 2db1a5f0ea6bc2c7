"""The lane: operations served straight from the WSGI environment, in front of Flask.

Flask's way of a request (contexts, routing, hooks, response objects) costs more than
all the rest of an operation, which needs none of it. What the lane does not know goes
Flask's way, and is answered alike. As soon as anything hooks into that way, everything
goes there, and the log says so. No private API of Flask or Werkzeug is used.
"""

import logging
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
from flask import Flask
from werkzeug.exceptions import HTTPException

from myapp.api import STATUS_LINES, Resource, headers_of
from myapp.flask_hooks import SIGNALS, obstacles
from myapp.operations import Operation

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse

    from myapp.request import Environ

logger = logging.getLogger(__name__)

Operations = Mapping[str, Operation]
"""The operations of one resource, by method."""

ITEM = re.compile(r"(/[^<>]*/)<uuid:(\w+)>")
EXAMPLE = UUID(int=0)
NO_PARAMETERS: Mapping[str, Any] = {}
WARNING = (
    "The lane stands aside: %s. Every request goes through Flask, which takes longer;"
    " do it in WSGI middleware (app.wsgi_app = ...), or accept it with LANE = False."
)

read_uuid = msgspec.json.Decoder(UUID).decode
"""As strict as Flask's converter on 36 characters, and five times as fast as UUID."""


class Lane:
    """Wraps Flask's WSGI application; `reasons` say why it stands aside, if it does."""

    def __init__(self, app: Flask) -> None:
        self.reasons: list[str] = []
        self._app = app
        self._flask = app.wsgi_app
        self._views: dict[str, Any] = {
            endpoint: view
            for endpoint, view in app.view_functions.items()
            if issubclass(getattr(view, "view_class", object), Resource)
        }
        self._static: dict[str, Operations] = {}
        self._items: dict[str, tuple[Operations, str]] = {}
        self._is_opened = not app.config["LANE"]
        if not app.config["LANE"]:
            self.reasons.append("LANE is False")
            return
        self._look_around()
        for signal in SIGNALS:  # one may connect at any time
            signal.receiver_connected.connect(self._look_around)

    @property
    def is_on(self) -> bool:
        """Whether operations are served here."""
        return not self.reasons

    def __call__(
        self, environ: "Environ", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer one request (PEP 3333)."""
        path = environ["PATH_INFO"]
        parameters = NO_PARAMETERS
        operations = self._static.get(path)
        if operations is None:
            item, id = self._items.get(path[:-36]), path[-36:]
            if item is None and path[-1:] == "/":
                item, id = self._items.get(path[:-37]), path[-37:-1]
            if item is None:
                return self._pass_on(environ, start_response)
            operations, name = item
            try:
                parameters = {name: read_uuid(f'"{id}"')}
            except msgspec.DecodeError:
                return self._pass_on(environ, start_response)
        operation = operations.get(environ["REQUEST_METHOD"])
        if (
            operation is None  # HEAD, OPTIONS, or none that is allowed
            or "HTTP_ORIGIN" in environ  # for Flask-CORS
            or "HTTP_COOKIE" in environ  # Flask may have to renew a session
            or "HTTP_UPGRADE" in environ  # Werkzeug refuses a WebSocket
        ):
            return self._pass_on(environ, start_response)
        reply = operation.answer(environ, parameters)
        start_response(STATUS_LINES[reply.status], headers_of(reply))
        return [reply.body]

    def _pass_on(
        self, environ: "Environ", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Let Flask answer: also the first request, after which it admits no hook."""
        if not self._is_opened:
            self._is_opened = True
            self._look_around()
            if self.is_on:
                self._open()
        return self._flask(environ, start_response)

    def _look_around(self, *_: Any, **__: Any) -> None:
        """Stand aside if anything hooks into Flask's way, and say so."""
        found = list(obstacles(self._app, self._views))
        if new := [reason for reason in found if reason not in self.reasons]:
            self._static, self._items = {}, {}
            self.reasons += new
            logger.warning(WARNING, "; ".join(new))

    def _open(self) -> None:
        """Take over the URLs of operations, with and without a slash at their end."""
        for rule in self._app.url_map.iter_rules():
            place = rule.rule.rstrip("/")
            item = ITEM.fullmatch(place)
            if rule.endpoint not in self._views or ("<" in place and not item):
                continue
            operations = self._views[rule.endpoint].view_class.operations
            example = f"{item[1]}{EXAMPLE}" if item else place
            parameters = {item[2]: EXAMPLE} if item else {}
            if not self._leads_there(example, operations, (rule.endpoint, parameters)):
                continue
            if item:
                self._items[item[1]] = operations, item[2]
            else:
                self._static |= dict.fromkeys((place, f"{place}/"), operations)

    def _leads_there(self, path: str, methods: Iterable[str], expected: Any) -> bool:
        """Tell whether Flask, too, comes to this endpoint, whatever other rules say."""
        urls = self._app.url_map.bind("localhost")
        asked = [(url, method) for url in (path, f"{path}/") for method in methods]
        try:
            return all(urls.match(*each) == expected for each in asked)
        except HTTPException:
            return False

"""What hooks into Flask's way of a request, and would be left out by the lane."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from types import FunctionType
from typing import Any, NamedTuple

from flask import Flask, app as flask_app, signals
from flask.sessions import SecureCookieSessionInterface

from myapp.api import Resource


class Ignored(NamedTuple):
    """A hook that may be left out, and why."""

    module: str
    name: str
    why: str


IGNORED = (
    Ignored(
        "flask_cors.extension", "cors_after_request", "no Origin comes to the lane"
    ),
    Ignored("flask_sqlalchemy.extension", "_teardown_session", "it opens no session"),
)
HOOKS = (
    "before_request_funcs",
    "after_request_funcs",
    "teardown_request_funcs",
    "url_value_preprocessors",
)
SIGNALS = (
    signals.request_started,
    signals.request_finished,
    signals.request_tearing_down,
    signals.got_request_exception,
    signals.appcontext_pushed,
    signals.appcontext_popped,
    signals.appcontext_tearing_down,
)
STEPS = (
    *("__call__", "wsgi_app", "request_context", "app_context", "create_url_adapter"),
    *("full_dispatch_request", "preprocess_request", "dispatch_request", "ensure_sync"),
    *("make_response", "finalize_request", "process_response"),
    *("do_teardown_request", "do_teardown_appcontext"),
)
"""The methods that a request passes; a tracer puts its own in place of one."""


def obstacles(app: Flask, views: Mapping[str, Any]) -> Iterator[str]:
    """Say what would run for the views of our operations, or change their answers.

    `views`: by endpoint, as they were registered.
    """
    yield from _hooks(app, {None, *_blueprints(views)})
    for signal in SIGNALS:
        if signal.has_receivers_for(app):
            yield f"the signal {signal.name} has a receiver"
    for step in STEPS:
        if _is_replaced(app, step):
            yield f"Flask.{step} is replaced"
    if type(app.session_interface) is not SecureCookieSessionInterface:
        yield "sessions have another interface"
    if app.config["TRUSTED_HOSTS"] or app.subdomain_matching:
        yield "requests are told apart by their host"
    for endpoint, view in views.items():
        if app.view_functions.get(endpoint) is not view:
            yield f"the view {endpoint} is replaced"
        if hasattr(getattr(view, "__wrapped__", None), "__wrapped__"):
            yield f"the view {endpoint} is wrapped"  # Flask-RESTX wraps it once
        yield from _decorated(view.view_class)


def _hooks(app: Flask, scopes: set[str | None]) -> Iterator[str]:
    """Name the hooks of the application, and those of these blueprints."""
    known = {(hook.module, hook.name) for hook in IGNORED}
    found = [
        (kind, hook)
        for kind in HOOKS
        for scope, hooks in getattr(app, kind).items()
        if scope in scopes
        for hook in hooks
    ]
    found += [("teardown_appcontext", hook) for hook in app.teardown_appcontext_funcs]
    for kind, found_hook in found:
        hook = getattr(found_hook, "func", found_hook)  # of a functools.partial
        place = (hook.__module__, getattr(hook, "__name__", type(hook).__name__))
        if place not in known:
            yield f"{kind.removesuffix('_funcs')} calls {'.'.join(place)}"


def _blueprints(endpoints: Iterable[str]) -> Iterator[str]:
    """Yield whose hooks run for an endpoint: `a` and `a.b` for `a.b.view`."""
    for endpoint in endpoints:
        yield from accumulate(endpoint.split(".")[:-1], "{}.{}".format)


def _is_replaced(app: Flask, step: str) -> bool:
    """Tell whether a method of Flask is not Flask's own."""
    if step in vars(app) and step != "wsgi_app":  # middleware is in front
        return True
    method = getattr(type(app), step)
    # A proxy has another type, though isinstance denies it; a wrapper another file.
    is_own = type(method) is FunctionType
    return not is_own or method.__code__.co_filename != flask_app.__file__


def _decorated(resource: Any) -> Iterator[str]:
    """Name what is put around the methods of a resource."""
    if resource.method_decorators or resource.decorators:
        yield f"{resource.__name__} has decorators"
    if resource.dispatch_request is not Resource.dispatch_request:
        yield f"{resource.__name__} dispatches by itself"
    for operation in resource.operations.values():
        if hasattr(operation.handler, "__wrapped__"):
            yield f"the handler of {operation.id} is decorated"

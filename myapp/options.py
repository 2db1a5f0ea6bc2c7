"""OPTIONS: what a caller may do with one resource."""

from collections.abc import Mapping

from myapp import errors
from myapp.access import authenticate
from myapp.errors import Problem, Reply
from myapp.kinds import UPDATE
from myapp.operations import Operation
from myapp.request import Environ


def answer_options(operations: Mapping[str, Operation], environ: Environ) -> Reply:
    """Answer OPTIONS: the methods that the caller may use on one resource.

    A CORS preflight carries no token and is told every method.
    """
    try:
        preflight = "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ
        principal = authenticate(environ.get("HTTP_AUTHORIZATION"))
        methods = [
            method
            for method, operation in operations.items()
            if preflight or operation.permits(principal)
        ]
        if not methods and principal is None:
            raise errors.Unauthorized("This needs a bearer token.")
    except Problem as problem:
        return errors.respond(problem, environ.get("myapp.request_id", ""))
    headers = {"Allow": ", ".join([*methods, "OPTIONS"])}
    if "GET" in methods:
        headers["Allow"] += ", HEAD"
    if "PATCH" in methods:
        headers["Accept-Patch"] = ", ".join(UPDATE.reads)
    return Reply(204, headers=headers)

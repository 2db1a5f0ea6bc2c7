"""Whether a request asks for JSON:API, and whether it does so by the rules.

https://jsonapi.org/format/1.1/#content-negotiation: the media type takes no parameter
but `ext` and `profile`. No extension is supported here, and every profile is ignored.
Imports `contract`, `errors` and `patch`.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache

from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header, parse_options_header

from myapp.contract import MEDIA_TYPE
from myapp.errors import NotAcceptable, UnsupportedMediaType
from myapp.patch import JSON_PATCH, MERGE_PATCH

JSON_API = "application/vnd.api+json"
USUAL = frozenset(("", "*/*", MEDIA_TYPE, MERGE_PATCH, JSON_PATCH))
"""The values of Accept and Content-Type that need no look: none asks for JSON:API."""


@lru_cache(256)
def asks_for_json_api(accept: str, content_type: str) -> bool:
    """Tell whether the answer is to be a JSON:API document.

    So it is where Accept names the media type, and does not prefer JSON. Where it
    names neither and admits both, the answer is of the type of the body.
    """
    accepted = _accepted(accept or "*/*")
    named = [quality for quality, _ in _named(accepted)]
    if named:
        return max(named) >= accepted.quality(MEDIA_TYPE)
    sent, _ = parse_options_header(content_type)
    return sent.lower() == JSON_API and accepted.quality(JSON_API) > 0


def check_accepted(header: str) -> None:
    """Raise NotAcceptable where each mention of the media type has a parameter."""
    named = [parameters for _, parameters in _named(_accepted(header))]
    if named and all(map(_unsupported, named)):
        raise NotAcceptable(
            f"This answers {JSON_API} without a parameter: accept it so."
        )


def check_sent(content_type: str) -> None:
    """Raise UnsupportedMediaType for a body that is no plain JSON:API document."""
    media_type, parameters = parse_options_header(content_type)
    if media_type.lower() != JSON_API or _unsupported(parameters):
        raise UnsupportedMediaType(f"Send {JSON_API}, without a parameter.")


def _accepted(header: str) -> MIMEAccept:
    return parse_accept_header(header, MIMEAccept)


def _named(accepted: MIMEAccept) -> Iterator[tuple[float, Mapping[str, str]]]:
    """Yield quality and parameters of each mention of the media type."""
    for value, quality in accepted:
        media_type, parameters = parse_options_header(value)
        if media_type.lower() == JSON_API and quality > 0:
            yield quality, parameters


def _unsupported(parameters: Mapping[str, str]) -> bool:
    return bool(parameters.keys() - {"profile"})

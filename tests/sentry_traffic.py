"""Run as a program: what an application answers, and what Sentry sees of it.

Sentry patches Flask, logging and more for the whole process, so it gets one of its own.
Settings and calls come in as JSON, and so do the answers go out.
"""

import json
import sys
from typing import Any

import sentry_sdk
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

seen: list[Any] = []


class Kept(Transport):
    """Keeps what would be sent."""

    def capture_envelope(self, envelope: Envelope) -> None:
        """Keep the name of what was traced."""
        for item in envelope.items:
            seen.append((item.payload.json or {}).get("transaction"))


def main() -> None:
    """Send the calls; print the answers, the lane's reasons, and what was seen."""
    sentry_sdk.init(
        dsn="https://key@sentry.invalid/1", transport=Kept, traces_sample_rate=1.0
    )
    from myapp import create_app
    from tests.samples import FEATURES
    from tests.wsgi_calls import Call, send

    given = json.load(sys.stdin)
    app = create_app(given["settings"], FEATURES)
    answers = [
        send(app, Call(**{**call, "body": call["body"].encode()}))
        for call in given["calls"]
    ]
    sentry_sdk.flush()
    reasons = app.extensions["lane"].reasons
    found = [[status, headers, body.decode()] for (status, headers, body), _ in answers]
    print(json.dumps({"answers": found, "reasons": reasons, "seen": seen}))


if __name__ == "__main__":
    main()

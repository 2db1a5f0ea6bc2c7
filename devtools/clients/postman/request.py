"""One request of the collection: what it sends, what it asserts, what it keeps."""

import json
import re
from typing import Any, NamedTuple

from devtools.clients.postman import values

Json = dict[str, Any]
FORM = "application/x-www-form-urlencoded"


class Request(NamedTuple):
    """An operation of the document, as Postman sends it."""

    method: str
    path: str
    operation: Json
    item: str
    """The path parameter by which one of these resources is addressed, or nothing."""
    references: Json
    """The fields that refer to another resource, with the values that are sent."""

    @property
    def id(self) -> str:
        """The name of the operation."""
        return str(self.operation["operationId"])

    @property
    def provides(self) -> dict[str, str]:
        """The variables that its answer sets, and the expression of each."""
        found = {
            name: f"answer.{field}"
            for name, field in values.CAPTURES.get(self.id, {}).items()
        }
        if self.item:
            listed = "answer.items[answer.items.length - 1].id"
            found[self.item] = "answer.id" if self.method == "post" else listed
        return found

    @property
    def needs(self) -> set[str]:
        """The variables that it uses."""
        return {*re.findall(r"{{(\w+)}}", json.dumps(self.sent))}

    @property
    def sent(self) -> Json:
        """The request, in Postman's form."""
        request: Json = {
            "method": self.method.upper(),
            "description": self.operation["description"],
            "url": self._url(),
            "header": self._headers(),
        }
        if not self.operation["security"]:
            request["auth"] = {"type": "noauth"}
        elif self.id in values.AS_USER:
            request["auth"] = bearer("access_token")
        if "requestBody" in self.operation:
            request["body"] = self._body()
        return request

    def document(self) -> Json:
        """Return the request with its scripts."""
        events = {"prerequest": values.BEFORE.get(self.id, ""), "test": self._test()}
        return {
            "name": self.operation["summary"].rstrip("."),
            "request": self.sent,
            "event": [
                {"listen": name, "script": {"exec": script.splitlines()}}
                for name, script in events.items()
                if script
            ],
        }

    def _url(self) -> Json:
        path = re.sub(r"{(\w+)}", r"{{\1}}", self.path)
        query = [
            {"key": found["name"], "value": "", "disabled": True}
            | {"description": found["description"]}
            for found in self.operation["parameters"]
            if found["in"] == "query"
        ]
        host = {"raw": f"{{{{baseUrl}}}}{path}", "host": ["{{baseUrl}}"]}
        return host | {"path": path.strip("/").split("/"), "query": query}

    def _headers(self) -> list[Json]:
        found = [
            {"key": "If-Match", "value": "{{etag}}"}
            for header in self.operation["parameters"]
            if header["name"] == "If-Match" and header["required"]
        ]
        if "requestBody" in self.operation:
            found.append({"key": "Content-Type", "value": self._content[0]})
        return found

    @property
    def _content(self) -> tuple[str, Json]:
        content: Json = self.operation["requestBody"]["content"]
        return next(iter(content.items()))

    def _body(self) -> Json:
        media_type, content = self._content
        body = dict(content["example"])
        body |= {name: self.references[name] for name in body.keys() & self.references}
        body |= values.BODIES.get(self.id, {})
        if media_type == FORM:
            filled = {name: value for name, value in body.items() if value is not None}
            form = [{"key": name, "value": value} for name, value in filled.items()]
            return {"mode": "urlencoded", "urlencoded": form}
        shown = {"raw": {"language": "json"}}
        raw = json.dumps(body, indent=2, ensure_ascii=False)
        return {"mode": "raw", "raw": raw, "options": shown}

    def _test(self) -> str:
        (status,) = (
            status for status in self.operation["responses"] if status[0] == "2"
        )
        lines = [f'pm.test("{status}", () => pm.response.to.have.status({status}));']
        if self.provides:
            lines.append("const answer = pm.response.json();")
        kept = dict(self.provides)
        if "ETag" in self.operation["responses"][status].get("headers", {}):
            kept["etag"] = 'pm.response.headers.get("ETag")'
        lines += [
            f'pm.collectionVariables.set("{name}", {value});'
            for name, value in kept.items()
        ]
        return "\n".join(lines)


def bearer(variable: str) -> Json:
    """Return how Postman sends a token, which is in a variable."""
    token = {"key": "token", "value": f"{{{{{variable}}}}}", "type": "string"}
    return {"type": "bearer", "bearer": [token]}

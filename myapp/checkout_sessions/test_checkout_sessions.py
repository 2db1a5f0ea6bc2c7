"""What checkout sessions do: the six operations on Redis, an end, and completion."""

from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from redis import Redis

from tests.answers import broken

URL = "/v1/checkout_sessions"
TICKETS = {
    "amount": 4200,
    "currency": "EUR",
    "description": "Two tickets",
    "success_url": "https://acme.example/thanks",
}
BOOK = {
    "amount": 1999,
    "currency": "CHF",
    "description": None,
    "success_url": "https://acme.example/book",
}


@pytest.fixture
def session(acme):
    """The answer to the opening of a session of acme's."""
    return acme.post(URL, json=TICKETS)


@pytest.fixture
def redis(redis_url):
    """A client of our own, to look at what is stored and to let it expire."""
    with Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


def index(actor):
    """Return the key under which Redis keeps the order of an account's sessions."""
    return f"{{{actor.account_id}}}:checkout_sessions"


def key(actor, document):
    """Return the key under which Redis keeps a session."""
    return f"{index(actor)}:{document['id']}"


def open_sessions(actor, *amounts):
    """Open sessions of these amounts; return their documents."""
    return [actor.post(URL, json=TICKETS | {"amount": n}).json for n in amounts]


# list


def test_list_of_a_new_account_is_empty(acme):
    shown = acme.get(URL)
    assert shown.status_code == 200
    assert shown.json == {"items": [], "next": None}


def test_list_shows_the_newest_first(acme):
    made = open_sessions(acme, 1, 2, 3)
    assert acme.get(URL).json["items"] == made[::-1]


def test_list_shows_nothing_of_another_account(session, rival):
    assert rival.get(URL).json["items"] == []


def test_list_in_pages_shows_each_session_once(acme):
    made = open_sessions(acme, 1, 2, 3)
    first = acme.get(URL, query_string={"limit": 2})
    assert first.json["items"] == made[:0:-1]
    link, relation = first.headers["Link"].split("; ")
    assert relation == 'rel="next"'
    last = acme.get(link.strip("<>"))
    assert last.json == {"items": made[:1], "next": None}
    assert "Link" not in last.headers


def test_list_fills_its_pages_past_expired_sessions_and_sweeps_them(acme, redis):
    made = open_sessions(acme, 1, 2, 3, 4, 5)
    redis.delete(key(acme, made[4]), key(acme, made[2]))
    shown = acme.get(URL, query_string={"limit": 2}).json
    assert shown["items"] == [made[3], made[1]]
    assert redis.zcard(index(acme)) == 3
    last = acme.get(URL, query_string={"limit": 2, "cursor": shown["next"]}).json
    assert last == {"items": [made[0]], "next": None}


def test_list_counts_those_that_have_not_expired(acme, redis):
    made = open_sessions(acme, 1, 2, 3)
    redis.delete(key(acme, made[0]))
    shown = acme.get(URL, query_string={"limit": 1, "count": "exact"})
    assert shown.headers["X-Total-Count"] == "2"


@pytest.mark.parametrize("query", ["limit=0", "sort=amount", "amount=1", "cursor=x"])
def test_list_with_a_bad_query_answers_400(acme, query):
    assert acme.get(f"{URL}?{query}").status_code == 400


def test_list_with_the_cursor_of_another_account_answers_400(acme, rival):
    open_sessions(acme, 1, 2)
    cursor = acme.get(URL, query_string={"limit": 1}).json["next"]
    refused = rival.get(URL, query_string={"limit": 1, "cursor": cursor})
    assert refused.status_code == 400


# create


def test_create_answers_201_and_an_open_session(acme):
    made = acme.post(URL, json=TICKETS)
    assert made.status_code == 201
    assert made.location == f"{URL}/{made.json['id']}"
    assert TICKETS.items() <= made.json.items()
    assert made.json["status"] == "open"
    shown = acme.get(made.location)
    assert shown.json == made.json
    assert shown.headers["ETag"] == made.headers["ETag"]


def test_create_lets_it_expire_a_day_later(acme, session, redis):
    created_at = datetime.fromisoformat(session.json["created_at"])
    expires_at = datetime.fromisoformat(session.json["expires_at"])
    assert expires_at - created_at == timedelta(days=1)
    assert 0 < redis.ttl(key(acme, session.json)) <= 24 * 60 * 60
    assert 0 < redis.ttl(index(acme)) <= 24 * 60 * 60


def test_create_without_what_has_a_default_fills_it_in(acme):
    body = {name: TICKETS[name] for name in ("amount", "currency", "success_url")}
    made = acme.post(URL, json=body)
    assert made.status_code == 201
    assert made.json["description"] is None


def test_create_takes_a_whole_number_in_any_notation(acme):
    made = acme.post(URL, json=TICKETS | {"amount": 4200.0})
    assert made.status_code == 201
    assert acme.get(made.location).data.count(b'"amount":4200,') == 1


INVALID = [
    pytest.param([], {("", "type")}, id="array"),
    pytest.param(TICKETS | {"amount": 0}, {("/amount", "minimum")}, id="nothing"),
    pytest.param(TICKETS | {"amount": 10**8}, {("/amount", "maximum")}, id="too-much"),
    pytest.param(TICKETS | {"amount": 4.2}, {("/amount", "type")}, id="fraction"),
    pytest.param(TICKETS | {"amount": "42"}, {("/amount", "type")}, id="text"),
    pytest.param(TICKETS | {"amount": True}, {("/amount", "type")}, id="boolean"),
    pytest.param(TICKETS | {"currency": "eur"}, {("/currency", "pattern")}, id="lower"),
    pytest.param(
        TICKETS | {"currency": "EUR\n"},
        {("/currency", "pattern"), ("/currency", "maxLength")},
        id="line-end",
    ),
    pytest.param(
        TICKETS | {"success_url": "thanks"},
        {("/success_url", "format"), ("/success_url", "pattern")},
        id="no-uri",
    ),
    pytest.param(
        TICKETS | {"success_url": "javascript:alert(1)"},
        {("/success_url", "pattern")},
        id="script",
    ),
    pytest.param(TICKETS | {"status": "complete"}, {("/status", "readOnly")}, id="set"),
    pytest.param(
        TICKETS | {"expires_at": "2099-01-01T00:00:00Z"},
        {("/expires_at", "readOnly")},
        id="longer",
    ),
    pytest.param(
        {"amount": 0, "currency": "EUR", "colour": "red"},
        {
            ("/amount", "minimum"),
            ("/success_url", "required"),
            ("/colour", "additionalProperties"),
        },
        id="every-error-at-once",
    ),
]


@pytest.mark.parametrize(("body", "rules"), INVALID)
def test_create_with_an_invalid_body_answers_400_and_names_each_rule(acme, body, rules):
    refused = acme.post(URL, json=body)
    assert refused.status_code == 400
    assert broken(refused) == rules
    assert acme.get(URL).json["items"] == []


def test_create_by_a_viewer_answers_403(acme):
    assert acme.with_key("viewer", ["*"]).post(URL, json=TICKETS).status_code == 403


# retrieve


def test_retrieve_answers_the_session(acme, session):
    shown = acme.get(session.location)
    assert shown.status_code == 200
    assert shown.json == session.json


def test_retrieve_of_what_the_caller_has_answers_304(acme, session):
    tag = session.headers["ETag"]
    assert acme.get(session.location, {"If-None-Match": tag}).status_code == 304
    acme.put(session.location, json=BOOK)
    assert acme.get(session.location, {"If-None-Match": tag}).status_code == 200


def test_retrieve_of_an_unknown_session_answers_404(acme):
    assert acme.get(f"{URL}/{uuid4()}").status_code == 404


def test_retrieve_by_another_account_answers_404(session, rival):
    assert rival.get(session.location).status_code == 404


# replace


def test_replace_writes_every_field_and_answers_the_new_etag(acme, session):
    changed = acme.put(session.location, json=BOOK)
    assert changed.status_code == 200
    assert changed.json == session.json | BOOK
    assert changed.headers["ETag"] != session.headers["ETag"]
    assert acme.get(session.location).json == changed.json


def test_replace_keeps_when_it_expires(acme, session, redis):
    redis.expire(key(acme, session.json), 1000)
    changed = acme.put(session.location, json=BOOK)
    assert changed.json["expires_at"] == session.json["expires_at"]
    assert 0 < redis.ttl(key(acme, session.json)) <= 1000


@pytest.mark.parametrize("match", ["{}", "W/{}", "*"])
def test_replace_with_the_current_etag_answers_200(acme, session, match):
    sent = {"If-Match": match.format(session.headers["ETag"])}
    assert acme.put(session.location, sent, json=BOOK).status_code == 200
    assert acme.get(session.location).json == session.json | BOOK


def test_replace_with_an_old_etag_answers_412_and_changes_nothing(acme, session):
    changed = acme.put(session.location, json=BOOK)
    sent = {"If-Match": session.headers["ETag"]}
    assert acme.put(session.location, sent, json=TICKETS).status_code == 412
    assert acme.get(session.location).json == changed.json


@pytest.mark.parametrize(
    ("match", "status"), [('"foreign"', 412), ("1", 400)], ids=["foreign", "malformed"]
)
def test_replace_with_no_etag_of_ours_changes_nothing(acme, session, match, status):
    refused = acme.put(session.location, {"If-Match": match}, json=BOOK)
    assert refused.status_code == status
    assert acme.get(session.location).json == session.json


@pytest.mark.parametrize(("body", "rules"), INVALID)
def test_replace_with_an_invalid_body_answers_400(acme, session, body, rules):
    refused = acme.put(session.location, json=body)
    assert refused.status_code == 400
    assert broken(refused) == rules
    assert acme.get(session.location).json == session.json


def test_replace_of_an_unknown_session_answers_404_and_opens_none(acme):
    assert acme.put(f"{URL}/{uuid4()}", json=BOOK).status_code == 404
    assert acme.get(URL).json["items"] == []


def test_replace_by_another_account_answers_404(acme, session, rival):
    assert rival.put(session.location, json=BOOK).status_code == 404
    assert acme.get(session.location).json == session.json


# update


def test_update_by_merge_patch_changes_what_it_names(acme, session):
    changed = acme.merge(session.location, {"amount": 2100, "description": None})
    assert changed.status_code == 200
    assert changed.json == session.json | {"amount": 2100, "description": None}
    assert acme.get(session.location).json == changed.json


def test_update_by_json_patch_carries_out_each_step(acme, session):
    steps = [
        {"op": "test", "path": "/status", "value": "open"},
        {"op": "replace", "path": "/amount", "value": 2100},
        {"op": "remove", "path": "/description"},
    ]
    changed = acme.json_patch(session.location, steps)
    assert changed.status_code == 200
    assert changed.json == session.json | {"amount": 2100, "description": None}
    assert acme.get(session.location).json == changed.json


def test_update_keeps_when_it_expires(acme, session, redis):
    redis.expire(key(acme, session.json), 1000)
    changed = acme.merge(session.location, {"amount": 2100})
    assert changed.json["expires_at"] == session.json["expires_at"]
    assert 0 < redis.ttl(key(acme, session.json)) <= 1000


@pytest.mark.parametrize(
    ("step", "status"),
    [
        pytest.param({"op": "test", "path": "/amount", "value": 1}, 409, id="test"),
        pytest.param({"op": "remove", "path": "/colour"}, 422, id="missing-path"),
        pytest.param({"op": "remove", "path": "/status"}, 422, id="forbidden-path"),
        pytest.param({"op": "remove", "path": "amount"}, 400, id="malformed"),
        pytest.param({"op": "remove", "path": "/amount"}, 400, id="breaks-contract"),
    ],
)
def test_update_that_fails_changes_nothing(acme, session, step, status):
    change = {"op": "replace", "path": "/currency", "value": "USD"}
    refused = acme.json_patch(session.location, [change, step])
    assert refused.status_code == status
    assert acme.get(session.location).json == session.json


@pytest.mark.parametrize("field", ["status", "expires_at", "created_at", "id"])
def test_update_of_an_assigned_field_answers_422(acme, session, field):
    refused = acme.merge(session.location, {field: "complete"})
    assert refused.status_code == 422
    assert broken(refused) == {(f"/{field}", "readOnly")}
    assert acme.get(session.location).json == session.json


def test_update_with_an_old_etag_answers_412_and_changes_nothing(acme, session):
    changed = acme.put(session.location, json=BOOK)
    sent = {"If-Match": session.headers["ETag"]}
    assert acme.merge(session.location, {"amount": 1}, sent).status_code == 412
    assert acme.get(session.location).json == changed.json


def test_update_by_another_account_answers_404(acme, session, rival):
    assert rival.merge(session.location, {"amount": 1}).status_code == 404
    assert acme.get(session.location).json == session.json


# delete


def test_delete_answers_204_and_the_session_is_gone(acme, session, redis):
    assert acme.delete(session.location).status_code == 204
    assert not redis.exists(key(acme, session.json), index(acme))
    assert acme.get(session.location).status_code == 404
    assert acme.get(URL).json["items"] == []
    assert acme.delete(session.location).status_code == 404


def test_delete_with_an_old_etag_answers_412_and_removes_nothing(acme, session):
    changed = acme.put(session.location, json=BOOK)
    sent = {"If-Match": session.headers["ETag"]}
    assert acme.delete(session.location, sent).status_code == 412
    sent = {"If-Match": changed.headers["ETag"]}
    assert acme.delete(session.location, sent).status_code == 204


def test_delete_by_another_account_answers_404(acme, session, rival):
    assert rival.delete(session.location).status_code == 404
    assert acme.get(session.location).json == session.json


# complete


def test_complete_answers_the_complete_session(acme, session):
    done = acme.post(f"{session.location}/complete")
    assert done.status_code == 200
    assert done.json == session.json | {"status": "complete"}
    assert done.headers["ETag"] != session.headers["ETag"]
    assert acme.get(session.location).json == done.json


def test_complete_keeps_when_it_expires(acme, session, redis):
    redis.expire(key(acme, session.json), 1000)
    acme.post(f"{session.location}/complete")
    assert 0 < redis.ttl(key(acme, session.json)) <= 1000


def test_complete_a_second_time_answers_409(acme, session):
    done = acme.post(f"{session.location}/complete")
    assert acme.post(f"{session.location}/complete").status_code == 409
    assert acme.get(session.location).headers["ETag"] == done.headers["ETag"]


def test_complete_with_an_old_etag_answers_412_and_leaves_it_open(acme, session):
    changed = acme.put(session.location, json=BOOK)
    sent = {"If-Match": session.headers["ETag"]}
    assert acme.post(f"{session.location}/complete", sent).status_code == 412
    assert acme.get(session.location).json == changed.json


def test_complete_of_an_unknown_session_answers_404(acme):
    assert acme.post(f"{URL}/{uuid4()}/complete").status_code == 404


def test_complete_by_another_account_answers_404(acme, session, rival):
    assert rival.post(f"{session.location}/complete").status_code == 404
    assert acme.get(session.location).json["status"] == "open"


def test_complete_by_a_viewer_answers_403(acme, session):
    viewer = acme.with_key("viewer", ["*"])
    assert viewer.post(f"{session.location}/complete").status_code == 403
    assert acme.get(session.location).json["status"] == "open"


# every operation


@pytest.mark.parametrize(
    ("method", "below", "body"),
    [
        pytest.param("GET", "", None, id="retrieve"),
        pytest.param("PUT", "", BOOK, id="replace"),
        pytest.param("DELETE", "", None, id="delete"),
        pytest.param("POST", "/complete", None, id="complete"),
    ],
)
def test_every_operation_on_an_expired_session_answers_404(
    acme, session, redis, method, below, body
):
    redis.pexpire(key(acme, session.json), 0)
    gone = acme.open(method, session.location + below, json=body)
    assert gone.status_code == 404
    assert not redis.exists(key(acme, session.json))
    assert acme.get(URL).json["items"] == []


def test_update_of_an_expired_session_answers_404(acme, session, redis):
    redis.pexpire(key(acme, session.json), 0)
    assert acme.merge(session.location, {"amount": 1}).status_code == 404
    assert not redis.exists(key(acme, session.json))

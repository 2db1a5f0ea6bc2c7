"""No input makes a 5xx, and nothing is understood in two ways.

Bodies, queries, paths and headers, on every operation that reads them. The client
holds every answer against its declaration: here no status may be 5xx, and no error
body may quote what was sent.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from io import BytesIO
from itertools import cycle
from urllib.parse import quote, urlencode
from uuid import uuid4

import pytest
from werkzeug.test import create_environ, run_wsgi_app

from myapp import strict_json
from myapp.contract_rules import types_of
from myapp.errors import BadRequest
from myapp.kinds import LIST, REPLACE, RETRIEVE
from myapp.patch import JSON_PATCH
from tests.actors import sign_up
from tests.bodies import TARGETS, example, url_of
from tests.json_texts import BROKEN_TEXTS, BROKEN_VALUES, SOUND_VALUES
from tests.naughty_strings import NAUGHTY
from tests.resources import OPERATIONS, make_everything

SECRET = "hunter2-must-not-be-shown"
CUSTOMERS = "/v1/sample_customers"
ADA = {"name": "Ada", "email": "ada@example.com"}
LARGEST_BODY = 1024 * 1024

one_engine = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
"""For what is decided before a value reaches SQL."""


@pytest.fixture(scope="module")
def anna(app):
    """The owner of an account that this module's tests share."""
    return sign_up(app.test_client(), "anna")


@pytest.fixture(scope="module")
def ids(anna):
    """One resource of every feature, in anna's account."""
    return make_everything(anna, f"mark-{uuid4().hex[:8]}")


def raw(text):
    """Return text as a WSGI server passes on its bytes (PEP 3333)."""
    return text.encode("utf-8", "surrogatepass").decode("latin-1")


# bodies: the text


@one_engine
@pytest.mark.parametrize("value", BROKEN_VALUES.values(), ids=BROKEN_VALUES)
def test_body_with_a_broken_value_answers_400_without_quoting_it(anna, ids, value):
    text = b'{"password": "%s", "value": %s}' % (SECRET.encode(), value)
    for target in TARGETS:
        answer = target.send(anna, ids, text)
        assert answer.status_code == 400, target.name
        assert "errors" not in answer.json, "it was read, and failed later"
        assert SECRET not in answer.text, target.name


@one_engine
def test_body_with_a_duplicate_name_answers_400_without_quoting_it(anna, ids):
    text = b'{"%s": 1, "%s": 2}' % (SECRET.encode(), SECRET.encode())
    for target in TARGETS:
        answer = target.send(anna, ids, text)
        assert answer.status_code == 400, target.name
        assert SECRET not in answer.text, target.name


@pytest.mark.parametrize("value", BROKEN_VALUES.values(), ids=BROKEN_VALUES)
def test_strict_json_refuses_a_broken_value_without_quoting_it(value):
    with pytest.raises(BadRequest) as refused:
        strict_json.loads(value)
    detail = refused.value.detail or ""
    assert len(detail) < 150
    assert len(value) < 5 or value.decode("latin-1") not in detail


@one_engine
@pytest.mark.parametrize("text", BROKEN_TEXTS.values(), ids=BROKEN_TEXTS)
def test_body_that_is_no_json_answers_400(anna, ids, text):
    for target in TARGETS:
        answer = target.send(anna, ids, text)
        assert answer.status_code == 400, target.name
        assert "errors" not in answer.json, "it was read, and failed later"


@one_engine
@pytest.mark.parametrize("value", SOUND_VALUES.values(), ids=SOUND_VALUES)
def test_body_that_is_sound_json_is_read_and_held_against_the_contract(
    anna, ids, value
):
    for target in TARGETS:
        for text in (b'{"name": %s}' % value, b'[{"op": %s}]' % value):
            answer = target.send(anna, ids, text)
            # A name may be all that a body needs, and taken by the one before.
            assert answer.status_code in (200, 201, 400, 409), target.name
            assert b"not strict JSON" not in answer.data, target.name


@pytest.mark.parametrize("value", SOUND_VALUES.values(), ids=SOUND_VALUES)
def test_strict_json_reads_what_the_standard_library_reads(value):
    assert repr(strict_json.loads(value)) == repr(json.loads(value))


# bodies: strings


def strings_of(contract):
    """List the writable fields that hold a string, or an array of strings."""
    for field in contract.writable:
        schema = contract.properties[field]
        if "string" in types_of(schema):
            yield field, schema, lambda text: text
        elif "string" in types_of(schema.get("items", {})):
            yield field, schema, lambda text: [text]


def is_storable(text):
    return "\0" not in text and not any("\ud800" <= sign <= "\udfff" for sign in text)


STORABLE = {name: text for name, text in NAUGHTY.items() if is_storable(text)}


def expected(schema, text):
    """Return the statuses that fit: one of them, where length alone decides."""
    if {"format", "pattern", "enum", "items"} & schema.keys():
        return (200, 400)
    fits = schema.get("minLength", 0) <= len(text) <= schema["maxLength"]
    return (200,) if fits and is_storable(text) else (400,)


def refused(operation, field):
    """Return the status of an id that names nothing, where a field refers."""
    return (409,) if field in operation.accepts.references else ()


@pytest.mark.parametrize("text", NAUGHTY.values(), ids=NAUGHTY)
def test_replace_with_any_string_in_any_field_keeps_it_exactly_or_answers_400(
    anna, ids, text
):
    for operation in OPERATIONS:
        if operation.kind is not REPLACE:
            continue
        url = url_of(operation, ids)
        for field, schema, holding in strings_of(operation.accepts):
            body = example(operation, ids) | {field: holding(text)}
            answer = anna.put(url, json=body, headers={"If-Match": "*"})
            admitted = (*expected(schema, text), *refused(operation, field))
            assert answer.status_code in admitted, f"{url} {field}"
            if answer.status_code == 200:
                assert answer.json[field] == anna.get(url).json[field] == holding(text)


@one_engine
@pytest.mark.parametrize("text", NAUGHTY.values(), ids=NAUGHTY)
def test_update_with_any_string_keeps_it_exactly_or_answers_400(anna, ids, text):
    url = f"/v1/sample_checkouts/{ids['sample_checkout_id']}"
    status = 200 if is_storable(text) and len(text) <= 500 else 400
    merged = anna.merge(url, {"description": text})
    step = {"op": "replace", "path": "/description", "value": text}
    patched = anna.json_patch(url, [step])
    assert (merged.status_code, patched.status_code) == (status, status)
    if status == 200:
        assert merged.json["description"] == patched.json["description"] == text


@pytest.mark.parametrize("text", STORABLE.values(), ids=STORABLE)
def test_list_filtered_by_any_string_finds_exactly_it(anna, text):
    made = anna.post(CUSTOMERS, json=ADA | {"name": text})
    found = anna.get(CUSTOMERS, query_string={"name": text, "limit": 1})
    if made.status_code == 201:
        assert found.json["items"] == [made.json]
    else:
        assert found.status_code == 400 or found.json["items"] == []


# bodies: size, type and encoding


WRONG_VALUES = {
    "a_long_string": SECRET * 10_000,
    "an_array": [SECRET],
    "an_array_of_many": [SECRET] * 1000,
    "an_object": {"value": SECRET},
    "a_name": {SECRET: 1},
    "a_number": 1.5,
    "a_boolean": True,
}


@one_engine
@pytest.mark.parametrize("value", WRONG_VALUES.values(), ids=WRONG_VALUES)
def test_body_with_a_wrong_value_in_any_field_is_refused_without_quoting_it(
    anna, ids, value
):
    for target in TARGETS:
        body = example(target.operation, ids)
        for field in body:
            if isinstance(value, bool) and isinstance(body[field], bool):
                continue  # that is no wrong value
            text = json.dumps(body | {field: value})
            if target.media_type == JSON_PATCH:
                step = {"op": "add", "path": f"/{field}", "value": value}
                text = json.dumps([step])
            answer = target.send(anna, ids, text.encode())
            assert answer.status_code == 400, f"{target.name} {field}"
            assert SECRET not in answer.text, f"{target.name} {field}"


@one_engine
@pytest.mark.parametrize("sign", ["n", "é", "😀", "\x01", '"'], ids=ascii)
def test_body_with_many_long_unknown_names_answers_400_of_at_most_8_kib(
    anna, ids, sign
):
    body = {sign * 1000 + str(number): SECRET for number in range(50)}
    for target in TARGETS:
        if target.media_type != JSON_PATCH:
            answer = target.send(anna, ids, json.dumps(body).encode())
            assert answer.status_code == 400, target.name
            assert len(answer.data) < 8192, target.name
            assert SECRET not in answer.text, target.name
            assert "are not listed" in answer.json["errors"][-1]["detail"]


@one_engine
def test_body_one_byte_too_large_answers_413(anna, ids):
    for target in TARGETS:
        answer = target.send(anna, ids, b" " * (LARGEST_BODY + 1))
        assert answer.status_code == 413, target.name


@one_engine
def test_body_of_the_largest_size_is_read(anna, ids):
    for target in TARGETS:
        answer = target.send(anna, ids, b" " * LARGEST_BODY)
        assert answer.status_code == 400, target.name


def post_with(client, environ, data=b""):
    """Send a customer's body in a WSGI environment of the test's own."""
    headers = {"Content-Type": "application/json"}
    return client.post(CUSTOMERS, headers, data=data, environ_overrides=environ)


LENGTHS = {
    "word": ("abc", 400),
    "negative": ("-1", 400),
    "plus_sign": ("+2", 400),
    "fraction": ("2.0", 400),
    "exponent": ("1e3", 400),
    "hexadecimal": ("0x2", 400),
    "underscore": ("1_0", 400),
    "space_before": (" 2", 400),
    "twice": ("2, 2", 400),
    "superscript": ("\xb2", 400),
    "arabic_digit": (raw("٢"), 400),
    "more_than_was_sent": ("3", 400),
    "one_too_many": (str(LARGEST_BODY + 1), 413),
    "hundred_gigabytes": ("100000000000", 413),
    "beyond_64_bits": ("9" * 20, 413),
    "of_5000_digits": ("9" * 5000, 413),
    "zeros_before_beyond_64_bits": ("0" * 18 + "9" * 20, 413),
    "zeros_only": ("0" * 5000, 400),
    "zeros_before": ("0" * 5000 + "2", 400),
}


@one_engine
@pytest.mark.parametrize(("length", "status"), LENGTHS.values(), ids=LENGTHS)
def test_body_with_a_doubtful_content_length_is_refused(anna, length, status):
    answer = post_with(anna, {"CONTENT_LENGTH": length}, b"{}")
    assert answer.status_code == status


@one_engine
def test_body_in_chunks_that_the_server_does_not_join_answers_411(anna, ids):
    for target in TARGETS:
        url = url_of(target.operation, ids)
        answer = anna.open(
            target.operation.method,
            url,
            {"Content-Type": target.media_type, "If-Match": "*"},
            environ_overrides={"HTTP_TRANSFER_ENCODING": "chunked"},
        )
        assert answer.status_code == 411, target.name


def chunked(data):
    """Return the environment of a server that joins the chunks of a body."""
    return {
        "HTTP_TRANSFER_ENCODING": "chunked",
        "wsgi.input_terminated": True,
        "wsgi.input": BytesIO(data),
    }


@one_engine
def test_body_in_chunks_that_the_server_joins_is_read_whole(anna):
    answer = post_with(anna, chunked(json.dumps(ADA).encode()))
    assert answer.status_code == 201
    assert answer.json["name"] == "Ada"


@one_engine
def test_body_in_chunks_that_are_too_large_together_answers_413(anna):
    answer = post_with(anna, chunked(b" " * (LARGEST_BODY + 1)))
    assert answer.status_code == 413


@one_engine
def test_body_whose_connection_breaks_off_answers_400(anna):
    class Broken(BytesIO):
        def read(self, *_):
            raise OSError("the client went away")

    environ = {"CONTENT_LENGTH": "20", "wsgi.input": Broken()}
    assert post_with(anna, environ).status_code == 400


CONTENT_TYPES = {
    "none": "",
    "text": "text/plain",
    "form": "application/x-www-form-urlencoded",
    "multipart": "multipart/form-data; boundary=x",
    "xml": "application/xml",
    "html": "text/html",
    "json_of_another_kind": "application/hal+json",
    "json_as_text": "text/json",
    "json_with_a_suffix": "application/jsonx",
    "json_and_another": "application/json, text/plain",
    "wildcard": "*/*",
    "word": "json",
    "latin1": "application/json; charset=iso-8859-1",
    "utf16": "application/json; charset=utf-16",
    "utf7": "application/json; charset=utf-7",
    "unknown_charset": "application/json; charset=x",
    "sign_beyond_ascii": "application/json\xff",
}


@one_engine
@pytest.mark.parametrize("content_type", CONTENT_TYPES.values(), ids=CONTENT_TYPES)
def test_body_of_a_foreign_content_type_answers_415(anna, ids, content_type):
    for target in TARGETS:
        answer = target.send(anna, ids, b"{}", {"Content-Type": content_type})
        assert answer.status_code == 415, target.name


@one_engine
@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON",
        "application/json;charset=utf-8",
        'application/json; charset="UTF-8"',
        "application/json ; charset=utf8",
    ],
)
def test_body_of_json_in_utf8_is_read_however_it_is_named(anna, content_type):
    answer = anna.post(CUSTOMERS, {"Content-Type": content_type}, data=json.dumps(ADA))
    assert answer.status_code == 201


@one_engine
@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "gzip, identity", "x"])
def test_body_with_a_content_encoding_answers_415(anna, ids, coding):
    for target in TARGETS:
        answer = target.send(anna, ids, b"{}", {"Content-Encoding": coding})
        assert answer.status_code == 415, target.name


# the query


DOUBTFUL_QUERIES = {
    "unknown": "bogus=1",
    "unknown_without_value": "bogus",
    "unknown_without_name": "=1",
    "unknown_in_upper_case": "LIMIT=1",
    "unknown_for_python": "__class__=1",
    "twice": "limit=1&limit=1",
    "twice_differently": "limit=1&limit=2",
    "twice_escaped": "limit=1&%6Cimit=2",
    "nul": "cursor=a%00b",
    "nul_in_name": "limit%00=1",
    "bytes_that_are_no_utf8": "cursor=%FF",
    "bytes_of_a_surrogate": "cursor=%ED%A0%80",
    "bytes_overlong": "cursor=%C0%AF",
    "bytes_raw": "cursor=\xff",
    "too_many": "&".join(f"p{number}=1" for number in range(51)),
    "far_too_many": "&".join(["a=1"] * 100_000),
    "limit_zero": "limit=0",
    "limit_negative": "limit=-1",
    "limit_101": "limit=101",
    "limit_a_milliard": "limit=1000000000",
    "limit_of_5000_digits": "limit=" + "9" * 5000,
    "limit_word": "limit=abc",
    "limit_empty": "limit=",
    "limit_fraction": "limit=1.0",
    "limit_exponent": "limit=1e1",
    "limit_plus_sign": "limit=%2B1",
    "limit_space": "limit=+1",
    "limit_arabic_digit": "limit=%D9%A1",
    "limit_full_width_digit": "limit=%EF%BC%91",
    "limit_superscript": "limit=%C2%B2",
    "limit_sql": "limit=1;drop+table+customers",
    "count_word": "count=yes",
    "count_empty": "count=",
    "cursor_empty": "cursor=",
    "cursor_no_base64": "cursor=!!!!",
    "cursor_no_json": "cursor=AAAA",
    "cursor_beyond_ascii": "cursor=%C3%A9",
    "cursor_json_null": "cursor=bnVsbA",
    "cursor_deep": "cursor=" + urlsafe_b64encode(b"[" * 10_000).decode(),
    "cursor_long": "cursor=" + "A" * 100_000,
}


@one_engine
@pytest.mark.parametrize("query", DOUBTFUL_QUERIES.values(), ids=DOUBTFUL_QUERIES)
def test_list_with_a_doubtful_query_answers_400(anna, ids, query):
    for operation in OPERATIONS:
        if operation.kind is LIST:
            url = url_of(operation, ids)
            answer = anna.get(url, environ_overrides={"QUERY_STRING": query})
            assert answer.status_code == 400, url
            assert SECRET not in answer.text


BAD_FILTERS = {
    "date_time_word": "created_at=yesterday",
    "date_time_empty": "created_at=",
    "date_time_without_offset": "created_at=2026-01-01T00:00:00",
    "date_time_without_time": "created_at=2026-01-01",
    "date_time_of_a_week": "created_at=2026-W01-1T00:00:00Z",
    "date_time_leap_second": "created_at=2016-12-31T23:59:60Z",
    "date_time_year_zero": "created_at=0000-01-01T00:00:00Z",
    "date_time_before_year_one": "created_at[gte]=0001-01-01T00:00:00%2B01:00",
    "date_time_after_year_9999": "created_at[lt]=9999-12-31T23:59:59-01:00",
    "date_time_sql": "created_at=2026-01-01T00:00:00Z'--",
    "date_time_arabic_digits": "created_at=" + quote("٢٠٢٦-01-01T00:00:00Z"),
    "email_word": "email=nobody",
    "text_too_long": "name=" + "n" * 121,
    "comparison_unknown": "name[like]=A",
    "comparison_empty": "name[]=A",
    "comparison_unclosed": "name[gte=A",
    "comparison_of_no_filter": "limit[gte]=1",
    "field_hidden": "account_id=01890a5d-ac96-774b-bcce-b302099a8057",
    "field_not_a_filter": "id=01890a5d-ac96-774b-bcce-b302099a8057",
    "sort_unknown": "sort=email",
    "sort_hidden": "sort=account_id",
    "sort_two": "sort=name,created_at",
    "sort_two_minuses": "sort=--name",
    "sort_minus_only": "sort=-",
    "sort_empty": "sort=",
    "sort_sql": "sort=name;drop+table+customers",
}


@one_engine
@pytest.mark.parametrize("query", BAD_FILTERS.values(), ids=BAD_FILTERS)
def test_list_with_a_bad_filter_or_sort_answers_400(anna, query):
    answer = anna.get(CUSTOMERS, environ_overrides={"QUERY_STRING": query})
    assert answer.status_code == 400
    assert answer.json["errors"][0]["at"].startswith("?")


@one_engine
def test_list_reads_a_query_of_raw_utf8_as_it_reads_an_escaped_one(anna):
    made = anna.post(CUSTOMERS, json=ADA | {"name": "Zoë"})
    for query in ("name=Zo%C3%AB", raw("name=Zoë")):
        found = anna.get(CUSTOMERS, environ_overrides={"QUERY_STRING": query})
        assert found.json["items"] == [made.json]


@one_engine
def test_operations_without_parameters_refuse_a_query(anna, ids):
    for operation in OPERATIONS:
        if operation.kind is RETRIEVE:
            answer = anna.get(url_of(operation, ids) + "?limit=1")
            assert answer.status_code == 400
            assert "there is: none" in answer.json["errors"][0]["detail"]


@one_engine
def test_server_may_leave_out_an_empty_query(app, anna):
    environ = create_environ(CUSTOMERS, headers=anna.headers)
    del environ["QUERY_STRING"]  # PEP 3333: "may be empty or absent"
    _, status, _ = run_wsgi_app(app, environ)
    assert status == "200 OK"


# cursors


def cursor_of(actor, **query):
    """Return the cursor of a list's second page."""
    answer = actor.get(CUSTOMERS, query_string={"limit": 1, **query})
    assert answer.json["next"], answer.json
    return answer.json["next"]


def forged(cursor, value=None, id=None):
    """Return a cursor with another value or id, for the same list."""
    fingerprint, own_value, own_id = json.loads(urlsafe_b64decode(cursor + "=="))
    parts = [fingerprint, own_value if value is None else value, id or own_id]
    text = json.dumps(parts, allow_nan=True)
    return urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


@pytest.fixture(scope="module")
def many(anna):
    """Some customers, so that lists have a second page."""
    for number in range(3):
        anna.post(CUSTOMERS, json=ADA | {"name": f"n{number}"})


def test_cursor_of_another_account_answers_400(anna, many, rival):
    rival.post(CUSTOMERS, json=ADA)
    rival.post(CUSTOMERS, json=ADA)
    answer = anna.get(CUSTOMERS, query_string={"cursor": cursor_of(rival)})
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        pytest.param({"sort": "name"}, id="other_sort"),
        pytest.param({"sort": "-created_at"}, id="other_order"),
        pytest.param({"name[gte]": "n"}, id="other_filter"),
    ],
)
def test_cursor_of_another_list_of_the_account_answers_400(anna, many, query):
    own = anna.get(CUSTOMERS, query_string={**query, "cursor": cursor_of(anna)})
    other = anna.get(CUSTOMERS, query_string={"cursor": cursor_of(anna, **query)})
    assert (own.status_code, other.status_code) == (400, 400)


FORGED_VALUES = {
    "integer": 5,
    "integer_beyond_64_bits": 10**30,
    "number": 1.5,
    "nan": float("nan"),
    "boolean": True,
    "array": [],
    "object": {},
    "nul": "\0",
    "surrogate": "\ud800",
    "long": "n" * 500,
}


@pytest.mark.parametrize("sort", ["name", "created_at"])
@pytest.mark.parametrize("value", FORGED_VALUES.values(), ids=FORGED_VALUES)
def test_cursor_with_a_forged_value_answers_400(anna, many, sort, value):
    cursor = forged(cursor_of(anna, sort=sort), value=value)
    answer = anna.get(CUSTOMERS, query_string={"sort": sort, "cursor": cursor})
    assert answer.status_code == 400


@pytest.mark.parametrize("id", ["x", 5, "{}", "' OR 1=1"], ids=str)
def test_cursor_with_a_forged_id_answers_400(anna, many, id):
    cursor = forged(cursor_of(anna), id=id)
    answer = anna.get(CUSTOMERS, query_string={"cursor": cursor})
    assert answer.status_code == 400


# the path


PATHS = {
    "word": "/v1/sample_customers/abc",
    "digit": "/v1/sample_customers/1",
    "nul": "/v1/sample_customers/\0",
    "nul_behind_an_id": "/v1/sample_customers/{id}\0",
    "newline_behind_an_id": "/v1/sample_customers/{id}\n",
    "space_behind_an_id": "/v1/sample_customers/{id} ",
    "semicolon_behind_an_id": "/v1/sample_customers/{id};v=1",
    "id_without_hyphens": "/v1/sample_customers/{hex}",
    "id_in_braces": "/v1/sample_customers/{{{id}}}",
    "id_as_urn": "/v1/sample_customers/urn:uuid:{id}",
    "id_with_arabic_digits": f"{CUSTOMERS}/٠١٨٩0a5d-ac96-774b-bcce-b302099a8057",
    "id_with_full_width_digits": f"{CUSTOMERS}/０１8９0a5d-ac96-774b-bcce-b302099a8057",
    "id_cut_short": "/v1/sample_customers/{short}",
    "two_slashes_first": "//v1/sample_customers",
    "two_slashes_inside": "/v1//sample_customers",
    "two_slashes_last": "/v1/sample_customers//",
    "three_slashes": "///",
    "dots": "/v1/../v1/sample_customers",
    "dots_up": "/v1/sample_customers/..",
    "dots_in_the_pages": "/docs/assets/../../../../etc/passwd",
    "nul_in_the_pages": "/docs/assets/\0",
    "long_in_the_pages": "/docs/assets/" + "a" * 5000,
    "upper_case": "/V1/CUSTOMERS",
    "backslash": "/v1\\customers",
    "long": "/v1/sample_customers/" + "a" * 100_000,
    "emoji": "/v1/😀",
    "bytes_that_are_no_utf8": "/v1/\udcff",
    "problem_unknown": "/problems/<script>",
}


@one_engine
@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_path_that_names_nothing_answers_404(anna, ids, path):
    id = ids["sample_customer_id"]
    path = path.format(id=id, hex=id.replace("-", ""), short=id[:-1])
    sent = path.encode(errors="surrogateescape").decode("latin-1")
    answer = anna.get("/", environ_overrides={"PATH_INFO": sent})
    assert answer.status_code == 404


@one_engine
@pytest.mark.parametrize("escape", ["%00", "%2e%2e", "%2F", "%5C", "%C0%AF", "%"])
def test_path_with_an_escape_in_an_id_answers_404(anna, escape):
    answer = anna.get(f"/v1/sample_customers/{escape}")
    assert answer.status_code == 404


@one_engine
def test_path_with_an_id_in_upper_case_is_the_same_resource(anna, ids):
    id = ids["sample_customer_id"]
    answer = anna.get(f"{CUSTOMERS}/{id.upper()}")
    assert answer.status_code == 200
    assert answer.json["id"] == id


@one_engine
@pytest.mark.parametrize("text", NAUGHTY.values(), ids=NAUGHTY)
def test_path_with_any_string_for_an_id_answers_404(anna, text):
    for operation in OPERATIONS:
        if operation.kind is RETRIEVE:
            path = raw(operation.url.partition("<")[0] + (text[:500] or "none"))
            answer = anna.get("/", environ_overrides={"PATH_INFO": path})
            assert answer.status_code == 404, path


# headers


HEADERS = [
    "HTTP_AUTHORIZATION",
    "HTTP_ACCEPT",
    "HTTP_ACCEPT_ENCODING",
    "HTTP_ACCEPT_LANGUAGE",
    "HTTP_IF_MATCH",
    "HTTP_IF_NONE_MATCH",
    "HTTP_IF_MODIFIED_SINCE",
    "HTTP_IF_RANGE",
    "HTTP_RANGE",
    "HTTP_ORIGIN",
    "HTTP_ACCESS_CONTROL_REQUEST_METHOD",
    "HTTP_ACCESS_CONTROL_REQUEST_HEADERS",
    "HTTP_X_REQUEST_ID",
    "HTTP_HOST",
    "HTTP_COOKIE",
    "HTTP_CONTENT_ENCODING",
    "HTTP_TRANSFER_ENCODING",
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_HTTP_METHOD_OVERRIDE",
    "CONTENT_TYPE",
    "CONTENT_LENGTH",
]


def is_sendable(text):
    """Tell whether a server lets a string through as the value of a header."""
    return not any(sign in "\0\r\n" for sign in text)


@one_engine
@pytest.mark.parametrize("header", HEADERS)
def test_header_with_any_string_never_makes_a_5xx(anna, ids, header):
    url = f"{CUSTOMERS}/{ids['sample_customer_id']}"
    methods = cycle(["GET", "PUT", "OPTIONS"])
    for text, method in zip(filter(is_sendable, NAUGHTY.values()), methods):
        environ = {header: raw(text)}
        answer = anna.open(method, url, json=ADA, environ_overrides=environ)
        assert answer.status_code < 500, f"{method} {text[:40]!r}"


IF_MATCH = {
    "empty": ("", 400),
    "word": ("abc", 400),
    "number": ("1", 400),
    "unquoted": ("1-00000000", 400),
    "unclosed": ('"1-00000000', 400),
    "single_quotes": ("'1-00000000'", 400),
    "two": ('"1-00000000", "2-00000000"', 400),
    "weak_in_lower_case": ('w/"1-00000000"', 400),
    "weak_unquoted": ("W/1-00000000", 400),
    "space_in_tag": ('"1 00000000"', 400),
    "star_and_more": ('*, "1"', 400),
    "quoted_star": ('"*"', 412),
    "empty_tag": ('""', 412),
    "foreign": ('"abc"', 412),
    "foreign_beyond_ascii": ('"\xe9"', 412),
    "version_zero": ('"0-00000000"', 412),
    "version_negative": ('"-1-00000000"', 412),
    "version_too_long": ('"' + "9" * 30 + '-00000000"', 412),
    "version_largest": ('"999999999-00000000"', 412),
    "version_arabic": (raw('"١-00000000"'), 412),
    "long": ('"' + "a" * 10_000 + '"', 412),
}


@pytest.mark.parametrize(("header", "status"), IF_MATCH.values(), ids=IF_MATCH)
def test_if_match_that_is_no_current_tag_answers_400_or_412(anna, ids, header, status):
    for url in (
        f"{CUSTOMERS}/{ids['sample_customer_id']}",
        f"/v1/sample_checkouts/{ids['sample_checkout_id']}",
    ):
        answer = anna.merge(url, {}, {"If-Match": header})
        assert answer.status_code == status


AUTHORIZATIONS = {
    "scheme_only": "Bearer",
    "scheme_and_space": "Bearer ",
    "no_scheme": "{key}",
    "other_scheme": "Basic {key}",
    "basic": "Basic YWRhOnNlY3JldA==",
    "token_scheme": "Token {key}",
    "two_tokens": "Bearer {key} {key}",
    "two_credentials": "Bearer {key}, Bearer {key}",
    "quoted": 'Bearer "{key}"',
    "parameter": "Bearer token={key}",
    "key_cut_short": "Bearer {short}",
    "key_with_more": "Bearer {key}A",
    "key_padded": "Bearer {key}==",
    "key_in_upper_case": "Bearer {upper}",
    "key_with_a_nul": "Bearer {key}\0",
    "key_beyond_ascii": "Bearer {key}\xff",
    "prefix_only": "Bearer myapp_",
    "sql": "Bearer ' OR 1=1 --",
    "jwt": "Bearer eyJhbGciOiJub25lIn0.e30.",
    "long": "Bearer " + "A" * 1_000_000,
}


@pytest.mark.parametrize("header", AUTHORIZATIONS.values(), ids=AUTHORIZATIONS)
def test_authorization_that_names_nobody_answers_401_without_quoting_it(anna, header):
    key = anna.key
    sent = header.format(key=key, short=key[:-1], upper=key.upper())
    answer = anna.get(CUSTOMERS, environ_overrides={"HTTP_AUTHORIZATION": sent})
    assert answer.status_code == 401
    assert key not in answer.text + str(answer.headers)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer  "])
def test_authorization_with_the_scheme_in_any_case_signs_in(anna, scheme):
    answer = anna.get(CUSTOMERS, {"Authorization": f"{scheme} {anna.key}"})
    assert answer.status_code == 200


@one_engine
def test_credentials_in_the_query_sign_nobody_in(anna):
    for name in ("access_token", "api_key", "key", "Authorization"):
        answer = anna.client.get(f"{CUSTOMERS}?{urlencode({name: anna.key})}")
        assert answer.status_code == 401
        assert anna.key not in answer.text


REQUEST_IDS = {
    "empty": "",
    "short": "abc",
    "long": "a" * 65,
    "newline": "abcdefgh\nX-Evil: 1",
    "carriage_return": "abcdefgh\r\nSet-Cookie: a=b",
    "newline_last": "abcdefgh\n",
    "space": "abcd efgh",
    "markup": "<script>alert(1)</script>",
    "json": '{"a":"bcdefgh"}',
    "beyond_ascii": "abcdefgh\xe9",
    "arabic_digits": raw("١٢٣٤٥٦٧٨"),
}


@one_engine
@pytest.mark.parametrize("sent", REQUEST_IDS.values(), ids=REQUEST_IDS)
def test_request_id_that_is_not_plain_is_replaced(anna, sent):
    answer = anna.get(CUSTOMERS, environ_overrides={"HTTP_X_REQUEST_ID": sent})
    assert answer.status_code == 200
    assert answer.headers["X-Request-Id"] != sent
    assert answer.headers["X-Request-Id"].isalnum()

"""The two patch formats: JSON Merge Patch (RFC 7396) and JSON Patch (RFC 6902)."""

import json
from typing import Any

import pytest

from myapp.contract import Contract
from myapp.errors import BadRequest, Conflict, InvalidBody, Unprocessable
from myapp.patch import JSON_PATCH, MERGE_PATCH, merge, read_patch


def anything(depth=4):
    """Return the schema of JSON values of some depth."""
    kinds = [
        {"type": "string", "maxLength": 100},
        {"type": "number", "minimum": -1e9, "maximum": 1e9},
        {"type": "boolean"},
        {"type": "null"},
    ]
    if depth:
        part = anything(depth - 1)
        kinds.append({"type": "array", "items": part, "maxItems": 100})
        extra = {"additionalProperties": part, "maxProperties": 100}
        kinds.append({"type": "object", **extra})
    return {"anyOf": kinds}


THING = Contract(
    "PatchedThing",
    description="What the examples of the two standards patch, in `doc`.",
    properties={
        "id": {"type": "string", "maxLength": 10, "readOnly": True},
        "size": {"type": "integer", "minimum": 0, "maximum": 9, "readOnly": True},
        "doc": anything(),
        "note": {"type": ["string", "null"], "maxLength": 20, "default": None},
    },
)


def thing(doc, note="kept"):
    return {"id": "t1", "size": 1, "doc": doc, "note": note}


def patch(document, *steps):
    """Return the values that a JSON Patch writes."""
    return read_patch(THING, JSON_PATCH, json.dumps(steps).encode())(document)


def merge_patch(document, change):
    """Return the values that a merge patch writes."""
    return read_patch(THING, MERGE_PATCH, json.dumps(change).encode())(document)


SECRETIVE = Contract(
    "SecretivePatchedThing",
    description="What has fields that are never shown.",
    properties={
        "name": {"type": "string", "maxLength": 10},
        "pin": {"type": "string", "maxLength": 4, "writeOnly": True},
        "hint": {"type": "string", "maxLength": 4, "writeOnly": True, "default": ""},
    },
)


@pytest.mark.parametrize(
    "change", [{"name": "b"}, {"pin": "1234"}, {"hint": "dog"}], ids=" ".join
)
def test_patch_leaves_what_is_never_shown_as_it_is_unless_sent(change):
    raw = json.dumps(change).encode()
    written = read_patch(SECRETIVE, MERGE_PATCH, raw)({"name": "a"})
    assert written == {"name": "a"} | change


# merge patch


APPENDIX_OF_7396 = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("target", "change", "result"), APPENDIX_OF_7396, ids=str)
def test_merge_does_what_the_appendix_of_rfc_7396_shows(target, change, result):
    assert merge(target, change) == result
    if change is not None:  # in an object, null removes the member
        written = merge_patch(thing(target), {"doc": change})
        assert written == {"doc": result, "note": "kept"}


def test_merge_patch_of_nothing_writes_what_is_there():
    assert merge_patch(thing(1), {}) == {"doc": 1, "note": "kept"}


def test_merge_patch_with_null_resets_an_optional_field_to_its_default():
    assert merge_patch(thing(1), {"note": None}) == {"doc": 1, "note": None}


def test_merge_patch_with_null_for_a_required_field_breaks_the_contract():
    with pytest.raises(InvalidBody) as refused:
        merge_patch(thing(1), {"doc": None})
    [rule] = refused.value.errors
    assert (rule.at, rule.rule) == ("/doc", "required")


def test_merge_patch_with_an_unknown_field_breaks_the_contract():
    with pytest.raises(InvalidBody) as refused:
        merge_patch(thing(1), {"colour": "red"})
    assert [rule.at for rule in refused.value.errors] == ["/colour"]


@pytest.mark.parametrize(
    "change", [{"id": "t2"}, {"id": None}, {"size": 2}, {"id": {"a": 1}}], ids=str
)
def test_merge_patch_of_what_the_server_assigns_is_unprocessable(change):
    with pytest.raises(Unprocessable) as refused:
        merge_patch(thing(1), change)
    [rule] = refused.value.errors
    assert (rule.at, rule.rule) == (f"/{next(iter(change))}", "readOnly")


def test_merge_patch_that_repeats_what_the_server_assigned_is_taken():
    assert merge_patch(thing(1), {"id": "t1", "doc": 2})["doc"] == 2


@pytest.mark.parametrize("change", [[], None, "a", 1, True], ids=str)
def test_merge_patch_that_is_no_object_is_malformed(change):
    with pytest.raises(BadRequest, match="7396"):
        merge_patch(thing(1), change)


# JSON Patch


APPENDIX_OF_6902 = {
    "A1_add_a_member": (
        {"foo": "bar"},
        [{"op": "add", "path": "/doc/baz", "value": "qux"}],
        {"baz": "qux", "foo": "bar"},
    ),
    "A2_add_an_element": (
        {"foo": ["bar", "baz"]},
        [{"op": "add", "path": "/doc/foo/1", "value": "qux"}],
        {"foo": ["bar", "qux", "baz"]},
    ),
    "A3_remove_a_member": (
        {"baz": "qux", "foo": "bar"},
        [{"op": "remove", "path": "/doc/baz"}],
        {"foo": "bar"},
    ),
    "A4_remove_an_element": (
        {"foo": ["bar", "qux", "baz"]},
        [{"op": "remove", "path": "/doc/foo/1"}],
        {"foo": ["bar", "baz"]},
    ),
    "A5_replace_a_value": (
        {"baz": "qux", "foo": "bar"},
        [{"op": "replace", "path": "/doc/baz", "value": "boo"}],
        {"baz": "boo", "foo": "bar"},
    ),
    "A6_move_a_value": (
        {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
        [{"op": "move", "from": "/doc/foo/waldo", "path": "/doc/qux/thud"}],
        {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
    ),
    "A7_move_an_element": (
        {"foo": ["all", "grass", "cows", "eat"]},
        [{"op": "move", "from": "/doc/foo/1", "path": "/doc/foo/3"}],
        {"foo": ["all", "cows", "eat", "grass"]},
    ),
    "A8_test_a_value": (
        {"baz": "qux", "foo": ["a", 2, "c"]},
        [
            {"op": "test", "path": "/doc/baz", "value": "qux"},
            {"op": "test", "path": "/doc/foo/1", "value": 2},
        ],
        {"baz": "qux", "foo": ["a", 2, "c"]},
    ),
    "A10_add_a_nested_member": (
        {"foo": "bar"},
        [{"op": "add", "path": "/doc/child", "value": {"grandchild": {}}}],
        {"foo": "bar", "child": {"grandchild": {}}},
    ),
    "A11_ignore_unknown_members": (
        {"foo": "bar"},
        [{"op": "add", "path": "/doc/baz", "value": "qux", "xyz": 123}],
        {"foo": "bar", "baz": "qux"},
    ),
    "A14_escaped_names": (
        {"/": 9, "~1": 10},
        [{"op": "test", "path": "/doc/~01", "value": 10}],
        {"/": 9, "~1": 10},
    ),
    "A16_add_an_array": (
        {"foo": ["bar"]},
        [{"op": "add", "path": "/doc/foo/-", "value": ["abc", "def"]}],
        {"foo": ["bar", ["abc", "def"]]},
    ),
    "add_replaces_a_member": (
        {"a": 1},
        [{"op": "add", "path": "/doc/a", "value": 2}],
        {"a": 2},
    ),
    "add_at_the_end_by_index": (
        [1],
        [{"op": "add", "path": "/doc/1", "value": 2}],
        [1, 2],
    ),
    "copy_is_a_copy": (
        {"a": {"b": 1}},
        [
            {"op": "copy", "from": "/doc/a", "path": "/doc/c"},
            {"op": "replace", "path": "/doc/c/b", "value": 2},
        ],
        {"a": {"b": 1}, "c": {"b": 2}},
    ),
    "move_onto_itself": (
        {"a": 1},
        [{"op": "move", "from": "/doc/a", "path": "/doc/a"}],
        {"a": 1},
    ),
    "replace_the_whole": (1, [{"op": "replace", "path": "/doc", "value": 2}], 2),
    "name_that_is_empty": (
        {"": 1},
        [{"op": "replace", "path": "/doc/", "value": 2}],
        {"": 2},
    ),
    "name_that_is_a_number": (
        {"0": 1},
        [{"op": "replace", "path": "/doc/0", "value": 2}],
        {"0": 2},
    ),
    "name_that_is_a_hyphen": (
        {"-": 1},
        [{"op": "replace", "path": "/doc/-", "value": 2}],
        {"-": 2},
    ),
    "no_step": ({"a": 1}, [], {"a": 1}),
}


@pytest.mark.parametrize(
    ("doc", "steps", "result"), APPENDIX_OF_6902.values(), ids=APPENDIX_OF_6902
)
def test_json_patch_does_what_rfc_6902_says(doc, steps, result):
    assert patch(thing(doc), *steps) == {"doc": result, "note": "kept"}


EQUAL = [
    (1, 1.0),
    (0, -0.0),
    ("é", "\u00e9"),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    ([1, [True]], [1.0, [True]]),
    (None, None),
]
DIFFERENT = [
    (1, True),
    (0, False),
    ([1], [True]),
    ({"a": 0}, {"a": False}),
    (1, "1"),
    (None, False),
    (None, 0),
    ("", None),
    ([], {}),
    ([1, 2], [2, 1]),
    ({"a": 1}, {"a": 1, "b": None}),
    ("é", "e\u0301"),
    ("a", "A"),
]


@pytest.mark.parametrize(("held", "wanted"), EQUAL, ids=ascii)
def test_json_patch_test_of_an_equal_value_goes_on(held, wanted):
    step = {"op": "test", "path": "/doc", "value": wanted}
    assert patch(thing(held), step)["doc"] == held


@pytest.mark.parametrize(("held", "wanted"), DIFFERENT, ids=ascii)
def test_json_patch_test_of_another_value_is_a_conflict(held, wanted):
    with pytest.raises(Conflict) as refused:
        patch(thing(held), {"op": "test", "path": "/doc", "value": wanted})
    [rule] = refused.value.errors
    assert (rule.at, rule.rule) == ("/0", "test")


def test_json_patch_test_may_read_what_the_server_assigns():
    assert patch(thing(1), {"op": "test", "path": "/size", "value": 1})
    with pytest.raises(Conflict):
        patch(thing(1), {"op": "test", "path": "/size", "value": True})


def test_json_patch_test_of_a_missing_path_is_a_conflict():
    with pytest.raises(Conflict):
        patch(thing({}), {"op": "test", "path": "/doc/a", "value": None})


def test_json_patch_may_copy_from_what_the_server_assigns():
    written = patch(thing(1), {"op": "copy", "from": "/id", "path": "/doc"})
    assert written["doc"] == "t1"


UNPROCESSABLE = {
    "remove_a_missing_member": {"op": "remove", "path": "/doc/b"},
    "remove_a_missing_element": {"op": "remove", "path": "/doc/a/2"},
    "remove_behind_the_end": {"op": "remove", "path": "/doc/a/-"},
    "remove_the_whole": {"op": "remove", "path": ""},
    "replace_a_missing_member": {"op": "replace", "path": "/doc/b", "value": 1},
    "replace_a_missing_element": {"op": "replace", "path": "/doc/a/2", "value": 1},
    "replace_behind_the_end": {"op": "replace", "path": "/doc/a/-", "value": 1},
    "add_below_a_missing_member": {"op": "add", "path": "/doc/b/c", "value": 1},
    "add_below_a_string": {"op": "add", "path": "/note/a", "value": 1},
    "add_below_a_number": {"op": "add", "path": "/doc/a/0/b", "value": 1},
    "add_beyond_the_end": {"op": "add", "path": "/doc/a/3", "value": 1},
    "index_with_a_leading_zero": {"op": "add", "path": "/doc/a/01", "value": 1},
    "index_negative": {"op": "add", "path": "/doc/a/-1", "value": 1},
    "index_with_a_sign": {"op": "add", "path": "/doc/a/+1", "value": 1},
    "index_with_an_exponent": {"op": "add", "path": "/doc/a/1e0", "value": 1},
    "index_with_arabic_digits": {"op": "add", "path": "/doc/a/١", "value": 1},
    "index_that_is_a_name": {"op": "add", "path": "/doc/a/b", "value": 1},
    "index_of_5000_digits": {"op": "add", "path": "/doc/a/" + "9" * 5000, "value": 1},
    "copy_from_nowhere": {"op": "copy", "from": "/doc/b", "path": "/doc/c"},
    "move_from_nowhere": {"op": "move", "from": "/doc/b", "path": "/doc/c"},
    "move_into_itself": {"op": "move", "from": "/doc/a", "path": "/doc/a/0"},
    "move_the_whole": {"op": "move", "from": "", "path": "/doc/c"},
}


@pytest.mark.parametrize("step", UNPROCESSABLE.values(), ids=UNPROCESSABLE)
def test_json_patch_that_leads_nowhere_is_unprocessable(step):
    fine = {"op": "test", "path": "/id", "value": "t1"}
    with pytest.raises(Unprocessable) as refused:
        patch(thing({"a": [1, 2]}), fine, step)
    [rule] = refused.value.errors
    assert (rule.at, rule.rule) == ("/1/path", "path")


READ_ONLY = {
    "replace": [{"op": "replace", "path": "/id", "value": "t2"}],
    "remove": [{"op": "remove", "path": "/id"}],
    "add": [{"op": "add", "path": "/id", "value": "t2"}],
    "move_away": [{"op": "move", "from": "/id", "path": "/note"}],
    "move_onto": [{"op": "move", "from": "/note", "path": "/id"}],
    "copy_onto": [{"op": "copy", "from": "/note", "path": "/id"}],
    "by_the_whole": [{"op": "replace", "path": "", "value": thing(1) | {"id": "t2"}}],
    "left_out_of_the_whole": [{"op": "replace", "path": "", "value": {"doc": 1}}],
}


@pytest.mark.parametrize("steps", READ_ONLY.values(), ids=READ_ONLY)
def test_json_patch_of_what_the_server_assigns_is_unprocessable(steps):
    with pytest.raises(Unprocessable) as refused:
        patch(thing(1), *steps)
    assert ("/id", "readOnly") in [rule[:2] for rule in refused.value.errors]


@pytest.mark.parametrize("whole", [1, "a", None, [], True], ids=str)
def test_json_patch_that_leaves_no_object_breaks_the_contract(whole):
    with pytest.raises(InvalidBody):
        patch(thing(1), {"op": "replace", "path": "", "value": whole})


def test_json_patch_whose_result_breaks_the_contract_names_the_places():
    with pytest.raises(InvalidBody) as refused:
        patch(
            thing(1),
            {"op": "replace", "path": "/note", "value": "n" * 21},
            {"op": "add", "path": "/colour", "value": "red"},
        )
    assert {rule.at for rule in refused.value.errors} == {"/note", "/colour"}


MALFORMED: dict[str, Any] = {
    "an_object": {},
    "a_string": "a",
    "null": None,
    "step_null": [None],
    "step_string": ["add"],
    "step_array": [["add", "/doc", 1]],
    "step_empty": [{}],
    "without_op": [{"path": "/doc", "value": 1}],
    "without_path": [{"op": "add", "value": 1}],
    "op_unknown": [{"op": "merge", "path": "/doc", "value": 1}],
    "op_upper_case": [{"op": "ADD", "path": "/doc", "value": 1}],
    "op_null": [{"op": None, "path": "/doc", "value": 1}],
    "op_array": [{"op": ["add"], "path": "/doc", "value": 1}],
    "op_object": [{"op": {}, "path": "/doc", "value": 1}],
    "path_number": [{"op": "add", "path": 1, "value": 1}],
    "path_null": [{"op": "add", "path": None, "value": 1}],
    "path_array": [{"op": "add", "path": ["doc"], "value": 1}],
    "path_without_slash": [{"op": "add", "path": "doc", "value": 1}],
    "path_as_fragment": [{"op": "add", "path": "#/doc", "value": 1}],
    "path_with_a_bad_escape": [{"op": "add", "path": "/a~2", "value": 1}],
    "path_with_an_open_escape": [{"op": "add", "path": "/a~", "value": 1}],
    "add_without_value": [{"op": "add", "path": "/doc"}],
    "replace_without_value": [{"op": "replace", "path": "/doc"}],
    "test_without_value": [{"op": "test", "path": "/doc"}],
    "test_of_nothing_without_value": [{"op": "test", "path": "/colour"}],
    "move_without_from": [{"op": "move", "path": "/doc"}],
    "copy_without_from": [{"op": "copy", "path": "/doc"}],
    "from_number": [{"op": "move", "from": 1, "path": "/doc"}],
    "from_null": [{"op": "copy", "from": None, "path": "/doc"}],
    "from_without_slash": [{"op": "copy", "from": "doc", "path": "/doc"}],
    "behind_a_sound_step": [{"op": "test", "path": "/id", "value": "x"}, {"op": "add"}],
    "101_steps": [{"op": "test", "path": "/id", "value": "t1"}] * 101,
}


@pytest.mark.parametrize("steps", MALFORMED.values(), ids=MALFORMED)
def test_json_patch_that_is_malformed_is_refused_before_anything_is_read(steps):
    with pytest.raises(BadRequest, match="6902"):
        read_patch(THING, JSON_PATCH, json.dumps(steps).encode())


def test_json_patch_of_100_steps_is_taken():
    steps = [{"op": "test", "path": "/id", "value": "t1"}] * 100
    assert patch(thing(1), *steps)["doc"] == 1


def test_json_patch_leaves_the_document_and_itself_as_they_were():
    document = thing({"a": []})
    steps = [
        {"op": "add", "path": "/doc/a/-", "value": {"b": []}},
        {"op": "add", "path": "/doc/a/0/b/-", "value": 1},
    ]
    change = read_patch(THING, JSON_PATCH, json.dumps(steps).encode())
    first, second = change(document), change(document)  # as a lost race tries again
    assert first == second == {"doc": {"a": [{"b": [1]}]}, "note": "kept"}
    assert document == thing({"a": []})


def test_json_patch_whose_last_step_fails_leaves_the_document_as_it_was():
    document = thing({"a": [1]})
    with pytest.raises(Conflict):
        patch(
            document,
            {"op": "remove", "path": "/doc/a/0"},
            {"op": "test", "path": "/doc/a", "value": [1]},
        )
    assert document == thing({"a": [1]})


BOMBS = {
    "copies_of_copies": [{"op": "add", "path": "/doc", "value": [1, 2]}]
    + [{"op": "copy", "from": "/doc", "path": "/doc/-"}] * 18,
    "the_whole_into_itself": [{"op": "copy", "from": "", "path": "/doc"}] * 99,
    "moves_into_the_depth": [
        {"op": "add", "path": "/doc", "value": json.loads("[" * 50 + "]" * 50)},
        *[
            {"op": "add", "path": "/a", "value": {}},
            {"op": "move", "from": "/doc", "path": "/a/a"},
            {"op": "move", "from": "/a", "path": "/doc"},
        ]
        * 20,
    ],
}


@pytest.mark.parametrize("steps", BOMBS.values(), ids=BOMBS)
def test_json_patch_that_grows_without_bound_is_refused(steps):
    with pytest.raises(BadRequest) as refused:
        patch(thing([]), *steps)
    assert type(refused.value) is BadRequest, "it grew, and broke the contract later"

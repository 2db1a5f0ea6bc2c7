"""What every repository does, whichever store it stands on: one suite for all.

It calls the repositories as a feature's code does, without HTTP.
"""

from uuid import uuid4

import pytest

from myapp.errors import Conflict, Forbidden, NotFound, PreconditionFailed
from myapp.repository import ATTEMPTS, Page
from tests.stores import Store, never, on_every_store

pytestmark = [on_every_store, pytest.mark.usefixtures("at_work")]


# --- list


def test_list_without_records_is_empty(store: Store, tenant):
    assert store.page(tenant) == Page([], None, None)


def test_list_is_newest_first(store: Store, tenant):
    for text in ("first", "second", "third"):
        store.create(tenant, text)
    page = store.page(tenant)
    assert store.texts(page.items) == ["third", "second", "first"]


def test_list_shows_what_retrieve_shows(store: Store, tenant):
    id = store.create(tenant)
    [listed] = store.page(tenant).items
    assert listed == store.repository.retrieve(tenant, id)


def test_list_longer_than_its_limit_goes_on_behind_the_cursor(store: Store, tenant):
    for text in "edcba":
        store.create(tenant, text)
    pages = store.pages(tenant, limit="2")
    assert [store.texts(page) for page in pages] == [["a", "b"], ["c", "d"], ["e"]]


def test_list_as_long_as_its_limit_has_no_next(store: Store, tenant):
    for text in "ba":
        store.create(tenant, text)
    page = store.page(tenant, limit="2")
    assert (store.texts(page.items), page.next) == (["a", "b"], None)


def test_list_counted_tells_the_total_of_all_pages(store: Store, tenant):
    for _ in range(3):
        store.create(tenant)
    assert store.page(tenant, limit="1", count="exact").total == 3
    assert store.page(tenant, limit="1").total is None


def test_list_goes_on_where_the_record_of_the_cursor_was_deleted(store: Store, tenant):
    ids = {text: store.create(tenant, text) for text in "dcba"}
    first = store.page(tenant, limit="2")
    assert first.next
    store.repository.delete(tenant, ids["b"])
    store.repository.delete(tenant, ids["c"])
    second = store.page(tenant, limit="2", cursor=first.next)
    assert store.texts(second.items) == ["d"]


def test_list_walked_under_writes_shows_each_survivor_once(store: Store, tenant):
    ids = {text: store.create(tenant, text) for text in "hgfedcba"}
    seen = []
    for number, page in enumerate(store.pages(tenant, limit="2")):
        seen += store.texts(page)
        store.create(tenant, f"newer {number}")
        store.repository.update(tenant, ids["h"], lambda _: store.values("changed"))
        for gone in "af" if number == 0 else "":
            store.repository.delete(tenant, ids[gone])
    assert seen == ["a", "b", "c", "d", "e", "g", "changed"]


def test_list_of_another_tenant_is_its_own(store: Store, tenant, stranger):
    store.create(tenant, "acme's")
    store.create(stranger, "rival's")
    page = store.page(stranger, count="exact")
    assert (store.texts(page.items), page.total) == (["rival's"], 1)


# --- create


def test_create_stores_the_values_as_version_one(store: Store, tenant):
    repository = store.repository
    values = store.values("as given")
    record = repository.create(tenant, values, **store.assigned)
    assert record.version == 1
    assert store.document(record).items() >= values.items()


def test_create_answers_what_retrieve_shows(store: Store, tenant):
    repository = store.repository
    made = repository.create(tenant, store.values("new"), **store.assigned)
    shown = repository.retrieve(tenant, store.id(made))
    assert (store.document(shown), shown.version) == (store.document(made), 1)


def test_create_assigns_ids_in_their_order(store: Store, tenant):
    ids = [store.create(tenant) for _ in range(20)]
    assert ids == sorted(set(ids))


# --- retrieve


def test_retrieve_unknown_id_is_not_found(store: Store, tenant):
    with pytest.raises(NotFound):
        store.repository.retrieve(tenant, uuid4())


def test_retrieve_of_another_tenant_is_not_found(store: Store, tenant, stranger):
    id = store.create(tenant)
    with pytest.raises(NotFound):
        store.repository.retrieve(stranger, id)


# --- replace


def test_replace_writes_and_counts_the_version(store: Store, tenant):
    id = store.create(tenant, "old")
    answered = store.repository.replace(tenant, id, store.values("new"))
    shown = store.repository.retrieve(tenant, id)
    assert (store.texts([answered]), answered.version) == (["new"], 2)
    assert (store.document(shown), shown.version) == (store.document(answered), 2)


def test_replace_keeps_what_the_server_assigned(store: Store, tenant):
    id = store.create(tenant, "old")
    before = store.document(store.repository.retrieve(tenant, id))
    replaced = store.repository.replace(tenant, id, store.values("new"))
    after = store.document(replaced)
    changed = {field for field in after if after[field] != before[field]}
    assert changed - {"updated_at"} == {store.text}


def test_replace_some_fields_keeps_the_others(store: Store, tenant):
    id = store.create(tenant, "old")
    before = store.document(store.repository.retrieve(tenant, id))
    record = store.repository.replace(tenant, id, {store.text: "new"})
    after = store.document(record) | {"updated_at": before.get("updated_at")}
    assert after == {"updated_at": None} | before | {store.text: "new"}


def test_replace_current_version_writes(store: Store, tenant):
    id = store.create(tenant)
    assert store.repository.replace(tenant, id, store.values("2"), 1).version == 2
    assert store.repository.replace(tenant, id, store.values("3"), 2).version == 3


@pytest.mark.parametrize("version", [0, 1, 3], ids=["none", "older", "newer"])
def test_replace_other_version_fails_and_writes_nothing(store: Store, tenant, version):
    id = store.create(tenant)
    current = store.repository.replace(tenant, id, store.values("current"))
    with pytest.raises(PreconditionFailed):
        store.repository.replace(tenant, id, store.values("lost"), version)
    shown = store.repository.retrieve(tenant, id)
    assert (store.texts([shown]), shown.version) == (["current"], current.version)


@pytest.mark.parametrize("admitted", ["own", ["other", "own"]], ids=["one", "several"])
def test_replace_where_the_record_meets_it_writes(store: Store, tenant, admitted):
    id = store.create(tenant, "own")
    where = {store.text: admitted}
    record = store.repository.replace(tenant, id, store.values("new"), where=where)
    assert store.texts([record]) == ["new"]


@pytest.mark.parametrize(
    "admitted", ["other", ["other", "another"], []], ids=["one", "several", "none"]
)
def test_replace_where_the_record_differs_is_forbidden(store: Store, tenant, admitted):
    id = store.create(tenant, "theirs")
    where = {store.text: admitted}
    with pytest.raises(Forbidden):
        store.repository.replace(tenant, id, store.values("new"), where=where)
    shown = store.repository.retrieve(tenant, id)
    assert (store.texts([shown]), shown.version) == (["theirs"], 1)


def test_replace_unknown_id_is_not_found(store: Store, tenant):
    where = {store.text: "any"}
    with pytest.raises(NotFound):
        store.repository.replace(tenant, uuid4(), store.values("new"), 1, where)


def test_replace_forbidden_does_not_tell_the_version(store: Store, tenant):
    id = store.create(tenant, "theirs")
    where = {store.text: "own"}
    with pytest.raises(Forbidden):
        store.repository.replace(tenant, id, store.values("new"), 7, where)


def test_replace_of_another_tenant_is_not_found(store: Store, tenant, stranger):
    id = store.create(tenant, "acme's")
    with pytest.raises(NotFound):
        store.repository.replace(stranger, id, store.values("rival's"), 1)
    with pytest.raises(NotFound):
        store.repository.retrieve(stranger, id)
    shown = store.repository.retrieve(tenant, id)
    assert (store.texts([shown]), shown.version) == (["acme's"], 1)


# --- update


def test_update_writes_what_the_change_makes_of_the_document(store: Store, tenant):
    id = store.create(tenant, "old")
    record = store.repository.update(
        tenant, id, lambda document: store.values(document[store.text] + " and new")
    )
    assert (store.texts([record]), record.version) == (["old and new"], 2)


def test_update_overtaken_once_applies_to_the_newer_document(store: Store, tenant):
    id = store.create(tenant, "old")

    def overtaken(document):
        if document[store.text] == "old":
            store.repository.replace(tenant, id, store.values("newer"))
        return store.values(document[store.text] + ", changed")

    record = store.repository.update(tenant, id, overtaken)
    assert (store.texts([record]), record.version) == (["newer, changed"], 3)


def test_update_overtaken_each_time_is_a_conflict(store: Store, tenant):
    id = store.create(tenant)
    seen = []

    def overtaken(document):
        seen.append(document)
        store.repository.replace(tenant, id, store.values("newer"))
        return store.values("lost")

    with pytest.raises(Conflict):
        store.repository.update(tenant, id, overtaken)
    shown = store.repository.retrieve(tenant, id)
    assert len(seen) == ATTEMPTS
    assert (store.texts([shown]), shown.version) == (["newer"], 1 + ATTEMPTS)


def test_update_current_version_overtaken_fails_at_once(store: Store, tenant):
    id = store.create(tenant)
    seen = []

    def overtaken(document):
        seen.append(document)
        store.repository.replace(tenant, id, store.values("newer"))
        return store.values("lost")

    with pytest.raises(PreconditionFailed):
        store.repository.update(tenant, id, overtaken, if_match=1)
    shown = store.repository.retrieve(tenant, id)
    assert len(seen) == 1
    assert (store.texts([shown]), shown.version) == (["newer"], 2)


def test_update_other_version_does_not_ask_for_the_change(store: Store, tenant):
    id = store.create(tenant)
    with pytest.raises(PreconditionFailed):
        store.repository.update(tenant, id, never, if_match=2)


def test_update_refused_by_the_change_writes_nothing(store: Store, tenant):
    id = store.create(tenant, "old")

    def refuse(document):
        document[store.text] = "changed in place"
        raise Conflict("no")

    with pytest.raises(Conflict, match="no"):
        store.repository.update(tenant, id, refuse)
    shown = store.repository.retrieve(tenant, id)
    assert (store.texts([shown]), shown.version) == (["old"], 1)


def test_update_where_the_record_differs_is_forbidden(store: Store, tenant):
    id = store.create(tenant, "theirs")
    where = {store.text: "own"}
    with pytest.raises(Forbidden):
        store.repository.update(tenant, id, lambda _: store.values("new"), 1, where)
    shown = store.repository.retrieve(tenant, id)
    assert (store.texts([shown]), shown.version) == (["theirs"], 1)


def test_update_unknown_id_does_not_ask_for_the_change(store: Store, tenant):
    with pytest.raises(NotFound):
        store.repository.update(tenant, uuid4(), never)


def test_update_of_another_tenant_is_not_found(store: Store, tenant, stranger):
    id = store.create(tenant)
    with pytest.raises(NotFound):
        store.repository.update(stranger, id, never)


# --- delete


def test_delete_ends_the_record_everywhere(store: Store, tenant):
    id, kept = store.create(tenant), store.create(tenant, "kept")
    store.repository.delete(tenant, id)
    page = store.page(tenant, count="exact")
    assert (store.texts(page.items), page.total) == (["kept"], 1)
    assert store.id(page.items[0]) == kept
    for refused in (
        lambda: store.repository.retrieve(tenant, id),
        lambda: store.repository.replace(tenant, id, store.values("new")),
        lambda: store.repository.update(tenant, id, never),
        lambda: store.repository.delete(tenant, id),
    ):
        with pytest.raises(NotFound):
            refused()


def test_delete_current_version_removes(store: Store, tenant):
    id = store.create(tenant)
    store.repository.replace(tenant, id, store.values("2"))
    store.repository.delete(tenant, id, 2)
    assert store.page(tenant).items == []


def test_delete_other_version_fails_and_removes_nothing(store: Store, tenant):
    id = store.create(tenant)
    store.repository.replace(tenant, id, store.values("2"))
    with pytest.raises(PreconditionFailed):
        store.repository.delete(tenant, id, 1)
    assert store.repository.retrieve(tenant, id).version == 2


def test_delete_where_the_record_meets_it_removes(store: Store, tenant):
    id = store.create(tenant, "own")
    store.repository.delete(tenant, id, where={store.text: "own"})
    assert store.page(tenant).items == []


def test_delete_where_the_record_differs_is_forbidden(store: Store, tenant):
    id = store.create(tenant, "theirs")
    with pytest.raises(Forbidden):
        store.repository.delete(tenant, id, 7, {store.text: "own"})
    assert store.page(tenant).items == [store.repository.retrieve(tenant, id)]


def test_delete_unknown_id_is_not_found(store: Store, tenant):
    with pytest.raises(NotFound):
        store.repository.delete(tenant, uuid4(), 1, {store.text: "any"})


def test_delete_of_another_tenant_is_not_found(store: Store, tenant, stranger):
    id = store.create(tenant)
    with pytest.raises(NotFound):
        store.repository.delete(stranger, id, 1)
    assert store.repository.retrieve(tenant, id).version == 1

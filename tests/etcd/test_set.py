# SPDX-License-Identifier: ISC
"""The set: found, watched, swapped, on one etcd that is well."""
import time

import pytest

from cluster import prefix


@pytest.fixture
def under():
    return prefix()


@pytest.fixture
def store(etcd, under, open_store):
    store = open_store(under, *etcd.endpoints)
    store.wait_live()
    return store


def test_that_there_is_none_is_told_first(store):
    assert store.told[0]["told"] == "found"
    assert store.told[0]["value"] is None
    assert store.told[0]["revision"] == 0


def test_what_is_there_is_told_first(etcd, under, open_store):
    etcd.put(under + "set", "one")
    store = open_store(under, *etcd.endpoints)
    store.wait_live()
    assert [one["value"] for one in store.of("found")] == ["one"]


def test_an_empty_value_is_a_value(etcd, under, open_store):
    etcd.put(under + "set", "")
    store = open_store(under, *etcd.endpoints)
    store.wait_live()
    assert store.last("found")["value"] == ""
    assert store.last("found")["revision"] > 0


def test_the_first_is_swapped_in_over_nothing(etcd, store, under):
    assert store.swap(0, "one")["how"] == "swapped"
    store.wait_found("one")
    assert etcd.ctl("get", "--print-value-only", under + "set") == "one\n"


def test_a_swap_over_what_was_found_succeeds(store):
    store.swap(0, "one")
    assert store.swap(store.wait_found("one")["revision"], "two")["how"] == \
        "swapped"
    assert store.wait_found("two")["revision"] > \
        store.wait_found("one")["revision"]


def test_a_swap_over_nothing_conflicts_where_there_is_one(etcd, store, under):
    etcd.put(under + "set", "theirs")
    store.wait_found("theirs")
    assert store.swap(0, "mine")["how"] == "conflict"
    assert etcd.ctl("get", "--print-value-only", under + "set") == "theirs\n"


def test_a_swap_over_an_older_one_conflicts(etcd, store, under):
    store.swap(0, "one")
    old = store.wait_found("one")["revision"]
    etcd.put(under + "set", "two")
    assert store.swap(old, "mine")["how"] == "conflict"
    store.wait_sees("two")


def test_a_swap_over_what_was_deleted_conflicts(etcd, store, under):
    store.swap(0, "one")
    old = store.wait_found("one")["revision"]
    etcd.ctl("del", under + "set")
    assert store.swap(old, "mine")["how"] == "conflict"
    store.wait_sees(None)


def test_of_two_swaps_at_once_the_second_is_not_begun(store):
    store.ask("swap 0 one\nswap 0 two")
    store.wait_told("busy")
    assert store.wait_told("swapped")["how"] == "swapped"
    store.wait_sees("one")
    assert len(store.of("swapped")) == 1


def test_a_value_that_is_too_long_is_denied(store):
    store.ask("fill 0 65537")
    told = store.wait_told("swapped")
    assert told["how"] == "denied"
    assert "65536" in told["why"]


def test_the_longest_value_goes_there_and_back(store):
    """Often, for libcurl 7.88 loses one trailer in five of these."""
    revision = 0
    for _ in range(20):
        mark = store.mark()
        store.ask(f"fill {revision} 65536")
        told = store.wait_told("swapped", since=mark)
        assert told["how"] == "swapped", told
        revision = store.wait_told("found", lambda one: one["len"] == 65536,
                                   mark)["revision"]


def test_a_change_by_one_is_seen_by_another(etcd, store, under, open_store):
    other = open_store(under, *etcd.endpoints)
    other.wait_live()
    store.swap(0, "one")
    found = other.wait_found("one")
    other.swap(found["revision"], "two")
    store.wait_found("two")


def test_a_change_is_told_by_the_watch_and_not_found_by_a_look(
        etcd, store, under, open_store):
    """Which comes each two seconds, so one of these would wait for it."""
    other = open_store(under, *etcd.endpoints)
    other.wait_live()
    took, revision = [], 0
    for value in ("one", "two", "three", "four"):
        began = time.monotonic()
        store.swap(revision, value)
        took.append(other.wait_found(value)["at"] - began)
        revision = store.wait_found(value)["revision"]
    assert min(took) < 1


def test_of_many_changes_the_last_is_told(etcd, store, under):
    for number in range(30):
        etcd.put(under + "set", str(number))
    store.wait_sees("29")
    revisions = [one["revision"] for one in store.of("found")]
    assert revisions == sorted(revisions)


def test_a_deletion_is_told(etcd, store, under):
    store.swap(0, "one")
    store.wait_found("one")
    etcd.ctl("del", under + "set")
    store.wait_sees(None)
    assert store.last("found")["revision"] == 0


def test_what_is_made_anew_is_told(etcd, store, under):
    etcd.put(under + "set", "one")
    etcd.ctl("del", under + "set")
    etcd.put(under + "set", "two")
    store.wait_sees("two")


def test_other_keys_are_not_told(etcd, store, under):
    etcd.put(under + "set2", "other")
    etcd.put(under + "nodes/x", "other")
    etcd.put(under + "se", "other")
    etcd.put(under + "set", "this")
    store.wait_sees("this")
    assert [one["value"] for one in store.of("found")] == [None, "this"]


def test_a_read_tells_again_what_was_told(store):
    store.swap(0, "one")
    store.wait_sees("one")
    mark = store.mark()
    store.ask("read")
    assert store.wait_told("found", since=mark)["value"] == "one"
    time.sleep(0.5)
    assert len(store.of("found", mark)) == 1


def test_the_clock_of_etcd_is_told(store):
    assert abs(store.wait_told("clock")["seconds"] - time.time()) <= 2


def test_a_value_of_another_that_is_too_long_is_named(etcd, store, under):
    etcd.put(under + "set", "x" * 65537)
    why = store.wait_stale()["why"]
    assert etcd.endpoints[0] in why and under + "set" in why
    assert "65536" in why
    etcd.put(under + "set", "short")
    store.wait_sees("short")


def test_of_a_much_longer_one_too(etcd, store, under):
    etcd.ctl("put", under + "set", given="x" * 1000000)
    assert "longer than" in store.wait_stale(patience=8)["why"]
    etcd.put(under + "set", "short")
    store.wait_sees("short")


def test_nothing_is_done_all_the_time(store):
    store.wait_told("clock")
    store.wait_told("rights")
    before = store.counts()
    time.sleep(4)
    after = store.counts()
    assert after["calls"] - before["calls"] <= 4
    assert after["cpu_ms"] - before["cpu_ms"] < 100
    assert after["failures"] == 0
    assert after["connects"] == 1


def test_closing_leaves_nothing(etcd, under, open_store):
    store = open_store(under, *etcd.endpoints)
    store.wait_live()
    store.ask("tell x")
    store.ask("list")
    assert store.close() == 0


@pytest.mark.parametrize(
    "kind", ["found", "state", "swapped", "nodes", "clock"])
def test_it_may_be_closed_from_within_what_it_tells(
        etcd, under, open_store, kind):
    """With two stores, for the driver's commands to be given to the other."""
    etcd.put(under + "set", "one")
    store = open_store(under, *etcd.endpoints, count=2,
                       first=f"swap 0 mine\nlist\nclosein {kind}")
    store.wait_told(kind, lambda one: one.get("closed"))
    time.sleep(0.3)
    assert store.close() == 0

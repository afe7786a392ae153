# SPDX-License-Identifier: ISC
"""The nodes: what each says of itself, under a lease and without."""
import json
import signal
import time

import pytest

from cluster import prefix
from driver import Store
from farm import wait_until
from proxy import Proxy

LEASE = 15


@pytest.fixture
def under():
    return prefix()


def open_live(open_store, under, cluster, **options):
    store = open_store(under, *cluster.endpoints, **options)
    store.wait_live()
    return store


def entries(store):
    return {node["name"]: (node["live"], node["entry"])
            for node in store.list()["nodes"]}


def wait_entries(store, expected, patience=10):
    wait_until(lambda: entries(store) == expected,
               f"the nodes are {expected}", patience, 0.2)


class Leases:
    """Four nodes while a lease that nobody keeps ends, and after."""

    def __init__(self, etcd, open_store):
        under = prefix()
        self.kept, self.ended, self.killed, self.asleep = all_ = [
            open_live(open_store, under, etcd) for _ in range(4)]
        for store in all_:
            store.ask("tell here")
        wait_entries(self.kept, {store.node: (True, "here")
                                 for store in all_})
        self.before = self.kept.asks(self.killed.node)
        self.killed.kill()
        self.asleep.signal(signal.SIGSTOP)
        lease = json.loads(etcd.ctl(
            "get", f"{under}nodes/{self.ended.node}", "-w", "json"))
        etcd.ctl("lease", "revoke", f"{lease['kvs'][0]['lease']:x}")
        self.revoked = entries(self.kept)
        self.second = self._lose_an_entry(etcd, open_store)
        self.seen = []
        wait_until(self._both_are_gone, "leases end", LEASE + 10, 0.5)
        self.after = [self.kept.asks(store.node)
                      for store in (self.killed, self.asleep, self.kept)]
        self.asleep.signal(signal.SIGCONT)
        wait_until(lambda: entries(self.kept)[self.asleep.node][0],
                   "it is there again", 10, 0.2)

    @staticmethod
    def _lose_an_entry(etcd, open_store):
        """On its way; what is there in the end."""
        with Proxy(etcd.members[0].port) as proxy:
            store = open_store(prefix(), proxy.endpoint)
            store.wait_live()
            store.ask("tell first")
            wait_entries(store, {store.node: (True, "first")})
            mark = store.mark()
            proxy.swallow = True
            time.sleep(0.5)     # until it does
            store.ask("tell second")
            store.wait_stale(mark)
            proxy.cut_all()
            proxy.swallow = False
            store.wait_live(mark)
            wait_until(lambda: entries(store) != {
                store.node: (True, "first")}, "it is another", 10, 0.2)
            return entries(store)[store.node]

    def _both_are_gone(self):
        self.seen.append(entries(self.kept))
        return not any(self.seen[-1][store.node][0]
                       for store in (self.killed, self.asleep))


@pytest.fixture(scope="module")
def leases(farm, etcd):
    stores = []

    def open_(*args, **options):
        stores.append(Store(farm, *args, **options))
        return stores[-1]
    try:
        yield Leases(etcd, open_)
    finally:
        for store in stores:
            store.stop()


def test_a_lease_is_kept(leases):
    """The others ended meanwhile."""
    assert all(seen[leases.kept.node] == (True, "here")
               for seen in leases.seen)
    assert leases.kept.counts()["failures"] == 0


def test_a_node_that_was_killed_stays_a_member(leases):
    assert leases.seen[-1][leases.killed.node] == (False, "here")


def test_a_lease_that_ended_is_replaced(leases):
    assert leases.revoked[leases.ended.node] == (False, "here")
    assert leases.seen[-1][leases.ended.node] == (True, "here")


def test_after_a_long_sleep_it_is_there_again(leases):
    assert leases.seen[-1][leases.asleep.node] == (False, "here")
    assert entries(leases.kept)[leases.asleep.node] == (True, "here")


def test_an_entry_that_was_lost_on_its_way_is_written(leases):
    assert leases.second == (True, "second")


def test_who_is_live_is_told_of_one(leases):
    assert leases.before == (True, True)
    assert leases.after == [(True, False), (True, False), (True, True)]


def test_there_are_none_at_first(etcd, under, open_store):
    told = open_live(open_store, under, etcd).list()
    assert told["had"] and told["nodes"] == []


def test_each_is_listed_by_all_in_the_order_of_names(etcd, under, open_store):
    stores = [open_live(open_store, under, etcd, node=name)
              for name in ("b", "a.x", "a", "a-x")]
    for store in stores:
        store.ask(f"tell I am {store.node}")
    for store in stores:
        wait_entries(store, {name: (True, f"I am {name}")
                             for name in ("a", "a-x", "a.x", "b")})
    assert list(entries(stores[0])) == ["a", "a-x", "a.x", "b"]


def test_what_was_told_before_it_was_live_is_written(etcd, under, open_store):
    store = open_store(under, *etcd.endpoints)
    store.ask("tell early")
    wait_entries(store, {store.node: (True, "early")})


def test_of_many_words_the_last_is_written(etcd, under, open_store):
    store = open_live(open_store, under, etcd)
    for number in range(30):
        store.ask(f"tell {number}")
    wait_entries(store, {store.node: (True, "29")})


def test_one_call_answers_all_who_asked(etcd, under, open_store):
    store = open_live(open_store, under, etcd)
    store.ask("list\nlist\nlist")
    store.wait_told("nodes")
    time.sleep(0.5)
    assert len(store.of("nodes")) == 1


def test_a_node_that_never_was_is_not_live(etcd, under, open_store):
    etcd.put(under + "nodes/ab", "longer")
    etcd.put(under + "nodes/b", "beside")
    store = open_live(open_store, under, etcd)
    assert store.asks("a") == (True, False)
    assert store.asks("x" * 64) == (True, False)


def test_who_asks_before_it_is_live_is_answered(etcd, under, open_store):
    etcd.put(under + "nodes/a", "entry")
    assert open_store(under, *etcd.endpoints).asks("a") == (True, True)


def test_of_several_the_last_one_asked_for_is_told(etcd, under, open_store):
    etcd.put(under + "nodes/c", "entry")
    store = open_live(open_store, under, etcd)
    store.ask("ask a\nask b\nask c")
    store.wait_told("asked")
    time.sleep(0.5)
    assert [(one["node"], one["live"]) for one in store.of("asked")] == \
        [("c", True)]


def test_the_answer_is_as_short_for_a_long_entry(etcd, under, open_store):
    etcd.put(under + "nodes/long", "x" * 100000)
    store = open_live(open_store, under, etcd)
    before = store.counts()
    assert store.asks("long") == (True, True)
    assert store.counts()["bytes_in"] - before["bytes_in"] < 1000


def test_a_member_that_is_gone_can_be_forgotten(etcd, under, open_store):
    store = open_live(open_store, under, etcd)
    etcd.put(under + "members/gone", "gone")
    wait_entries(store, {"gone": (False, "gone")})
    store.ask("forget gone")
    wait_entries(store, {})


def test_one_that_is_live_cannot(etcd, under, open_store):
    store = open_live(open_store, under, etcd)
    store.ask("tell here")
    wait_entries(store, {store.node: (True, "here")})
    store.ask(f"forget {store.node}")
    time.sleep(0.5)
    assert under + "members/" + store.node in etcd.keys(under)


def test_what_is_no_node_is_not_listed(etcd, under, open_store):
    store = open_live(open_store, under, etcd)
    for name in ("good", "with blank", "x" * 65, "a/b", "ümlaut"):
        etcd.put(under + "members/" + name, "entry")
    etcd.put(under + "nodes", "entry")
    etcd.put(under + "nodes0", "entry")
    assert entries(store) == {"good": (False, "entry")}


def test_an_entry_that_is_too_long_is_none(etcd, under, open_store):
    store = open_live(open_store, under, etcd)
    etcd.put(under + "members/good", "x" * 1024)
    etcd.put(under + "members/long", "x" * 1025)
    assert entries(store) == {"good": (False, "x" * 1024),
                              "long": (False, "")}


def test_two_thousand_nodes_are_listed(etcd, under, open_store):
    store = open_live(open_store, under, etcd)
    for first in range(0, 2000, 50):
        etcd.ctl("txn", given="\n" + "".join(
            f'put {under}{folder}/n{number:04} "{"x" * 1000}"\n'
            for number in range(first, first + 50)
            for folder in ("nodes", "members")) + "\n\n")
    told = store.list()
    assert [node["name"] for node in told["nodes"]] == \
        [f"n{number:04}" for number in range(2000)]
    assert all(node["live"] and len(node["entry"]) == 1000
               for node in told["nodes"])
    assert (store.last("state")["state"], len(store.of("state"))) == \
        ("live", 1)

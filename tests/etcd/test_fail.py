# SPDX-License-Identifier: ISC
"""
etcd, or the way there, fails: the state says so in time, and nothing is
missed.
"""
import os
import signal
import time

import pytest

from clock import Clock
from cluster import Authority, Cluster, prefix
from driver import BUILD, Store
from farm import wait_until
from proxy import Proxy

SHIFTER = os.path.realpath(os.path.join(BUILD, "tests/daemon/shift.so"))
TOO_LATE = 5 + 1.0      # seconds; the second is for a machine that is busy


@pytest.fixture
def under():
    return prefix()


@pytest.fixture(scope="module")
def authority(farm):
    return Authority(farm)


@pytest.fixture(scope="module")
def three(farm, authority):
    """Three members, over TLS."""
    cluster = Cluster(farm, 3, authority).start()
    yield cluster
    cluster.stop()


def open_on(open_store, under, cluster, *endpoints, **options):
    if cluster.authority:
        options = {"ca": cluster.authority.cert, "cert": cluster.client,
                   **options}
    store = open_store(under, *(endpoints or cluster.endpoints), **options)
    store.wait_live()
    return store


def used_by(store, cluster):
    """The member that a store is connected to."""
    ports = set()
    with open(f"/proc/{store.child.pid}/net/tcp", encoding="ascii") as tcp:
        lines = [line.split() for line in tcp][1:]
    inodes = sockets_of(store.child.pid)
    for line in lines:
        if line[9] in inodes and line[3] == "01":
            ports.add(int(line[2].split(":")[1], 16))
    return next(member for member in cluster.members if member.port in ports)


def sockets_of(pid):
    found = set()
    for number in os.listdir(f"/proc/{pid}/fd"):
        try:
            link = os.readlink(f"/proc/{pid}/fd/{number}")
        except OSError:
            continue
        if link.startswith("socket:["):
            found.add(link[8:-1])
    return found


class Killed:
    """What one store told while the only member of etcd was away, and after."""

    def __init__(self, farm, open_store):
        under = prefix()
        cluster = Cluster(farm).start()
        store = open_on(open_store, under, cluster)
        assert store.swap(0, "one")["how"] == "swapped"
        revision = store.wait_found("one")["revision"]
        store.ask("tell before")
        wait_until(lambda: store.list()["nodes"], "it is listed", 10, 0.2)
        mark, began = store.mark(), time.monotonic()
        cluster.members[0].kill()
        store.ask(f"swap {revision} two\nlist\nask {store.node}\n"
                  "tell meanwhile")
        self.endpoint = cluster.endpoints[0]
        self.stale = store.wait_stale(mark)
        before = store.counts()["connects"]
        self.answers = {kind: store.wait_told(kind, since=mark)
                        for kind in ("swapped", "nodes", "asked")}
        for told in [self.stale, *self.answers.values()]:
            told["after"] = told["at"] - began
        self.connects = store.counts()["connects"] - before
        self.states = len(store.of("state"))
        cluster.members[0].again()
        cluster.put(under + "set", "two")
        store.wait_sees("two")
        wait_until(lambda: store.list()["nodes"] == [
            {"name": store.node, "live": True, "entry": "meanwhile"}],
            "what it said meanwhile is there", 20, 0.2)
        self.rollbacks = [one for one in store.of("state") if one["rollback"]]
        cluster.stop()


@pytest.fixture(scope="module")
def killed(farm):
    stores = []

    def open_(*args, **options):
        stores.append(Store(farm, *args, **options))
        return stores[-1]
    yield Killed(farm, open_)
    stores[0].stop()


def test_a_killed_member_is_noticed_and_comes_back(killed):
    assert killed.stale["after"] < TOO_LATE
    assert killed.endpoint in killed.stale["why"]


def test_a_swap_without_etcd_is_not_known_to_be_done(killed):
    assert killed.answers["swapped"]["how"] == "unknown"
    assert killed.answers["swapped"]["after"] < 11


def test_a_list_without_etcd_is_told_to_be_none(killed):
    assert not killed.answers["nodes"]["had"]
    assert killed.endpoint in killed.answers["nodes"]["why"]
    assert killed.answers["nodes"]["after"] < 11


def test_without_etcd_it_is_not_known_whether_a_node_is_live(killed):
    assert not killed.answers["asked"]["known"]
    assert not killed.answers["asked"]["live"]
    assert killed.answers["asked"]["after"] < 11


def test_it_is_tried_less_and_less_often(killed):
    assert 1 <= killed.connects <= 8
    assert killed.states <= 4


def test_a_restart_is_no_rollback_and_loses_no_node(killed):
    assert killed.rollbacks == []


def test_a_stopped_member_is_noticed_and_left(three, under, open_store):
    store = open_on(open_store, under, three)
    member = used_by(store, three)
    other = next(one for one in three.members if one is not member)
    mark = store.mark()
    member.signal(signal.SIGSTOP)
    try:
        while three.try_ctl("put", under + "set", "meanwhile",
                            endpoints=[other.endpoint]).returncode != 0:
            time.sleep(0.2)
        began = time.monotonic()
        found = store.wait_found("meanwhile", mark)
        assert found["at"] - began < TOO_LATE
        store.wait_sees("meanwhile")
        assert used_by(store, three) is not member
    finally:
        member.signal(signal.SIGCONT)


def test_a_killed_leader_costs_at_most_seconds(three, under, open_store):
    stores = [open_on(open_store, under, three) for _ in range(3)]
    leader = three.leader()
    leader.kill()
    began = time.monotonic()
    while stores[0].swap((stores[0].last("found") or {})["revision"],
                         "after")["how"] != "swapped":
        stores[0].ask("read")
        time.sleep(0.2)
        assert time.monotonic() - began < 20
    for store in stores:
        store.wait_sees("after")
    leader.again()


def test_without_a_quorum_the_state_is_stale(three, under, open_store):
    left = three.members[0]
    store = open_on(open_store, under, three, left.endpoint)
    mark, began = store.mark(), time.monotonic()
    for member in three.members[1:]:
        member.signal(signal.SIGSTOP)
    try:
        assert store.wait_stale(mark)["at"] - began < TOO_LATE
    finally:
        for member in three.members[1:]:
            member.signal(signal.SIGCONT)
    three.wait_healthy(left)
    three.put(under + "set", "back")
    store.wait_sees("back", patience=30)


def test_a_watch_that_was_compacted_away_is_begun_anew(
        etcd, under, open_store):
    etcd.put(under + "set", "in the first answer")
    with Proxy(etcd.members[0].port) as proxy:
        proxy.hold_after = b"in the first answer"
        store = open_store(under, proxy.endpoint)
        store.wait_found("in the first answer")
        for number in range(5):
            etcd.put(under + "set", str(number))
        etcd.ctl("compact", str(etcd.revision()))
        assert not store.of("state")    # so it was held before it could watch
        proxy.hold_after = None
        store.wait_sees("4")
    assert store.counts()["connects"] == 1


@pytest.mark.parametrize("tries, late", [(2, 3.2), (3, 6)])
def test_a_late_first_answer_is_not_live_and_then_cut_off(
        etcd, under, open_store, tries, late):
    """Such as that to a connection whose first packets were lost."""
    with Proxy(etcd.members[0].port) as proxy:
        proxy.swallow = True
        store = open_store(under, proxy.endpoint)
        wait_until(lambda: proxy.connections == tries, "it tries", 30)
        time.sleep(late)
        mark = store.mark()
        proxy.swallow = False
        store.wait_live(mark)
        time.sleep(3)
        assert store.of("state", mark) == [store.last("state")]


def test_an_answer_from_before_the_host_slept_proves_nothing(
        farm, etcd, under, open_store):
    """It is as old as that, however soon it is read."""
    clock = Clock(os.path.join(farm.folder, "clock"))
    with Proxy(etcd.members[0].port) as proxy:
        store = open_store(under, proxy.endpoint, wrap=(
            "env", "LD_PRELOAD=" + SHIFTER, "SHIFT=" + clock.path))
        store.wait_live()
        proxy.swallow = True
        time.sleep(2.3)     # so a look is under way
        mark = store.mark()
        clock.slept = 3600
        clock.set(0)
        proxy.swallow = False
        store.wait_stale(mark)
        store.wait_live(mark)


def test_who_is_swallowed_and_who_slept_catch_up(etcd, under, open_store):
    """At the same time, as both take their time."""
    with Proxy(etcd.members[0].port) as proxy:
        swallowed = open_store(under, proxy.endpoint)
        slept = open_on(open_store, under, etcd)
        swallowed.wait_live()
        slept.signal(signal.SIGSTOP)
        mark, began = swallowed.mark(), time.monotonic()
        proxy.swallow = True
        for number in range(10):
            etcd.put(under + "set", str(number))
        etcd.ctl("compact", str(etcd.revision()))
        assert swallowed.wait_stale(mark)["at"] - began < TOO_LATE
        time.sleep(max(0, began + TOO_LATE - time.monotonic()))
        slept.signal(signal.SIGCONT)
        proxy.swallow = False
        slept.wait_sees("9", patience=20)
        swallowed.wait_sees("9", patience=20)

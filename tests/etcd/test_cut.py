# SPDX-License-Identifier: ISC
"""
A connection that is cut, or garbled, at the first, a middle and the last byte
of each kind of frame: in the end the store is live, and nothing is lost.  With
STEK_EVERY_BYTE, at every byte.
"""
import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from cluster import prefix
from driver import Store
from proxy import Proxy

AT_ONCE = 24
EVERY = 480     # bytes: more than are passed, either way, until a store is live
HELLO = 24      # bytes that a client of HTTP/2 begins with
HEAD = 9        # of its frames
LOOKS = 2.5     # seconds in which it looks once


def frames(stream, at):
    """Of each kind, which is what and on which of the calls, the first one."""
    kinds = {}
    while at + HEAD <= len(stream):
        length = int.from_bytes(stream[at:at + 3], "big")
        kinds.setdefault(bytes(stream[at + 3:at + HEAD]),
                         (at, at + HEAD + length))
        at += HEAD + length
    return list(kinds.values())


@pytest.fixture(scope="module")
def passed(etcd):
    """What goes there and back until a store is live, and has looked."""
    with Proxy(etcd.members[0].port) as proxy:
        proxy.record = {True: bytearray(), False: bytearray()}
        yield proxy


@pytest.fixture(scope="module")
def places(farm, passed):
    """Where to do harm on the way to the client (True), and from it."""
    if os.environ.get("STEK_EVERY_BYTE"):
        return {way: list(range(EVERY)) for way in (True, False)}
    store = Store(farm, prefix(), passed.endpoint)
    try:
        store.wait_live()
        time.sleep(LOOKS)
    finally:
        store.stop()
    found = {True: frames(passed.record[True], 0),
             False: [(0, HELLO)] + frames(passed.record[False], HELLO)}
    assert all(len(kinds) >= 8 for kinds in found.values())
    return {way: sorted({place for begin, end in kinds for place in
                         (begin, (begin + end) // 2, end - 1)})
            for way, kinds in found.items()}


def batches(all_places):
    return [all_places[at:at + AT_ONCE]
            for at in range(0, len(all_places), AT_ONCE)]


def harm(etcd, open_store, how, places):
    """One store behind one proxy each; then all see a change."""
    under = prefix()
    etcd.put(under + "set", "before")
    proxies = [Proxy(etcd.members[0].port) for _ in places]
    stores = []
    try:
        for proxy, place in zip(proxies, places):
            setattr(proxy, how, place)
            stores.append(open_store(under, proxy.endpoint))
        for store in stores:
            store.wait_live()
        etcd.put(under + "set", "after")
        for store in stores:
            store.wait_told("found", lambda one: one["value"] != "before")
            while (store.last("found") or {})["value"] != "after":
                mark = store.mark()     # as who can make no sense of it
                store.ask("read")
                store.wait_told("found", since=mark)
            store.wait_sees("after")
            assert how == "flip_to_client" or not any(
                one["rollback"] for one in store.of("state"))
        return sum(proxy.connections for proxy in proxies)
    finally:
        for store in stores:
            store.stop()
        for proxy in proxies:
            proxy.__exit__()


@pytest.mark.parametrize("how", ["cut_to_client", "cut_to_server"])
def test_cut_anywhere(etcd, open_store, places, how):
    first = None
    for batch in batches(places[how == "cut_to_client"]):
        connections = harm(etcd, open_store, how, batch)
        first = first or (connections, len(batch))
    assert first[0] >= 2 * first[1]     # each was cut, and came again


def test_garbled_anywhere(etcd, open_store, places):
    for batch in batches(places[True]):
        harm(etcd, open_store, "flip_to_client", batch)


def cut_swaps(etcd, open_store, places):
    """How swaps end whose answers are cut there; each is done or not."""
    under = prefix()
    hows = set()
    with Proxy(etcd.members[0].port) as proxy:
        store = open_store(under, proxy.endpoint)
        store.wait_live()
        for left in places:
            value = f"value{left}"
            revision = (store.last("found") or {})["revision"]
            mark = store.mark()
            proxy.left_to_client = left or 1
            how = store.swap(revision, value)["how"]
            proxy.left_to_client = None
            hows.add(how)
            assert how in ("swapped", "unknown")
            store.ask("read")
            there = etcd.ctl("get", "--print-value-only",
                             under + "set").rstrip("\n")
            if how == "swapped":
                assert there == value
            store.wait_found(there, 0 if there != value else mark)
            store.wait_sees(there)
    return hows


def test_a_swap_that_is_cut_is_done_or_not(etcd, open_store):
    with ThreadPoolExecutor(6) as pool:
        hows = pool.map(lambda first: cut_swaps(
            etcd, open_store, range(first, 150, 30)), range(0, 30, 5))
        assert set.union(*hows) == {"swapped", "unknown"}

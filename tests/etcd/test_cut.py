# SPDX-License-Identifier: ISC
"""
A connection that is cut, or garbled, at every byte: in the end the store is
live, and nothing is lost.
"""
import pytest

from cluster import prefix
from proxy import Proxy

AT_ONCE = 16
BYTES = 480     # more than are passed, either way, until a store is live


def batches(most, step=1):
    places = list(range(0, most, step))
    return [places[at:at + AT_ONCE] for at in range(0, len(places), AT_ONCE)]


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
def test_cut_after_every_byte(etcd, open_store, how):
    first = None
    for places in batches(BYTES):
        connections = harm(etcd, open_store, how, places)
        first = first or connections
    assert first >= 2 * AT_ONCE     # each was cut, and came again


def test_garbled_at_every_byte(etcd, open_store):
    for places in batches(BYTES, 3):
        harm(etcd, open_store, "flip_to_client", places)


def test_a_swap_that_is_cut_is_done_or_not(etcd, open_store):
    under = prefix()
    with Proxy(etcd.members[0].port) as proxy:
        store = open_store(under, proxy.endpoint)
        store.wait_live()
        hows = set()
        for left in range(0, 150, 5):
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
        assert hows == {"swapped", "unknown"}

# SPDX-License-Identifier: ISC
"""An etcd that went back to a backup, and one that is full."""
import os

import pytest

from cluster import Cluster, prefix
from farm import wait_until
from proxy import Proxy


@pytest.fixture
def under():
    return prefix()


@pytest.fixture
def cluster(farm):
    cluster = Cluster(farm).start()
    yield cluster
    cluster.stop()


def restore(cluster, backup, token):
    """As an operator does it: stop, restore, start."""
    member = cluster.members[0]
    member.stop()
    member.data = member.path("restored")
    cluster.token = token
    cluster.ctl("snapshot", "restore", backup, "--name", member.name,
                "--initial-cluster", f"{member.name}={member.peer}",
                "--initial-advertise-peer-urls", member.peer,
                "--initial-cluster-token", token, "--data-dir", member.data)
    member.again()


def is_rollback(one):
    return one["rollback"] and one["state"] == "stale"


@pytest.mark.parametrize("other", [False, True],
                         ids=["as-the-same-cluster", "as-another-cluster"])
def test_a_backup_that_was_restored_is_told(cluster, under, open_store,
                                            other):
    backup = cluster.members[0].path("backup")
    store = open_store(under, *cluster.endpoints)
    store.wait_live()
    store.ask("tell here")
    store.swap(0, "old")
    store.wait_found("old")
    cluster.ctl("snapshot", "save", backup)
    for number in range(20):
        cluster.put(under + "set", f"new{number}")
    store.wait_sees("new19")
    mark = store.mark()
    restore(cluster, backup, cluster.token + ("-2" if other else ""))
    told = store.wait_told("state", is_rollback, mark)
    assert "backup" in told["why"] and cluster.endpoints[0] in told["why"]
    store.wait_sees("old")
    assert len([one for one in store.of("state") if one["rollback"]]) == 1
    wait_until(lambda: [node["live"] for node in store.list()["nodes"]] ==
               [True], "the node is there again", 10, 0.2)
    assert store.swap(store.last("found")["revision"], "next")["how"] == \
        "swapped"
    store.wait_sees("next")


def test_a_backup_that_has_had_many_changes_since_is_told(
        cluster, under, open_store):
    """Its revision is no lower then; only that of the set is."""
    backup = cluster.members[0].path("backup")
    with Proxy(cluster.members[0].port) as proxy:
        store = open_store(under, proxy.endpoint)
        store.wait_live()
        store.swap(0, "old")
        store.wait_found("old")
        cluster.ctl("snapshot", "save", backup)
        for number in range(5):
            cluster.put(under + "set", f"new{number}")
        store.wait_sees("new4")
        mark = store.mark()
        proxy.swallow = True
        restore(cluster, backup, cluster.token)
        for number in range(20):
            cluster.put("/elsewhere", str(number))
        store.wait_stale(mark)
        proxy.cut_all()
        proxy.swallow = False
        told = store.wait_told("state", is_rollback, mark)
        assert under + "set" in told["why"]
        store.wait_sees("old")
        assert len([one for one in store.of("state")
                    if one["rollback"]]) == 1


def test_a_full_etcd_denies_and_says_what_to_do(farm, under, open_store):
    cluster = Cluster(farm, options=("--quota-backend-bytes", "1000000"))
    cluster.start()
    store = open_store(under, *cluster.endpoints)
    store.wait_live()
    for number in range(40):
        if cluster.try_ctl("put", f"/fill{number % 2}",
                           given="x" * 100000).returncode != 0:
            break
    told = store.swap(0, "one")
    assert told["how"] == "denied"
    assert "alarm disarm" in told["why"] and "defrag" in told["why"]
    store.ask("tell here")
    assert "alarm disarm" in store.wait_told("untold")["why"]
    assert store.last("state")["state"] == "live"
    cluster.ctl("compact", str(cluster.revision()))
    cluster.ctl("defrag")
    cluster.ctl("alarm", "disarm")
    store.wait_sees(None)
    assert store.swap(0, "one")["how"] == "swapped"
    store.wait_told("untold", lambda one: one["why"] == "")
    assert os.path.exists(cluster.members[0].data)
    cluster.stop()

# SPDX-License-Identifier: ISC
"""Who a node is to etcd: users, passwords, certificates, and what they may."""
import contextlib
import os

import pytest

from cluster import Authority, Cluster, prefix
from farm import wait_until

# What a role must be allowed, and no more: etcdctl's own commands.
LEAST_ROLE = (
    "role add stek",
    "role grant-permission stek readwrite --prefix=true {prefix}",
    "user grant-role {user} stek",
)

QUICK = ("--bcrypt-cost", "4")      # each etcdctl is a login


def enable(cluster):
    cluster.ctl("user", "add", "root:rootpass")
    cluster.ctl("user", "grant-role", "root", "root")
    cluster.ctl("auth", "enable")
    cluster.user = "root:rootpass"


def grant(cluster, user, under):
    for line in LEAST_ROLE:
        cluster.ctl(*line.format(prefix=under, user=user).split())


def permit(cluster, under):
    """One more prefix to all who have that role."""
    cluster.ctl(*LEAST_ROLE[1].format(prefix=under).split())


@pytest.fixture
def under():
    return prefix()


@pytest.fixture(scope="module")
def with_users(farm):
    cluster = Cluster(farm, options=QUICK).start()
    cluster.ctl("user", "add", "node:nodepass")
    grant(cluster, "node", "/stek/first/")
    enable(cluster)
    yield cluster
    cluster.stop()


@pytest.fixture
def guarded(with_users, under):
    """An etcd with a user and a password; tests leave it so."""
    permit(with_users, under)
    return with_users


@pytest.fixture
def store(guarded, under, open_store):
    return open_store(under, *guarded.endpoints, user="node",
                      password="nodepass")


def test_the_least_role_suffices(store, guarded, under):
    store.wait_live()
    assert store.swap(0, "one")["how"] == "swapped"
    store.wait_found("one")
    store.ask("tell here")
    wait_until(lambda: [node["live"] for node in store.list()["nodes"]] ==
               [True], "it is listed", 10, 0.2)
    guarded.put(under + "members/gone", "gone")
    store.ask("forget gone")
    wait_until(lambda: len(store.list()["nodes"]) == 1, "one is forgotten",
               10, 0.2)
    store.wait_told("clock")
    assert not store.of("untold")


def rights(store):
    return store.wait_told("rights")["rights"]


@contextlib.contextmanager
def not_logged(cluster):
    """etcd complains of nobody meanwhile, so no operator is alarmed."""
    with open(cluster.members[0].log, encoding="utf-8") as log:
        log.seek(0, os.SEEK_END)
        yield
        lines = [line for line in log if line[27:30] in ("W |", "E |")]
    assert [line for line in lines if "not cryptographically" not in line and
            "took too long" not in line] == []


def test_what_a_user_may_is_told_and_not_logged(guarded, under, open_store):
    with not_logged(guarded):
        node, root = [open_store(under, *guarded.endpoints, user=user,
                                 password=user + "pass")
                      for user in ("node", "root")]
        assert rights(node) == "own"
        assert rights(root) == "all"
        assert node.counts()["failures"] == 0


def test_who_may_read_all_is_told_so(guarded, under, open_store):
    guarded.ctl("role", "add", "all")
    guarded.ctl("role", "grant-permission", "all", "read", "--prefix=true",
                "")
    guarded.ctl("user", "grant-role", "node", "all")
    store = open_store(under, *guarded.endpoints, user="node",
                       password="nodepass")
    assert rights(store) == "all"
    guarded.ctl("user", "revoke-role", "node", "all")


def test_another_prefix_is_denied(guarded, open_store):
    store = open_store("/other/", *guarded.endpoints, user="node",
                       password="nodepass")
    why = store.wait_stale()["why"]
    assert "/other/" in why and "node" in why and "grant" in why


def test_a_wrong_password_is_named_and_not_shown(guarded, under, open_store):
    store = open_store(under, *guarded.endpoints, user="node",
                       password="wrongpass")
    why = store.wait_stale()["why"]
    assert guarded.endpoints[0] in why and '"node"' in why
    assert "wrongpass" not in str(store.told)


def test_nobody_is_told_to_be_somebody(guarded, under, open_store):
    store = open_store(under, *guarded.endpoints)
    assert "configure a user" in store.wait_stale()["why"]


def test_a_user_where_etcd_wants_none_is_in_order(etcd, under, open_store):
    store = open_store(under, *etcd.endpoints, user="node",
                       password="nodepass")
    store.wait_live()
    assert store.swap(0, "one")["how"] == "swapped"
    assert rights(store) == "open"


def test_authentication_that_is_enabled_later(farm, under, open_store):
    cluster = Cluster(farm, options=QUICK).start()
    cluster.ctl("user", "add", "node:nodepass")
    grant(cluster, "node", under)
    store = open_store(under, *cluster.endpoints, user="node",
                       password="nodepass")
    store.wait_live()
    assert rights(store) == "open"
    enable(cluster)
    assert store.swap(0, "one")["how"] == "swapped"
    store.wait_told("rights", lambda one: one["rights"] == "own")
    store.wait_sees("one")
    cluster.stop()


def test_a_token_that_a_restart_lost_is_replaced(store, guarded, under):
    store.wait_live()
    store.ask("tell here")
    mark = store.mark()
    guarded.members[0].kill()
    guarded.members[0].again()
    guarded.put(under + "set", "after")
    store.wait_found("after", mark)
    store.wait_sees("after")
    assert store.swap(store.last("found")["revision"], "mine")["how"] == \
        "swapped"


def test_a_swap_outlives_a_token(store, guarded, under):
    """Disabling authentication makes all tokens void."""
    store.wait_live()
    for number in range(3):
        guarded.ctl("auth", "disable")
        guarded.ctl("auth", "enable")
        assert store.swap((store.last("found") or {})["revision"],
                          str(number))["how"] == "swapped"
        store.wait_sees(str(number))
    assert store.counts()["connects"] > 1
    assert len(store.of("state")) == 1


def test_a_role_that_was_taken_away_is_noticed(store, guarded, under):
    store.wait_live()
    guarded.ctl("user", "revoke-role", "node", "stek")
    assert "grant" in store.wait_stale(patience=8)["why"]
    guarded.ctl("user", "grant-role", "node", "stek")
    store.wait_sees(None, patience=20)


def test_who_may_only_read_is_denied_to_swap(guarded, under, open_store):
    guarded.ctl("role", "add", "reader")
    guarded.ctl("role", "grant-permission", "reader", "read", "--prefix=true",
                under)
    guarded.ctl("user", "add", "reader:readerpass")
    guarded.ctl("user", "grant-role", "reader", "reader")
    store = open_store(under, *guarded.endpoints, user="reader",
                       password="readerpass")
    store.wait_live()
    told = store.swap(0, "one")
    assert told["how"] == "denied"
    assert guarded.endpoints[0] in told["why"] and "grant" in told["why"]
    store.ask("tell here")
    assert "grant" in store.wait_told("untold")["why"]
    assert store.last("state")["state"] == "live"


@pytest.fixture(scope="module")
def authority(farm):
    return Authority(farm)


@pytest.fixture(scope="module")
def with_names(farm, authority):
    cluster = Cluster(farm, 1, authority).start()
    for user in ("node", "root"):
        cluster.ctl("user", "add", user, "--no-password")
    cluster.ctl("user", "grant-role", "root", "root")
    grant(cluster, "node", "/stek/first/")
    cluster.ctl("auth", "enable")
    yield cluster
    cluster.stop()


@pytest.fixture
def by_certificate(with_names, under):
    """An etcd where the CN of a client's certificate is its user."""
    permit(with_names, under)
    return with_names


def test_a_certificate_is_a_user(by_certificate, authority, under, open_store):
    store = open_store(under, *by_certificate.endpoints, ca=authority.cert,
                       cert=authority.issue("node"))
    store.wait_live()
    assert store.swap(0, "one")["how"] == "swapped"
    store.wait_sees("one")
    store.ask("tell here")
    wait_until(lambda: len(store.list()["nodes"]) == 1, "it is listed", 10,
               0.2)
    store.wait_told("clock")
    assert store.counts()["failures"] == 0


def test_what_a_certificate_may_is_told(by_certificate, authority, under,
                                        open_store):
    def open_as(user):
        return open_store(under, *by_certificate.endpoints,
                          ca=authority.cert, cert=authority.issue(user))
    with not_logged(by_certificate):
        assert rights(open_as("node")) == "own"
    assert rights(open_as("root")) == "all"     # which etcd logs, once
    by_certificate.ctl("auth", "disable")
    with not_logged(by_certificate):
        assert rights(open_as("node")) == "open"
    by_certificate.ctl("auth", "enable")


def test_a_certificate_does_not_hide_what_a_password_may(
        by_certificate, authority, under, open_store):
    """Without its token, the certificate would speak for it."""
    by_certificate.ctl("user", "add", "admin:adminpass")
    by_certificate.ctl("user", "grant-role", "admin", "root")
    store = open_store(under, *by_certificate.endpoints, ca=authority.cert,
                       cert=authority.issue("root"), user="admin",
                       password="adminpass")
    assert rights(store) == "all"


def test_a_certificate_of_nobody_is_denied(by_certificate, authority, under,
                                           open_store):
    store = open_store(under, *by_certificate.endpoints, ca=authority.cert,
                       cert=authority.issue("stranger"))
    why = store.wait_stale()["why"]
    assert "grant" in why and "its certificate's CN" in why


def test_no_certificate_is_refused(by_certificate, authority, under,
                                   open_store):
    store = open_store(under, *by_certificate.endpoints, ca=authority.cert)
    assert "etcd wants a certificate" in store.wait_stale()["why"]

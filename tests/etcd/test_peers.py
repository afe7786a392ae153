# SPDX-License-Identifier: ISC
"""
What answers is no etcd, or not the right one: the store says what it found,
where, and what to do, tries again, and comes to life once that is mended.
"""
import contextlib
import datetime
import os
import socket
import threading
import time

import pytest

from cluster import Authority, Cluster, prefix
from driver import Store
from farm import Process, wait_until

CALLS_PER_SECOND = 3    # in vain


@pytest.fixture
def under():
    return prefix()


@pytest.fixture(scope="module")
def authority(farm):
    return Authority(farm)


@pytest.fixture(scope="module")
def tls(farm, authority):
    return Cluster(farm, 1, authority).start()


class Nginx(Process):
    """One that knows nothing of etcd, with HTTP/2 and without."""

    def __init__(self, farm, authority):
        super().__init__(farm, "nginx")
        self.plain, self.tls = farm.port(), farm.port()
        cert, key = authority.issue("nginx")
        self.write("nginx.conf", f"""
daemon off;
master_process off;
pid {self.path("pid")};
error_log stderr;
events {{ }}
http {{
	access_log off;
	client_body_temp_path {self.path("body")};
	proxy_temp_path {self.path("proxy")};
	fastcgi_temp_path {self.path("fastcgi")};
	uwsgi_temp_path {self.path("uwsgi")};
	scgi_temp_path {self.path("scgi")};
	server {{ listen 127.0.0.1:{self.plain}; }}
	server {{
		listen 127.0.0.1:{self.tls} ssl http2;
		ssl_certificate {cert};
		ssl_certificate_key {key};
	}}
}}
""")
        self.run("nginx", "-c", self.path("nginx.conf"))
        self.wait(self.listening, "nginx listens")

    def listening(self):
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", self.tls)) == 0


@pytest.fixture(scope="module")
def nginx(farm, authority):
    return Nginx(farm, authority)


def refused(store, endpoint, *words, seconds=0.5):
    """Stale, in words that help, and not in a hurry, since it was opened."""
    why = store.wait_stale(patience=8)["why"]
    assert why.startswith(endpoint + ": ")
    for word in words:
        assert word in why
    time.sleep(seconds)
    counts = store.counts()
    took = time.monotonic() - store.began
    assert counts["connects"] <= took * CALLS_PER_SECOND + 3
    assert counts["cpu_ms"] < 1000
    assert len(store.of("state")) == 1
    return why


def test_nobody_listens(farm, under, open_store):
    endpoint = f"http://127.0.0.1:{farm.port()}"
    refused(open_store(under, endpoint), endpoint, "nothing listens")


@pytest.mark.parametrize("endpoint, why", [
    ("http://etcd.invalid:2379", "name"),
    ("http://192.0.2.1:2379", "no route"),
])
def test_there_is_no_network(under, open_store, endpoint, why):
    if os.geteuid() != 0:
        pytest.skip("a namespace without a network needs root")
    refused(open_store(under, endpoint, wrap=("unshare", "-n")), endpoint,
            why)


def test_packets_are_dropped_and_each_try_ends_in_seconds(under, open_store):
    """So that a way that is there again is found soon, also after hours."""
    with contextlib.ExitStack() as sockets:
        full = sockets.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)      # what finds no room here is dropped
        for _ in range(4):
            one = sockets.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        endpoint = "http://127.0.0.1:%d" % full.getsockname()[1]
        store = open_store(under, endpoint)
        refused(store, endpoint, "no connection in time")
        wait_until(lambda: store.counts()["connects"] >= 5, "it tries", 34,
                   0.2)


def test_somebody_who_says_nothing(under, open_store):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        endpoint = "http://127.0.0.1:%d" % mute.getsockname()[1]
        refused(open_store(under, endpoint), endpoint, "no answer in time")


def test_somebody_who_says_nothing_where_tls_should_be(
        authority, under, open_store):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        endpoint = "https://127.0.0.1:%d" % mute.getsockname()[1]
        refused(open_store(under, endpoint, ca=authority.cert), endpoint,
                "no connection in time")


def test_another_server(nginx, under, open_store):
    endpoint = f"http://127.0.0.1:{nginx.plain}"
    refused(open_store(under, endpoint), endpoint, "etcd")


def test_another_server_over_tls(nginx, authority, under, open_store):
    endpoint = f"https://127.0.0.1:{nginx.tls}"
    refused(open_store(under, endpoint, ca=authority.cert), endpoint,
            "no etcd", "HTTP 404", "text/html")


def test_tls_where_none_should_be(tls, under, open_store):
    endpoint = tls.endpoints[0].replace("https:", "http:")
    refused(open_store(under, endpoint), endpoint, "https://")


def test_none_where_tls_should_be(etcd, under, open_store):
    endpoint = etcd.endpoints[0].replace("http:", "https:")
    refused(open_store(under, endpoint), endpoint, "TLS", "http://")


def test_another_authority(farm, tls, under, open_store):
    other = Authority(farm, "other")
    refused(open_store(under, *tls.endpoints, ca=other.cert,
                       cert=tls.client), tls.endpoints[0], "certificate", "CA")


def test_an_authority_that_is_no_file(tls, under, open_store):
    refused(open_store(under, *tls.endpoints, ca="/nonexistent"),
            tls.endpoints[0], "CA", "/nonexistent")


def test_a_key_that_is_no_file(tls, under, open_store):
    refused(open_store(under, *tls.endpoints, ca=tls.authority.cert,
                       cert=(tls.client[0], "/nonexistent")),
            tls.endpoints[0], "own certificate or key")


def test_another_name(farm, authority, under, open_store):
    """The certificate is one for 127.0.0.1."""
    cluster = Cluster(farm, 1, authority)
    member = cluster.members[0]
    member.endpoint = f"https://127.0.0.2:{member.port}"
    member.launch()
    member.wait(member.listening, "it listens")
    refused(open_store(under, member.endpoint, ca=authority.cert,
                       cert=cluster.client), member.endpoint, "certificate",
            "names")
    cluster.stop()


def test_an_expired_certificate(farm, authority, under, open_store):
    cluster = Cluster(farm, 1, authority)
    cluster.cert = authority.issue("expired", days=-1)
    cluster.members[0].launch()
    cluster.members[0].wait(cluster.members[0].listening, "it listens")
    refused(open_store(under, *cluster.endpoints, ca=authority.cert,
                       cert=cluster.client), cluster.endpoints[0],
            "certificate", "expired")
    cluster.stop()


def test_an_expired_certificate_of_its_own(tls, authority, under, open_store):
    mine = authority.issue("root", days=-1)
    why = refused(open_store(under, *tls.endpoints, ca=authority.cert,
                             cert=mine), tls.endpoints[0], mine[0],
                  seconds=2)
    gone = datetime.datetime.utcnow() - datetime.timedelta(days=1)
    assert f"expired on {gone:%Y-%m-%d}" in why


def test_a_certificate_of_its_own_of_a_stranger(farm, tls, authority, under,
                                                open_store):
    mine = Authority(farm, "stranger").issue("root")
    why = refused(open_store(under, *tls.endpoints, ca=authority.cert,
                             cert=mine), tls.endpoints[0], mine[0],
                  "the CA that etcd trusts", seconds=2)
    assert "expired on" not in why


def answering(listener, answer):
    """Says the same to all who come."""
    def serve():
        while True:
            try:
                client = listener.accept()[0]
            except OSError:
                return
            with client:
                client.recv(65536)
                client.sendall(answer)
                time.sleep(0.05)
    threading.Thread(target=serve, daemon=True).start()


GARBAGE = {
    "nothing": b"",
    "zeroes": b"\x00" * 100,
    "noise": os.urandom(1000),
    "http": b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n",
    "ssh": b"SSH-2.0-OpenSSH_9.2p1\r\n",
    # Settings, then a frame that promises 16 MB.
    "long": b"\x00\x00\x00\x04\x00\x00\x00\x00\x00" + b"\xff" * 1000,
    # Settings and a goodbye.
    "goodbye": b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
               b"\x00\x00\x08\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
               b"\x00\x00",
}


@pytest.fixture(scope="module")
def garbled(farm):
    """A store for each kind of garbage, and its endpoint; all for a while."""
    stores, listeners = {}, []
    for kind, answer in GARBAGE.items():
        listeners.append(socket.create_server(("127.0.0.1", 0)))
        answering(listeners[-1], answer)
        endpoint = "http://127.0.0.1:%d" % listeners[-1].getsockname()[1]
        stores[kind] = Store(farm, prefix(), endpoint), endpoint
    time.sleep(3)
    yield stores
    for store, _ in stores.values():
        store.stop()
    for listener in listeners:
        listener.close()


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage(garbled, kind):
    refused(*garbled[kind], seconds=0.1)


def test_of_several_the_one_that_works_is_found(
        farm, nginx, etcd, under, open_store):
    bad = [f"http://127.0.0.1:{farm.port()}",
           f"http://127.0.0.1:{nginx.plain}"]
    stores = [open_store(under, *bad, *etcd.endpoints) for _ in range(3)]
    for store in stores:
        store.wait_live()
    time.sleep(3)
    for store in stores:
        assert store.last("state")["state"] == "live"


def test_once_it_is_mended_it_lives(farm, under, open_store):
    cluster = Cluster(farm)
    store = open_store(under, *cluster.endpoints)
    store.wait_stale()
    cluster.start()
    store.wait_live()
    cluster.stop()

# SPDX-License-Identifier: ISC
"""
Six hosts on three etcd, with two servers each, and traffic between all of
them, while whatever can fails: a ticket resumes or costs a full handshake,
and nothing else ever happens.

Never here: how hosts, wire and etcd are made (fleet.py, etcd.py).
Invariant: each test leaves a farm in step.
"""
import random
import time

import pytest

from fleet import Farm
from lighttpd import LighttpdNssRun
from resume import FULL, RESUMED
from servers import Haproxy, Nginx

POLICY = ("60s", "60s", "10s")
WITH_NSS = (1, 2)   # hosts that have a lighttpd on Debian's own NSS, too
AGREE = 10          # seconds, once all is healed


@pytest.fixture(scope="module")
def farm():
    with Farm(6, lambda number: (Nginx, Haproxy, LighttpdNssRun)
              if number in WITH_NSS else (Nginx, Haproxy)) as farm_:
        farm_.start(shared=False)
        yield farm_


@pytest.fixture(scope="module")
def driven(farm):
    """After the control: with a stekd on each host."""
    for server in farm.servers:
        server.stop()
    farm.on_etcd(POLICY)
    return farm


@pytest.fixture(scope="module")
def stream(driven):
    """The traffic that goes on through all tests."""
    with driven.traffic(rate=60) as traffic:
        traffic.wait()
        yield traffic


@pytest.fixture(autouse=True)
def no_handshake_fails(request):
    """Whatever a test does, and until its damage is repaired."""
    since = time.monotonic()
    yield
    if "stream" not in request.fixturenames:
        return
    stream_ = request.getfixturevalue("stream")
    farm_ = request.getfixturevalue("farm")
    farm_.wait_in_step(patience=60)
    stream_.wait(60)
    print(f"\n{request.node.name}: {stream_.summary(since)}")   # pytest -s
    assert stream_.failed == [], stream_.summary()


def rotate(host, *args, check=True):
    return host.stekd.stek("rotate", "--timeout", "60", *args, check=check)


def wait_rotated(farm, old, hosts=None):
    """Until all of these seal with another key."""
    hosts = hosts or farm.hosts
    farm.wait(lambda: all(host.stekd.sealing() not in (old, None)
                          for host in hosts), "a new key seals")


def rotate_afresh(farm):
    """So that for half a minute the plan adds nothing to what is tested."""
    old = farm.hosts[0].stekd.sealing()
    rotate(farm.hosts[0], "--now")
    wait_rotated(farm, old)
    farm.wait_in_step()


def agree(farm):
    """How long until all hosts had the same, from now on."""
    begin = time.monotonic()
    farm.wait(lambda: len({host.stekd.version()
                           for host in farm.hosts}) == 1,
              "all hosts have one version", 60)
    return time.monotonic() - begin


def test_without_stek_no_ticket_is_worth_anything_elsewhere(farm):
    results = farm.judge.matrix(farm.servers[:6])
    assert {result.kind for result in results} == {FULL}


def test_every_ticket_resumes_on_every_host(driven):
    for server in driven.servers:       # NSS takes none before it gave one
        for version in ("1.2", "1.3"):
            driven.judge.offer(server, version)
    results = driven.judge.matrix(driven.servers)
    assert [str(result) for result in results if result.kind != RESUMED] == []
    assert len(results) == 2 * (2 * 6 * 5 + 2)      # versions, pairs


def test_status_shows_the_farm_anywhere(driven):
    for host in driven.hosts[:2]:
        nodes = host.stekd.status()["nodes"]
        assert [node["name"] for node in nodes] == \
            [other.name for other in driven.hosts]
        assert all(node["live"] and node["readable"] for node in nodes)
        assert all(abs(node["offset"]) <= 2 for node in nodes)


def test_through_a_rotation_every_ticket_resumes(driven, stream):
    old, since = driven.hosts[0].stekd.sealing(), stream.now()
    said = rotate(driven.hosts[0], "--now").stdout
    assert "once all nodes have confirmed" in said
    wait_rotated(driven, old)
    driven.wait_in_step()
    stream.wait(200)
    assert [str(result) for result in stream.of(FULL, since)
            if result.source] == []


def test_a_farm_makes_one_key_and_not_one_a_host(driven):
    made = [host.stekd.status()["counters"]["rotations"]
            for host in driven.hosts]
    keys = driven.hosts[0].stekd.status()["version"]
    assert sum(made) < keys


def test_the_leader_of_etcd_is_killed(driven, stream):
    leader = driven.etcd.wait_leader()
    leader.kill9()
    driven.etcd.wait_leader(but=[leader])
    driven.wait_in_step()
    old = driven.hosts[1].stekd.sealing()
    rotate(driven.hosts[1], "--now")
    wait_rotated(driven, old)
    leader.start()


def test_any_stekd_is_killed_at_any_moment(driven, stream):
    for _ in range(6):
        host = random.choice(driven.hosts)
        host.stekd.kill9()
        time.sleep(random.random())
        if random.random() < 0.5:
            rotate(random.choice([other for other in driven.hosts
                                  if other is not host]),
                   "--now", check=False)
        host.stekd.launch()
        driven.wait(host.stekd.status, "it answers again")
    assert agree(driven) < AGREE


def test_a_minority_with_hosts_on_it_is_cut_off(driven, stream):
    rotate_afresh(driven)
    lost = driven.etcd.followers()[0]
    few, many = driven.hosts[4:], driven.hosts[:4]
    others = [member for member in driven.etcd.members if member is not lost]
    driven.partition([lost, *few], [*others, *many])
    driven.wait(lambda: all(
        host.stekd.status()["store"]["state"] == "cut off" for host in few),
        "those who are cut off know it", 15)
    old = many[0].stekd.sealing()
    rotate(many[0], "--now", check=False)
    wait_rotated(driven, old, many)
    assert {host.stekd.sealing() for host in few} == {old}
    driven.heal()
    assert agree(driven) < AGREE


def test_a_new_key_waits_for_a_host_that_cannot_confirm(driven, stream):
    """It is live, but a server of its does not start with the new key."""
    rotate_afresh(driven)
    host = driven.hosts[5]
    server = host.server("haproxy")
    old = driven.hosts[0].stekd.sealing()
    stream.avoid(host)
    server.stop()
    rotate(driven.hosts[0], "--now", check=False)
    driven.wait(lambda: host.stekd.target(server.name)["state"] == "failed",
                "its target fails", 40)
    status = driven.hosts[0].stekd.status()
    assert [key["state"] for key in status["keys"]][-1] == "held"
    assert status["sealing"] == old
    driven.wait(lambda: host.name in (
        driven.hosts[0].stekd.status()["waits_for"] or
        driven.hosts[1].stekd.status()["waits_for"] or ""),
        "status says for whom")
    server.start()
    wait_rotated(driven, old)
    stream.meet(host)


def test_packets_are_late_and_lost(driven, stream):
    for host in driven.hosts[::2]:
        driven.net.delay(host, 60)
        driven.net.loss(host, 3)
    old = driven.hosts[2].stekd.sealing()
    rotate(driven.hosts[2], "--now")
    wait_rotated(driven, old)
    for host in driven.hosts[::2]:
        driven.net.delay(host, 0)
        driven.net.loss(host, 0)
    assert agree(driven) < AGREE


def test_a_host_returns_after_two_rotations(driven, stream):
    host = driven.hosts[3]
    stream.avoid(host)
    host.stekd.kill9()
    for _ in range(2):
        old = driven.hosts[0].stekd.sealing()
        rotate(driven.hosts[0], "--now", check=False)
        driven.wait(lambda: driven.hosts[0].stekd.sealing() != old,
                    "a new key seals", 60)
    host.stekd.launch()
    driven.wait(host.stekd.status, "it answers again")
    assert agree(driven) < AGREE
    driven.wait(host.stekd.verified, "its servers have the keys")
    stream.meet(host)


def test_etcd_has_no_room(driven, stream):
    driven.etcd.fill()
    said = rotate(driven.hosts[0], "--now", check=False)
    assert said.returncode == 1 and "space" in said.stderr, said.stderr
    assert "disarm" in said.stderr
    driven.etcd.free()
    old = driven.hosts[0].stekd.sealing()
    driven.wait(lambda: rotate(driven.hosts[0], "--now",
                               check=False).returncode == 0,
                "etcd takes keys again", 60, pause=1)
    wait_rotated(driven, old)


def test_a_certificate_expires(driven, stream):
    host = driven.hosts[2]
    driven.etcd.authority.issue("user-" + host.name, host.name, expired=True)
    host.stekd.restart()
    cert = driven.etcd.credentials(host.name).cert

    def said():
        error = host.stekd.status()["store"]["error"] or ""
        return cert in error and "which expired on" in error
    driven.wait(said, "status names the certificate, and its date", 20)
    assert host.stekd.sealing() is not None     # from its own copy
    driven.etcd.authority.issue("user-" + host.name, host.name)
    driven.wait(lambda: host.stekd.status()["store"]["state"] == "live",
                "it is back with a new one", 20)


def test_a_revocation_costs_every_old_ticket_a_full_handshake(driven, stream):
    tickets = [(server, driven.judge.offer(server, version))
               for server in driven.servers for version in ("1.2", "1.3")]
    said = driven.hosts[0].stekd.stek("revoke", "--all").stdout
    for host in driven.hosts[1:]:
        assert f"  {host.name}" in said
    assert "all targets and nodes have confirmed it" in said
    for server, first in tickets:
        for there in driven.servers:
            if there.KIND == server.KIND and there.host in driven.hosts[:2]:
                seen = driven.judge.offer(there, first.version, first.ticket,
                                          server.name)
                assert seen.kind == FULL, str(seen)


def test_a_revocation_names_who_was_not_reached(driven, stream):
    host = driven.hosts[4]
    stream.avoid(host)
    driven.net.isolate(host)
    driven.wait(lambda: not next(
        node for node in driven.hosts[0].stekd.status()["nodes"]
        if node["name"] == host.name)["live"], "its lease ends", 40)
    said = driven.hosts[0].stekd.stek("revoke", "--all", check=False)
    assert said.returncode == 1
    assert f"{host.name}" in said.stdout and "not reached" in said.stdout
    assert "nodes follow once they are back" in said.stderr
    driven.heal()
    assert agree(driven) < AGREE
    stream.meet(host)


def test_clocks_are_five_minutes_off(driven, stream):
    """Two hosts get other clocks; tickets go on to resume everywhere."""
    for host, shift in zip(driven.hosts[:2], (300, -300)):
        host.stekd.stop()
        state, key = host.stekd.state, host.stekd.farm_key_path
        stekd = host.stek(policy=POLICY, clock=True, farm_key=key)
        stekd.on_etcd(driven.etcd)
        stekd.clock.set(shift)
        stekd.start()
        assert state != stekd.state
    driven.wait(lambda: all(host.stekd.version() > 0
                            for host in driven.hosts), "all have keys")
    old, since = driven.hosts[3].stekd.sealing(), stream.now()
    rotate(driven.hosts[3], "--now", check=False)
    wait_rotated(driven, old, driven.hosts[2:])
    offsets = {node["name"]: node["offset"]
               for node in driven.hosts[3].stekd.status()["nodes"]}
    assert 295 < offsets["h1"] < 305 and -305 < offsets["h2"] < -295
    stream.wait(200)
    assert since
    for host in driven.hosts[:2]:
        host.stekd.clock.set(0)
        host.stekd.restart()

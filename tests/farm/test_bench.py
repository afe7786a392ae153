# SPDX-License-Identifier: ISC
"""
The bench that the farm's tests stand on: hosts, wire, etcd and clients do
what those tests take for granted.

Never here: a store of stekd's but a folder.
"""
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

import net as net_module
from etcd import CLIENTS
from farm import gone, wait_until
from fleet import PREFIX, Farm
from keys import Key
from resume import FAILED, FULL, RESUMED
from story import settle

ECHO = 7
PATIENCE = 30


@pytest.fixture(scope="module")
def farm():
    with Farm(hosts=6) as farm_:
        farm_.place([Key()])
        farm_.start()
        yield farm_


@pytest.fixture(autouse=True)
def healed(request):
    """No test leaves the wire to the next as it made it."""
    yield
    if "farm" in request.fixturenames:
        farm_ = request.getfixturevalue("farm")
        farm_.heal()
        for host in farm_.hosts:
            farm_.net.delay(host, 0)
            farm_.net.loss(host, 0)


@pytest.fixture(scope="module")
def echo(farm):
    """Round trips in seconds, from the first host to the last; None: lost."""
    last = farm.hosts[-1]
    with last.inside():
        server = socket.socket(type=socket.SOCK_DGRAM)
    server.bind(("0.0.0.0", ECHO))

    def answer():
        while True:
            data, client = server.recvfrom(64)
            if data == b"end":
                return
            server.sendto(data, client)
    thread = threading.Thread(target=answer)
    thread.start()
    with farm.hosts[0].inside():
        client = socket.socket(type=socket.SOCK_DGRAM)
    client.connect((last.address, ECHO))
    client.settimeout(0.2)

    def trips(count):
        return [_trip(client, number) for number in range(count)]
    yield trips
    with last.inside(), socket.socket(type=socket.SOCK_DGRAM) as end:
        end.sendto(b"end", ("127.0.0.1", ECHO))
    thread.join()
    server.close()
    client.close()


def _trip(client, number):
    word = str(number).encode()
    begin = time.monotonic()
    client.send(word)
    try:
        while client.recv(64) != word:
            pass        # one that was late
    except TimeoutError:
        return None
    return time.monotonic() - begin


def kinds(results):
    return {result.kind for result in results}


def failures(results):
    return [str(result) for result in results if result.kind == FAILED]


# --- clients ---

def test_tickets_are_worth_nothing_elsewhere_if_keys_are_not_shared():
    with Farm(hosts=2, etcd=0) as control:
        control.start(shared=False)
        results = control.judge.matrix(control.servers)
        assert failures(results) == []
        assert kinds(results) == {FULL}


def test_tickets_resume_everywhere_with_one_key_file(farm):
    results = farm.judge.matrix(farm.servers)
    assert failures(results) == []
    assert kinds(results) == {RESUMED}
    assert len(results) == 6 * 5 * 2 * 2


def test_traffic_sees_what_one_handshake_sees(farm):
    with farm.traffic(rate=100) as traffic:
        traffic.wait(200)
    assert traffic.failed == []
    assert traffic.refused == []
    assert traffic.resumed


def test_traffic_pays_with_a_full_handshake_between_kinds(farm):
    with farm.traffic(rate=100, mixed=True) as traffic:
        traffic.wait(200)
    assert traffic.failed == []
    across = [result for result in traffic.of() if result.source and
              result.source.split("-")[1] != result.target.split("-")[1]]
    assert kinds(across) == {FULL}


def test_traffic_tells_of_a_server_that_is_gone(farm):
    host = farm.hosts[2]
    gone = host.server("haproxy")
    with farm.traffic(rate=100) as traffic:
        traffic.wait(50)
        gone.stop()
        since = traffic.now()
        farm.wait(lambda: traffic.of(FAILED, since), "a visit fails")
        traffic.avoid(host)
        gone.start()
        traffic.meet(host)
        again = traffic.wait(50)
    assert {result.target for result in traffic.failed} == {gone.name}
    assert all("no connection" in result.why or result.when < since
               for result in traffic.failed)
    assert traffic.of(FAILED, again) == []


def test_traffic_forgets_its_tickets(farm):
    with farm.traffic(rate=100) as traffic:
        traffic.wait(50)
        traffic.forget()
        forgot = traffic.now()
        traffic.wait(10)        # those that had a ticket in hand
        since = traffic.now()
        traffic.wait(50)
        brought = [result for result in traffic.of(since=since)
                   if result.source]
    assert brought
    assert all(result.when - result.age > forgot for result in brought)


def test_traffic_leaves_a_host_that_it_is_to_avoid(farm):
    with farm.traffic(rate=1000) as traffic:
        traffic.wait(50)
        traffic.avoid(farm.hosts[2])
        since = traffic.now()
        traffic.wait(50)
    there = [result for result in traffic.of()
             if result.target.startswith(farm.hosts[2].name + "-")]
    assert there
    assert all(result.when + result.took <= since for result in there)


def test_traffic_has_dozens_of_visits_a_second(farm):
    with farm.traffic(rate=1000) as traffic:
        time.sleep(2)
    assert len(traffic.results) > 2 * 24
    assert traffic.failed == []


# --- the wire ---

def test_the_wire_carries_all_and_at_once(echo):
    trips = echo(100)
    assert None not in trips


def test_the_wire_carries_ten_thousand_packets_a_second(farm):
    """While others are at work, too."""
    here, there = farm.hosts[:2]
    with there.inside():
        server = socket.create_server(("0.0.0.0", ECHO))
    with here.inside():
        client = socket.create_connection((there.address, ECHO))
    got, _ = server.accept()
    thread = threading.Thread(
        target=lambda: (client.sendall(bytes(30 << 20)), client.close()))
    before, begin = farm.net.counts()[0], time.monotonic()
    thread.start()
    while got.recv(1 << 20):
        pass
    rate = (farm.net.counts()[0] - before) / (time.monotonic() - begin)
    thread.join()
    got.close()
    server.close()
    assert rate > 10000


def test_a_partition_is_silent_and_heals(farm, echo):
    farm.partition(farm.hosts[:3], farm.hosts[3:])
    assert set(echo(5)) == {None}
    farm.heal()
    assert None not in echo(5)


def test_a_partition_leaves_each_side_whole(farm):
    some, others = farm.hosts[:3], farm.hosts[3:]
    farm.partition(some, [*others, farm.client])
    results = farm.judge.matrix(
        [server for host in others for server in host.servers], ["1.3"])
    assert kinds(results) == {RESUMED}


def test_a_connection_across_a_partition_hears_nothing(farm):
    """Neither a reset nor an end, until it heals."""
    here, there = farm.hosts[0], farm.hosts[-1]
    with there.inside():
        server = socket.create_server(("0.0.0.0", ECHO))
    with here.inside():
        client = socket.create_connection((there.address, ECHO))
    got, _ = server.accept()
    farm.partition([here], [there])
    client.sendall(b"late")
    got.settimeout(1)
    with pytest.raises(TimeoutError):
        got.recv(64)
    farm.heal()
    got.settimeout(PATIENCE)
    assert got.recv(64) == b"late"
    for one in (got, client, server):
        one.close()


def test_a_host_can_be_far_away(farm, echo):
    farm.net.delay(farm.hosts[0], 30)
    trips = echo(5)
    assert None not in trips
    assert min(trips) >= 0.06


def test_a_host_can_lose_packets(farm, echo):
    farm.net.loss(farm.hosts[-1], 20)
    trips = echo(60)
    assert 0 < trips.count(None) < 60


def test_the_farm_sees_no_other_network(farm):
    shown = farm.net.run(farm.hosts[0], "ip", "-brief", "link").stdout
    assert {line.split()[0] for line in shown.splitlines()} == {
        "lo", net_module.DEVICE}
    routes = farm.net.run(farm.hosts[0], "ip", "route").stdout
    assert "default" not in routes


# --- etcd ---

def test_etcd_elects_a_leader_that_all_follow(farm):
    leader = farm.etcd.wait_leader()
    followers = farm.etcd.followers()
    assert len(followers) == 2 and leader not in followers
    assert leader.put(PREFIX + "leader", leader.name)
    for member in followers:
        got = member.ctl("get", PREFIX + "leader", "--print-value-only")
        assert got.stdout == leader.name + "\n"


def test_etcd_serves_a_node_in_its_own_prefix_only(farm):
    assert farm.etcd.put(PREFIX + "h1", "mine", user="h1")
    assert farm.etcd.get(PREFIX + "h1", user="h2") == "mine"
    assert not farm.etcd.put("/other", "mine", user="h1")
    assert not farm.etcd.put(PREFIX + "h1", "stranger's", user="stranger")


def test_etcd_refuses_an_expired_certificate(farm):
    late = farm.etcd.expired("h1")
    for member in farm.etcd.members:
        assert member.ctl("put", PREFIX + "h1", "late", check=False,
                          credentials=late, patience=1).returncode != 0
        assert "certificate has expired" in member.logs()
    assert farm.etcd.put(PREFIX + "h1", "in time", user="h1")


def test_an_etcd_with_an_expired_certificate_is_not_believed(farm):
    member = farm.etcd.members[0]
    member.certify(expired=True)
    try:
        assert not member.serves()
        said = farm.net.run(
            farm.client, "openssl", "s_client", "-connect",
            f"{member.address}:{CLIENTS}", "-CAfile", member.credentials.ca,
            input="", check=False)
        assert "(certificate has expired)" in said.stdout
    finally:
        member.certify()
    member.wait_serves()


def test_etcd_survives_its_leader_and_takes_it_back(farm):
    etcd = farm.etcd
    leader = etcd.wait_leader()
    other = etcd.followers()[0]
    # Shorter than any election, and long enough for a write.
    farm.wait(lambda: other.put(PREFIX + "gap", "0", patience=0.5),
              "etcd writes at once")
    leader.kill9()
    assert not other.put(PREFIX + "gap", "1", patience=0.5)
    farm.wait(lambda: other.put(PREFIX + "gap", "2"), "etcd writes again")
    assert etcd.wait_leader(but=[leader]) is not leader
    leader.start()
    assert leader.put(PREFIX + "gap", "3")


def test_an_etcd_that_is_cut_off_writes_nothing_until_healed(farm):
    """
    To keys of their own: what it could not write may still be on its way to
    the leader, and come after a later write.
    """
    member, *others = farm.etcd.members
    farm.net.isolate(member)
    farm.wait(lambda: others[0].put(PREFIX + "cut", "majority"),
              "the majority writes")
    assert not member.put(PREFIX + "cut off", "minority")
    assert others[0].ctl("get", PREFIX + "cut off").stdout == ""
    farm.heal()
    farm.wait(lambda: member.put(PREFIX + "cut", "whole"), "it writes again")
    assert others[0].ctl("get", PREFIX + "cut",
                         "--print-value-only").stdout == "whole\n"


def test_an_etcd_that_is_stopped_misses_nothing(farm):
    member = farm.etcd.followers()[0]
    member.pause()
    assert farm.etcd.put(PREFIX + "pause", "missed")
    assert not member.serves()
    member.resume()
    member.wait_serves()
    got = member.ctl("get", PREFIX + "pause", "--print-value-only")
    assert got.stdout == "missed\n"


def test_etcd_without_room_writes_again_once_there_is_some(farm):
    farm.etcd.fill()
    assert not farm.etcd.put(PREFIX + "room", "none")
    farm.etcd.free()
    assert farm.etcd.put(PREFIX + "room", "some")


def test_etcd_goes_back_to_a_snapshot(farm):
    etcd = farm.etcd
    assert etcd.put(PREFIX + "kept", "before")
    path = etcd.snapshot()
    revision = etcd.members[0].status()["header"]["revision"]
    assert etcd.put(PREFIX + "kept", "after")
    etcd.restore(path)
    assert etcd.get(PREFIX + "kept", user="h1") == "before"
    assert etcd.members[0].status()["header"]["revision"] <= revision


# --- stekd ---

@pytest.fixture
def stekds(farm):
    """One that makes keys, and others whose store is a copy of its own."""
    made = farm.stek(text=lambda host: "" if host is farm.hosts[0]
                     else "mint = false")
    made[0].start()
    farm.wait(made[0].verified, f"{made[0].name} has verified all")
    farm.at_once(lambda follower: follow(follower, made[0]), made[1:])
    farm.wait(lambda: all(stekd.verified() for stekd in made),
              "all is verified", 60)
    yield made
    farm.at_once(lambda stekd: stekd.stop(), made)


def follow(follower, leader):
    follower.stek("init")
    path = os.path.join(follower.store, "example.set")
    shutil.copy(os.path.join(leader.store, "example.set"), path)
    shutil.chown(path, "nobody")
    os.chmod(path, 0o600)
    follower.launch()
    follower.wait(follower.status, f"{follower.name} answers")


def test_a_stekd_a_host_makes_one_farm_of_them(farm, stekds):
    assert len({stekd.status()["sealing"] for stekd in stekds}) == 1
    for server in farm.servers:
        with farm.net.inside(farm.client):
            settle(server, stekds[0].status()["sealing"])
    results = farm.judge.matrix(farm.servers)
    assert failures(results) == []
    assert kinds(results) == {RESUMED}


def test_a_killed_stekd_costs_no_ticket(farm, stekds):
    sealing = stekds[0].status()["sealing"]
    with farm.traffic(rate=100) as traffic:
        traffic.wait(50)
        stekds[0].kill9()
        traffic.wait(50)
        stekds[0].restart()
        traffic.wait(50)
    assert stekds[0].status()["sealing"] == sealing
    assert traffic.failed == []
    assert traffic.refused == []


def test_a_host_can_have_a_clock_of_its_own(farm):
    host = farm.hosts[0]
    stekd = host.stek(clock=True)
    stekd.clock.set(3600)
    stekd.start()
    assert abs(stekd.status()["now"] - stekd.clock.now()) < 60
    stekd.stop()


# --- its end ---

def namespaces():
    if not os.path.isdir(net_module.NAMESPACES):
        return set()
    return set(os.listdir(net_module.NAMESPACES))


def test_nothing_is_left_of_a_farm():
    before = namespaces()
    with Farm(hosts=2, etcd=0) as farm_:
        farm_.start(shared=False)
        pids = [server.child.pid for server in farm_.servers]
        assert len(namespaces() - before) == 3
    assert namespaces() <= before
    assert all(gone(pid) for pid in pids)


def test_what_a_killed_farm_left_is_removed_by_the_next():
    before = namespaces()
    script = ("import time\nfrom fleet import Farm\n"
              "farm = Farm(hosts=1, etcd=0)\nfarm.start(shared=False)\n"
              "print(farm.servers[0].child.pid, flush=True)\ntime.sleep(60)")
    with subprocess.Popen([sys.executable, "-c", script], text=True,
                          stdout=subprocess.PIPE,
                          env={**os.environ, "PYTHONPATH":
                               os.pathsep.join(sys.path)}) as child:
        pid = int(child.stdout.readline())
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert len(namespaces() - before) == 2
    assert not gone(pid)
    with Farm(hosts=1, etcd=0):
        pass
    assert namespaces() <= before
    wait_until(lambda: gone(pid), "its server is gone")

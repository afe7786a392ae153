# SPDX-License-Identifier: ISC
"""
What etcd may hold, or do, that it should not: nothing of it changes the keys
of a node, all of it is told, and the farm mends what can be mended.

Never here: the network; see test_farm.py.
Invariant: each test leaves a farm in step, on one member of etcd.
"""
import base64
import json
import os
import signal

import pytest

from fleet import Farm

POLICY = ("1h", "2h", "10m")    # what changes is what a test changes
SET = "/stek/example/set"
RING = 'target ring {{ format = "ring" path = "{}" }}\n'


@pytest.fixture(scope="module")
def farm():
    with Farm(hosts=3, kinds=(), etcd=1) as farm_:
        farm_.etcd.start()
        farm_.etcd.protect("/stek/", [host.name for host in farm_.hosts])
        key = os.path.join(farm_.folder, "farm.key")
        for host in farm_.hosts:
            start(host, key, clock=host is farm_.hosts[2])
        yield farm_


@pytest.fixture(autouse=True)
def in_step(farm):
    """Before and after."""
    wait_in_step(farm)
    yield
    wait_in_step(farm)


def start(host, key, **options):
    ring = RING.format(os.path.join(host.folder, "ring"))
    stekd = host.stek(policy=POLICY, farm_key=key, **options)
    stekd.targets = [ring]
    stekd.on_etcd(host.farm.etcd)
    stekd.start()
    return stekd


def states(farm):
    return [host.stekd.status() for host in farm.hosts]


def wait_in_step(farm, hosts=None, patience=30):
    def check():
        seen = [host.stekd.status() for host in hosts or farm.hosts]
        return all(one and one["version"] == seen[0]["version"] > 0 and
                   one["store"]["state"] == "live" for one in seen)
    farm.wait(check, "all are in step", patience)


def error(host):
    return host.stekd.status()["store"]["error"] or ""


def put(farm, value, key=SET):
    """Any bytes, as someone may who has etcd's rights."""
    farm.etcd.ctl("put", key, stdin=value)


def raw(farm, key=SET):
    got = json.loads(farm.etcd.ctl("get", key, "-w", "json").stdout)
    return base64.b64decode(got["kvs"][0]["value"]) if "kvs" in got else b""


def content(path):
    with open(path, "rb") as file:
        return file.read()


def node_of(host, at):
    """What `at` says of the host."""
    return next(node for node in at.stekd.status()["nodes"]
                if node["name"] == host.name)


def checked(host):
    return host.stekd.stek("check", check=False).stdout.splitlines()


def names(host):
    return {key["name"] for key in host.stekd.status()["keys"]}


def key_states(host):
    return {key["state"] for key in host.stekd.status()["keys"]}


@pytest.mark.parametrize("size, state, said", [
    (7, "failing", "7 bytes"), (1800, "failing", "1800 bytes"),
    (1722, "failing", "1722 bytes"), (70000, "cut off", "is longer than")])
def test_garbage_changes_nothing_and_is_told(farm, size, state, said):
    before = [names(host) for host in farm.hosts]
    put(farm, "x" * size)
    try:
        for host, had in zip(farm.hosts, before):
            farm.wait(lambda: host.stekd.status()["store"]["state"] == state,
                      "status says so")
            assert said in error(host) and names(host) == had
            assert state == "cut off" or "etcdctl del" in error(host)
    finally:
        farm.etcd.ctl("del", SET)       # as the message says


def test_who_removes_the_set_only_has_it_written_again(farm):
    before = names(farm.hosts[0])
    farm.etcd.ctl("del", SET)
    farm.wait(lambda: raw(farm), "it is there again")
    assert names(farm.hosts[0]) >= before - names(farm.hosts[0])


def test_an_older_set_is_not_taken(farm):
    """As by a backup: what was revoked in between stays away."""
    old = farm.etcd.snapshot()
    had = names(farm.hosts[0])
    farm.hosts[0].stekd.stek("revoke", "--all")
    wait_in_step(farm)
    now = [host.stekd.version() for host in farm.hosts]
    farm.etcd.restore(old)
    wait_in_step(farm)
    for host, version in zip(farm.hosts, now):
        assert host.stekd.version() >= version
        assert not names(host) & had


def test_a_host_of_another_farm_key_gets_nothing_and_changes_nothing(farm):
    host = farm.hosts[2]
    good = host.stekd
    good.stop()
    other = os.path.join(host.folder, "other.key")
    stekd = start(host, other)
    farm.wait(lambda: stekd.status()["store"]["state"] == "failing",
              "it says that it cannot use what is there")
    assert "farm key" in error(host)
    assert stekd.version() == 0
    farm.wait(lambda: not node_of(host, farm.hosts[0])["readable"],
              "the others cannot read what it says of itself")
    farm.hosts[0].stekd.stek("rotate", "--now")     # nobody waits for it
    stekd.stop()
    host.stekd = good
    good.launch()
    farm.wait(good.status, "it answers")


def test_values_of_another_farm_are_not_taken(farm):
    """Of the same farm key even."""
    host = farm.hosts[1]
    before = names(host)
    stekd = host.stekd
    text = stekd.text
    stekd.stop()
    with open(stekd.conf, encoding="utf-8") as conf:
        mine = conf.read()
    with open(stekd.conf, "w", encoding="utf-8") as conf:
        conf.write(mine.replace(
            'farm = "example"', 'farm = "another"').replace(
                "etcd {", 'etcd { prefix = "/stek/example/" '))
    stekd.launch()
    farm.wait(stekd.status, "it answers")
    farm.wait(lambda: stekd.status()["store"]["state"] == "failing",
              "it says that this is not its farm's")
    assert not names(host) & before
    stekd.stop()
    stekd.text = text
    stekd.configure()
    stekd.launch()
    farm.wait(stekd.status, "it answers")


def test_check_names_a_wrong_clock_and_who_is_gone(farm):
    first, _, third = farm.hosts

    def said(*words):
        """Of the third host, by the first one's check."""
        return any(third.name in line and all(
            word in line for word in words) for line in checked(first))
    assert not said("clock") and not said("gone")
    third.stekd.clock.set(40)
    try:
        third.stekd.restart()
        farm.wait(lambda: said("clock", " s ahead of etcd's"),
                  "it is told whose clock is wrong", pause=1)
        third.stekd.stop()
        farm.wait(lambda: said("gone", "a revocation does not reach it"),
                  "it is told who is gone", 40, pause=1)
    finally:
        third.stekd.clock.set(0)
        third.stekd.launch()
        farm.wait(third.stekd.status, "it answers")


def test_a_node_that_is_gone_is_forgotten_and_one_that_is_live_is_not(farm):
    first, third = farm.hosts[0].stekd, farm.hosts[2]
    said = first.stek("forget", third.name, check=False)
    assert said.returncode == 1 and "is live" in said.stderr
    third.stekd.stop()

    def live():
        return {node["name"]: node["live"] for node in first.status()["nodes"]}
    farm.wait(lambda: not live()[third.name], "its lease has ended", 30)
    first.stek("forget", third.name)
    assert third.name not in live()
    said = first.stek("forget", third.name, check=False)
    assert said.returncode == 1 and "no such node" in said.stderr
    third.stekd.launch()
    farm.wait(lambda: live().get(third.name), "it is a node again")


def test_check_says_what_this_node_may_do_in_etcd(farm):
    host = farm.hosts[0]

    def said(rights, words):
        host.stekd.restart()        # so that it asks now
        farm.wait(lambda: host.stekd.status()["store"]["rights"] == rights,
                  "status has it")
        return any(words in line for line in checked(host))
    assert said("prefix", "may not read everything")
    farm.etcd.ctl("user", "grant-role", host.name, "root")
    try:
        assert said("everything", "more of it than the farm's prefix")
        farm.etcd.ctl("auth", "disable")
        assert said("none needed", "authentication is off")
    finally:
        farm.etcd.ctl("auth", "enable")
        farm.etcd.ctl("user", "revoke-role", host.name, "root")


def test_etcd_is_away_for_a_while(farm):
    """And a node is restarted meanwhile: it goes on by its own copy."""
    before = names(farm.hosts[0])
    farm.etcd.members[0].stop()
    for host in farm.hosts:
        farm.wait(lambda: host.stekd.status()["store"]["state"] == "cut off",
                  "it knows")
    farm.hosts[0].stekd.restart()
    assert names(farm.hosts[0]) == before
    said = farm.hosts[1].stekd.stek("rotate", "--now", check=False)
    assert said.returncode == 1 and "stay as they are" in said.stderr
    farm.etcd.members[0].start()


def test_a_new_host_starts_without_etcd(farm):
    """Its servers want a key to start with: they get one of their own."""
    host = farm.hosts[2]
    good = host.stekd
    good.stop()
    farm.etcd.members[0].stop()
    path = os.path.join(host.folder, "haproxy")
    stekd = host.stek(policy=POLICY, farm_key=good.farm_key_path)
    stekd.targets = ['target web { format = "haproxy" path = "%s" }\n' % path]
    stekd.on_etcd(farm.etcd)
    stekd.start()
    assert not os.path.exists(path)
    farm.wait(lambda: os.path.exists(path), "there is a key", 40)
    alone = content(path)
    farm.etcd.members[0].start()
    wait_in_step(farm)
    farm.wait(lambda: content(path) != alone, "its servers have the farm's")
    stekd.stop()
    host.stekd = good
    good.launch()
    farm.wait(good.status, "it answers")


def test_a_revocation_without_etcd_is_done_here_and_later_everywhere(farm):
    had = names(farm.hosts[0])
    farm.etcd.members[0].stop()
    farm.wait(lambda: farm.hosts[0].stekd.status()["store"]["state"] ==
              "cut off", "it knows")
    said = farm.hosts[0].stekd.stek("revoke", "--all", check=False)
    assert said.returncode == 1 and "on this host alone" in said.stderr
    assert key_states(farm.hosts[0]) == {"withheld"}
    assert "seals now" not in said.stdout
    assert names(farm.hosts[1]) == had
    farm.hosts[0].stekd.restart()       # which it is not to forget it by
    farm.etcd.members[0].start()
    farm.wait(lambda: not any(names(host) & had for host in farm.hosts),
              "all have dropped them")


def test_a_host_that_has_had_more_than_the_farm_waits_alone(farm):
    """Its disk came from another farm, say: nobody waits for it."""
    host = farm.hosts[2]
    host.stekd.stop()
    host.stekd.forget()
    host.stekd.stek("init")
    with open(os.path.join(host.stekd.state, "example.seen"), "w",
              encoding="ascii") as file:
        file.write("1000000\n")
    host.stekd.start()
    farm.wait(lambda: host.stekd.status()["store"]["state"] == "rollback",
              "status says so")
    assert "example.seen" in error(host)
    farm.hosts[0].stekd.stek("rotate", "--now")
    assert host.stekd.status()["keys"] == []
    host.stekd.stop()
    host.stekd.forget()
    host.stekd.start()


def test_who_is_cut_off_for_too_long_uses_no_keys(farm):
    host = farm.hosts[1]
    stekd = host.stekd
    stekd.stop()
    with open(stekd.conf, encoding="utf-8") as conf:
        mine = conf.read()
    with open(stekd.conf, "w", encoding="utf-8") as conf:
        conf.write(mine.replace("policy {", 'policy { stale_after = "12s" '))
    stekd.launch()
    wait_in_step(farm)
    ring = os.path.join(host.folder, "ring")

    def has_keys():
        shown = stekd.stek("show", "--format", "ring", ring).stdout
        return "): 0 keys" not in shown
    assert has_keys()
    farm.net.isolate(host)
    try:
        farm.wait(lambda: stekd.status()["store"]["state"] ==
                  "cut off for too long", "it knows", 30)
        farm.wait(lambda: not has_keys(), "its servers have no keys")
        assert key_states(host) == {"withheld"}
        assert stekd.sealing() is None
    finally:
        farm.heal()
    wait_in_step(farm)
    farm.wait(has_keys, "it has keys again")
    stekd.stop()
    with open(stekd.conf, "w", encoding="utf-8") as conf:
        conf.write(mine)
    stekd.launch()
    farm.wait(stekd.status, "it answers")


def send_etcd_part(stekd, number):
    """A signal to the process that talks to etcd for it."""
    with open(f"/proc/{stekd.child.pid}/task/{stekd.child.pid}/children",
              encoding="ascii") as file:
        children = file.read().split()
    sent = 0
    for pid in children:
        with open(f"/proc/{pid}/comm", encoding="ascii") as file:
            if file.read().strip() == "stek-etcd":
                os.kill(int(pid), number)
                sent += 1
    assert sent == 1


def test_what_talks_to_etcd_is_killed(farm):
    """It has no key, and stekd starts another."""
    stekd = farm.hosts[0].stekd

    def told():
        with open(stekd.log, encoding="utf-8") as log:
            return log.read().count("stek-etcd) killed by signal 9")
    before = told()
    send_etcd_part(stekd, signal.SIGKILL)
    farm.wait(lambda: told() > before, "it is told")
    farm.wait(lambda: stekd.status()["store"]["state"] == "live",
              "it is live again")
    farm.hosts[1].stekd.stek("rotate", "--now")     # which waits for all


def test_what_talks_to_etcd_hangs_and_another_is_started(farm):
    stekd = farm.hosts[0].stekd
    send_etcd_part(stekd, signal.SIGSTOP)
    farm.wait(lambda: stekd.status()["store"]["state"] == "cut off",
              "it is missed", 20)
    farm.wait(lambda: stekd.status()["store"]["state"] == "live",
              "it is live again", 20)
    farm.hosts[1].stekd.stek("rotate", "--now")


def test_a_changed_configuration_is_not_taken_by_a_part_alone(farm):
    """Which would talk to another etcd than the rest of stekd means."""
    stekd = farm.hosts[0].stekd
    with open(stekd.conf, encoding="ascii") as file:
        text = file.read()
    with open(stekd.conf, "w", encoding="ascii") as file:
        file.write(text.replace('store = "etcd:', 'store = "etcd:https://'
                                '127.0.0.1:1,'))
    try:
        send_etcd_part(stekd, signal.SIGKILL)
        farm.wait(lambda: "has changed since stekd read it"
                  in error(farm.hosts[0]), "status says so")
        assert stekd.status()["store"]["state"] == "cut off"
    finally:
        with open(stekd.conf, "w", encoding="ascii") as file:
            file.write(text)
    farm.wait(lambda: stekd.status()["store"]["state"] == "live",
              "it is live with the file as it was", 40)


def test_a_copy_that_cannot_be_kept_is_told_and_kept_later(farm):
    stekd = farm.hosts[0].stekd
    path = os.path.join(stekd.state, "example.set")
    os.remove(path)
    os.mkdir(path)
    try:
        done = stekd.stek("rotate", "--now", check=False)
        assert done.returncode == 1
        assert "could not keep a copy" in done.stdout + done.stderr
        assert stekd.status()["copy_error"]
    finally:
        os.rmdir(path)
    farm.wait(lambda: not stekd.status()["copy_error"], "it is kept")
    assert os.path.isfile(path)


def test_two_hosts_of_one_name_are_told(farm):
    first, second = farm.hosts[:2]
    stekd, text = second.stekd, second.stekd.text
    stekd.stop()
    stekd.text = text.replace(f'node = "{second.name}"',
                              f'node = "{first.name}"')
    stekd.configure()
    stekd.launch()
    farm.wait(stekd.status, "it answers")
    farm.wait(lambda: any(host.stekd.status()["node_error"]
                          for host in (first, second)), "one notices")
    stekd.stop()
    stekd.text = text
    stekd.configure()
    stekd.launch()
    farm.wait(stekd.status, "it answers")
    first.stekd.restart()       # to write its entry again
    farm.wait(lambda: not first.stekd.status()["node_error"], "all is well")


def test_a_farm_moves_to_a_new_farm_key_and_evicts_a_host(farm):
    first, second, third = farm.hosts
    had = names(first)
    first.stekd.stek("rekey", "--new")      # one file for all, in the test
    said = first.stekd.stek("rekey", check=False)
    assert said.returncode == 1 and "no next farm key" in said.stderr
    for host in (first, second):
        host.stekd.restart()
    wait_in_step(farm)
    said = first.stekd.stek("rekey", check=False)
    assert said.returncode == 1
    assert "without the next farm key" in said.stderr
    assert third.name in said.stderr
    first.stekd.stek("rekey", "--evict", third.name)
    wait_in_step(farm, [first, second])
    assert names(second) >= had & names(first)      # no key was lost
    first.stekd.stek("rotate", "--now")
    assert not (names(third) & names(first)) - had  # none was learnt
    first.stekd.stek("rekey", "--finish")
    third.stekd.restart()       # given the new file, it is one of them again

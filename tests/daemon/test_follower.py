# SPDX-License-Identifier: ISC
"""
A host that only follows: its store is a file that somebody copies there from
the host that makes the keys.
"""
import os
import shutil
import time

import pytest

from host import Timed, sealing
from keys import Key
from daemon import (QUICK, Daemon, haproxy_keys, in_folder, in_ring, read,
                    replace)


class Follower(Daemon):
    """With a farm key and a store of its own, as another host."""

    def __init__(self, farm, policy=QUICK, **values):
        super().__init__(farm, policy=policy, text="mint = false", **values)
        self.file = self.add("file", "haproxy")
        self.folder = self.add("folder", "nginx")
        self.ring = self.add("ring", "ring")

    def give(self, path, how):
        """The set, as a copying job would."""
        {"rename": by_rename, "in place": in_place,
         "truncated first": truncated}[how](path, self.set_path)


def by_rename(path, to):
    replace(to, read(path))


def in_place(path, to):
    with open(to, "wb") as out:
        out.write(read(path))


def truncated(path, to):
    data = read(path)
    for part in (data[:700], data):
        with open(to, "wb") as out:
            out.write(part)
        time.sleep(0.1)     # so that both are looked at


@pytest.fixture
def minting(farm):
    daemon = Daemon(farm)
    yield daemon.begin()
    daemon.stop()


@pytest.fixture
def follower(farm, minting):
    daemon = Follower(farm)
    shutil.copy(minting.path("farm.key"), daemon.path("farm.key"))
    daemon.stek("init")
    by_rename(minting.set_path, daemon.set_path)
    daemon.launch()
    daemon.wait(daemon.status, "it answers")
    yield daemon
    daemon.stop()


def sealing_at(daemon):
    """Where its servers would seal: file, folder, ring."""
    listed = read(os.path.join(daemon.folder, "keys.conf")).decode()
    return haproxy_keys(daemon.file)[1][0], listed.splitlines()[0].split(
        "/")[-1].split(".")[0]


def has(daemon, name):
    return (os.path.exists(daemon.file) and
            os.path.exists(os.path.join(daemon.folder, "keys.conf")) and
            sealing_at(daemon) == (name, name) and
            in_ring(daemon.ring, name))


def test_it_starts_with_the_set_that_is_there(minting, follower):
    follower.wait(lambda: has(follower, minting.status()["sealing"]),
                  "it has the key")
    assert follower.status()["mint"] is False


@pytest.mark.parametrize("how", ["rename", "in place", "truncated first"])
def test_a_newer_set_is_taken(minting, follower, how):
    minting.stek("rotate", "--now")
    new = minting.status()["sealing"]
    follower.give(minting.set_path, how)
    follower.wait(lambda: has(follower, new), "it has the new key")
    assert follower.status()["version"] == minting.status()["version"]
    follower.wait(lambda: follower.status()["store"]["state"] == "live",
                  "its store is in order")


def test_an_older_set_is_told_as_rollback_and_not_taken(minting, follower):
    old = read(minting.set_path)
    minting.stek("rotate", "--now")
    new = minting.status()["sealing"]
    follower.give(minting.set_path, "rename")
    follower.wait(lambda: has(follower, new), "it has the new key")
    replace(follower.set_path, old)
    follower.wait(lambda: follower.status()["store"]["state"] == "rollback",
                  "it is told")
    assert "older copy" in follower.status()["store"]["error"]
    assert has(follower, new)
    follower.give(minting.set_path, "rename")
    follower.wait(lambda: follower.status()["store"]["state"] == "live",
                  "it is in order")


def test_another_set_of_the_same_version_is_taken(minting, follower):
    """As of a host that makes keys and was restored from a backup."""
    follower.wait(lambda: has(follower, minting.status()["sealing"]),
                  "it has the key")
    other = sealing(since=5)
    version = follower.status()["version"]
    follower.keep(other, version=version)
    follower.wait(lambda: has(follower, other.name), "it has the other key")
    assert follower.status()["version"] == version
    assert follower.status()["store"]["state"] == "live"


@pytest.mark.parametrize("what", ["garbage", "empty", "another key", "gone"])
def test_what_cannot_be_used_leaves_the_last_good_set(minting, follower,
                                                      what):
    name = minting.status()["sealing"]
    follower.wait(lambda: has(follower, name), "it has the key")
    if what == "gone":
        os.unlink(follower.set_path)
    elif what == "another key":
        head = read(minting.set_path)[:8] + (9).to_bytes(8, "big")
        replace(follower.set_path, head + os.urandom(1722 - len(head)))
    else:
        replace(follower.set_path, b"" if what == "empty" else b"garbage")
    follower.wait(lambda: follower.status()["store"]["state"] == "failing",
                  "it is told")
    assert follower.set_path in follower.status()["store"]["error"]
    assert has(follower, name)
    minting.stek("rotate", "--now")
    follower.give(minting.set_path, "rename")
    follower.wait(lambda: has(follower, minting.status()["sealing"]),
                  "it goes on")


def test_a_folder_that_is_gone_for_a_while(minting, follower):
    """As when a mount comes late: it is noticed without a restart."""
    shutil.rmtree(follower.store)
    follower.wait(lambda: follower.status()["store"]["state"] == "failing",
                  "it is told")
    os.mkdir(follower.store, 0o700)
    os.chown(follower.store, 65534, 65534)
    minting.stek("rotate", "--now")
    by_rename(minting.set_path, follower.set_path)
    follower.wait(lambda: has(follower, minting.status()["sealing"]),
                  "it has the new key")


@pytest.mark.parametrize("request_", [
    {"do": "rotate"}, {"do": "rotate", "now": True},
    {"do": "revoke", "all": True}, {"do": "revoke", "key": "00" * 16}])
def test_it_changes_nothing_itself(minting, follower, request_):
    before = read(follower.set_path)
    answer, = follower.ask(request_)
    assert answer["done"] is False and "only follows" in answer["error"]
    assert read(follower.set_path) == before


def test_a_revocation_reaches_it(minting, follower):
    old = minting.status()["sealing"]
    follower.wait(lambda: has(follower, old), "it has the key")
    secret = minting.kept()[1][0].key.aes
    minting.stek("revoke", "--all")
    follower.give(minting.set_path, "rename")
    follower.wait(lambda: has(follower, minting.status()["sealing"]),
                  "it has the new key")
    follower.wait(lambda: old not in in_folder(follower.folder), "it is gone")
    assert not in_ring(follower.ring, old)
    assert secret not in read(follower.ring)


def test_before_the_first_set_it_waits_and_is_ready(farm, minting):
    daemon = Follower(farm)
    shutil.copy(minting.path("farm.key"), daemon.path("farm.key"))
    daemon.stek("init")
    daemon.launch()
    daemon.wait_said("msg=ready")
    assert daemon.status()["keys"] == []
    by_rename(minting.set_path, daemon.set_path)
    daemon.wait(lambda: has(daemon, minting.status()["sealing"]),
                "it has the key")
    daemon.stop()


def running_out(now, seconds):
    """A key whose farm made no successor."""
    return Timed(Key(), now - 60, now + seconds, now + seconds + 600)


def test_cut_off_from_its_farm_it_stretches_no_key(farm):
    """
    Servers that need some key get one of this host alone, servers with a
    ring issue no tickets, and old tickets open on.
    """
    daemon = Follower(farm)
    daemon.stek("init")
    last = running_out(int(time.time()), 3)
    daemon.keep(last, version=7)
    daemon.launch()
    daemon.wait(daemon.status, "it answers")
    daemon.wait(lambda: has(daemon, last.name), "it has the key")
    daemon.wait(lambda: daemon.status()["sealing"] is None, "it is cut off")
    assert time.time() >= last.seal_until

    def own():
        """The name of the key of this host alone, if all have it."""
        file, folder = sealing_at(daemon)
        assert not in_ring(daemon.ring, file) or file == last.name
        return file if file == folder != last.name else None
    daemon.wait(own, "servers have a key of their own")
    first = own()
    assert last.name in in_folder(daemon.folder), "old tickets open no more"
    assert in_ring(daemon.ring, last.name)
    daemon.wait(lambda: own() not in (None, first), "that one is not "
                "stretched either")
    back = sealing(since=1)
    daemon.keep(last, back, version=8)
    daemon.wait(lambda: has(daemon, back.name), "it is back at its farm")
    assert sorted(in_folder(daemon.folder)) == sorted([last.name, back.name])
    daemon.stop()


def test_a_pending_key_that_came_in_time_seals_when_it_should(farm):
    daemon = Follower(farm)
    daemon.stek("init")
    now = int(time.time())
    old = running_out(now, 600)
    new = Timed(Key(), now + 3, now + 600, now + 1200)
    daemon.keep(old, new, version=3)
    daemon.launch()
    daemon.wait(daemon.status, "it answers")
    daemon.wait(lambda: has(daemon, new.name), "the new one seals")
    assert time.time() >= new.seal_from, "it came too soon"
    daemon.stop()


def test_becoming_the_one_that_mints_by_sighup(minting, follower):
    """As when the minting host is lost."""
    name = minting.status()["sealing"]
    follower.wait(lambda: has(follower, name), "it has the key")
    minting.end()
    follower.text = ""
    follower.policy = ("1h", "2h", "10m")
    follower.configure()
    follower.hup()
    follower.wait(lambda: follower.status()["mint"], "it mints")
    follower.stek("rotate", "--now")
    assert follower.status()["sealing"] != name
    assert name in in_folder(follower.folder)

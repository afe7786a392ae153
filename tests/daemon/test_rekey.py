# SPDX-License-Identifier: ISC
"""
From one farm key to the next, on a host with a folder for its store and one
that follows it by copies; of a farm on etcd, see tests/farm.
"""
import os
import shutil
import subprocess

import pytest

from daemon import Daemon, read, replace


@pytest.fixture
def stekd(farm):
    daemon = Daemon(farm)
    daemon.ring = daemon.add("ring", "ring")
    yield daemon.begin()
    daemon.stop()


def next_key(daemon):
    return daemon.path("farm.key.next")


def prepare(daemon):
    """As an operator does on every host."""
    daemon.stek("rekey", "--new")
    daemon.stop()
    daemon.again()


def names(daemon):
    return [key["name"] for key in daemon.status()["keys"]]


def test_without_a_next_key_nothing_is_done(stekd):
    before = stekd.status()["version"]
    said = stekd.stek("rekey", check=False)
    assert said.returncode == 1 and "stek rekey --new" in said.stderr
    assert stekd.status()["version"] == before


def test_a_new_key_is_made_for_its_owner_alone(stekd):
    stekd.stek("rekey", "--new")
    mode = os.stat(next_key(stekd)).st_mode & 0o777
    assert mode == 0o600 and len(read(next_key(stekd))) == 32
    assert read(next_key(stekd)) != read(stekd.path("farm.key"))


def test_a_next_key_is_never_overwritten(stekd):
    stekd.stek("rekey", "--new")
    made = read(next_key(stekd))
    said = stekd.stek("rekey", "--new", check=False)
    assert said.returncode == 1 and "is there already" in said.stderr
    assert read(next_key(stekd)) == made


def test_no_key_is_lost(stekd):
    prepare(stekd)
    before, version = names(stekd), stekd.status()["version"]
    stekd.stek("rekey")
    assert names(stekd) == before
    assert stekd.status()["version"] == version + 1
    stekd.stek("rekey", "--finish")
    assert not os.path.exists(next_key(stekd))
    stekd.stop()
    stekd.again()       # with nothing but the new key
    assert names(stekd) == before


def test_it_is_not_finished_before_it_was_begun(stekd):
    old = read(stekd.path("farm.key"))
    prepare(stekd)
    said = stekd.stek("rekey", "--finish", check=False)
    assert said.returncode == 1 and '"stek rekey" first' in said.stderr
    assert read(stekd.path("farm.key")) == old


def test_a_tls_private_key_is_not_replaced(farm):
    daemon = Daemon(farm)
    cert = daemon.path("server.key")
    subprocess.run(["openssl", "genpkey", "-algorithm", "ED25519", "-out",
                    cert], check=True)
    made = read(cert)
    daemon.farm_key_path = "cert:" + cert
    daemon.values["farm_key_next"] = next_key(daemon)
    daemon.configure()
    daemon.stek("rekey", "--new")
    daemon.begin()
    daemon.stek("rekey")
    said = daemon.stek("rekey", "--finish", check=False)
    assert said.returncode == 1 and "no file of stek's" in said.stderr
    assert read(cert) == made
    daemon.stop()


def test_a_restart_in_between_harms_nothing(stekd):
    prepare(stekd)
    before = names(stekd)
    stekd.stek("rekey")
    stekd.stop()
    stekd.again()       # both files are still there
    assert names(stekd) == before


def test_who_has_moved_on_takes_nothing_by_the_old_key(stekd):
    """Who was evicted has that still."""
    prepare(stekd)
    old = read(stekd.set_path)
    stekd.stek("rekey")
    now = read(stekd.set_path)
    replace(stekd.set_path, old)
    stekd.wait_said("store failed")
    assert stekd.status()["store"]["state"] != "live"
    replace(stekd.set_path, now)
    stekd.wait(lambda: stekd.status()["store"]["state"] == "live",
               "the store is live again")


def test_a_next_key_that_others_can_read_is_not_used(stekd):
    stekd.stek("rekey", "--new")
    os.chmod(next_key(stekd), 0o644)
    stekd.stop()
    stekd.again()
    assert "cannot use the next farm key" in stekd.said()
    assert stekd.stek("rekey", check=False).returncode == 1


def test_a_follower_with_the_next_key_follows(stekd, farm):
    prepare(stekd)
    follower = Daemon(farm, text="mint = false")
    follower.add("ring", "ring")
    follower.configure()
    shutil.copy(stekd.path("farm.key"), follower.path("farm.key"))
    shutil.copy(next_key(stekd), next_key(follower))
    follower.begin()
    replace(follower.set_path, read(stekd.set_path))
    follower.wait_version(stekd.status()["version"])
    stekd.stek("rekey")
    replace(follower.set_path, read(stekd.set_path))
    follower.wait_version(stekd.status()["version"])
    assert names(follower) == names(stekd)
    follower.stop()

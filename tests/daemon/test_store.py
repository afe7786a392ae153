# SPDX-License-Identifier: ISC
"""
A store that fails: stekd goes on from memory, says so, and mends the store
once it can.
"""
import contextlib
import os
import shutil
import subprocess
import time

import pytest

from farm import wait_until
from host import sealing
from daemon import (QUICK, Daemon, fill_up, haproxy_keys, mounted, read,
                    replace, ticks)


def make(farm, **options):
    daemon = Daemon(farm, **options)
    daemon.add("web", "haproxy")
    return daemon


@pytest.fixture
def stekd(farm):
    daemon = make(farm)
    yield daemon.begin()
    daemon.stop()


@pytest.fixture
def quick(farm):
    """One whose keys move on every 6 seconds."""
    daemon = make(farm, policy=QUICK)
    yield daemon.begin()
    daemon.stop()


def store(daemon):
    return daemon.status()["store"]


def wait_store(daemon, state, patience=30):
    daemon.wait(lambda: store(daemon)["state"] == state,
                f"the store is {state}", patience)
    return store(daemon)


def is_saved(daemon):
    """Has the store the version that stekd is at, and that version's keys?"""
    status = daemon.status()
    version, keys = daemon.kept()
    if status is None or version != status["version"]:
        return False
    assert {key.name for key in keys} == {
        key["name"] for key in status["keys"]}
    return True


def wait_saved(daemon):
    daemon.wait(lambda: is_saved(daemon), "the store has what stekd has")


def goes_on(daemon):
    """Rotates although the store fails, and the target gets the keys."""
    version = daemon.status()["version"]
    daemon.wait_version(version + 2)
    daemon.wait(lambda: daemon.target("web")["version"] > version,
                "the target has newer keys")


def test_garbage_in_the_store_costs_no_processor_time(stekd):
    """Nor is a target that is in order gone through again and again."""
    replace(stekd.set_path, b"garbage")
    wait_store(stekd, "failing")
    settled = stekd.wait_state("web", "applied")
    used = ticks(stekd.child.pid)
    until = time.monotonic() + 3
    while time.monotonic() < until:
        assert store(stekd)["state"] == "failing"
        time.sleep(0.2)
    assert ticks(stekd.child.pid) - used < os.sysconf("SC_CLK_TCK") / 2
    assert stekd.target("web") == settled


def test_garbage_is_named_left_alone_and_gone_on_without(quick):
    replace(quick.set_path, b"garbage")
    said = wait_store(quick, "failing")["error"]
    assert quick.set_path in said and "expected an encoded set" in said
    assert "remove it, and stekd writes its own" in said
    goes_on(quick)
    assert read(quick.set_path) == b"garbage"
    os.unlink(quick.set_path)
    wait_store(quick, "live")
    wait_saved(quick)


def test_a_set_of_another_farm_key_is_left_alone(stekd):
    other = os.urandom(1722)
    head = b"stekset1" + (99).to_bytes(8, "big")
    replace(stekd.set_path, head + other[len(head):])
    said = wait_store(stekd, "failing")["error"]
    assert "farm key" in said and stekd.path("farm.key") in said
    assert "remove it, and stekd writes its own" in said
    # A change finds a newer version there, but that is not what is wrong.
    answer = stekd.ask({"do": "rotate", "now": True})
    assert "farm key" in answer[-1]["error"]
    assert store(stekd)["error"] == said
    assert stekd.said().count("store failed") == 1
    os.unlink(stekd.set_path)
    wait_store(stekd, "live")
    wait_saved(stekd)


def test_another_set_of_the_same_version_is_told_and_can_be_removed(stekd):
    sealing_ = stekd.status()["sealing"]
    stekd.keep(sealing(), version=stekd.kept()[0])
    said = wait_store(stekd, "failing")["error"]
    assert "other keys" in said and "Remove the file" in said
    assert stekd.status()["sealing"] == sealing_
    os.unlink(stekd.set_path)
    wait_store(stekd, "live")
    wait_saved(stekd)


def test_a_removed_set_is_written_again(stekd):
    os.unlink(stekd.set_path)
    stekd.wait(lambda: os.path.exists(stekd.set_path), "the set is back")
    wait_saved(stekd)


def test_an_older_set_is_told_as_rollback_and_overwritten_by_the_next(quick):
    old = read(quick.set_path)
    quick.wait_version(quick.status()["version"] + 1)
    replace(quick.set_path, old)
    assert "older" in wait_store(quick, "rollback")["error"]
    wait_store(quick, "live")
    wait_saved(quick)


def keys_of(daemon):
    wait_until(lambda: os.path.exists(daemon.path("web")), "there are keys")
    return {name for name, _, _ in haproxy_keys(daemon.path("web"))}


def test_a_revoked_key_does_not_come_back_while_stekd_runs(stekd):
    """Whatever lies in the store's folder, also in the note of the newest."""
    seen = os.path.join(stekd.store, "example.seen")
    old, noted = read(stekd.set_path), read(seen)
    revoked = keys_of(stekd)
    stekd.stek("revoke", "--all")
    replace(seen, noted)
    replace(stekd.set_path, old)
    assert "older" in wait_store(stekd, "rollback")["error"]
    assert stekd.status()["sealing"] not in revoked
    assert not keys_of(stekd) & revoked


def test_a_revoked_key_does_not_come_back_by_its_set_alone(stekd):
    old, revoked = read(stekd.set_path), keys_of(stekd)
    stekd.stek("revoke", "--all")
    stekd.end()
    replace(stekd.set_path, old)
    status, said = stekd.refused()
    assert status == 1 and "an older copy was put there" in said
    assert not keys_of(stekd) & revoked


def test_a_removed_folder_is_used_again_once_it_is_back(quick):
    was = os.stat(quick.store)
    while os.path.exists(quick.store):      # it may be writing there
        shutil.rmtree(quick.store, ignore_errors=True)
    said = wait_store(quick, "failing")["error"]
    assert quick.store in said and "No such file" in said
    goes_on(quick)
    os.mkdir(quick.store, 0o700)
    os.chown(quick.store, was.st_uid, was.st_gid)
    wait_store(quick, "live")
    wait_saved(quick)


def test_a_folder_put_in_place_of_the_store_is_watched(stekd):
    """As when it is moved aside, or another file system is mounted."""
    os.rename(stekd.store, stekd.path("aside"))
    shutil.copytree(stekd.path("aside"), stekd.store)
    for name in ("", "example.set", "example.seen"):
        os.chown(os.path.join(stekd.store, name), 65534, 65534)
    os.chmod(stekd.store, 0o700)
    time.sleep(0.1)
    version, keys = stekd.kept()
    stekd.wait(lambda: stekd.keep(*keys, version=version + 1) or
               stekd.status()["version"] > version, "it sees the new folder")


def test_a_full_store_keeps_its_old_set_until_there_is_room(farm):
    daemon = make(farm, policy=QUICK)
    daemon.stek("init")
    with mounted(daemon.store, "size=128k,mode=0700,uid=65534,gid=65534"):
        daemon.launch()
        daemon.wait(daemon.status, "it answers")
        wait_saved(daemon)
        ballast = fill_up(daemon.store)
        kept = daemon.kept()
        assert "No space" in wait_store(daemon, "failing")["error"]
        goes_on(daemon)
        assert daemon.kept() == kept, "the old set is not whole any more"
        os.unlink(ballast)
        wait_store(daemon, "live")
        wait_saved(daemon)
        daemon.stop()           # so that no file comes or goes
        for name in os.listdir(daemon.store):
            assert os.stat(os.path.join(daemon.store, name)
                           ).st_mode & 0o077 == 0


def test_a_folder_that_may_not_be_written_is_written_once_it_may(quick):
    os.chmod(quick.store, 0o500)
    kept = quick.kept()
    assert "Permission denied" in wait_store(quick, "failing")["error"]
    goes_on(quick)
    assert quick.kept() == kept
    os.chmod(quick.store, 0o700)
    wait_store(quick, "live")
    wait_saved(quick)


def test_an_immutable_set_is_written_once_it_may_be(farm):
    with contextlib.ExitStack() as stack:
        folder = os.path.join("/var/tmp", os.path.basename(farm.folder))
        os.mkdir(folder, 0o755)
        stack.callback(shutil.rmtree, folder)
        daemon = make(farm, policy=QUICK)
        daemon.store = os.path.join(folder, "store")
        daemon.begin()
        stack.callback(daemon.stop)
        done = subprocess.run(["chattr", "+i", daemon.set_path], check=False,
                              capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip("no file can be made immutable: " + done.stderr)
        stack.callback(subprocess.run, ["chattr", "-i", daemon.set_path],
                       check=False)
        assert "not permitted" in wait_store(daemon, "failing")["error"]
        goes_on(daemon)
        subprocess.run(["chattr", "-i", daemon.set_path], check=True)
        wait_store(daemon, "live")
        wait_saved(daemon)


def test_a_version_that_cannot_be_noted_is_noted_later(stekd):
    """Or a restart would not know an older set from the newest."""
    seen = os.path.join(stekd.store, "example.seen")
    os.unlink(seen)
    os.mkdir(seen)
    open(os.path.join(seen, "in the way"), "w", encoding="ascii").close()
    stekd.stek("rotate", "--now")
    assert seen in wait_store(stekd, "failing")["error"]
    errors = stekd.status()["counters"]["store_errors"]
    stekd.wait(lambda: stekd.status()["counters"]["store_errors"] >
               errors + 1, "it tries again")
    assert stekd.said().count("store failed") == 1
    assert "store works again" not in stekd.said()
    shutil.rmtree(seen)
    wait_store(stekd, "live")
    assert int(read(seen)) == stekd.status()["version"]


def test_a_store_locked_by_another_process_is_written_after(quick):
    lock = os.path.join(quick.store, "example.lock")
    with subprocess.Popen(["flock", lock, "cat"], stdin=subprocess.PIPE,
                          stdout=subprocess.DEVNULL) as holder:
        said = wait_store(quick, "failing")["error"]
        assert "another process holds the lock" in said
        goes_on(quick)
        holder.stdin.close()
    wait_store(quick, "live")
    wait_saved(quick)

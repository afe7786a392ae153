# SPDX-License-Identifier: ISC
"""
A disk that hangs under one target: its siblings and the rotation go on, it is
shown as failed, nothing older is written after something newer, and it
recovers once the disk goes on.

The disk is a file system that is frozen, on which a write waits in the kernel
and no signal ends it.
"""
import contextlib
import os
import signal
import subprocess

import pytest

from daemon import (Daemon, children, gone, haproxy_keys, in_ring, read,
                    wait_until)

ROOM = 16 << 20
# A little longer than a worker has to write a file.
PATIENCE = 45


def call(*command):
    return subprocess.run(command, capture_output=True, text=True,
                          check=False)


@contextlib.contextmanager
def disk(daemon):
    """A folder on a file system that can be frozen."""
    image, folder = daemon.path("image"), daemon.path("disk")
    os.mkdir(folder)
    with open(image, "wb") as file:
        file.truncate(ROOM)
    done = call("mkfs.ext4", "-q", "-F", image)
    if done.returncode == 0:
        done = call("mount", "-o", "loop", image, folder)
    if done.returncode != 0:
        pytest.skip("no disk can be mounted: " + done.stderr.strip())
    try:
        yield folder
    finally:
        call("fsfreeze", "-u", folder)
        call("umount", "-l", folder)
        os.unlink(image)


def freeze(folder):
    subprocess.run(["fsfreeze", "-f", folder], check=True)


def thaw(folder):
    subprocess.run(["fsfreeze", "-u", folder], check=True)


@pytest.fixture
def stekd(farm):
    daemon = Daemon(farm, text='allow = {"disk"}')
    with disk(daemon) as folder:
        daemon.disk = folder
        daemon.slow = daemon.add("slow", "haproxy",
                                 os.path.join(folder, "keys"))
        daemon.ring_on_disk = daemon.add("drum", "ring",
                                         os.path.join(folder, "ring"))
        daemon.quick = daemon.add("quick", "haproxy", reload="true")
        daemon.folder = daemon.add("folder", "nginx")
        daemon.ring = daemon.add("ring", "ring")
        daemon.begin().wait_settled()
        yield daemon
        # A frozen disk would keep what ends.
        call("fsfreeze", "-u", folder)
        daemon.stop()


def rotate(daemon):
    """Without waiting for targets; the new sealing key."""
    before = daemon.status()["sealing"]
    with daemon.dial() as client:
        client.sendall(b'{"do": "rotate", "now": true}\n')
        client.recv(4096)
    daemon.wait(lambda: daemon.status()["sealing"] != before, "it rotates")
    return daemon.status()["sealing"]


def assert_siblings_have(daemon, name):
    for target in ("quick", "folder", "ring"):
        daemon.wait(lambda: daemon.target(target)["version"] ==
                    daemon.status()["version"], f"{target} is up to date", 5)
    assert haproxy_keys(daemon.quick)[1][0] == name
    assert os.path.exists(os.path.join(daemon.folder, name + ".key"))
    assert in_ring(daemon.ring, name)


def test_siblings_get_every_rotation_and_the_hung_one_recovers_by_itself(stekd):
    freeze(stekd.disk)
    before = read(stekd.slow)
    for _ in range(3):
        assert_siblings_have(stekd, rotate(stekd))
    assert stekd.state("slow") == "working" and read(stekd.slow) == before
    for target, path in (("slow", stekd.slow), ("drum", stekd.ring_on_disk)):
        stekd.wait_failed(target, PATIENCE)
        stekd.wait_said(f"{path}: the process that was to write its keys took "
                        "too long and was killed; does a disk hang?  The "
                        "server keeps what it has")
    assert_siblings_have(stekd, rotate(stekd))
    # The first write still holds the file: none is begun beside it.
    stekd.wait(lambda: "an earlier write has not come to its end" in
               stekd.target("slow")["error"], "it is tried again")
    thaw(stekd.disk)
    name = stekd.status()["sealing"]
    stekd.wait_state("slow", "applied")
    stekd.wait_state("drum", "applied")
    assert haproxy_keys(stekd.slow)[1][0] == name
    assert in_ring(stekd.ring_on_disk, name)
    assert sorted(os.listdir(stekd.disk)) == ["keys", "lost+found", "ring"]
    wait_until(lambda: not children(stekd.monitor()), "no worker is left")


def test_stekd_ends_and_starts_while_a_disk_hangs(stekd):
    """Nothing older comes after something newer, also across a restart."""
    freeze(stekd.disk)
    old = rotate(stekd)
    wait_until(lambda: children(stekd.monitor()), "a worker hangs")
    hung = children(stekd.monitor())
    assert stekd.end() == 0
    assert not all(gone(pid) for pid in hung)
    stekd.launch()
    stekd.wait(stekd.status, "it answers")
    assert "an earlier write has not come to its end" in stekd.wait_failed(
        "slow")["error"]
    new = rotate(stekd)
    assert_siblings_have(stekd, new)
    thaw(stekd.disk)
    wait_until(lambda: all(gone(pid) for pid in hung), "they end")
    stekd.hup()
    stekd.wait_state("slow", "applied")
    assert haproxy_keys(stekd.slow)[1][0] == new != old


def test_the_configuration_is_read_again_while_a_disk_hangs(stekd):
    """Targets have other numbers then; who hangs is still known."""
    freeze(stekd.disk)
    rotate(stekd)
    stekd.targets.insert(0, stekd.targets.pop())
    stekd.configure()
    stekd.hup()
    stekd.wait_said("configuration read again")
    assert_siblings_have(stekd, rotate(stekd))
    thaw(stekd.disk)
    stekd.wait_state("slow", "applied")
    stekd.wait_settled()
    assert haproxy_keys(stekd.slow)[1][0] == stekd.status()["sealing"]


def test_a_worker_that_is_killed_is_told_of_and_done_again(stekd):
    freeze(stekd.disk)
    rotate(stekd)
    stekd.wait(lambda: all(
        stekd.target(name)["version"] == stekd.status()["version"]
        for name in ("quick", "folder", "ring")), "the others have it")
    stekd.wait(lambda: children(stekd.monitor()), "one waits for the disk")
    for pid in children(stekd.monitor()):
        os.kill(pid, signal.SIGKILL)
    thaw(stekd.disk)
    stekd.wait_said("the process that was to write its keys was killed")
    stekd.wait_state("slow", "applied")

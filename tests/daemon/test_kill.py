# SPDX-License-Identifier: ISC
"""
stekd killed at random moments while keys move on every second: what it left
is whole, and whoever comes after ends up in order.
"""
import contextlib
import os
import random
import signal
import subprocess
import time

import pytest

from daemon import (STEK, Daemon, gone, haproxy_keys, in_folder, in_ring, read,
                    wait_until)

KILLS = 50
FAST = ("1s", "1s", "1s")       # something happens twice a second


@pytest.fixture(scope="module")
def stekd(farm):
    daemon = Daemon(farm, policy=FAST)
    daemon.file = daemon.add("file", "haproxy")
    daemon.folder = daemon.add("folder", "nginx")
    daemon.ring = daemon.add("ring", "ring")
    daemon.taken = daemon.path("taken")     # what its server has
    daemon.served = daemon.add(
        "served", "haproxy", reload=f"cp {daemon.path('served')} "
        f"{daemon.taken}.new && mv {daemon.taken}.new {daemon.taken}")
    yield daemon.begin()
    daemon.stop()


def shown(format_, path):
    """That stek takes it as a whole file of that format."""
    return subprocess.run([STEK, "show", "--format", format_, path],
                          capture_output=True, text=True, timeout=60,
                          check=False)


def check_whole(daemon):
    """Between a kill and a start: as a server would find it."""
    assert shown("haproxy", daemon.file).returncode == 0
    check_list(daemon)
    for folder, _, names in os.walk(daemon.home):
        for name in names:
            path = os.path.join(folder, name)
            if name.startswith(".") or name.endswith((".key", ".set")):
                # The monitor may still be ending what it was at.
                with contextlib.suppress(FileNotFoundError):
                    assert os.stat(path).st_mode & 0o077 == 0, path
    return daemon.kept()[0]


def check_list(daemon):
    """All files that it names are there, unless it has become another."""
    path = os.path.join(daemon.folder, "keys.conf")
    text = read(path)
    assert text
    try:
        for line in text.decode().splitlines():
            name = line.split("/")[-1].rstrip(";")
            assert len(read(os.path.join(daemon.folder, name))) == 80
    except FileNotFoundError:
        assert read(path) != text, "it names a file that is not there"
        check_list(daemon)


def test_killed_fifty_times_nothing_is_torn_and_no_version_goes_back(stekd):
    seed = random.randrange(2 ** 32)
    print("seed", seed)
    chance = random.Random(seed)
    stekd.wait_settled()
    version = 0
    for _ in range(KILLS):
        time.sleep(chance.uniform(0, 0.25))     # any moment will do
        answer = stekd.status()
        stekd.kill()
        now = check_whole(stekd)
        assert now >= version and (answer is None or
                                   now >= answer["version"])
        version = now
        stekd.launch()
        if chance.random() < 0.7:
            stekd.wait(stekd.status, "it answers")
            assert stekd.status()["version"] >= version
    stekd.wait(stekd.status, "it answers")


def is_calm(daemon):
    """No key of the quick policy is left that comes to seal, or ends."""
    status = daemon.status()
    return status is not None and all(
        key["open_until"] > time.time() + 600 for key in status["keys"])


def test_after_all_of_that_every_target_is_in_order(stekd):
    """Also the server whose reload was cut off: it has the newest file."""
    if not stekd.running():
        stekd.again()
    # Hours of calm, once the last quick key has ended: until then files are
    # still written, and what is looked at would not be of one moment.
    stekd.policy = ("1h", "1h", "1m")
    stekd.configure()
    stekd.hup()
    stekd.wait(lambda: stekd.status()["policy"]["rotate"] == 3600, "it reads")
    stekd.wait(lambda: is_calm(stekd), "the quick keys end")
    stekd.wait_settled()
    status = stekd.status()
    stekd.wait(lambda: stekd.status()["version"] == stekd.kept()[0], "it saves")
    for target in status["targets"]:
        assert target["state"] == "applied", target
        assert target["version"] == status["version"]
    assert haproxy_keys(stekd.file)[1][0] == status["sealing"]
    assert set(in_folder(stekd.folder)) == {
        key["name"] for key in status["keys"]}
    assert in_ring(stekd.ring, status["sealing"])
    assert read(stekd.taken) == read(stekd.served)
    left = [name for name in os.listdir(stekd.home) if "stek-" in name]
    assert left == [], "something is left over"


def test_a_reload_that_was_cut_off_is_made_up_for(farm):
    """Also a failed one, over an orderly restart: the server has not got it."""
    daemon = Daemon(farm)
    flag = daemon.path("flag")
    count = daemon.path("count")
    daemon.add("web", "haproxy",
               reload=f"echo >>{count}; test -e {flag}")
    daemon.begin().wait_failed("web")
    for end in (daemon.end, daemon.kill):
        end()
        daemon.again()
        daemon.wait_failed("web")
    with open(flag, "wb"):
        pass
    daemon.wait_state("web", "applied")
    reloads = len(read(count).splitlines())
    daemon.end()
    daemon.again()
    daemon.wait_state("web", "applied")
    assert len(read(count).splitlines()) == reloads
    daemon.stop()


def test_a_revocation_that_was_cut_off_is_made_up_for(farm):
    """A server that remembers keys has to be reloaded, though it polls."""
    daemon = Daemon(farm)
    flag = daemon.path("flag")
    daemon.add("web", "lighttpd", reload=f"test -e {flag}")
    daemon.begin().wait_state("web", "applied")
    daemon.stek("revoke", "--all", check=False)
    daemon.wait_failed("web")
    daemon.end()
    daemon.again()
    assert "test -e" in daemon.wait_failed("web")["error"]
    with open(flag, "wb"):
        pass
    daemon.wait_state("web", "applied")
    daemon.stop()


def test_the_monitor_killed_many_times(farm):
    daemon = Daemon(farm, policy=FAST)
    path = daemon.add("web", "haproxy")
    daemon.begin()
    for _ in range(10):
        daemon.wait(lambda: os.path.exists(path), "the file is there")
        monitor = daemon.monitor()
        os.kill(monitor, signal.SIGKILL)
        assert daemon.child.wait(30) == 1
        wait_until(lambda: gone(monitor), "it is gone")
        assert shown("haproxy", path).returncode == 0
        daemon.again()
    daemon.wait(lambda: daemon.target("web")["state"] == "applied", "applied")
    daemon.stop()

# SPDX-License-Identifier: ISC
"""
stekd's clock set while it runs, by hours and days and both ways.  Only its
own clock: see shift.c.
"""
import os
import time

import pytest

from host import Timed, encode, sealing
from clock import Clock
from keys import Key
from daemon import (Daemon, haproxy_keys, in_folder, in_ring, owner,
                    replace)

HOUR = 3600
DAY = 24 * HOUR
POLICY = ("1h", "2h", "10m")


class Shifted(Daemon):
    def __init__(self, farm, **options):
        super().__init__(farm, policy=POLICY, **options)
        self.clock = Clock(self.path("clock"))
        self.file = self.add("file", "haproxy")
        self.folder = self.add("folder", "nginx")
        self.ring = self.add("ring", "ring")

    def run(self, *command, env=None):
        super().run(*command, env={"LD_PRELOAD": os.environ["SHIFTER"],
                                   "SHIFT": self.clock.path, **(env or {})})

    def set(self, shift):
        """And wait until it has planned by that time."""
        times = self.said().count("the clock was set")
        self.clock.set(shift)
        self.wait_said("the clock was set", times + 1)
        self.wait_settled()
        assert abs(self.status()["now"] - self.clock.now()) < 5

    def sleep(self, seconds):
        """The host is suspended for that long."""
        self.clock.slept += seconds
        self.set(self.clock.shift + seconds)

    def keys(self, *states):
        return [key["name"] for key in self.status()["keys"]
                if key["state"] in states]

    def check(self):
        """All targets have just what stekd has, and one key seals."""
        status = self.status()
        sealing, = self.keys("sealing")
        assert status["sealing"] == sealing
        names = sorted(self.keys("pending", "sealing", "opening"))
        assert in_folder(self.folder) == names
        assert haproxy_keys(self.file)[1][0] == sealing
        for name in names:
            assert in_ring(self.ring, name)
        assert status["version"] == self.kept()[0]
        assert all(target["state"] == "applied" for target in
                   status["targets"])
        assert status["wake"] > status["now"]
        return sealing


@pytest.fixture
def stekd(farm):
    daemon = Shifted(farm)
    yield daemon.begin()
    daemon.stop()


def test_a_day_goes_by_key_by_key(stekd):
    """Each is handed out 10 minutes ahead, and goes when it should."""
    stekd.wait_settled()
    order = [stekd.check()]
    born = stekd.status()["keys"][0]["seal_from"]
    start = born - int(time.time())
    for hour in range(1, 25):
        stekd.sleep(start + hour * HOUR - 9 * 60 - stekd.clock.shift)
        pending, = stekd.keys("pending")
        assert stekd.check() == order[-1]
        stekd.sleep(9 * 60 + 2)
        assert stekd.check() == pending
        order.append(pending)
        # Whose tickets can be two hours old: those of the last three hours.
        assert stekd.keys("opening") == order[:-1][-2:]
    assert len(set(order)) == 25


def test_a_week_asleep_leaves_a_key_that_seals_and_no_old_one(stekd):
    stekd.wait_settled()
    old = stekd.check()
    stekd.sleep(7 * DAY)
    assert stekd.check() != old
    assert old not in in_folder(stekd.folder)
    assert not in_ring(stekd.ring, old)


@pytest.mark.parametrize("back", [-1, -300, -2 * HOUR, -DAY, -400 * DAY])
def test_set_back_it_seals_on_and_old_tickets_open(stekd, back):
    stekd.wait_settled()
    old = stekd.check()
    stekd.set(back)
    stekd.check()
    assert old in in_folder(stekd.folder), "its tickets open no more"
    stekd.set(0)
    stekd.check()
    assert old in in_folder(stekd.folder), "its tickets open no more"
    stekd.sleep(9 * HOUR)
    stekd.check()
    assert old not in in_folder(stekd.folder)


def test_back_and_forth_for_a_while_it_keeps_few_keys(stekd):
    for i in range(10):
        if i % 2 == 0:
            stekd.set(-DAY)
        else:
            stekd.sleep(2 * DAY)
        stekd.check()
        assert len(stekd.status()["keys"]) <= 8


def test_before_1970_it_waits_with_the_keys_it_has(stekd):
    stekd.wait_settled()
    sealing = stekd.check()
    stekd.clock.set(-int(time.time()) - DAY)
    stekd.wait_said("cannot plan")
    assert sealing in in_folder(stekd.folder)
    stekd.set(0)
    assert stekd.check() == sealing


def test_a_host_that_follows_goes_by_its_clock_too(farm):
    daemon = Shifted(farm, text="mint = false")
    daemon.stek("init")
    now = int(time.time())
    keys = [Timed(Key(), now - 60, now + HOUR, now + 3 * HOUR),
            Timed(Key(), now + 600, now + 2 * HOUR, now + 4 * HOUR)]
    daemon.keep(*keys, version=5)
    daemon.launch()
    daemon.wait(daemon.status, "it answers")
    daemon.wait_settled()
    assert daemon.check() == keys[0].name
    daemon.set(HOUR // 2)
    assert daemon.check() == keys[1].name, "the later one seals"
    daemon.set(0)
    assert daemon.check() == keys[0].name
    daemon.set(3 * HOUR)
    assert daemon.status()["sealing"] is None
    assert not in_ring(daemon.ring, haproxy_keys(daemon.file)[1][0])
    daemon.set(5 * HOUR)
    assert not in_ring(daemon.ring, keys[1].name)
    assert daemon.status()["version"] == 5
    daemon.stop()


def test_set_between_planning_and_arming_it_plans_again(stekd):
    """timerfd_settime(2) tells of that, and then the timer does not."""
    stekd.wait_settled()
    stekd.stek("rotate")
    pending, = stekd.keys("pending")
    stekd.clock.set(0, trap=15 * 60)
    stekd.hup()
    stekd.wait(lambda: haproxy_keys(stekd.file)[1][0] == pending,
               "the next key seals")
    stekd.wait_settled()
    assert stekd.check() == pending
    assert "cannot set the timer" not in stekd.said()


def test_set_back_while_the_store_fails_it_is_tried_again_as_soon(farm):
    daemon = Shifted(farm, text="mint = false")
    daemon.stek("init")
    key = sealing()
    daemon.keep(key, version=5)
    daemon.launch()
    daemon.wait(daemon.status, "it answers")
    daemon.wait_settled()
    os.mkdir(daemon.path("aside"))
    aside = daemon.path("aside", "set")
    replace(aside, encode("example", daemon.farm_key(), [key], 6))
    os.chown(aside, *owner(daemon.store))
    os.chmod(aside, 0)
    os.rename(aside, daemon.set_path)
    daemon.wait(lambda: daemon.status()["store"]["state"] == "failing",
                "it fails")
    daemon.set(-DAY)
    os.chmod(daemon.set_path, 0o600)    # of which no watch tells
    daemon.wait(lambda: daemon.status()["version"] == 6, "it works again")
    daemon.stop()


# --- a clock that jumps ahead ----------------------------------------------

YEAR = 365 * DAY
STANDS = 10 * 60 + 1


def doubted(daemon):
    """
    No key was made or buried, and that is told; servers go by the clock.
    """
    status = daemon.status()
    assert "ahead" in status["clock_error"] and "stek rotate" in status["clock_error"]
    assert daemon.said().count("the clock is not believed") == 1
    assert status["version"] == daemon.kept()[0]
    own = haproxy_keys(daemon.file)[1][0]
    assert own not in [key.name for key in daemon.kept()[1]]
    assert status["sealing"] is None and not in_ring(daemon.ring, own)


def believed(daemon):
    """And the keys moved on."""
    assert daemon.status()["clock_error"] is None
    return daemon.check()


def test_a_year_ahead_and_back_costs_no_key(stekd):
    stekd.wait_settled()
    sealing_ = stekd.check()
    kept = stekd.kept()
    stekd.set(YEAR)
    doubted(stekd)
    assert stekd.stek("status", check=False).returncode == 1
    assert stekd.kept() == kept
    stekd.set(0)
    assert believed(stekd) == sealing_
    assert stekd.kept() == kept


def test_a_clock_that_stands_ahead_is_believed(stekd):
    stekd.wait_settled()
    old = stekd.check()
    stekd.set(YEAR)
    doubted(stekd)
    stekd.sleep(5 * 60)
    doubted(stekd)
    stekd.sleep(STANDS - 5 * 60)
    assert believed(stekd) != old
    assert old not in [key.name for key in stekd.kept()[1]]


def test_one_that_goes_on_jumping_is_not(stekd):
    stekd.wait_settled()
    stekd.check()
    kept = stekd.kept()
    stekd.set(YEAR)
    stekd.sleep(9 * 60)
    stekd.set(2 * YEAR)
    stekd.sleep(9 * 60)
    assert stekd.status()["clock_error"] is not None
    assert stekd.kept() == kept


def test_who_asks_for_a_rotation_believes_it(stekd):
    stekd.wait_settled()
    old = stekd.check()
    stekd.set(YEAR)
    doubted(stekd)
    stekd.stek("rotate", "--now")
    assert believed(stekd) != old


@pytest.fixture
def left(farm):
    """Not started yet, with a key in its store."""
    daemon = Shifted(farm)
    daemon.stek("init")
    daemon.keep(sealing(), version=5)
    yield daemon
    daemon.stop()


def uptime():
    return int(time.clock_gettime(time.CLOCK_BOOTTIME))


def test_just_booted_with_all_keys_dead_it_waits_for_the_clock(left):
    """As of a host whose battery is empty."""
    left.clock.slept = 60 - uptime()
    left.clock.set(YEAR)
    left.again()
    left.wait_settled()
    doubted(left)
    left.set(0)
    assert believed(left) == left.kept()[1][0].name


def test_booted_long_ago_it_does_not(left):
    """It was stekd that did not run."""
    left.clock.slept = 3600
    left.clock.set(YEAR)
    left.again()
    left.wait_settled()
    believed(left)


# --- a store that other hosts write to, behind inotify's back --------------

@pytest.mark.parametrize("mint", ["true", "false"])
def test_a_remote_store_is_looked_at_once_a_minute(farm, monkeypatch, mint):
    daemon = Shifted(farm, text=f"mint = {mint}")
    monkeypatch.setenv("REMOTE", daemon.store)
    daemon.stek("init")
    first, second = sealing(), sealing(since=5)
    daemon.keep(first, version=5)
    daemon.again()
    daemon.wait_settled()
    status = daemon.status()
    assert status["wake"] <= status["now"] + 61
    version, keys = daemon.kept()
    with open(daemon.set_path, "r+b", buffering=0) as unseen:
        unseen.write(encode("example", daemon.farm_key(), [*keys, second],
                            version + 1))
        daemon.sleep(61)        # and no file has been closed yet
        daemon.wait(lambda: daemon.status()["version"] > version,
                    "it is seen")
    assert daemon.status()["sealing"] == second.name
    daemon.stop()

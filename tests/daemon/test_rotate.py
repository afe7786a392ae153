# SPDX-License-Identifier: ISC
"""A rotation that an operator asks for: what moves, and what is said of it."""
import time

import pytest

from daemon import Daemon
from host import pending, sealing

LEAD = 600          # of the policy that these stekds have
DAY = 86400


@pytest.fixture
def stekd(farm):
    daemon = Daemon(farm)
    daemon.add("web", "haproxy")
    daemon.begin().wait_settled()
    yield daemon
    daemon.stop()


def asked(daemon, what="rotate", **options):
    """The first line of the answer, of which all targets must be well."""
    head, *_, end = daemon.ask({"do": what, **options})
    assert end == {"done": True, "failed": 0}
    return head


def rotations(daemon):
    return daemon.status()["counters"]["rotations"]


def test_the_next_key_begins_to_seal_after_the_lead(stekd):
    first = stekd.status()["sealing"]
    before = int(time.time())
    head = asked(stekd)
    assert head["moved"] is True and head["sealing"] != first
    assert before + LEAD <= head["seal_from"] <= time.time() + LEAD
    assert stekd.status()["sealing"] == first


def test_asked_again_it_moves_nothing_and_says_so(stekd):
    head = asked(stekd)
    count = rotations(stekd)
    assert asked(stekd) == {**head, "moved": False}
    assert rotations(stekd) == count
    assert stekd.said().count("rotated by an operator") == 1
    assert stekd.said().count("an operator's rotation moved nothing") == 1


def test_a_key_on_its_way_can_be_made_to_seal_at_once(stekd):
    head = asked(stekd)
    now = asked(stekd, now=True)
    assert (now["moved"], now["sealing"]) == (True, head["sealing"])
    assert stekd.status()["sealing"] == head["sealing"]


@pytest.fixture
def strayed(farm):
    """One whose last key begins to seal so late that no plan counts on it."""
    daemon = Daemon(farm)
    daemon.add("web", "haproxy")
    daemon.configure()
    daemon.stek("init")
    daemon.astray = pending(after=5 * DAY)
    daemon.keep(sealing(since=60), daemon.astray)
    daemon.again()
    daemon.wait_settled()
    yield daemon
    daemon.stop()


def test_a_rotation_does_not_name_a_key_that_is_astray(strayed):
    head = asked(strayed)
    assert head["moved"] is True and head["sealing"] != strayed.astray.name
    assert head["seal_from"] <= time.time() + LEAD
    assert strayed.astray.name in [k["name"] for k in strayed.status()["keys"]]


def test_neither_does_one_at_once(strayed):
    assert asked(strayed, now=True)["sealing"] == strayed.status()["sealing"]


def test_nor_a_revocation(strayed):
    first = strayed.status()["sealing"]
    head = asked(strayed, "revoke", key=first)
    assert head["sealing"] == strayed.status()["sealing"]
    assert head["sealing"] not in (first, strayed.astray.name)
    assert head["seal_from"] <= time.time()

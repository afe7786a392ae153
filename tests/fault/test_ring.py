# SPDX-License-Identifier: ISC
"""
A ring created, taken over and published to while each of the writer's system
calls goes wrong in turn.
"""
import errno

import pytest

from fault import victim, walk

OLD, NEW = "7", "8"
SYSTEM, MEMORY = 1, 2       # STEK_ERR_*
# The memory of a set's keys, before the ring is touched.
HARMLESS = ("mlock", "madvise", "close")


def publish(path, version, env=None):
    return victim("publish", path, version, env=env)


def version_of(path):
    """What a reader finds: a version, or the error."""
    return victim("show", path)


def taken_over(folder, how):
    path = folder / "ring"

    def prepare():
        folder.clear()
        assert publish(path, OLD).stdout == "ok\n"

    return walk(how, folder.path, prepare,
                lambda env: publish(path, NEW, env))


def created(folder, how):
    path = folder / "ring"
    return walk(how, folder.path, folder.clear,
                lambda env: publish(path, NEW, env))


def replaced(folder, how):
    path = folder / "ring"

    def prepare():
        folder.clear()
        with open(path, "wb") as file:
            file.write(b"no ring")

    return walk(how, folder.path, prepare,
                lambda env: publish(path, NEW, env))


def assert_the_next_writer_succeeds(folder):
    assert publish(folder / "ring", NEW).stdout == "ok\n"
    result = version_of(folder / "ring")
    assert (result.returncode, result.stdout) == (0, NEW + "\n")
    assert folder.names == ["ring"]


def test_killed_while_it_takes_over_readers_find_an_old_or_a_new_set(folder):
    deaths = 0
    for fault, result in taken_over(folder, "kill"):
        assert result.returncode == -9, fault
        found = version_of(folder / "ring")
        assert found.returncode == 0, fault
        assert found.stdout.strip() in (OLD, NEW), fault
        assert not folder.exposed, fault
        assert_the_next_writer_succeeds(folder)
        deaths += 1
    assert deaths >= 5


@pytest.mark.parametrize("story", [created, replaced])
def test_killed_while_it_creates_readers_find_none_or_an_empty_or_a_whole_one(
        folder, story):
    deaths = 0
    for fault, result in story(folder, "kill"):
        assert result.returncode == -9, fault
        found = version_of(folder / "ring")
        assert found.returncode in (0, 1), fault
        if found.returncode == 0:
            assert found.stdout.strip() in ("0", NEW), fault
        assert not folder.exposed or story is replaced, fault
        assert_the_next_writer_succeeds(folder)
        deaths += 1
    assert deaths >= 8


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC, errno.EPERM])
@pytest.mark.parametrize("story", [created, replaced, taken_over])
def test_a_failed_call_is_reported_and_costs_nothing(folder, story, error):
    for fault, result in story(folder, error):
        if result.stdout == "ok\n":
            assert fault.met.name in HARMLESS, fault
            found = version_of(folder / "ring")
            assert found.stdout.strip() == NEW, fault
        elif result.returncode == 3:
            # Before anything else: no memory for the set.
            assert fault.met.path == "-", fault
        else:
            assert result.stdout == f"{SYSTEM} {error}\n", fault
            if story is taken_over:
                found = version_of(folder / "ring")
                assert found.stdout.strip() == OLD, fault
        assert_the_next_writer_succeeds(folder)


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
def test_a_ring_that_gets_no_room_leaves_no_file(folder, error):
    met = []
    path = folder / "ring"
    for fault, result in walk(
            error, folder.path, folder.clear,
            lambda env: publish(path, NEW, env),
            calls=["fallocate", "pwrite", "mmap"]):
        if fault.met.path == "-":
            continue
        assert folder.names == [], fault
        met.append(fault.met.name)
    assert set(met) == {"fallocate", "pwrite", "mmap"}


def test_a_locked_ring_is_busy_and_any_other_failure_is_not(folder):
    path = folder / "ring"
    met = []
    for error, expected in ((errno.EWOULDBLOCK, f"11 {errno.EWOULDBLOCK}\n"),
                            (errno.ENOLCK, f"{SYSTEM} {errno.ENOLCK}\n")):
        for fault, result in walk(
                error, folder.path, folder.clear,
                lambda env: publish(path, NEW, env), calls=["flock"]):
            assert result.stdout == expected, fault
            met.append(fault)
    assert len(met) == 2

# SPDX-License-Identifier: ISC
"""stek_file_write() while each of its system calls goes wrong in turn."""
import errno
import os
import stat

import pytest

from fault import Fault, victim, walk

SYSTEM = 1          # STEK_ERR_SYSTEM
OLD, NEW = "the old file", "the new file, which is longer"
UID, GID = 12345, 23456


def put_old(path):
    with open(path, "w", encoding="ascii") as file:
        file.write(OLD)
    os.chmod(path, 0o600)


def contents(path):
    with open(path, encoding="ascii") as file:
        return file.read()


def written(folder, how, mode="0600", uid=-1, gid=-1):
    path = folder / "keys"

    def prepare():
        folder.clear()
        put_old(path)

    def program(env):
        return victim("write", path, NEW, mode, uid, gid, env=env)

    return walk(how, folder.path, prepare, program)


def is_last_sync(folder, call):
    return call.name == "fsync" and call.path == folder.path


def assert_a_next_write_is_clean(folder):
    path = folder / "keys"
    result = victim("write", path, NEW, "0600", -1, -1)
    assert result.stdout == "ok\n"
    assert contents(path) == NEW
    assert folder.names == ["keys"]


def test_the_walk_meets_every_kind_of_call(folder):
    put_old(folder / "keys")
    fault = Fault(folder.path)
    victim("write", folder / "keys", NEW, "0600", UID, GID, env=fault.env)
    assert {call.name for call in fault.calls} >= {
        "open", "create", "fchown", "fchmod", "write", "fsync", "close",
        "rename", "unlink"}


def test_killed_anywhere_it_leaves_the_old_file_or_the_new_one(folder):
    deaths = 0
    for fault, result in written(folder, "kill"):
        assert result.returncode == -9, fault
        assert contents(folder / "keys") in (OLD, NEW), fault
        assert not folder.exposed, fault
        assert_a_next_write_is_clean(folder)
        deaths += 1
    assert deaths >= 9


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC, errno.EACCES])
def test_a_failed_call_is_reported_and_the_old_file_stands(folder, error):
    for fault, result in written(folder, error):
        if result.stdout == "ok\n":
            # Whether a descriptor of a folder closes well changes nothing.
            assert fault.met.name == "close", fault
            assert fault.met.path == folder.path, fault
            assert contents(folder / "keys") == NEW, fault
            continue
        assert result.stdout == f"{SYSTEM} {error}\n", fault
        expected = NEW if is_last_sync(folder, fault.met) else OLD
        assert contents(folder / "keys") == expected, fault
        assert not folder.exposed, fault
        assert_a_next_write_is_clean(folder)


@pytest.mark.parametrize("how", ["short", errno.EINTR])
def test_a_write_that_is_cut_short_goes_on(folder, how):
    met = []
    path = folder / "keys"
    for fault, result in walk(
            how, folder.path, folder.clear,
            lambda env: victim("write", path, NEW, "0600", -1, -1, env=env),
            calls=["write"]):
        assert result.stdout == "ok\n", fault
        assert contents(path) == NEW, fault
        met.append(fault)
    assert met


def test_nothing_is_left_of_a_write_that_failed(folder):
    for fault, result in written(folder, errno.ENOSPC):
        if fault.met.name == "unlink":
            continue            # it could not remove what it had to
        assert folder.names == ["keys"], fault


@pytest.mark.parametrize("mode,uid,gid", [
    ("0600", -1, -1), ("0640", UID, GID), ("0400", -1, GID), ("0600", UID, -1),
])
def test_owner_and_mode_are_right_before_the_first_byte(
        folder, mode, uid, gid):
    fault = Fault(folder.path)
    result = victim("write", folder / "keys", NEW, mode, uid, gid,
                    env=fault.env)
    assert result.stdout == "ok\n"
    names = [call.name for call in fault.calls]
    first = fault.calls[names.index("write")]
    assert first.size == 0
    assert stat.S_IMODE(first.mode) == int(mode, 8)
    assert (first.uid, first.gid) == (max(uid, 0), max(gid, 0))
    for call in fault.calls[:names.index("write")]:
        assert stat.S_IMODE(call.mode) & 0o077 & ~int(mode, 8) == 0 or \
            call.path == folder.path, call


def test_it_is_synced_before_it_is_renamed_and_its_folder_after(folder):
    fault = Fault(folder.path)
    victim("write", folder / "keys", NEW, "0600", -1, -1, env=fault.env)
    order = [call.name for call in fault.calls
             if call.name in ("write", "fsync", "rename")]
    assert order == ["write", "fsync", "rename", "fsync"]
    assert is_last_sync(folder, [call for call in fault.calls
                                 if call.name == "fsync"][-1])

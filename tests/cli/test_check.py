# SPDX-License-Identifier: ISC
"""
stek check: a sound host passes, and what is wrong with stek's own files, the
farm's keys, the host or stekd is found, and named.
"""
import json
import os
import pwd
import shutil
import subprocess
import time

import pytest

from host import (HOUR, STEK, FakeStekd, Timed, encode, is_hidden, opening,
                  sealing, with_mount)
from keys import Key
from sound import USER, SoundHost, all_of, only


@pytest.fixture
def host():
    host_ = SoundHost()
    yield host_
    host_.close()


# --- in general --------------------------------------------------------------

def test_a_sound_host_passes(host):
    assert host.check() == []


def test_people_see_a_line_each_and_the_sum(host):
    host.set_up(more="")
    result = host.stek("check")
    assert result.status == 1
    warn, = [line for line in result.out.splitlines()
             if line.startswith("warn  ")]
    assert "no target" in warn and " -> " in warn
    assert result.out.splitlines()[-1].startswith("0 failures, 1 warning, ")


def test_json_tells_of_a_path_that_is_not_utf_8(host):
    """Written in another encoding, as paths may be; nothing is left out."""
    path = os.fsencode(host.path("caf")) + b"\xe9"
    text = host.target("web", "haproxy", path="PATH", verify="127.0.0.1:443")
    host.set_up(more=text)
    host.conf = host.write("stek.conf", host.read("stek.conf").replace(
        b"PATH", path), 0o644)
    with open(path, "wb") as file:
        os.fchmod(file.fileno(), 0o666)
    shown = [line.split("  ")[0] for line in
             host.stek("check").out.splitlines()[:-1]]
    lines = json.loads(host.stek("check", "--json").out)
    assert [line["level"] for line in lines] == [
        level.strip() for level in shown]
    assert any(host.path("caf") + "?" in line["subject"] + line["text"]
               for line in lines)


def test_no_secret_is_told(host):
    result = host.stek("check")
    assert is_hidden(host.key.key, result.raw, result.err)
    assert host.key.name in result.out


@pytest.mark.parametrize("args", [("x",), ("--all",)])
def test_wrong_usage_is_2(host, args):
    result = host.stek("check", *args)
    assert (result.status, result.out) == (2, "")


# --- the files of stek itself ------------------------------------------------

@pytest.mark.parametrize("bits", [0o666, 0o664, 0o646])
def test_a_configuration_that_others_can_write(host, bits):
    os.chmod(host.conf, bits)
    only(host, "fail", host.conf, "run as root")


def test_a_configuration_that_belongs_to_another(host):
    os.chown(host.conf, USER.pw_uid, -1)
    only(host, "fail", host.conf, f"uid {USER.pw_uid}")


def test_a_configuration_that_stekds_user_cannot_read(host):
    os.chmod(host.conf, 0o600)
    only(host, "fail", host.conf, USER.pw_name, "cannot read", "0600")


def test_a_folder_above_the_configuration_that_stekds_user_cannot_enter(host):
    os.mkdir(host.path("etc"))
    host.conf = host.write("etc/stek.conf", host.read("stek.conf"), 0o644)
    os.chmod(host.path("etc"), 0o700)
    only(host, "fail", host.conf, USER.pw_name, f"enter {host.path('etc')}")


def test_a_folder_above_the_store_that_stekds_user_cannot_enter(host):
    os.mkdir(host.path("lib"))
    os.rename(host.path("store"), host.path("lib/store"))
    os.chmod(host.path("lib"), 0o700)
    host.set_up(store=f"dir:{host.path('lib/store')}")
    only(host, "fail", "lib/store", USER.pw_name, f"enter {host.path('lib')}")


def test_a_folder_above_the_configuration_that_others_can_write(host):
    os.mkdir(host.path("etc"))
    os.chmod(host.path("etc"), 0o777)
    host.conf = host.write("etc/stek.conf", host.read("stek.conf"), 0o644)
    only(host, "fail", host.conf, "replace", host.path("etc"))


def test_a_farm_key_that_others_can_read(host):
    os.chmod(host.path("farm.key"), 0o644)
    only(host, "fail", "farm.key", "others can read or replace")


def test_a_missing_farm_key(host):
    os.unlink(host.path("farm.key"))
    only(host, "fail", "farm.key", "No such file", "stek init")


def test_a_weak_farm_key(host):
    host.write("farm.key", bytes(32))
    only(host, "fail", "farm.key", "not random")


def test_a_farm_key_that_a_group_can_read_is_a_note(host):
    os.chmod(host.path("farm.key"), 0o640)
    assert host.check() == []
    assert any("group 0 can read it" in note for note in host.notes())


def test_an_old_farm_key_is_a_note(host):
    past = time.time() - 400 * 24 * HOUR
    os.utime(host.path("farm.key"), (past, past))
    assert host.check() == []
    assert any("400 days old" in note for note in host.notes())


def test_a_next_farm_key_that_cannot_be_used(host):
    host.write("farm.key.next", b"short", 0o600)
    only(host, "fail", "farm.key.next", "32 random bytes")


def test_what_is_no_socket_where_stekds_is_to_be(host):
    host.write("control", b"x", 0o600)
    only(host, "fail", "no socket")


def test_a_missing_store(host):
    os.rename(host.path("store"), host.path("gone"))
    all_of(host, "store No such file or directory",
           "store: No such file or directory")


def test_a_store_that_is_a_file(host):
    os.rename(host.path("store"), host.path("gone"))
    host.write("store", b"")
    all_of(host, "expected a folder", f"store {host.path('store')}: ")


def test_a_store_that_others_can_write(host):
    os.chmod(host.path("store"), 0o770)
    only(host, "fail", "store", "0770", "chmod 0700")


def test_a_store_that_others_can_enter(host):
    os.chmod(host.path("store"), 0o755)
    only(host, "warn", "store", "0755", "chmod 0700")


def test_a_store_that_stekds_user_does_not_own(host):
    os.chown(host.path("store"), 0, 0)
    only(host, "fail", "store", "uid 0", USER.pw_name, "chown")


def test_a_copied_set_that_stekds_user_cannot_read(host):
    os.chown(host.path("store/test.set"), 0, 0)
    only(host, "fail", "test.set", USER.pw_name, "cannot read")


def test_a_copied_set_that_stekds_group_can_read(host):
    os.chown(host.path("store/test.set"), 0, USER.pw_gid)
    os.chmod(host.path("store/test.set"), 0o640)
    assert host.check() == []


def test_a_set_that_is_none(host):
    host.write("store/test.set", b"garbage")
    os.chown(host.path("store/test.set"), USER.pw_uid, -1)
    only(host, "fail", "test.set", "1722 bytes")


def test_another_farms_set(host):
    host.write("store/test.set",
               encode("other", host.farm_key, [sealing()], 1))
    os.chown(host.path("store/test.set"), USER.pw_uid, -1)
    only(host, "fail", "test.set", '"test"')


def test_a_missing_folder_for_the_control_socket(host):
    host.set_up(control=host.path("run/control"))
    only(host, "fail", host.path("run"), "No such file")


def test_a_control_socket_that_others_could_take(host):
    os.mkdir(host.path("run"))
    os.chmod(host.path("run"), 0o777)
    host.set_up(control=host.path("run/control"))
    only(host, "fail", host.path("run"), "replace")


def test_stekd_as_root(host):
    host.configure(host.more)
    os.chown(host.path("store"), 0, 0)
    only(host, "warn", "user", "root's privilege")


@pytest.mark.parametrize("option, word", [
    ("mint = false\n", "only follows"), ('allow = {"disk"}\n', "disk"),
    ('allow = {"unlocked"}\n', "swapped out")])
def test_what_was_chosen_is_a_note(host, option, word):
    host.set_up(option + host.more)
    assert host.check() == []
    assert any(word in note for note in host.notes())


# --- the farm's keys ---------------------------------------------------------

def fill(host, *keys):
    """These keys, in the store and at the target."""
    host.keep(*keys)
    host.stek("export", "--format", "nginx", "-o", host.path("web"))


def test_a_key_from_the_future_is_named_with_its_cure(host):
    start = int(time.time()) + 30 * 24 * HOUR
    ahead = Timed(Key(), start, start + HOUR, start + 2 * HOUR)
    fill(host, sealing(), ahead)
    only(host, "warn", ahead.name, "clock",
         f"stek revoke --key {ahead.name[:8]}")


def test_a_farm_in_which_no_key_seals(host):
    host.keep(opening())
    only(host, "fail", "may seal now", "start stekd")


def test_a_key_that_seals_for_too_long(host):
    late = sealing(since=7 * HOUR)
    fill(host, late)
    only(host, "warn", late.name, "longer than the policy wants")


def test_a_farm_without_keys_is_a_note(host):
    os.unlink(host.path("store/test.set"))
    assert host.check() == []
    assert any("has none yet" in note for note in host.notes())


# --- the host ----------------------------------------------------------------

def check_with(host, path, content):
    """What stek says on a host on which that file says that."""
    host.write("fake", content, mode=0o644)
    return with_mount(host, f'mount --bind "$0/fake" {path}', "check")


SWAPS = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"


def test_swap_that_is_not_encrypted(host):
    swap = f"{host.path('swap'):<40}file\t\t1024\t0\t-2\n"
    host.write("swap", b"")
    result = check_with(host, "/proc/swaps", SWAPS + swap)
    assert result.status == 1
    assert f"warn  swap: {host.path('swap')} is not encrypted" in result.out


@pytest.mark.parametrize("swap", [
    "", "/dev/zram0                              partition\t1024\t0\t100\n"])
def test_no_swap_or_one_in_memory(host, swap):
    result = check_with(host, "/proc/swaps", SWAPS + swap)
    assert result.status == 0 and "ok    swap: " in result.out


def test_cores_of_servers_that_changed_their_user(host):
    result = check_with(host, "/proc/sys/fs/suid_dumpable", "1\n")
    assert result.status == 1
    assert "warn  core dumps: fs.suid_dumpable is 1" in result.out


def test_cores_that_go_to_another_program_are_a_note(host):
    result = check_with(
        host, "/proc/sys/kernel/core_pattern", "|/usr/sbin/keeper %p\n")
    assert result.status == 0
    assert "note  core dumps: " in result.out
    assert "/usr/sbin/keeper" in result.out


def check_as(host, user):
    """What that user is told, with little memory to lock."""
    os.chmod(host.home, 0o755)
    # The build may lie where only root goes.
    program = shutil.copy(STEK, host.path("stek"))
    done = subprocess.run(
        ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}",
         "--clear-groups", "sh", "-c", 'ulimit -l 64; exec "$@"', "sh",
         program, "-c", host.conf, "check"],
        stdout=subprocess.PIPE, check=False)
    assert done.returncode == 1
    return done.stdout.decode().splitlines()


def test_too_little_memory_to_lock_without_root(host):
    for path in ("farm.key", "store", "store/test.set", "stek.conf"):
        os.chown(host.path(path), USER.pw_uid, USER.pw_gid)
    lines = check_as(host, USER)
    assert "fail  locked memory: only 64 KB" in "".join(
        line[:32] for line in lines)
    assert any(line.startswith("note  user: without root") for line in lines)


def test_without_root_roots_configuration_is_about_the_user_it_names(host):
    lines = check_as(host, pwd.getpwnam("nobody"))
    store, = [line for line in lines if host.path("store") + ": " in line]
    assert store.startswith("ok    ") and USER.pw_name in store


# --- stekd -------------------------------------------------------------------

def test_that_stekd_does_not_run_is_a_note(host):
    assert host.check() == []
    assert any("does not answer" in note for note in host.notes())


def test_what_a_running_stekd_knows_to_be_wrong(host):
    answer = [{"done": True, "store": {"state": "failing", "error": "full"},
               "targets": [{"name": "web", "state": "failed",
                            "error": "no such server"}]}]
    with FakeStekd(host, answer):
        all_of(host, "its store is failing: full",
               "web stekd says: no such server")

# SPDX-License-Identifier: ISC
"""
Where a target's files and rings are written: what lies there already, what
its folder and its file system allow, and who owns it.
"""
import contextlib
import os
import pathlib
import shutil
import subprocess

import pytest

from daemon import Daemon, fill_up, haproxy_keys, mode, mounted, owner, read

NOBODY = 65534


@pytest.fixture
def quiet(farm):
    daemon = Daemon(farm)
    yield daemon
    daemon.stop()


def test_a_full_folder_is_told_and_used_again(quiet):
    """What was in the file stays whole."""
    folder = quiet.path("full")
    path = quiet.add("web", "haproxy", os.path.join(folder, "keys"))
    os.mkdir(folder)
    with mounted(folder, "size=64k,mode=0755"):
        quiet.begin().wait_state("web", "applied")
        before = read(path)
        ballast = fill_up(folder)
        quiet.stek("rotate", "--now", check=False)
        assert "No space" in quiet.wait_failed("web")["error"]
        assert read(path) == before
        assert os.listdir(folder) in (["keys", "ballast"],
                                      ["ballast", "keys"])
        os.unlink(ballast)
        quiet.wait_state("web", "applied")
        assert haproxy_keys(path)[1][0] == quiet.status()["sealing"]
        quiet.stop()


def test_a_read_only_file_system_is_told_and_used_again(quiet):
    folder = quiet.path("still")
    path = quiet.add("web", "haproxy", os.path.join(folder, "keys"))
    os.mkdir(folder)
    with mounted(folder, "size=64k,mode=0755,ro"):
        assert "Read-only" in quiet.begin().wait_failed("web")["error"]
        subprocess.run(["mount", "-o", "remount,rw", folder], check=True)
        quiet.wait_state("web", "applied")
        assert os.path.exists(path)
        quiet.stop()


@pytest.mark.parametrize("name", ["keys", ".keys.stek-new"])
@pytest.mark.parametrize("make", [os.symlink, os.link])
def test_a_link_that_lies_there_is_replaced_and_not_followed(quiet, name,
                                                             make):
    folder = quiet.path("folder")
    os.mkdir(folder)
    victim = quiet.write("victim", "precious", mode=0o640)
    make(victim, os.path.join(folder, name))
    path = quiet.add("web", "haproxy", os.path.join(folder, "keys"))
    quiet.begin().wait_state("web", "applied")
    assert read(victim) == b"precious" and mode(victim) == "0o640"
    assert os.listdir(folder) == ["keys"] and not os.path.islink(path)
    assert mode(path) == "0o600"


def test_a_link_in_place_of_a_key_file_in_a_folder_is_replaced(quiet):
    path = quiet.add("web", "nginx")
    quiet.begin().wait_state("web", "applied")
    victim = quiet.write("victim", "precious", mode=0o640)
    list_ = os.path.join(path, "keys.conf")
    os.unlink(list_)
    os.symlink(victim, list_)
    quiet.stek("rotate", "--now")
    quiet.wait_state("web", "applied")
    assert read(victim) == b"precious" and mode(victim) == "0o640"
    assert not os.path.islink(list_)


def test_wrong_owner_and_mode_of_what_is_there_are_put_right(quiet):
    path = quiet.add("web", "haproxy", owner="nobody:nogroup", mode="0640")
    quiet.begin().wait_state("web", "applied")
    quiet.end()
    os.chown(path, 0, 0)
    os.chmod(path, 0o644)
    quiet.again()
    quiet.wait_state("web", "applied")
    assert owner(path) == (NOBODY, NOBODY) and mode(path) == "0o640"


def test_what_a_killed_writer_left_is_removed(quiet):
    web = quiet.add("web", "haproxy")
    folder = quiet.add("folder", "nginx")
    quiet.begin().wait_settled()
    quiet.end()
    left = [quiet.path(".web.stek-new"),
            os.path.join(folder, ".keys.conf.stek-new"),
            os.path.join(folder, "00" * 16 + ".key")]
    for path in left:
        shutil.copy(web, path)
    quiet.again()
    quiet.wait_settled()
    assert [path for path in left if os.path.exists(path)] == []


def test_the_owner_of_files_in_a_folder_can_read_them(quiet):
    path = quiet.add("web", "nginx", owner="nobody:nogroup", mode="0600")
    quiet.begin().wait_state("web", "applied")
    seen = subprocess.run(["cat", os.path.join(path, "keys.conf")],
                          user=NOBODY, group=NOBODY, extra_groups=[],
                          capture_output=True, check=False)
    assert seen.stdout == read(os.path.join(path, "keys.conf"))


def reads(path, uid, gid):
    return subprocess.run(["cat", path], user=uid, group=gid, extra_groups=[],
                          capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("owner_, bits, uid, gid", [
    ("nobody:nogroup", "0600", NOBODY, NOBODY),
    ("root:daemon", "0640", NOBODY, 1), ("bin:daemon", "0640", NOBODY, 1),
    ("bin:daemon", "0640", 2, 2)])
def test_a_folder_lets_in_whom_the_configuration_names_now(
        quiet, owner_, bits, uid, gid):
    """It was made for root alone, and for nobody's group."""
    path = quiet.add("web", "nginx")
    quiet.begin().wait_state("web", "applied")
    for named in ("root:nogroup", owner_):
        quiet.targets.clear()
        quiet.add("web", "nginx", owner=named,
                  mode=bits if named == owner_ else "0640")
        quiet.hup()
        want = owner_.split(":") if named == owner_ else ["root", "nogroup"]
        quiet.wait(lambda: names_of(
            os.path.join(path, "keys.conf")) == want, f"files are {named}'s")
    quiet.wait_state("web", "applied")
    assert reads(os.path.join(path, "keys.conf"), uid, gid)
    assert os.stat(path).st_mode & 0o022 == 0 and owner(path)[0] == 0


def names_of(path):
    found = pathlib.Path(path)
    return [found.owner(), found.group()]


@pytest.mark.parametrize("bits", [0o700, 0o711, 0o755])
def test_what_a_folder_allows_and_need_not_stays(quiet, bits):
    path = quiet.path("web")
    os.mkdir(path)
    os.chmod(path, bits)
    os.chown(path, 0, 1)
    quiet.add("web", "nginx", mode="0640" if bits == 0o755 else "0600")
    quiet.begin().wait_state("web", "applied")
    assert (owner(path), mode(path)) == ((0, 1), oct(bits))


def test_a_ring_cut_short_by_its_owner_is_made_anew(quiet):
    """To write to it would be a fault, and the end of the monitor."""
    path = quiet.add("ring", "ring", owner="nobody:nogroup")
    quiet.begin().wait_state("ring", "applied")
    size = os.stat(path).st_size
    os.truncate(path, 0)
    quiet.stek("rotate", "--now")
    quiet.wait_state("ring", "applied")
    assert os.stat(path).st_size == size


def test_who_cuts_his_ring_short_harms_no_other(quiet):
    """
    Its length is right again, but behind it there is no memory: the next who
    touches it is killed.  That is a worker, not the monitor.
    """
    os.mkdir(quiet.path("small"), 0o755)
    other = quiet.add("other", "haproxy")
    with mounted(quiet.path("small"), "size=64k,mode=755"):
        path = quiet.add("ring", "ring", path=quiet.path("small/ring"),
                         owner="nobody:nogroup")
        quiet.begin().wait_settled()
        monitor, size = quiet.monitor(), os.stat(path).st_size
        ballast = fill_up(quiet.path("small"))
        os.truncate(path, 0)
        with open(ballast, "ab", buffering=0) as file:
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(4096))
        os.truncate(path, size)
        quiet.stek("rotate", "--now", check=False)
        assert "cut short" in quiet.wait_failed("ring")["error"]
        assert quiet.monitor() == monitor
        quiet.wait_state("other", "applied")
        assert haproxy_keys(other)[1][0] == quiet.status()["sealing"]
        os.unlink(ballast)
        quiet.hup()
        quiet.wait_state("ring", "applied")
        quiet.stop()


@pytest.mark.parametrize("what", [b"", b"garbage", bytes(8192), "folder"])
def test_what_is_no_ring_is_replaced_by_one(quiet, what):
    path = quiet.path("ring")
    if what == "folder":
        os.mkdir(path)
    else:
        with open(path, "wb") as file:
            file.write(what)
    quiet.add("ring", "ring")
    quiet.begin()
    if what == "folder":
        assert "Is a directory" in quiet.wait_failed("ring")["error"]
        os.rmdir(path)
    quiet.wait_state("ring", "applied")
    assert read(path)[:8] == b"steking1"

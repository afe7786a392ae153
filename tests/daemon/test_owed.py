# SPDX-License-Identifier: ISC
"""
What a server has yet to take is noted where no server looks and only root
gets at it, and belongs to the file that it has yet to take.
"""
import os
import re
import subprocess

import pytest

from daemon import Daemon, mode, owner, read

NOBODY = 65534


@pytest.fixture
def quiet(farm):
    daemon = Daemon(farm)
    daemon.flag = daemon.path("flag")
    yield daemon
    daemon.stop()


def counting(daemon, name):
    """A reload that fails without the flag, and a count of its runs."""
    return f"echo >>{daemon.path(name)}; test -e {daemon.flag}"


def runs(daemon, name):
    return len(read(daemon.path(name)).splitlines())


def pay(daemon):
    with open(daemon.flag, "wb"):
        pass


def notes(daemon):
    """What each of its files says, sorted."""
    folder = daemon.path("control.owed")
    return sorted(read(os.path.join(folder, name))
                  for name in os.listdir(folder))


def test_nothing_but_keys_lies_where_servers_look(quiet):
    """stunnel reads every file of a folder, and nginx what it is told to."""
    os.mkdir(quiet.path("file"))
    file = quiet.add("file", "haproxy", quiet.path("file", "keys"),
                     reload=counting(quiet, "count"))
    folder = quiet.add("folder", "nginx", reload=counting(quiet, "count"))
    quiet.begin()
    quiet.wait_failed("file")
    quiet.wait_failed("folder")
    quiet.stek("revoke", "--all", check=False)
    assert notes(quiet) == [b"revoke", b"revoke"]
    assert os.listdir(os.path.dirname(file)) == ["keys"]
    for name in os.listdir(folder):
        assert name == "keys.conf" or re.fullmatch("[0-9a-f]{32}[.]key", name)
    pay(quiet)
    quiet.wait_state("file", "applied")
    quiet.wait_state("folder", "applied")
    quiet.wait(lambda: notes(quiet) == [b"", b""], "nothing is owed any more")


def test_only_root_gets_at_it(quiet):
    """Not the process that holds the keys, nor its user."""
    quiet.add("web", "haproxy", reload=counting(quiet, "count"))
    quiet.begin().wait_failed("web")
    folder = quiet.path("control.owed")
    assert owner(folder) == (0, 0) and mode(folder) == "0o700"
    name, = os.listdir(folder)
    path = os.path.join(folder, name)
    assert owner(path) == (0, 0) and mode(path) == "0o600"
    for command in (["rm", path], ["touch", path + "x"], ["ls", folder],
                    ["mv", folder, folder + ".away"], ["rmdir", folder]):
        done = subprocess.run(command, user=NOBODY, group=NOBODY,
                              extra_groups=[], stderr=subprocess.PIPE,
                              text=True, check=False)
        assert "ermission denied" in done.stderr, command


def test_a_target_that_is_renamed_still_owes(quiet):
    """It is the file that the server has not taken, whatever its name."""
    path = quiet.add("old", "haproxy", reload=counting(quiet, "count"))
    quiet.begin().wait_failed("old")
    quiet.end()
    before = runs(quiet, "count")
    pay(quiet)
    quiet.targets.clear()
    quiet.add("new", "haproxy", path, reload=counting(quiet, "count"))
    quiet.again()
    quiet.wait_state("new", "applied")
    assert runs(quiet, "count") == before + 1


def test_one_targets_debt_is_not_anothers(quiet):
    """Also where one path continues the other."""
    quiet.add("a", "haproxy", reload="true; " + counting(quiet, "count-a"))
    quiet.add("a.b", "haproxy",
              reload=f"echo >>{quiet.path('count-a.b')}")
    quiet.begin().wait_failed("a")
    quiet.wait_state("a.b", "applied")
    quiet.end()
    before = runs(quiet, "count-a"), runs(quiet, "count-a.b")
    pay(quiet)
    quiet.again()
    quiet.wait_state("a", "applied")
    quiet.wait_state("a.b", "applied")
    assert (runs(quiet, "count-a"), runs(quiet, "count-a.b")) == (
        before[0] + 1, before[1])


def test_a_note_that_is_wiped_with_its_folder_costs_nothing(quiet):
    """As by a boot, or by somebody who tidies up."""
    quiet.add("web", "haproxy", reload=f"echo >>{quiet.path('count')}")
    quiet.begin().wait_state("web", "applied")
    subprocess.run(["rm", "-r", quiet.path("control.owed")], check=True)
    quiet.stek("rotate", "--now")
    quiet.wait_state("web", "applied")
    assert runs(quiet, "count") == 2


@pytest.mark.parametrize("kind", ["file", "link", "fifo"])
def test_what_lies_in_its_place_is_told_and_left(quiet, kind):
    victim = quiet.write("victim", "precious", mode=0o640)
    place = quiet.path("control.owed")
    if kind == "link":
        os.symlink(victim, place)
    elif kind == "fifo":
        os.mkfifo(place)
    else:
        os.link(victim, place)
    quiet.add("web", "haproxy", reload="true")
    quiet.begin()
    error = quiet.wait_failed("web")["error"]
    assert place in error and "Not a directory" in error
    assert read(victim) == b"precious"
    os.unlink(place)
    quiet.wait_state("web", "applied")


def test_a_control_socket_where_others_could_forge_it_is_told(quiet):
    os.mkdir(quiet.path("theirs"))
    os.chown(quiet.path("theirs"), NOBODY, NOBODY)
    quiet.values["control"] = quiet.path("theirs", "control")
    quiet.add("web", "haproxy", reload="true")
    quiet.stek("init")
    quiet.launch()
    quiet.wait_said("others could replace files in this folder")
    assert os.listdir(quiet.path("theirs")) == ["control"]
    os.chown(quiet.path("theirs"), 0, 0)
    quiet.wait_said("target applied")

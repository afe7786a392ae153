# SPDX-License-Identifier: ISC
"""
stek init: it makes what is missing, never touches what is there, and says
what is wrong with it.
"""
import os
import pwd
import re
import stat

import pytest

from host import Host


@pytest.fixture
def host():
    host_ = Host()
    yield host_
    host_.close()


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


# --- what it makes -----------------------------------------------------------

def test_init_makes_a_farm_key_of_32_bytes_for_its_owner_alone(host):
    assert host.stek("init").status == 0
    assert len(host.read("farm.key")) == 32
    assert mode(host.path("farm.key")) == 0o600


def test_two_farm_keys_differ(host):
    host.stek("init")
    first = host.read("farm.key")
    os.unlink(host.path("farm.key"))
    host.stek("init")
    assert host.read("farm.key") != first


def test_init_makes_the_store_for_its_owner_alone(host):
    assert host.stek("init").status == 0
    assert mode(host.path("store")) == 0o700


def test_the_store_belongs_to_the_user_of_stekd(host):
    host.configure(user="nobody")
    assert host.stek("init").status == 0
    nobody = pwd.getpwnam("nobody")
    assert os.stat(host.path("store")).st_uid == nobody.pw_uid


def test_the_user_of_stekd_gets_the_farm_key_from_root_alone(host):
    host.configure(user="nobody")
    assert host.stek("init").status == 0
    assert os.stat(host.path("farm.key")).st_uid == 0
    assert mode(host.path("farm.key")) == 0o600


def test_init_makes_the_folder_of_the_control_socket(host):
    host.configure(control=host.path("run/control"))
    assert host.stek("init").status == 0
    assert mode(host.path("run")) == 0o755


def test_init_makes_the_folders_above(host):
    host.configure(store=f"dir:{host.path('a/b/store')}",
                   farm_key=host.path("c/d/farm.key"))
    assert host.stek("init").status == 0
    assert os.path.isdir(host.path("a/b/store"))
    assert os.path.isfile(host.path("c/d/farm.key"))


def test_stekds_user_gets_at_what_a_strict_root_made(host):
    """Folders that were there are left as they are."""
    os.mkdir(host.path("a"), 0o750)
    host.configure(store=f"dir:{host.path('a/b/store')}",
                   control=host.path("run/control"))
    assert host.stek("init", umask=0o077).status == 0
    path = host.path("new/sub/stek.conf")
    host.stek("init", "-c", path, conf=False, umask=0o077)
    assert [mode(host.path(made)) for made in (
        "a", "a/b", "a/b/store", "run", "new", "new/sub",
        "new/sub/stek.conf", "farm.key")] == [
            0o750, 0o755, 0o700, 0o755, 0o755, 0o755, 0o644, 0o600]


def test_init_writes_a_configuration_that_stek_reads(host):
    path = host.path("new/stek.conf")
    made = host.stek("init", "-c", path, conf=False)
    assert f"made   {path}" in made.out
    # What it shows in comments is right, too; only not for this host.
    shown = re.sub(r"(?m)^#(?=\S|    )", "",
                   host.read("new/stek.conf").decode())
    assert 'format = "nginx"' in shown
    for place in ("/etc/stek", "/var/lib/stek", "/run/stek"):
        shown = shown.replace(place, host.path("new", place[1:]))
    host.write("new/stek.conf", shown.replace("_stek", "root"))
    result = host.stek("init", "-c", path, conf=False)
    assert (result.status, result.err) == (0, "")


def test_init_keeps_the_key_to_itself(host):
    result = host.stek("init")
    secret = host.read("farm.key")
    assert secret.hex() not in (result.out + result.err).lower()
    assert secret not in result.raw


def test_init_leaves_nothing_else_behind(host):
    host.stek("init")
    assert sorted(os.listdir(host.home)) == ["farm.key", "stek.conf", "store"]


def test_init_says_what_it_made_and_what_it_found(host):
    lines = host.stek("init").out.splitlines()
    assert [line.split()[:2] for line in lines[:3]] == [
        ["found", host.conf], ["made", host.path("farm.key")],
        ["made", host.path("store")]]


def test_init_says_that_a_target_is_missing(host):
    words = f"Name a target in {host.conf}"
    assert words in host.stek("init").out
    host.configure(host.target("web", "nginx"))
    assert words not in host.stek("init").out


def test_init_says_how_to_go_on(host):
    host.configure(host.target("web", "nginx"))
    result = host.stek("init")
    assert result.status == 0
    assert f"stekd -c {host.conf}" in result.out
    assert f"include {host.path('out/web')}/*.conf;" in result.out


# --- what it finds -----------------------------------------------------------

def test_a_second_init_changes_nothing(host):
    host.stek("init")
    before = (host.read("farm.key"), host.read("stek.conf"))
    result = host.stek("init")
    assert result.status == 0
    assert "made" not in result.out
    assert (host.read("farm.key"), host.read("stek.conf")) == before


@pytest.mark.parametrize("content, found", [
    (b"", "another length"),
    (os.urandom(31), "another length"),
    (os.urandom(33), "another length"),
    (bytes(32), "not random"),
    (bytes(range(32)), "not random"),
    (b"correct horse battery staple 123", "not random"),
], ids=["empty", "short", "long", "zero", "counting", "text"])
def test_a_farm_key_that_is_none_is_kept_and_told(host, content, found):
    host.write("farm.key", content)
    result = host.stek("init")
    assert result.status == 1
    assert "farm.key" in result.err and found in result.err
    assert host.read("farm.key") == content


@pytest.mark.parametrize("bits", [0o604, 0o620, 0o660, 0o644, 0o666])
def test_a_farm_key_that_others_get_at_is_told(host, bits):
    host.write("farm.key", host.farm_key, mode=bits)
    result = host.stek("init")
    assert result.status == 1
    assert "others can read or replace" in result.err


def test_a_store_that_others_can_enter_is_told(host):
    os.mkdir(host.path("store"))
    os.chmod(host.path("store"), 0o755)
    result = host.stek("init")
    assert result.status == 1
    assert "chmod 0700" in result.err


def test_a_store_that_is_a_file_is_told(host):
    host.write("store", "")
    result = host.stek("init")
    assert result.status == 1
    assert "expected a folder" in result.err


def test_a_target_on_a_disk_is_told(host):
    host.configure(host.target("web", "nginx", path="/usr/web"))
    result = host.stek("init")
    assert result.status == 1
    assert "/usr/web" in result.err and "disk" in result.err


def test_a_target_on_a_disk_may_be_allowed(host):
    host.configure('allow = {"disk"}\n'
                   + host.target("web", "nginx", path="/usr/web"))
    assert host.stek("init").status == 0


# --- what it cannot do -------------------------------------------------------

def test_a_broken_configuration_stops_init_before_it_makes_anything(host):
    host.write("stek.conf", "farm = \"test\"\nrotate = 5\n")
    result = host.stek("init")
    assert result.status == 1
    assert "stek.conf: line 2:" in result.err
    assert os.listdir(host.home) == ["stek.conf"]


def test_a_folder_that_cannot_be_made_is_named(host):
    host.write("file", "")
    host.configure(store=f"dir:{host.path('file/store')}")
    result = host.stek("init")
    assert result.status == 1
    assert host.path("file") in result.err


def test_init_takes_no_argument(host):
    result = host.stek("init", "now")
    assert result.status == 2
    assert result.err.startswith("stek: init takes no argument")

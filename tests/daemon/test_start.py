# SPDX-License-Identifier: ISC
"""
Starts that are refused: a clear text, status 1, and nothing changed.
"""
import os
import re
import resource
import shutil
import subprocess
import time

import pytest

from host import encode, sealing
from daemon import STEK, STEKD, Daemon, gone, read, replace
from derived import openssl


@pytest.fixture
def stekd(farm):
    """With all that it needs, and a target that nothing may be written to."""
    daemon = Daemon(farm)
    daemon.add("web", "haproxy")
    daemon.stek("init")
    yield daemon
    daemon.stop()


def everything(folder):
    """Each file below a folder but the pid, with its bytes, owner, mode."""
    found = {}
    for where, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(where, name)
            if os.path.isfile(path) and not name.endswith(".stekd"):
                was = os.lstat(path)
                found[path] = (read(path), was.st_uid, was.st_mode)
    return found


def refuses(stekd, *texts, args=(), **popen):
    before = everything(stekd.home)
    status, said = stekd.refused(*args, **popen)
    assert status == 1, said
    for text in texts:
        assert text in said
    assert everything(stekd.home) == before
    assert len(said.splitlines()) == 1, said
    return said


# --- the configuration -----------------------------------------------------

def test_a_missing_configuration(stekd):
    os.unlink(stekd.conf)
    refuses(stekd, stekd.conf, "No such file", "stek init")


@pytest.mark.parametrize("text, said", [
    ('bogus = "x"\n', "bogus"),
    ('farm = "with space"\n', "expected 1 to 64 of"),
    ('store = "s3:bucket"\n', "dir:"),
    ('metrics = "nowhere"\n', "ADDRESS:PORT"),
    ('control = "relative"\n', "absolute path"),
    ('policy { rotate = "soon" }\n', "expected a time"),
    ('target x { format = "iis" path = "/dev/shm/x" }\n', "unknown format"),
    ('target x { format = "lighttpd-gnutls" path = "/dev/shm/x" }\n',
     "does not drive"),
    ('target x { format = "nginx" path = "/dev/shm/../x" }\n',
     "absolute path"),
    ('target x { format = "nginx" path = "/x" mode = "0666" }\n',
     "nothing for others"),
    ('target x { format = "nginx" path = "/x" owner = "nosuchuser:root" }\n',
     "both known on this host"),
    ('target x { format = "nginx" path = "/x" reload = "signal:KILL:/x" }\n',
     "expected \"signal:HUP:"),
    ('target x { format = "nginx" path = "/x" verify = "host" }\n',
     "HOST:PORT"),
    ('allow = {"everything"}\n', "\"disk\" or \"unlocked\""),
])
def test_a_wrong_value_is_named_with_its_line(stekd, text, said):
    line = read(stekd.conf).count(b"\n") + 1
    with open(stekd.conf, "a", encoding="ascii") as conf:
        conf.write(text)
    refuses(stekd, f"{stekd.conf}: line {line}: ", said)


@pytest.mark.parametrize("byte", [1, 9, 10, 0x1f, 0x7f])
def test_a_scope_with_a_control_character(stekd, byte):
    """They are the formats' own: of haproxy's spare keys, for one."""
    line = read(stekd.conf).count(b"\n") + 1
    with open(stekd.conf, "a", encoding="ascii") as conf:
        conf.write('target x { format = "haproxy" path = "/dev/shm/x" '
                   f'scope = "a\\x{byte:02x}" }}\n')
    refuses(stekd, f"{stekd.conf}: line {line}: ", f"byte 2 to be 0x{byte:02x}")


@pytest.mark.parametrize("text, said", [
    ('policy { rotate = "1s" tickets = "1h" lead = "1s" }\n', "at most 16 keys"),
    ('policy { rotate = "1m" tickets = "1m" lead = "2m" }\n',
     "lead: expected no more than rotate"),
    ('target x { format = "nginx" }\n', "no path"),
    ('target x { path = "/dev/shm/x" }\n', "no format"),
])
def test_values_that_do_not_go_together(stekd, text, said):
    with open(stekd.conf, "a", encoding="ascii") as conf:
        conf.write(text)
    refuses(stekd, stekd.conf, said)


def test_two_targets_of_one_path(stekd):
    stekd.add("other", "haproxy", stekd.path("web"))
    refuses(stekd, "web and other have the same path")


@pytest.mark.parametrize("place", ["farm.key", "control", "store",
                                   "store/example.set"])
def test_a_target_in_the_place_of_something_of_stekds(stekd, place):
    stekd.add("other", "haproxy", stekd.path(place))
    refuses(stekd, "target other", stekd.path(place))


@pytest.mark.parametrize("name", ["nosuchuser", "1", "", "root:root"])
def test_an_unknown_user(stekd, name):
    """A user has a name: a number is none, whoever has it."""
    stekd.configure()
    line = read(stekd.conf).count(b"\n") + 1
    with open(stekd.conf, "a", encoding="ascii") as conf:
        conf.write(f'user = "{name}"\n')
    refuses(stekd, f"{stekd.conf}: line {line}: ", "no such user",
            f"useradd --system {name}")


def test_a_test_says_what_is_wrong_and_where(stekd):
    line = read(stekd.conf).count(b"\n") + 1
    with open(stekd.conf, "a", encoding="ascii") as conf:
        conf.write('bogus = "x"\n')
    for args in (["-t"], ["-tf"], ["-ft"]):
        assert refuses(stekd, f"{stekd.conf}: line {line}: ", "bogus",
                       args=args)


def test_a_test_looks_at_nothing_but_the_configuration(stekd):
    """Also while the very stekd runs."""
    before = everything(stekd.home)
    assert stekd.refused("-t") == (0, "")
    assert everything(stekd.home) == before
    stekd.again()
    assert stekd.refused("-t") == (0, "")
    os.unlink(stekd.path("farm.key"))
    assert stekd.refused("-t", "-f") == (0, "")


def test_a_test_refuses_a_file_that_others_can_change(stekd):
    os.chmod(stekd.conf, 0o666)
    refuses(stekd, "others can change this file", args=["-t"])


@pytest.mark.parametrize("bits, uid", [(0o666, 0), (0o664, 0), (0o644, 65534)])
def test_a_configuration_that_others_can_change(stekd, bits, uid):
    os.chmod(stekd.conf, bits)
    os.chown(stekd.conf, uid, 0)
    refuses(stekd, "others can change this file", f"mode {bits:04o}")


def in_theirs(stekd, name, how):
    """The file, or a link of root's to it, in a folder that others can fill."""
    theirs = stekd.path("theirs")
    os.makedirs(os.path.join(theirs, "inner"))
    there = os.path.join(theirs, "inner" if how == "below" else "", name)
    os.rename(stekd.path(name), there)
    if how == "writable":
        os.chmod(theirs, 0o777)
    else:
        os.chown(theirs, 65534, 65534)
    if how != "link":
        return there
    os.symlink(there, stekd.path(name))
    return stekd.path(name)


@pytest.mark.parametrize("how", ["owned", "writable", "below", "link"])
def test_a_configuration_that_others_can_replace(stekd, how):
    """It is root's, but there could be another one a moment later."""
    stekd.conf = in_theirs(stekd, os.path.basename(stekd.conf), how)
    refuses(stekd, stekd.conf, "others can put another file there",
            stekd.path("theirs"))


@pytest.mark.parametrize("how", ["owned", "writable", "below", "link"])
def test_a_farm_key_that_others_can_replace(stekd, how):
    stekd.values["farm_key"] = in_theirs(stekd, "farm.key", how)
    stekd.configure()
    refuses(stekd, "others can read or replace the farm key",
            stekd.path("theirs"))


def test_wrong_usage():
    for args in (["-x"], ["-f", "extra"], ["-c"]):
        done = subprocess.run([STEKD, *args], capture_output=True, text=True,
                              timeout=60, check=False)
        assert done.returncode == 2 and "usage: stekd" in done.stderr


@pytest.mark.parametrize("program", [STEKD, STEK], ids=os.path.basename)
def test_the_version_is_that_of_the_source(program):
    here = os.path.dirname(os.path.abspath(__file__))
    source = os.path.join(here, "..", "..", "meson.build")
    version = re.search(rb"version: '(.+)'", read(source)).group(1).decode()
    done = subprocess.run([program, "-V"], capture_output=True, text=True,
                          timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, f"stek {version}\n")


# --- the farm key ----------------------------------------------------------

def test_a_missing_farm_key(stekd):
    os.unlink(stekd.path("farm.key"))
    refuses(stekd, stekd.path("farm.key"), "No such file", "stek init")


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_a_farm_key_of_another_length(stekd, size):
    stekd.write("farm.key", "x" * size, mode=0o600)
    refuses(stekd, stekd.path("farm.key"), "exactly 32 random bytes",
            "another length")


@pytest.mark.parametrize("data", [bytes(32), b"a" * 32, bytes(range(32))])
def test_a_weak_farm_key(stekd, data):
    with open(stekd.path("farm.key"), "wb") as file:
        file.write(data)
    refuses(stekd, stekd.path("farm.key"), "not random")


@pytest.mark.parametrize("bits, uid", [(0o644, 0), (0o660, 0), (0o600, 65534)])
def test_a_farm_key_that_others_can_get_at(stekd, bits, uid):
    os.chmod(stekd.path("farm.key"), bits)
    os.chown(stekd.path("farm.key"), uid, 0)
    refuses(stekd, "others can read or replace the farm key")


# --- the store -------------------------------------------------------------

def keep(stekd, **options):
    stekd.keep(sealing(), **options)


def test_a_missing_store(stekd):
    shutil.rmtree(stekd.store)
    refuses(stekd, stekd.store, "No such file", "stek init")


def test_a_store_of_another_user(stekd):
    os.chown(stekd.store, 0, 0)
    refuses(stekd, stekd.store, "Permission denied")


def test_a_set_of_another_farm_key(stekd):
    keep(stekd)
    with open(stekd.path("farm.key"), "wb") as file:
        file.write(os.urandom(32))
    refuses(stekd, stekd.set_path, "made with another farm key", stekd.path("farm.key"))


def test_a_set_of_another_farm(stekd):
    keep(stekd, farm="elsewhere")
    refuses(stekd, stekd.set_path, 'farm \\"example\\"')


@pytest.mark.parametrize("size", [0, 100, 1721, 1723, 100000])
def test_a_set_that_is_garbage(stekd, size):
    replace(stekd.set_path, os.urandom(size))
    refuses(stekd, stekd.set_path, "expected an encoded set of 1722 bytes")


def test_an_altered_set(stekd):
    data = bytearray(encode("example", stekd.farm_key(), [sealing()], 3))
    data[500] ^= 1
    replace(stekd.set_path, bytes(data))
    refuses(stekd, stekd.set_path, "left as it is")


def test_an_older_set_than_this_host_has_had(stekd):
    stekd.launch()
    stekd.wait(stekd.status, "it answers")
    old = read(stekd.set_path)
    stekd.stek("rotate", "--now")
    version = stekd.status()["version"]
    stekd.end()
    replace(stekd.set_path, old)
    said = refuses(stekd, "has version 1, but this host has had "
                          f"{version}", "example.seen")
    os.unlink(os.path.join(stekd.store, "example.seen"))
    stekd.again()
    assert "example.seen" in said, "the text says what lets it start"


def test_a_garbled_note_of_the_version(stekd):
    seen = os.path.join(stekd.store, "example.seen")
    for text in (b"", b"x\n", b"-1\n", b"99999999999999999999\n", b"1 2\n"):
        with open(seen, "wb") as file:
            file.write(text)
        os.chown(seen, 65534, 65534)
        refuses(stekd, seen, "expected one version number")


@pytest.mark.parametrize("make", [os.link, os.symlink, None])
def test_a_lock_that_is_another_file(stekd, make):
    """The store's user must not have root overwrite a file of root's."""
    victim = stekd.write("victim", "precious\n")
    lock = os.path.join(stekd.store, "example.stekd")
    if make is None:
        os.mkfifo(lock)
    else:
        make(victim, lock)
    refuses(stekd, lock)
    assert read(victim) == b"precious\n"


# --- the host --------------------------------------------------------------

def test_keys_on_a_disk_only_if_it_is_allowed(stekd):
    kind = subprocess.run(["stat", "-f", "-c", "%T", "/var/tmp"], text=True,
                          stdout=subprocess.PIPE, check=True).stdout.strip()
    if kind in ("tmpfs", "ramfs"):
        pytest.skip("this host has no disk")
    folder = "/var/tmp/" + os.path.basename(stekd.farm.folder)
    os.mkdir(folder, 0o755)
    try:
        stekd.add("disk", "haproxy", os.path.join(folder, "keys"))
        refuses(stekd, "would be written to a disk", "target=disk",
                'allow = {\\"disk\\"}')
        assert os.listdir(folder) == []
        stekd.text = 'allow = {"disk"}'
        stekd.configure()
        stekd.again()
        stekd.wait_state("disk", "applied")
        stekd.end()
    finally:
        shutil.rmtree(folder)


def as_nobody(limit=65536):
    """With hardly any memory that may be locked."""
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (limit, limit))
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)


def test_memory_that_cannot_be_locked_only_if_it_is_allowed(stekd):
    """Started by a user; it then works as far as that user may."""
    program = of_nobody(stekd)
    refuses(stekd, "cannot lock memory", 'allow = {\\"unlocked\\"}',
            executable=program, preexec_fn=as_nobody)
    stekd.text = 'allow = {"unlocked"}'
    stekd.configure()
    with subprocess.Popen([STEKD, "-f", "-c", stekd.conf],
                          executable=program, preexec_fn=as_nobody) as child:
        stekd.child = child
        stekd.wait(stekd.status, "it answers")
        stekd.wait_state("web", "applied")
        assert os.stat(stekd.path("web")).st_uid == 65534
        assert stekd.end() == 0


def of_nobody(stekd):
    """All that it has; and the programs, from where only root may go."""
    for where, folders, names in os.walk(stekd.home):
        for name in folders + names:
            os.chown(os.path.join(where, name), 65534, 65534)
    os.chown(stekd.home, 65534, 65534)
    for name, program in (("bin", STEK), ("sbin", STEKD)):
        os.makedirs(os.path.join(stekd.farm.folder, name), exist_ok=True)
        shutil.copy(program, os.path.join(stekd.farm.folder, name))
    return os.path.join(stekd.farm.folder, "sbin", "stekd")


@pytest.mark.parametrize("key", ["farm.key", "server.key"])
def test_the_memory_that_debian_lets_a_user_lock_is_enough(stekd, key):
    """8 MB."""
    if key == "server.key":
        openssl("genpkey", "-algorithm", "ED25519", "-out", stekd.path(key))
        stekd.values["farm_key"] = f"cert:{stekd.path(key)}"
        stekd.configure()
    with subprocess.Popen(
            [STEKD, "-f", "-c", stekd.conf], executable=of_nobody(stekd),
            preexec_fn=lambda: as_nobody(8 << 20)) as child:
        stekd.child = child
        stekd.wait(stekd.status, "it answers")
        stekd.wait_state("web", "applied")
        assert stekd.end() == 0


def test_a_control_socket_in_a_missing_folder(stekd):
    stekd.values["control"] = stekd.path("none", "control")
    stekd.configure()
    refuses(stekd, stekd.path("none", "control"), "No such file")


def test_a_control_path_that_is_no_socket(stekd):
    stekd.write("precious", "text")
    stekd.values["control"] = stekd.path("precious")
    stekd.configure()
    refuses(stekd, stekd.path("precious"), "is no socket")


def test_a_control_path_that_is_too_long(stekd):
    stekd.values["control"] = "/" + "x" * 107
    stekd.configure()
    refuses(stekd, "control", "at most 107 characters, found 108")


def test_a_refused_start_leaves_no_process(stekd):
    replace(stekd.set_path, b"garbage")
    with subprocess.Popen([STEKD, "-f", "-c", stekd.conf],
                          stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as child:
        group = os.getpgid(child.pid)
        assert child.wait(30) == 1
    until = time.monotonic() + 10
    while time.monotonic() < until:
        left = [pid for pid in os.listdir("/proc") if pid.isdigit() and
                not gone(pid) and stekd.conf.encode() in cmdline(pid)]
        if not left:
            return
    assert not left, group


def cmdline(pid):
    try:
        return read(f"/proc/{pid}/cmdline")
    except OSError:
        return b""

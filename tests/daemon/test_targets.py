# SPDX-License-Identifier: ISC
"""
Targets that fail, each for a reason of its own and all at once: each is shown
failed with a text that helps, none keeps another one waiting, and each
recovers once it is mended.
"""
import contextlib
import os
import shutil
import signal
import subprocess
import time

import pytest

from daemon import Daemon, fill_up, haproxy_keys, mode, mounted, owner, read

NOBODY = 65534


class Trouble:
    """A folder for a target's file, what is wrong, and what mends it."""
    says = ""
    format = "haproxy"

    def __init__(self, daemon):
        self.folder = daemon.path("at-" + self.name())
        os.mkdir(self.folder, 0o755)
        self.path = os.path.join(self.folder, "keys")
        self.flag = daemon.path("mended-" + self.name())
        self.break_it()
        daemon.add(self.name(), self.format, self.path, **self.options())

    @classmethod
    def name(cls):
        return cls.__name__

    def break_it(self):
        pass

    def options(self):
        return {}

    def mend(self):
        """By default: the flag that a reload command looks for."""
        with open(self.flag, "wb"):
            pass

    def check(self):
        """Once it is mended and applied."""


class MissingFolder(Trouble):
    says = "No such file or directory"

    def break_it(self):
        os.rmdir(self.folder)

    def mend(self):
        os.mkdir(self.folder, 0o755)


class FolderOthersCanWrite(Trouble):
    says = "others could replace files in this folder"

    def break_it(self):
        os.chmod(self.folder, 0o777)

    def mend(self):
        os.chmod(self.folder, 0o755)


class FolderTheGroupCanWrite(FolderOthersCanWrite):
    def break_it(self):
        os.chmod(self.folder, 0o770)


class FolderOfAnother(Trouble):
    says = "found uid 65534"

    def break_it(self):
        os.chown(self.folder, NOBODY, NOBODY)

    def mend(self):
        os.chown(self.folder, 0, 0)


class FolderInOneOfAnother(FolderOfAnother):
    """Who can rename the folder can put another one in its place."""

    def break_it(self):
        os.mkdir(os.path.join(self.folder, "inner"), 0o755)
        self.path = os.path.join(self.folder, "inner", "keys")
        super().break_it()


class LinkIntoFolderOfAnother(FolderOfAnother):
    """The link is root's, and so is the folder that it leads to."""

    def break_it(self):
        os.mkdir(os.path.join(self.folder, "inner"), 0o755)
        self.path = self.link(os.path.join(self.folder, "inner"))
        super().break_it()

    def link(self, to):
        os.symlink(to, self.folder + "-link")
        return os.path.join(self.folder + "-link", "keys")


class LinkOverLinkOfAnother(LinkIntoFolderOfAnother):
    """In the end it leads to where only root writes."""

    def break_it(self):
        os.mkdir(self.folder + "-end", 0o755)
        os.symlink(self.folder + "-end", os.path.join(self.folder, "over"))
        self.path = self.link(os.path.join(self.folder, "over"))
        FolderOfAnother.break_it(self)


class LinkOfAnother(Trouble):
    """In a folder where nobody else could replace it."""
    says = "could replace this link"

    def break_it(self):
        os.mkdir(self.folder + "-end", 0o755)
        os.chmod(self.folder, 0o1777)
        os.symlink(self.folder + "-end", os.path.join(self.folder, "link"))
        os.lchown(os.path.join(self.folder, "link"), NOBODY, NOBODY)
        self.path = os.path.join(self.folder, "link", "keys")

    def mend(self):
        os.lchown(os.path.join(self.folder, "link"), 0, 0)


class PathIsFolder(Trouble):
    says = "Is a directory"

    def break_it(self):
        os.mkdir(self.path)

    def mend(self):
        os.rmdir(self.path)


class FolderIsFile(Trouble):
    says = "Not a directory"
    format = "nginx"

    def break_it(self):
        with open(self.path, "wb"):
            pass

    def mend(self):
        os.unlink(self.path)


class ReloadFails(Trouble):
    says = "ended with 3; it is broken"

    def options(self):
        return {"reload": f"test -e {self.flag} || "
                          "{ echo hello; echo it is broken; exit 3; }"}


class ReloadSaysNothing(Trouble):
    says = "ended with 1; it printed nothing"

    def options(self):
        return {"reload": f"test -e {self.flag} || "
                          "{ echo; printf ' \\t\\n\\n'; exit 1; }"}


class ReloadPrintsGarbage(Trouble):
    says = "ended with 1"

    def options(self):
        return {"reload": f"test -e {self.flag} || "
                          "{ printf '\\377\\300\\033[2J\\001'; exit 1; }"}


class ReloadDies(Trouble):
    says = "died of signal 11"

    def options(self):
        return {"reload": f"test -e {self.flag} || kill -SEGV $$"}


class ReloadIsUnknown(Trouble):
    says = "ended with 127"

    def options(self):
        return {"reload": f"test -e {self.flag} || no-such-command"}


class PidFileIsMissing(Trouble):
    says = "is the server running?"

    def options(self):
        return {"reload": f"signal:HUP:{self.flag}"}

    def mend(self):
        self.child = subprocess.Popen(["sleep", "600"])
        with open(self.flag, "w", encoding="ascii") as file:
            file.write(f"{self.child.pid}\n")

    def check(self):
        assert self.child.wait(30) == -signal.SIGHUP


class PidFileHoldsGarbage(PidFileIsMissing):
    says = "expected a process id"

    def break_it(self):
        with open(self.flag, "w", encoding="ascii") as file:
            file.write("-1\n")


class PidFileOthersCanWrite(PidFileIsMissing):
    """Or anyone could have any process of this host signalled."""
    says = "no signal was sent"

    def break_it(self):
        with open(self.flag, "w", encoding="ascii") as file:
            file.write(f"{os.getpid()}\n")
        os.chmod(self.flag, 0o666)

    def mend(self):
        os.unlink(self.flag)
        super().mend()


class PidFileOfAnother(PidFileOthersCanWrite):
    def break_it(self):
        super().break_it()
        os.chmod(self.flag, 0o644)
        os.chown(self.flag, NOBODY, NOBODY)


class NoHaproxy(Trouble):
    says = "No such file or directory"

    def options(self):
        return {"reload": f"haproxy:{self.flag}"}

    def mend(self):
        self.child = subprocess.Popen(
            ["python3", "-c", HAPROXY % self.flag], stdout=subprocess.PIPE)

    def check(self):
        """Each line of the file was pushed, in its order."""
        pushed, _ = self.child.communicate(timeout=30)
        assert pushed.splitlines() == [
            b"set ssl tls-key %s %s" % (self.path.encode(), line)
            for line in read(self.path).splitlines()]


HAPROXY = """
import socket
listener = socket.socket(socket.AF_UNIX)
listener.bind(%r)
listener.listen()
for _ in range(3):
    client, _ = listener.accept()
    print(client.recv(4096).decode(), end="", flush=True)
    client.sendall(b"TLS ticket key updated!\\n\\n")
    client.close()
"""

TROUBLES = [MissingFolder, FolderOthersCanWrite, FolderTheGroupCanWrite,
            FolderOfAnother, FolderInOneOfAnother, LinkIntoFolderOfAnother,
            LinkOverLinkOfAnother, LinkOfAnother, PathIsFolder, FolderIsFile,
            ReloadFails, ReloadSaysNothing, ReloadPrintsGarbage, ReloadDies,
            ReloadIsUnknown, PidFileIsMissing, PidFileHoldsGarbage,
            PidFileOthersCanWrite, PidFileOfAnother, NoHaproxy]


@pytest.fixture(scope="module")
def stekd(farm):
    """With all of these, and one target that has no trouble."""
    daemon = Daemon(farm)
    daemon.troubles = {kind: kind(daemon) for kind in TROUBLES}
    daemon.add("good", "haproxy")
    return daemon.begin()


def test_the_good_one_does_not_wait_for_the_bad(stekd):
    stekd.wait_state("good", "applied")
    assert stekd.target("good")["attempts"] == 0


@pytest.mark.parametrize("kind", TROUBLES,
                         ids=lambda kind: kind.__name__)
def test_it_says_why_and_is_tried_again(stekd, kind):
    seen = stekd.wait_failed(kind.name())
    assert kind.says in seen["error"]
    stekd.wait(lambda: stekd.target(kind.name())["attempts"] >= 2,
               "it is tried again")
    seen = stekd.target(kind.name())
    assert seen["next_try"] > seen["attempts"] and seen["version"] is None


def test_pauses_grow(stekd):
    def pauses():
        seen = stekd.target("MissingFolder")
        return seen["attempts"], seen["next_try"] - time.time()
    stekd.wait(lambda: pauses()[0] >= 2, "two attempts")
    attempts, pause = pauses()
    assert pause <= 2 ** attempts
    stekd.wait(lambda: pauses()[0] > attempts, "another attempt")
    assert pauses()[1] > 2 ** attempts


def test_each_failure_is_logged_once(stekd):
    for kind in TROUBLES:
        lines = [line for line in stekd.said().splitlines()
                 if f"target={kind.name()} " in line and "failed" in line]
        assert len(lines) == 1, lines


@pytest.fixture(scope="module")
def mended(stekd):
    for trouble in stekd.troubles.values():
        trouble.mend()
    yield stekd
    for trouble in stekd.troubles.values():
        if hasattr(trouble, "child"):
            trouble.child.kill()
            trouble.child.wait()


@pytest.mark.parametrize("kind", TROUBLES,
                         ids=lambda kind: kind.__name__)
def test_it_recovers_once_it_is_mended(mended, kind):
    seen = mended.wait_state(kind.name(), "applied")
    assert seen["error"] is None and seen["next_try"] is None
    assert seen["version"] == mended.status()["version"]
    mended.troubles[kind].check()


# --- where it is written -----------------------------------------------------

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

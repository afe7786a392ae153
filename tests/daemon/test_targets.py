# SPDX-License-Identifier: ISC
"""
Targets that fail, each for a reason of its own and all at once: each is shown
failed with a text that helps, none keeps another one waiting, and each
recovers once it is mended.
"""
import os
import signal
import subprocess
import time

import pytest

from daemon import Daemon, read

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
        # Whoever runs the tests may ignore the signal (nohup).
        self.child = subprocess.Popen(
            ["sleep", "600"],
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL))
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

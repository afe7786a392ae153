# SPDX-License-Identifier: ISC
"""
A stekd at work meets faults: at a rotation or a revocation one of its system
calls goes wrong, and goes on doing so.  It says so, the rest goes on; and once
the fault is over it catches up by itself.

Each call takes its turn, with several stekds at work side by side, as most of
the time goes by in pauses between two attempts.
"""
import base64
import contextlib
import errno
import itertools
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import Folder
from fault import GUARD, MANY, Live, run, victim

STEK, STEKD = os.environ["STEK"], os.environ["STEKD"]
CHANGES = ["create", "fchmod", "fchown", "chown", "lchown", "chmod", "write",
           "pwrite", "fallocate", "ftruncate", "fsync", "rename", "link",
           "unlink", "mkdir", "flock"]
NEEDS_ROOM = ["create", "write", "pwrite", "fallocate"]
NEEDS_MEMORY = ["mmap", "fork"]
LANES = 8
KEYS = 8            # a set has room for 16

ROTATE = {"do": "rotate", "now": True}
REVOKE = {"do": "revoke", "all": True}


class Stekd:
    """One that is at work, with a file, a folder and a ring."""

    def __init__(self, folder, calls, how):
        self.folder = folder
        self.web = folder / "out-web/keys"
        self.nginx = folder / "out-nginx"
        self.ring = folder / "out-ring/ring"
        self.log = folder / "log"
        self.fault = Live(folder.path, calls, how)
        self.child = None
        os.chmod(folder.path, 0o755)
        self.configure("true")
        for name in ("out-web", "out-ring"):
            os.mkdir(folder / name, 0o700)
        result = run([STEK, "-c", folder / "stek.conf", "init"])
        assert result.returncode == 0, result.stderr

    def configure(self, reload):
        folder = self.folder
        with open(folder / "stek.conf", "w", encoding="ascii") as conf:
            conf.write(f"""\
farm = "example"
store = "dir:{folder / "store"}"
farm_key = "{folder / "farm.key"}"
user = "nobody"
control = "{folder / "run/control"}"
policy {{ rotate = "1h" tickets = "2h" lead = "10m" }}
target web {{ format = "haproxy" path = "{self.web}" reload = "true" }}
target nginx {{ format = "nginx" path = "{self.nginx}"
    reload = "{reload}" }}
target ring {{ format = "ring" path = "{self.ring}" }}
""")

    @contextlib.contextmanager
    def running(self):
        with open(self.log, "w", encoding="utf-8") as log, subprocess.Popen(
                [STEKD, "-c", self.folder / "stek.conf", "-f"],
                env=self.fault.env, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log) as self.child:
            try:
                self.wait_well()
                yield
                self.fault.disarm()
                self.child.terminate()
                assert self.child.wait(GUARD) == 0
            finally:
                self.child.kill()

    def wait(self, condition, what):
        until = time.monotonic() + GUARD
        while not condition():
            assert self.child.poll() is None, f"it ended: {self.said()}"
            assert time.monotonic() < until, \
                f"{self.fault}: not within {GUARD} s: {what}\n{self.said()}"
            time.sleep(0.02)

    def ask(self, request):
        """Its whole answer; it waits until all targets have settled."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(GUARD)
            client.connect(self.folder / "run/control")
            client.sendall(json.dumps(request).encode() + b"\n")
            data = b""
            while more := client.recv(65536):
                data += more
            return [json.loads(line) for line in data.splitlines()]

    def status(self):
        try:
            return self.ask({"do": "status"})[0]
        except (OSError, IndexError):
            return None

    def is_well(self):
        found = self.status()
        return found is not None and found["version"] > 0 and \
            found["store"]["state"] == "live" and all(
                target["state"] == "applied" and
                target["version"] == found["version"]
                for target in found["targets"])

    def wait_well(self):
        self.wait(self.is_well, "all is well")

    def said(self):
        with open(self.log, encoding="utf-8") as log:
            return log.read()

    # --- what lies in its places ---

    def in_web(self):
        """The names of haproxy's keys, in order; the file must be whole."""
        with open(self.web, "rb") as file:
            raw = [base64.b64decode(line, validate=True)
                   for line in file.read().splitlines()]
        assert len(raw) == 3 and {len(key) for key in raw} == {80}
        return [key[:16].hex() for key in raw]

    def in_nginx(self):
        """The names that the list has; each file must be whole."""
        found = []
        with open(os.path.join(self.nginx, "keys.conf"),
                  encoding="ascii") as file:
            for line in file:
                path = line.split()[-1].rstrip(";")
                assert os.path.getsize(path) == 80
                found.append(os.path.basename(path)[:32])
        return found

    def files_of_nginx(self):
        return {name[:32] for name in os.listdir(self.nginx)
                if name.endswith(".key")}

    def check_ring(self):
        found = victim("show", self.ring)
        assert found.returncode in (0, 4), found     # not the victim's keys

    def litter(self):
        return [name for part in ("out-web", "out-nginx", "out-ring", "store")
                for name in os.listdir(self.folder / part)
                if name.endswith("-new")]


def assert_nothing_old_is_lost(stekd, before):
    """While it fails: whole, and with what sealed before."""
    assert before in stekd.in_web()
    assert before in stekd.in_nginx()
    stekd.check_ring()


def is_told(stekd, error, mark, answer):
    said = stekd.said()[mark:]
    lines = [line for line in said.splitlines()
             if "level=error" in line or "level=warning" in line]
    told = lines + [json.dumps(line) for line in answer
                    if line.get("ok") is False or line.get("done") is False]
    return any(reason in line for line in told for reason in
               (os.strerror(error), "memory"))


def assert_caught_up(stekd, request, before):
    status = stekd.status()
    names = {key["name"] for key in status["keys"]}
    assert stekd.in_web()[1] == status["sealing"], stekd.fault
    assert stekd.in_nginx()[0] == status["sealing"], stekd.fault
    assert stekd.files_of_nginx() == set(stekd.in_nginx()) == names, \
        stekd.fault
    assert (before in names) == (request is ROTATE), stekd.fault
    stekd.check_ring()
    assert not stekd.litter(), stekd.fault
    exposed = [path for path, _ in stekd.folder.exposed
               if path not in (stekd.folder / "stek.conf", stekd.log)]
    assert not exposed, stekd.fault


def one_round(stekd, request, error, at):
    """False: there are not so many calls."""
    if len(stekd.status()["keys"]) > KEYS:
        stekd.ask(REVOKE)
        stekd.wait_well()
    before, mark = stekd.status()["sealing"], len(stekd.said())
    stekd.fault.arm(at)
    answer = stekd.ask(request)
    if not stekd.fault.happened:
        stekd.fault.disarm()
        return False
    if request is ROTATE:
        assert_nothing_old_is_lost(stekd, before)
    if not is_told(stekd, error, mark, answer):
        # Then it must have cost nothing, as while it lasts shows.
        assert stekd.is_well(), \
            f"{stekd.fault}: nobody was told\n{stekd.said()[mark:]}"
        assert_caught_up(stekd, request, before)
    stekd.fault.disarm()
    stekd.wait_well()
    if answer[-1]["done"] is False and stekd.status()["sealing"] == before:
        return True             # refused as a whole
    assert_caught_up(stekd, request, before)
    return True


def lane(request, error, calls, numbers):
    path = tempfile.mkdtemp(prefix="stek-fault.", dir="/dev/shm")
    rounds = 0
    try:
        stekd = Stekd(Folder(path), calls, error)
        with stekd.running():
            for at in numbers:
                assert at < MANY, "it never gets through"
                if not one_round(stekd, request, error, at):
                    return rounds
                rounds += 1
    finally:
        shutil.rmtree(path)
    return rounds


@pytest.mark.parametrize("error,calls,least", [
    (errno.EIO, CHANGES, 20), (errno.ENOSPC, NEEDS_ROOM, 8),
    (errno.ENOMEM, NEEDS_MEMORY, 8)], ids=["EIO", "ENOSPC", "ENOMEM"])
@pytest.mark.parametrize("request_", [ROTATE, REVOKE],
                         ids=["rotate", "revoke"])
def test_what_goes_wrong_is_told_and_made_up_for(request_, error, calls,
                                                 least):
    with ThreadPoolExecutor(LANES) as pool:
        rounds = list(pool.map(
            lambda first: lane(request_, error, calls,
                               itertools.count(first, LANES)),
            range(1, LANES + 1)))
    assert sum(rounds) >= least


def test_a_key_file_that_stays_keeps_no_server_from_the_others():
    """A revoked key that still lies there is told, and removed later."""
    path = tempfile.mkdtemp(prefix="stek-fault.", dir="/dev/shm")
    stekd = Stekd(Folder(path), ["unlink"], errno.EIO)
    count = stekd.folder / "count"
    stekd.configure(f"echo >>{count}")
    with stekd.running():
        # Targets are worked on side by side: which call it is differs.
        for at in itertools.cycle(range(4, 9)):
            before = stekd.status()["sealing"]
            reloads = os.path.getsize(count)
            stekd.fault.arm(at)
            answer = stekd.ask(REVOKE)
            if stekd.fault.happened and \
                    stekd.fault.met.path.endswith(".key"):
                break
            stekd.fault.disarm()
            stekd.wait_well()
        told, = [line for line in answer if line.get("target") == "nginx"]
        assert not told["ok"] and f"{before}.key" in told["detail"]
        assert "remove it" in told["detail"]
        assert before in stekd.files_of_nginx()
        assert os.path.getsize(count) > reloads, "its server was reloaded"
        assert stekd.in_nginx() == [stekd.status()["sealing"]]
        reloads = os.path.getsize(count)
        stekd.fault.disarm()
        stekd.wait_well()
        assert before not in stekd.files_of_nginx()
        assert os.path.getsize(count) == reloads, "once was enough"
    shutil.rmtree(path)


@pytest.mark.parametrize("at,there,says", [
    (1, False, "the file is as it was"),
    (2, True, "the new file is there, but may be gone after a crash")],
    ids=["the file's", "the folder's"])
def test_what_a_failed_sync_left_is_told_as_it_is(at, there, says):
    path = tempfile.mkdtemp(prefix="stek-fault.", dir="/dev/shm")
    stekd = Stekd(Folder(path), ["fsync"], errno.EIO)
    stekd.fault = Live(stekd.folder / "out-web", ["fsync"], errno.EIO)
    with stekd.running():
        stekd.fault.arm(at)
        answer = stekd.ask(ROTATE)
        told, = [line for line in answer if line.get("target") == "web"]
        assert not told["ok"] and os.strerror(errno.EIO) in told["detail"]
        assert says in told["detail"]
        sealing = stekd.status()["sealing"]
        assert (stekd.in_web()[1] == sealing) == there
        stekd.fault.disarm()
        stekd.wait_well()
        assert stekd.in_web()[1] == sealing
    shutil.rmtree(path)

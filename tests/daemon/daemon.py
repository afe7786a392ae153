# SPDX-License-Identifier: ISC
"""
One stekd on a host of its own: its configuration, targets without servers,
what it says over its socket and in its log, what lies in its files.

Never here: expectations.
Invariant: what lies in the store is decoded by tests/cli/host.py, from the
format that lib/codec.c describes, and not by libstek.
"""
import base64
import contextlib
import itertools
import json
import os
import re
import socket
import stat
import subprocess
import time

import pytest

from host import decode, encode
from farm import wait_until
from stekd import STEK, STEKD, Stekd

QUICK = ("3s", "3s", "1s")      # where time must pass
CALM = ("1h", "2h", "10m")      # where none does

_names = itertools.count(1)


def target(name, format_, path, **options):
    """A target's text; values may hold quotes."""
    values = {"format": format_, "path": path, **options}
    return f"target {name} {{\n" + "".join(
        '\t%s = "%s"\n' % (option, str(value).replace("\\", "\\\\")
                           .replace('"', '\\"'))
        for option, value in values.items()) + "}\n"


class Daemon(Stekd):
    def __init__(self, farm, *targets, policy=CALM, text="", **values):
        self.values = values
        super().__init__(farm, f"stekd-{next(_names)}", list(targets),
                         policy=policy, text=text)

    def configure(self):
        """Anew, from targets, policy, text and values."""
        super().configure()
        with open(self.conf, "a", encoding="utf-8") as conf:
            for name, value in self.values.items():
                conf.write(f'{name} = "{value}"\n')

    def add(self, name, format_, path=None, **options):
        """One more target, in its home folder; its path."""
        path = path or self.path(name)
        self.targets.append(target(name, format_, path, **options))
        self.configure()
        return path

    def begin(self):
        """Configure, make what stekd needs, start it."""
        self.configure()
        self.start()
        return self

    def again(self):
        self.launch()
        self.wait(self.status, f"{self.name} answers")

    def hup(self):
        os.kill(self.child.pid, 1)

    def end(self):
        """By SIGTERM; its exit status."""
        self.child.terminate()
        status = self.child.wait(30)
        self.child = None
        return status

    def refused(self, *args, **popen):
        """Start it, which must fail; its exit status and what it said."""
        done = subprocess.run(
            [STEKD, "-c", self.conf, *(args or ["-f"])], timeout=60,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, check=False, **popen)
        return done.returncode, done.stdout

    # --- what it says ---

    def status(self):
        """Its own answer; None if it gives none."""
        try:
            return self.ask({"do": "status"})[0]
        except (OSError, IndexError):
            return None

    def said(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()

    def wait_said(self, text, times=1, patience=30):
        self.wait(lambda: self.said().count(text) >= times,
                  f"it says {text!r} {times} times", patience)

    def state(self, name):
        return self.target(name)["state"]

    def wait_state(self, name, *states, patience=30):
        seen = []

        def check():
            target = self.target(name)
            if target is None or target["state"] not in states:
                return False
            seen.append(target)
            return True
        self.wait(check, f"{name} is {' or '.join(states)}", patience)
        return seen[-1]

    def wait_failed(self, name, patience=30):
        return self.wait_state(name, "failed", patience=patience)

    def wait_version(self, version, patience=30):
        self.wait(lambda: self.status()["version"] >= version,
                  f"version {version}", patience)

    def dial(self):
        client = socket.socket(socket.AF_UNIX)
        client.connect(self.path("control"))
        client.settimeout(30)
        return client

    def ask(self, request):
        """Its answer, as a list of objects."""
        data = request if isinstance(request, bytes) else json.dumps(
            request).encode() + b"\n"
        with self.dial() as client:
            client.sendall(data)
            return read_answer(client)

    # --- what it keeps ---

    @property
    def set_path(self):
        return os.path.join(self.store, "example.set")

    def farm_key(self):
        return read(self.path("farm.key"))

    def kept(self):
        """The version and the keys in the store."""
        return decode("example", self.farm_key(), read(self.set_path))

    def keep(self, *keys, version=1, farm="example"):
        """Put these keys into the store, by rename."""
        data = encode(farm, self.farm_key(), keys, version)
        replace(self.set_path, data)

    # --- its processes ---

    def monitor(self):
        """The monitor's process id."""
        return next(iter(children(self.child.pid)))

    def pids(self):
        """Main, monitor and workers."""
        found, todo = [], [self.child.pid]
        while todo:
            found.append(todo.pop())
            todo += children(found[-1])
        return found


def read(path):
    with open(path, "rb") as file:
        return file.read()


def replace(path, data):
    """By rename, private, and its folder's owner's."""
    fresh = path + ".fresh"
    with open(fresh, "wb") as out:
        os.fchmod(out.fileno(), 0o600)
        os.fchown(out.fileno(), *owner(os.path.dirname(path)))
        out.write(data)
    os.rename(fresh, path)


def read_answer(client):
    """To the end; of a request that was not read to its end, a reset."""
    data = b""
    while True:
        try:
            more = client.recv(65536)
        except ConnectionResetError:
            more = b""
        data += more
        if not more:
            return [json.loads(line) for line in data.splitlines()]


def children(pid):
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children",
                      encoding="ascii") as file:
                found += [int(child) for child in file.read().split()]
    except FileNotFoundError:
        pass
    return found


def gone(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def mode(path):
    return oct(stat.S_IMODE(os.stat(path).st_mode))


def owner(path):
    found = os.stat(path)
    return found.st_uid, found.st_gid


def in_folder(path):
    """The key names of a folder's files, without its list."""
    return sorted(name[:-4] for name in os.listdir(path)
                  if re.fullmatch("[0-9a-f]{32}[.]key", name))


def haproxy_keys(path):
    """Name, AES and HMAC key of each of the file's lines."""
    raw = [base64.b64decode(line) for line in read(path).splitlines()]
    return [(key[:16].hex(), key[16:48], key[48:]) for key in raw]


def in_ring(path, name):
    """Does a key of this name (in hex) lie in the ring's file, if any?"""
    return os.path.exists(path) and bytes.fromhex(name)[:8] in read(path)


def ticks(pid):
    """Processor time so far, in clock ticks."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


@contextlib.contextmanager
def mounted(path, options):
    """A file system of its own, in memory, at this folder."""
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "stek",
                           path], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip("no file system can be mounted: " + done.stderr.strip())
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", path], check=False)


def fill_up(folder):
    """Leave no byte; returns the file to remove."""
    path = os.path.join(folder, "ballast")
    with open(path, "wb", buffering=0) as file:
        for size in (4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))
    return path


def sleep_to(when):
    time.sleep(max(0, when - time.time()))


__all__ = ["CALM", "Daemon", "QUICK", "STEK", "STEKD", "children", "fill_up", "gone",
           "haproxy_keys", "in_folder", "in_ring", "mode", "mounted", "owner", "read",
           "read_answer", "replace", "sleep_to", "target", "ticks",
           "wait_until"]

# SPDX-License-Identifier: ISC
"""
A store "etcd:" in a process of its own (driver.c): what it is asked, and what
it tells.

Never here: expectations.
"""
import itertools
import json
import os
import signal
import subprocess
import threading
import time

from farm import Process

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("STEK_BUILD", os.path.join(HERE, "../../build"))
DRIVER = os.path.realpath(os.path.join(BUILD, "tests/etcd/etcd-driver"))

_names = itertools.count(1)


class Store(Process):
    def __init__(self, farm, prefix, *endpoints, node=None, ca=None,
                 cert=None, user=None, password=None, count=1, wrap=(),
                 first=""):
        """`first` is asked before it begins."""
        super().__init__(farm, f"store-{next(_names)}")
        self.node = node or self.name
        self.began = time.monotonic()
        self.told = []
        self._more = threading.Condition()
        args = ["-n", str(count)]
        if ca:
            args += ["-a", ca]
        if cert:
            args += ["-c", cert[0], "-k", cert[1]]
        if user:
            args += ["-u", user]
        if password:
            args += ["-p", self.write("password", password + "\n", 0o600)]
        self.command = [*wrap, DRIVER, *args, prefix, self.node, *endpoints]
        asked, ask = os.pipe()
        self._ask = open(ask, "w", encoding="utf-8")
        self.ask(first)
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen(
                self.command, stdin=asked, stdout=subprocess.PIPE,
                stderr=log, text=True, start_new_session=True,
                env={**os.environ, "STEK_FARM": self.home})
        os.close(asked)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.child.stdout:
            with self._more:
                self.told.append({**json.loads(line),
                                  "at": time.monotonic()})
                self._more.notify_all()
        with self._more:
            self._more.notify_all()

    # --- what it is asked ---

    def ask(self, line):
        self._ask.write(line + "\n" if line else "")
        self._ask.flush()

    def swap(self, revision, value):
        """How it ended, and why."""
        mark = self.mark()
        self.ask(f"swap {revision} {value}")
        return self.wait_told("swapped", since=mark)

    def list(self):
        mark = self.mark()
        self.ask("list")
        return self.wait_told("nodes", since=mark)

    def asks(self, node):
        """Is it known, and is it live?"""
        mark = self.mark()
        self.ask(f"ask {node}")
        told = self.wait_told("asked", since=mark)
        assert told["node"] == node
        return told["known"], told["live"]

    def counts(self):
        mark = self.mark()
        self.ask("count")
        return self.wait_told("counts", since=mark)

    def signal(self, number):
        os.killpg(self.child.pid, number)

    def kill(self):
        self.signal(signal.SIGKILL)
        self.child.wait()

    def close(self):
        """By itself; its exit status."""
        self.ask("close")
        return self.child.wait(10)

    # --- what it tells ---

    def mark(self):
        return len(self.told)

    def of(self, kind, since=0):
        return [one for one in self.told[since:] if one["told"] == kind]

    def last(self, kind):
        return (self.of(kind) or [None])[-1]

    def wait_told(self, kind, check=lambda one: True, since=0, patience=15):
        """The first of this kind since then for which check is true."""
        end = time.monotonic() + patience
        with self._more:
            while True:
                for one in self.of(kind, since):
                    if check(one):
                        return one
                left = end - time.monotonic()
                assert left > 0 and self.child.poll() is None, (
                    f"no {kind} in {patience} s: {self.told[-20:]}\n"
                    f"{self.logs()}")
                self._more.wait(left)

    def wait_found(self, value, since=0, patience=15):
        return self.wait_told("found", lambda one: one["value"] == value,
                              since, patience)

    def wait_live(self, since=0, patience=15):
        return self.wait_told("state", lambda one: one["state"] == "live",
                              since, patience)

    def wait_stale(self, since=0, patience=15, why=""):
        return self.wait_told("state", lambda one: one["state"] == "stale"
                              and why in one["why"], since, patience)

    def wait_sees(self, value, patience=15):
        """Its last word is this value, and it is live."""
        def settled(_one):
            return (self.last("found") or {}).get("value") == value and \
                (self.last("state") or {}).get("state") == "live"
        end = time.monotonic() + patience
        with self._more:
            while not settled(None):
                left = end - time.monotonic()
                assert left > 0 and self.child.poll() is None, (
                    f"not live with {value!r}: {self.told[-20:]}\n"
                    f"{self.logs()}")
                self._more.wait(left)
        return self.last("found")

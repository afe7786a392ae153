# SPDX-License-Identifier: ISC
"""
Programs run with one system call of theirs going wrong: see inject.c.

Never here: what must follow from that.
Invariant: walk() ends only once the program got through without a fault, so
that each of its calls has failed once.
"""
import errno
import itertools
import os
import struct
import subprocess
import tempfile
from dataclasses import dataclass

INJECT = os.environ["INJECT"]
VICTIM = os.environ["VICTIM"]
GUARD = 60          # seconds after which a program counts as hanging
MANY = 3000         # no program here makes so many calls


@dataclass
class Call:
    """One system call, and the file as it was just before."""
    name: str
    size: int
    mode: int
    uid: int
    gid: int
    path: str


class Fault:
    """The environment of a program that one fault is to meet."""

    def __init__(self, under, calls=None, at=0, how="kill"):
        self.number, self.how = at, how
        self._state = tempfile.NamedTemporaryFile(prefix="stek-fault.")
        self._state.write(bytes(32))
        self._state.flush()
        self._log = tempfile.NamedTemporaryFile(prefix="stek-fault.")
        self.env = {
            **os.environ, "LD_PRELOAD": INJECT, "FAULT_UNDER": under,
            "FAULT_AT": str(at), "FAULT_STATE": self._state.name,
            "FAULT_LOG": self._log.name,
            "FAULT_HOW": how if isinstance(how, str) else str(how)}
        if calls:
            self.env["FAULT_CALLS"] = ",".join(calls)
        # Programs that become another user write there too.
        os.chmod(self._state.name, 0o666)
        os.chmod(self._log.name, 0o666)

    @property
    def happened(self):
        # Unbuffered, as others write to it.
        seen = os.pread(self._state.fileno(), 16, 0)
        return struct.unpack("QQ", seen)[1] > 0

    @property
    def calls(self):
        with open(self._log.name, encoding="utf-8") as log:
            return [self._call(line) for line in log]

    @property
    def met(self):
        """The call that went wrong."""
        return self.calls[self.number - 1]

    @staticmethod
    def _call(line):
        name, size, mode, uid, gid, path = line.rstrip("\n").split(" ", 5)
        return Call(name, int(size), int(mode, 8), int(uid), int(gid), path)

    def __str__(self):
        how = self.how if isinstance(self.how, str) else \
            errno.errorcode[self.how]
        return f"{how} at call {self.number}: " + \
            (str(self.met) if self.happened else "not met")


class Live(Fault):
    """
    Faults for a program that goes on: none, until it is armed; then one call
    goes wrong, and each further one of its name on its path, until it is
    disarmed.
    """

    def __init__(self, under, calls, how):
        super().__init__(under, calls, "live", how)

    def arm(self, at):
        self.disarm()
        os.truncate(self._log.name, 0)
        self.number = at
        self._put(0, 0, 0)
        self._put(16, at)

    def disarm(self):
        self._put(16, 0)

    def _put(self, offset, *numbers):
        os.pwrite(self._state.fileno(),
                  struct.pack(f"{len(numbers)}Q", *numbers), offset)


def run(command, env=None):
    return subprocess.run(command, env=env, timeout=GUARD, check=False,
                          stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def victim(*args, env=None):
    return run([VICTIM, *map(str, args)], env)


def walk(how, under, prepare, program, calls=None):
    """
    Let call after call go wrong.  prepare() makes all as it is before,
    program(env) runs what is tested.  Yields (fault, what program returned).
    """
    for at in itertools.count(1):
        assert at < MANY, "it never gets through"
        prepare()
        fault = Fault(under, calls, at, how)
        result = program(fault.env)
        if not fault.happened:
            if at > len(fault.calls):
                return
            continue            # of those that this cannot happen to
        yield fault, result

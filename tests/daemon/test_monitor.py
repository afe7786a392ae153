# SPDX-License-Identifier: ISC
"""
The monitor, asked by somebody who has taken the main process over: whatever
he sends, only what the configuration names is touched, and what then lies
there is keys and nothing else.

He has the main process's end of their socket; a test gets it by
pidfd_getfd(2), while the main process is stopped.
"""
import base64
import ctypes
import hashlib
import os
import random
import re
import signal
import socket
import struct
import time

import pytest

from daemon import Daemon, in_folder, in_ring, read

PLACE, RELOAD, PROBE, DONE, CONF = range(5)
PIDFD_GETFD = 438
FOLDER, FILE, RING = range(3)
NAMED = {FOLDER: "folder", FILE: "file", RING: "ring"}
KEYS_MAX = 16

_libc = ctypes.CDLL(None, use_errno=True)


@pytest.fixture(scope="module")
def stekd(farm):
    daemon = Daemon(farm)
    daemon.folder = daemon.add("folder", "nginx")
    daemon.file = daemon.add("file", "haproxy")
    daemon.ring = daemon.add("ring", "ring")
    daemon.begin().wait_settled()
    yield daemon
    daemon.stop()


@pytest.fixture(scope="module")
def line(stekd):
    """The main process's end."""
    pidfd = os.pidfd_open(stekd.child.pid)
    for name in os.listdir(f"/proc/{stekd.child.pid}/fd"):
        fd = _libc.syscall(PIDFD_GETFD, pidfd, int(name), 0)
        if fd < 0:
            if ctypes.get_errno() in (1, 38):
                pytest.skip("pidfd_getfd is not allowed here")
            continue
        try:
            found = socket.socket(fileno=fd)
        except OSError:
            os.close(fd)
            continue
        if found.type & 0xf == socket.SOCK_SEQPACKET:
            found.settimeout(30)    # it does not block; the monitor may lag
            return found
        found.close()
    raise AssertionError("it has no such socket")


@pytest.fixture(autouse=True)
def unharmed(stekd):
    """Nothing beside the targets has changed, and all go on working."""
    before = sorted(everything(stekd))
    monitor = stekd.monitor()
    yield
    answer = stekd.ask({"do": "rotate", "now": True})
    assert answer[-1] == {"done": True, "failed": 0}
    assert stekd.monitor() == monitor
    assert sorted(everything(stekd)) == before


@pytest.fixture
def thief(stekd, line, unharmed):
    """He asks and hears the answers; the main process is stopped."""
    os.kill(stekd.child.pid, signal.SIGSTOP)
    try:
        thief_ = Thief(stekd, line)
        yield thief_
        thief_.finish()
    finally:
        os.kill(stekd.child.pid, signal.SIGCONT)


class Thief:
    def __init__(self, stekd, line):
        self.stekd, self.line = stekd, line
        self.hash = hashlib.blake2b(read(stekd.conf), digest_size=32).digest()
        self.serial = 2 ** 63
        os.kill(stekd.child.pid, signal.SIGSTOP)

    def head(self, op, index, hash_=None):
        """A struct monitor_request, of a revocation."""
        self.serial += 1
        return struct.pack("=IIQ32sBB6x", op, index, self.serial,
                           hash_ or self.hash, 1, 0)

    def answer(self):
        """To the last request: did it work, and what the monitor says."""
        while True:
            data = self.line.recv(65536)
            _, _, serial, ok = struct.unpack_from("=IIQ?", data)
            if serial == self.serial:
                return ok, data[32:].rstrip(b"\0").decode()

    def ask(self, op, index, data=b"", hash_=None):
        self.line.send(self.head(op, index, hash_) + data)
        return self.answer()

    def send(self, data):
        self.line.send(data)
        self.finish()

    def finish(self):
        """All that was sent has been read, and what lies there is keys."""
        assert self.ask(PROBE, 2 ** 20) == (
            False, "the configuration has changed")
        self.stekd.wait(self.is_idle, "its workers have ended")
        unlike_keys(self.stekd)

    def is_idle(self):
        with open(f"/proc/{self.stekd.monitor()}/task/"
                  f"{self.stekd.monitor()}/children", encoding="ascii") as file:
            return file.read() == ""


def unlike_keys(stekd):
    """What each file of a server may hold, and not a byte more."""
    listed = [f"ssl_session_ticket_key {stekd.folder}/{name}.key;"
              for name in in_folder(stekd.folder)]
    lines = read(os.path.join(stekd.folder, "keys.conf")).decode()
    assert sorted(lines.splitlines()) == sorted(listed)
    for name in os.listdir(stekd.folder):
        assert re.fullmatch("keys[.]conf|[0-9a-f]{32}[.]key", name)
        if name != "keys.conf":
            data = read(os.path.join(stekd.folder, name))
            assert len(data) == 80 and data[:16].hex() == name[:32]
    for one in read(stekd.file).splitlines():
        assert len(base64.b64decode(one, validate=True)) == 80


def key(name=None, aes=None, mac=None, begin=-100, seal=3600, end=7200):
    """A struct stek_key: good, but for what is said."""
    now = int(time.time())
    return struct.pack(
        "=16s32s32sqqq", name or os.urandom(16), aes or os.urandom(32),
        mac or os.urandom(32), now + begin, now + seal, now + end)


def keys(*all_, count=None):
    """A struct stek_set."""
    return struct.pack("=QQ", 7, len(all_) if count is None else count) + \
        b"".join(all_).ljust(KEYS_MAX * 104, b"\0")


def everything(stekd):
    """All paths of its home and above, but the key files of its folder."""
    for folder, _, names in os.walk(os.path.dirname(stekd.home)):
        for name in names:
            if folder != stekd.folder or name == "keys.conf":
                yield os.path.join(folder, name)


def name_of(key_):
    return key_[:16].hex()


def test_what_the_test_sends_is_what_the_monitor_takes(stekd, thief):
    """Or none of the others would show a thing."""
    one = key()
    for index in NAMED:
        assert thief.ask(PLACE, index, keys(one)) == (True, "")
    assert in_folder(stekd.folder) == [name_of(one)]
    assert read(os.path.join(stekd.folder, name_of(one) + ".key"))[:80] in (
        one[:80], one[:16] + one[48:80] + one[16:48])
    assert one[:80] in [base64.b64decode(line)
                        for line in read(stekd.file).splitlines()]
    assert in_ring(stekd.ring, name_of(one))


def test_bytes_for_a_file_are_not_taken(stekd, thief):
    """He wants this in what a server reads as configuration, as root."""
    evil = b"load_module /tmp/evil.so;\n"
    for data in (evil, evil.ljust(len(keys()), b"\n"),
                 struct.pack("=II64sI", 0, 1, b"keys.conf", len(evil)) + evil,
                 struct.pack("=64sI", b"keys.conf", len(evil)) + evil):
        for index in NAMED:
            ok, why = thief.ask(PLACE, index, data)
            assert not ok
            assert why == ("the keys to be written are no set; nothing was "
                           "written")


TEXT = b"add acl #0 10.0.0.1; shutdown sessions server a/b\n" * 2


@pytest.mark.parametrize("bad", [
    {"name": TEXT[:16], "aes": TEXT[:32]}, {"aes": TEXT[:32]},
    {"mac": TEXT[:32]}, {"aes": b"\n" * 32}, {"mac": bytes(32)},
    {"begin": 10, "seal": 5}, {"seal": 7201}, {"end": 2 ** 40},
    {"begin": -2 ** 40}], ids=lambda bad: "-".join(bad))
@pytest.mark.parametrize("index", NAMED, ids=NAMED.get)
def test_what_is_no_key_is_not_placed(stekd, thief, index, bad):
    """Also not among others that are."""
    for sent in (keys(key(**bad)), keys(key(), key(**bad)),
                 keys(key(**bad), key())):
        ok, why = thief.ask(PLACE, index, sent)
        assert not ok and "are no set" in why


def test_two_keys_whose_names_begin_alike_are_not_placed(stekd, thief):
    one = key()
    other = key(name=one[:4] + os.urandom(12))
    for index in NAMED:
        ok, why = thief.ask(PLACE, index, keys(one, other))
        assert not ok and "are no set" in why


@pytest.mark.parametrize("count", [17, 2 ** 32, 2 ** 64 - 1])
def test_a_set_of_too_many_keys_is_refused(stekd, thief, count):
    for index in NAMED:
        ok, why = thief.ask(PLACE, index, keys(key(), count=count))
        assert not ok and "are no set" in why


def test_a_set_of_another_length_is_refused(stekd, thief):
    whole = keys(key())
    for length in [*range(0, len(whole), 61), len(whole) - 1]:
        ok, why = thief.ask(PLACE, FOLDER, whole[:length])
        assert not ok and "are no set" in why
    ok, why = thief.ask(PLACE, FOLDER, whole + b"x")
    assert not ok and "are no set" in why


def test_a_file_without_a_key_that_seals_is_not_written(stekd, thief):
    before = read(stekd.file)
    for sent in (keys(), keys(key(begin=60))):
        ok, why = thief.ask(PLACE, FILE, sent)
        assert not ok and why.startswith("cannot write the keys as haproxy")
    assert read(stekd.file) == before


@pytest.mark.parametrize("index", [3, 255, 256, 2 ** 31, 2 ** 32 - 1])
@pytest.mark.parametrize("op", [PLACE, RELOAD, PROBE, DONE])
def test_a_target_that_there_is_not_is_refused(thief, op, index):
    assert thief.ask(op, index, keys(key())) == (
        False, "the configuration has changed")


def test_another_configuration_is_refused(stekd, thief):
    for op in (PLACE, RELOAD, PROBE, DONE):
        assert thief.ask(op, FILE, keys(key()), hash_=bytes(32)) == (
            False, "the configuration has changed")
    ok, _ = thief.ask(CONF, 0, hash_=bytes(32))
    assert not ok


def test_operations_that_there_are_not(thief):
    for op in (5, 6, 255, 2 ** 31, 2 ** 32 - 1):
        thief.send(thief.head(op, 0))


def test_garbage(thief):
    seed = random.randrange(2 ** 32)
    print("seed", seed)
    chance = random.Random(seed)
    for _ in range(300):
        data = bytearray(thief.head(PLACE, chance.randrange(3)) + keys(key()))
        for _ in range(chance.randrange(1, 8)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        thief.line.send(bytes(data[:chance.randrange(1, len(data) + 1)]))
        thief.line.send(chance.randbytes(chance.randrange(1, 3000)))
        thief.finish()

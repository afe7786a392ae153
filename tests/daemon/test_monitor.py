# SPDX-License-Identifier: ISC
"""
The monitor, asked by somebody who has taken the main process over: whatever
he sends, only what the configuration names is touched.

He has the main process's end of their socket; a test gets it by
pidfd_getfd(2).
"""
import ctypes
import hashlib
import os
import random
import socket
import struct

import pytest

from daemon import Daemon, in_folder, read

PLACE, RELOAD, PROBE, DONE, CONF = range(5)
PIDFD_GETFD = 438
FILES_MAX = 17
SET_LEN = 8 + 8 + 16 * 104

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


def everything(stekd):
    """All paths of its home and above, but the key files of its folder."""
    for folder, _, names in os.walk(os.path.dirname(stekd.home)):
        for name in names:
            if folder != stekd.folder or name == "keys.conf":
                yield os.path.join(folder, name)


def message(stekd, op, index, files=(), ring=None, count=None, hash_=None):
    """As monitor_send() makes it."""
    hash_ = hash_ or hashlib.blake2b(read(stekd.conf), digest_size=32).digest()
    data = struct.pack("=IIQ32sB7x", op, index, 0, hash_, 1)
    data += struct.pack("=II", ring is not None,
                        len(files) if count is None else count)
    for name, content in files:
        data += struct.pack("=64sI", name, len(content)) + content
    return data + (ring or b"")


def test_what_the_test_sends_is_what_the_monitor_takes(stekd, line):
    """Or none of the others would show a thing."""
    name = b"0" * 32 + b".key"
    line.send(message(stekd, PLACE, 0, [(name, b"harmless")]))
    stekd.wait(lambda: in_folder(stekd.folder) == ["0" * 32], "it is placed")


@pytest.mark.parametrize("name", [
    b"../evil.key", b"/dev/shm/evil", b"keys.conf/../../evil", b".", b"..",
    b"", b"evil.conf", b"0" * 32 + b".key/x", b"0" * 31 + b".key",
    b"0" * 33 + b".key", b"A" * 32 + b".key", b"keys.conf.stek-new",
    b".keys.conf.stek-new", b"x" * 64])
def test_a_file_of_another_name_is_not_written(stekd, line, name):
    line.send(message(stekd, PLACE, 0, [(name, b"evil")]))
    if name:
        line.send(message(stekd, PLACE, 1, [(name, b"evil")]))
    for folder, _, names in os.walk(stekd.home):
        for found in names:
            path = os.path.join(folder, found)
            if os.path.isfile(path):
                assert read(path) != b"evil", path


@pytest.mark.parametrize("index", [3, 255, 256, 2 ** 31, 2 ** 32 - 1])
@pytest.mark.parametrize("op", [PLACE, RELOAD, PROBE, DONE])
def test_a_target_that_there_is_not_is_refused(stekd, line, op, index):
    line.send(message(stekd, op, index, [(b"", b"evil")]))


def test_another_configuration_is_refused(stekd, line):
    for op in (PLACE, RELOAD, PROBE, DONE, CONF):
        line.send(message(stekd, op, 1, [(b"", b"evil")], hash_=bytes(32)))


def test_what_is_for_another_kind_of_target_is_refused(stekd, line):
    """Files for a ring, a ring for files, several files for one."""
    line.send(message(stekd, PLACE, 2, [(b"", b"evil")]))
    line.send(message(stekd, PLACE, 1, ring=bytes(SET_LEN)))
    line.send(message(stekd, PLACE, 0, ring=bytes(SET_LEN)))
    for length in (0, 1, SET_LEN - 1, SET_LEN + 1):
        line.send(message(stekd, PLACE, 2, ring=bytes(length)))


@pytest.mark.parametrize("count", [17, 2 ** 32, 2 ** 64 - 1])
def test_a_set_of_too_many_keys_is_refused(stekd, line, count):
    ring = struct.pack("=QQ", 1, count) + bytes(16 * 104)
    line.send(message(stekd, PLACE, 2, ring=ring))


def test_lengths_that_lead_out_of_the_message_are_refused(stekd, line):
    whole = message(stekd, PLACE, 0, [(b"keys.conf", b"x" * 100)] * 3)
    for length in range(1, len(whole), 7):
        line.send(whole[:length])
    for count in (2, 4, FILES_MAX + 1, 2 ** 31, 2 ** 32 - 1):
        line.send(message(stekd, PLACE, 0, [(b"keys.conf", b"x")],
                          count=count))
    head = message(stekd, PLACE, 0, count=1)
    for length in (1, 2 ** 16, 2 ** 31, 2 ** 32 - 1):
        line.send(head + struct.pack("=64sI", b"keys.conf", length))


def test_operations_that_there_are_not(stekd, line):
    for op in (5, 6, 255, 2 ** 31, 2 ** 32 - 1):
        line.send(message(stekd, op, 0))


def test_garbage(stekd, line):
    seed = random.randrange(2 ** 32)
    print("seed", seed)
    chance = random.Random(seed)
    good = message(stekd, PLACE, 0, [(b"keys.conf", b"x" * 50)] * 2)
    for _ in range(300):
        data = bytearray(good)
        for _ in range(chance.randrange(1, 8)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        line.send(bytes(data[:chance.randrange(1, len(data) + 1)]))
        line.send(chance.randbytes(chance.randrange(1, 3000)))

# SPDX-License-Identifier: ISC
"""
A host for the tests of the command line: a configuration, a farm key and a
store in a folder of its own, in memory, and stek run on them.

Never here: expectations; a key that stek made.
Invariant: the store's bytes are made here from the format that lib/codec.c
describes, with libsodium and not with libstek.
"""
import ctypes
import ctypes.util
import json
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass

import pytest

import pytest

from keys import Key

STEK = os.environ["STEK"]
STEKD = os.environ.get("STEKD")
GUARD = 60          # seconds after which stek counts as hanging
HOUR = 3600
MAGIC = b"stekset1"
SLOTS = 16

_sodium = ctypes.CDLL(ctypes.util.find_library("sodium"))


def terminal():
    """Its two ends."""
    try:
        return os.openpty()
    except OSError as error:
        return pytest.skip(f"no pseudo-terminal to be had: {error.strerror}")


@dataclass(frozen=True)
class Timed:
    """A key and its times."""
    key: Key
    seal_from: int
    seal_until: int
    open_until: int

    @property
    def name(self):
        return self.key.name

    def slot(self):
        return self.key.bytes_name + self.key.aes + self.key.mac + struct.pack(
            ">qqq", self.seal_from, self.seal_until, self.open_until)


def sealing(key=None, since=HOUR):
    """A key of the default policy that began to seal `since` seconds ago."""
    start = int(time.time()) - since
    return Timed(key or Key(), start, start + 12 * HOUR, start + 24 * HOUR)


def opening(key=None):
    """One that sealed until an hour ago."""
    end = int(time.time()) - HOUR
    return Timed(key or Key(), end - 6 * HOUR, end, end + 12 * HOUR)


def pending(key=None, after=600):
    start = int(time.time()) + after
    return Timed(key or Key(), start, start + 12 * HOUR, start + 24 * HOUR)


def encode(farm, farm_key, keys, version):
    """A set as it lies in a store."""
    head = MAGIC + struct.pack(">Q", version)
    nonce = os.urandom(24)
    plain = struct.pack(">H", len(keys)) + b"".join(k.slot() for k in keys)
    plain += bytes(2 + SLOTS * 104 - len(plain))
    data = head + farm.encode()
    sealed = ctypes.create_string_buffer(len(plain) + 16)
    assert _sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(
        sealed, None, plain, ctypes.c_ulonglong(len(plain)), data,
        ctypes.c_ulonglong(len(data)), None, nonce, farm_key) == 0
    return head + nonce + sealed.raw


def decode(farm, farm_key, data):
    """The version and the keys in what lies in a store."""
    head, nonce, sealed = data[:16], data[16:40], data[40:]
    plain = ctypes.create_string_buffer(len(sealed) - 16)
    bound = head + farm.encode()
    assert _sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(
        plain, None, None, sealed, ctypes.c_ulonglong(len(sealed)), bound,
        ctypes.c_ulonglong(len(bound)), nonce, farm_key) == 0
    count, = struct.unpack(">H", plain.raw[:2])
    keys = []
    for at in range(2, 2 + count * 104, 104):
        slot = plain.raw[at:at + 104]
        keys.append(Timed(Key(slot[:16], slot[16:48], slot[48:80]),
                          *struct.unpack(">qqq", slot[80:])))
    return struct.unpack(">Q", head[8:])[0], keys


@dataclass(frozen=True)
class Result:
    status: int
    out: str
    err: str
    raw: bytes


class Host:
    farm = "test"

    def __init__(self):
        self.home = tempfile.mkdtemp(prefix="stek-cli-", dir="/dev/shm")
        self.farm_key = os.urandom(32)
        self.stekd = None
        self.configure()

    def close(self):
        self.stop()
        subprocess.run(["chmod", "-R", "u+rwX", self.home], check=False)
        shutil.rmtree(self.home)

    def path(self, *parts):
        return os.path.join(self.home, *parts)

    def write(self, name, data, mode=0o600):
        """A file with these bytes or this text; its path."""
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data if isinstance(data, bytes) else data.encode())
        os.chmod(path, mode)
        return path

    def read(self, *parts):
        with open(self.path(*parts), "rb") as file:
            return file.read()

    def configure(self, more="", **options):
        """A configuration of these options, and what more it says."""
        values = {"farm": self.farm, "store": f"dir:{self.path('store')}",
                  "farm_key": self.path("farm.key"), "user": "root",
                  "control": self.path("control"), **options}
        text = "".join(f'{name} = "{value}"\n'
                       for name, value in values.items())
        self.conf = self.write("stek.conf", text + more, mode=0o644)

    def target(self, name, format_, path=None, **options):
        """The text of a target, for configure()."""
        values = {"format": format_, "path": path or self.path("out", name),
                  **options}
        return f"target {name} {{\n" + "".join(
            f'    {option} = "{value}"\n'
            for option, value in values.items()) + "}\n"

    def keep(self, *keys, version=1):
        """A farm key and a store with these keys."""
        self.write("farm.key", self.farm_key)
        os.makedirs(self.path("store"), mode=0o700, exist_ok=True)
        self.write(f"store/{self.farm}.set",
                   encode(self.farm, self.farm_key, keys, version))
        return keys

    def kept(self):
        """The version and the keys in the store."""
        return decode(self.farm, self.read("farm.key"),
                      self.read("store", f"{self.farm}.set"))

    def start(self):
        """A stekd of this host's configuration, once it answers."""
        with open(self.path("stekd.log"), "ab") as log:
            self.stekd = subprocess.Popen(
                [STEKD, "-f", "-c", self.conf], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log)
        until = time.monotonic() + GUARD
        while self.stek("status", "--json").err:
            assert self.stekd.poll() is None, self.read("stekd.log").decode()
            assert time.monotonic() < until, "stekd does not answer"
            time.sleep(0.02)

    def stop(self):
        if self.stekd is not None:
            self.stekd.terminate()
            self.stekd.wait(GUARD)
            self.stekd = None

    def stek(self, *args, conf=True, **popen):
        """Run stek on this host; never with a terminal."""
        command = [STEK, *args] + (["-c", self.conf] if conf else [])
        popen.setdefault("stdout", subprocess.PIPE)
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
            timeout=GUARD, check=False, **popen)
        raw = done.stdout or b""
        return Result(done.returncode, raw.decode(errors="replace"),
                      done.stderr.decode(errors="replace"), raw)


def with_mount(host, mount, *args):
    """
    Run stek where this shell command has mounted something, which nobody
    else sees and which is gone afterwards; then what $1 holds, if it is a
    folder.  In the command $0 is the host's folder, and $1 the one that it
    may mount at.
    """
    if subprocess.run(["unshare", "-m", "true"], check=False,
                      stderr=subprocess.DEVNULL).returncode != 0:
        pytest.skip("nothing may be mounted here")
    script = mount + """
status=0
"$2" -c "$3" $4 || status=$?
for file in "$1"/* "$1"/.[!.]*; do
    [ ! -e "$file" ] || echo "${file##*/} holds $(cat "$file")"
done
exit $status"""
    done = subprocess.run(
        ["unshare", "-m", "sh", "-ec", script, host.home, host.path("mnt"),
         STEK, host.conf, " ".join(args)], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=GUARD,
        check=False)
    return Result(done.returncode, done.stdout.decode(), done.stderr.decode(),
                  done.stdout)


def is_hidden(key, *texts):
    """No secret part of the key shows in these texts, as bytes or as hex."""
    for text in texts:
        data = text if isinstance(text, bytes) else text.encode()
        for secret in (key.aes, key.mac, key.aes[:16], key.mac[:16]):
            if secret in data or secret.hex().encode() in data.lower():
                return False
    return True


class FakeStekd:
    """Takes one connection after another, and answers each as told."""

    def __init__(self, host, *answers, hang=False):
        self.answers = answers      # one of bytes, or a list of objects, each
        self.hang = hang            # after the last, say nothing, end nothing
        self.requests = []
        self.held = []
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(host.path("control"))
        self.socket.listen()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        for answer in self.answers:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            with client.makefile("rb") as lines:
                self.requests.append(json.loads(lines.readline()))
            if not isinstance(answer, bytes):
                answer = b"".join(
                    json.dumps(one).encode() + b"\n" for one in answer)
            try:
                client.sendall(answer)
            except BrokenPipeError:
                pass
            if self.hang:
                self.held.append(client)
            else:
                client.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join(GUARD)
        for client in self.held:
            client.close()
        self.socket.close()

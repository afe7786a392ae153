# SPDX-License-Identifier: ISC
"""
What the tests of stek probe share: servers with habits known beforehand, and
how a probe is run.

Never here: expectations; a key that stek made.
Invariant: a probe that hangs fails its test.
"""
import json
import os
import struct
import subprocess
import time

from farm import Server
from servers import Nginx

STEK = os.environ["STEK"]
GUARD = 60          # seconds after which a probe counts as hanging
BOTH = {"TLSv1.2", "TLSv1.3"}


class EditedNginx(Nginx):
    """nginx with parts of its configuration replaced."""

    def __init__(self, farm, name, edits):
        super().__init__(farm, name)
        self.edits = edits

    def configure(self, shared):
        super().configure(shared)
        with open(self.path("nginx.conf"), encoding="ascii") as conf:
            text = conf.read()
        for old, new in self.edits.items():
            assert old in text
            text = text.replace(old, new)
        self.write("nginx.conf", text)


class Stunnel(Server):
    """With a key of its own making, and nothing behind it."""

    def configure(self, shared):
        self.write("stunnel.conf", f"""
foreground = yes
pid =
[tls]
accept = 127.0.0.1:{self.port}
connect = 127.0.0.1:{self.farm.port()}
cert = {self.farm.cert}
key = {self.farm.cert_key}
ticketKeySecret = {os.urandom(32).hex()}
ticketMacSecret = {os.urandom(32).hex()}
""", mode=0o600)

    def command(self):
        return ("stunnel", self.path("stunnel.conf"))


class OldLighttpd(Server):
    """lighttpd with mbed TLS 2.28: TLS 1.2 only, and key names of 4 bytes."""

    def configure(self, shared):
        self.write("lighttpd.conf", f"""
server.document-root = "{self.home}"
server.port = {self.port}
server.bind = "127.0.0.1"
server.modules = ("mod_mbedtls")
ssl.engine = "enable"
ssl.pemfile = "{self.farm.cert_both}"
ssl.stek-file = "{self.keys}"
""")

    def command(self):
        return ("lighttpd", "-D", "-f", self.path("lighttpd.conf"))

    def encode(self, keys):
        now = int(time.time())
        times = struct.pack("=iii", 0, now - 60, now + 3600)
        return {"": times + keys[0].h80()}


class Result:
    """What a probe printed, and its exit status."""

    def __init__(self, done):
        self.status = done.returncode
        self.out = done.stdout
        self.err = done.stderr
        self.json = json.loads(done.stdout) if done.stdout[:1] == "{" else None

    def versions(self):
        return {v["version"]: v for v in self.json["versions"]}

    def servers(self, version=None):
        """What was found of each server, by version or over all of them."""
        return [server for v in self.json["versions"]
                if version in (None, v["version"]) for server in v["servers"]]

    def pairs(self):
        return [pair for v in self.json["versions"] for pair in v["pairs"]]

    def abroad(self):
        return [p for p in self.pairs() if p["from"] != p["to"]]

    def at_home(self):
        return [p for p in self.pairs() if p["from"] == p["to"]]

    def reasons(self):
        return {pair["reason"] for pair in self.pairs() if pair["reason"]}


def address(server):
    return server if isinstance(server, str) else f"127.0.0.1:{server.port}"


def probe(*args, env=None):
    return Result(subprocess.run(
        [STEK, "probe", *map(str, args)], capture_output=True, text=True,
        timeout=GUARD, env=env, check=False))


def probe_json(*servers, options=()):
    return probe("--json", *options, *map(address, servers))


def start(server, keys=None):
    if keys:
        server.place(keys)
    server.start(shared=keys is not None)
    return server


def edited(farm, name, edits, keys=None):
    return start(EditedNginx(farm, name, edits), keys)

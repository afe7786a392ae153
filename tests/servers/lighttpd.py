# SPDX-License-Identifier: ISC
"""
lighttpd with each of its TLS modules, of which five take one option in five
ways.

Never here: another server.
Invariant: as in servers.py.
"""
import os
import struct
import subprocess
import time

from client import Ticket
from farm import Server
from stekd import BUILD, STEK

PRELOAD = os.path.realpath(os.path.join(BUILD, "preload"))


def willing_nss():
    """
    The folder of a libssl3 that takes keys: STEK_NSS, or where the tests of
    nss/ have built it; None where they could not.
    """
    folder = os.environ.get("STEK_NSS") or os.path.realpath(
        os.path.join(BUILD, "nss", "patched"))
    found = os.path.exists(os.path.join(folder, "libssl3.so"))
    return folder if found else None


class Lighttpd(Server):
    """It looks for a new file by itself when the clock shows 64 * n."""
    KIND = "lighttpd"
    FORMAT = "lighttpd"
    OWNER = "www-data:www-data"
    RELOAD_KEEPS_OLD = False    # it remembers keys until it is restarted
    FORGETS = False
    BOOTS_AFTER = True      # what is there is looked at every 64 s only
    MODULE = "mod_openssl"

    def configure(self, shared):
        keys = f'ssl.stek-file = "{self.keys}"' if shared else ""
        self.write("lighttpd.conf", f"""
server.modules = ("{self.MODULE}")
server.document-root = "{self.home}"
server.pid-file = "{self.path("pid")}"
server.username = "www-data"
server.groupname = "www-data"
server.bind = "{self.LISTENS}"
server.port = {self.port}
server.feature-flags = ("server.graceful-shutdown-timeout" => 2)
ssl.engine = "enable"
ssl.pemfile = "{self.farm.cert}"
ssl.privkey = "{self.farm.cert_key}"
{keys}
""")

    def command(self):
        return ("lighttpd", "-D", "-f", self.path("lighttpd.conf"))

    def reload_command(self):
        """Only for revoking: it forgets every key but the file's."""
        return "signal:USR1:" + self.path("pid")

    def encode(self, keys):
        now = int(time.time())
        return {"": struct.pack("=iii", 0, now - 100, now + 100000) +
                keys[0].h80()}


class LighttpdWolfssl(Lighttpd):
    """Its tickets' MAC is of the ciphertext alone."""
    KIND = "lighttpd-wolfssl"
    RENEWS = ("1.3",)
    MODULE = "mod_wolfssl"

    @classmethod
    def of_key(cls, ticket, key):
        inner = Ticket(ticket.version, ticket.bytes[34:], ticket.hint)
        return cls.named(ticket, key.name) and inner.proven_by(key.mac)


class LighttpdMbedtls(Lighttpd):
    """Its tickets are AES-GCM's and show four bytes of the name."""
    KIND = "lighttpd-mbedtls"
    MODULE = "mod_mbedtls"
    VERSIONS = ("1.2",)
    NAME_DIGITS = 8
    PROOF = "name"
    RENEWS = ()

    @classmethod
    def of_key(cls, ticket, key):
        return cls.named(ticket, key.name)


class LighttpdGnutls(Lighttpd):
    KIND = "lighttpd-gnutls"
    MODULE = "mod_gnutls"


class LighttpdNss(Lighttpd):
    KIND = "lighttpd-nss"
    MODULE = "mod_nss"


class LighttpdNssPlain(LighttpdNss):
    """With as many workers as one likes, and a certificate of either type."""
    KIND = "lighttpd-nss-plain"
    RSA = False
    WORKERS = 1

    def configure(self, shared):
        super().configure(False)
        with open(self.path("lighttpd.conf"), "a", encoding="utf-8") as conf:
            if self.WORKERS > 1:
                conf.write(f"server.max-worker = {self.WORKERS}\n")
            if self.RSA:
                cert, key = self._make_rsa()
                conf.write(f'ssl.pemfile := "{cert}"\n'
                           f'ssl.privkey := "{key}"\n')

    def _make_rsa(self):
        cert, key = self.path("rsa.pem"), self.path("rsa.key")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
             "-days", "30", "-subj", "/CN=localhost", "-keyout", key,
             "-out", cert], check=True, capture_output=True)
        return cert, key

    def workers(self):
        """The ids of the processes that serve."""
        pid = self.child.pid
        if self.WORKERS == 1:
            return [pid]
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as ids:
            return [int(child) for child in ids.read().split()]


class LighttpdNssRun(LighttpdNssPlain):
    """
    Started by stek run.  Its tickets all have one name, and the first bytes
    of the key's own at the beginning of the IV.
    """
    KIND = "lighttpd-nss-run"
    FORMAT = "ring"
    NAME_DIGITS = 8
    RENEWS = ("1.3",)
    BOOTS_AFTER = True
    RELOAD_KEEPS_OLD = True
    FORGETS = True

    def command(self):
        return (STEK, "run", "--ring", self.keys, "--", *super().command())

    def run(self, *command, env=None):
        super().run(*command, env={"STEK_PRELOAD": PRELOAD, **(env or {})})

    def reload_command(self):
        return ""

    @classmethod
    def named(cls, ticket, name):
        return ticket.bytes[16:20].hex() == name[:cls.NAME_DIGITS]


class LighttpdNssRunRsa(LighttpdNssRun):
    KIND = "lighttpd-nss-run-rsa"
    RSA = True


class LighttpdNssGiven(LighttpdNssRun):
    """On a libssl3 that takes keys."""
    KIND = "lighttpd-nss-given"
    NAME_DIGITS = 32
    RENEWS = ("1.2", "1.3")
    LIBRARY = willing_nss()

    def run(self, *command, env=None):
        super().run(*command,
                    env={"LD_LIBRARY_PATH": self.LIBRARY, **(env or {})})

    @classmethod
    def named(cls, ticket, name):
        return ticket.name == name


class LighttpdNssGivenRsa(LighttpdNssGiven):
    KIND = "lighttpd-nss-given-rsa"
    RSA = True

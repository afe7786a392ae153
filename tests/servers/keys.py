# SPDX-License-Identifier: ISC
"""
Keys written by hand, for the tests that check the servers without stek:
what goes wrong here is the server's or the harness's doing, never stek's.

Never here: a key that stek made.
Invariant: layouts come from the servers' documentation and behaviour, not
from formats/.
"""
import base64
import os
from dataclasses import dataclass, field


def _random(size):
    return field(default_factory=lambda: os.urandom(size))


@dataclass(frozen=True)
class Key:
    """A key of either size: short formats take the first half of both."""
    bytes_name: bytes = _random(16)
    aes: bytes = _random(32)
    mac: bytes = _random(32)

    @property
    def name(self):
        return self.bytes_name.hex()

    def a80(self):
        """name, AES, HMAC: haproxy, nghttpx, dnsdist, unbound."""
        return self.bytes_name + self.aes + self.mac

    def h80(self):
        """name, HMAC, AES: nginx, lighttpd."""
        return self.bytes_name + self.mac + self.aes

    def a48(self):
        """name, AES-128, HMAC: nginx, haproxy, nghttpx."""
        return self.bytes_name + self.aes[:16] + self.mac[:16]

    def h48(self):
        """name, HMAC, AES-128: apache, trafficserver."""
        return self.bytes_name + self.mac[:16] + self.aes[:16]


def base64_lines(blobs):
    return b"".join(base64.b64encode(blob) + b"\n" for blob in blobs)

# SPDX-License-Identifier: ISC
"""
The echo servers of examples/, one a TLS library.

Never here: expectations.
"""
import glob
import os

from farm import Server
from stekd import BUILD

FOLDER = os.path.realpath(os.path.join(BUILD, "examples"))


class Example(Server):
    """All of a farm may have one ring; each is called after its library."""
    FORMAT = "ring"
    BOOTS_AFTER = True
    RING = ""

    def configure(self, shared):
        """It takes arguments only."""

    def takes(self, ticket):
        """Does its library look at a ticket of that length at all?"""
        return len(ticket.bytes) <= LONGEST.get(
            (self.KIND, ticket.version), 65535)

    def command(self):
        return (os.path.join(FOLDER, "example-" + self.KIND), str(self.port),
                self.farm.cert, self.farm.cert_key, self.RING)


# Mbed TLS 2.28 has no tickets in TLS 1.3.
VERSIONS = {"mbedtls": ("1.2",)}

# wolfSSL 5.5.4 gives up a connection of TLS 1.2 over a longer ticket, before
# it asks anybody.
LONGEST = {("wolfssl", "1.2"): 206}


def names():
    """Which of them were built."""
    paths = glob.glob(os.path.join(FOLDER, "example-*"))
    return sorted(os.path.basename(path)[len("example-"):] for path in paths
                  if os.access(path, os.X_OK) and os.path.isfile(path))


def example(name, ring):
    return type("Example", (Example,), {
        "KIND": name, "RING": ring,
        "VERSIONS": VERSIONS.get(name, Example.VERSIONS)})

# SPDX-License-Identifier: ISC
"""
A storm on two of Debian's lighttpd with mod_nss, started by stek run: eight
clients take tickets from one to the other while the farm rotates once a
second.  For STEK_SOAK seconds, or ten.

Never here: how fast it is.
"""
import os
import threading
import time
from collections import Counter

import pytest

from client import visit
from farm import wait_until
from lighttpd import LighttpdNssGiven, LighttpdNssRun
from stekd import Stekd

SECONDS = int(os.environ.get("STEK_SOAK", "10"))
CLIENTS = 8
VERSIONS = ("1.2", "1.3")
RETRY = "X448:P-256"
POLICY = ("5s", "8s", "1s")
# Stock NSS under stock lighttpd grows by 100 bytes a connection; a key that
# is not given back would be a thousand more.
GROWTH = 256
SLACK = 2 << 20
KINDS = (LighttpdNssRun,) + \
    ((LighttpdNssGiven,) if LighttpdNssGiven.LIBRARY else ())


class Client(threading.Thread):
    """Takes each ticket to the other server; now and then it needs a retry."""

    def __init__(self, pair, number, ends):
        super().__init__(daemon=True)
        self.ports = [server.port for server in pair]
        self.number = number
        self.ends = ends
        self.counts = Counter()
        self.failures = []

    def run(self):
        tickets = {}
        turn = self.number
        while time.monotonic() < self.ends and len(self.failures) < 5:
            turn += 1
            version = VERSIONS[turn // 2 % 2]
            groups = RETRY if turn % 8 == 0 else None
            try:
                self._go(tickets, version, self.ports[turn % 2], groups)
            # The server is gone: the test is to say so.
            except (OSError, AssertionError) as error:
                self.failures.append(repr(error))

    def _go(self, tickets, version, port, groups):
        ticket = tickets.get(version)
        seen = visit(port, version, ticket, groups=groups)
        if not seen.clean:
            self.failures.append(repr(seen))
        self.counts["resumed" if seen.resumed else
                    "lost" if ticket else "full"] += 1
        # In TLS 1.2 a ticket is not renewed: a new one, then and when.
        tickets[version] = seen.ticket or \
            (ticket if self.counts["resumed"] % 8 else None)


def memory(servers):
    """Resident bytes of all processes, without what they share."""
    total = 0
    for server in servers:
        for pid in server.workers():
            with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
                _, resident, shared = statm.read().split()[:3]
            total += (int(resident) - int(shared)) * os.sysconf("SC_PAGESIZE")
    return total


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.KIND)
def test_a_storm_with_a_rotation_a_second(farm, kind):
    pair = [kind(farm, f"{kind.KIND}-soak-{which}") for which in "ab"]
    stekd = Stekd(farm, f"{kind.KIND}-soak-stekd",
                  [server.target(verify="") for server in pair], POLICY)
    stekd.start()
    wait_until(lambda: all(server.placed() for server in pair),
               "the rings are there")
    for server in pair:
        server.start()
    began = time.monotonic()
    clients = [Client(pair, number, began + SECONDS)
               for number in range(CLIENTS)]
    for client in clients:
        client.start()
    rotations, first = 0, None
    while time.monotonic() < began + SECONDS:
        rotations += stekd.stek("rotate", "--now", check=False) \
            .returncode == 0
        if first is None and time.monotonic() > began + SECONDS / 3:
            first = memory(pair)
        time.sleep(max(0, began + rotations - time.monotonic()))
    for client in clients:
        client.join()
    last = memory(pair)
    counts = sum((client.counts for client in clients), Counter())
    print(f"{kind.KIND}: {SECONDS} s, {rotations} rotations, {dict(counts)}, "
          f"{first} bytes, then {last}")
    assert not [text for client in clients for text in client.failures]
    assert rotations >= SECONDS / 4
    # The first of a process, and what was not used for eight seconds.
    assert counts["lost"] <= counts["resumed"] / 10
    assert last - first <= SLACK + GROWTH * sum(counts.values())
    assert "stek:" not in pair[0].logs() + pair[1].logs()

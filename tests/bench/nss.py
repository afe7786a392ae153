#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""
What a resumed handshake costs Debian's lighttpd with mod_nss, in processor
time of the server: as it is, and with stek's preloaded object.  With STEK_NSS,
the folder of a libssl3 that takes keys, that too.

The servers run side by side and are visited in turn, there and back, so that
none has a place of advantage; what counts is the median of the ratios of
neighbours.

Never here: how long a client waits.
"""
import os
import statistics
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "servers"))

from client import new_ticket, visit    # noqa: E402
from farm import Farm, wait_until       # noqa: E402
from lighttpd import (LighttpdNssGiven, LighttpdNssPlain,  # noqa: E402
                      LighttpdNssRun)
from stekd import Stekd                 # noqa: E402

ROUNDS = 120
VISITS = 150
GOAL = 1.03


def spent(server):
    """Processor time of the server so far, in microseconds."""
    with open(f"/proc/{server.child.pid}/schedstat", encoding="ascii") as stat:
        return int(stat.read().split()[0]) / 1000


def batch(server, ticket):
    before = spent(server)
    for _ in range(VISITS):
        if not visit(server.port, ticket.version, ticket).resumed:
            raise AssertionError(f"{server.name} did not resume")
    return (spent(server) - before) / VISITS


def compare(farm, kinds, version):
    servers = [kind(farm, f"{kind.KIND}-{version}") for kind in kinds]
    driven = [server for server in servers if server.FORMAT == "ring"]
    stekd = Stekd(farm, f"stekd-{version}",
                  [server.target(verify="") for server in driven],
                  ("6h", "12h", "10m"))
    stekd.start()
    wait_until(lambda: all(server.placed() for server in driven),
               "the rings are there")
    for server in servers:
        server.start()
    tickets = [new_ticket(server.port, version) for server in servers]
    pairs = list(zip(servers, tickets))
    rounds = [[batch(*pair) for pair in pairs] if at % 2 == 0 else
              [batch(*pair) for pair in reversed(pairs)][::-1]
              for at in range(ROUNDS)]
    for server in servers:
        server.stop()
    for at, kind in enumerate(kinds):
        cost = statistics.median(one[at] for one in rounds)
        ratio = statistics.median(one[at] / one[0] for one in rounds)
        verdict = "" if at == 0 else "met" if ratio <= GOAL else "MISSED"
        print(f"TLS {version}  {kind.KIND:20}  {cost:8.1f}  {ratio:6.3f}  "
              f"{verdict}", flush=True)


KINDS = [LighttpdNssPlain, LighttpdNssRun]
if LighttpdNssGiven.LIBRARY:
    KINDS.append(LighttpdNssGiven)
print(f"lighttpd with mod_nss, a resumed handshake: {ROUNDS} rounds of "
      f"{VISITS}, medians; goal: {GOAL} of stock\n"
      "         server                 CPU, us   ratio")
with Farm() as farm_:
    for tls in ("1.2", "1.3"):
        compare(farm_, KINDS, tls)

# SPDX-License-Identifier: ISC
"""
The life of two servers of one kind, driven by one stekd: keys arrive, a
rotation, the end of old tickets, a revocation.  A Story lives it through in a
thread of its own, as most of it is waiting, and writes down what it saw; the
tests judge.

Never here: an expectation of what the servers or stekd should do, beyond
that each step comes to its end.
"""
import json
import threading
import traceback
from dataclasses import dataclass
from typing import Any

from client import Ticket, Visit, new_ticket, try_visit, visit
from farm import FarmError, wait_until
from keys import Key
from stekd import Stekd

STEPS = ("driven", "rotated", "expired", "revoked")
POLICY = ("1h", "40s", "10m")
PATIENCE = 300      # lighttpd looks at its file once in 64 seconds
AT_ONCE = 15        # visits in a row, to meet every process of a server


@dataclass
class Offer:
    """A ticket taken from one server to the other."""
    ticket: Ticket
    there: Any
    seen: Visit


def settle(server, sealing):
    """
    Until none of its processes seals with another key: a rotation is verified
    by one handshake, and nginx's old workers go on for a moment.
    """
    def one():
        seen = try_visit(server.port, server.VERSIONS[-1])
        return seen is not None and seen.ticket is not None and \
            server.named(seen.ticket, sealing)

    if server.NAME_DIGITS:
        server.wait(lambda: all(one() for _ in range(AT_ONCE)),
                    f"all of {server.name} seals with {sealing}")


class Story:
    """See above; reach(step) waits for a step's end, then it can be read."""

    def __init__(self, farm, kind, policy=POLICY):
        self.farm = farm
        self.kind = kind
        self.policy = policy
        self.pair = [kind(farm, f"{kind.KIND}-{which}") for which in "ab"]
        self.stekd = Stekd(farm, f"{kind.KIND}-stekd", self.pair, policy)
        self.ends = {step: threading.Event() for step in STEPS}
        self.error = None
        # What was seen, step by step.
        self.sealing = {}       # the sealing key that stek status shows
        self.first = []         # offers of fresh tickets
        self.proofs = {}        # how far each verify went
        self.rotate = None      # what stek rotate ended with
        self.fresh = []         # tickets issued after the rotation
        self.old = []           # offers of tickets of the key before it
        self.renewed = []       # offers of the tickets these brought
        self.held = []          # the tickets of the key before, to expire
        self.revoke = None      # what stek revoke ended with
        self.revoked = []       # offers of tickets of the revoked keys
        self.last = []          # offers of fresh tickets, after it all

    def start(self):
        threading.Thread(target=self._run, name=self.kind.KIND,
                         daemon=True).start()

    def reach(self, step):
        if not self.ends[step].wait(PATIENCE + 120):
            raise FarmError(f"{self.kind.KIND}: no end of {step}")
        if self.error is not None and STEPS.index(step) >= self.error[0]:
            raise FarmError(self.error[1])

    def _run(self):
        for number, step in enumerate(STEPS):
            if self.error is None:
                try:
                    getattr(self, "_" + step)()
                # Whatever it is, it is the tests' to tell.
                except Exception as error:  # pylint: disable=broad-except
                    self.error = (number, self._tell(step, error))
            self.ends[step].set()

    def _tell(self, step, error):
        parts = [f"{self.kind.KIND}, until {step}: {error}",
                 traceback.format_exc()]
        status = self.stekd.status() if self.stekd.running() else None
        parts.append(json.dumps(status, indent=1))
        parts += [member.logs() for member in [self.stekd, *self.pair]]
        return "\n".join(parts)

    def _directions(self):
        return (self.pair, self.pair[::-1])

    def _settle(self, step):
        for server in self.pair:
            settle(server, self.sealing[step])

    def _collect(self):
        """(where to offer it, ticket) for both directions and versions."""
        return [(there, new_ticket(here.port, version))
                for here, there in self._directions()
                for version in self.kind.VERSIONS]

    def _offer(self, tickets, times=1):
        return [Offer(ticket, there,
                      visit(there.port, ticket.version, ticket))
                for there, ticket in tickets for _ in range(times)]

    def _verified(self):
        status = self.stekd.status()
        return status is not None and all(
            target["state"] == self.kind.SETTLES
            for target in status["targets"])

    def _driven(self):
        if self.kind.BOOTS_AFTER:
            # As at boot: the keys are there before the servers are.
            self.stekd.start()
            wait_until(lambda: all(server.placed() for server in self.pair),
                       "the key files are there")
        else:
            # As when stek comes to a host whose servers have keys already.
            for server in self.pair:
                server.place([Key()])
        for server in self.pair:
            server.start()
        if not self.kind.BOOTS_AFTER:
            self.stekd.start()
        self.stekd.wait(self._verified, "all is " + self.kind.SETTLES,
                        PATIENCE)
        status = self.stekd.status()
        self.sealing["driven"] = status["sealing"]
        self.proofs = {target["name"]: target["proof"]
                       for target in status["targets"]}
        self._settle("driven")
        self.first = self._offer(self._collect())

    def _rotated(self):
        held = self._collect()
        self.rotate = self.stekd.stek("rotate", "--now", check=False)
        self.sealing["rotated"] = self.stekd.status()["sealing"]
        self._settle("rotated")
        self.old = self._offer(held)
        self.fresh = [ticket for _, ticket in self._collect()]
        self.renewed = self._offer(
            [(offer.there, offer.seen.ticket) for offer in self.old
             if offer.seen.ticket is not None])
        self.held = held

    def _all_end(self):
        seen = [try_visit(there.port, ticket.version, ticket)
                for there, ticket in self.held]
        return all(one is not None and one.full for one in seen)

    def _expired(self):
        """Where it takes no longer than a test may."""
        if self.kind.FORGETS:
            self.stekd.wait(self._all_end, "the old tickets expire", 100,
                            pause=0.5)

    def _revoked(self):
        self.stekd.wait(self._verified, "all is settled", PATIENCE)
        held = self._collect()
        self.revoke = self.stekd.stek("revoke", "--all", check=False)
        self.revoked = self._offer(held, AT_ONCE)
        self.sealing["revoked"] = self.stekd.status()["sealing"]
        self.last = self._offer(self._collect())

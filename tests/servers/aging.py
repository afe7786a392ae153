# SPDX-License-Identifier: ISC
"""
What takes minutes at one server, each lived through in a thread of its own:
an Aging, a ticket until its key is gone; a Missed, a new key until it is used.

Never here: an expectation, beyond that each comes to its end.
"""
import os
import signal
import threading
import time
import traceback

from client import new_ticket, try_visit
from keys import Key
from stekd import Stekd

PATIENCE = 400


class Life(threading.Thread):
    """One server under a stekd of its own; _live() says what happens."""
    POLICY = None

    def __init__(self, farm, kind):
        name = f"{kind.KIND}-{type(self).__name__.lower()}"
        super().__init__(name=name, daemon=True)
        self.server = kind(farm, name)
        self.stekd = Stekd(farm, name + "-stekd", [self.server], self.POLICY)
        self.error = None

    def run(self):
        try:
            self._live()
        # Whatever it is, it is the test's to tell.
        except Exception:       # pylint: disable=broad-except
            self.error = traceback.format_exc() + self.stekd.logs() + \
                self.server.logs()

    def _live(self):
        raise NotImplementedError


class Aging(Life):
    """Offers one ticket again and again, until it no longer resumes."""
    # A key seals for at most 140 s and opens for 40 more; lighttpd looks up to
    # 64 s later.
    POLICY = ("70s", "40s", "5s")
    outlived = False    # it resumed under a newer sealing key
    end = None          # the visit that did not resume

    def _live(self):
        version = self.server.VERSIONS[0]
        self.stekd.start()
        self.stekd.wait(self.server.placed, "the key file is there")
        self.server.start()
        ticket = new_ticket(self.server.port, version)
        digits = self.server.NAME_DIGITS
        self.stekd.wait(lambda: self._offer(version, ticket, digits),
                        "the ticket expires", PATIENCE, pause=1)

    def _offer(self, version, ticket, digits):
        seen = try_visit(self.server.port, version, ticket)
        if seen is None:
            return False
        if not seen.resumed:
            self.end = seen
            return True
        # Between two keys as short-lived as these there may be none.
        fresh = try_visit(self.server.port, version)
        if fresh is not None and fresh.ticket is not None:
            self.outlived |= \
                fresh.ticket.name[:digits] != ticket.name[:digits]
        return False


class Missed(Life):
    """
    A lighttpd misses a look at its key file: its loop now and then passes
    over the second in which it would look, so that a new key waits for the
    next such second.  Here it is stopped for that one.
    """
    POLICY = ("1h", "1h", "10m")
    LOOK = 64           # seconds between two, when the clock shows 64 * n
    LONG = 20           # more than a server has besides its look

    def __init__(self, farm, kind):
        super().__init__(farm, kind)
        self.states = set()     # of the target, while it waited

    def _live(self):
        # Of its own, so that it has to look; and old, as stekd would wait.
        self.server.place([Key()])
        os.utime(self.server.keys, (0, time.time() - 2 * self.LOOK))
        self.server.start()
        # Not in the second in which it started, and long before a look.
        time.sleep(1.1)
        look = (time.time() // self.LOOK + 1) * self.LOOK
        if look - time.time() < self.LONG:
            time.sleep(self.LONG + 1.1)
            look += self.LOOK
        self.stekd.start()
        time.sleep(look - 0.5 - time.time())
        os.kill(self.server.child.pid, signal.SIGSTOP)
        time.sleep(look + 1.5 - time.time())
        os.kill(self.server.child.pid, signal.SIGCONT)
        self.stekd.wait(self._has_looked, "it looks again", PATIENCE,
                        pause=0.5)

    def _has_looked(self):
        self.states.add(self.stekd.target(self.server.name)["state"])
        return "verified" in self.states

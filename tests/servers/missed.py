# SPDX-License-Identifier: ISC
"""
A lighttpd that misses a look at its key file: its loop now and then passes
over the second in which it would look, so that a new key waits for the next
such second.  Here it is stopped for that one.

Never here: an expectation, beyond that it has the key in the end.
"""
import os
import signal
import threading
import time
import traceback

from keys import Key
from lighttpd import Lighttpd
from stekd import Stekd

LOOK = 64           # seconds between two looks, when the clock shows 64 * n
LONG = 20           # more than a server has besides its look
POLICY = ("1h", "1h", "10m")
PATIENCE = 3 * LOOK


class Missed(threading.Thread):
    def __init__(self, farm):
        super().__init__(name="missed", daemon=True)
        self.server = Lighttpd(farm, "lighttpd-missed")
        self.stekd = Stekd(farm, "missed-stekd", [self.server], POLICY)
        self.error = None
        self.states = set()     # of the target, while it waited

    def run(self):
        try:
            self._miss()
        # Whatever it is, it is the test's to tell.
        except Exception:       # pylint: disable=broad-except
            self.error = traceback.format_exc() + self.stekd.logs() + \
                self.server.logs()

    def _miss(self):
        # Of its own, so that it has to look; and old, as stekd would wait.
        self.server.place([Key()])
        os.utime(self.server.keys, (0, time.time() - 2 * LOOK))
        self.server.start()
        # Not in the second in which it started, and long before a look.
        time.sleep(1.1)
        look = (time.time() // LOOK + 1) * LOOK
        if look - time.time() < LONG:
            time.sleep(LONG + 1.1)
            look += LOOK
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

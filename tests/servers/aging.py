# SPDX-License-Identifier: ISC
"""
The life of one ticket at one server, until its key is gone.  An Aging lives
it through in a thread of its own, as it takes minutes.

Never here: an expectation, beyond that the ticket comes to its end.
"""
import threading
import traceback

from client import new_ticket, try_visit
from stekd import Stekd

# A key seals for at most 140 s and opens for 40 more; lighttpd looks up to
# 64 s later.
POLICY = ("70s", "40s", "5s")
PATIENCE = 400


class Aging(threading.Thread):
    """Offers one ticket again and again, until it no longer resumes."""

    def __init__(self, farm, kind):
        super().__init__(name=kind.KIND, daemon=True)
        self.server = kind(farm, kind.KIND + "-aging")
        self.stekd = Stekd(farm, kind.KIND + "-aging-stekd", [self.server],
                           POLICY)
        self.error = None
        self.outlived = False   # it resumed under a newer sealing key
        self.end = None         # the visit that did not resume

    def run(self):
        try:
            self._age()
        # Whatever it is, it is the test's to tell.
        except Exception:       # pylint: disable=broad-except
            self.error = traceback.format_exc() + self.stekd.logs() + \
                self.server.logs()

    def _age(self):
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

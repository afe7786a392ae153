# SPDX-License-Identifier: ISC
"""
The judge: a ticket of one server is taken to another, by libssl
(tests/servers/client.py), from a host where only clients are.  Once, or
again and again behind a test's back: Traffic.

Never here: anything of stek; what to expect.
Invariant: each ticket offered is counted as one of RESUMED, FULL and FAILED,
and so is each visit without one, as FULL or FAILED.
"""
import random
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass
from typing import Optional

from client import Ticket, visit

RESUMED = "RESUMED"
FULL = "FULL"
FAILED = "FAILED"
VERSIONS = ("1.2", "1.3")
KEEP = 100          # tickets of a server and version
SHARE_NEW = 0.1     # of visits that bring no ticket
LIFE = 0.9          # of what a server says a ticket's life is


@dataclass(frozen=True)
class Result:
    """One visit of a client."""
    when: float                 # time.monotonic(), at its beginning
    source: Optional[str]       # where the ticket was from; None without one
    target: str                 # the server that was visited
    version: str
    age: float                  # of the ticket, in seconds
    kind: str
    why: str = ""               # it failed
    took: float = 0
    ticket: Optional[Ticket] = None     # that the server gave
    key: Optional[str] = None   # the name of the one that sealed the ticket
                                # which the client brought

    def __str__(self):
        source = self.source or "nothing"
        return (f"TLS {self.version} {source} -> {self.target}, "
                f"{self.age:.1f} s old: {self.kind} {self.why}".rstrip())


class Judge:
    """Clients, on a host of the farm."""

    def __init__(self, net, client):
        self.net = net
        self.client = client

    def offer(self, server, version, ticket=None, source=None, age=0.0):
        """One visit, with a ticket or none."""
        begin = time.monotonic()
        key = ticket.name if ticket is not None else None
        try:
            with self.net.inside(self.client):
                seen = visit(server.port, version, ticket)
        except OSError as error:
            return Result(begin, source, server.name, version, age, FAILED,
                          f"no connection: {error}",
                          time.monotonic() - begin, key=key)
        kind = FAILED if not seen.clean else \
            RESUMED if seen.resumed else FULL
        return Result(begin, source, server.name, version, age, kind,
                      seen.alert or seen.error or "",
                      time.monotonic() - begin, seen.ticket, key)

    def resume(self, here, there, version="1.3"):
        """A full handshake at one server, then its ticket to another."""
        first = self.offer(here, version)
        if first.kind != FULL:
            return first
        if first.ticket is None:
            return Result(first.when, None, here.name, version, 0, FAILED,
                          "it gave no ticket", first.took)
        return self.offer(there, version, first.ticket, here.name)

    def matrix(self, servers, versions=VERSIONS):
        """Between all servers of one kind, but not within one."""
        return [self.resume(here, there, version)
                for here in servers for there in servers
                if here is not there and here.KIND == there.KIND
                for version in versions]


class Traffic:
    """
    Clients that come to random servers with tickets of random age, all the
    time within its `with`.  Servers of other kinds refuse each other's
    tickets, even with the same keys; `mixed` takes them there as well.
    """

    def __init__(self, judge, servers, rate=40, workers=4, mixed=False):
        self.judge = judge
        self.servers = servers
        self.rate = rate        # visits a second
        self.mixed = mixed
        self.results = []
        self.broken = None      # a mistake of the judge's own
        self.ticketless = 0     # full handshakes that gave no ticket
        self._avoided = set()
        self._under_way = Counter()     # visits, by host name
        self._lock = threading.Lock()
        self._kept = {}         # (server name, version): of (when, ticket)
        self._end = threading.Event()
        self._next = time.monotonic()
        self._threads = [
            threading.Thread(target=self._work, daemon=True,
                             name=f"traffic {number}")
            for number in range(workers)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exc):
        self.stop()

    def stop(self):
        self._end.set()
        for thread in self._threads:
            thread.join()
        if self.broken is not None:
            raise self.broken

    # --- what was seen ---

    def of(self, kind=None, since=0.0, source=None, target=None):
        """Results that answer to all that is given."""
        with self._lock:
            results = list(self.results)
        return [result for result in results
                if kind in (None, result.kind) and result.when >= since
                and source in (None, result.source)
                and target in (None, result.target)]

    @property
    def failed(self):
        return self.of(FAILED)

    @property
    def resumed(self):
        return self.of(RESUMED)

    @property
    def refused(self):
        """Tickets that cost a full handshake."""
        return [result for result in self.of(FULL) if result.source]

    @staticmethod
    def now():
        """For `since`."""
        return time.monotonic()

    def pairs(self, since=0.0):
        """{(source, target): Counter of kinds}"""
        found = {}
        for result in self.of(since=since):
            if result.source:
                found.setdefault((result.source, result.target),
                                 Counter())[result.kind] += 1
        return found

    def summary(self, since=0.0):
        """A line, and one for each failure."""
        count = Counter(result.kind if result.source or
                        result.kind == FAILED else "NEW"
                        for result in self.of(since=since))
        return "\n".join([", ".join(
            f"{kind} {count[kind]}" for kind in
            (RESUMED, FULL, FAILED, "NEW"))] + [
                str(result) for result in self.of(FAILED, since)])

    def wait(self, visits=100, patience=60):
        """Until there were so many more; the time of the first of them."""
        since, goal = self.now(), len(self.results) + visits
        while len(self.results) < goal:
            if self.broken is not None:
                raise self.broken
            if self.now() > since + patience:
                raise AssertionError(f"no {visits} visits in {patience} s: "
                                     + self.summary(since))
            time.sleep(0.05)
        return since

    # --- whom to visit ---

    def avoid(self, host):
        """No visits to a host that is taken down next; none is under way."""
        with self._lock:
            self._avoided.add(host.name)
        while self._under_way[host.name] and self.broken is None:
            time.sleep(0.005)

    def meet(self, host):
        self._avoided.discard(host.name)

    def forget(self):
        """All tickets, as clients that begin anew."""
        with self._lock:
            for kept in self._kept.values():
                kept.clear()

    def _pick(self):
        """Where to, and which ticket to take along."""
        with self._lock:
            there = random.choice([
                server for server in self.servers
                if server.host.name not in self._avoided])
            self._under_way[there.host.name] += 1
            version = random.choice(VERSIONS)
            sources = [
                server for server in self.servers
                if (self.mixed or server.KIND == there.KIND)
                and self._fresh(server.name, version)]
            if not sources or random.random() < SHARE_NEW:
                return there, version, None, None, 0.0
            here = random.choice(sources)
            born, ticket = random.choice(self._kept[here.name, version])
            return there, version, ticket, here.name, self.now() - born

    def _fresh(self, name, version):
        """Those that a client would still offer; the oldest come first."""
        kept = self._kept.setdefault((name, version), deque())
        while kept and 0 < LIFE * kept[0][1].hint < self.now() - kept[0][0]:
            kept.popleft()
        return kept

    def _note(self, result, ticket):
        with self._lock:
            self.results.append(result)
            if result.source and result.kind == FULL:
                kept = self._kept[result.source, result.version]
                for one in [one for one in kept if one[1] is ticket]:
                    kept.remove(one)
            if result.ticket is not None:
                self._keep(result)
            elif result.kind == FULL:
                self.ticketless += 1

    def _keep(self, result):
        """Of those there are too many, one in the middle: ages stay mixed."""
        kept = self._kept.setdefault((result.target, result.version), deque())
        if len(kept) >= KEEP:
            del kept[random.randrange(len(kept))]
        kept.append((self.now(), result.ticket))

    def _work(self):
        try:
            while not self._end.wait(self._turn()):
                there, version, ticket, source, age = self._pick()
                self._note(self.judge.offer(there, version, ticket, source,
                                            age), ticket)
                with self._lock:
                    self._under_way[there.host.name] -= 1
        except Exception as error:      # pylint: disable=broad-except
            self.broken = error

    def _turn(self):
        """Seconds until this worker's next visit is due."""
        with self._lock:
            now = self.now()
            self._next = max(self._next + 1 / self.rate, now)
            return self._next - now

# SPDX-License-Identifier: ISC
"""
A server on each TLS library that there is an adapter for, two of each, on one
ring, while keys rotate every second and one is revoked: no handshake fails,
and no library's ticket is taken by another, or does harm there.
"""
import random
import threading
import time

import pytest

from client import new_ticket, visit
from examples import example, names
from stekd import Stekd

SECONDS = 20
POLICY = ("1s", "8s", "0s")     # and so many keys at once


@pytest.fixture(scope="module")
def stekd(farm):
    ring = farm.folder + "/one.ring"
    stekd_ = Stekd(farm, "examples-stekd", [
        f'target one {{ format = "ring" path = "{ring}" }}\n'], POLICY)
    stekd_.ring = ring
    stekd_.start()
    stekd_.wait_settled()
    return stekd_


@pytest.fixture(scope="module")
def servers(farm, stekd):
    """Two of each library, all on one ring."""
    started = [example(name, stekd.ring)(farm, f"example-{name}-{which}")
               for name in names() for which in "ab"]
    for server in started:
        server.start()
    return started


def of_other_kinds(server, servers):
    return [other for other in servers if other.KIND != server.KIND]


def test_there_is_one_of_each_library(servers):
    """What was built, at least OpenSSL's; and no others without a test."""
    assert "openssl" in {server.KIND for server in servers}


def test_a_ticket_resumes_at_the_other_of_its_library(servers):
    for here, there in zip(servers[::2], servers[1::2]):
        for version in here.VERSIONS:
            for one, other in ((here, there), (there, here)):
                seen = visit(other.port, version,
                             new_ticket(one.port, version))
                assert seen.clean and seen.resumed, (one.name, version)


def test_a_ticket_is_none_to_another_library(servers):
    for here in servers[::2]:
        for version in here.VERSIONS:
            ticket = new_ticket(here.port, version)
            for there in of_other_kinds(here, servers):
                if version in there.VERSIONS and there.takes(ticket):
                    seen = visit(there.port, version, ticket)
                    assert seen.full, (here.name, there.name, version, seen)


def test_only_wolfssl_gives_up_over_a_ticket_that_is_too_long(servers):
    """Of TLS 1.2, and whatever its keys: see stek_wolfssl_use(3)."""
    for here in servers[::2]:
        for there in of_other_kinds(here, servers):
            ticket = new_ticket(here.port, "1.2")
            if not there.takes(ticket):
                assert there.KIND == "wolfssl"
                assert not visit(there.port, "1.2", ticket).done


class Visitor(threading.Thread):
    """Goes from server to server with what tickets it has got."""

    def __init__(self, servers, seed):
        super().__init__(daemon=True)
        self.servers = servers
        self.dice = random.Random(seed)
        self.until = time.monotonic() + SECONDS
        self.resumed = self.visits = 0
        self.wrong = []
        self.error = None

    def run(self):
        try:
            self._go()
        except Exception as error:      # pylint: disable=broad-except
            self.error = error

    def _go(self):
        held = []
        while time.monotonic() < self.until:
            server = self.dice.choice(self.servers)
            version = self.dice.choice(server.VERSIONS)
            fit = [one for one in held if one[1].version == version and
                   server.takes(one[1])]
            kind, ticket = self.dice.choice(fit) if fit and \
                self.dice.random() < 0.8 else (None, None)
            seen = visit(server.port, version, ticket)
            self.visits += 1
            self.resumed += seen.resumed
            if not seen.clean or (seen.resumed and kind != server.KIND):
                self.wrong.append((server.name, version, kind, seen))
            if seen.ticket is not None and seen.ticket.session:
                held = [*held[-11:], (server.KIND, seen.ticket)]


def test_a_farm_of_all_libraries_through_rotations_and_a_revocation(
        servers, stekd):
    visitors = [Visitor(servers, seed) for seed in range(4)]
    began = stekd.status()["version"]
    for visitor in visitors:
        visitor.start()
    time.sleep(SECONDS / 2)
    assert stekd.stek("revoke", "--all").returncode == 0
    for visitor in visitors:
        visitor.join(SECONDS + 60)
    assert stekd.status()["version"] - began > SECONDS / 2
    print(f"{sum(one.visits for one in visitors)} visits to "
          f"{len(servers)} servers of {len(names())} libraries, "
          f"{sum(one.resumed for one in visitors)} resumed")
    assert [one.error for one in visitors if one.error is not None] == []
    assert [one.wrong for one in visitors if one.wrong] == []
    assert all(one.resumed > 0 for one in visitors)


def test_after_a_revocation_no_ticket_resumes(servers, stekd):
    held = [(server, new_ticket(server.port, version))
            for server in servers for version in server.VERSIONS]
    assert stekd.stek("revoke", "--all").returncode == 0
    for server, ticket in held:
        assert visit(server.port, ticket.version, ticket).full

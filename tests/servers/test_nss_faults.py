# SPDX-License-Identifier: ISC
"""
lighttpd with mod_nss, started by stek run, when something is wrong: it goes
on with NSS's own keys, says why once, and no handshake fails.

Never here: a ring that stekd writes to while a server reads it; these are
copies, for the tests to spoil.
"""
import os
import shutil
import signal
import subprocess

import pytest

from client import new_ticket, visit
from farm import wait_until
from lighttpd import PRELOAD, LighttpdNssRun
from stekd import BUILD, STEK, Stekd

VERSIONS = ("1.2", "1.3")
OTHER = os.path.realpath(os.path.join(BUILD, "tests", "preload", "other.so"))


class Source:
    """A ring that stekd keeps, and the name of the key that seals by it."""

    def __init__(self, farm):
        self.path = os.path.join(farm.folder, "source.ring")
        stekd = Stekd(farm, "source-stekd", [
            f'target source {{ format = "ring" path = "{self.path}" }}\n'],
            ("1h", "1h", "10m"))
        stekd.start()
        stekd.wait_settled()
        self.sealing = stekd.status()["sealing"]

    def copy(self, path, mode=0o600):
        """Whole, from one instant to the next, as lighttpd's user's."""
        shutil.copy(self.path, path + ".new")
        shutil.chown(path + ".new", "www-data", "www-data")
        os.chmod(path + ".new", mode)
        os.rename(path + ".new", path)


@pytest.fixture(scope="module")
def source(farm):
    return Source(farm)


@pytest.fixture
def server(farm, request):
    name = request.node.name.replace("[", "-").replace("]", "")
    return LighttpdNssRun(farm, name)


def is_of(ticket, source):
    return LighttpdNssRun.named(ticket, source.sealing)


def works_alone(server, source):
    """Not with the ring's key, and yet as well as without stek."""
    for version in VERSIONS:
        ticket = new_ticket(server.port, version)
        assert not is_of(ticket, source)
        seen = visit(server.port, version, ticket)
        assert seen.clean and seen.resumed


def works_with(server, source):
    for version in VERSIONS:
        ticket = new_ticket(server.port, version)
        assert is_of(ticket, source)
        seen = visit(server.port, version, ticket)
        assert seen.clean and seen.resumed


def wait_for_ring(server, source):
    server.wait(lambda: is_of(new_ticket(server.port, "1.3"), source),
                "it has the ring")


def said(server):
    """What stek's object has said, but not stek run before it."""
    with open(server.log, encoding="utf-8") as log:
        lines = [line for line in log if line.startswith("stek: ")]
    return [line for line in lines if "the server does without" not in line]


def test_a_ring_that_comes_late_is_taken(server, source):
    server.start()
    works_alone(server, source)
    assert len(said(server)) == 1 and "No such file" in said(server)[0]
    source.copy(server.keys)
    wait_for_ring(server, source)
    works_with(server, source)


def spoil_by_emptying(path):
    os.truncate(path, 0)


def spoil_by_cutting(path):
    os.truncate(path, os.path.getsize(path) - 1)


def spoil_by_garbage(path):
    with open(path, "r+b") as ring:
        ring.write(os.urandom(os.path.getsize(path)))


def spoil_by_showing(path):
    os.chmod(path, 0o644)


def spoil_by_hiding(path):
    os.chown(path, 0, 0)


@pytest.mark.parametrize("spoil", (
    spoil_by_emptying, spoil_by_cutting, spoil_by_garbage, spoil_by_showing,
    spoil_by_hiding), ids=lambda spoil: spoil.__name__[9:])
def test_a_spoilt_ring_is_not_taken(server, source, spoil):
    source.copy(server.keys)
    spoil(server.keys)
    server.start()
    works_alone(server, source)
    works_alone(server, source)
    assert len(said(server)) == 1 and server.keys in said(server)[0]
    source.copy(server.keys)
    wait_for_ring(server, source)


@pytest.mark.parametrize("spoil", (spoil_by_emptying, spoil_by_cutting),
                         ids=lambda spoil: spoil.__name__[9:])
def test_a_ring_cut_off_while_in_use_is_let_go(server, source, spoil):
    """Touching it would kill the server."""
    source.copy(server.keys)
    server.start()
    works_with(server, source)
    held = new_ticket(server.port, "1.2")
    spoil(server.keys)
    works_alone(server, source)
    assert visit(server.port, "1.2", held).full
    source.copy(server.keys)
    wait_for_ring(server, source)
    assert visit(server.port, "1.2", held).resumed


def test_a_ring_overwritten_while_in_use_has_no_keys(server, source):
    source.copy(server.keys)
    server.start()
    works_with(server, source)
    held = new_ticket(server.port, "1.2")
    with open(server.keys, "r+b") as ring:
        ring.write(bytes(os.path.getsize(server.keys)))
    works_alone(server, source)
    assert visit(server.port, "1.2", held).full


def test_a_ring_removed_while_in_use_is_kept(server, source):
    """Its keys are good until their times say otherwise."""
    source.copy(server.keys)
    server.start()
    works_with(server, source)
    os.unlink(server.keys)
    works_with(server, source)


def test_with_no_key_that_seals_tickets_are_its_own(farm, server):
    """stekd is gone, and time with it: first sealing ends, then opening."""
    stekd = Stekd(farm, "short-stekd", [server.target(verify="")],
                  ("1s", "1s", "0s"))
    stekd.start()
    wait_until(server.placed, "the ring is there")
    server.start()
    stekd.kill()

    def own():
        first, second = (new_ticket(server.port, "1.2") for _ in range(2))
        return first.bytes[16:20] != second.bytes[16:20]

    server.wait(own, "no key seals")
    for version in VERSIONS:
        seen = visit(server.port, version, new_ticket(server.port, version))
        assert seen.clean and seen.resumed


def test_another_object_in_its_place_is_left_alone(server, source):
    """Then libssl3's calls do not come, and nothing must be changed."""
    source.copy(server.keys)
    server.configure(True)
    run = server.command()
    at = run.index("--") + 1
    server.run(*run[:at], "env", f"LD_PRELOAD={OTHER}:{PRELOAD}/nss.so",
               *run[at:])
    server.wait_listening()
    works_alone(server, source)
    assert len(said(server)) == 1 and "PK11_Encrypt" in said(server)[0]


def test_without_a_ring_in_its_environment_it_says_so(server, source):
    server.configure(True)
    run = server.command()
    server.run(*run[run.index("--") + 1:],
               env={"LD_PRELOAD": os.path.join(PRELOAD, "nss.so")})
    server.wait_listening()
    works_alone(server, source)
    assert len(said(server)) == 1 and "STEK_RING" in said(server)[0]


def test_a_ticket_of_nobody_gets_a_full_handshake(server, source):
    """Even one with the right name, which NSS would take for its own."""
    source.copy(server.keys)
    server.start()
    works_with(server, source)
    for version in VERSIONS:
        ticket = new_ticket(server.port, version)
        good = ticket.bytes
        for at in (0, 15, 16, 19, 20, 34, len(good) - 33, len(good) - 1):
            bad = bytearray(good)
            bad[at] ^= 1
            forged = type(ticket)(version, bytes(bad), ticket.hint,
                                  ticket.session.replace(good, bytes(bad)))
            assert visit(server.port, version, forged).full
        assert visit(server.port, version, ticket).resumed


def test_a_ticket_of_another_scope_gets_a_full_handshake(farm, source):
    """With the same ring, too."""
    path = os.path.join(farm.folder, "scopes.ring")
    source.copy(path)
    pair = []
    for scope in ("a", "b"):
        server = LighttpdNssRun(farm, "scope-" + scope)
        server.configure(True)
        run = server.command()
        at = run.index("--")
        server.run(STEK, "run", "--ring", path, "--scope", scope, *run[at:])
        server.wait_listening()
        pair.append(server)
    for version in VERSIONS:
        tickets = [new_ticket(server.port, version) for server in pair]
        assert tickets[0].name != tickets[1].name
        assert visit(pair[0].port, version, tickets[0]).resumed
        assert visit(pair[1].port, version, tickets[0]).full


def status_of(*command):
    """Threads and open files of a process, as itself sees them."""
    text = subprocess.run(
        [*command, "sh", "-c",
         "grep ^Threads /proc/self/status; ls /proc/self/fd"],
        check=True, capture_output=True, text=True,
        env={**os.environ, "STEK_PRELOAD": PRELOAD})
    return text.stdout, text.stderr


def test_a_process_without_nss_is_as_it_was(farm, source):
    path = os.path.join(farm.folder, "unused.ring")
    source.copy(path)
    assert status_of(STEK, "run", "--ring", path, "--") == status_of()


class ThreeWorkers(LighttpdNssRun):
    """Debian's lighttpd with one process ends at SIGUSR1, without stek too."""
    WORKERS = 3


def test_a_server_reloaded_in_place_has_its_keys_again(farm, source):
    """lighttpd closes NSS down in each process, and starts over."""
    server = ThreeWorkers(farm, "reloaded")
    source.copy(server.keys)
    server.start()
    held = new_ticket(server.port, "1.3")
    server.child.send_signal(signal.SIGUSR1)
    server.wait(lambda: server.logs().count("server started") == 2 and
                server.listening(), "it has started over")
    assert all(is_of(new_ticket(server.port, "1.3"), source)
               for _ in range(12))
    seen = [visit(server.port, "1.3", held) for _ in range(12)]
    assert all(one.clean for one in seen)
    assert sum(one.resumed for one in seen) >= 12 - server.WORKERS
    assert not said(server)

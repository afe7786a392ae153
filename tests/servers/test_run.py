# SPDX-License-Identifier: ISC
"""
Servers that cannot be told ticket keys, started by stek run: pairs under
stekd, from the first key through a rotation and the end of old tickets to a
revocation.

Never here: lighttpd with mod_nss (test_nss.py).
"""
import os
import subprocess

import pytest

from client import new_ticket, visit
from examples import FOLDER, names
from farm import wait_until
from lighttpd import PRELOAD
from run import ALL, Hitch, Postfix
from stekd import STEK, Stekd

POLICY = ("1h", "1h", "10m")


def of(kinds):
    return pytest.mark.parametrize("kind", kinds, ids=lambda kind: kind.KIND)


@pytest.fixture
def story(stories, kind):
    return stories[kind]


def plain(kind):
    """The same server, started without stek."""
    return type(kind.__name__, (kind,), {
        "KIND": kind.KIND + "-plain", "command": kind.plain})


@of(ALL)
def test_without_stek_no_ticket_resumes_at_the_sibling(farm, kind):
    pair = [plain(kind)(farm, f"{kind.KIND}-plain-{which}")
            for which in "ab"]
    for server in pair:
        server.start()
    for here, there in (pair, pair[::-1]):
        for version in kind.VERSIONS:
            seen = visit(here.port, version)
            if seen.ticket is not None:
                assert visit(there.port, version, seen.ticket).full


@of(ALL)
def test_every_ticket_resumes_at_the_sibling(story):
    story.reach("driven")
    assert {offer.ticket.version for offer in story.first} == \
        set(story.kind.VERSIONS)
    assert all(offer.seen.clean and offer.seen.resumed
               for offer in story.first)
    assert all(story.kind.named(offer.ticket, story.sealing["driven"])
               for offer in story.first)


@of([kind for kind in ALL if kind.PROOF])
def test_stekd_proves_the_key_in_use(story):
    story.reach("driven")
    assert set(story.proofs.values()) == {story.kind.PROOF}


@of(ALL)
def test_after_a_rotation_old_tickets_resume_and_new_have_the_new_key(story):
    story.reach("rotated")
    assert story.rotate.returncode == 0, story.rotate
    assert all(story.kind.named(offer.ticket, story.sealing["driven"]) and
               offer.seen.clean and offer.seen.resumed
               for offer in story.old)
    assert all(story.kind.named(ticket, story.sealing["rotated"])
               for ticket in story.fresh)


@of([kind for kind in ALL if kind.RENEWS])
def test_old_tickets_are_renewed_under_the_new_key(story):
    story.reach("rotated")
    renewing = [offer for offer in story.old
                if offer.ticket.version in story.kind.RENEWS]
    assert renewing
    assert all(story.kind.named(offer.seen.ticket, story.sealing["rotated"])
               for offer in renewing)
    assert all(offer.seen.resumed for offer in story.renewed)


@of(ALL)
def test_old_tickets_expire(story):
    """They have resumed after the rotation, and now no longer do."""
    story.reach("expired")
    assert all(offer.seen.resumed for offer in story.old)


@of(ALL)
def test_after_a_revocation_no_old_ticket_resumes_and_new_ones_do(story):
    story.reach("revoked")
    assert story.revoke.returncode == 0, story.revoke
    assert story.revoked and all(offer.seen.full for offer in story.revoked)
    assert all(offer.seen.resumed for offer in story.last)


# --- what a server sets by itself --------------------------------------------

class PostfixOwn(Postfix):
    KIND = "postfix-own"
    OPTIONS = ("--keep-own",)


def test_a_server_told_to_keep_its_own_keys_does(farm):
    server = PostfixOwn(farm, "postfix-own")
    stekd = Stekd(farm, "postfix-own-stekd", [server.target(verify="")],
                  POLICY)
    stekd.start()
    wait_until(server.placed, "the ring is there")
    server.start()
    sealing = stekd.status()["sealing"]
    for version in server.VERSIONS:
        ticket = new_ticket(server.port, version)
        assert not server.named(ticket, sealing)
        assert visit(server.port, version, ticket).resumed


# --- what else is started with it --------------------------------------------

def test_a_client_on_openssl_notices_nothing(farm):
    """And so the children of a server do not: a missing ring is not missed."""
    server = plain(Hitch)(farm, "hitch-for-a-client")
    server.start()
    missing = farm.folder + "/no.ring"
    done = subprocess.run(
        [STEK, "run", "--ring", missing, "--", "sh", "-c",
         f"openssl s_client -connect 127.0.0.1:{server.port} </dev/null"],
        capture_output=True, text=True, check=True,
        env={**os.environ, "STEK_PRELOAD": PRELOAD})
    said = [line for line in done.stderr.splitlines() if "stek" in line]
    assert len(said) == 1 and missing in said[0]     # by stek run itself


def bound_to_openssls_object(program):
    """The functions that the loader takes from it for that program."""
    done = subprocess.run(
        [program], capture_output=True, text=True, check=False,
        env={**os.environ, "LD_BIND_NOW": "1", "LD_DEBUG": "bindings",
             "LD_PRELOAD": PRELOAD + "/openssl.so"})
    return [line for line in done.stderr.splitlines()
            if f"binding file {program} " in line and
            "/openssl.so [0]: normal symbol `SSL_" in line]


@pytest.mark.skipif("boringssl" not in names(),
                    reason="there is no BoringSSL to try it with")
def test_a_program_on_boringssl_is_not_taken_for_one_on_openssl():
    """It has functions of the same names, and asks for no version of them."""
    path = os.path.join(FOLDER, "example-")
    assert bound_to_openssls_object(path + "openssl")
    assert not bound_to_openssls_object(path + "boringssl")


def test_a_missing_ring_is_said_once_and_the_server_works(farm):
    server = Hitch(farm, "hitch-without-a-ring")
    server.start()
    for version in server.VERSIONS:
        for _ in range(3):
            seen = visit(server.port, version)
            assert seen.full and seen.ticket is None
    # By stek run, and by each of its processes at most.
    assert 1 < server.logs().count("No such file") <= 4

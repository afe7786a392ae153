# SPDX-License-Identifier: ISC
"""
Two servers of each kind under one stekd: what clients see from the first
key to a revocation.  story.py lives through it, in one thread a kind.

Never here: keys written by hand, beyond those that stekd finds and replaces.
"""
import pytest

from client import new_ticket, visit
from servers import ALL, Apache, Nginx
from stekd import Stekd
from story import settle

POLICY = ("1h", "1h", "10m")
ROUNDS = 12


class NginxAtBoot(Nginx):
    KIND = "nginx-at-boot"
    BOOTS_AFTER = True


# Apache seals with a key that is not in its file: test_broken.py has it.
KINDS = [kind for kind in ALL if kind is not Apache] + [NginxAtBoot]
MANY_KEYS = [kind for kind in KINDS if kind.OVERLAP]
ONE_KEY = [kind for kind in KINDS if not kind.OVERLAP]
NAMED = [kind for kind in KINDS if kind.NAME_DIGITS > 0]
RENEWING = [kind for kind in MANY_KEYS if kind.RENEWS]
FORGETTING = [kind for kind in MANY_KEYS if kind.FORGETS]


def of(kinds):
    return pytest.mark.parametrize("kind", kinds, ids=lambda kind: kind.KIND)


@pytest.fixture
def story(stories, kind):
    return stories[kind]


@pytest.fixture
def nginx(farm, request):
    """One nginx under a stekd of its own, proven."""
    server = Nginx(farm, request.node.name)
    server.start()
    stekd = Stekd(farm, request.node.name + "-stekd", [server], POLICY)
    stekd.start()
    verified(stekd)
    return server, stekd


def verified(stekd):
    stekd.wait(lambda: all(target["state"] == "verified"
                           for target in stekd.status()["targets"]),
               "all is verified", 60)
    for server in stekd.targets:
        if not isinstance(server, str):
            settle(server, stekd.status()["sealing"])


def said(done):
    """In full, which pytest would shorten."""
    return done.stdout + done.stderr


def resumed(offers):
    return [offer.seen.clean and offer.seen.resumed for offer in offers]


def full(offers):
    return [offer.seen.full for offer in offers]


@of(KINDS)
def test_every_ticket_resumes_at_the_sibling(story):
    story.reach("driven")
    assert {offer.ticket.version for offer in story.first} == \
        set(story.kind.VERSIONS)
    assert all(resumed(story.first))


@of(NAMED)
def test_tickets_begin_with_the_name_that_status_shows(story):
    story.reach("driven")
    assert all(story.kind.named(offer.ticket, story.sealing["driven"])
               for offer in story.first)


@of(KINDS)
def test_status_says_how_far_the_key_in_use_is_proven(story):
    story.reach("driven")
    assert set(story.proofs.values()) == {story.kind.PROOF}


@of(KINDS)
def test_a_rotation_is_confirmed_by_every_target(story):
    story.reach("rotated")
    assert story.rotate.returncode == 0, said(story.rotate)
    assert story.sealing["rotated"] != story.sealing["driven"]


@of(NAMED)
def test_after_a_rotation_both_seal_with_the_new_key(story):
    story.reach("rotated")
    assert all(story.kind.named(ticket, story.sealing["rotated"])
               for ticket in story.fresh)


@of(MANY_KEYS)
def test_after_a_rotation_old_tickets_still_resume(story):
    story.reach("rotated")
    assert all(story.kind.named(offer.ticket, story.sealing["driven"])
               for offer in story.old)
    assert all(resumed(story.old))


@of(ONE_KEY)
def test_one_key_servers_lose_all_tickets_at_a_rotation(story):
    """Their known limit: a clean full handshake, and never an alert."""
    story.reach("rotated")
    assert all(full(story.old))


@of(RENEWING)
def test_old_tickets_are_renewed_under_the_new_key(story):
    story.reach("rotated")
    renewing = [offer for offer in story.old
                if offer.ticket.version in story.kind.RENEWS]
    assert renewing
    assert all(offer.seen.ticket is not None and
               story.kind.named(offer.seen.ticket, story.sealing["rotated"])
               for offer in renewing)
    assert all(resumed(story.renewed))


@of(FORGETTING)
def test_old_tickets_expire(story):
    """They have resumed after the rotation, and now no longer do."""
    story.reach("expired")
    assert all(resumed(story.old))


@of(KINDS)
def test_a_revocation_is_confirmed_by_every_target(story):
    story.reach("revoked")
    assert story.revoke.returncode == 0, said(story.revoke)
    assert story.sealing["revoked"] != story.sealing["rotated"]


@of(KINDS)
def test_after_a_revocation_no_old_ticket_resumes(story):
    """At once, in every process, and with no alert."""
    story.reach("revoked")
    assert story.revoked and all(full(story.revoked))


@of(KINDS)
def test_after_a_revocation_new_tickets_resume_at_the_sibling(story):
    story.reach("revoked")
    assert all(resumed(story.last))


def test_a_revocation_is_over_when_it_is_confirmed(nginx):
    """nginx's old workers live on for a moment beside the new ones."""
    server, stekd = nginx
    for _ in range(ROUNDS):
        ticket = new_ticket(server.port, "1.2")
        assert stekd.stek("revoke", "--all").returncode == 0
        assert all(visit(server.port, "1.2", ticket).full for _ in range(30))


def test_an_older_key_is_revoked_alone_and_at_once(nginx):
    server, stekd = nginx
    revoked = new_ticket(server.port, "1.3")
    stekd.stek("rotate", "--now")
    settle(server, stekd.status()["sealing"])
    kept = new_ticket(server.port, "1.3")
    assert kept.name != revoked.name
    stekd.stek("revoke", "--key", revoked.name)
    assert all(visit(server.port, "1.3", revoked).full for _ in range(30))
    assert visit(server.port, "1.3", kept).resumed


def test_a_ticket_of_one_scope_is_worth_nothing_in_another(farm):
    pair = [Nginx(farm, "scope-" + which) for which in "ab"]
    for server in pair:
        server.start()
    stekd = Stekd(farm, "scope-stekd", [
        server.target(scope=server.name) for server in pair], POLICY)
    stekd.start()
    verified(stekd)
    for server in pair:
        settle(server, stekd.target(server.name)["sealing"])
    for here, there in (pair, pair[::-1]):
        for version in Nginx.VERSIONS:
            ticket = new_ticket(here.port, version)
            assert visit(here.port, version, ticket).resumed
            assert visit(there.port, version, ticket).full

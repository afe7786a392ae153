# SPDX-License-Identifier: ISC
"""
Debian's own lighttpd with mod_nss, started by stek run: pairs under stekd,
with certificates of both types, one process and three.  Debian's NSS has no
way to set ticket keys; a libssl3 with the interface of nss/ is tried, too.

Never here: what becomes of it when things go wrong (test_nss_faults.py).
"""
import pytest

from client import new_ticket, visit
from farm import wait_until
from lighttpd import (LighttpdNssGiven, LighttpdNssGivenRsa,
                      LighttpdNssPlain, LighttpdNssRun, LighttpdNssRunRsa)
from stekd import Stekd

POLICY = ("1h", "1h", "10m")
VERSIONS = ("1.2", "1.3")
RETRY = "X448:P-256"        # NSS has no X448: it asks for another key share
OFFERS = 24
CERTIFICATES = pytest.mark.parametrize("rsa", (False, True),
                                       ids=("ec", "rsa"))
PROCESSES = pytest.mark.parametrize("workers", (1, 3))


def of(kinds):
    return pytest.mark.parametrize("kind", kinds, ids=lambda kind: kind.KIND)


STOCK = (LighttpdNssRun, LighttpdNssRunRsa)
GIVEN = (LighttpdNssGiven, LighttpdNssGivenRsa) \
    if LighttpdNssGiven.LIBRARY else ()
KINDS = of(STOCK + GIVEN)


@pytest.fixture
def story(stories, kind):
    return stories[kind]


if not GIVEN:
    def test_an_nss_that_takes_keys():
        pytest.skip("there is none: the test nss says why")


def variant(kind, rsa, workers):
    """A kind of server; its name, for the farm's folders, too."""
    tag = f"{'rsa' if rsa else 'ec'}-{workers}"
    return type(kind.__name__, (kind,), {
        "KIND": f"{kind.KIND}-{tag}", "RSA": rsa, "WORKERS": workers})


def start_pair(farm, kind, stekd=True):
    """Two servers that nobody has spoken to: no target has a verify."""
    pair = [kind(farm, f"{kind.KIND}-{which}") for which in "ab"]
    driver = None
    if stekd:
        driver = Stekd(farm, f"{kind.KIND}-stekd",
                       [server.target(verify="") for server in pair], POLICY)
        driver.start()
        wait_until(lambda: all(server.placed() for server in pair),
                   "the rings are there")
    for server in pair:
        server.start()
    return pair, driver


def offers(there, ticket, times=OFFERS, **how):
    seen = [visit(there.port, ticket.version, ticket, **how)
            for _ in range(times)]
    assert all(one.clean for one in seen)
    return seen


# --- one process each, through the life of a farm ---------------------------

@KINDS
def test_every_ticket_resumes_at_the_sibling(story):
    story.reach("driven")
    assert {offer.ticket.version for offer in story.first} == set(VERSIONS)
    assert all(offer.seen.clean and offer.seen.resumed
               for offer in story.first)


@KINDS
def test_a_tickets_mac_proves_the_key(story):
    """Not its name, which with stock NSS is the same for all keys."""
    story.reach("driven")
    assert set(story.proofs.values()) == {"mac"}
    assert len({offer.ticket.name for offer in story.first}) == 1


@KINDS
def test_after_a_rotation_old_tickets_resume_and_new_have_the_new_key(story):
    story.reach("rotated")
    assert story.rotate.returncode == 0, story.rotate
    assert all(story.kind.named(offer.ticket, story.sealing["driven"]) and
               offer.seen.clean and offer.seen.resumed
               for offer in story.old)
    assert all(story.kind.named(ticket, story.sealing["rotated"])
               for ticket in story.fresh)


@KINDS
def test_old_tickets_are_renewed_under_the_new_key(story):
    """In TLS 1.2 stock NSS gives no ticket in return for one it took."""
    story.reach("rotated")
    renewing = [offer for offer in story.old
                if offer.ticket.version in story.kind.RENEWS]
    assert renewing
    assert all(story.kind.named(offer.seen.ticket, story.sealing["rotated"])
               for offer in renewing)
    assert all(offer.seen.resumed for offer in story.renewed)


@KINDS
def test_old_tickets_expire(story):
    """They have resumed after the rotation, and now no longer do."""
    story.reach("expired")
    assert all(offer.seen.resumed for offer in story.old)


@KINDS
def test_after_a_revocation_no_old_ticket_resumes_and_new_ones_do(story):
    story.reach("revoked")
    assert story.revoke.returncode == 0, story.revoke
    assert story.revoked and all(offer.seen.full for offer in story.revoked)
    assert all(offer.seen.resumed for offer in story.last)


# --- certificates and processes ---------------------------------------------

@PROCESSES
@CERTIFICATES
def test_without_stek_no_ticket_resumes_at_the_sibling(farm, rsa, workers):
    pair, _ = start_pair(farm, variant(LighttpdNssPlain, rsa, workers),
                         stekd=False)
    for here, there in (pair, pair[::-1]):
        for version in VERSIONS:
            ticket = new_ticket(here.port, version)
            assert not any(seen.resumed for seen in offers(there, ticket))


@pytest.mark.parametrize("kind", (LighttpdNssRun,) + GIVEN[:1],
                         ids=lambda kind: kind.KIND)
@PROCESSES
@CERTIFICATES
def test_how_many_tickets_are_lost_to_each_process(farm, kind, rsa, workers):
    """
    One and no more, as stock NSS takes none before it has issued one, with
    the interface none; and so through a retried handshake, and after a
    revocation all.
    """
    (here, there), stekd = start_pair(farm, variant(kind, rsa, workers))
    seen = []
    for version in VERSIONS:
        seen += offers(there, new_ticket(here.port, version))
    lost = sum(one.full for one in seen)
    print(f"{kind.KIND}: {lost} of {len(seen)} offers lost to {workers} "
          "processes")
    assert lost <= (0 if kind in GIVEN else workers)

    held = [new_ticket(here.port, version) for version in VERSIONS]
    for ticket in held:
        seen = offers(there, ticket, groups=RETRY)
        assert sum(one.resumed for one in seen) >= OFFERS - workers
        assert all(one.retried == (ticket.version == "1.3") for one in seen)

    assert stekd.stek("revoke", "--all").returncode == 0
    for ticket in held:
        assert all(one.full for one in offers(there, ticket, groups=RETRY))
        assert all(one.full for one in offers(here, ticket))
    fresh = new_ticket(here.port, "1.3")
    assert all(one.resumed for one in offers(there, fresh, groups=RETRY))

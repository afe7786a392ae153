# SPDX-License-Identifier: ISC
"""
Two servers of each kind under one stekd: what clients see from the first
key to a revocation.  story.py lives through it, in one thread a kind.

Never here: keys written by hand, beyond those that stekd finds and replaces.
"""
import pytest

from farm import Farm
from servers import ALL, Apache
from story import Story

# Apache seals with a key that is not in its file: test_broken.py has it.
KINDS = [kind for kind in ALL if kind is not Apache]
MANY_KEYS = [kind for kind in KINDS if kind.OVERLAP]
ONE_KEY = [kind for kind in KINDS if not kind.OVERLAP]


@pytest.fixture(scope="module")
def stories():
    with Farm() as farm:
        told = {kind: Story(farm, kind) for kind in KINDS}
        for story in told.values():
            story.start()
        yield told


def of(kinds):
    return pytest.mark.parametrize("kind", kinds, ids=lambda kind: kind.KIND)


@pytest.fixture
def story(stories, kind):
    return stories[kind]


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


@of(KINDS)
def test_tickets_begin_with_the_name_that_status_shows(story):
    story.reach("driven")
    if story.kind.NAME_DIGITS == 0:
        pytest.skip("its tickets show no name")
    assert all(story.kind.named(offer.ticket, story.sealing["driven"])
               for offer in story.first)


@of(KINDS)
def test_status_says_how_far_the_key_in_use_is_proven(story):
    story.reach("driven")
    assert set(story.proofs.values()) == {story.kind.PROOF}


@of(KINDS)
def test_a_rotation_is_confirmed_by_every_target(story):
    story.reach("rotated")
    assert story.rotate.returncode == 0, story.rotate
    assert story.sealing["rotated"] != story.sealing["driven"]


@of(KINDS)
def test_after_a_rotation_both_seal_with_the_new_key(story):
    story.reach("rotated")
    if story.kind.NAME_DIGITS == 0:
        pytest.skip("its tickets show no name")
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


@of(MANY_KEYS)
def test_old_tickets_are_renewed_under_the_new_key(story):
    story.reach("rotated")
    renewing = [offer for offer in story.old
                if offer.ticket.version in story.kind.RENEWS]
    if not renewing:
        pytest.skip("it never renews")
    assert all(offer.seen.ticket is not None and
               story.kind.named(offer.seen.ticket, story.sealing["rotated"])
               for offer in renewing)
    assert all(resumed(story.renewed))


@of([kind for kind in MANY_KEYS if kind.FORGETS])
def test_old_tickets_expire(story):
    """They have resumed after the rotation, and now no longer do."""
    story.reach("expired")
    assert all(resumed(story.old))


@of(KINDS)
def test_a_revocation_is_confirmed_by_every_target(story):
    story.reach("revoked")
    assert story.revoke.returncode == 0, story.revoke
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

# SPDX-License-Identifier: ISC
"""
The harness against each kind of server, with keys written by hand and no
stek: what the other tests see is then stek's doing.

Never here: stek.
"""
import pytest

from client import new_ticket, visit
from farm import wait_until
from keys import Key
from servers import ALL


def a_pair(farm, kind, shared, keys=()):
    """Two servers of a kind, with these keys or keys of their own."""
    tag = "shared" if shared else "own"
    pair = [kind(farm, f"{kind.KIND}-{tag}-{which}") for which in "ab"]
    for server in pair:
        if shared:
            server.place(keys)
        server.start(shared)
    return pair


@pytest.fixture(scope="module", params=ALL, ids=lambda kind: kind.KIND)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def own(farm, kind):
    return a_pair(farm, kind, shared=False)


@pytest.fixture(scope="module")
def keys():
    return [Key(), Key()]


@pytest.fixture(scope="module")
def shared(farm, kind, keys):
    return a_pair(farm, kind, shared=True, keys=keys)


def test_with_own_keys_a_ticket_resumes_at_home_only(own, kind):
    for version in kind.VERSIONS:
        ticket = new_ticket(own[0].port, version)
        assert visit(own[0].port, version, ticket).resumed
        assert visit(own[1].port, version, ticket).full


def test_with_a_shared_key_a_ticket_resumes_at_the_sibling(shared, kind):
    for version in kind.VERSIONS:
        for here, there in (shared, reversed(shared)):
            ticket = new_ticket(here.port, version)
            seen = visit(there.port, version, ticket)
            assert seen.clean and seen.resumed


def test_the_ticket_is_of_the_key_that_was_written(shared, kind, keys):
    for version in kind.VERSIONS:
        ticket = new_ticket(shared[0].port, version)
        assert kind.of_key(ticket, keys[0])


def test_new_keys_are_taken_up_when_told(shared, kind, keys):
    """Last, as it changes the pair's keys."""
    version = kind.VERSIONS[-1]
    old = new_ticket(shared[0].port, version)
    new = Key()
    for server in shared:
        server.place([new, keys[0]])
        server.reload()
        wait_until(lambda: kind.of_key(new_ticket(server.port, version), new),
                   f"{server.name} uses its new key")
    assert visit(shared[1].port, version, old).resumed == kind.OVERLAP

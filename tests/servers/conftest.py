# SPDX-License-Identifier: ISC
"""
What tests with real servers share.  Stories and the broken pairs belong to
the whole run, so that they go on while other tests are at work.
"""
import os

import pytest

from aging import Aging, Missed
from farm import Farm, wait_until
from lighttpd import Lighttpd, LighttpdGnutls, LighttpdNss
from servers import Apache, Nginx
from stekd import Stekd
from story import Story


def pytest_configure(config):
    if os.geteuid() != 0:
        # Servers are started as root and drop to users of their own.
        pytest.exit("tests with real servers need root", returncode=77)


def pytest_collection_modifyitems(items):
    """What only waits for what began before the first test comes last."""
    for slow in ("stories", "missed", "broken", "aging"):
        items.sort(key=lambda item: slow in item.fixturenames)


@pytest.fixture(scope="module")
def farm():
    with Farm() as farm_:
        yield farm_


@pytest.fixture(scope="session", autouse=True)
def begun(request):
    """What takes minutes of waiting begins before the first test."""
    for name in ("aging", "missed", "stories", "broken"):
        if any(name in item.fixturenames for item in request.session.items):
            request.getfixturevalue(name)


@pytest.fixture(scope="session")
def stories(request):
    """A story of each kind that a test of this run asks for."""
    kinds = {item.callspec.params["kind"] for item in request.session.items
             if "stories" in item.fixturenames}
    with Farm() as farm_:
        told = {kind: Story(farm_, kind) for kind in kinds}
        for story in told.values():
            story.start()
        yield told


@pytest.fixture(scope="session")
def aging(request):
    """A ticket of each kind that a test of this run sees age."""
    kinds = {item.callspec.params["kind"] for item in request.session.items
             if "aging" in item.fixturenames}
    with Farm() as farm_:
        lives = {kind: Aging(farm_, kind) for kind in kinds}
        for life in lives.values():
            life.start()
        yield lives


@pytest.fixture(scope="session")
def missed():
    """A lighttpd that misses a look."""
    with Farm() as farm_:
        life = Missed(farm_, Lighttpd)
        life.start()
        yield life


@pytest.fixture(scope="session")
def broken():
    """One stekd, with pairs that do not work and one that does."""
    with Farm() as farm_:
        pairs = {kind: [kind(farm_, f"{kind.KIND}-{which}") for which in "ab"]
                 for kind in (Apache, LighttpdGnutls, LighttpdNss, Nginx)}
        servers = sum(pairs.values(), [])
        stekd = Stekd(farm_, "stekd", servers, ("1h", "1h", "10m"))
        stekd.start()
        wait_until(lambda: all(server.placed() for server in servers),
                   "the key files are there")
        for server in servers:
            server.start()
        yield stekd, pairs

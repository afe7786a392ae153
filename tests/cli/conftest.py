# SPDX-License-Identifier: ISC
"""What the tests of the command line share with those of real servers."""
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "servers"))

from farm import Farm                       # noqa: E402, as above
from keys import Key                        # noqa: E402
from probing import edited, start           # noqa: E402
from servers import Haproxy, Nginx          # noqa: E402


def pytest_configure(config):
    if os.geteuid() != 0:
        # Servers are started as root and drop to users of their own.
        pytest.exit("tests with real servers need root", returncode=77)


@pytest.fixture(scope="module")
def farm():
    with Farm() as farm_:
        yield farm_


@pytest.fixture(scope="module")
def key():
    return Key()


@pytest.fixture(scope="module")
def sharing(farm, key):
    return [start(Nginx(farm, f"sharing-{n}"), [key]) for n in "ab"]


@pytest.fixture(scope="module")
def owning(farm):
    return [start(Nginx(farm, f"owning-{n}")) for n in "ab"]


@pytest.fixture(scope="module")
def haproxy(farm, key):
    return start(Haproxy(farm, "haproxy"), [key])


@pytest.fixture(scope="module")
def only12(farm, key):
    return edited(farm, "only12", {"TLSv1.2 TLSv1.3": "TLSv1.2"}, [key])


@pytest.fixture(scope="module")
def only13(farm, key):
    return edited(farm, "only13", {"TLSv1.2 TLSv1.3": "TLSv1.3"}, [key])

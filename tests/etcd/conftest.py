# SPDX-License-Identifier: ISC
"""What all tests of the store "etcd:" share: a farm, and one etcd a module."""
import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
for beside in ("servers", "daemon"):
    sys.path.insert(0, os.path.join(HERE, "..", beside))
sys.path.insert(0, HERE)
os.environ.setdefault("STEK_BUILD", os.path.join(HERE, "../../build"))

from farm import Farm       # noqa: E402, as above
from cluster import Cluster, missing    # noqa: E402
from driver import Store    # noqa: E402


def pytest_configure(config):
    what = missing()
    if what:
        print(what)
        pytest.exit(what, returncode=77)


@pytest.fixture(scope="module")
def farm():
    with Farm() as farm_:
        yield farm_


@pytest.fixture(scope="module")
def etcd(farm):
    """One member, without TLS, for tests that leave it in order."""
    return Cluster(farm).start()


@pytest.fixture
def open_store(farm):
    """Opens stores, which are closed after the test."""
    stores = []

    def open_(*args, **options):
        stores.append(Store(farm, *args, **options))
        return stores[-1]
    yield open_
    for store in stores:
        store.stop()

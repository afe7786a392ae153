# SPDX-License-Identifier: ISC
"""What all tests with real servers share: a farm a module."""
import os

import pytest

from farm import Farm


def pytest_configure(config):
    if os.geteuid() != 0:
        # Servers are started as root and drop to users of their own.
        pytest.exit("tests with real servers need root", returncode=77)


@pytest.fixture(scope="module")
def farm():
    with Farm() as farm_:
        yield farm_

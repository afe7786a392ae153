# SPDX-License-Identifier: ISC
"""What all tests with real servers share: a farm a module."""
import os
import sys

import pytest

from farm import Farm


def pytest_configure(config):
    if os.geteuid() != 0:
        # Servers are started as root and drop to users of their own.
        print("tests with real servers need root: skipped", file=sys.stderr)
        os._exit(77)


@pytest.fixture(scope="module")
def farm():
    with Farm() as farm_:
        yield farm_

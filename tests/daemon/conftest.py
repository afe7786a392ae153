# SPDX-License-Identifier: ISC
"""What all tests of stekd share: a farm a module, whose folder is gone after."""
import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "servers"))
sys.path.insert(0, os.path.join(HERE, "..", "cli"))
BUILD = os.environ.setdefault("STEK_BUILD", os.path.join(HERE, "../../build"))
os.environ.setdefault("STEK", os.path.join(BUILD, "cli", "stek"))

from farm import Farm       # noqa: E402, as above


def pytest_configure(config):
    if os.geteuid() != 0:
        # stekd gives up privilege, which it must have had.
        pytest.exit("tests of stekd need root", returncode=77)


@pytest.fixture(scope="module")
def farm():
    with Farm() as farm_:
        yield farm_

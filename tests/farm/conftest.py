# SPDX-License-Identifier: ISC
"""What all tests of a farm share: where modules are, and a reason to skip."""
import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
for beside in ("servers", "daemon"):
    sys.path.insert(0, os.path.join(HERE, "..", beside))
sys.path.insert(0, HERE)

from fleet import why_not       # noqa: E402, as above


def pytest_collection_modifyitems(items):
    reason = why_not()
    if reason is not None:
        for item in items:
            item.add_marker(pytest.mark.skip(reason=reason))

# SPDX-License-Identifier: ISC
"""
lighttpd drops an old key by the time that its file gave it, and not when the
key leaves the file; mod_mbedtls keeps the one before the present one.  And a
new one may have to wait for lighttpd's next look but one.

Never here: what other servers do (test_driven.py).
"""
import pytest

from aging import PATIENCE
from lighttpd import Lighttpd, LighttpdMbedtls, LighttpdWolfssl

KINDS = (Lighttpd, LighttpdWolfssl, LighttpdMbedtls)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.KIND)
def test_an_old_ticket_resumes_until_its_key_has_expired(aging, kind):
    life = aging[kind]
    life.join(PATIENCE + 60)
    assert life.error is None, life.error
    assert life.outlived
    assert life.end is not None and life.end.full


def test_a_server_that_misses_a_look_has_not_failed(missed):
    missed.join(PATIENCE)
    assert missed.error is None, missed.error
    assert "failed" not in missed.states and "verified" in missed.states

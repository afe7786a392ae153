# SPDX-License-Identifier: ISC
"""
lighttpd drops an old key by the time that its file gave it, and not when the
key leaves the file; mod_mbedtls keeps the one before the present one.

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

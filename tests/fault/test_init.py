# SPDX-License-Identifier: ISC
"""stek init while each of its system calls goes wrong in turn."""
import errno
import os
import stat

import pytest

from fault import run, walk

STEK = os.environ["STEK"]
MADE = ["farm.key", "run", "stek.conf", "store"]


def configure(folder):
    folder.clear()
    with open(folder / "stek.conf", "w", encoding="ascii") as conf:
        conf.write(f"""\
farm = "example"
store = "dir:{folder / "store"}"
farm_key = "{folder / "farm.key"}"
user = "nobody"
control = "{folder / "run/control"}"
""")


def init(folder, env=None):
    return run([STEK, "-c", folder / "stek.conf", "init"], env)


def inited(folder, how):
    return walk(how, folder.path, lambda: configure(folder),
                lambda env: init(folder, env))


def secrets_exposed(folder):
    return [found for found in folder.exposed
            if found[0] != folder / "stek.conf"]


def farm_key(folder):
    try:
        with open(folder / "farm.key", "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def assert_a_next_init_completes_it(folder):
    before = farm_key(folder)
    result = init(folder)
    assert result.returncode == 0, result.stderr
    assert folder.names == MADE
    assert len(farm_key(folder)) == 32
    assert before in (None, farm_key(folder))
    st = os.stat(folder / "farm.key")
    assert stat.S_IMODE(st.st_mode) == 0o600


def test_killed_anywhere_it_leaves_a_whole_farm_key_or_none(folder):
    deaths = 0
    for fault, result in inited(folder, "kill"):
        assert result.returncode == -9, fault
        assert len(farm_key(folder) or bytes(32)) == 32, fault
        assert not secrets_exposed(folder), fault
        assert_a_next_init_completes_it(folder)
        deaths += 1
    assert deaths >= 20


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC, errno.EPERM])
def test_a_failed_call_is_told_and_nothing_half_made_is_used(folder, error):
    told = 0
    for fault, result in inited(folder, error):
        assert result.returncode in (0, 1), fault
        if result.returncode == 1:
            assert result.stderr.strip(), fault
            told += 1
        if result.returncode == 1 and fault.met.path != "-":
            assert os.strerror(error) in result.stderr, fault
            assert folder.path in result.stderr, fault
        assert not secrets_exposed(folder), fault
        assert_a_next_init_completes_it(folder)
    assert told >= 10


def test_without_a_fault_it_makes_what_it_says(folder):
    configure(folder)
    assert_a_next_init_completes_it(folder)

# SPDX-License-Identifier: ISC
"""
A farm key that systemd hands over as a credential: where it is looked for, in
stekd's unit and outside of it, and what is said when it is not there.
"""
import os
import sys

import pytest

from host import Host, sealing, with_mount

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "daemon"))

from derived import derived, openssl        # noqa: E402, as above


@pytest.fixture
def host():
    host_ = Host()
    yield host_
    host_.close()


@pytest.fixture
def given(host, monkeypatch):
    """As within stekd's unit."""
    os.mkdir(host.path("given"), 0o700)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", host.path("given"))
    return host


def test_a_credential_is_the_farm_key(given):
    given.configure(farm_key="credential:farm.key")
    given.write("given/farm.key", given.farm_key, mode=0o400)
    kept, = given.keep(sealing())
    result = given.stek("show")
    assert result.status == 0 and kept.name[:8] in result.out


def test_a_credential_is_the_private_key(given):
    given.configure(farm_key="cert:credential:server.key")
    key = given.write("given/server.key",
                      openssl("genpkey", "-algorithm", "ED448"), mode=0o440)
    given.farm_key = derived(key)
    kept, = given.keep(sealing())
    result = given.stek("show")
    assert result.status == 0 and kept.name[:8] in result.out
    assert "derived from an Ed448 key" in given.stek("init").out


def test_a_credential_that_is_missing_in_its_folder(given):
    given.configure(farm_key="credential:farm.key")
    for verb in ("init", "show"):
        result = given.stek(verb)
        assert result.status == 1
        assert f"{given.path('given/farm.key')}: No such file" in result.err
        assert "LoadCredential= with that name in stekd.service" in result.err


def test_a_folder_of_credentials_that_is_not_there(given):
    given.configure(farm_key="credential:farm.key")
    os.rmdir(given.path("given"))
    result = given.stek("show")
    assert result.status == 1
    assert f"{given.path('given')}: No such file" in result.err
    assert "LoadCredential=farm.key:FILE" in result.err


def test_a_folder_of_credentials_with_a_relative_path(given, monkeypatch):
    given.configure(farm_key="credential:farm.key")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", ".")
    result = given.stek("show")
    assert result.status == 1
    assert 'CREDENTIALS_DIRECTORY is "."; expected the absolute' in result.err


def test_a_credential_that_others_can_read(given):
    given.configure(farm_key="credential:farm.key")
    given.write("given/farm.key", given.farm_key, mode=0o444)
    result = given.stek("show")
    assert result.status == 1
    assert "others can read or replace the farm key" in result.err


@pytest.fixture
def outside(host, monkeypatch):
    """As root at a shell."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    if os.path.exists("/run/credentials/stekd.service"):
        pytest.skip("stekd's unit is active on this host")
    host.configure(farm_key="credential:farm.key")
    return host


def test_a_folder_of_credentials_that_is_below_a_file(given, monkeypatch):
    """Then it is not for the want of a unit."""
    given.configure(farm_key="credential:farm.key")
    given.write("given/x/y", "")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", given.path("given/x/y/z"))
    result = given.stek("check")
    assert "Not a directory" in result.out
    assert "LoadCredential" not in result.out


def test_outside_the_unit_init_leaves_the_key_to_systemd(outside):
    result = outside.stek("init")
    assert (result.status, result.err) == (0, "")
    assert result.out.splitlines()[1].split(maxsplit=2) == [
        "later", "credential:farm.key",
        "farm key: stekd gets it from systemd when it is started"]
    assert sorted(os.listdir(outside.home)) == ["stek.conf", "store"]


def test_outside_the_unit_check_says_that_stekd_must_run(outside):
    outside.stek("init")
    said = outside.stek("check").out
    assert ("note  farm key: it cannot be looked at now: "
            "/run/credentials/stekd.service: No such file") in said
    assert "start stekd, then check again" in said
    assert "fail  farm key" not in said


def test_outside_the_unit_its_folder_is_used_while_it_runs(outside):
    outside.write("farm.key", outside.farm_key)
    outside.keep(sealing())
    os.mkdir(outside.path("mnt"))
    result = with_mount(
        outside, "mount -t tmpfs none /run && "
        "mkdir -p -m 0755 /run/credentials && "
        "mkdir -m 0500 /run/credentials/stekd.service && "
        'cp "$0/farm.key" /run/credentials/stekd.service/farm.key && '
        "chmod 0400 /run/credentials/stekd.service/farm.key", "show")
    assert (result.status, result.err) == (0, "")


@pytest.mark.parametrize("prefix", ["credential:", "cert:credential:"])
@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x", "a:b",
                                  "a\tb", "\u00fc", "x" * 256])
def test_a_name_that_no_credential_has(host, prefix, name):
    host.configure(farm_key=prefix + name)
    result = host.stek("show")
    assert result.status == 1
    assert f"{host.conf}: line 3: " in result.err
    assert "expected the name of a credential of systemd" in result.err


@pytest.mark.parametrize("name", ["a", "...", "farm key", ".key", "x" * 255])
def test_a_name_that_a_credential_may_have(given, name):
    given.configure(farm_key=f"credential:{name}")
    given.write(f"given/{name}", given.farm_key)
    given.keep()
    assert given.stek("show").status == 0

# SPDX-License-Identifier: ISC
"""
stekd whose farm key follows from a TLS private key, or comes from systemd.

Which keys are taken, and what each gives: tests/cli/test_farm_key.py.
"""
import os
import shutil
import subprocess

import pytest

from host import decode
from daemon import STEK, STEKD, Daemon, haproxy_keys, read, replace
from derived import derived, openssl


@pytest.fixture
def stekd(farm):
    """Set up, with its private key, and not started."""
    daemon = Daemon(farm)
    daemon.key = daemon.path("server.key")
    daemon.values["farm_key"] = f"cert:{daemon.key}"
    daemon.file = daemon.add("file", "haproxy")
    give(daemon, EC)
    yield daemon
    daemon.stop()


EC = openssl("genpkey", "-algorithm", "EC", "-pkeyopt",
             "ec_paramgen_curve:prime256v1")
RSA = openssl("genpkey", "-algorithm", "RSA", "-pkeyopt",
              "rsa_keygen_bits:2048")


def give(daemon, data, mode=0o600):
    with open(daemon.key, "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(data)


def starts(daemon):
    daemon.start()
    daemon.wait_settled()
    return True


@pytest.mark.parametrize("key", [EC, RSA], ids=["EC", "RSA"])
def test_what_it_stores_is_closed_with_what_follows_from_the_key(stekd, key):
    give(stekd, key)
    assert starts(stekd)
    version, keys = decode("example", derived(stekd.key),
                           read(stekd.set_path))
    assert version == 1
    assert keys[0].name in [name for name, _, _ in haproxy_keys(stekd.file)]
    assert not os.path.exists(stekd.path("farm.key"))


def test_it_goes_on_after_a_restart_with_the_key_in_another_form(stekd):
    assert starts(stekd)
    before = read(stekd.file)
    stekd.end()
    give(stekd, openssl("ec", "-no_public", "-outform", "DER", data=EC))
    stekd.again()
    stekd.wait_settled()
    assert read(stekd.file) == before


@pytest.fixture
def follower(farm):
    """Another host of the same farm, fed by a copied store."""
    daemon = Daemon(farm, text="mint = false")
    daemon.key = daemon.path("other.pem")
    daemon.values["farm_key"] = f"cert:{daemon.key}"
    daemon.file = daemon.add("file", "haproxy")
    yield daemon
    daemon.stop()


@pytest.mark.parametrize("key, form", [
    (EC, ["pkey", "-outform", "DER"]), (EC, ["ec", "-no_public"]),
    (RSA, ["pkey", "-traditional"]), (RSA, ["pkey", "-outform", "DER"]),
], ids=["EC as DER", "EC as SEC1", "RSA as PKCS#1", "RSA as DER"])
def test_two_hosts_share_a_store_by_one_key_in_two_forms(stekd, follower, key,
                                                         form):
    give(stekd, key)
    assert starts(stekd)
    give(follower, openssl(*form, data=key))
    assert read(stekd.key) != read(follower.key)
    follower.stek("init")
    replace(follower.set_path, read(stekd.set_path))
    follower.launch()
    follower.wait(follower.settled, "the follower has the keys")
    stekd.stek("rotate", "--now")
    replace(follower.set_path, read(stekd.set_path))
    follower.wait_version(2)
    follower.wait(lambda: read(follower.file) == read(stekd.file),
                  "both servers have the same keys")


def test_hosts_with_two_keys_do_not(stekd, follower):
    assert starts(stekd)
    give(follower, RSA)
    follower.stek("init")
    replace(follower.set_path, read(stekd.set_path))
    status, said = follower.refused()
    assert status == 1
    assert "made with another farm key" in said
    assert f"cert:{follower.key}" in said


@pytest.mark.parametrize("data, found", [
    (EC + RSA, "found 2 private keys; expected one private key"),
    (openssl("pkey", "-pubout", data=EC),
     "found a public key and no private key; expected one private key"),
    (openssl("pkey", "-aes128", "-passout", "pass:x", data=RSA),
     "found a private key with a passphrase; expected one private key"),
    (b"", "found an empty file; expected one private key"),
    (EC + b"\n" * 65536, "expected a file of at most 64 KB"),
], ids=["two", "public", "passphrase", "empty", "long"])
def test_it_does_not_start_with_a_key_that_it_refuses(stekd, data, found):
    stekd.stek("init")
    give(stekd, data)
    status, said = stekd.refused()
    assert status == 1
    assert "cannot use the farm key" in said
    assert f"{stekd.key}: {found}" in said
    assert len(said.splitlines()) == 1
    assert not os.path.exists(stekd.set_path)


@pytest.mark.parametrize("bits, uid", [(0o644, 0), (0o660, 0), (0o600, 65534)])
def test_it_does_not_start_with_a_key_that_others_can_get_at(stekd, bits, uid):
    stekd.stek("init")
    os.chmod(stekd.key, bits)
    os.chown(stekd.key, uid, 0)
    assert "others can read or replace the farm key" in stekd.refused()[1]


def test_a_key_that_its_user_cannot_read_is_read_before_privilege_goes(stekd):
    """As in /etc/ssl/private."""
    folder = stekd.path("private")
    os.mkdir(folder, 0o710)
    shutil.move(stekd.key, folder)
    stekd.key = os.path.join(folder, "server.key")
    stekd.values["farm_key"] = f"cert:{stekd.key}"
    stekd.configure()
    assert starts(stekd)


def test_another_farm_key_takes_a_restart(stekd):
    assert starts(stekd)
    stekd.values["farm_key"] = stekd.path("farm.key")
    stekd.configure()
    stekd.hup()
    stekd.wait_said("farm_key can change only by a restart")


# --- what it has in memory ---------------------------------------------------

def name(pid):
    return read(f"/proc/{pid}/comm").decode().strip()


def memory(pid):
    """What a process could write to, but for a sanitizer's shadow."""
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps:
        areas = [line.split()[:2] for line in maps]
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as mem:
        for area, may in areas:
            if may[1] == "w":
                start, end = (int(part, 16) for part in area.split("-"))
                if end - start > 1 << 32:
                    continue
                mem.seek(start)
                try:
                    yield mem.read(end - start)
                except OSError:
                    continue


def test_the_private_key_is_not_in_its_memory(stekd):
    """The farm key is, so the search would find it."""
    seed_key = openssl("genpkey", "-algorithm", "ED25519", "-outform", "DER")
    seed = seed_key[-32:]
    give(stekd, seed_key)
    assert starts(stekd)
    main = stekd.child.pid
    farm_key = derived(stekd.key)
    assert any(farm_key in area for area in memory(main))
    for pid in stekd.pids():
        for area in memory(pid):
            assert seed[:12] not in area and seed[:12][::-1] not in area
    for pid in stekd.pids()[1:]:
        assert not any(farm_key in area for area in memory(pid))


def test_a_private_key_brings_no_library_into_it(stekd):
    assert starts(stekd)
    for pid in stekd.pids():
        assert b"libcrypto" not in read(f"/proc/{pid}/maps")


def test_who_derives_is_gone_once_it_has_started(stekd):
    assert starts(stekd)
    assert "stek" not in [name(pid) for pid in stekd.pids()]


def test_neither_log_nor_status_shows_what_follows_from_the_key(stekd):
    assert starts(stekd)
    farm_key = derived(stekd.key)
    said = stekd.said() + stekd.stek("status", "--json").stdout
    for part in (farm_key[:8], farm_key[-8:]):
        assert part.hex() not in said.lower()


# --- the helper --------------------------------------------------------------

def alone(stekd, helper=None):
    """A stekd with this script in the place of stek."""
    for folder in ("sbin", "bin"):
        os.makedirs(stekd.path(folder))
    program = shutil.copy(STEKD, stekd.path("sbin"))
    if helper is not None:
        stekd.write("bin/stek", "#!/bin/sh\n" + helper, mode=0o755)
    return program


def test_it_does_not_start_without_stek(stekd):
    stekd.stek("init")
    said = stekd.refused(executable=alone(stekd))[1]
    assert "stek(1) was not found beside stekd(8)" in said


@pytest.mark.parametrize("helper", [
    "exit 1", "cat >/dev/null", "kill -9 $$", "exec <&-; exit 0", "printf k",
    "printf w", "printf k%31s", "cat"], ids=lambda text: text)
def test_it_does_not_start_if_stek_does_not_do_its_part(stekd, helper):
    stekd.stek("init")
    said = stekd.refused(executable=alone(stekd, helper))[1]
    assert '\\"stek derive\\" did not run to its end' in said
    assert not os.path.exists(stekd.set_path)


def test_who_calls_stek_derive_by_hand_gets_no_key(stekd):
    for text in ("", EC.decode()):
        done = subprocess.run([STEK, "derive"], input=text, timeout=60,
                              stdout=open(stekd.path("out"), "wb"),
                              stderr=subprocess.PIPE, text=True, check=False)
        assert done.returncode == 2
        assert "derive is for stekd alone" in done.stderr
        assert read(stekd.path("out")) == b""


# --- credentials -------------------------------------------------------------

@pytest.fixture
def given(stekd, monkeypatch):
    """A folder as systemd makes it."""
    os.mkdir(stekd.path("given"), 0o700)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", stekd.path("given"))
    stekd.key = stekd.path("given", "server.key")
    return stekd


@pytest.mark.parametrize("value", ["credential:server.key",
                                   "cert:credential:server.key"])
def test_it_starts_with_a_credential(given, value):
    given.values["farm_key"] = value
    give(given, EC if value.startswith("cert:") else os.urandom(32), 0o400)
    os.chmod(given.path("given"), 0o500)
    given.configure()
    assert starts(given)
    farm_key = (derived(given.key) if value.startswith("cert:")
                else read(given.key))
    assert decode("example", farm_key, read(given.set_path))[0] == 1


def test_it_does_not_start_without_the_folder(given):
    given.values["farm_key"] = "cert:credential:server.key"
    given.configure()
    os.makedirs(given.store, mode=0o700)
    shutil.chown(given.store, "nobody")
    os.rmdir(given.path("given"))
    status, said = given.refused()
    assert status == 1
    assert f"{given.path('given')}: No such file" in said
    assert "LoadCredential=server.key:FILE" in said


def test_it_does_not_start_without_the_credential(given):
    given.values["farm_key"] = "credential:other"
    given.configure()
    os.makedirs(given.store, mode=0o700)
    shutil.chown(given.store, "nobody")
    status, said = given.refused()
    assert status == 1
    assert f"{given.path('given', 'other')}: No such file" in said
    assert "LoadCredential= with that name" in said

# SPDX-License-Identifier: ISC
"""
stek import: another tool's keys become the farm's, all of them or none.
"""
import base64
import fcntl
import os
import re
import struct
import time

import pytest

from host import HOUR, Host, Timed, is_hidden, opening, pending, sealing
from keys import Key, base64_lines

# A test may begin and end in different seconds.
SLACK = 120


@pytest.fixture
def host():
    host_ = Host()
    yield host_
    host_.close()


def about(moment):
    return pytest.approx(moment, abs=SLACK)


def seals(keys, now=None):
    """The one key that seals: the greatest seal_from in its time."""
    now = now or time.time()
    able = [k for k in keys if k.seal_from <= now < k.seal_until]
    return max(able, key=lambda k: k.seal_from)


def haproxy(*keys):
    return base64_lines([key.a80() for key in keys])


def h2o(key, start, end):
    secret = (key.aes + key.mac + bytes(32)).hex()
    return (f"- name: {key.name}\n  cipher: AES-256-CBC\n  hash: SHA256\n"
            f"  key: {secret}\n  not_before: {start}\n  not_after: {end}\n")


def lighttpd(key, start, end):
    return struct.pack("=iii", 0, start, end) + key.h80()


def envoy(*keys):
    lines = "".join(
        f'    - inline_bytes: "{base64.b64encode(key.h80()).decode()}"\n'
        for key in keys)
    return ('resources:\n- "@type": "type.googleapis.com/'
            'envoy.extensions.transport_sockets.tls.v3.Secret"\n'
            '  name: "any"\n  session_ticket_keys:\n    keys:\n' + lines)


# --- what comes of a file ----------------------------------------------------

def test_the_encrypting_key_seals_from_now(host):
    old, = host.keep(sealing(), version=5)
    before, enc, after = Key(), Key(), Key()
    path = host.write("hap", haproxy(before, enc, after))
    result = host.stek("import", "--format", "haproxy", path)
    assert (result.status, result.err) == (0, "")
    version, keys = host.kept()
    assert version == 6
    assert {k.name for k in keys} == {old.name, before.name, enc.name,
                                      after.name}
    assert seals(keys).key == enc
    assert seals(keys).seal_from == about(time.time())
    # As a key of the policy: twice 6 hours, and 12 for its tickets.
    assert seals(keys).seal_until == seals(keys).seal_from + 12 * HOUR
    assert seals(keys).open_until == seals(keys).seal_from + 24 * HOUR


def test_the_other_keys_open_as_long_as_tickets_do(host):
    host.keep(sealing())
    before, enc, after = Key(), Key(), Key()
    path = host.write("hap", haproxy(before, enc, after))
    host.stek("import", "--format", "haproxy", path)
    now = time.time()
    for key in host.kept()[1]:
        if key.key in (before, after):
            assert key.seal_until <= now
            assert key.open_until == about(now + 12 * HOUR)


def test_a_farm_without_keys_begins_with_the_imported(host):
    host.stek("init")
    key = Key()
    path = host.write("dns", key.a80())
    assert host.stek("import", "--format", "dnsdist", path).status == 0
    version, keys = host.kept()
    assert version == 1 and [k.key for k in keys] == [key]


def test_import_says_what_became_of_each_key(host):
    host.keep(sealing())
    keys = Key(), Key(), Key()
    path = host.write("hap", haproxy(*keys))
    out = host.stek("import", "--format", "haproxy", path).out
    assert re.search(rf"{keys[1].name}  seals from now on", out)
    assert re.search(rf"{keys[0].name}  opens until .* \(in 1[12]h", out)
    assert all(is_hidden(key, out) for key in keys)


def test_a_folder_is_imported_by_its_list(host):
    host.keep(sealing())
    first, second = Key(), Key()
    for name, key in (("a", first), ("b", second)):
        host.write(f"web/{name}.key", key.h80())
    host.write("web/keys.conf", "".join(
        f"ssl_session_ticket_key {host.path('web', n)}.key;\n" for n in "ab"))
    assert host.stek(
        "import", "--format", "nginx", host.path("web")).status == 0
    _, keys = host.kept()
    assert seals(keys).key == first
    assert second in [k.key for k in keys]


def test_one_key_file_of_nginx_is_enough(host):
    host.keep(sealing())
    key = Key()
    path = host.write("ticket.key", key.h80())
    assert host.stek("import", "--format", "nginx", path).status == 0
    assert seals(host.kept()[1]).key == key


def test_envoys_first_key_seals(host):
    host.keep(sealing())
    first, second = Key(), Key()
    path = host.write("sds.yaml", envoy(first, second))
    assert host.stek("import", "--format", "envoy", path).status == 0
    assert seals(host.kept()[1]).key == first


def test_h2os_times_are_kept(host):
    host.keep(sealing())
    now = int(time.time())
    old, enc, next_ = Key(), Key(), Key()
    path = host.write("h2o", h2o(next_, now + HOUR, now + 30 * HOUR)
                      + h2o(enc, now - HOUR, now + 9 * HOUR)
                      + h2o(old, now - 3 * HOUR, now + 4 * HOUR))
    assert host.stek("import", "--format", "h2o", path).status == 0
    keys = {k.key: k for k in host.kept()[1]}
    assert seals(keys.values()).key == enc
    assert keys[enc].open_until == now + 9 * HOUR
    assert keys[enc].seal_until <= now + 9 * HOUR
    assert keys[old].open_until == now + 4 * HOUR
    assert keys[old].seal_until <= time.time()
    assert keys[next_].seal_from == now + HOUR
    assert keys[next_].open_until == now + 30 * HOUR


def test_lighttpds_key_may_wait_for_its_time(host):
    old, = host.keep(sealing())
    key, now = Key(), int(time.time())
    path = host.write("stek", lighttpd(key, now + HOUR, now + 9 * HOUR))
    result = host.stek("import", "--format", "lighttpd", path)
    assert result.status == 0 and "seals from 20" in result.out
    keys = {k.key: k for k in host.kept()[1]}
    assert seals(keys.values()) == old
    assert keys[key].seal_from == now + HOUR
    assert keys[key].open_until == now + 9 * HOUR


def test_keys_that_are_dead_make_room(host):
    dead = int(time.time()) - HOUR
    gone = [Timed(Key(), dead - 20, dead - 10, dead) for _ in range(15)]
    host.keep(*gone, sealing())
    path = host.write("hap", haproxy(Key(), Key(), Key()))
    assert host.stek("import", "--format", "haproxy", path).status == 0
    assert len(host.kept()[1]) == 4


def test_versions_go_on_from_what_this_host_has_had(host):
    host.stek("init")
    host.write("store/test.seen", "41\n")
    path = host.write("dns", Key().a80())
    assert host.stek("import", "--format", "dnsdist", path).status == 0
    assert host.kept()[0] == 42


def test_a_running_stekd_takes_the_keys_up(host):
    host.configure(host.target("web", "haproxy", path=host.path("web")))
    host.stek("init")
    host.start()
    key = Key()
    path = host.write("unbound.key", key.a80())
    assert host.stek("import", "--format", "unbound", path).status == 0
    until = time.monotonic() + 60
    encrypts = re.compile(rf"{key.name}  encrypts")
    while not encrypts.search(host.stek(
            "show", "--format", "haproxy", host.path("web")).out):
        assert time.monotonic() < until
        time.sleep(0.02)


# --- what is refused, whole --------------------------------------------------

def refused(host, format_, data, *reasons):
    """Refused, for these reasons, and the store is what it was."""
    if not os.path.exists(host.path("store", "test.set")):
        host.keep(sealing(), pending())
    before = host.read("store", "test.set")
    path = host.write("in", data)
    result = host.stek("import", "--format", format_, path)
    assert (result.status, result.out) == (1, "")
    assert path in result.err and "nothing was changed" in result.err
    for reason in reasons:
        assert reason in result.err
    assert host.read("store", "test.set") == before
    assert sorted(os.listdir(host.path("store"))) in (
        ["test.set"], ["test.lock", "test.set"])


@pytest.mark.parametrize("format_, data", [
    ("nginx48", Key().a48()), ("apache", Key().h48()),
    ("trafficserver", Key().h48() + Key().h48()),
    ("nghttpx48", Key().a48()),
    ("haproxy48", base64_lines([Key().a48() for _ in range(3)])),
    ("stunnel", f"ticketKeySecret = {os.urandom(16).hex()}\n"
                f"ticketMacSecret = {os.urandom(16).hex()}\n"),
], ids=lambda value: value if isinstance(value, str) and "=" not in value
    else "")
def test_short_keys_are_refused_with_the_reason(host, format_, data):
    refused(host, format_, data, "AES-128")


WEAK = [bytes(32), b"1" * 8 + bytes(24), bytes(range(32)),
        b"\xde\xad\xbe\xef" * 8, b"correct horse battery staple 123",
        bytes.fromhex("603deb1015ca71be2b73aef0857d7781"
                      "1f352c073b6108d72d9810a30914dff4")]


@pytest.mark.parametrize("weak", WEAK, ids=[
    "zero", "padded", "counting", "pattern", "text", "published"])
@pytest.mark.parametrize("part", ["aes", "mac"])
def test_a_weak_key_is_refused(host, weak, part):
    refused(host, "dnsdist",
            Key().a80() + Key(**{part: weak}).a80(), "random")


def test_a_weak_name_is_refused(host):
    refused(host, "dnsdist", Key(bytes_name=bytes(16)).a80(), "name")


def test_an_aes_key_that_is_the_hmac_key_is_refused(host):
    same = os.urandom(32)
    refused(host, "dnsdist", Key(aes=same, mac=same).a80(), "equal")


def test_a_key_twice_in_a_file_is_refused(host):
    key = Key()
    refused(host, "haproxy", haproxy(key, Key(), key), "first 4 bytes")


def test_a_key_that_the_farm_has_is_refused(host):
    old, = host.keep(sealing())
    refused(host, "dnsdist", Key().a80() + old.key.a80(), old.name,
            "already has")


def test_a_name_that_begins_like_one_of_the_farms_is_refused(host):
    old, = host.keep(sealing())
    twin = Key(bytes_name=old.key.bytes_name[:4] + os.urandom(12))
    refused(host, "dnsdist", twin.a80(), twin.name, "first 4 bytes")


@pytest.mark.parametrize("format_, make", [("h2o", h2o),
                                           ("lighttpd", lighttpd)])
def test_an_expired_key_is_refused(host, format_, make):
    now = int(time.time())
    refused(host, format_, make(Key(), now - 2 * HOUR, now - HOUR),
            "expired")


def test_one_expired_key_refuses_the_file(host):
    now = int(time.time())
    refused(host, "h2o", h2o(Key(), now - HOUR, now + HOUR)
            + h2o(Key(), now - 9 * HOUR, now - HOUR), "line 7", "expired")


@pytest.mark.parametrize("last", [0x00, 0x7f, 0xff])
def test_times_in_the_wrong_byte_order_are_refused(host, last):
    # Read in the right order they begin with their last byte, and so are
    # long past, far ahead or negative.
    now = int(time.time())
    times = [moment & ~0xff | last for moment in (now - HOUR, now + HOUR)]
    refused(host, "lighttpd",
            struct.pack(">iii", 0, *times) + Key().h80(), "byte order")


def test_more_keys_than_a_farm_may_have_are_refused(host):
    host.keep(*[opening() for _ in range(14)])
    refused(host, "dnsdist", b"".join(Key().a80() for _ in range(3)),
            "16", "17")


@pytest.mark.parametrize("format_, data", [
    ("nginx", b""), ("nginx", os.urandom(79)), ("nginx", os.urandom(160)),
    ("unbound", os.urandom(81)), ("nghttpx", b""),
    ("haproxy", b""), ("haproxy", haproxy(Key(), Key())),
    ("haproxy", haproxy(Key(), Key(), Key()) + b"\n"),
    ("haproxy", haproxy(Key(), Key()) + b"?" * 108),
    ("haproxy", haproxy(Key(), Key()) + base64_lines([os.urandom(48)])),
    ("lighttpd", os.urandom(91)), ("lighttpd", os.urandom(93)),
    ("h2o", b""), ("h2o", b"- name: x\n"), ("h2o", b"\x00" * 100),
    ("dnsdist", b""), ("dnsdist", os.urandom(81)),
    ("envoy", b"resources:\n"), ("envoy", os.urandom(100)),
    ("stunnel", b"ticketKeySecret = 00\n"), ("stunnel", b""),
    ("knot-resolver", os.urandom(10)), ("haproxy", bytes(70000)),
], ids=lambda value: value if isinstance(value, str) else f"{len(value)}")
def test_a_file_that_is_not_of_the_format_is_refused(host, format_, data):
    refused(host, format_, data)


def test_garbage_is_not_taken_for_a_ring(host):
    refused(host, "ring", os.urandom(4096))


# --- what cannot be done -----------------------------------------------------

def test_a_host_that_follows_sends_the_operator_to_the_one_that_leads(host):
    host.configure("mint = false\n")
    host.keep(sealing())
    before = host.read("store", "test.set")
    path = host.write("dns", Key().a80())
    result = host.stek("import", "--format", "dnsdist", path)
    assert result.status == 1 and "mint = false" in result.err
    assert host.read("store", "test.set") == before


def test_another_process_at_the_store_is_waited_for_and_told(host):
    host.keep(sealing())
    before = host.read("store", "test.set")
    path = host.write("dns", Key().a80())
    with open(host.path("store", "test.lock"), "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = host.stek("import", "--format", "dnsdist", path)
    assert result.status == 1 and "lock" in result.err
    assert host.read("store", "test.set") == before


@pytest.mark.parametrize("kind", ["link", "fifo", "another's"])
def test_what_lies_in_the_locks_place_is_left_alone(host, kind):
    """Root would give it to stekd's user, whose folder this is."""
    lock = host.path("store", "test.lock")
    victim = host.write("victim", b"precious", 0o600)
    host.keep(sealing())
    if kind == "link":
        os.chown(victim, 2, 2)
        os.link(victim, lock)
    elif kind == "fifo":
        os.mkfifo(lock)
    else:
        host.write("store/test.lock", b"")
        os.chown(lock, 65534, 65534)
    before = os.stat(lock)
    result = host.stek("import", "--format", "dnsdist",
                       host.write("dns", Key().a80()))
    assert result.status == 1
    assert lock in result.err and "one name" in result.err
    after = os.stat(lock)
    assert (after.st_uid, after.st_gid, after.st_mode) == (
        before.st_uid, before.st_gid, before.st_mode)


def test_a_missing_file_is_told(host):
    host.keep(sealing())
    result = host.stek("import", "--format", "dnsdist", host.path("none"))
    assert result.status == 1
    assert host.path("none") in result.err and "No such file" in result.err


def test_garbage_in_the_store_stays(host):
    host.keep(sealing())
    host.write("store/test.set", b"garbage")
    path = host.write("dns", Key().a80())
    result = host.stek("import", "--format", "dnsdist", path)
    assert result.status == 1 and "test.set" in result.err
    assert host.read("store", "test.set") == b"garbage"


@pytest.mark.parametrize("format_", ["lighttpd-gnutls", "lighttpd-nss"])
def test_a_server_that_stek_does_not_drive_is_named_with_the_reason(
        host, format_):
    result = host.stek("import", "--format", format_, host.write("x", b"x"))
    assert result.status == 2
    assert "stek does not drive" in result.err


@pytest.mark.parametrize("args", [
    ("import",), ("import", "file"), ("import", "--format", "nginx"),
    ("import", "--format", "nginx", "a", "b"), ("import", "--format"),
    ("import", "--format", "iis", "a"), ("import", "--now"),
])
def test_wrong_usage_is_2(host, args):
    result = host.stek(*args)
    assert (result.status, result.out) == (2, "")
    assert result.err.startswith("stek: ")

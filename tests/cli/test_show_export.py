# SPDX-License-Identifier: ISC
"""
stek show and stek export: the farm's keys from its store, as names and times
for people, and as files for servers; without stekd.
"""
import base64
import os
import stat
import time

import pytest

from host import (Host, encode, is_hidden, opening, pending, sealing,
                  terminal, with_mount)
from keys import Key, base64_lines


@pytest.fixture
def host():
    host_ = Host()
    yield host_
    host_.close()


def line_of(name, text):
    lines = [line for line in text.splitlines() if name in line]
    assert len(lines) == 1
    return lines[0]


# --- show, of the store ------------------------------------------------------

def test_show_tells_each_key_by_name_and_state(host):
    old, now, next_ = host.keep(opening(), sealing(), pending(), version=7)
    result = host.stek("show")
    assert result.status == 0
    assert "farm test, version 7: 3 keys" in result.out
    assert "opening" in line_of(old.name, result.out)
    assert "sealing" in line_of(now.name, result.out)
    assert "pending" in line_of(next_.name, result.out)


def test_show_tells_times_as_local_time(host):
    key, = host.keep(sealing())
    out = host.stek("show").out
    for words, moment in (("seals from", key.seal_from),
                          ("seals until", key.seal_until),
                          ("opens until", key.open_until)):
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))
        assert stamp in line_of(words, out)
    assert "(1h ago)" in line_of("seals from", out)
    assert "(in 10h59m)" in line_of("seals until", out) \
        or "(in 11h)" in line_of("seals until", out)


def test_show_tells_no_times_where_a_format_has_none(host):
    path = host.write("dns", Key().a80())
    out = host.stek("show", "--format", "dnsdist", path).out
    assert "from" not in out and "until" not in out


def test_show_keeps_secrets_to_itself(host):
    keys = host.keep(opening(), sealing())
    result = host.stek("show")
    assert all(is_hidden(key.key, result.raw, result.err) for key in keys)


def test_an_empty_store_is_no_error(host):
    host.stek("init")
    result = host.stek("show")
    assert (result.status, result.err) == (0, "")
    assert "0 keys" in result.out


# --- show, of files ----------------------------------------------------------

def test_show_marks_the_key_with_which_haproxy_encrypts(host):
    first, middle, last = Key(), Key(), Key()
    path = host.write("hap", base64_lines(
        [first.a80(), middle.a80(), last.a80()]))
    result = host.stek("show", "--format", "haproxy", path)
    assert result.status == 0
    assert "encrypts" in line_of(middle.name, result.out)
    assert "opens" in line_of(first.name, result.out)
    assert "opens" in line_of(last.name, result.out)
    assert all(is_hidden(k, result.raw) for k in (first, middle, last))


def nginx_folder(host, *keys):
    names = [host.write(f"web/{n}.key", key.h80())
             for n, key in enumerate(keys)]
    host.write("web/keys.conf", "".join(
        f"ssl_session_ticket_key {name};\n" for name in names))
    return host.path("web")


def test_show_reads_a_folder_by_its_list(host):
    first, second = Key(), Key()
    result = host.stek("show", "--format", "nginx",
                       nginx_folder(host, first, second))
    assert result.status == 0
    assert "encrypts" in line_of(first.name, result.out)
    assert "opens" in line_of(second.name, result.out)


def test_show_reads_one_key_file_of_a_folder(host):
    key = Key()
    folder = nginx_folder(host, Key(), key)
    result = host.stek("show", "--format", "nginx", f"{folder}/1.key")
    assert result.status == 0
    assert "80 bytes, AES-256" in line_of(key.name, result.out)


def test_show_tells_short_keys_from_long_ones(host):
    key = Key()
    path = host.write("key", key.a48())
    result = host.stek("show", "--format", "nginx48", path)
    assert result.status == 0
    assert "48 bytes, AES-128" in line_of(key.name, result.out)


@pytest.mark.parametrize("content, reason", [
    (b"", "80"),
    (os.urandom(79), "79"),
    (os.urandom(81), "81"),
    (bytes(80), "zeroes"),
    (bytes(range(80)), "pattern"),
], ids=["empty", "short", "long", "zero", "counting"])
def test_show_says_what_is_wrong_with_a_key_file(host, content, reason):
    path = host.write("bad.key", content)
    result = host.stek("show", "--format", "nginx", path)
    assert result.status == 1 and result.out == ""
    assert result.err.startswith(f"stek: {path}: ") and reason in result.err


def test_show_names_the_line_that_is_wrong(host):
    lines = base64_lines([Key().a80(), Key().a80()])
    path = host.write("hap", lines + b"no base64!\n")
    result = host.stek("show", "--format", "haproxy", path)
    assert result.status == 1
    assert f"{path}: line 3:" in result.err


def test_show_names_the_file_that_a_list_names_and_nobody_has(host):
    folder = nginx_folder(host, Key(), Key())
    os.unlink(f"{folder}/1.key")
    result = host.stek("show", "--format", "nginx", folder)
    assert result.status == 1
    assert f"{folder}/1.key: No such file" in result.err


def test_show_refuses_two_keys_that_servers_cannot_tell_apart(host):
    key = Key()
    twin = Key(bytes_name=key.bytes_name[:4] + os.urandom(12))
    result = host.stek("show", "--format", "nginx",
                       nginx_folder(host, key, twin))
    assert result.status == 1
    assert "first 4 bytes" in result.err


@pytest.mark.parametrize("what", ["missing", "folder", "pipe", "long"])
def test_show_wants_a_file_that_can_be_one(host, what):
    path = host.path("odd")
    if what == "folder":
        os.mkdir(path)
    elif what == "pipe":
        os.mkfifo(path)
    elif what == "long":
        host.write("odd", bytes(100000))
    result = host.stek("show", "--format", "haproxy", path)
    assert result.status == 1
    assert path in result.err


def test_show_help_lists_formats_with_what_one_must_know(host):
    result = host.stek("show", "--format", "help", conf=False)
    assert result.status == 0
    for name in ("nginx", "nginx48", "haproxy", "haproxy48"):
        assert name in result.out.splitlines()
    assert "tls-ticket-keys PATH" in result.out


def test_what_one_must_know_of_a_server_fits_a_terminal(host):
    out = host.stek("show", "--format", "help", conf=False).out
    parts = out.split("    Know that:\n")[1:]
    lines = [line for part in parts
             for line in part.splitlines() if line.startswith(8 * " ")
             and "PATH" not in line]
    assert len(lines) > len(parts)
    assert 60 < max(map(len, lines)) < 80


def test_no_usual_reload_fails_where_the_server_does_not_run(host):
    """As at boot; nor does one start a server that its operator stopped."""
    out = host.stek("show", "--format", "help", conf=False).out
    asked = [line for line in out.splitlines() if "= \"systemctl " in line]
    assert len(asked) > 3
    assert [line for line in asked if "= \"systemctl try-" not in line] == []


# --- export ------------------------------------------------------------------

def test_export_writes_haproxys_three_keys_in_its_order(host):
    old, now, next_ = host.keep(opening(), sealing(), pending())
    result = host.stek("export", "--format", "haproxy")
    assert result.status == 0
    assert result.raw == base64_lines(
        [old.key.a80(), now.key.a80(), next_.key.a80()])


def test_export_makes_a_folder_for_nginx(host):
    old, now = host.keep(opening(), sealing())
    folder = host.path("web")
    assert host.stek("export", "--format", "nginx", "-o", folder).status == 0
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    files = [line.split()[1].rstrip(";")
             for line in host.read("web", "keys.conf").decode().splitlines()]
    assert [open(file, "rb").read() for file in files] == [
        now.key.h80(), old.key.h80()]


def test_exported_files_are_for_their_owner_alone(host):
    host.keep(sealing())
    host.stek("export", "--format", "nginx", "-o", host.path("web"))
    host.stek("export", "--format", "haproxy", "-o", host.path("hap"))
    files = [host.path("hap")] + [
        host.path("web", name) for name in os.listdir(host.path("web"))]
    assert len(files) == 3
    assert {stat.S_IMODE(os.stat(f).st_mode) for f in files} == {0o600}


def test_a_key_that_has_gone_leaves_the_folder(host):
    gone = sealing()
    host.keep(gone)
    host.stek("export", "--format", "nginx", "-o", host.path("web"))
    host.write("web/mine.txt", "mine")
    new, = host.keep(sealing(), version=2)
    assert host.stek(
        "export", "--format", "nginx", "-o", host.path("web")).status == 0
    assert sorted(os.listdir(host.path("web"))) == sorted(
        [f"{new.name}.key", "keys.conf", "mine.txt"])


def test_a_ring_can_be_exported_and_shown(host):
    now, next_ = host.keep(sealing(), pending())
    path = host.path("web.ring")
    assert host.stek("export", "--format", "ring", "-o", path).status == 0
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    result = host.stek("show", "--format", "ring", path)
    assert "encrypts" in line_of(now.name, result.out)
    assert "opens" in line_of(next_.name, result.out)


def test_another_scope_has_other_keys_and_names(host):
    key, = host.keep(sealing())
    plain = host.stek("export", "--format", "haproxy", "--scope", "")
    other = host.stek("export", "--format", "haproxy", "--scope", "shop")
    assert plain.status == other.status == 0
    names = [base64.b64decode(line)[:16] for line in other.raw.splitlines()]
    assert key.key.a80() == base64.b64decode(plain.raw.splitlines()[1])
    assert key.key.bytes_name not in names


def test_a_scope_that_is_too_long_is_refused(host):
    host.keep(sealing())
    result = host.stek("export", "--format", "haproxy", "--scope", "x" * 256)
    assert result.status == 2 and "255" in result.err


def test_a_scope_that_is_a_formats_own_is_refused(host):
    """Those begin with a control character, which no target's may have."""
    host.keep(sealing())
    result = host.stek("export", "--format", "haproxy", "--scope", "a\1")
    assert result.status == 2 and "byte 2 to be 0x01" in result.err


@pytest.mark.parametrize("format_", ["nginx", "ring"])
def test_a_folder_or_a_ring_needs_a_place(host, format_):
    host.keep(sealing())
    result = host.stek("export", "--format", format_)
    assert (result.status, result.out) == (2, "")
    assert "-o" in result.err


def test_keys_are_not_written_to_a_terminal(host):
    key, = host.keep(sealing())
    leader, follower = terminal()
    result = host.stek("export", "--format", "haproxy", stdout=follower)
    os.close(follower)
    try:
        shown = os.read(leader, 4096)
    except OSError:
        shown = b""
    os.close(leader)
    assert result.status == 2 and "terminal" in result.err
    assert base64.b64encode(key.key.a80()) not in shown


def test_a_full_disk_is_told(host):
    host.keep(sealing())
    with open("/dev/full", "wb") as full:
        result = host.stek("export", "--format", "haproxy", stdout=full)
    assert result.status == 1
    assert "No space left" in result.err


@pytest.mark.parametrize("path", ["/dev/full", "/dev/stdout"])
def test_a_device_is_never_replaced_by_a_file(host, path):
    host.keep(sealing())
    before = os.lstat(path)
    result = host.stek("export", "--format", "haproxy", "-o", path)
    assert result.status == 1
    assert "no regular file" in result.err
    assert os.lstat(path).st_mode == before.st_mode


def test_a_folder_that_is_not_there_is_told_and_the_old_file_stands(host):
    host.keep(sealing())
    result = host.stek("export", "--format", "haproxy", "-o",
                       host.path("no/hap"))
    assert result.status == 1
    assert host.path("no/hap") in result.err


def test_a_full_file_system_leaves_the_old_file(host):
    host.keep(sealing())
    os.mkdir(host.path("mnt"))
    result = with_mount(host, """
mount -t tmpfs -o size=4k none "$1"
printf old >"$1/hap"
""", "export", "--format", "haproxy", "-o", host.path("mnt/hap"))
    assert result.status == 1
    assert "No space left" in result.err
    assert result.out == "hap holds old\n"


def test_a_read_only_folder_leaves_the_old_file(host):
    host.keep(sealing())
    host.write("mnt/hap", b"old")
    result = with_mount(host, """
mount --bind "$1" "$1"
mount -o remount,bind,ro "$1"
""", "export", "--format", "haproxy", "-o", host.path("mnt/hap"))
    assert result.status == 1
    assert "Read-only" in result.err
    assert result.out == "hap holds old\n"


def test_a_place_on_a_disk_is_written_with_a_note(host):
    host.keep(sealing())
    path = f"/var/tmp/stek-test-{os.getpid()}"
    try:
        result = host.stek("export", "--format", "haproxy", "-o", path)
        assert result.status == 0
        assert "on a disk" in result.err
    finally:
        os.unlink(path)


def test_a_list_cannot_name_a_folder_with_a_quote(host):
    host.keep(sealing())
    result = host.stek("export", "--format", "nginx", "-o",
                       host.path('we"b'))
    assert result.status == 1
    assert "letters, digits" in result.err


def test_a_farm_whose_keys_seal_no_more_exports_nothing(host):
    host.keep(opening())
    result = host.stek("export", "--format", "haproxy")
    assert (result.status, result.out) == (1, "")
    assert "no key of the farm seals" in result.err


def test_a_farm_without_keys_exports_nothing(host):
    host.stek("init")
    result = host.stek("export", "--format", "haproxy")
    assert (result.status, result.out) == (1, "")
    assert "no keys yet" in result.err


# --- a farm that cannot be read ----------------------------------------------

VERBS = [("show",), ("export", "--format", "haproxy")]


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("content", [
    b"", b"x", os.urandom(1722), b"stekset1" + os.urandom(1714),
    b"stekset1" + bytes(100), bytes(100000)],
    ids=["empty", "short", "random", "forged", "truncated", "long"])
def test_garbage_in_the_store_is_told(host, verb, content):
    host.keep()
    host.write("store/test.set", content)
    result = host.stek(*verb)
    assert (result.status, result.out) == (1, "")
    assert "test.set" in result.err


@pytest.mark.parametrize("verb", VERBS)
def test_another_farms_set_is_told(host, verb):
    host.keep()
    host.write("store/test.set",
               encode("other", host.farm_key, [sealing()], 1))
    result = host.stek(*verb)
    assert (result.status, result.out) == (1, "")
    assert 'expected the set of farm "test"' in result.err


@pytest.mark.parametrize("verb", VERBS)
def test_another_farm_key_is_told(host, verb):
    host.keep(sealing())
    host.write("farm.key", os.urandom(32))
    result = host.stek(*verb)
    assert (result.status, result.out) == (1, "")
    assert "farm.key" in result.err


@pytest.mark.parametrize("verb", VERBS)
def test_a_set_older_than_one_in_use_here_is_told(host, verb):
    host.keep(sealing(), version=4)
    host.write("store/test.seen", "5\n")
    result = host.stek(*verb)
    assert (result.status, result.out) == (1, "")
    assert "version 4" in result.err and "5" in result.err


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("content, bits, reason", [
    (os.urandom(31), 0o600, "another length"),
    (bytes(32), 0o600, "not random"),
    (os.urandom(32), 0o644, "others can read"),
], ids=["short", "zero", "open"])
def test_a_wrong_farm_key_is_told(host, verb, content, bits, reason):
    host.keep(sealing())
    host.write("farm.key", content, mode=bits)
    result = host.stek(*verb)
    assert (result.status, result.out) == (1, "")
    assert reason in result.err


@pytest.mark.parametrize("verb", VERBS)
def test_a_missing_farm_key_is_told(host, verb):
    host.keep(sealing())
    os.unlink(host.path("farm.key"))
    result = host.stek(*verb)
    assert result.status == 1
    assert 'farm.key: No such file or directory; "stek init"' in result.err


@pytest.mark.parametrize("verb", VERBS)
def test_init_is_no_cure_for_a_farm_key_that_cannot_be_reached(host, verb):
    host.configure(farm_key=host.write("file", "") + "/farm.key")
    result = host.stek(*verb)
    assert result.status == 1
    assert "farm.key: Not a directory\n" in result.err


# --- usage -------------------------------------------------------------------

@pytest.mark.parametrize("args", [
    ("export",), ("export", "--format"), ("export", "--format", "nginx", "x"),
    ("export", "--format", "iis"), ("export", "--nope"),
    ("export", "--format", "haproxy", "-o", ""),
    ("show", "file"), ("show", "--format", "nginx"),
    ("show", "--format", "iis", "file"), ("show", "--format", "help", "x"),
    ("show", "--format", "nginx", "a", "b"), ("show", "-x"),
])
def test_wrong_usage_is_told_from_failure(host, args):
    host.keep(sealing())
    result = host.stek(*args)
    assert (result.status, result.out) == (2, "")
    assert result.err.startswith("stek: ")
    assert f"usage: stek [-c FILE] {args[0]}" in result.err

# SPDX-License-Identifier: ISC
"""
stek check: what is wrong with the targets, with their places, the keys there,
and the policy against what their servers can do.
"""
import os

import pytest

from host import sealing
from keys import Key, base64_lines
from sound import GOOD, USER, SoundHost, all_of, only


@pytest.fixture
def host():
    host_ = SoundHost()
    yield host_
    host_.close()


# --- what is at the targets --------------------------------------------------

def single(host, format_="haproxy", path=None, **options):
    """One target of a format of one file, and nothing there."""
    host.set_up(host.target("one", format_, path=path or host.path("one"),
                            **{**GOOD, **options}))
    return path or host.path("one")


def test_a_target_on_a_disk(host):
    single(host, path="/usr/one")
    only(host, "fail", "one", "on a disk", "/run/stek")


def test_a_target_on_a_disk_that_may_be(host):
    host.set_up('allow = {"disk"}\n' + host.target(
        "one", "haproxy", path="/usr/one", **GOOD))
    assert host.check() == []


def test_a_target_without_its_folder(host):
    single(host, path=host.path("none/one"))
    only(host, "fail", "one", host.path("none"), "No such file")


@pytest.mark.parametrize("bits", [0o777, 0o1777, 0o770])
def test_a_target_in_a_folder_that_others_can_write(host, bits):
    os.mkdir(host.path("open"))
    os.chmod(host.path("open"), bits)
    single(host, path=host.path("open/one"))
    only(host, "fail", "one", host.path("open"), "stekd writes none")


def test_a_file_where_a_folder_is_expected(host):
    host.write("file", b"")
    host.set_up(host.target("one", "nginx", path=host.path("file"), **GOOD))
    all_of(host, "expected a folder", "bytes")


def test_a_folder_far_above_a_target_that_others_can_write(host):
    os.makedirs(host.path("open/inner"))
    os.chmod(host.path("open"), 0o777)
    single(host, path=host.path("open/inner/one"))
    only(host, "fail", "one", host.path("open"), "replace")


def test_a_link_of_root_into_a_folder_of_another(host):
    os.makedirs(host.path("theirs/inner"))
    os.symlink(host.path("theirs/inner"), host.path("link"))
    os.chown(host.path("theirs"), USER.pw_uid, -1)
    single(host, path=host.path("link/one"))
    only(host, "fail", "one", host.path("theirs"), "stekd writes none")


def test_a_link_of_root_over_a_link_of_another(host):
    os.makedirs(host.path("theirs"))
    os.mkdir(host.path("end"))
    os.symlink(host.path("end"), host.path("theirs/over"))
    os.symlink(host.path("theirs/over"), host.path("link"))
    os.chown(host.path("theirs"), USER.pw_uid, -1)
    single(host, path=host.path("link/one"))
    only(host, "fail", "one", host.path("theirs"), "stekd writes none")


def test_a_link_of_root_to_where_only_root_writes(host):
    """As many have /var/run."""
    os.makedirs(host.path("end"))
    os.symlink("./nowhere/../end", host.path("link"))
    os.mkdir(host.path("nowhere"))
    single(host, path=host.path("link/one"))
    assert host.check() == []


def test_a_folder_that_the_owner_cannot_enter(host):
    owner = f"{USER.pw_name}:{USER.pw_name}"
    os.chmod(host.home, 0o711)
    os.mkdir(host.path("shut"), 0o700)
    single(host, path=host.path("shut/one"), owner=owner)
    only(host, "warn", "one", host.path("shut"), "cannot enter")


def test_a_folder_of_key_files_that_the_owner_cannot_enter(host):
    """The folder itself, and not one above it."""
    owner = f"{USER.pw_name}:{USER.pw_name}"
    os.chmod(host.home, 0o711)
    os.mkdir(host.path("shut"), 0o700)
    host.set_up(host.target("one", "nginx", path=host.path("shut"),
                            **{**GOOD, "owner": owner}))
    all_of(host, f"cannot enter {host.path('shut')}", "keys.conf: No such")


def test_a_key_file_that_everybody_can_read(host):
    path = single(host)
    host.stek("export", "--format", "haproxy", "-o", path)
    assert host.check() == []
    os.chmod(path, 0o644)
    only(host, "fail", "one", path, "everybody can read", "rotate")


@pytest.mark.parametrize("name", ["keys.conf", "key"])
def test_a_file_of_a_folder_that_everybody_can_read(host, name):
    if name == "key":
        name = f"{host.key.name}.key"
    os.chmod(host.path("web", name), 0o644)
    only(host, "fail", "web", host.path("web", name), "everybody can read")


def test_a_key_file_of_another_owner_than_configured(host):
    path = single(host)
    host.stek("export", "--format", "haproxy", "-o", path)
    os.chown(path, USER.pw_uid, -1)
    only(host, "warn", "one", path, f"{USER.pw_uid}:0", "0:0")


@pytest.mark.parametrize("format_", ["lighttpd", "h2o", "dnsdist",
                                     "knot-resolver", "trafficserver"])
def test_a_server_that_reads_as_its_own_user_and_may_not(host, format_):
    single(host, format_)
    only(host, "warn", "one", "root alone", "owner")


@pytest.mark.parametrize("options", [
    {"owner": f"{USER.pw_name}:{USER.pw_name}"},
    {"owner": f"root:{USER.pw_name}", "mode": "0640"}])
def test_a_server_that_reads_as_its_own_user_and_may(host, options):
    os.chmod(host.home, 0o711)
    single(host, "lighttpd", **options)
    assert host.check() == []


def test_a_key_file_with_weak_keys(host):
    path = single(host)
    weak = Key(aes=bytes(32))
    host.write("one", base64_lines([Key().a80(), weak.a80(), Key().a80()]))
    only(host, "fail", "one", path, "line 2", "random")


def test_a_key_file_that_is_none(host):
    single(host)
    host.write("one", b"garbage\n")
    only(host, "fail", "one", "line 1", "base64")


def test_a_key_file_of_another_farm(host):
    single(host)
    keys = [Key(), Key(), Key()]
    host.write("one", base64_lines([key.a80() for key in keys]))
    only(host, "warn", "one", keys[1].name, host.key.name)


def test_a_key_file_of_the_right_scope(host):
    path = single(host, scope="shop")
    host.stek("export", "--format", "haproxy", "--scope", "shop", "-o", path)
    assert host.check() == []


def test_a_key_file_of_another_scope(host):
    path = single(host, scope="shop")
    host.stek("export", "--format", "haproxy", "-o", path)
    only(host, "warn", "one", host.key.name, "expected the farm's")


def test_a_target_that_has_no_keys_yet_is_a_note(host):
    path = single(host)
    assert host.check() == []
    assert any(path in note and "yet" in note for note in host.notes())


# --- the policy against the servers ------------------------------------------

def policy(host, rotate, tickets, lead, *targets):
    host.set_up("".join(targets) + f'policy {{ rotate = "{rotate}" '
                f'tickets = "{tickets}" lead = "{lead}" }}\n')


def lighttpd(host, **options):
    os.chmod(host.home, 0o711)
    return host.target("one", "lighttpd", path=host.path("one"), **{
        **GOOD, "owner": f"{USER.pw_name}:{USER.pw_name}", **options})


def haproxy(host, **options):
    return host.target("one", "haproxy", path=host.path("one"),
                       **{**GOOD, **options})


def test_tickets_that_outlive_their_keys(host):
    # haproxy's tickets live 2 hours by default.
    policy(host, "6h", "1h", "10m", haproxy(host))
    only(host, "warn", "one", "2h", "tickets = 1h")


def test_a_server_that_keeps_too_few_old_keys(host):
    # haproxy keeps one; two-hour tickets live through four half hours.
    policy(host, "30m", "2h", "5m", haproxy(host))
    only(host, "warn", "one", "1 older", "4 rotations", "at least 2h")


def test_a_server_that_keeps_enough_old_keys(host):
    policy(host, "2h", "2h", "5m", haproxy(host))
    assert host.check() == []


def test_a_server_without_any_old_key_is_a_note(host):
    host.set_up(host.target("one", "apache", path=host.path("one"), **GOOD))
    assert host.check() == []
    assert any("keeps no older key" in note for note in host.notes())


def test_a_lead_shorter_than_a_server_needs_to_look(host):
    # h2o looks at its file each 10 seconds.
    os.chmod(host.home, 0o711)
    target = host.target("one", "h2o", path=host.path("one"),
                         owner=f"{USER.pw_name}:{USER.pw_name}",
                         verify="127.0.0.1:443")
    policy(host, "6h", "12h", "9s", target)
    only(host, "warn", "one", "lead = 9s", "10s")
    policy(host, "6h", "12h", "10s", target)
    assert host.check() == []


def test_lighttpd_is_given_no_key_ahead(host):
    policy(host, "6h", "12h", "10s", lighttpd(host))
    assert host.check() == []


def test_no_lead_at_all(host):
    policy(host, "6h", "12h", "0s", haproxy(host))
    only(host, "warn", "policy", "lead = 0")


def test_rotating_faster_than_a_server_can_see(host):
    policy(host, "60s", "60s", "60s", lighttpd(host))
    all_of(host, "misses keys with rotate = 1m", "keep tickets for 2h")


def test_a_key_for_days(host):
    policy(host, "2d", "12h", "10m", haproxy(host))
    only(host, "warn", "policy", "rotate = 2d")


def test_keys_that_could_die_sooner_are_a_note(host):
    assert any("5m at most" in note for note in host.notes())


def test_a_target_without_verify(host):
    host.set_up(haproxy(host, verify=""))
    only(host, "warn", "one", "no verify")


def test_a_target_whose_tickets_tell_nothing_needs_no_verify(host):
    os.chmod(host.home, 0o711)
    host.set_up(host.target(
        "one", "knot-resolver", path=host.path("one"), reload="true",
        owner=f"{USER.pw_name}:{USER.pw_name}"))
    assert host.check() == []
    assert any("would not tell" in note for note in host.notes())


def test_a_reload_for_a_ring_is_a_note(host):
    host.set_up(host.target("one", "ring", path=host.path("one"), **GOOD))
    assert host.check() == []
    assert any("a ring needs no reload" in note for note in host.notes())


def test_a_ring_is_read_like_a_file(host):
    path = host.path("one")
    host.stek("export", "--format", "ring", "-o", path)
    host.set_up(host.target("one", "ring", path=path,
                            verify="127.0.0.1:443"))
    assert host.check() == []
    host.keep(sealing(since=60))
    only(host, "warn", "one", host.key.name)


def test_a_target_without_the_reload_that_it_needs(host):
    host.set_up(haproxy(host, reload=""))
    only(host, "fail", "one", "no reload", "haproxy:")


def test_a_server_that_remembers_needs_a_reload_to_forget(host):
    host.set_up(lighttpd(host, reload=""))
    only(host, "warn", "one", "revoked")


@pytest.mark.parametrize("format_", ["envoy", "h2o"])
def test_a_server_that_looks_by_itself_needs_no_reload(host, format_):
    os.chmod(host.home, 0o711)
    host.set_up(host.target(
        "one", format_, path=host.path("one"), verify="127.0.0.1:443",
        owner=f"{USER.pw_name}:{USER.pw_name}"))
    assert host.check() == []


def test_haproxys_socket_for_another_server(host):
    host.set_up(haproxy(host).replace('"haproxy"', '"nghttpx"').replace(
        '"true"', f'"haproxy:{host.conf}"'))
    only(host, "fail", "one", "haproxy's socket", "nghttpx")


@pytest.mark.parametrize("reload_", ["haproxy:/run/no.sock",
                                     "signal:HUP:/run/no.pid"])
def test_a_reload_of_a_server_that_does_not_run_is_a_note(host, reload_):
    host.set_up(haproxy(host, reload=reload_))
    assert host.check() == []
    assert any("/run/no." in note for note in host.notes())


def test_two_scopes_at_one_kind_of_server_are_a_note(host):
    host.set_up(haproxy(host) + host.target(
        "two", "haproxy", path=host.path("two"), scope="shop", **GOOD))
    assert host.check() == []
    assert any("another scope than one" in note for note in host.notes())


def test_two_kinds_of_server_in_one_scope_are_nothing_to_note(host):
    host.set_up(haproxy(host) + host.more)
    assert host.check() == []
    assert not any("scope" in note for note in host.notes())


def test_what_one_must_know_of_a_server_is_noted_once(host):
    host.set_up(haproxy(host) + host.target(
        "two", "haproxy", path=host.path("two"), **GOOD))
    traps = [note for note in host.notes() if "show tls-keys" in note]
    assert len(traps) == 1

# SPDX-License-Identifier: ISC
"""
stek check: a sound host passes, and each thing that is wrong with one is
found, named, and the only one found.
"""
import json
import os
import pwd
import subprocess
import time

import pytest

from host import (HOUR, STEK, FakeStekd, Host, Timed, encode, is_hidden,
                  opening, sealing)
from keys import Key, base64_lines

USER = pwd.getpwnam("daemon")
GOOD = {"reload": "true", "verify": "127.0.0.1:443"}


class SoundHost(Host):
    """A host on which nothing is wrong, until a test does something."""

    def __init__(self):
        super().__init__()
        self.more = self.target("web", "nginx", path=self.path("web"), **GOOD)
        self.set_up()
        self.key, = self.keep(sealing(since=60))
        assert self.stek("export", "--format", "nginx", "-o",
                         self.path("web")).status == 0

    def set_up(self, more=None, **options):
        """The configuration again, with other targets or options."""
        self.configure(self.more if more is None else more,
                       user=USER.pw_name, **options)

    def keep(self, *keys, **more):
        super().keep(*keys, **more)
        for path in ("store", "store/test.set"):
            os.chown(self.path(path), USER.pw_uid, USER.pw_gid)
        return keys

    def check(self):
        """All lines of what is wrong, as (level, subject, text, todo)."""
        result = self.stek("check", "--json")
        assert result.err == ""
        lines = [tuple(line[name] for name in (
            "level", "subject", "text", "todo"))
            for line in json.loads(result.out)]
        wrong = [line for line in lines if line[0] in ("warn", "fail")]
        assert result.status == bool(wrong)
        return wrong

    def notes(self):
        return [line["text"] for line in json.loads(
            self.stek("check", "--json").out) if line["level"] == "note"]


@pytest.fixture
def host():
    host_ = SoundHost()
    yield host_
    host_.close()


def only(host, level, *words):
    """One thing is wrong, and its line says these words."""
    wrong = host.check()
    assert len(wrong) == 1, wrong
    line = wrong[0]
    assert line[0] == level
    for word in words:
        assert word in " ".join(line[1:])


def all_of(host, *needles):
    """These things are wrong, and nothing else."""
    wrong = [" ".join(line) for line in host.check()]
    for needle in needles:
        assert [line for line in wrong if needle in line], (needle, wrong)
    assert [line for line in wrong
            if not any(needle in line for needle in needles)] == []


# --- in general --------------------------------------------------------------

def test_a_sound_host_passes(host):
    assert host.check() == []


def test_people_see_a_line_each_and_the_sum(host):
    host.set_up(more="")
    result = host.stek("check")
    assert result.status == 1
    warn, = [line for line in result.out.splitlines()
             if line.startswith("warn  ")]
    assert "no target" in warn and " -> " in warn
    assert result.out.splitlines()[-1].startswith("0 failures, 1 warning, ")


def test_no_secret_is_told(host):
    result = host.stek("check")
    assert is_hidden(host.key.key, result.raw, result.err)
    assert host.key.name in result.out


@pytest.mark.parametrize("args", [("x",), ("--all",)])
def test_wrong_usage_is_2(host, args):
    result = host.stek("check", *args)
    assert (result.status, result.out) == (2, "")


# --- the files of stek itself ------------------------------------------------

@pytest.mark.parametrize("bits", [0o666, 0o664, 0o646])
def test_a_configuration_that_others_can_write(host, bits):
    os.chmod(host.conf, bits)
    only(host, "fail", host.conf, "run as root")


def test_a_configuration_that_belongs_to_another(host):
    os.chown(host.conf, USER.pw_uid, -1)
    only(host, "fail", host.conf, f"uid {USER.pw_uid}")


def test_a_folder_above_the_configuration_that_others_can_write(host):
    os.mkdir(host.path("etc"))
    os.chmod(host.path("etc"), 0o777)
    host.conf = host.write("etc/stek.conf", host.read("stek.conf"), 0o644)
    only(host, "fail", host.conf, "replace", host.path("etc"))


def test_a_farm_key_that_others_can_read(host):
    os.chmod(host.path("farm.key"), 0o644)
    only(host, "fail", "farm.key", "others can read or replace")


def test_a_missing_farm_key(host):
    os.unlink(host.path("farm.key"))
    only(host, "fail", "farm.key", "No such file", "stek init")


def test_a_weak_farm_key(host):
    host.write("farm.key", bytes(32))
    only(host, "fail", "farm.key", "not random")


def test_a_farm_key_that_a_group_can_read_is_a_note(host):
    os.chmod(host.path("farm.key"), 0o640)
    assert host.check() == []
    assert any("group 0 can read it" in note for note in host.notes())


def test_an_old_farm_key_is_a_note(host):
    past = time.time() - 400 * 24 * HOUR
    os.utime(host.path("farm.key"), (past, past))
    assert host.check() == []
    assert any("400 days old" in note for note in host.notes())


def test_a_missing_store(host):
    os.rename(host.path("store"), host.path("gone"))
    all_of(host, "store No such file or directory",
           "store: No such file or directory")


def test_a_store_that_others_can_write(host):
    os.chmod(host.path("store"), 0o770)
    only(host, "fail", "store", "0770", "chmod 0700")


def test_a_store_that_others_can_enter(host):
    os.chmod(host.path("store"), 0o755)
    only(host, "warn", "store", "0755", "chmod 0700")


def test_a_store_that_stekds_user_does_not_own(host):
    os.chown(host.path("store"), 0, 0)
    only(host, "fail", "store", "uid 0", USER.pw_name, "chown")


def test_a_copied_set_that_stekds_user_cannot_read(host):
    os.chown(host.path("store/test.set"), 0, 0)
    only(host, "fail", "test.set", USER.pw_name, "cannot read")


def test_a_set_that_is_none(host):
    host.write("store/test.set", b"garbage")
    os.chown(host.path("store/test.set"), USER.pw_uid, -1)
    only(host, "fail", "test.set", "1722 bytes")


def test_another_farms_set(host):
    host.write("store/test.set",
               encode("other", host.farm_key, [sealing()], 1))
    os.chown(host.path("store/test.set"), USER.pw_uid, -1)
    only(host, "fail", "test.set", '"test"')


def test_a_missing_folder_for_the_control_socket(host):
    host.set_up(control=host.path("run/control"))
    only(host, "fail", host.path("run"), "No such file")


def test_a_control_socket_that_others_could_take(host):
    os.mkdir(host.path("run"))
    os.chmod(host.path("run"), 0o777)
    host.set_up(control=host.path("run/control"))
    only(host, "fail", host.path("run"), "replace")


def test_a_control_socket_with_too_long_a_path(host):
    host.set_up(control=host.path("x" * 120))
    only(host, "fail", "108 characters")


def test_stekd_as_root(host):
    host.configure(host.more)
    os.chown(host.path("store"), 0, 0)
    only(host, "warn", "user", "root's privilege")


@pytest.mark.parametrize("option, word", [
    ("mint = false\n", "only follows"), ('allow = {"disk"}\n', "disk"),
    ('allow = {"unlocked"}\n', "swapped out")])
def test_what_was_chosen_is_a_note(host, option, word):
    host.set_up(option + host.more)
    assert host.check() == []
    assert any(word in note for note in host.notes())


# --- the farm's keys ---------------------------------------------------------

def fill(host, *keys):
    """These keys, in the store and at the target."""
    host.keep(*keys)
    host.stek("export", "--format", "nginx", "-o", host.path("web"))


def test_a_key_from_the_future_is_named_with_its_cure(host):
    start = int(time.time()) + 30 * 24 * HOUR
    ahead = Timed(Key(), start, start + HOUR, start + 2 * HOUR)
    fill(host, sealing(), ahead)
    only(host, "warn", ahead.name, "clock",
         f"stek revoke --key {ahead.name[:8]}")


def test_a_farm_in_which_no_key_seals(host):
    host.keep(opening())
    only(host, "fail", "may seal now", "start stekd")


def test_a_key_that_seals_for_too_long(host):
    late = sealing(since=7 * HOUR)
    fill(host, late)
    only(host, "warn", late.name, "longer than the policy wants")


def test_a_farm_without_keys_is_a_note(host):
    os.unlink(host.path("store/test.set"))
    assert host.check() == []
    assert any("has none yet" in note for note in host.notes())


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


def test_a_folder_far_above_a_target_that_others_can_write(host):
    os.makedirs(host.path("open/inner"))
    os.chmod(host.path("open"), 0o777)
    single(host, path=host.path("open/inner/one"))
    only(host, "fail", "one", host.path("open"), "replace")


def test_a_folder_that_the_owner_cannot_enter(host):
    owner = f"{USER.pw_name}:{USER.pw_name}"
    os.chmod(host.home, 0o711)
    os.mkdir(host.path("shut"), 0o700)
    single(host, path=host.path("shut/one"), owner=owner)
    only(host, "warn", "one", host.path("shut"), "cannot enter")


def test_a_key_file_that_everybody_can_read(host):
    path = single(host)
    host.stek("export", "--format", "haproxy", "-o", path)
    assert host.check() == []
    os.chmod(path, 0o644)
    only(host, "fail", "one", path, "everybody can read", "rotate")


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
    # lighttpd looks at its file each 64 seconds.
    policy(host, "6h", "12h", "60s", lighttpd(host))
    only(host, "warn", "one", "lead = 1m", "1m6s")
    policy(host, "6h", "12h", "70s", lighttpd(host))
    assert host.check() == []


def test_no_lead_at_all(host):
    policy(host, "6h", "12h", "0s", haproxy(host))
    only(host, "warn", "policy", "lead = 0")


def test_rotating_faster_than_a_server_can_see(host):
    policy(host, "60s", "60s", "60s", lighttpd(host))
    all_of(host, "misses keys with rotate = 1m", "lead = 1m",
           "keep tickets for 2h")


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


# --- the host ----------------------------------------------------------------

def check_with(host, path, content):
    """What is wrong on a host on which that file says that."""
    fake = host.write("fake", content, mode=0o644)
    done = subprocess.run(
        ["unshare", "-m", "sh", "-ec", 'mount --bind "$1" "$2"; shift 2; "$@"',
         "sh", fake, path, STEK, "-c", host.conf, "check"],
        stdout=subprocess.PIPE, check=False)
    return done.returncode, [line for line in done.stdout.decode().splitlines()
                             if line.startswith(("warn", "fail"))]


SWAPS = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"


def test_swap_that_is_not_encrypted(host):
    swap = f"{host.path('swap'):<40}file\t\t1024\t0\t-2\n"
    host.write("swap", b"")
    status, (line,) = check_with(host, "/proc/swaps", SWAPS + swap)
    assert status == 1
    assert host.path("swap") in line and "not encrypted" in line


@pytest.mark.parametrize("swap", [
    "", "/dev/zram0                              partition\t1024\t0\t100\n"])
def test_no_swap_or_one_in_memory(host, swap):
    assert check_with(host, "/proc/swaps", SWAPS + swap) == (0, [])


def test_cores_of_servers_that_changed_their_user(host):
    status, (line,) = check_with(host, "/proc/sys/fs/suid_dumpable", "1\n")
    assert status == 1 and "suid_dumpable" in line


def test_too_little_memory_to_lock_without_root(host):
    for path in ("farm.key", "store", "store/test.set", "stek.conf"):
        os.chown(host.path(path), USER.pw_uid, USER.pw_gid)
    os.chmod(host.home, 0o755)
    done = subprocess.run(
        ["setpriv", f"--reuid={USER.pw_uid}", f"--regid={USER.pw_gid}",
         "--clear-groups", "sh", "-c", 'ulimit -l 64; exec "$@"', "sh", STEK,
         "-c", host.conf, "check"], stdout=subprocess.PIPE, check=False)
    assert done.returncode == 1
    assert "only 64 KB may be locked" in done.stdout.decode()


# --- stekd -------------------------------------------------------------------

def test_that_stekd_does_not_run_is_a_note(host):
    assert host.check() == []
    assert any("does not answer" in note for note in host.notes())


def test_what_a_running_stekd_knows_to_be_wrong(host):
    answer = [{"done": True, "store": {"state": "failing", "error": "full"},
               "targets": [{"name": "web", "state": "failed",
                            "error": "no such server"}]}]
    with FakeStekd(host, answer):
        all_of(host, "its store is failing: full",
               "web stekd says: no such server")

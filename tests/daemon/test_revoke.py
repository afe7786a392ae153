# SPDX-License-Identifier: ISC
"""A revocation: the key is out of every place at once, or it is said."""
import os
import shutil
import time

import pytest

from host import Timed, sealing
from keys import Key
from daemon import Daemon, children, haproxy_keys, in_folder, in_ring, read

KEYS_MAX = 16       # in a set


@pytest.fixture
def stekd(farm):
    daemon = Daemon(farm)
    daemon.file = daemon.add("file", "haproxy")
    daemon.folder = daemon.add("folder", "nginx")
    daemon.ring = daemon.add("ring", "ring")
    daemon.begin().wait_settled()
    yield daemon
    daemon.stop()


def secrets_of(daemon):
    return {key.name: (key.key.aes, key.key.mac) for key in daemon.kept()[1]}


def everything(daemon):
    """The bytes of each file that stekd has written."""
    found = {}
    for folder, _, names in os.walk(daemon.home):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and name not in ("log", "farm.key"):
                found[path] = read(path)
    return found


def is_nowhere(daemon, name, secrets):
    for path, data in everything(daemon).items():
        for secret in secrets:
            assert secret not in data, path
    assert name not in in_folder(daemon.folder)
    assert name not in {key[0] for key in haproxy_keys(daemon.file)}
    for secret in secrets:
        assert secret not in {part for key in haproxy_keys(daemon.file)
                              for part in key}
    assert not in_ring(daemon.ring, name)
    assert name not in {key["name"] for key in daemon.status()["keys"]}
    assert name not in secrets_of(daemon)


def in_memory(pid, secrets):
    """Which of these can be found in a process's memory."""
    found = set()
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, \
            open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            span, bits = line.split()[:2]
            if "[v" in line or not bits.startswith("r"):
                continue
            start, end = (int(one, 16) for one in span.split("-"))
            try:
                memory.seek(start)
                data = memory.read(end - start)
            except (OSError, OverflowError):
                continue
            found |= {secret for secret in secrets if secret in data}
    return found


def test_all_keys_are_out_of_every_place_when_it_returns(stekd):
    stekd.stek("rotate", "--now")
    old = secrets_of(stekd)
    assert len(old) >= 2
    stekd.stek("revoke", "--all")
    for name, secrets in old.items():
        is_nowhere(stekd, name, secrets)
    new, = stekd.kept()[1]
    assert in_folder(stekd.folder) == [new.name]
    assert haproxy_keys(stekd.file)[1][0] == new.name
    assert in_ring(stekd.ring, new.name)


def test_one_key_goes_and_the_others_stay(stekd):
    stekd.stek("rotate", "--now")
    stekd.stek("rotate", "--now")
    old = secrets_of(stekd)
    sealing = stekd.status()["sealing"]
    gone = next(name for name in old if name != sealing)
    stekd.stek("revoke", "--key", gone)
    is_nowhere(stekd, gone, old[gone])
    for name in set(old) - {gone}:
        assert secrets_of(stekd)[name] == old[name]
        assert name in in_folder(stekd.folder)
        assert in_ring(stekd.ring, name)
    # Without a new sealing key no handshake shows that a server let go.
    assert stekd.status()["sealing"] not in old


def test_the_sealing_key_goes_and_another_takes_over_at_once(stekd):
    sealing = stekd.status()["sealing"]
    secrets = secrets_of(stekd)[sealing]
    stekd.stek("revoke", "--key", sealing)
    is_nowhere(stekd, sealing, secrets)
    new = stekd.status()["sealing"]
    assert new not in (None, sealing)
    assert haproxy_keys(stekd.file)[1][0] == new


def test_no_process_remembers_a_revoked_key(stekd):
    old = secrets_of(stekd)
    wanted = {secret for pair in old.values() for secret in pair}
    stekd.stek("revoke", "--all")
    stekd.wait(lambda: not children(stekd.monitor()), "workers end")
    for pid in stekd.pids():
        assert in_memory(pid, wanted) == set()


def test_the_search_for_keys_in_memory_finds_some(stekd):
    """Or the test before would prove nothing: rings are mapped."""
    wanted = {secret for pair in secrets_of(stekd).values()
              for secret in pair}
    stekd.wait(lambda: in_memory(stekd.monitor(), wanted) == wanted,
               "the monitor maps the ring")


def test_each_target_that_confirmed_is_told(stekd):
    answer = stekd.ask({"do": "revoke", "all": True})
    head, *told, end = answer
    status = stekd.status()
    assert (head["version"], head["sealing"]) == (
        status["version"], status["sealing"])
    assert sorted(line["target"] for line in told) == [
        "file", "folder", "ring"]
    for line in told:
        assert line["ok"] is True and "no verify" in line["detail"]
    assert end == {"done": True, "failed": 0}


def test_a_target_that_failed_is_told_with_its_reason(stekd):
    shutil.rmtree(stekd.folder)
    with open(stekd.folder, "wb"):
        pass
    *told, end = stekd.ask({"do": "revoke", "all": True})
    bad = next(line for line in told if line.get("target") == "folder")
    assert bad["ok"] is False and "Not a directory" in bad["detail"]
    assert end == {"done": True, "failed": 1}
    os.unlink(stekd.folder)
    stekd.wait_state("folder", "applied")


def test_a_store_that_cannot_be_written_is_told(stekd):
    """Or the revoked key would be back after a restart, and nobody knew."""
    old = stekd.status()["sealing"]
    os.chmod(stekd.store, 0o500)
    head, *told, end = stekd.ask({"do": "revoke", "all": True})
    assert head["sealing"] != old
    assert old not in {key[0] for key in haproxy_keys(stekd.file)}
    assert not in_ring(stekd.ring, old)
    assert old not in in_folder(stekd.folder)
    assert sorted(line["target"] for line in told if line["ok"]) == [
        "file", "folder", "ring"]
    assert (end["done"], end["failed"]) == (False, 0)
    assert "until stekd is restarted" in end["error"]
    assert "Permission denied" in end["error"]
    done = stekd.stek("revoke", "--all", check=False)
    assert done.returncode == 1 and done.stdout.count("confirmed in") == 3
    assert "until stekd is restarted" in done.stderr
    assert "not answered" not in done.stderr
    os.chmod(stekd.store, 0o700)
    stekd.wait(lambda: stekd.kept()[0] == stekd.status()["version"],
               "it is saved later")
    assert old not in secrets_of(stekd)


@pytest.mark.parametrize("what", ["--all", "--key"])
def test_what_could_not_be_stored_comes_back_by_no_other_set(stekd, what):
    """As of another host that makes keys, or a copy that somebody mends."""
    old = stekd.status()["sealing"]
    secrets = secrets_of(stekd)[old]
    version, keys = stekd.kept()
    others = [key.name for key in keys if key.name != old]
    os.chmod(stekd.store, 0o500)
    stekd.stek("revoke", what, *([old] if what == "--key" else []),
               check=False)
    fresh = sealing(since=5)
    stekd.keep(*keys, fresh, version=version + 9)
    stekd.wait(lambda: stekd.status()["version"] > version + 9, "it is taken")
    names = [key["name"] for key in stekd.status()["keys"]]
    assert old not in names and fresh.name in names
    for name in others:
        assert (name in names) == (what == "--key")
    os.chmod(stekd.store, 0o700)
    stekd.wait(lambda: stekd.kept()[0] == stekd.status()["version"],
               "it is saved")
    stekd.wait_settled()
    is_nowhere(stekd, old, secrets)


def test_a_server_that_remembers_and_is_not_reloaded_is_told(farm):
    """lighttpd keeps keys that have left its file."""
    daemon = Daemon(farm)
    daemon.add("web", "lighttpd")
    daemon.begin().wait_state("web", "applied")
    assert daemon.stek("revoke", "--all", check=False).returncode == 1
    assert "restart it now, and then stekd" in daemon.wait_failed("web")[
        "error"]
    daemon.targets.clear()
    daemon.add("web", "lighttpd", reload="true")
    daemon.configure()
    daemon.hup()
    daemon.wait_state("web", "applied")
    daemon.stop()


def test_a_revocation_does_not_wait_for_a_server_that_polls(farm):
    """Two writes within lighttpd's minute, as the reload makes up for it."""
    daemon = Daemon(farm)
    count = daemon.path("count")
    path = daemon.add("web", "lighttpd", reload=f"echo >>{count}")
    daemon.begin().wait_state("web", "applied")
    assert not os.path.exists(count), "it takes a file by itself"
    before = read(path)
    daemon.stek("revoke", "--all")
    assert read(path) != before and len(read(count).splitlines()) == 1
    daemon.stop()


def test_a_key_that_makes_room_is_not_revoked(farm):
    """So a server that remembers it need not be restarted."""
    daemon = Daemon(farm)
    path = daemon.add("web", "lighttpd")
    daemon.begin().wait_state("web", "applied")
    first = daemon.status()["sealing"]
    for _ in range(KEYS_MAX):
        os.utime(path, (0, 0))      # or stekd waits for lighttpd's minute
        answer = daemon.ask({"do": "rotate", "now": True})
        assert answer[-1] == {"done": True, "failed": 0}, answer
    assert first not in [key["name"] for key in daemon.status()["keys"]]
    daemon.stop()


def test_a_revoked_key_need_not_be_forgotten_longer_than_it_lives(farm):
    daemon = Daemon(farm)
    daemon.add("web", "lighttpd")
    daemon.stek("init")
    now = int(time.time())
    short = Timed(Key(), now - 60, now + 9, now + 10)
    daemon.keep(short)
    daemon.again()
    daemon.wait_state("web", "applied")
    assert daemon.stek("revoke", "--key", short.name,
                       check=False).returncode == 1
    assert "restart it now" in daemon.wait_failed("web")["error"]
    assert daemon.wait_state("web", "applied", patience=60)["error"] is None
    assert time.time() >= short.open_until
    daemon.stop()

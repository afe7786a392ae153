# SPDX-License-Identifier: ISC
"""SIGHUP: the configuration is read again, all of it or nothing."""
import os
import subprocess
import time
import urllib.request

import pytest

from daemon import (QUICK, Daemon, children, in_folder, mode, read)


@pytest.fixture
def stekd(farm):
    daemon = Daemon(farm)
    daemon.add("web", "haproxy")
    yield daemon.begin()
    daemon.stop()


READ = "configuration read again"
KEPT = "the configuration stays as it was"


def reread(daemon):
    times = daemon.said().count(READ)
    daemon.configure()
    daemon.hup()
    daemon.wait_said(READ, times + 1)


def names(daemon):
    return [target["name"] for target in daemon.status()["targets"]]


def test_a_target_is_added(stekd):
    folder = stekd.add("folder", "nginx")
    reread(stekd)
    stekd.wait_state("folder", "applied")
    assert in_folder(folder) == [stekd.status()["sealing"]]


def test_a_target_is_taken_out(stekd):
    del stekd.targets[0]
    stekd.add("ring", "ring")
    reread(stekd)
    assert names(stekd) == ["ring"]
    stekd.wait_state("ring", "applied")


def test_a_target_gets_another_mode(stekd):
    stekd.wait_state("web", "applied")
    stekd.targets.clear()
    path = stekd.add("web", "haproxy", mode="0640")
    reread(stekd)
    stekd.wait_state("web", "applied")
    assert mode(path) == "0o640"


def test_a_ring_gets_another_mode_and_stays_the_same_file(farm):
    daemon = Daemon(farm)
    path = daemon.add("ring", "ring")
    daemon.begin().wait_state("ring", "applied")
    inode = os.stat(path).st_ino
    daemon.targets.clear()
    daemon.add("ring", "ring", mode="0640", owner="root:nogroup")
    reread(daemon)
    daemon.wait_state("ring", "applied")
    assert mode(path) == "0o640" and os.stat(path).st_ino == inode
    daemon.stop()


def test_a_ring_goes_on_while_a_reload_hangs(farm):
    """Which has nothing to do with it, but was begun before."""
    daemon = Daemon(farm)
    flag = daemon.path("flag")
    daemon.add("web", "haproxy", reload=f"touch {flag}; exec tail -f {flag}")
    daemon.add("ring", "ring")
    daemon.begin()
    daemon.wait(lambda: os.path.exists(flag), "the reload hangs")
    for _ in range(3):
        daemon.add(f"more{len(daemon.targets)}", "ring")
        reread(daemon)
        assert daemon.wait_state("ring", "applied", "failed")["error"] is None
    daemon.stop()


def test_the_policy_changes(stekd):
    """A key that is due by the new one comes at once."""
    first = stekd.status()["sealing"]
    stekd.policy = QUICK
    reread(stekd)
    assert stekd.status()["policy"] == {
        "rotate": 3, "tickets": 3, "lead": 1}
    stekd.wait(lambda: stekd.status()["sealing"] != first, "it rotates")


def test_a_reload_that_was_owed_is_still_owed(farm):
    daemon = Daemon(farm)
    flag = daemon.path("flag")
    daemon.add("web", "haproxy", reload=f"test -e {flag}")
    daemon.begin().wait_failed("web")
    daemon.add("other", "ring")
    reread(daemon)
    daemon.wait_failed("web")
    with open(flag, "wb"):
        pass
    daemon.wait_state("web", "applied")
    daemon.stop()


def test_a_failed_target_is_tried_at_once(farm):
    daemon = Daemon(farm)
    folder = daemon.path("late")
    daemon.add("web", "haproxy", os.path.join(folder, "keys"))
    daemon.begin()
    daemon.wait(lambda: (daemon.target("web")["next_try"] or 0)
                - time.time() > 4, "a long pause")
    os.mkdir(folder)
    daemon.hup()
    daemon.wait_state("web", "applied", patience=3)
    daemon.stop()


# --- what cannot be taken --------------------------------------------------

def refuses(daemon, *texts):
    times = daemon.said().count(KEPT)
    before = daemon.status()
    daemon.hup()
    daemon.wait_said(KEPT, times + 1)
    line = [line for line in daemon.said().splitlines() if KEPT in line][-1]
    for text in texts:
        assert text in line
    after = daemon.status()
    for text in texts:
        assert text in after["conf_error"]
    for one in (before, after):
        del one["now"], one["conf_error"]
    assert before == after


def test_a_wrong_file_changes_nothing_and_is_told_with_its_line(stekd):
    stekd.wait_settled()
    line = read(stekd.conf).count(b"\n") + 1
    with open(stekd.conf, "a", encoding="ascii") as conf:
        conf.write('nonsense = "x"\n')
    refuses(stekd, f"{stekd.conf}: line {line}: ", "nonsense")
    stekd.add("ring", "ring")
    reread(stekd)
    assert names(stekd) == ["web", "ring"]


def test_that_a_file_was_refused_is_told_until_one_is_accepted(farm):
    daemon = Daemon(farm)
    port = farm.port()
    daemon.values["metrics"] = f"127.0.0.1:{port}"
    daemon.begin().wait_said("ready")

    def is_told(*words):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics",
                                    timeout=30) as answer:
            metrics = answer.read().decode()
        shown = daemon.stek("status", check=False)
        assert shown.returncode == bool(words)
        assert ("refused: " in shown.stdout) == bool(words)
        assert f"\nstek_conf_ok {int(not words)}\n" in metrics
        found = daemon.stek("check", check=False).stdout
        assert ("stekd refused it" in found) == bool(words)
        return all(word in shown.stdout for word in words)

    assert is_told()
    daemon.values["farm"] = "other"
    daemon.configure()
    refuses(daemon, "farm can change only by a restart")
    assert is_told("farm can change only by a restart")
    daemon.values["farm"] = "example"
    reread(daemon)
    assert daemon.status()["conf_error"] is None
    assert is_told()
    daemon.stop()


def test_a_missing_file_changes_nothing(stekd):
    stekd.wait_settled()
    os.unlink(stekd.conf)
    refuses(stekd, stekd.conf, "No such file")


def test_a_file_that_stekds_user_cannot_read_changes_nothing(stekd):
    stekd.wait_settled()
    os.chmod(stekd.conf, 0o600)
    refuses(stekd, stekd.conf, "Permission denied", "must be able to read")


def test_a_file_that_others_can_change_is_not_obeyed(stekd):
    """Root runs what it says, so root's process looks."""
    stekd.wait_settled()
    stekd.add("evil", "haproxy", reload=f"touch {stekd.path('evil-was-here')}")
    os.chown(stekd.conf, 65534, 65534)
    refuses(stekd, stekd.conf, "others can change this file")
    assert not os.path.exists(stekd.path("evil-was-here"))


def test_a_file_that_others_can_replace_is_not_obeyed(stekd):
    stekd.wait_settled()
    stekd.add("evil", "haproxy", reload=f"touch {stekd.path('evil-was-here')}")
    os.chown(os.path.dirname(stekd.conf), 65534, 65534)
    refuses(stekd, stekd.conf, "others can put another file there")
    assert not os.path.exists(stekd.path("evil-was-here"))


@pytest.mark.parametrize("option, value", [
    ("farm", "other"), ("store", "dir:/dev/shm/other"),
    ("farm_key", "/dev/shm/other"), ("user", "daemon"),
    ("control", "/dev/shm/other"), ("metrics", "127.0.0.1:1")])
def test_what_takes_a_restart_is_named(stekd, option, value):
    stekd.wait_settled()
    stekd.values[option] = value
    stekd.configure()
    refuses(stekd, f"{option} can change only by a restart")


# --- many ------------------------------------------------------------------

def test_a_storm_during_rotations_does_no_harm(farm):
    """With a file that is right, wrong, and another one in between."""
    daemon = Daemon(farm, policy=("1s", "2s", "1s"))
    path = daemon.add("web", "haproxy", reload="true")
    daemon.add("ring", "ring")
    daemon.begin()
    right = read(daemon.conf).decode()
    for i in range(100):
        text = [right, right + "# other\n", right + "nonsense\n"][i % 3]
        fresh = daemon.write("stek.conf.new", text)
        os.rename(fresh, daemon.conf)
        daemon.hup()
        if i % 10 == 0:
            daemon.wait(daemon.status, "it answers")
    fresh = daemon.write("stek.conf.new", right)
    os.rename(fresh, daemon.conf)
    reread(daemon)
    version = daemon.status()["version"]
    daemon.wait_version(version + 2)
    daemon.wait(lambda: all(
        target["error"] is None and target["version"] and
        target["version"] > version
        for target in daemon.status()["targets"]), "targets are in order")
    assert "the configuration has changed" not in daemon.said()
    assert len(os.listdir(f"/proc/{daemon.child.pid}/fd")) < 30
    assert len(os.listdir(f"/proc/{daemon.monitor()}/fd")) < 20
    assert read(path)
    daemon.wait(lambda: not children(daemon.monitor()), "no child is left")
    daemon.stop()


def test_sighup_while_somebody_waits_tells_him(farm):
    daemon = Daemon(farm)
    daemon.add(
        "web", "haproxy", reload=f"exec tail -f {daemon.path('stek.conf')}")
    daemon.begin()
    with subprocess.Popen(
            [os.environ["STEK"], "-c", daemon.conf, "rotate", "--now"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True) as stek:
        assert "version" in stek.stdout.readline()
        reread(daemon)
        assert stek.wait(10) == 1
        assert "read again" in stek.stderr.read()
    daemon.stop()

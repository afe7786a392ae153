# SPDX-License-Identifier: ISC
"""
stekd's life: first start, restart, rotation by its timer, the end; and what
it tells those who started it.
"""
import os
import pwd
import signal
import socket
import stat
import subprocess
import time

import pytest

from daemon import (QUICK, STEKD, Daemon, children, gone, haproxy_keys,
                    in_folder, in_ring, mode, owner, read, wait_until)

NOBODY = pwd.getpwnam("nobody").pw_uid


@pytest.fixture
def stekd(farm):
    daemon = Daemon(farm)
    yield daemon
    daemon.stop()


@pytest.fixture
def quick(farm):
    daemon = Daemon(farm, policy=QUICK)
    yield daemon
    daemon.stop()


def counting(daemon):
    """A reload that leaves a line, and how many there are."""
    path = daemon.path("reloads")
    return f"echo >>{path}", lambda: len(
        read(path).splitlines()) if os.path.exists(path) else 0


# --- keys come and go ------------------------------------------------------

def test_a_first_start_makes_a_key_and_places_it(stekd):
    file = stekd.add("file", "haproxy", owner="nobody:nogroup", mode="0640")
    folder = stekd.add("folder", "nginx", mode="0600")
    ring = stekd.add("ring", "ring", owner="root:nogroup", mode="0640")
    stekd.begin().wait_settled()
    status = stekd.status()
    assert [key["state"] for key in status["keys"]] == ["sealing"]
    assert haproxy_keys(file)[1][0] == status["sealing"]
    assert in_folder(folder) == [status["sealing"]]
    assert in_ring(ring, status["sealing"])
    assert (owner(file), mode(file)) == ((NOBODY, 65534), "0o640")
    assert (owner(ring), mode(ring)) == ((0, 65534), "0o640")
    key = os.path.join(folder, status["sealing"] + ".key")
    assert (owner(key), mode(key)) == ((0, 0), "0o600")
    assert mode(folder) == "0o700"
    version, keys = stekd.kept()
    assert version == status["version"]
    assert [key.name for key in keys] == [status["sealing"]]


def test_a_restart_goes_on_with_the_same_key_and_reloads_nothing(stekd):
    reload, count = counting(stekd)
    path = stekd.add("web", "haproxy", reload=reload)
    stekd.begin().wait_state("web", "applied")
    before, was, reloads = read(path), os.stat(path), count()
    assert reloads == 1
    version = stekd.status()["version"]
    assert stekd.end() == 0
    stekd.again()
    stekd.wait_state("web", "applied")
    assert stekd.status()["version"] == version
    assert read(path) == before and count() == reloads
    assert os.stat(path).st_ino == was.st_ino, "it was written again"


def test_what_was_lost_with_the_memory_file_system_comes_back(stekd):
    reload, count = counting(stekd)
    path = stekd.add("web", "haproxy", reload=reload)
    ring = stekd.add("ring", "ring")
    stekd.begin().wait_settled()
    before, version = read(path), stekd.status()["version"]
    stekd.end()
    os.unlink(path)
    os.unlink(ring)
    stekd.again()
    stekd.wait_settled()
    assert read(path) == before and count() == 2
    assert in_ring(ring, stekd.status()["sealing"])
    assert stekd.status()["version"] == version


def test_keys_live_by_the_timer_alone(quick):
    """Nobody asks anything meanwhile; all is seen from files."""
    folder = quick.add("folder", "nginx")
    ring = quick.add("ring", "ring")
    quick.begin().wait_settled()
    first = quick.kept()[1][0]
    assert in_ring(ring, first.name) and first.key.aes in read(ring)

    def listed():
        return read(os.path.join(folder, "keys.conf")).decode().splitlines()
    assert first.name in listed()[0]
    wait_until(lambda: len(in_folder(folder)) > 1, "the next key is there")
    following, = set(in_folder(folder)) - {first.name}
    path = os.path.join(folder, following + ".key")
    assert os.stat(path).st_mtime < first.seal_from + 3, (
        "only after it was due to seal")
    lines = []

    def has_turned():
        lines[:] = listed()
        return following in lines[0]
    wait_until(has_turned, "the next key seals")
    assert time.time() > first.seal_from + 3 - 0.1, "it seals too early"
    assert any(first.name in line for line in lines), "it opens no more"
    path = os.path.join(folder, first.name + ".key")
    wait_until(lambda: not os.path.exists(path), "the first key is gone")
    wait_until(lambda: not in_ring(ring, first.name), "and from the ring")
    for secret in (first.key.aes, first.key.mac, first.key.bytes_name[8:]):
        assert secret not in read(ring)
    assert first.name not in {key.name for key in quick.kept()[1]}
    assert first.name not in "".join(listed())


# --- one stekd a farm ------------------------------------------------------

def test_a_second_one_is_refused_with_the_firsts_pid(stekd):
    stekd.begin()
    status, said = stekd.refused()
    assert status == 1 and "another stekd runs this farm" in said
    assert f"pid={stekd.child.pid} " in said
    assert stekd.status()["pid"] == stekd.child.pid


def test_what_a_killed_one_left_is_taken_over(stekd):
    stekd.add("web", "haproxy")
    stekd.begin().wait_settled()
    sealing = stekd.status()["sealing"]
    stekd.kill()
    assert stat.S_ISSOCK(os.stat(stekd.path("control")).st_mode)
    stekd.again()
    assert stekd.status()["sealing"] == sealing


def test_a_hanging_reload_of_a_killed_one_does_not_keep_the_next_out(stekd):
    """Nor does it keep a ring busy, or the control socket alive."""
    flag = stekd.path("flag")
    stekd.add("web", "haproxy", reload=f"touch {flag}; exec tail -f {flag}")
    stekd.add("ring", "ring")
    stekd.begin()
    stekd.wait(lambda: os.path.exists(flag), "the reload hangs")
    worker, = children(stekd.monitor())
    stekd.kill()
    assert not gone(worker)
    with pytest.raises(ConnectionRefusedError):
        stekd.dial()
    stekd.again()
    stekd.wait_state("ring", "applied")
    assert not gone(worker)


def test_a_live_socket_of_somebody_else_is_not_taken(stekd):
    stekd.stek("init")
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(stekd.path("control"))
        other.listen()
        status, said = stekd.refused()
        assert status == 1 and "Address already in use" in said
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(stekd.path("control"))


# --- the end ---------------------------------------------------------------

@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_0_when_told(stekd, number):
    stekd.add("web", "haproxy")
    stekd.begin().wait_settled()
    pids = stekd.pids()
    stekd.child.send_signal(number)
    assert stekd.child.wait(30) == 0
    wait_until(lambda: all(gone(pid) for pid in pids), "the monitor ends too")


def test_it_ends_with_0_while_a_reload_runs(stekd):
    flag = stekd.path("flag")
    stekd.add("web", "haproxy", reload=f"touch {flag}; exec tail -f {flag}")
    stekd.begin()
    stekd.wait(lambda: os.path.exists(flag), "the reload runs")
    assert stekd.end() == 0


def test_the_monitor_ends_with_a_main_process_that_was_killed(stekd):
    monitor = stekd.begin().monitor()
    stekd.kill()
    wait_until(lambda: gone(monitor), "the monitor ends")


@pytest.mark.parametrize("number, how", [
    (signal.SIGKILL, "killed by signal 9 (Killed)"),
    (signal.SIGBUS, "killed by signal 7 (Bus error)")])
def test_without_its_monitor_it_ends_with_an_error(stekd, number, how):
    """At once, although a worker still has the monitor's socket."""
    flag = stekd.path("flag")
    stekd.add("web", "haproxy", reload=f"touch {flag}; exec tail -f {flag}")
    stekd.begin()
    stekd.wait(lambda: os.path.exists(flag), "a worker is at work")
    os.kill(stekd.monitor(), number)
    assert stekd.child.wait(10) == 1
    assert stekd.said().count("the monitor process is gone") == 1
    assert how in stekd.said()


def test_how_its_monitor_ended_is_told_whatever_is_seen_first(stekd):
    """Its end or that of its socket: without a worker both come at once."""
    stekd.begin()
    os.kill(stekd.monitor(), signal.SIGSEGV)
    assert stekd.child.wait(10) == 1
    assert stekd.said().count("the monitor process is gone") == 1
    assert "killed by signal 11" in stekd.said()


def test_a_monitor_that_is_stopped_for_a_while_is_waited_for(stekd):
    """As by somebody who looks at it."""
    stekd.add("web", "haproxy")
    stekd.begin().wait_state("web", "applied")
    monitor = stekd.monitor()
    os.kill(monitor, signal.SIGSTOP)
    wait_until(lambda: b"State:\tT" in read(f"/proc/{monitor}/status"),
               "it is stopped")
    with stekd.dial() as client:
        client.sendall(b'{"do": "rotate", "now": true}\n')
        assert b"version" in client.recv(4096)
        assert stekd.state("web") == "working"
        os.kill(monitor, signal.SIGCONT)
        stekd.wait_state("web", "applied")


def heeds_hup(pid):
    """Does it block or catch SIGHUP?  Before main() nobody can."""
    masks = dict(line.split(b":\t") for line in
                 read(f"/proc/{pid}/status").splitlines())
    bit = 1 << (signal.SIGHUP - 1)
    return any(int(masks[name], 16) & bit for name in (b"SigBlk", b"SigCgt"))


@pytest.mark.parametrize("when", [0, 0.001, 0.002, 0.005, 0.01, 0.02])
def test_sighup_while_it_starts_does_not_end_it(stekd, when):
    stekd.stek("init")
    stekd.run("env", "--default-signal=HUP", STEKD, "-c", stekd.conf, "-f")
    wait_until(lambda: heeds_hup(stekd.child.pid), "its code runs")
    time.sleep(when)    # any moment will do
    stekd.hup()
    stekd.wait(stekd.status, "it answers")


# --- what it tells whoever started it --------------------------------------

class Notified:
    def __init__(self, path):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        os.chmod(path, 0o777)
        self.socket.settimeout(30)

    def next(self):
        return self.socket.recv(4096)


def test_ready_comes_when_files_are_placed_and_stopping_at_the_end(stekd):
    """Placed, not reloaded: servers may wait for stekd to be ready."""
    path = stekd.add(
        "web", "haproxy", reload=f"exec tail -f {stekd.path('stek.conf')}")
    failing = stekd.add("failing", "haproxy", stekd.path("no", "such"))
    stekd.stek("init")
    notified = Notified(stekd.path("notify"))
    stekd.run(STEKD, "-c", stekd.conf, "-f",
              env={"NOTIFY_SOCKET": notified.path})
    assert notified.next() == b"READY=1"
    assert os.path.exists(path) and not os.path.exists(failing)
    stekd.child.terminate()
    assert notified.next() == b"STOPPING=1"
    assert stekd.child.wait(30) == 0


def test_a_notify_socket_that_is_gone_does_no_harm(stekd):
    stekd.stek("init")
    stekd.run(STEKD, "-c", stekd.conf, "-f",
              env={"NOTIFY_SOCKET": stekd.path("none")})
    stekd.wait(stekd.status, "it answers")


def background(daemon, *args):
    """As typed at a terminal: until the prompt is back and output ends."""
    return subprocess.run([STEKD, *args], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=60, check=False,
                          cwd=daemon.home)


def test_without_f_it_goes_into_the_background_once_files_are_placed(stekd):
    path = stekd.add(
        "web", "haproxy", reload=f"exec tail -f {stekd.path('stek.conf')}")
    stekd.stek("init")
    done = background(stekd, "-c", "stek.conf")
    assert done.returncode == 0 and os.path.exists(path)
    pid = stekd.status()["pid"]
    try:
        assert not os.path.samefile(f"/proc/{pid}/cwd", stekd.home)
        assert os.getsid(pid) == pid
        for fd in range(3):
            assert os.readlink(f"/proc/{pid}/fd/{fd}") == "/dev/null"
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            locked, = [line.split()[1] for line in status
                       if line.startswith("VmLck")]
        assert int(locked) > 1000, "its memory is not locked"
        stekd.configure()
        os.kill(pid, signal.SIGHUP)
        assert stekd.ask({"do": "status"})[0]["pid"] == pid
    finally:
        os.kill(pid, signal.SIGTERM)
    wait_until(lambda: gone(pid), "it ends")


def test_without_f_a_failed_start_is_told_at_the_terminal(stekd):
    stekd.stek("init")
    stekd.write("store/example.set", "garbage")
    done = background(stekd, "-c", stekd.conf)
    assert done.returncode == 1
    assert "expected an encoded set" in done.stdout


def test_a_relative_configuration_is_read_again_through_its_link(stekd):
    stekd.stek("init")
    link = stekd.path("link.conf")
    os.symlink(stekd.conf, link)
    stekd.run(STEKD, "-c", "link.conf", "-f")
    stekd.wait(stekd.status, "it answers")
    text = read(stekd.conf).decode()
    other = stekd.write("other.conf", text.replace('rotate = "1h"',
                                                   'rotate = "2h"'))
    os.unlink(link)
    os.symlink(other, link)
    stekd.hup()
    stekd.wait(lambda: stekd.status()["policy"]["rotate"] == 7200,
               "the other file is read")


def test_started_without_standard_output_its_files_stay_clean(stekd):
    """The first file that is opened must not become standard error."""
    stekd.stek("init")
    stekd.run("sh", "-c", f"exec {STEKD} -c {stekd.conf} -f <&- >&- 2>&-")
    stekd.wait(stekd.status, "it answers")
    lock = os.path.join(stekd.store, "example.stekd")
    assert read(lock) == b"%d\n" % stekd.status()["pid"]

# SPDX-License-Identifier: ISC
"""Reloads: commands and sockets that do not do as they should."""
import os
import signal
import subprocess

import pytest

from daemon import QUICK, Daemon, children, gone, read, wait_until


@pytest.fixture
def quiet(farm):
    daemon = Daemon(farm)
    yield daemon
    daemon.stop()


def test_a_reload_that_was_killed_is_tried_again(quiet):
    """The process that was to run it too: nobody is waited for in vain."""
    flag = quiet.path("flag")
    quiet.add("web", "haproxy",
              reload=f"test -e {flag} || {{ touch {flag}; sleep 600; }}")
    quiet.begin()
    quiet.wait(lambda: os.path.exists(flag), "it reloads")
    worker, = children(quiet.monitor())
    os.kill(worker, signal.SIGKILL)
    assert "killed by signal 9" in quiet.wait_failed("web")["error"]
    quiet.wait_state("web", "applied")
    wait_until(lambda: not children(quiet.monitor()), "no child is left")


def test_commands_get_default_signals_and_a_plain_environment(quiet):
    """A server that a command starts must not ignore SIGTERM."""
    path = quiet.path("seen")
    quiet.add("web", "haproxy", reload="{ grep Sig /proc/self/status; pwd; "
              f"umask; env; ls -l /proc/self/fd; }} > {path}")
    os.environ["STEK_TEST_SECRET"] = "hunter2"
    quiet.begin().wait_state("web", "applied")
    seen = read(path).decode()
    for mask in ("SigBlk", "SigIgn"):
        bits = int(seen.split(mask + ":")[1].split()[0], 16)
        # 32 and 33 are libc's own; posix_spawn(3), and so make, ignores them.
        assert bits & ~(3 << 31) == 0, mask
    assert "\n/\n0022\n" in seen and "hunter2" not in seen
    assert seen.count(" -> ") == 4, "more than 0, 1, 2 and ls's own"


def test_a_reload_that_does_not_end_is_killed_with_all_it_started(farm):
    """Nor one that prints without end; both at once, as it takes a while."""
    daemon = Daemon(farm, policy=QUICK)
    pids = daemon.path("pids")
    daemon.add("hangs", "haproxy", reload=f"sleep 600 & echo $! >>{pids}; "
               f"echo $$ >>{pids}; echo waiting; wait")
    daemon.add("yes", "haproxy", reload="yes")
    daemon.add("good", "haproxy")
    daemon.begin()
    version = daemon.status()["version"]
    for name in ("hangs", "yes"):
        daemon.wait(lambda: "took more than 30 s and was killed" in
                    (daemon.target(name)["error"] or ""), "it is killed", 50)
    assert daemon.target("good")["version"] > version + 3
    first = [int(line) for line in read(pids).split()[:2]]
    wait_until(lambda: all(gone(pid) for pid in first), "none is left")
    daemon.stop()


@pytest.mark.parametrize("answer", ["echo", "drip", "silence", "help"])
def test_what_is_not_haproxys_socket_is_told_without_a_key(quiet, answer):
    path = quiet.path("socket")
    script = quiet.write("server.py", NOT_HAPROXY % (path, answer))
    with subprocess.Popen(["python3", script]) as server:
        wait_until(lambda: os.path.exists(path), "it listens")
        keys = quiet.add("web", "haproxy", reload=f"haproxy:{path}")
        quiet.begin()
        said = quiet.wait_failed("web")["error"]
        assert {"echo": "the key in it", "drip": "timed out",
                "silence": "timed out",
                "help": "haproxy says: Unknown command"}[answer] in said
        for line in read(keys).splitlines():
            for at in range(0, len(line) - 12, 4):
                piece = line[at:at + 12].decode()
                assert piece not in said and piece not in quiet.said()
        quiet.stop()
        server.kill()


NOT_HAPROXY = """
import socket, time
listener = socket.socket(socket.AF_UNIX)
listener.bind(%r)
listener.listen()
how = %r
while True:
    client, _ = listener.accept()
    got = client.recv(4096)
    try:
        if how == "echo":
            client.sendall(b"what is " + got[-60:])
        if how == "help":
            client.sendall(b"Unknown command\\n")
        for _ in range(600 if how in ("drip", "silence") else 0):
            if how == "drip":
                client.sendall(b"x")
            time.sleep(0.2)
    except OSError:
        pass
    client.close()
"""

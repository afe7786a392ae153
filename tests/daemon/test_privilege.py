# SPDX-License-Identifier: ISC
"""
What stekd's processes may do, what they show of the keys, and what they take
of the machine while nothing happens.
"""
import base64
import os
import pwd
import subprocess
import time
import urllib.request

import pytest

from daemon import QUICK, STEK, Daemon, children, gone, read, wait_until
from servers import Haproxy

NOBODY = pwd.getpwnam("nobody")
ALL_CAPS = ("CapInh", "CapPrm", "CapEff", "CapAmb")


@pytest.fixture(scope="module")
def stekd(farm):
    daemon = Daemon(farm)
    daemon.add("file", "haproxy")
    daemon.add("scoped", "nginx", scope="other")
    daemon.add("short", "apache")
    daemon.add("ring", "ring")
    daemon.add("failing", "haproxy", reload="echo no; exit 1")
    daemon.metrics = farm.port()
    daemon.values["metrics"] = f"127.0.0.1:{daemon.metrics}"
    daemon.begin().wait_settled()
    yield daemon
    daemon.stop()


def status_of(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return {name: value.strip() for name, _, value in
                (line.partition(":") for line in file)}


# --- privilege -------------------------------------------------------------

def test_the_process_that_holds_the_keys_has_no_privilege(stekd):
    seen = status_of(stekd.child.pid)
    assert seen["Uid"].split() == [str(NOBODY.pw_uid)] * 4
    assert seen["Gid"].split() == [str(NOBODY.pw_gid)] * 4
    assert seen["Groups"] == ""
    assert {seen[name] for name in ALL_CAPS} == {"0" * 16}
    assert seen["NoNewPrivs"] == "1"


def as_its_user(code, *args):
    return subprocess.run(
        ["python3", "-c", code, *args], user=NOBODY.pw_uid,
        group=NOBODY.pw_gid, extra_groups=[], capture_output=True, text=True,
        check=False)


@pytest.mark.parametrize("what", ["mem", "environ", "maps", "fd", "auxv"])
def test_its_own_user_cannot_look_into_it(stekd, what):
    code = ("import os, sys; path = sys.argv[1]; print(os.listdir(path) if "
            "os.path.isdir(path) else open(path, 'rb').read(1))")
    done = as_its_user(code, f"/proc/{stekd.child.pid}/{what}")
    assert "PermissionError" in done.stderr, done.stdout


def test_there_are_no_core_files_of_either_process(stekd):
    for pid in stekd.pids():
        limits = read(f"/proc/{pid}/limits").decode()
        core, = [line for line in limits.splitlines() if "core file" in line]
        assert core.split()[4:6] == ["0", "0"]


def test_memory_is_locked(stekd):
    for pid in stekd.pids():
        assert int(status_of(pid)["VmLck"].split()[0]) > 1000


def test_the_monitor_holds_the_farm_key_no_more_than_the_store(stekd):
    """It was forked before it was read, and is never sent it."""
    secret = stekd.farm_key()
    for pid, expected in ((stekd.child.pid, True), (stekd.monitor(), False)):
        found = False
        with open(f"/proc/{pid}/maps", encoding="ascii") as maps, \
                open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
            for line in maps:
                span, bits = line.split()[:2]
                start, end = (int(one, 16) for one in span.split("-"))
                if bits.startswith("r") and "[v" not in line:
                    memory.seek(start)
                    found = found or secret in memory.read(end - start)
        assert found == expected, pid


def test_probes_run_as_nobody_and_can_gain_nothing(farm):
    """Seen while one waits for a server that does not answer."""
    import socket
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        daemon = Daemon(farm)
        port = silent.getsockname()[1]
        daemon.add("web", "haproxy", verify=f"127.0.0.1:{port}/name.test")
        daemon.begin()

        def probe():
            for worker in children(daemon.monitor()):
                for pid in children(worker):
                    if b"probe" in read(f"/proc/{pid}/cmdline"):
                        return pid
            return None
        pid = daemon.wait(probe, "it probes") or probe()
        pid = probe()
        seen = status_of(pid)
        assert seen["Uid"].split() == [str(NOBODY.pw_uid)] * 4
        assert {seen[name] for name in ALL_CAPS} == {"0" * 16}
        assert seen["NoNewPrivs"] == "1" and seen["Groups"] == ""
        assert set(os.listdir(f"/proc/{pid}/fd")) <= {"0", "1", "2", "3", "4"}
        args = read(f"/proc/{pid}/cmdline").split(b"\0")
        assert args[:3] == [b"stek", b"probe", b"--ticket"]
        assert b"name.test" in args and f"127.0.0.1:{port}".encode() in args
        daemon.stop()


def test_only_those_two_processes_stay(stekd):
    wait_until(lambda: len(stekd.pids()) == 2 or
               not children(stekd.monitor()), "workers end")
    assert not any(gone(pid) for pid in stekd.pids())


# --- secrets ---------------------------------------------------------------

def secrets_of(stekd):
    """All that `stek export` gives, and what the store and the farm have."""
    found = {stekd.farm_key()}
    for key in stekd.kept()[1]:
        found |= {key.key.aes, key.key.mac}
    for format_, scope, size in (("haproxy", "", 80), ("haproxy", "other", 80),
                                 ("haproxy48", "", 48),
                                 ("haproxy48", "other", 48)):
        done = subprocess.run(
            [STEK, "-c", stekd.conf, "export", "--format", format_,
             "--scope", scope], capture_output=True, check=True)
        for line in done.stdout.splitlines():
            raw = base64.b64decode(line)
            half = (size - 16) // 2
            found |= {raw[16:16 + half], raw[16 + half:]}
    return found


def spellings(secret):
    """Raw, hex, and base64 at each of its three phases."""
    yield secret
    for case in (secret.hex(), secret.hex().upper()):
        yield case.encode()
    for phase in range(3):
        text = base64.b64encode(bytes(phase) + secret)
        yield text[4 * (phase > 0):-4]


def shows(data, secrets):
    return [secret for secret in secrets for one in spellings(secret)
            if one in data]


def test_nothing_that_stekd_says_or_shows_has_a_secret(stekd):
    stekd.stek("rotate", "--now", check=False)
    stekd.wait_settled()
    secrets = secrets_of(stekd)
    assert len(secrets) > 10
    with urllib.request.urlopen(
            f"http://127.0.0.1:{stekd.metrics}/metrics") as answer:
        metrics = answer.read()
    with stekd.dial() as client:
        client.sendall(b'{"do": "status"}\n')
        status = client.recv(1 << 20)
    said = [read(stekd.log), metrics, status]
    for pid in stekd.pids():
        said += [read(f"/proc/{pid}/{what}")
                 for what in ("cmdline", "environ", "comm")]
    for line in said:
        assert shows(line, secrets) == []
    assert shows(read(stekd.path("file")), secrets), "the search finds none"


def test_the_store_and_the_runtime_folder_have_no_secret_for_others(stekd):
    """What has one is private; what is not has none."""
    secrets = secrets_of(stekd)
    for folder, _, names in os.walk(stekd.home):
        for name in names:
            path = os.path.join(folder, name)
            if not os.path.isfile(path):
                continue
            if shows(read(path), secrets):
                assert os.stat(path).st_mode & 0o077 == 0, path


# --- at rest ---------------------------------------------------------------

def resident(pid):
    """kB that are not shared with other processes, and all."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        seen = {line.split()[0]: line.split()[1] for line in file
                if line.split()[0].endswith(":")}
    return int(seen["Pss:"]), int(seen["Rss:"])


def test_it_takes_less_than_8_mb(stekd):
    sizes = [resident(pid) for pid in
             (stekd.child.pid, stekd.monitor())]
    total = sum(rss for _, rss in sizes)
    print(f"stekd at rest: {total} kB resident in two processes, "
          f"{sum(pss for pss, _ in sizes)} kB without what is shared")
    assert total < 8192


def test_at_rest_nothing_wakes_it(farm):
    daemon = Daemon(farm)
    daemon.add("web", "haproxy")
    daemon.add("ring", "ring")
    daemon.begin().wait_settled()

    def switches():
        return [status_of(pid)["voluntary_ctxt_switches"]
                for pid in (daemon.child.pid, daemon.monitor())]
    wait_until(lambda: not children(daemon.monitor()), "workers end")
    time.sleep(0.5)     # the answer to the last question was on its way
    before = switches()
    time.sleep(5)
    assert switches() == before
    daemon.stop()


def test_between_two_rotations_it_wakes_only_for_its_keys(farm):
    daemon = Daemon(farm, policy=QUICK)
    daemon.add("ring", "ring")
    daemon.begin().wait_settled()
    before = int(status_of(daemon.child.pid)["voluntary_ctxt_switches"])
    version = daemon.kept()[0]
    time.sleep(6)
    changes = daemon.kept()[0] - version
    after = int(status_of(daemon.child.pid)["voluntary_ctxt_switches"])
    # The timer, the store's lock and disk, the store's watch, the monitor.
    assert after - before <= 10 * (changes + 1)
    daemon.stop()


def test_a_real_server_is_verified_without_tls_in_stekd(farm):
    server = Haproxy(farm, "haproxy")
    daemon = Daemon(farm)
    daemon.targets = [server]
    daemon.begin()
    daemon.wait(lambda: os.path.exists(server.keys), "its file is there")
    server.start()
    daemon.hup()
    daemon.wait_state("haproxy", "verified")
    for pid in (daemon.child.pid, daemon.monitor()):
        assert b"libssl" not in read(f"/proc/{pid}/maps")
        assert b"libcrypto" not in read(f"/proc/{pid}/maps")
    daemon.stop()

# SPDX-License-Identifier: ISC
"""
The first minute of a stekd, from no keys to keys in a file and in a ring,
while each system call that changes a file goes wrong in turn.
"""
import errno
import json
import os
import subprocess
import time

import pytest

from fault import GUARD, Fault, run, victim, walk

STEK, STEKD = os.environ["STEK"], os.environ["STEKD"]
CHANGES = ["create", "fchmod", "fchown", "chown", "lchown", "chmod", "write",
           "pwrite", "fallocate", "ftruncate", "fsync", "rename", "link",
           "unlink", "mkdir", "flock"]
NEEDS_ROOM = ["create", "write", "pwrite", "fallocate"]
DONE = ("applied", "verified")


def configure(folder):
    """All that stekd needs, as on a host where it never ran."""
    folder.clear()
    os.chmod(folder.path, 0o755)
    with open(folder / "stek.conf", "w", encoding="ascii") as conf:
        conf.write(f"""\
farm = "example"
store = "dir:{folder / "store"}"
farm_key = "{folder / "farm.key"}"
user = "nobody"
control = "{folder / "run/control"}"
policy {{ rotate = "1h" tickets = "2h" lead = "10m" }}
target web {{ format = "haproxy" path = "{folder / "out-web/keys"}"
    owner = "root:root" mode = "0600" }}
target ring {{ format = "ring" path = "{folder / "out-ring/ring"}"
    owner = "root:root" mode = "0600" }}
""")
    for name in ("out-web", "out-ring"):
        os.mkdir(folder / name, 0o700)
    result = stek(folder, "init")
    assert result.returncode == 0, result.stderr


def stek(folder, *args):
    return run([STEK, "-c", folder / "stek.conf", *args])


def status(folder):
    try:
        return json.loads(stek(folder, "status", "--json").stdout)
    except ValueError:
        return None


def is_settled(folder):
    found = status(folder)
    return found is not None and "store" in found and \
        found["store"]["state"] == "live" and all(
            target["state"] in DONE for target in found["targets"])


def processes_of(folder):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
                words = file.read().split("\0")
        except OSError:
            continue
        if STEKD in words[0] and folder / "stek.conf" in words:
            found.append(int(pid))
    return found


def wait(condition, what):
    until = time.monotonic() + GUARD
    while not condition():
        assert time.monotonic() < until, f"not within {GUARD} s: {what}"
        time.sleep(0.02)


def serve(folder, env=None):
    """Until it has settled or has ended; its status and what it said."""
    with subprocess.Popen([STEKD, "-c", folder / "stek.conf", "-f"], env=env,
                          stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as child:
        wait(lambda: child.poll() is not None or is_settled(folder),
             "stekd settles or ends")
        settled = child.poll() is None
        child.terminate()
        said = child.communicate(timeout=GUARD)[0]
    wait(lambda: not processes_of(folder), "no process of stekd's is left")
    return settled, child.returncode, said


def secrets_exposed(folder):
    return [found for found in folder.exposed
            if found[0] != folder / "stek.conf"]


def litter(folder):
    return [name for part in ("out-web", "out-ring", "store")
            for name in os.listdir(folder / part) if name.endswith("-new")]


def placed(folder):
    try:
        with open(folder / "out-web/keys", encoding="ascii") as file:
            return file.read().split()
    except FileNotFoundError:
        return None


def assert_the_next_stekd_is_well(folder):
    before = placed(folder)
    settled, code, said = serve(folder)
    assert settled and code == 0, said
    assert not litter(folder)
    # Three lines of base64 at least; those that were in use still are.
    assert len(placed(folder)) >= 3
    assert before in (None, placed(folder))
    assert victim("show", folder / "out-ring/ring").returncode in (0, 4)


def served(folder, how, calls):
    return walk(how, folder.path, lambda: configure(folder),
                lambda env: serve(folder, env), calls)


def test_without_a_fault_it_settles_and_ends_well(folder):
    configure(folder)
    assert_the_next_stekd_is_well(folder)


def test_killed_anywhere_its_successor_goes_on(folder):
    deaths = 0
    for fault, (_, code, said) in served(folder, "kill", CHANGES):
        assert code != 0 or "level=err" in said or "level=warn" in said, \
            f"{fault}: nobody noticed\n{said}"
        assert not secrets_exposed(folder), fault
        assert_the_next_stekd_is_well(folder)
        deaths += 1
    assert deaths >= 20


@pytest.mark.parametrize("error,calls", [
    (errno.EIO, CHANGES), (errno.ENOSPC, NEEDS_ROOM)])
def test_a_failed_call_is_told_and_gone_on_from(folder, error, calls):
    told = 0
    for fault, (settled, code, said) in served(folder, error, calls):
        if not settled:
            assert code not in (0, -11, -6), f"{fault}\n{said}"
            assert os.strerror(error) in said, f"{fault}\n{said}"
        told += os.strerror(error) in said
        assert not secrets_exposed(folder), fault
        assert_the_next_stekd_is_well(folder)
    assert told >= 6


def test_memory_that_cannot_be_locked_keeps_it_from_starting(folder):
    configure(folder)
    fault = Fault(folder.path, ["mlockall"], 1, errno.ENOMEM)
    settled, code, said = serve(folder, fault.env)
    assert fault.happened
    assert not settled and code == 1, said
    assert "memory" in said
    assert os.listdir(folder / "store") in ([], ["example.stekd"])

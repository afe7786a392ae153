# SPDX-License-Identifier: ISC
"""
stek run: what the command finds in its environment, and what is said when it
cannot be started.  Commands are a shell's, not servers.

Never here: what the preloaded objects do.
"""
import os
import subprocess
import tempfile

import pytest

STEK = os.environ["STEK"]
FOLDER = os.path.realpath(
    os.path.join(os.path.dirname(STEK), "..", "preload"))
OBJECT = os.path.join(FOLDER, "nss.so")


def run(*args, cwd=None, **env):
    """None takes a variable away."""
    environ = {**os.environ, "STEK_PRELOAD": FOLDER, **env}
    return subprocess.run(
        [STEK, "run", *args], capture_output=True, text=True, cwd=cwd,
        check=False, timeout=60,
        env={name: value for name, value in environ.items()
             if value is not None})


def variable(name, *args, **options):
    got = run(*args, "--", "sh", "-c", f'printf %s "${name}"', **options)
    assert got.returncode == 0, got
    return got.stdout


@pytest.fixture(name="folder")
def _folder():
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield folder


def test_the_ring_and_the_scope_are_handed_over():
    args = ("--ring", "/run/a.ring", "--scope", "shop")
    assert variable("STEK_RING", *args) == "/run/a.ring"
    assert variable("STEK_SCOPE", *args) == "shop"


def test_that_a_servers_own_keys_stay_is_handed_over():
    args = ("--ring", "/run/a.ring")
    assert variable("STEK_KEEP_OWN", *args) == ""
    assert variable("STEK_KEEP_OWN", *args, "--keep-own") != ""


def test_a_scope_of_before_is_not_kept():
    assert variable("STEK_SCOPE", "--ring", "/run/a.ring",
                    STEK_SCOPE="old") == ""


def test_a_relative_ring_is_handed_over_from_the_root(folder):
    assert variable("STEK_RING", "--ring", "a.ring", cwd=folder) == \
        os.path.join(os.path.realpath(folder), "a.ring")


def test_the_objects_come_before_what_was_preloaded():
    objects = variable("LD_PRELOAD", "--ring", "/a", LD_PRELOAD=None)
    assert OBJECT in objects.split(":")
    assert all(os.path.isfile(path) for path in objects.split(":"))
    assert variable("LD_PRELOAD", "--ring", "/a",
                    LD_PRELOAD=OBJECT + ":") == f"{objects}:{OBJECT}:"


def test_the_commands_arguments_and_status_are_its_own():
    got = run("--ring", "/a", "--", "sh", "-c", 'echo "$@"; exit 7', "x",
              "--ring", "-h", "--")
    assert (got.returncode, got.stdout) == (7, "--ring -h --\n")


def test_a_ring_that_is_not_there_is_told_and_the_command_runs(folder):
    path = os.path.join(folder, "none")
    got = run("--ring", path, "--", "true")
    assert got.returncode == 0
    assert path in got.stderr and "No such file" in got.stderr


@pytest.mark.parametrize("args, word", [
    (("--", "true"), "--ring"),
    (("--ring", "/a"), "command"),
    (("--ring", "/a", "--"), "command"),
    (("--ring", "/a", "--scope", "x" * 256, "--", "true"), "255"),
    (("--ring", "/a", "--scope", "\1", "--", "true"), "0x01"),
    (("--ring", "/a", "--wrong", "--", "true"), "wrong"),
])
def test_wrong_usage(args, word):
    got = run(*args)
    assert got.returncode == 2 and word in got.stderr
    assert "usage: stek" in got.stderr


def test_a_command_that_is_not_there_is_told():
    got = run("--ring", "/a", "--", "/nonexistent/server")
    assert got.returncode == 1 and "/nonexistent/server" in got.stderr


def test_an_object_that_is_not_there_is_told_and_nothing_runs(folder):
    got = run("--ring", "/a", "--", "echo", "ran", STEK_PRELOAD=folder)
    assert got.returncode == 1 and got.stdout == ""
    assert os.path.join(folder, "") in got.stderr and ".so: " in got.stderr


def test_a_folder_that_ld_preload_cannot_name_is_told(folder):
    got = run("--ring", "/a", "--", "true", STEK_PRELOAD=folder + "/a b")
    assert got.returncode == 1 and "blanks" in got.stderr

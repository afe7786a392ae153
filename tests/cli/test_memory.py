# SPDX-License-Identifier: ISC
"""What stek has in memory stays there."""
import fcntl
import os
import pwd
import shutil
import subprocess

import pytest

from farm import wait_until
from host import STEK, Host, sealing

F_GETPIPE_SZ = 1032


@pytest.fixture
def host():
    host_ = Host()
    yield host_
    host_.close()


@pytest.fixture
def exporting(host):
    """An export by an ordinary user that is held up: its reader is slow."""
    host.keep(sealing())
    program = shutil.copy(STEK, host.path("stek"))
    nobody = pwd.getpwnam("nobody")
    host.configure(user="nobody")
    for path in (".", "farm.key", "store", "store/test.set"):
        os.chown(host.path(path), nobody.pw_uid, nobody.pw_gid)
    reader, writer = os.pipe()
    os.write(writer, bytes(fcntl.fcntl(writer, F_GETPIPE_SZ)))
    with subprocess.Popen(
            [program, "export", "--format", "haproxy", "-c", host.conf],
            user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[],
            stdin=subprocess.DEVNULL, stdout=writer) as child:
        os.close(writer)
        yield child
        os.close(reader)


def has_no_core(pid):
    with open(f"/proc/{pid}/limits", encoding="ascii") as file:
        core, = [line for line in file if "core file" in line]
    return core.split()[4:6] == ["0", "0"]


def test_an_export_leaves_no_core_file(exporting):
    wait_until(lambda: has_no_core(exporting.pid), "the limit is 0")


def test_its_own_user_cannot_look_into_an_export(exporting):
    """Then what shows of its process belongs to root."""
    wait_until(lambda: os.stat(f"/proc/{exporting.pid}/mem").st_uid == 0,
               "it cannot be looked into")

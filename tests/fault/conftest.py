# SPDX-License-Identifier: ISC
"""A folder in memory for each test, looked through for what must not be."""
import os
import shutil
import stat
import tempfile

import pytest


def pytest_configure(config):
    if os.geteuid() != 0:
        # Owners are given away, and stekd gives up privilege.
        config.issue = "tests with faults need root: skipped"
        print(config.issue)
        os._exit(77)


class Folder:
    def __init__(self, path):
        self.path = path

    def __truediv__(self, name):
        return os.path.join(self.path, name)

    def clear(self):
        for name in os.listdir(self.path):
            path = self / name
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)

    @property
    def names(self):
        return sorted(os.listdir(self.path))

    @property
    def exposed(self):
        """Files with anything in them that others than their owner can get
        at."""
        found = []
        for folder, _, names in os.walk(self.path):
            for name in names:
                path = os.path.join(folder, name)
                st = os.lstat(path)
                if stat.S_ISREG(st.st_mode) and st.st_size > 0 and \
                        st.st_mode & 0o077:
                    found.append((path, oct(st.st_mode)))
        return found


@pytest.fixture
def folder():
    path = tempfile.mkdtemp(prefix="stek-fault.", dir="/dev/shm")
    yield Folder(path)
    shutil.rmtree(path)

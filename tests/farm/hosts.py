# SPDX-License-Identifier: ISC
"""
A host of the farm: a network namespace with a folder, servers, and a stekd
that drives them.

Never here: how servers and stekd are configured (tests/servers has it).
Invariant: a host's processes see no network but the farm's.
"""
import os
import shutil
import signal

from client import PortAt
from clock import Clock
from farm import FarmError, kill_group
from stekd import Stekd

FIRST_PORT = 443


class Host:
    """To its servers and its stekd it is the farm that they belong to."""

    def __init__(self, farm, name, kinds):
        self.farm = farm
        self.name = name
        self.folder = os.path.join(farm.folder, name)
        self.cert, self.cert_key = farm.cert, farm.cert_key
        self.cert_both = farm.cert_both
        self.address = farm.net.add(name)
        self._ports = self._stekds = 0
        os.mkdir(self.folder)
        os.chmod(self.folder, 0o755)
        self.servers = [self._server(kind) for kind in kinds]
        self.stekd = None

    def __repr__(self):
        return self.name

    def _server(self, kind):
        server = kind(self, f"{self.name}-{kind.KIND}")
        server.LISTENS = "0.0.0.0"
        server.host = self
        return server

    def server(self, kind):
        """Its server of that KIND."""
        return next(server for server in self.servers if server.KIND == kind)

    def stek(self, policy=("1h", "1h", "10m"), clock=False, **options):
        """
        Give it a stekd, not started yet, which drives all its servers.
        `clock`: with a clock of its own, stekd.clock; options are Stekd's.
        """
        if clock and not os.environ.get("SHIFTER"):
            raise FarmError("SHIFTER does not name tests/daemon/shift.c, "
                            "built as a shared object")
        self._stekds += 1
        self.stekd = HostStekd(self, f"{self.name}-stekd{self._stekds}",
                               self.servers, clock=clock, policy=policy,
                               **options)
        return self.stekd

    # --- what a farm is to its members ---

    def inside(self):
        return self.farm.net.inside(self)

    def port(self):
        """The next one, at the address that clients come to."""
        self._ports += 1
        return PortAt(FIRST_PORT + self._ports - 1, self.address)

    def add(self, member):
        self.farm.add(member)


class HostStekd(Stekd):
    """A stekd that can have a clock beside the machine's."""

    def __init__(self, host, name, targets, clock, **options):
        self.clock = None
        super().__init__(host, name, targets, **options)
        if clock:
            self.clock = Clock(self.path("clock"))

    def run(self, *command, env=None):
        shift = {} if self.clock is None else {
            "LD_PRELOAD": os.environ["SHIFTER"], "SHIFT": self.clock.path}
        super().run(*command, env={**shift, **(env or {})})

    def kill9(self):
        self.kill()

    def pause(self):
        """It is there, and does nothing; its servers go on."""
        kill_group(self.child.pid, signal.SIGSTOP)

    def resume(self):
        kill_group(self.child.pid, signal.SIGCONT)

    def on_etcd(self, etcd, user=None, credentials=None):
        """Its store is this etcd; to be called before it is started."""
        mine = credentials or etcd.credentials(user or self.farm.name)
        self.store = "etcd:" + etcd.urls
        self.state = self.path("state")
        self.text += f"""\
node = "{self.farm.name}"
state = "{self.state}"
etcd {{
    ca = "{mine.ca}"
    cert = "{mine.cert}"
    key = "{mine.key}"
}}
"""
        self.configure()

    def forget(self):
        shutil.rmtree(self.state, ignore_errors=True)

    def version(self):
        status = self.status()
        return status["version"] if status else 0

    def sealing(self):
        """The name of the key that should seal there; None if none."""
        status = self.status()
        return status["sealing"] if status else None

    def restart(self):
        """With what it has, its store and its keys."""
        self.stop()
        self.launch()
        self.wait(self.status, f"{self.name} answers")

    def verified(self):
        status = self.status()
        return status is not None and status["version"] > 0 and all(
            target["state"] == target_.SETTLES
            for target, target_ in zip(status["targets"], self.targets))

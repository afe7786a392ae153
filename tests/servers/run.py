# SPDX-License-Identifier: ISC
"""
Servers that have no way to take ticket keys from outside, started by stek
run, on whichever TLS library Debian has built them with.

Never here: lighttpd with mod_nss (lighttpd.py has it).
Invariant: as in servers.py.
"""
import os

from farm import Server
from lighttpd import PRELOAD
from stekd import STEK


class Run(Server):
    """Started by stek run, with a ring for its keys."""
    FORMAT = "ring"
    BOOTS_AFTER = True
    OPTIONS = ()

    def command(self):
        return (STEK, "run", "--ring", self.keys, *self.OPTIONS, "--",
                *self.server())

    def server(self):
        """What is run."""
        raise NotImplementedError

    def run(self, *command, env=None):
        super().run(*command, env={"STEK_PRELOAD": PRELOAD, **(env or {})})


class Hitch(Run):
    """Two workers, who are forked with what their parent has set up."""
    KIND = "hitch"

    def configure(self, shared):
        self.write("hitch.conf", f"""
frontend = "[127.0.0.1]:{self.port}"
backend = "[127.0.0.1]:9"
pem-file = "{self.farm.cert_both}"
tls-protos = TLSv1.2 TLSv1.3
workers = 2
user = "_hitch"
daemon = off
""")

    def server(self):
        return ("hitch", "--config=" + self.path("hitch.conf"))

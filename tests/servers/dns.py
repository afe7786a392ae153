# SPDX-License-Identifier: ISC
"""
The servers that speak DNS over TLS.

Never here: another server.
Invariant: as in servers.py.
"""
import base64
import os
import shutil

from farm import Server


class Dnsdist(Server):
    KIND = "dnsdist"
    FORMAT = "dnsdist"
    OWNER = "_dnsdist:_dnsdist"
    CONSOLE = "reloadAllCertificates()"

    def __init__(self, farm, name):
        super().__init__(farm, name)
        self.console = farm.port()
        self.plain = farm.port()
        self.secret = base64.b64encode(os.urandom(32)).decode()

    def configure(self, shared):
        # Without the delay of 0 it rotates to random keys by itself; with it
        # and without a file it would have none.
        keys = (f'ticketKeyFile="{self.keys}", ticketsKeysRotationDelay=0'
                if shared else "")
        self.write("dnsdist.conf", f"""
setSecurityPollSuffix("")
controlSocket("127.0.0.1:{self.console}")
setKey("{self.secret}")
setLocal("127.0.0.1:{self.plain}")
addTLSLocal("{self.LISTENS}:{self.port}", "{self.farm.cert}",
    "{self.farm.cert_key}",
    {{ {keys} }})
""", 0o600)

    def command(self):
        return ("dnsdist", "--supervised", "--disable-syslog", "-u",
                "_dnsdist", "-g", "_dnsdist", "-C",
                self.path("dnsdist.conf"))

    def reload_command(self):
        return (f"dnsdist -C {self.path('dnsdist.conf')} "
                f"-e '{self.CONSOLE}'")

    def encode(self, keys):
        # The last one seals.
        return {"": b"".join(key.a80() for key in reversed(keys))}


class Unbound(Server):
    KIND = "unbound"
    FORMAT = "unbound"
    FOLDER = True

    def configure(self, shared):
        include = f'include: "{self.keys}/*.conf"' if shared else ""
        self.write("unbound.conf", f"""
server:
    interface: {self.LISTENS}@{self.port}
    tls-port: {self.port}
    tls-service-key: {self.farm.cert_key}
    tls-service-pem: {self.farm.cert}
    username: unbound
    chroot: ""
    directory: {self.home}
    pidfile: {self.path("pid")}
    logfile: {self.path("unbound.log")}
    use-syslog: no
    num-threads: 1
    {include}
remote-control:
    control-enable: no
""")

    def command(self):
        # It reads its keys when it starts and never again, so that it needs
        # someone who starts it anew, as its service manager would.
        return ("sh", "-c", 'while unbound -d -c "$0"; do :; done',
                self.path("unbound.conf"))

    def reload_command(self):
        return f"kill $(cat {self.path('pid')})"

    def encode(self, keys):
        files = {key.name + ".key": key.a80() for key in keys}
        files["keys.conf"] = "".join(
            f'tls-session-ticket-keys: "{self.keys}/{key.name}.key"\n'
            for key in keys).encode()
        return files


class Kresd(Server):
    KIND = "knot-resolver"
    FORMAT = "knot-resolver"
    VERSIONS = ("1.3",)
    OVERLAP = False
    NAME_DIGITS = 0         # names are derived, by the time too
    PROOF = None
    SETTLES = "applied"
    RENEWS = ()
    OWNER = "knot-resolver:knot-resolver"

    def configure(self, shared):
        os.makedirs(self.path("var"), exist_ok=True)
        shutil.chown(self.path("var"), "knot-resolver", "knot-resolver")
        keys = f"net.tls_sticket_secret_file('{self.keys}')" if shared else ""
        self.write("kresd.conf", f"""
user('knot-resolver', 'knot-resolver')
cache.open(10 * MB, 'lmdb://{self.path("var")}')
trust_anchors.remove('.')
net.listen('127.0.0.1', {self.port}, {{ kind = 'tls' }})
net.tls('{self.farm.cert}', '{self.farm.cert_key}')
{keys}
""")

    def command(self):
        # It takes a new secret by a line to its control socket, or as here
        # by a restart, after which it finds its cache on disk again.
        return ("sh", "-c", """
            while :; do
                kresd --noninteractive -c "$0" "$1" & echo $! > "$2"
                wait $! || exit
            done""", self.path("kresd.conf"), self.path("var"),
                self.path("pid"))

    def reload_command(self):
        # Until the old one is gone: no ticket tells one from the other.
        return (f"pid=$(cat {self.path('pid')}); kill $pid; "
                "while kill -0 $pid 2>/dev/null; do sleep 0.02; done")

    def encode(self, keys):
        return {"": keys[0].a80()}

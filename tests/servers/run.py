# SPDX-License-Identifier: ISC
"""
Servers that have no way to take ticket keys from outside, started by stek
run, on whichever TLS library Debian has built them with.

Never here: lighttpd with mod_nss (lighttpd.py has it).
Invariant: as in servers.py.
"""
import os
import shutil

from client import PortWithStart
from farm import Server
from lighttpd import PRELOAD, Lighttpd
from stekd import STEK


class Run(Server):
    """Started by stek run, with a ring for its keys."""
    FORMAT = "ring"
    BOOTS_AFTER = True
    OPTIONS = ()

    def command(self):
        return self.inside(STEK, "run", "--ring", self.keys, *self.OPTIONS,
                           "--", *self.server())

    def plain(self):
        """The same without stek."""
        return self.inside(*self.server())

    def server(self):
        """What is run."""
        raise NotImplementedError

    def inside(self, *command):
        """The command, where the server finds what it needs."""
        return command

    def run(self, *command, env=None):
        super().run(*command, env={"STEK_PRELOAD": PRELOAD, **(env or {})})


class Hitch(Run):
    """Two workers, who are forked with what their parent has set up."""
    KIND = "hitch"

    def configure(self, shared):
        self.write("hitch.conf", f"""
frontend = "[{self.LISTENS}]:{self.port}"
backend = "[127.0.0.1]:9"
pem-file = "{self.farm.cert_both}"
tls-protos = TLSv1.2 TLSv1.3
workers = 2
user = "_hitch"
daemon = off
""")

    def server(self):
        return ("hitch", "--config=" + self.path("hitch.conf"))


class Dovecot(Run):
    """Its master lets its children have no more of its environment than named."""
    KIND = "dovecot"
    OWNER = "dovenull:dovenull"
    KEEPS = "LD_PRELOAD STEK_RING STEK_SCOPE STEK_KEEP_OWN STEK_FARM"

    def configure(self, shared):
        self.write("dovecot.conf", f"""
base_dir = {self.path("run")}
state_dir = {self.path("state")}
log_path = /dev/stderr
import_environment = {self.KEEPS}
protocols = imap
listen = 127.0.0.1
ssl = yes
ssl_cert = <{self.farm.cert}
ssl_key = <{self.farm.cert_key}
ssl_min_protocol = TLSv1.2
passdb {{
  driver = static
  args = password=none
}}
service imap-login {{
  # Not in a folder of its own, where there is neither the ring nor a library.
  chroot =
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = {self.port}
    ssl = yes
  }}
}}
""")

    def server(self):
        return ("dovecot", "-F", "-c", self.path("dovecot.conf"))


def starttls(sock):
    """RFC 3207, as far as TLS."""
    lines = sock.makefile("rb")
    for command in (b"", b"EHLO localhost\r\n", b"STARTTLS\r\n"):
        sock.sendall(command)
        line = lines.readline()
        while line[3:4] == b"-":
            line = lines.readline()
        if not line.startswith((b"220 ", b"250 ")):
            raise AssertionError(f"{command!r} was answered by {line!r}")


class Postfix(Run):
    """
    smtpd with STARTTLS.  It has ticket keys of its own, from its tlsmgr, which
    stek's take the place of.  A second port, for stekd's proof, begins with
    TLS.
    """
    KIND = "postfix"
    KEEPS = "MAIL_CONFIG MAIL_LOGTAG POSTLOG_SERVICE POSTLOG_HOSTNAME TZ " \
        + Dovecot.KEEPS

    def __init__(self, farm, name):
        super().__init__(farm, name)
        self.port = PortWithStart(self.port, starttls)
        self.smtps = farm.port()

    def configure(self, shared):
        for folder, owner in (
                ("conf", "root"), ("queue", "root"), ("data", "postfix")):
            if not os.path.exists(self.path(folder)):
                os.mkdir(self.path(folder), 0o755)
                shutil.chown(self.path(folder), owner)
        self.write("conf/main.cf", f"""
compatibility_level = 3.6
queue_directory = {self.path("queue")}
data_directory = {self.path("data")}
import_environment = {self.KEEPS}
maillog_file = /dev/stdout
myhostname = localhost
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtpd_tls_cert_file = {self.farm.cert}
smtpd_tls_key_file = {self.farm.cert_key}
smtpd_tls_security_level = may
smtpd_tls_mandatory_protocols = >=TLSv1.2
smtpd_tls_protocols = >=TLSv1.2
smtpd_peername_lookup = no
smtpd_relay_restrictions = reject
alias_maps =
alias_database =
""")
        smtpd = "inet n - n - - smtpd"
        self.write("conf/master.cf", f"""
{self.port:d} {smtpd}
{self.smtps} {smtpd} -o smtpd_tls_wrappermode=yes
tlsmgr unix - - n 1000? 1 tlsmgr
anvil unix - - n - 1 anvil
rewrite unix - - n - - trivial-rewrite
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
cleanup unix n - n - 0 cleanup
""")

    def server(self):
        return ("postfix", "-c", self.path("conf"), "start-fg")

    def target(self, **changes):
        changes.setdefault("verify", f"127.0.0.1:{self.smtps}")
        return super().target(**changes)


class Exim(Run):
    """
    STARTTLS, on GnuTLS.  It is not installed, only unpacked: so its user is
    in a list of users of its own, which nobody else sees.
    """
    KIND = "exim"
    USER = 45025
    OWNER = f"{USER}:{USER}"
    PROGRAM = "/usr/local/lib/stek-tests/exim4-daemon-light/usr/sbin/exim4"
    NAME_DIGITS = 0     # GnuTLS makes names of its own,
    PROOF = None        # which stekd does not know
    SETTLES = "applied"
    RENEWS = ()

    def __init__(self, farm, name):
        super().__init__(farm, name)
        self.port = PortWithStart(self.port, starttls)

    def configure(self, shared):
        for folder in ("spool", "logs"):
            if not os.path.exists(self.path(folder)):
                os.mkdir(self.path(folder), 0o755)
                os.chown(self.path(folder), self.USER, self.USER)
        for file in ("passwd", "group"):
            with open("/etc/" + file, encoding="utf-8") as users:
                text = users.read()
            more = f"Debian-exim:x:{self.USER}:"
            if file == "passwd":
                more += f"{self.USER}::/nonexistent:/usr/sbin/nologin"
            self.write(file, f"{text}{more}\n")
        self.write("exim.conf", f"""
primary_hostname = localhost
daemon_smtp_ports = {self.port:d}
local_interfaces = 127.0.0.1
spool_directory = {self.path("spool")}
log_file_path = {self.path("logs")}/%slog
pid_file_path = {self.path("pid")}
tls_advertise_hosts = *
tls_resumption_hosts = *
tls_certificate = {self.farm.cert}
tls_privatekey = {self.farm.cert_key}
tls_require_ciphers = NORMAL:-VERS-ALL:+VERS-TLS1.2:+VERS-TLS1.3
keep_environment =
begin acl
begin routers
begin transports
""")

    def server(self):
        return (self.PROGRAM, "-C", self.path("exim.conf"), "-bdf")

    def inside(self, *command):
        binds = "".join(f"mount --bind {self.path(file)} /etc/{file} && "
                        for file in ("passwd", "group"))
        return ("unshare", "-m", "sh", "-c", binds + 'exec "$@"', "sh",
                *command)

    def target(self, **changes):
        changes.setdefault("verify", "")
        return super().target(**changes)


class LighttpdRun(Run):
    OWNER = Lighttpd.OWNER
    RENEWS = ()
    MODULE = ""

    def configure(self, shared):
        Lighttpd.configure(self, False)

    def server(self):
        return Lighttpd.command(self)


class LighttpdGnutls(LighttpdRun):
    """Its module looks at each ClientHello, by the one hook there is."""
    KIND = "lighttpd-gnutls-run"
    NAME_DIGITS = 0
    PROOF = None
    SETTLES = "applied"
    MODULE = "mod_gnutls"

    def target(self, **changes):
        changes.setdefault("verify", "")
        return super().target(**changes)


class LighttpdMbedtls(LighttpdRun):
    KIND = "lighttpd-mbedtls-run"
    VERSIONS = ("1.2",)
    PROOF = "name"
    MODULE = "mod_mbedtls"


class LighttpdWolfssl(LighttpdRun):
    KIND = "lighttpd-wolfssl-run"
    PROOF = "name"
    RENEWS = ("1.3",)
    MODULE = "mod_wolfssl"


ALL = [Hitch, Dovecot, Postfix, Exim, LighttpdGnutls, LighttpdMbedtls,
       LighttpdWolfssl]

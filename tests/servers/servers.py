# SPDX-License-Identifier: ISC
"""
One class a kind of server: its configuration, its command, how it takes up
new keys, and its key files as known from its documentation and behaviour.

Never here: how processes are started and ended (farm.py); expectations
(the tests have them).
Invariant: every path a server is told of lies in its own home folder or is
the farm's certificate.
"""
import os
import shutil
import socket
import time

from dns import Dnsdist, Kresd, Unbound
from farm import FarmError, Server
from keys import base64_lines
from lighttpd import Lighttpd, LighttpdMbedtls, LighttpdWolfssl


class Nginx(Server):
    KIND = "nginx"
    FORMAT = "nginx"
    FOLDER = True

    def configure(self, shared):
        include = f"include {self.keys}/*.conf;" if shared else ""
        # Two workers, as a key must reach more than one process.
        self.write("nginx.conf", f"""
user www-data;
worker_processes 2;
daemon off;
pid {self.path("pid")};
error_log {self.path("error.log")} info;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {self.path("body")};
    proxy_temp_path {self.path("proxy")};
    fastcgi_temp_path {self.path("fastcgi")};
    uwsgi_temp_path {self.path("uwsgi")};
    scgi_temp_path {self.path("scgi")};
    ssl_certificate {self.farm.cert};
    ssl_certificate_key {self.farm.cert_key};
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache off;
    ssl_session_tickets on;
    {include}
    server {{
        listen {self.LISTENS}:{self.port} ssl;
        return 200 "hello from {self.name}\\n";
    }}
}}
""")

    def command(self):
        return ("nginx", "-e", self.path("error.log"), "-c",
                self.path("nginx.conf"))

    def reload_command(self):
        return "signal:HUP:" + self.path("pid")

    def encode(self, keys):
        files = {key.name + ".key": key.h80() for key in keys}
        files["keys.conf"] = "".join(
            f"ssl_session_ticket_key {self.keys}/{key.name}.key;\n"
            for key in keys).encode()
        return files


class Haproxy(Server):
    KIND = "haproxy"
    FORMAT = "haproxy"

    def configure(self, shared):
        keys = f"tls-ticket-keys {self.keys}" if shared else ""
        self.write("haproxy.cfg", f"""
global
    user haproxy
    group haproxy
    nbthread 2
    stats socket {self.path("admin.sock")} level admin mode 600
    tune.ssl.cachesize 0
defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
frontend tls
    bind {self.LISTENS}:{self.port} ssl crt {self.farm.cert_both} {keys}
    http-request return status 200
""")

    def command(self):
        return ("haproxy", "-W", "-p", self.path("pid"), "-f",
                self.path("haproxy.cfg"))

    def reload_command(self):
        return "haproxy:" + self.path("admin.sock")

    def reload(self):
        """Each line in turn, the oldest key drops out."""
        with open(self.keys, encoding="ascii") as lines:
            for line in lines:
                self._say(f"set ssl tls-key {self.keys} {line}")

    def _say(self, command):
        with socket.socket(socket.AF_UNIX) as admin:
            admin.connect(self.path("admin.sock"))
            admin.sendall(command.encode())
            answer = admin.recv(4096).decode()
        if "updated" not in answer:
            raise FarmError(f"{self.name} says: {answer}")

    def encode(self, keys):
        # The last of three is distributed ahead, the one before it seals.
        old = keys[1] if len(keys) > 1 else keys[0]
        return {"": base64_lines(
            key.a80() for key in (old, keys[0], keys[0]))}


class HaproxyReload(Haproxy):
    """The same, told by a signal to its master instead of its socket."""
    KIND = "haproxy-reload"

    def reload_command(self):
        return "signal:USR2:" + self.path("pid")

    def reload(self):
        Server.reload(self)


class Apache(Server):
    KIND = "apache"
    FORMAT = "apache"
    SHORT = True
    OVERLAP = False
    RENEWS = ()
    SETTLES = "failed"
    MODULES = ("mpm_event", "authz_core", "ssl")

    def configure(self, shared):
        modules = "\n".join(
            f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so"
            for name in self.MODULES)
        keys = f"SSLSessionTicketKeyFile {self.keys}" if shared else ""
        # Its session id context is of the ServerName and port: both must be
        # the same on every node of a farm.
        self.write("apache.conf", f"""
{modules}
ServerRoot {self.home}
DefaultRuntimeDir {self.home}
PidFile {self.path("pid")}
ErrorLog {self.path("error.log")}
Mutex file:{self.home} default
User www-data
Group www-data
StartServers 1
ServerLimit 2
ThreadsPerChild 4
MaxRequestWorkers 8
Listen {self.LISTENS}:{self.port}
ServerName localhost:443
SSLSessionCache none
<VirtualHost *:{self.port}>
    ServerName localhost:443
    SSLEngine on
    SSLProtocol -all +TLSv1.2 +TLSv1.3
    SSLCertificateFile {self.farm.cert}
    SSLCertificateKeyFile {self.farm.cert_key}
    SSLSessionTickets on
    {keys}
</VirtualHost>
""")

    def command(self):
        return ("apache2", "-DFOREGROUND", "-f", self.path("apache.conf"))

    def reload_command(self):
        return "signal:USR1:" + self.path("pid")

    def encode(self, keys):
        return {"": keys[0].h48()}

    @classmethod
    def of_key(cls, ticket, key):
        """By its name alone: test_control.py says why."""
        return cls.named(ticket, key.name)


class H2o(Server):
    """It looks for a file of another second every ten seconds."""
    KIND = "h2o"
    FORMAT = "h2o"
    OWNER = "nobody:nogroup"

    def configure(self, shared):
        store = (f"ticket-store: file\n  ticket-file: {self.keys}" if shared
                 else "ticket-store: internal")
        self.write("h2o.conf", f"""
user: nobody
error-log: {self.path("error.log")}
num-threads: 2
ssl-session-resumption:
  mode: ticket
  {store}
listen:
  host: {self.LISTENS}
  port: {self.port}
  ssl:
    certificate-file: {self.farm.cert}
    key-file: {self.farm.cert_key}
hosts:
  default:
    paths:
      /:
        file.dir: {self.home}
""")

    def start(self, shared=True):
        """It listens before it has read its keys, with throwaway ones."""
        super().start(shared)
        if shared:
            self.wait(self._has_keys, f"{self.name} has read its keys")

    def _has_keys(self):
        """It says so in its log, or before it has opened that."""
        for path in (self.log, self.path("error.log")):
            if os.path.exists(path):
                with open(path, encoding="utf-8") as log:
                    if "secrets have been (re)loaded" in log.read():
                        return True
        return False

    def command(self):
        return ("h2o", "-m", "worker", "-c", self.path("h2o.conf"))

    def _place_file(self, path, data):
        """It looks at whole seconds of the file's time only."""
        before = os.path.exists(path) and os.stat(path).st_mtime
        super()._place_file(path, data)
        if before:
            os.utime(path, (before + 1, before + 1))

    def encode(self, keys):
        now = int(time.time())
        # The HMAC key has the hash's block size; zeroes do not change it.
        items = [
            f"- name: {key.name}\n"
            "  cipher: AES-256-CBC\n"
            "  hash: SHA256\n"
            f"  key: {key.aes.hex()}{key.mac.hex()}{bytes(32).hex()}\n"
            f"  not_before: {now - 100 - age}\n"
            f"  not_after: {now + 10000}\n"
            for age, key in enumerate(keys)]
        return {"": "".join(items).encode()}


class Trafficserver(Server):
    KIND = "trafficserver"
    FORMAT = "trafficserver"
    SHORT = True
    OWNER = "trafficserver:trafficserver"

    def configure(self, shared):
        keys = ("CONFIG proxy.config.ssl.server.ticket_key.filename STRING "
                + self.keys if shared else "")
        self.write("runroot.yaml", f"""
prefix: {self.home}
exec_prefix: {self.home}
bindir: /usr/bin
sbindir: /usr/bin
sysconfdir: {self.path("etc")}
datadir: {self.path("var")}
includedir: /usr/include
libdir: /usr/lib/trafficserver
libexecdir: /usr/lib/trafficserver/modules
localstatedir: {self.path("var")}
runtimedir: {self.path("var")}
logdir: {self.path("var")}
cachedir: {self.path("var")}
""")
        for folder in ("etc", "var"):
            os.makedirs(self.path(folder), exist_ok=True)
            shutil.chown(self.path(folder), "trafficserver", "trafficserver")
        self.write("etc/records.config", f"""
CONFIG proxy.config.http.server_ports STRING 127.0.0.1:{self.port}:ssl
CONFIG proxy.config.admin.user_id STRING trafficserver
CONFIG proxy.config.exec_thread.autoconfig INT 0
CONFIG proxy.config.exec_thread.limit INT 2
CONFIG proxy.config.http.cache.http INT 0
CONFIG proxy.config.diags.output.status STRING E
CONFIG proxy.config.diags.output.note STRING E
CONFIG proxy.config.diags.output.warning STRING E
CONFIG proxy.config.diags.output.error STRING E
{keys}
""")
        self.write("etc/ssl_multicert.config",
                   f"dest_ip=* ssl_cert_name={self.farm.cert} "
                   f"ssl_key_name={self.farm.cert_key}\n")
        self.write("etc/ip_allow.yaml", """
ip_allow:
  - apply: in
    ip_addrs: 127.0.0.1
    action: allow
    methods: ALL
""")
        # It crashes on a cache of few megabytes; the file is sparse.
        self.write("etc/storage.config", f"{self.path('var')} 256M\n")
        for name in ("remap", "plugin", "volume", "hosting"):
            self.write(f"etc/{name}.config", "")

    def command(self):
        # traffic_server alone does not take a reload.
        return ("traffic_manager", "--nosyslog",
                "--run-root=" + self.path("runroot.yaml"))

    def listening(self):
        """Its manager holds the port before anyone accepts there."""
        return super().listening() and "traffic server running" in self.logs()

    def reload_command(self):
        return ("traffic_ctl --run-root=" + self.path("runroot.yaml") +
                " config reload")

    def encode(self, keys):
        return {"": b"".join(key.h48() for key in keys)}


class Nghttpx(Server):
    KIND = "nghttpx"
    FORMAT = "nghttpx"
    FOLDER = True

    def configure(self, shared):
        include = f"include={self.keys}/keys.conf" if shared else ""
        self.write("nghttpx.conf", f"""
frontend={self.LISTENS},{self.port}
backend=127.0.0.1,1
private-key-file={self.farm.cert_key}
certificate-file={self.farm.cert}
tls-min-proto-version=TLSv1.2
tls-max-proto-version=TLSv1.3
workers=2
user=nobody
errorlog-file={self.path("error.log")}
accesslog-file=/dev/null
{include}
""")

    def command(self):
        return ("nghttpx", "--conf=" + self.path("nghttpx.conf"))

    def start(self, shared=True):
        """Its own pid file is its user's to write, and so no good to root."""
        super().start(shared)
        self.write("pid", f"{self.child.pid}\n")

    def reload_command(self):
        return "signal:HUP:" + self.path("pid")

    def encode(self, keys):
        files = {key.name + ".key": key.a80() for key in keys}
        files["keys.conf"] = b"tls-ticket-key-cipher=aes-256-cbc\n" + "".join(
            f"tls-ticket-key-file={self.keys}/{key.name}.key\n"
            for key in keys).encode()
        return files


class Stunnel(Server):
    KIND = "stunnel"
    FORMAT = "stunnel"
    OVERLAP = False
    NAME_DIGITS = 0         # only the MAC tells
    RENEWS = ()
    OWNER = "nobody:nogroup"

    def __init__(self, farm, name):
        super().__init__(farm, name)
        os.mkdir(self.path("run"))
        shutil.chown(self.path("run"), "nobody")
        # It reads every file of a folder, hidden ones too, or none at all if
        # it may not read one: there must be nothing but the keys.
        os.mkdir(self.path("keys.d"))
        os.symlink("../keys", self.path("keys.d", "keys.conf"))

    def configure(self, shared):
        # Within the service.  Above all services, where it is a default for
        # them, stunnel 5.68 seals with memory that it has freed: of 15 it
        # had 2 that began with a key not in the file.
        include = f"include = {self.path('keys.d')}" if shared else ""
        self.write("stunnel.conf", f"""
foreground = yes
pid = {self.path("run/pid")}
setuid = nobody
setgid = nogroup
syslog = no
[tls]
accept = {self.LISTENS}:{self.port}
connect = 127.0.0.1:1
cert = {self.farm.cert}
key = {self.farm.cert_key}
{include}
""")

    def command(self):
        return ("stunnel4", self.path("stunnel.conf"))

    def reload_command(self):
        return "signal:HUP:" + self.path("run/pid")

    def encode(self, keys):
        return {"":
                f"ticketKeySecret = {keys[0].aes.hex()}\n"
                f"ticketMacSecret = {keys[0].mac.hex()}\n".encode()}


ALL = (Nginx, Haproxy, HaproxyReload, Apache, H2o, Trafficserver, Nghttpx,
       Dnsdist, Unbound, Stunnel, Kresd, Lighttpd, LighttpdWolfssl,
       LighttpdMbedtls)

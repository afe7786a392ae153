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
import signal

from farm import Server
from keys import base64_lines


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
        listen 127.0.0.1:{self.port} ssl;
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
    bind 127.0.0.1:{self.port} ssl crt {self.farm.cert_both} {keys}
    http-request return status 200
""")

    def command(self):
        return ("haproxy", "-W", "-p", self.path("pid"), "-f",
                self.path("haproxy.cfg"))

    def reload_command(self):
        return "haproxy:" + self.path("admin.sock")

    def reload(self):
        self.reload_by_signal()

    def reload_by_signal(self):
        with open(self.path("pid"), encoding="ascii") as pid:
            os.kill(int(pid.read()), signal.SIGUSR2)

    def encode(self, keys):
        # The last of three is distributed ahead, the one before it seals.
        old = keys[1] if len(keys) > 1 else keys[0]
        return {"": base64_lines(
            key.a80() for key in (old, keys[0], keys[0]))}


ALL = (Nginx, Haproxy)

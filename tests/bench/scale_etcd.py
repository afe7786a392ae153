# SPDX-License-Identifier: ISC
"""
Three etcd on this host, with TLS among all, and a grpc-proxy before them if
asked for; and what they have used.

Never here: nodes; figures.
"""
import os
import subprocess
import urllib.request

from authority import Authority
from farm import FarmError, Process

PREFIX = "/stek/bench/"
HOST = "127.0.0.1"
ROOT, USER, PASSWORD = "root", "farm", "worthless"
BYTES_IN = "etcd_network_client_grpc_received_bytes_total"
BYTES_OUT = "etcd_network_client_grpc_sent_bytes_total"


class Etcd(Process):
    """A member, or a proxy before all of them."""

    def __init__(self, cluster, name):
        super().__init__(cluster.farm, name)
        self.cluster = cluster
        self.url = f"https://{HOST}:{self.farm.port()}"
        self.metrics_url = f"http://{HOST}:{self.farm.port()}"
        self.mine = cluster.authority.issue(name, addresses=[HOST])

    def launch(self):
        raise NotImplementedError

    def serves(self):
        return self.cluster.ctl("get", PREFIX, at=self,
                                check=False).returncode == 0

    def wait_serves(self):
        self.wait(self.serves, f"{self.name} serves", patience=60, pause=0.05)

    def kill(self):
        """As by a power cut."""
        self.child.kill()
        self.child.wait()

    def metrics(self):
        """Sums over all labels, by name."""
        sums = {}
        with urllib.request.urlopen(self.metrics_url + "/metrics",
                                    timeout=30) as lines:
            for line in lines.read().decode().splitlines():
                if line and not line.startswith("#"):
                    name, _, value = line.rpartition(" ")
                    name = name.partition("{")[0]
                    sums[name] = sums.get(name, 0) + float(value)
        return sums


class Member(Etcd):
    def __init__(self, cluster, name, data):
        super().__init__(cluster, name)
        self.peer_url = f"https://{HOST}:{self.farm.port()}"
        self.data = os.path.join(data or self.home, name)

    def launch(self):
        mine = self.mine
        options = {
            "name": self.name, "data-dir": self.data, "logger": "zap",
            "initial-cluster": self.cluster.peers(),
            "listen-peer-urls": self.peer_url,
            "initial-advertise-peer-urls": self.peer_url,
            "listen-client-urls": self.url,
            "advertise-client-urls": self.url,
            "bcrypt-cost": "4", "listen-metrics-urls": self.metrics_url,
            "cert-file": mine.cert, "key-file": mine.key,
            "trusted-ca-file": mine.ca, "peer-cert-file": mine.cert,
            "peer-key-file": mine.key, "peer-trusted-ca-file": mine.ca}
        self.run("etcd", "--client-cert-auth", "--peer-client-cert-auth",
                 *(f"--{name}={value}" for name, value in options.items()))


class Proxy(Etcd):
    """
    To etcd it is one client, with one certificate, whoever asks it; it takes
    none that has a common name, so there are no users by certificates.
    """

    def __init__(self, cluster, name):
        super().__init__(cluster, name)
        self.user = cluster.authority.issue("user-proxy")

    def serves(self):
        """Without a user, who may be refused."""
        got = self.cluster.ctl("get", PREFIX, at=self, check=False)
        return got.returncode == 0 or "user name" in got.stderr

    def launch(self):
        mine, user = self.mine, self.user
        self.run("etcd", "grpc-proxy", "start",
                 "--endpoints=" + ",".join(
                     member.url for member in self.cluster.members),
                 "--listen-addr=" + self.url.partition("//")[2],
                 "--metrics-addr=" + self.metrics_url,
                 "--data-dir=" + self.path("data"),
                 "--cacert=" + user.ca, "--cert=" + user.cert,
                 "--key=" + user.key, "--cert-file=" + mine.cert,
                 "--key-file=" + mine.key, "--trusted-ca-file=" + mine.ca)


class Cluster:
    """All members, and the proxy if there is one."""

    def __init__(self, farm, options, data=None):
        self.farm = farm
        self.auth = options.auth
        self.authority = Authority(os.path.join(farm.folder, "authority"))
        self.root = self.authority.issue("user-root", ROOT)
        self.user = self.authority.issue("user-farm", USER)
        self.members = [Member(self, f"etcd{number}", data)
                        for number in range(1, options.members + 1)]
        self.proxy = Proxy(self, "proxy") if options.proxy else None

    @property
    def all(self):
        return self.members + ([self.proxy] if self.proxy else [])

    @property
    def entrances(self):
        """What nodes connect to."""
        return [self.proxy] if self.proxy else self.members

    def peers(self):
        return ",".join(f"{member.name}={member.peer_url}"
                        for member in self.members)

    def launch(self):
        for each in self.all:
            each.launch()

    def wait_serves(self):
        for each in self.all:
            each.wait_serves()

    def start(self):
        self.launch()
        self.wait_serves()
        if self.auth != "none":
            self.protect()

    def protect(self):
        self.ctl("role", "add", USER)
        self.ctl("role", "grant-permission", USER, "readwrite", PREFIX,
                 "--prefix")
        for user in (ROOT, USER):
            how = ["--interactive=false", f"{user}:{PASSWORD}"] \
                if self.auth == "password" and user == USER \
                else ["--no-password", user]
            self.ctl("user", "add", *how)
            self.ctl("user", "grant-role", user, user)
        self.ctl("auth", "enable")

    def password(self):
        """The path of the nodes' password, or ""."""
        if self.auth != "password":
            return ""
        path = os.path.join(self.farm.folder, "password")
        with open(path, "w", encoding="ascii") as out:
            out.write(PASSWORD)
        return path

    def kill(self):
        for each in self.all:
            each.kill()

    def ctl(self, *args, at=None, check=True):
        """etcdctl, as root."""
        at = at or self.members[0]
        got = subprocess.run(
            ["etcdctl", "--endpoints=" + at.url, "--cacert=" + self.root.ca,
             "--cert=" + self.root.cert, "--key=" + self.root.key,
             "--command-timeout=5s", *args], capture_output=True, text=True,
            check=False, timeout=60, env={**os.environ, "ETCDCTL_API": "3"})
        if check and got.returncode != 0:
            raise FarmError(f"etcdctl {' '.join(args)}: {got.stdout}"
                            f"{got.stderr}\n{at.logs()}")
        return got

    def used(self):
        """Of members, and of the proxy: seconds, KiB, calls, bytes."""
        every = [member.metrics() for member in self.members]
        proxy = self.proxy.metrics() if self.proxy else {}

        def total(name):
            return sum(one.get(name, 0) for one in every)
        return {"cpu": total("process_cpu_seconds_total"),
                "kib": total("process_resident_memory_bytes") / 1024,
                "calls": total("grpc_server_started_total"),
                "in": total(BYTES_IN), "out": total(BYTES_OUT),
                "proxy_cpu": proxy.get("process_cpu_seconds_total", 0),
                "proxy_kib": proxy.get("process_resident_memory_bytes",
                                       0) / 1024}

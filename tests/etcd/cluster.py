# SPDX-License-Identifier: ISC
"""
Real etcd: members on 127.0.0.1, with or without TLS, and what an operator
does with them.

Never here: expectations.
"""
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess

from farm import FarmError, Process, wait_until

_names = itertools.count(1)
_prefixes = itertools.count(1)


def missing():
    """What cannot be had here, or None."""
    for program in ("etcd", "etcdctl", "openssl"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    return None


def prefix():
    """One that no other test uses."""
    return f"/stek/test{next(_prefixes)}/"


class Authority:
    """A CA, and what it signs."""

    def __init__(self, farm, name="ca"):
        self.home = os.path.join(farm.folder, f"{name}-{next(_names)}")
        os.mkdir(self.home)
        self.cert = self._path("ca.pem")
        self._key = self._path("ca.key")
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt",
                      "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                      "-subj", f"/CN={name}", "-keyout", self._key,
                      "-out", self.cert)

    def _path(self, name):
        return os.path.join(self.home, name)

    @staticmethod
    def _openssl(*args):
        subprocess.run(["openssl", *args], check=True, capture_output=True)

    def issue(self, name, days=30):
        """A certificate for 127.0.0.1 with this CN; its path, its key's."""
        stem = self._path(f"{name}-{next(_names)}")
        with open(stem + ".ext", "w", encoding="ascii") as ext:
            ext.write("subjectAltName=IP:127.0.0.1,DNS:localhost\n"
                      "extendedKeyUsage=serverAuth,clientAuth\n")
        self._openssl("req", "-newkey", "ec", "-pkeyopt",
                      "ec_paramgen_curve:P-256", "-nodes", "-subj",
                      f"/CN={name}", "-keyout", stem + ".key", "-out",
                      stem + ".csr")
        self._openssl("x509", "-req", "-in", stem + ".csr", "-CA", self.cert,
                      "-CAkey", self._key, "-CAcreateserial", "-days",
                      str(days), "-extfile", stem + ".ext", "-out",
                      stem + ".pem")
        return stem + ".pem", stem + ".key"


class Member(Process):
    """One etcd."""

    def __init__(self, farm, cluster):
        super().__init__(farm, f"etcd-{next(_names)}")
        self.cluster = cluster
        self.port, self.peer_port = farm.port(), farm.port()
        scheme = "https" if cluster.authority else "http"
        self.endpoint = f"{scheme}://127.0.0.1:{self.port}"
        self.peer = f"http://127.0.0.1:{self.peer_port}"
        self.data = self.path("data")
        self.options = []

    def launch(self):
        cluster = self.cluster
        tls = []
        if cluster.authority:
            cert, key = cluster.cert
            tls = ["--cert-file", cert, "--key-file", key,
                   "--trusted-ca-file", cluster.authority.cert,
                   "--client-cert-auth"]
        self.run("etcd", "--name", self.name, "--data-dir", self.data,
                 "--listen-client-urls", self.endpoint,
                 "--advertise-client-urls", self.endpoint,
                 "--listen-peer-urls", self.peer,
                 "--initial-advertise-peer-urls", self.peer,
                 "--initial-cluster", ",".join(
                     f"{member.name}={member.peer}"
                     for member in cluster.members),
                 "--initial-cluster-token", cluster.token,
                 "--log-outputs", "stderr", *tls, *self.options)

    def listening(self):
        host = self.endpoint.split("/")[2].split(":")[0]
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex((host, self.port)) == 0

    def signal(self, number):
        os.killpg(self.child.pid, number)

    def kill(self):
        """As by a power cut."""
        self.signal(signal.SIGKILL)
        self.child.wait()

    def again(self):
        self.launch()
        self.cluster.wait_healthy(self)


class Cluster:
    """Members of one etcd, as many as asked for."""

    def __init__(self, farm, count=1, authority=None, options=()):
        self.farm = farm
        self.authority = authority
        self.cert = authority.issue("etcd") if authority else None
        self.client = authority.issue("root") if authority else None
        self.token = f"token-{next(_names)}"
        self.user = None
        self.members = []
        for _ in range(count):
            self.members.append(Member(farm, self))
            self.members[-1].options = list(options)

    @property
    def endpoints(self):
        return [member.endpoint for member in self.members]

    def start(self):
        for member in self.members:
            member.launch()
        for member in self.members:
            self.wait_healthy(member)
        return self

    def stop(self):
        for member in self.members:
            member.stop()

    def wait_healthy(self, member):
        member.wait(lambda: self.try_ctl("endpoint", "health",
                                         endpoints=[member.endpoint])
                    .returncode == 0, f"{member.name} is healthy")

    def try_ctl(self, *args, endpoints=None, given=None):
        """etcdctl, as root."""
        command = ["etcdctl", "--endpoints",
                   ",".join(endpoints or self.endpoints),
                   "--command-timeout", "5s", "--dial-timeout", "2s"]
        if self.authority:
            command += ["--cacert", self.authority.cert, "--cert",
                        self.client[0], "--key", self.client[1]]
        if self.user:
            command += ["--user", self.user]
        return subprocess.run(
            command + list(args), check=False, capture_output=True, text=True,
            timeout=60, input=given, env={**os.environ, "ETCDCTL_API": "3"})

    def ctl(self, *args, **options):
        done = self.try_ctl(*args, **options)
        if done.returncode != 0:
            raise FarmError(f"etcdctl {' '.join(args)}: {done.stdout}"
                            f"{done.stderr}")
        return done.stdout

    def put(self, key, value):
        self.ctl("put", key, value)

    def keys(self, under):
        return self.ctl("get", "--prefix", "--keys-only", under).split()

    def revision(self):
        status = json.loads(self.ctl("endpoint", "status", "-w", "json"))
        return status[0]["Status"]["header"]["revision"]

    def leader(self):
        """The member that leads."""
        def find():
            for member in self.members:
                done = self.try_ctl("endpoint", "status", "-w", "json",
                                    endpoints=[member.endpoint])
                if done.returncode != 0:
                    continue
                status = json.loads(done.stdout)[0]["Status"]
                if status["header"]["member_id"] == status.get("leader"):
                    return member
            return None
        return wait_until(find, "there is a leader")

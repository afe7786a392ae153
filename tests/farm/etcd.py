# SPDX-License-Identifier: ISC
"""
Debian's etcd on hosts of its own: mutual TLS among all, and authentication by
the common name of a client's certificate.  A Member is one of its processes,
an Etcd all of them.

Never here: what stek keeps in it; expectations.
Invariant: elections and heartbeats have etcd's own defaults; only the quota
is small, so that it can be filled.
"""
import json
import os
import shutil
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor

from authority import Authority
from farm import FarmError, Process

CLIENTS, PEERS = 2379, 2380
QUOTA = 16 << 20
BALLAST = "/ballast/"
PIECE = "x" * (1 << 20)     # etcd takes no more than 1.5 MB at a time
ROOT = "root"


class Member(Process):
    """One etcd, on a host that it has for itself."""

    def __init__(self, etcd, name):
        super().__init__(etcd.farm, name)
        self.etcd = etcd
        self.address = etcd.net.add(name)
        self.url = f"https://{self.address}:{CLIENTS}"
        self.peer_url = f"https://{self.address}:{PEERS}"
        self.data = self.path("data")
        self.paused = False
        self.certify()

    def certify(self, expired=False):
        """A certificate, or another one: etcd looks at each handshake."""
        self.credentials = self.etcd.authority.issue(
            self.name, addresses=[self.address, "127.0.0.1"],
            expired=expired)

    def launch(self):
        """Without waiting for it, as it waits for the others."""
        mine = self.credentials
        options = {
            "name": self.name, "data-dir": self.data, "logger": "zap",
            "initial-cluster": self.etcd.cluster(),
            "initial-cluster-token": "farm",
            "listen-peer-urls": self.peer_url,
            "initial-advertise-peer-urls": self.peer_url,
            "listen-client-urls": f"{self.url},https://127.0.0.1:{CLIENTS}",
            "advertise-client-urls": self.url,
            "cert-file": mine.cert, "key-file": mine.key,
            "trusted-ca-file": mine.ca, "peer-cert-file": mine.cert,
            "peer-key-file": mine.key, "peer-trusted-ca-file": mine.ca,
            "quota-backend-bytes": self.etcd.quota}
        with self.etcd.net.inside(self):
            self.run("etcd", "--client-cert-auth", "--peer-client-cert-auth",
                     *(f"--{name}={value}" for name, value in
                       options.items()))

    def start(self):
        """Until it serves, as part of a whole that does."""
        self.launch()
        self.wait_serves()

    def wait_serves(self):
        self.wait(self.serves, f"{self.name} serves", pause=0.1)

    def serves(self):
        """Does it answer a read that a majority must stand behind?"""
        return self.ctl("get", "/", check=False,
                        patience=2).returncode == 0

    def kill9(self):
        """As by the kernel: nothing is tidied up."""
        self.child.kill()
        self.child.wait()
        self.paused = False

    def stop(self):
        if self.paused and self.running():
            self.resume()       # to be told to end
        super().stop()

    def restart(self):
        self.stop()
        self.start()

    def pause(self):
        """It is there, and does nothing."""
        os.kill(self.child.pid, signal.SIGSTOP)
        self.paused = True

    def resume(self):
        os.kill(self.child.pid, signal.SIGCONT)
        self.paused = False

    def ctl(self, *args, **options):
        """etcdctl on this member's own host, so no partition is between."""
        return self.etcd.ctl(*args, **{"at": [self], "on": self, **options})

    def put(self, key, value, patience=2):
        """Is it known to be written?  If not, it may still be, later."""
        return self.ctl("put", key, value, check=False,
                        patience=patience).returncode == 0

    def status(self):
        """What etcd says of it, or None."""
        got = self.ctl("endpoint", "status", "-w", "json", check=False)
        try:
            return json.loads(got.stdout)[0]["Status"]
        except (ValueError, LookupError, TypeError):
            return None


class Etcd:
    """All members; farm.client is the host that etcdctl runs on."""

    def __init__(self, farm, count=3, quota=QUOTA):
        self.farm = farm
        self.net = farm.net
        self.quota = quota
        self.authority = Authority(os.path.join(farm.folder, "authority"))
        self._users = {ROOT: self.authority.issue("user-root", ROOT)}
        self.members = [Member(self, f"etcd{number}")
                        for number in range(1, count + 1)]

    def cluster(self):
        return ",".join(f"{member.name}={member.peer_url}"
                        for member in self.members)

    @property
    def urls(self):
        return ",".join(member.url for member in self.members)

    def start(self):
        """All that is not running, until all serve."""
        for member in self.members:
            if not member.running():
                member.launch()
        for member in self.members:
            member.wait_serves()

    def stop(self):
        for member in self.members:
            member.stop()

    # --- users ---

    def protect(self, prefix, users):
        """
        From now on only these, by their certificates' common name, may read
        and write, and nothing but what begins with the prefix.
        """
        self.ctl("role", "add", "farm")
        self.ctl("role", "grant-permission", "farm", "readwrite", prefix,
                 "--prefix")
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda user: self.admit(user[0], user[1]),
                          [(ROOT, ROOT), *((user, "farm") for user in
                                           users)]))
        self.ctl("auth", "enable")

    def admit(self, user, role="farm"):
        """One more, who has no password."""
        self.ctl("user", "add", user, "--no-password")
        self.ctl("user", "grant-role", user, role)

    def evict(self, user):
        self.ctl("user", "delete", user)

    def credentials(self, user):
        """The paths of its certificate and key, and of the authority."""
        if user not in self._users:
            self._users[user] = self.authority.issue("user-" + user, user)
        return self._users[user]

    def expired(self, user):
        """As its credentials(), but past their time."""
        return self.authority.issue("expired-" + user, user, expired=True)

    # --- etcdctl ---

    def ctl(self, *args, user=ROOT, at=None, on=None, credentials=None,
            check=True, patience=5, stdin=""):
        """
        etcdctl as a user, with these members (all that run) as endpoints, on
        a host (farm.client); what subprocess.run() gives.
        """
        mine = credentials or self.credentials(user)
        members = at or [member for member in self.members
                         if member.running() and not member.paused]
        with self.net.inside(on or self.farm.client):
            got = subprocess.run(
                ["etcdctl", "--endpoints=" + ",".join(
                    member.url for member in members),
                 "--cacert=" + mine.ca, "--cert=" + mine.cert,
                 "--key=" + mine.key, f"--command-timeout={patience}s",
                 *args], capture_output=True, text=True, check=False,
                timeout=60, input=stdin,
                env={**os.environ, "ETCDCTL_API": "3"})
        if check and got.returncode != 0:
            raise FarmError(f"etcdctl {' '.join(args)[:200]} ended with "
                            f"{got.returncode}: {got.stdout}{got.stderr}\n" +
                            "\n".join(member.logs() for member in members))
        return got

    def put(self, key, value, **options):
        """As a Member's, by any of them."""
        return self.ctl("put", key, value, check=False, **{
            "patience": 2, **options}).returncode == 0

    def get(self, key, **options):
        """The value, or None."""
        got = self.ctl("get", key, "--print-value-only", **options).stdout
        return got[:-1] if got else None

    def leader(self):
        """The member that leads, by the newest word on it; None if none."""
        said = [status for status in
                (member.status() for member in self.members
                 if member.running() and not member.paused)
                if status is not None and status.get("leader")]
        if not said:
            return None
        newest = max(said, key=lambda status: status["raftTerm"])
        return next((member for member in self.members
                     if self._ids().get(newest["leader"]) == member.name),
                    None)

    def wait_leader(self, but=()):
        """Until there is one, and it is none of these."""
        found = []

        def look():
            found[:] = [self.leader()]
            return found[0] is not None and found[0] not in but
        self.members[0].farm.wait(look, "etcd has a leader")
        return found[0]

    def followers(self):
        leader = self.wait_leader()
        return [member for member in self.members if member is not leader]

    def _ids(self):
        got = self.ctl("member", "list", "-w", "json").stdout
        return {member["ID"]: member.get("name")
                for member in json.loads(got)["members"]}

    # --- its store ---

    def fill(self):
        """Until no write has room any more."""
        for number in range(2 * self.quota // len(PIECE)):
            got = self.ctl("put", f"{BALLAST}{number}", stdin=PIECE,
                           check=False)
            if "space exceeded" in got.stderr:
                return
            if got.returncode != 0:
                raise FarmError(f"etcd takes no ballast: {got.stderr}")
        raise FarmError("etcd takes more than its quota")

    def free(self):
        """After fill(): there is room again."""
        self.ctl("del", BALLAST, "--prefix")
        revision = self.members[0].status()["header"]["revision"]
        self.ctl("compact", str(revision), "--physical", patience=30)
        for member in self.members:
            member.ctl("defrag", patience=30)
        self.ctl("alarm", "disarm")

    def snapshot(self, name="snapshot"):
        """Into a file; its path."""
        path = os.path.join(self.farm.folder, name)
        self.ctl("snapshot", "save", path, at=[self.wait_leader()],
                 patience=30)
        return path

    def restore(self, path):
        """All begin anew with what the snapshot holds, and its revision."""
        self.stop()
        for member in self.members:
            shutil.rmtree(member.data)
            member.ctl("snapshot", "restore", path, "--name", member.name,
                       "--data-dir", member.data, "--initial-cluster",
                       self.cluster(), "--initial-cluster-token", "farm",
                       "--initial-advertise-peer-urls", member.peer_url)
        self.start()

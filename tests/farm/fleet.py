# SPDX-License-Identifier: ISC
"""
A farm of hosts with servers, an etcd, and clients, all on a network of their
own:

    with Farm(hosts=6) as farm:
        farm.start()
        with farm.traffic() as traffic:
            farm.etcd.leader().kill9()
            ...
        assert traffic.failed == []

Never here: expectations.
Invariant: that of tests/servers/farm.py, and no namespace is left either.
"""
import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor

import farm as one_host
import net
from etcd import Etcd
from farm import FarmError
from hosts import Host
from keys import Key
from resume import Judge, Traffic
from servers import Haproxy, Nginx

ROOM = 700 << 20            # etcd's logs have their final size from the start
PREFIX = "/stek/"           # what stekd's users may touch in etcd


def why_not(etcd=True):
    """Why there can be no such farm here; None if there can."""
    for program in ("ip", *(("etcd", "etcdctl") if etcd else ())):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    if shutil.disk_usage(one_host.MEMORY).free < ROOM:
        return f"{one_host.MEMORY} has not the {ROOM >> 20} MB of a farm free"
    return net.why_not()


class Farm(one_host.Farm):
    """
    hosts: how many, each with a server of each kind, which may be a function
    of the host's number, from 1; etcd: how many members, or 0.  Users of etcd are "h1" and so on, as the hosts' names.
    """

    def __init__(self, hosts=6, kinds=(Nginx, Haproxy), etcd=3):
        super().__init__()
        self.hosts, self.etcd = [], None
        try:
            self.net = net.Net(self)
            self.members.append(self.net)
            self.client = "client"
            self.net.add(self.client)
            self.judge = Judge(self.net, self.client)
            self.hosts = [Host(self, f"h{number}", kinds(number)
                               if callable(kinds) else kinds)
                          for number in range(1, hosts + 1)]
            if etcd:
                self.etcd = Etcd(self, etcd)
        except BaseException:
            self.close()
            raise

    @property
    def servers(self):
        return [server for host in self.hosts for server in host.servers]

    def start(self, shared=True):
        """
        Etcd first, with a user a host; then all servers, which have keys of
        their own or, if shared, those in their key files.
        """
        if self.etcd is not None:
            self.etcd.start()
            self.etcd.protect(PREFIX, [host.name for host in self.hosts])
        self.start_servers(shared)

    def start_servers(self, shared=True):
        self.at_once(lambda server: server.start(shared), self.servers)

    def place(self, keys=None):
        """The same keys into the files of all servers, by hand."""
        keys = keys or [Key()]
        for server in self.servers:
            server.place(keys)

    def stek(self, **options):
        """
        A stekd a host, with one farm key and not started yet; options as
        Host.stek() has them, or functions that give them for a host.
        """
        options.setdefault("farm_key", os.path.join(self.folder, "farm.key"))
        return [host.stek(**{name: value(host) if callable(value) else value
                             for name, value in options.items()})
                for host in self.hosts]

    def on_etcd(self, policy=("60s", "90s", "10s"), clock=False, text=""):
        """
        A stekd a host, started, with one farm key and the store in etcd; all
        servers, started with what it gave them.
        """
        stekds = self.stek(policy=policy, clock=clock, text=text)
        for stekd in stekds:
            stekd.on_etcd(self.etcd)
        stekds[0].stek("init")      # the farm key is one file for all
        self.at_once(lambda stekd: stekd.start(), stekds)
        self.wait(lambda: all(server.placed() for server in self.servers),
                  "all key files are there")
        self.start_servers()
        self.wait_in_step()

    @property
    def stekds(self):
        return [host.stekd for host in self.hosts if host.stekd]

    def in_step(self, hosts=None):
        """Do all have one version, and have all targets proven it?"""
        stekds = [host.stekd for host in hosts or self.hosts]
        seen = self.at_once(lambda stekd: stekd.status(), stekds)
        return all(status and status["version"] == seen[0]["version"] > 0
                   and status["sealing"] == seen[0]["sealing"]
                   and status["store"]["state"] == "live"
                   for status in seen) and \
            all(self.at_once(lambda stekd: stekd.verified(), stekds))

    def wait_in_step(self, hosts=None, patience=30):
        self.wait(lambda: self.in_step(hosts), "all hosts are in step",
                  patience)

    def traffic(self, **options):
        """Traffic between all servers; see resume.py."""
        return Traffic(self.judge, self.servers, **options)

    def partition(self, some, others):
        self.net.partition(some, others)

    def heal(self):
        self.net.heal()

    def wait(self, check, what, patience=one_host.PATIENCE, pause=0.05):
        """Until check() is true; else with the logs of all."""
        try:
            return one_host.wait_until(check, what, patience, pause)
        except FarmError as error:
            raise FarmError(f"{error}\n{self.logs()}") from None

    def logs(self):
        return "\n".join(member.logs() for member in self.members
                         if member is not self.net)

    @staticmethod
    def at_once(act, things):
        """For each, some at a time; the first failure is raised."""
        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(act, things))

    def close(self):
        """At once: no etcd hands over to another that is to end as well."""
        for member in self.members:
            if getattr(member, "child", None) is not None:
                one_host.kill_group(member.child.pid, signal.SIGKILL)
        super().close()

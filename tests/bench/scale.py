#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""
A farm of many nodes on three etcd with TLS and authentication, all on this
host: how soon a change is applied everywhere, and what a node costs.  The
nodes are one process (farm.c), each with the client that stekd has.

    scale.py [--short] [--proxy] [--members N] [--disk] [--rounds N] [NODES...]

Never here: goals that a slower machine would miss by right.
"""
import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in ("farm", "servers"):
    sys.path.insert(0, os.path.join(HERE, "..", folder))

from authority import Authority     # noqa: E402
from farm import Farm, FarmError, Process       # noqa: E402

BUILD = os.environ.get("STEK_BUILD", os.path.join(HERE, "..", "..", "build"))
PREFIX = "/stek/bench/"
HOST = "127.0.0.1"
ROOT, USER, PASSWORD = "root", "farm", "worthless"
FILES = 65536
GOAL_MS = 1000
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


class Nodes:
    """farm.c at work."""

    def __init__(self, cluster, count):
        user = cluster.user
        self.home = os.path.join(cluster.farm.folder, "nodes")
        self.child = subprocess.Popen(
            [os.path.join(BUILD, "tests", "bench", "bench-farm"), user.ca,
             user.cert, user.key, cluster.password(), str(count),
             *(each.url for each in cluster.entrances)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def send(self, line):
        self.child.stdin.write(line + "\n")
        self.child.stdin.flush()

    def answer(self):
        line = self.child.stdout.readline()
        if not line:
            raise FarmError(f"the nodes ended with {self.child.wait()}")
        return json.loads(line)

    def do(self, line):
        self.send(line)
        return self.answer()

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self.child.stdin.close()
        self.child.stdout.close()
        try:
            self.child.wait(30)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


def busy():
    """Seconds in which this host's cores had work, of all its processes."""
    with open("/proc/stat", encoding="ascii") as stat:
        times = [int(text) for text in stat.readline().split()[1:9]]
    return (sum(times) - times[3] - times[4]) / os.sysconf("SC_CLK_TCK")


def spent(before, after, names):
    return {name: after[name] - before[name] for name in names}


COUNTS = ("calls", "failures", "connects", "stales", "untolds", "lists",
          "swapped", "conflicts", "unknown", "refused")


def phase(cluster, nodes, line, say, fresh=False):
    """A command, what it counted, and what it cost everyone."""
    etcd = cluster.used()
    before = nodes.do("size")
    began, worked = time.monotonic(), busy()
    got = nodes.do(line)
    passed, worked = time.monotonic() - began, busy() - worked
    after = cluster.used()
    got["spent"] = spent(before, got, COUNTS)
    got["cpu"] = {"nodes": (got["cpu_ms"] - before["cpu_ms"]) / 1e3,
                  "etcd": after["cpu"] - (0 if fresh else etcd["cpu"]),
                  "proxy": after["proxy_cpu"] - etcd["proxy_cpu"]}
    got["others"] = (worked - sum(got["cpu"].values())) / passed
    got["busy"] = {name: used / passed for name, used in got["cpu"].items()}
    say(line, got)
    return got


def measure(options, count, say):
    """All figures of a farm of so many nodes."""
    figures = {}
    data = tempfile.mkdtemp(dir="/var/tmp") if options.disk else None
    try:
        with Farm() as farm:
            cluster = Cluster(farm, options, data)
            cluster.start()
            with Nodes(cluster, count) as nodes:
                figures = run(options, cluster, nodes, count, say)
    finally:
        if data:
            shutil.rmtree(data)
    return figures


def run(options, cluster, nodes, count, say):
    figures = {"nodes": count}
    empty, etcd = nodes.do("size")["kib"], cluster.used()

    def step(name, line):
        figures[name] = phase(cluster, nodes, line,
                              lambda _, got: say(name, got))
    step("first", "open")
    if figures["first"]["settled"]:
        step("mint", f"mint {options.rounds}")
        step("revoke", f"revoke {options.rounds}")
        rest(options, cluster, nodes, count, figures, say)
    figures["kib"] = (nodes.do("size")["kib"] - empty) / count
    used = cluster.used()
    figures["etcd_kib"] = used["kib"] / len(cluster.members)
    figures["etcd_node_kib"] = (used["kib"] - etcd["kib"]) / count
    figures["proxy_kib"] = used["proxy_kib"]
    nodes.do("close")
    time.sleep(2)
    step("start", "open")
    if not options.short:
        restart(cluster, nodes, figures, say)
        power_cut(cluster, nodes, figures, say)
    return figures


def rest(options, cluster, nodes, count, figures, say):
    before = cluster.used()
    began = time.monotonic()
    got = phase(cluster, nodes, f"rest {options.rest}", lambda *_: None)
    passed = time.monotonic() - began
    after = cluster.used()
    for name in ("calls", "in", "out"):
        got["etcd_" + name] = (after[name] - before[name]) / passed / count
    got["etcd_share"] = (after["cpu"] - before["cpu"]) / passed
    got["proxy_share"] = (after["proxy_cpu"] - before["proxy_cpu"]) / passed
    got["nodes_share"] = got["cpu_us_s"] * count / 1e6
    figures["rest"] = got
    say("rest", got)


def restart(cluster, nodes, figures, say):
    """All etcd at once, as by a power cut of theirs alone."""
    before = nodes.do("size")
    cluster.kill()
    nodes.do("cut")
    cluster.launch()
    nodes.send("back")
    launched = time.monotonic()
    cluster.wait_serves()
    served = time.monotonic()
    got = nodes.answer()
    got["ms"] = got["now"] - launched * 1e3
    got["served"] = (served - launched) * 1e3
    got["in_step"] = {name: value - launched * 1e3 for name, value in
                      got.get("in_step", {}).items()}
    got["spent"] = spent(before, got, COUNTS)
    figures["restart"] = got
    say("restart", got)


def power_cut(cluster, nodes, figures, say):
    """Everything at once."""
    nodes.do("close")
    cluster.kill()
    before = nodes.do("size")
    cluster.launch()
    nodes.send("open")
    got = nodes.answer()
    got["spent"] = spent(before, got, COUNTS)
    figures["power"] = got
    say("power", got)


# --- the table ---

def three(figures, name, what):
    """50 %, 99 %, most."""
    found = figures.get(name, {}).get(what)
    if not found:
        return "-"
    return " / ".join(f"{found[at]:.0f}" for at in ("p50", "p99", "max"))


def start_of(name):
    def show(figures):
        got = figures.get(name)
        if not got:
            return "-"
        if not got["settled"]:
            return f"{got['live']} live"
        return f"{got['ms'] / 1000:.1f} ({got['spent']['connects']})"
    return show


def of_rest(name, digits=2, scale=1):
    def show(figures):
        return f"{figures['rest'][name] * scale:.{digits}f}" \
            if "rest" in figures else "-"
    return show


def goal(figures):
    values = [figures[name]["applied"]["p99"] for name in ("mint", "revoke")
              if figures.get(name, {}).get("applied")]
    return "-" if not values else \
        "met" if max(values) < GOAL_MS else "MISSED"


ROWS = (
    ("key minted -> applied, ms: 50 / 99 / 100 %",
     lambda f: three(f, "mint", "applied")),
    ("key revoked -> applied, ms",
     lambda f: three(f, "revoke", "applied")),
    (f"goal: 99 % under {GOAL_MS} ms", goal),
    ("the last node of a round, ms: revoked",
     lambda f: three(f, "revoke", "last")),
    ("all nodes have confirmed, ms: minted",
     lambda f: three(f, "mint", "told")),
    ("... and the key may seal everywhere, ms",
     lambda f: three(f, "mint", "sealed")),
    ("at rest: requests a second a node", of_rest("requests_s")),
    ("... bytes of messages a second, in", of_rest("in_s", 0)),
    ("... out", of_rest("out_s", 0)),
    ("... cores busy: nodes", of_rest("nodes_share")),
    ("... cores busy: all etcd", of_rest("etcd_share")),
    ("... cores busy: proxy", of_rest("proxy_share")),
    ("resident, KiB a node: its client",
     lambda f: f"{f['kib']:.0f}"),
    ("... of all etcd together", lambda f: f"{f['etcd_node_kib']:.0f}"),
    ("... one etcd, MiB", lambda f: f"{f['etcd_kib'] / 1024:.0f}"),
    ("... proxy, MiB", lambda f: f"{f['proxy_kib'] / 1024:.0f}"),
    ("new farm in step, s (connections)", start_of("first")),
    ("all nodes start at once, s", start_of("start")),
    ("all etcd start anew, s", start_of("restart")),
    ("all of both at once, s", start_of("power")),
)


def show_table(columns):
    width = max(len(name) for name, _ in ROWS)
    print("nodes".ljust(width) + "".join(
        f"{figures['nodes']:>20,}" for figures in columns))
    for name, show in ROWS:
        print(name.ljust(width) + "".join(f"{show(figures):>20}"
                                          for figures in columns))


def raise_limit():
    """Of open files; a thousand nodes and a proxy need a few thousand."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
    except (OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return soft


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--short", action="store_true",
                        help="three minutes at most: no restarts of etcd")
    parser.add_argument("--proxy", action="store_true",
                        help="through etcd's grpc-proxy")
    parser.add_argument("--auth", choices=("cn", "password", "none"),
                        help="by certificates, unless there is a proxy")
    parser.add_argument("--disk", action="store_true",
                        help="etcd's data in /var/tmp, not in memory")
    parser.add_argument("--members", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--rest", type=int, default=20, help="seconds")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("nodes", type=int, nargs="*")
    options = parser.parse_args()
    options.auth = options.auth or ("none" if options.proxy else "cn")
    options.nodes = options.nodes or [10, 100, 1000]
    return options


def main():
    options = parse()
    for program in ("etcd", "etcdctl", "openssl"):
        if shutil.which(program) is None:
            print(f"skipped: {program} is not installed")
            return
    raise_limit()

    def say(name, got):
        if options.verbose:
            print(name, json.dumps(got), flush=True)
    where = "on disk" if options.disk else "in memory"
    print(f"A farm on {options.members} etcd with TLS, users: {options.auth}, "
          f"data {where}{', through one grpc-proxy' if options.proxy else ''};"
          f" {options.rounds} rounds; {os.cpu_count()} cores for all",
          flush=True)
    show_table([measure(options, count, say) for count in options.nodes])


main()

#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""
A farm of many nodes on three etcd with TLS and authentication, all on this
host: how soon a change is applied everywhere, and what a node costs.  The
nodes are one process (farm.c), each with the client that stekd has.

    scale.py [--short] [--proxy] [--members N] [--disk] [--rounds N] [NODES...]

Cores are shared by all etcd, the nodes and whatever else runs here, so the
table says how they were: "others" are what is none of this.

Never here: goals that a slower machine would miss by right.
"""
import argparse
import json
import os
import resource
import shutil
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in ("farm", "servers"):
    sys.path.insert(0, os.path.join(HERE, "..", folder))

from farm import Farm               # noqa: E402
from scale_etcd import Cluster      # noqa: E402
from scale_nodes import Nodes       # noqa: E402

FILES = 65536
GOAL_MS = 1000


def busy():
    """Seconds in which this host's cores had work, of all its processes."""
    with open("/proc/stat", encoding="ascii") as stat:
        times = [int(text) for text in stat.readline().split()[1:9]]
    return (sum(times) - times[3] - times[4]) / os.sysconf("SC_CLK_TCK")


def spent(before, after, names):
    return {name: after[name] - before[name] for name in names}


COUNTS = ("calls", "failures", "connects", "stales", "untolds", "lists",
          "swapped", "conflicts", "unknown", "refused")


def phase(cluster, nodes, line, say):
    """A command, what it counted, and what it cost everyone."""
    etcd = cluster.used()
    before = nodes.do("size")
    began, worked = time.monotonic(), busy()
    got = nodes.do(line)
    passed, worked = time.monotonic() - began, busy() - worked
    after = cluster.used()
    got["spent"] = spent(before, got, COUNTS)
    got["cpu"] = {"nodes": (got["cpu_ms"] - before["cpu_ms"]) / 1e3,
                  "etcd": after["cpu"] - etcd["cpu"],
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
    step("first", f"open {options.rate}")
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
    step("start", f"open {options.rate}")
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


def shares(figures):
    """Of cores, while keys changed."""
    got = figures.get("revoke")
    if not got:
        return "-"
    return " / ".join(f"{got['busy'][name]:.2f}" for name in
                      ("nodes", "etcd", "proxy")) + f" / {got['others']:.2f}"


def lost(figures):
    return sum(figures[name]["spent"]["connects"]
               for name in ("mint", "revoke") if name in figures)


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
    ("connections lost meanwhile", lambda f: str(lost(f))),
    ("cores: nodes / all etcd / proxy / others", shares),
    ("at rest: requests a second a node", of_rest("requests_s")),
    ("... bytes of messages a second, in", of_rest("in_s", 0)),
    ("... out", of_rest("out_s", 0)),
    ("... cores busy: nodes", of_rest("nodes_share")),
    ("... cores busy: all etcd", of_rest("etcd_share")),
    ("... cores busy: proxy", of_rest("proxy_share")),
    ("... cores busy: others",
     lambda f: f"{f['rest']['others']:.2f}" if "rest" in f else "-"),
    ("resident, KiB a node: its client", lambda f: f"{f['kib']:.0f}"),
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
        f"{figures['nodes']:>28,}" for figures in columns))
    for name, show in ROWS:
        print(name.ljust(width) + "".join(f"{show(figures):>28}"
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
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--rate", type=int, default=0,
                        help="nodes that start a second; 0: all at once")
    parser.add_argument("--rest", type=int, default=0, help="seconds")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("nodes", type=int, nargs="*")
    options = parser.parse_args()
    options.auth = options.auth or ("none" if options.proxy else "cn")
    options.rounds = options.rounds or (5 if options.short else 30)
    options.rest = options.rest or (5 if options.short else 20)
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

#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""
stekd at rest: what its processes weigh, and how often they wake up, with 1
and with 16 targets.

Never here: stekd at work.
"""
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "servers"))

from farm import Farm       # noqa: E402
from stekd import Stekd     # noqa: E402

SECONDS = 20
GOAL_KIB = 8 * 1024


def field(path, name):
    """The number behind NAME: in a file of /proc."""
    with open(path, encoding="ascii") as text:
        for line in text:
            if line.startswith(name + ":"):
                return int(line.split()[1])
    raise ValueError(name)


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as ids:
        return [int(child) for child in ids.read().split()]


def wakes(pids):
    return sum(field(f"/proc/{pid}/status", name) for pid in pids
               for name in ("voluntary_ctxt_switches",
                            "nonvoluntary_ctxt_switches"))


def ring(farm, number):
    path = os.path.join(farm.folder, f"ring{number}")
    return (f'target ring{number} {{ format = "ring" path = "{path}" '
            f'mode = "0600" }}\n')


def met(good):
    return "met" if good else "MISSED"


def measure(count):
    with Farm() as farm:
        stekd = Stekd(farm, "stekd", [ring(farm, n) for n in range(count)],
                      policy=("6h", "12h", "10m"))
        stekd.start()
        stekd.wait_settled()
        main = stekd.child.pid
        pids = [main, *children(main)]
        before = wakes(pids)
        time.sleep(SECONDS)
        woken = wakes(pids) - before
        rss = [field(f"/proc/{pid}/status", "VmRSS") for pid in pids]
        pss = sum(field(f"/proc/{pid}/smaps_rollup", "Pss") for pid in pids)
    print(f"{count:7}  {rss[0]:8}  {sum(rss[1:]):8}  {sum(rss):8}  {pss:8}"
          f"  {woken:8}   {met(sum(rss) < GOAL_KIB and woken == 0)}")


print(f"stekd at rest for {SECONDS} s; goals: main and monitor under "
      f"{GOAL_KIB} KiB, no wake-up\n"
      "           RSS, KiB                        PSS, KiB\n"
      "targets      main   monitor  together  together  wake-ups")
for targets in (1, 16):
    measure(targets)

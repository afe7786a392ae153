#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""
Count the cases in a log of `meson test` (testlog.json): what cmocka and
pytest printed, or TAP; any other test is one case.

usage: tally.py LOG COUNTS

Prints every failure and every skip with its reason, and adds a line "passed
failed skipped" to the file COUNTS.
Never here: running anything.
Invariant: a test that meson calls failed adds a failure whatever it printed,
and so does one that passed without having run a case.
"""
import json
import re
import sys

TAIL = 40
WIDTH = 200


def pytest(out):
    """The last line: 3 failed, 12 passed, 1 skipped, 1 error in 4.20s"""
    found = re.findall(r"^=* ?((?:\d+ \w+(?:, )?)+) in [\d.]+s", out, re.M)
    if not found:
        return None
    number = {word: int(count)
              for count, word in re.findall(r"(\d+) (\w+)", found[-1])}
    reasons = re.findall(r"^SKIPPED (.*)", out, re.M)
    return (number.get("passed", 0) + number.get("xfailed", 0),
            number.get("failed", 0) + number.get("error", 0)
            + number.get("errors", 0) + number.get("xpassed", 0),
            number.get("skipped", 0), reasons)


def tap(out):
    if not re.search(r"^1\.\.\d+", out, re.M):
        return None
    passed = failed = 0
    reasons = []
    for bad, rest in re.findall(r"^(not )?ok\b(.*)", out, re.M):
        # cmocka says "not ok" of what it skips.
        skip = re.search(r"# skip\S*\s*(.*)", rest, re.I)
        if skip:
            reasons.append(skip.group(1))
        elif bad:
            failed += 1
        else:
            passed += 1
    return passed, failed, len(reasons), reasons


def cmocka(out):
    if "[==========]" not in out:
        return None
    passed = len(re.findall(r"^\[       OK \] ", out, re.M))
    failed = len(re.findall(r"^\[  FAILED  \] (?!\d+ test)", out, re.M))
    listed = re.findall(r"^\[  FAILED  \] (\d+) test", out, re.M)
    if listed:
        failed = sum(map(int, listed))
    reasons = [f"{name}: {why.strip()}" for name, why in re.findall(
        r"^\[ RUN      \] ([^\n]+)\n((?:(?!\[ RUN).*\n)*?)\[  SKIPPED \] \1$",
        out, re.M)]
    return passed, failed, len(reasons), reasons


def count(test):
    out = test.get("stdout", "") + "\n" + test.get("stderr", "")
    bad = test["result"] not in ("OK", "SKIP", "EXPECTEDFAIL")
    for runner in (pytest, cmocka, tap):
        counted = runner(out)
        if counted:
            break
    else:
        if test["result"] == "SKIP":
            lines = [line for line in out.strip().splitlines() if line
                     and not line.startswith("(test program exited")]
            return 0, 0, 1, lines[-1:] or ["no reason given"]
        return int(not bad), int(bad), 0, []
    passed, failed, skipped, reasons = counted
    # Meson takes cmocka's "not ok" of a skip for a failure.
    bad = bad and not (runner is tap and test.get("returncode") == 0)
    if (bad and not failed) or not passed + failed + skipped:
        failed += 1
    return passed, failed, skipped, reasons


def telling(out):
    """
    What pytest says of its first failure, and the end of the log with it, then
    all failures, a line each; of other runners, the end.  The first is often
    the cause of all others.
    """
    named = re.findall(r"^(?:FAILED|ERROR) .*", out, re.M)
    sections = re.split(r"^_{5,} .* _{5,}$", out, flags=re.M)
    first = [line for line in "".join(sections[1:2]).splitlines()
             if line.startswith("E ")]
    if not named or not first:
        return out.rstrip().splitlines()[-TAIL:]
    return first[:2] + first[2:][-TAIL:] + \
        [line[:WIDTH] for line in named[:TAIL]]


def show_failure(test):
    code = test.get("returncode")
    print(f"  FAILED {test['name']}: {test['result']}, exit {code}")
    out = test.get("stdout", "") + "\n" + test.get("stderr", "")
    for line in telling(out):
        print(f"    | {line}")


def main(log, counts):
    total = [0, 0, 0]
    with open(log, encoding="utf-8", errors="replace") as lines:
        tests = [json.loads(line) for line in lines]
    for test in tests:
        *numbers, reasons = count(test)
        total = [a + b for a, b in zip(total, numbers)]
        for reason in reasons:
            print(f"  skipped {test['name']}: {reason}")
        if numbers[1]:
            show_failure(test)
    with open(counts, "a", encoding="ascii") as out:
        print(*total, file=out)


if __name__ == "__main__":
    main(*sys.argv[1:])

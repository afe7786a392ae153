#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""
targets.py FOLDER SUITE...: what ninja has to build in a folder that meson has
set up, for the tests of these suites.

Never here: building it.
"""
import json
import os
import subprocess
import sys


def introspect(folder, what):
    return json.loads(subprocess.run(
        ["meson", "introspect", "--" + what, folder], check=True,
        capture_output=True, text=True).stdout)


def main(folder, *suites):
    wanted = {target for test in introspect(folder, "tests")
              if any(suite.split(":")[-1] in suites for suite in test["suite"])
              for target in test["depends"]}
    for target in introspect(folder, "targets"):
        # Some are loaded by others at run time.
        if target["id"] in wanted or target["type"] == "shared library":
            for path in target["filename"]:
                print(os.path.relpath(path, os.path.realpath(folder)))


if __name__ == "__main__":
    main(*sys.argv[1:])

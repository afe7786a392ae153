# SPDX-License-Identifier: ISC
"""
Many nodes of a farm, which are one process (farm.c).

Never here: figures.
"""
import json
import os
import subprocess

from farm import FarmError

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("STEK_BUILD", os.path.join(HERE, "..", "..", "build"))


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

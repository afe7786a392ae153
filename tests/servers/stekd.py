# SPDX-License-Identifier: ISC
"""
stekd on a farm: its configuration, its process, and what one asks of it.

Never here: what to expect of it (the tests have that).
Invariant: everything it writes lies in its own home folder, but for the
targets' files.
"""
import json
import os
import shutil
import subprocess
import time

from farm import FarmError, Process

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("STEK_BUILD",
                       os.path.join(HERE, "..", "..", "build"))
STEKD = os.path.realpath(os.path.join(BUILD, "daemon", "stekd"))
STEK = os.path.realpath(os.path.join(BUILD, "cli", "stek"))


class Stekd(Process):
    """
    One stekd that drives targets; text is what else stek.conf says.  A store
    is a folder, or "KIND:" and what that kind wants.
    """

    def __init__(self, farm, name, targets, policy=("60s", "60s", "5s"),
                 text="", store=None, farm_key=None):
        super().__init__(farm, name)
        self.store = store or self.path("store")
        self.farm_key_path = farm_key or self.path("farm.key")
        self.conf = self.path("stek.conf")
        self.targets = targets
        self.policy = policy
        self.text = text
        self.configure()

    def configure(self):
        rotate, tickets, lead = self.policy
        store = self.store if ":" in self.store else "dir:" + self.store
        self.write("stek.conf", f"""\
farm = "example"
store = "{store}"
farm_key = "{self.farm_key_path}"
user = "nobody"
control = "{self.path("control")}"
{self.text}
policy {{ rotate = "{rotate}" tickets = "{tickets}" lead = "{lead}" }}
""" + "".join(target if isinstance(target, str) else target.target()
              for target in self.targets))

    def stek(self, *args, check=True, **options):
        """Run stek(1) with this configuration."""
        with self.farm.inside():
            got = subprocess.run([STEK, "-c", self.conf, *args], check=False,
                                 capture_output=True, text=True, timeout=240,
                                 **options)
        if check and got.returncode != 0:
            raise FarmError(f"stek {' '.join(args)} ended with "
                            f"{got.returncode}: {got.stdout}{got.stderr}\n"
                            f"{self.logs()}")
        return got

    def start(self):
        self.stek("init")
        self.launch()
        self.wait(self.status, f"{self.name} answers")

    def launch(self):
        self.run(STEKD, "-c", self.conf, "-f")

    def status(self):
        """What `stek status --json` says; None if stekd does not answer."""
        got = self.stek("status", "--json", check=False)
        try:
            status = json.loads(got.stdout)
        except ValueError:
            return None
        return status if status.get("done") else None

    def target(self, name):
        return next(target for target in self.status()["targets"]
                    if target["name"] == name)

    def settled(self):
        """Have all targets had their files, and proven them or failed?"""
        status = self.status()
        return status is not None and status["version"] > 0 and all(
            target["state"] in ("verified", "applied", "failed")
            for target in status["targets"])

    def wait_settled(self, patience=30):
        self.wait(self.settled, f"{self.name}'s targets settle", patience)

    def kill(self):
        """As by the kernel: nothing is tidied up."""
        self.child.kill()
        self.child.wait()

    def forget(self):
        """Without its keys, as a new host."""
        shutil.rmtree(self.store, ignore_errors=True)

    def wait_until_second(self, when):
        """Until that Unix time has come, in stekd's clock."""
        time.sleep(max(0, when - time.time()) + 0.1)

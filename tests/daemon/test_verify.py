# SPDX-License-Identifier: ISC
"""
Real servers that do not do as they should: a handshake shows it, whatever
their reload said. All at once, as patience takes its time.
"""
import base64
import os
import shutil
import signal

import pytest

from client import new_ticket
from daemon import STEKD, Daemon, haproxy_keys, read
from servers import Haproxy, Nginx


class Trouble:
    """Servers of one stekd, by what is wrong with them."""

    def __init__(self, farm):
        self.good = Nginx(farm, "good")
        self.down = Nginx(farm, "down")
        self.own = Haproxy(farm, "own")         # with keys of its own
        self.deaf = Nginx(farm, "deaf")         # its reload does nothing
        self.forged = Haproxy(farm, "forged")   # the name, another MAC
        self.flag = self.deaf.path("listens")
        self.stekd = Daemon(farm)
        deaf = (f"test ! -e {self.flag} || "
                f"kill -HUP $(cat {self.deaf.path('pid')})")
        self.stekd.targets = [
            self.good, self.down, self.own.target(reload=""),
            self.deaf.target(reload=deaf),
            self.forged.target(path=self.forged.path("other"), reload="")]
        self.stekd.begin().wait_said("ready")     # as deaf reads once
        self.good.start()
        self.deaf.start()
        self.own.start(shared=False)
        self.forge()
        self.stekd.hup()

    def forge(self):
        """It gets a file of its own: stekd's names, and other secrets."""
        path = self.forged.path("other")
        self.stekd.wait(lambda: os.path.exists(path), "stekd has written")
        self.place_forged(haproxy_keys(path))
        self.forged.start()

    def place_forged(self, keys):
        with open(self.forged.keys, "wb") as out:
            for name, aes, _ in keys:
                out.write(base64.b64encode(
                    bytes.fromhex(name) + aes + os.urandom(32)) + b"\n")


@pytest.fixture(scope="module")
def trouble(farm):
    trouble_ = Trouble(farm)
    yield trouble_
    trouble_.stekd.stop()


def test_a_server_that_has_its_key_is_verified(trouble):
    seen = trouble.stekd.wait_state("good", "verified")
    assert seen["proof"] == "mac" and seen["verified"] is not None
    ticket = new_ticket(trouble.good.port, "1.3")
    assert ticket.name == seen["sealing"]


def test_it_is_so_while_others_are_still_being_looked_at(trouble):
    def states():
        return {target["name"]: target["state"]
                for target in trouble.stekd.status()["targets"]
                if target["name"] in ("good", "own", "forged")}
    # At some moment: until the SIGHUP arrives, good is what it was before.
    trouble.stekd.wait(
        lambda: states() == {"good": "verified", "own": "working",
                             "forged": "working"},
        "one is verified while others are looked at")


def test_a_server_that_is_down(trouble):
    said = trouble.stekd.wait_failed("down")["error"]
    assert "is the server running?" in said


def test_a_server_with_keys_of_its_own(trouble):
    said = trouble.stekd.wait_failed("own")["error"]
    assert "is not of this farm" in said and trouble.own.keys in said


def test_a_server_with_the_right_name_and_another_mac_key(trouble):
    said = trouble.stekd.wait_failed("forged")["error"]
    assert "right key name, but its MAC" in said


def test_a_server_whose_reload_did_nothing(trouble):
    stekd = trouble.stekd
    stekd.wait_state("deaf", "verified")    # it read the files as it began
    old = stekd.status()["sealing"]
    answer = stekd.ask({"do": "rotate", "now": True})
    new = stekd.status()["sealing"]
    deaf = next(line for line in answer if line.get("target") == "deaf")
    good = next(line for line in answer if line.get("target") == "good")
    assert good["ok"] is True and good["ms"] < deaf["ms"]
    assert deaf["ok"] is False
    assert f"still seals with key {old}, not with {new}" in deaf["detail"]


def test_each_recovers_once_it_is_mended(trouble):
    stekd = trouble.stekd
    with open(trouble.flag, "wb"):
        pass
    trouble.down.start()
    trouble.own.stop()
    trouble.own.start()
    with open(trouble.forged.keys, "wb") as out:
        out.write(read(trouble.forged.path("other")))
    with open(trouble.forged.path("pid"), encoding="ascii") as pid:
        os.kill(int(pid.read()), signal.SIGUSR2)
    stekd.hup()
    for name in ("good", "down", "own", "deaf", "forged"):
        stekd.wait_state(name, "verified", patience=40)
    for server in (trouble.good, trouble.down, trouble.deaf):
        ticket = new_ticket(server.port, "1.3")
        assert ticket.name == stekd.status()["sealing"]


def test_a_key_that_does_not_seal_yet_is_not_said_to_be_verified(trouble):
    head, *told = trouble.stekd.ask({"do": "rotate"})
    assert head["seal_from"] > trouble.stekd.status()["now"]
    good = next(line for line in told if line.get("target") == "good")
    assert good["ok"] is True
    assert good["detail"] == ("written and reloaded; the new key can be "
                              "verified only when it seals")


def test_a_revocation_is_confirmed_by_handshakes(trouble):
    trouble.stekd.targets = [
        target for target in trouble.stekd.targets
        if target in (trouble.good, trouble.down)]
    trouble.stekd.configure()
    trouble.stekd.hup()
    trouble.stekd.wait(lambda: len(trouble.stekd.status()["targets"]) == 2,
                       "it reads its configuration")
    trouble.stekd.wait_settled()
    *told, end = trouble.stekd.ask({"do": "revoke", "all": True})
    assert end == {"done": True, "failed": 0}
    assert [line["detail"] for line in told[1:]] == [
        "verified by a ticket's MAC"] * 2
    assert new_ticket(trouble.good.port, "1.2").name == told[0]["sealing"]


def test_without_stek_beside_it_that_is_told_and_nobody_reloaded_again(farm):
    daemon = Daemon(farm)
    count = daemon.path("count")
    daemon.add("web", "haproxy", reload=f"echo >>{count}",
               verify=f"127.0.0.1:{farm.port()}")
    daemon.stek("init")
    os.mkdir(daemon.path("alone"))
    shutil.copy(STEKD, daemon.path("alone"))
    daemon.run(daemon.path("alone", "stekd"), "-c", daemon.conf, "-f")
    daemon.wait(daemon.status, "it answers")
    said = daemon.wait_failed("web")["error"]
    assert "stek(1) was not found beside stekd(8)" in said
    daemon.wait(lambda: daemon.target("web")["attempts"] > 2, "it goes on")
    assert len(read(count).splitlines()) == 1
    assert "reloads once more" not in daemon.said()
    daemon.stop()

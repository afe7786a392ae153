# SPDX-License-Identifier: ISC
"""
A host on which nothing is wrong, for the tests of stek check: each makes one
thing wrong and looks whether that is found, named, and the only one found.
"""
import json
import os
import pwd

from host import Host, sealing

USER = pwd.getpwnam("daemon")
GOOD = {"reload": "true", "verify": "127.0.0.1:443"}


class SoundHost(Host):
    """A host on which nothing is wrong, until a test does something."""

    def __init__(self):
        super().__init__()
        os.chmod(self.home, 0o755)
        self.more = self.target("web", "nginx", path=self.path("web"), **GOOD)
        self.set_up()
        self.key, = self.keep(sealing(since=60))
        assert self.stek("export", "--format", "nginx", "-o",
                         self.path("web")).status == 0

    def set_up(self, more=None, **options):
        """The configuration again, with other targets or options."""
        self.configure(self.more if more is None else more,
                       user=USER.pw_name, **options)

    def keep(self, *keys, **more):
        super().keep(*keys, **more)
        for path in ("store", "store/test.set"):
            os.chown(self.path(path), USER.pw_uid, USER.pw_gid)
        return keys

    def check(self):
        """All lines of what is wrong, as (level, subject, text, todo)."""
        result = self.stek("check", "--json")
        assert result.err == ""
        lines = [tuple(line[name] for name in (
            "level", "subject", "text", "todo"))
            for line in json.loads(result.out)]
        wrong = [line for line in lines if line[0] in ("warn", "fail")]
        assert result.status == bool(wrong)
        return wrong

    def notes(self):
        return [line["text"] for line in json.loads(
            self.stek("check", "--json").out) if line["level"] == "note"]


def only(host, level, *words):
    """One thing is wrong, and its line says these words."""
    wrong = host.check()
    assert len(wrong) == 1, wrong
    line = wrong[0]
    assert line[0] == level
    for word in words:
        assert word in " ".join(line[1:])


def all_of(host, *needles):
    """These things are wrong, and nothing else."""
    wrong = [" ".join(line) for line in host.check()]
    for needle in needles:
        assert [line for line in wrong if needle in line], (needle, wrong)
    assert [line for line in wrong
            if not any(needle in line for needle in needles)] == []

# SPDX-License-Identifier: ISC
"""
Servers that do not do with their keys what they should: stek must notice,
and say what is wrong, before anyone relies on them.

Never here: servers that work.
"""
import pytest

from client import new_ticket, visit
from lighttpd import LighttpdGnutls, LighttpdNss
from servers import Apache, Nginx
from stekd import Stekd

PATIENCE = 200      # lighttpd has failed after two looks, 64 s apart


def of(kinds):
    return pytest.mark.parametrize("kind", kinds, ids=lambda kind: kind.KIND)


def failures(broken, kind, word):
    """What the targets of a kind say once their error has the word."""
    stekd, pairs = broken
    names = [server.name for server in pairs[kind]]

    def say_so():
        targets = [stekd.target(name) for name in names]
        return all(target["state"] == "failed" and
                   word in (target["error"] or "") for target in targets) \
            and [target["error"] for target in targets]

    return stekd.wait(say_so, f"{kind.KIND} failed for its {word}", PATIENCE,
                      pause=0.5)


def test_apache_fails_for_its_mac(broken):
    """
    Its tickets have the right name and resume at the sibling, yet their MAC
    is made with zeroes: only who checks the MAC of a real ticket sees that.
    """
    stekd, pairs = broken
    failures(broken, Apache, "MAC")
    a, b = pairs[Apache]
    ticket = new_ticket(a.port, "1.3")
    assert ticket.name == stekd.status()["sealing"]
    assert ticket.proven_by(bytes(16))
    assert visit(b.port, "1.3", ticket).resumed


@of((LighttpdGnutls, LighttpdNss))
def test_lighttpd_fails_with_a_module_that_does_not_take_keys(broken, kind):
    """mod_gnutls derives keys of its own, mod_nss ignores the file."""
    for error in failures(broken, kind, "not of this farm"):
        assert kind.MODULE in error


def test_only_what_works_is_confirmed(broken):
    """And it is, whatever the others do."""
    stekd, pairs = broken
    failures(broken, Apache, "MAC")
    done = stekd.stek("revoke", "--all", check=False)
    assert done.returncode == 1
    for kind, pair in pairs.items():
        for server in pair:
            line = next(line for line in done.stdout.splitlines()
                        if server.name in line)
            assert ("confirmed" if kind is Nginx else "FAILED") in line


@pytest.mark.parametrize("name", ("lighttpd-gnutls", "lighttpd-nss"))
def test_stekd_does_not_start_with_a_format_it_must_not_drive(farm, name):
    module = name.replace("lighttpd-", "mod_")
    target = f"""target web {{
\tformat = "{name}"
\tpath = "{farm.folder}/refused"
}}
"""
    stekd = Stekd(farm, name, [target])
    done = stekd.stek("init", check=False)
    stekd.launch()
    stekd.child.wait(20)
    assert stekd.child.returncode not in (0, None)
    assert module in stekd.logs() or module in done.stderr

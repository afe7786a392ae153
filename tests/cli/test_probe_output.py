# SPDX-License-Identifier: ISC
"""
What stek probe prints, and how it ends: the single ticket, the JSON, the text
and wrong usage.

Never here: which reason is found for what, see test_probe.py.
"""
import hashlib
import hmac
import re

import pytest

import peers
from probing import address, edited, probe, probe_json


# --- the single ticket that stekd asks for -----------------------------------

def sealed_with(key, ticket):
    mac = hmac.new(key.mac, ticket[:-32], hashlib.sha256).digest()
    return ticket[:16] == key.bytes_name and ticket[-32:] == mac


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
@pytest.mark.parametrize("server, lifetime",
                         [("nginx", 300), ("haproxy", 7200)])
def test_the_ticket_printed_is_sealed_with_the_servers_key(
        sharing, haproxy, key, server, lifetime, tls):
    there = sharing[0] if server == "nginx" else haproxy
    result = probe("--ticket", "--tls", tls, address(there), env={})
    assert result.status == 0 and result.out.count("\n") == 1
    assert set(result.json) == {"address", "version", "lifetime", "ticket"}
    assert result.json["address"] == address(there)
    assert result.json["version"] == "TLSv" + tls
    assert result.json["lifetime"] == lifetime
    assert sealed_with(key, bytes.fromhex(result.json["ticket"]))


def test_the_one_ticket_is_of_tls_1_2_where_there_is_one(sharing):
    result = probe("--ticket", address(sharing[0]))
    assert result.json["version"] == "TLSv1.2"


def test_the_one_ticket_is_of_tls_1_3_where_there_is_no_other(only13, key):
    result = probe("--ticket", address(only13))
    assert result.status == 0 and result.json["version"] == "TLSv1.3"
    assert sealed_with(key, bytes.fromhex(result.json["ticket"]))


def test_a_missing_ticket_is_an_error_in_json(farm):
    nobody = f"127.0.0.1:{farm.port()}"
    result = probe("--ticket", nobody)
    assert result.status == 1 and result.out.count("\n") == 1
    assert set(result.json) == {"address", "error"}
    assert result.json["address"] == nobody
    assert "refused" in result.json["error"]


def test_the_error_is_of_the_version_that_the_server_has(farm):
    off = edited(farm, "off13", {
        "TLSv1.2 TLSv1.3": "TLSv1.3",
        "ssl_session_tickets on": "ssl_session_tickets off"})
    result = probe("--ticket", address(off))
    assert result.status == 1
    assert "issues no ticket" in result.json["error"]


# --- what is printed ---------------------------------------------------------

def is_hex(value, size):
    return re.fullmatch(r"[0-9a-f]{%d}" % (2 * size), value) is not None


def check_server(server):
    assert set(server) == {
        "address", "supported", "issued", "name", "stable", "lifetime",
        "length", "cipher", "certificate", "error"}
    assert server["supported"] in (True, False, None)
    assert isinstance(server["issued"], bool)
    for field in ("name", "stable", "lifetime", "length"):
        assert (server[field] is not None) == server["issued"]
    assert (server["error"] is None) == server["issued"]
    if server["issued"]:
        assert is_hex(server["name"], 16)
        assert all(isinstance(server[field], int)
                   for field in ("stable", "lifetime", "length"))
        assert is_hex(server["certificate"], 32)


def check_pair(pair, addresses):
    assert set(pair) == {"from", "to", "resumed", "new_name", "reason"}
    assert pair["from"] in addresses and pair["to"] in addresses
    assert isinstance(pair["resumed"], bool)
    assert (pair["reason"] is None) == pair["resumed"]
    assert pair["new_name"] is None or is_hex(pair["new_name"], 16)


def test_the_json_is_as_documented(farm, sharing, owning, only12, haproxy):
    everyone = [*sharing, *owning, only12, haproxy, peers.greeting(farm),
                f"127.0.0.1:{farm.port()}"]
    addresses = [address(server) for server in everyone]
    result = probe_json(*everyone)
    assert set(result.json) == {"versions", "ok"}
    assert [v["version"] for v in result.json["versions"]] == [
        "TLSv1.2", "TLSv1.3"]
    for version in result.json["versions"]:
        assert set(version) == {"version", "servers", "pairs"}
        assert [s["address"] for s in version["servers"]] == addresses
        for server in version["servers"]:
            check_server(server)
        for pair in version["pairs"]:
            check_pair(pair, addresses)
    assert len(result.versions()["TLSv1.2"]["pairs"]) == len(everyone) ** 2
    assert len(result.versions()["TLSv1.3"]["pairs"]) == \
        (len(everyone) - 1) ** 2


def test_the_text_fits_80_columns_and_ends_in_a_sentence(
        farm, sharing, owning, only12, haproxy):
    nobody = f"127.0.0.1:{farm.port()}"
    result = probe(*map(address, [*sharing, owning[0], only12, haproxy]),
                   nobody)
    assert all(len(line) <= 80 for line in result.out.splitlines())
    assert result.out.splitlines()[-1] == "1 of 6 servers could not be probed."


def test_the_text_shows_a_matrix_for_each_version(sharing, owning, key):
    result = probe(*map(address, [*sharing, owning[0]]))
    assert result.out.count("  ticket of a  yes    yes    NO\n") == 2
    assert result.out.count("  ticket of c  NO     NO     yes\n") == 2
    assert result.out.count(f"  b  {key.name}") == 2


def test_the_last_line_says_that_all_is_well(sharing):
    result = probe(*map(address, sharing))
    assert result.status == 0
    assert result.out.splitlines()[-1] == \
        "Every ticket resumed at every server."


def test_the_last_line_says_that_nothing_is_shared(owning):
    result = probe(*map(address, owning))
    assert result.status == 1
    assert result.out.splitlines()[-1].startswith(
        "No ticket resumed at another server")


# --- wrong usage -------------------------------------------------------------

@pytest.mark.parametrize("args, expected", [
    ([], "0 servers"),
    (["localhost"], "HOST:PORT"),
    (["localhost:"], "HOST:PORT"),
    (["localhost:0"], "HOST:PORT"),
    (["localhost:65536"], "HOST:PORT"),
    (["localhost:99999999999999999999"], "HOST:PORT"),
    (["localhost:http"], "HOST:PORT"),
    (["localhost:+443"], "HOST:PORT"),
    ([":443"], "HOST:PORT"),
    (["::1:443"], "[IPV6]:PORT"),
    (["[::1]"], "[IPV6]:PORT"),
    (["[]:443"], "[IPV6]:PORT"),
    (["a" * 256 + ":443"], "HOST:PORT"),
    (["--tls", "1.1", "localhost:443"], "1.2 or 1.3"),
    (["--timeout", "0", "localhost:443"], "seconds"),
    (["--timeout", "5s", "localhost:443"], "seconds"),
    (["--timeout", "nan", "localhost:443"], "seconds"),
    (["--nonsense", "localhost:443"], "nonsense"),
    (["--ticket", "localhost:443", "localhost:444"], "2 servers"),
    (["--ticket", "--json", "localhost:443"], "--json"),
    (["localhost:443"] * 27, "27 servers"),
])
def test_wrong_usage_is_told_from_failure(args, expected):
    result = probe(*args)
    assert result.status == 2 and result.out == ""
    assert expected in result.err
    assert re.search(r"^usage: stek .*probe ", result.err, re.MULTILINE)

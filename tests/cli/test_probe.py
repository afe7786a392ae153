# SPDX-License-Identifier: ISC
"""
stek probe against servers whose keys and habits are known beforehand: what it
finds out, and which reason it names.

Never here: keys that stek made; a look at how long something took, only
that it ends.
"""
import hashlib
import ssl
import subprocess

import pytest

import peers
from keys import Key
from probing import (BOTH, OldLighttpd, Stunnel, address, edited, probe,
                     probe_json, start)
from servers import Nginx


# --- keys that are shared, and keys that are not -----------------------------

def test_servers_with_one_key_resume_each_others_tickets(sharing):
    result = probe_json(*sharing)
    assert result.status == 0 and result.json["ok"] is True
    assert set(result.versions()) == BOTH
    assert len(result.pairs()) == 8
    assert all(pair["resumed"] for pair in result.pairs())


def test_the_key_name_is_that_of_the_key_file(sharing, key):
    result = probe_json(*sharing)
    assert {s["name"] for s in result.servers()} == {key.name}
    assert {s["stable"] for s in result.servers()} == {16}


def test_servers_with_keys_of_their_own_do_not_share(owning):
    result = probe_json(*owning)
    assert result.status == 1 and result.json["ok"] is False
    assert all(pair["resumed"] for pair in result.at_home())
    assert not any(pair["resumed"] for pair in result.abroad())
    for reason in result.reasons():
        assert "key names differ" in reason and "do not share" in reason


def test_a_server_that_has_not_reloaded_is_told_from_a_stranger(farm):
    old, new = Key(), Key()
    late = start(Nginx(farm, "late"), [old])
    ahead = start(Nginx(farm, "ahead"), [new, old])
    result = probe_json(late, ahead)
    assert result.status == 1
    for pair in result.abroad():
        assert pair["resumed"] == (pair["to"] == address(ahead))
    assert all("not have reloaded" in reason and "other way round" in reason
               for reason in result.reasons())


def test_a_ticket_of_an_older_key_is_renewed_under_the_newer(farm):
    old, new = Key(), Key()
    late = start(Nginx(farm, "renew-old"), [old])
    ahead = start(Nginx(farm, "renew-new"), [new, old])
    result = probe_json(late, ahead)
    names = [pair["new_name"] for pair in result.abroad()
             if pair["to"] == address(ahead)]
    assert names == [new.name, new.name]
    assert "renew" in probe(address(late), address(ahead)).out


def test_a_resumption_that_brings_no_ticket_has_no_new_name(sharing, key):
    # nginx sends one in TLS 1.2 only if the key is old, in 1.3 always.
    versions = probe_json(*sharing).versions()
    for version, expected in (("TLSv1.2", None), ("TLSv1.3", key.name)):
        names = {pair["new_name"] for pair in versions[version]["pairs"]}
        assert names == {expected}


def test_another_certificate_is_named_as_the_reason(farm, sharing, key):
    cert, cert_key = farm.folder + "/other.pem", farm.folder + "/other.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost",
         "-keyout", cert_key, "-out", cert], check=True, capture_output=True)
    other = edited(farm, "othercert", {
        farm.cert + ";": cert + ";", farm.cert_key + ";": cert_key + ";"},
        [key])
    result = probe_json(sharing[0], other)
    assert result.status == 1
    assert not any(pair["resumed"] for pair in result.abroad())
    for reason in result.reasons():
        assert "key name is the same" in reason
        assert "certificates differ" in reason
        assert "kinds of server" not in reason


def test_the_certificate_is_told_by_its_sha256(farm, sharing):
    with open(farm.cert, encoding="ascii") as pem:
        der = ssl.PEM_cert_to_DER_cert(pem.read())
    found = {s["certificate"] for s in probe_json(*sharing).servers()}
    assert found == {hashlib.sha256(der).hexdigest()}


def test_different_kinds_of_server_are_named_as_the_reason(sharing, haproxy):
    result = probe_json(sharing[0], haproxy)
    assert result.status == 1
    assert len({s["name"] for s in result.servers()}) == 1
    assert not any(pair["resumed"] for pair in result.abroad())
    for reason in result.reasons():
        assert "lifetime hints and ticket lengths differ" in reason
        assert "different kinds of server" in reason
        assert "certificates" not in reason


def test_keys_of_one_name_with_other_bytes_are_suspected(farm, sharing, key):
    liar = start(Nginx(farm, "liar"), [Key(bytes_name=key.bytes_name)])
    result = probe_json(sharing[0], liar)
    assert result.status == 1
    for reason in result.reasons():
        assert "key name is the same" in reason
        assert "different bytes" in reason


def test_workers_with_keys_of_their_own_show_as_luck(farm, owning):
    peer = peers.turns(farm, [server.port for server in owning])
    result = probe_json(peer)
    assert result.status == 1
    assert len(result.pairs()) == 2
    for pair in result.pairs():
        assert not pair["resumed"]
        assert "in 2 of 4 tries" in pair["reason"]
        assert "processes have keys of their own" in pair["reason"]


def test_a_key_that_is_thrown_away_at_once_is_noticed(farm):
    peer = peers.talking(farm, lambda _number: peers.context(farm))
    result = probe_json(peer)
    assert result.status == 1
    for pair in result.pairs():
        assert "in 0 of 4 tries" in pair["reason"]
        assert "throws its keys away" in pair["reason"]


def test_a_name_that_the_server_leaves_to_chance_is_noticed(farm):
    # stunnel does not set its key's name: tickets begin with old memory.
    stunnel = start(Stunnel(farm, "stunnel"))
    result = probe_json(stunnel)
    assert [server["stable"] for server in result.servers()] == [0, 0]
    assert result.status == 0
    assert "not a stable name" in probe(address(stunnel)).out


def test_a_name_of_four_bytes_is_compared_by_these(farm, key):
    pair = [start(OldLighttpd(farm, f"old-{n}"), [key]) for n in "ab"]
    result = probe_json(*pair)
    assert result.status == 0
    for server in result.servers("TLSv1.2"):
        assert server["stable"] == 4
        assert server["name"][:8] == key.name[:8]
    assert not any("renew" in line for line in
                   probe(*map(address, pair)).out.splitlines())


# --- servers that lack something ---------------------------------------------

def test_a_version_that_a_server_lacks_is_no_failure(only12, only13):
    result = probe_json(only12, only13)
    assert result.status == 0
    assert [s["supported"] for s in result.servers("TLSv1.2")] == [True, False]
    assert [s["supported"] for s in result.servers("TLSv1.3")] == [False, True]
    assert len(result.pairs()) == 2


def test_a_server_older_than_a_version_lacks_it(farm, key):
    # It answers a client that offers TLS 1.3 alone with a mere "handshake
    # failure", as RFC 8446 asks nothing of servers older than itself.
    old = start(OldLighttpd(farm, "older"), [key])
    (server,) = probe_json(old).servers("TLSv1.3")
    assert server["supported"] is False
    assert "TLSv1.2" in server["error"]


def test_a_server_with_none_of_the_versions_is_a_failure(only13):
    result = probe_json(only13, options=("--tls", "1.2"))
    assert result.status == 1
    assert result.pairs() == []


def test_tickets_that_are_off_are_noticed(farm, sharing):
    off = edited(farm, "off", {"ssl_session_tickets on":
                               "ssl_session_tickets off"})
    result = probe_json(off, sharing[0])
    assert result.status == 1
    for version in BOTH:
        mute, good = result.servers(version)
        assert not mute["issued"] and mute["name"] is None
        assert "issues no ticket" in mute["error"]
        assert good["issued"] and good["error"] is None
    for pair in result.abroad():
        assert not pair["resumed"] and "issues no ticket" in pair["reason"]


def test_a_reference_to_a_session_cache_is_not_taken_for_a_ticket(farm):
    # In TLS 1.3 OpenSSL's servers send one if tickets are off and a cache on.
    cached = edited(farm, "cached", {
        "ssl_session_tickets on": "ssl_session_tickets off",
        "ssl_session_cache off": "ssl_session_cache shared:one:1m"})
    result = probe_json(cached, options=("--tls", "1.3"))
    assert result.status == 1
    assert not result.servers()[0]["issued"]
    assert "session cache" in result.servers()[0]["error"]


def test_a_server_that_holds_on_has_no_ticket_all_the_same(farm):
    result = probe_json(peers.holding_on(farm), options=("--tls", "1.3"))
    assert result.status == 1
    assert "issues no ticket" in result.servers()[0]["error"]


def test_a_ticket_that_takes_its_time_is_waited_for(farm, sharing, key):
    # Twice as long as a server may take to answer the close of TLS.
    peer = peers.far_away(farm, sharing[0].port, 0.4)
    result = probe("--ticket", "--tls", "1.3", address(peer))
    assert result.status == 0
    assert result.json["ticket"].startswith(key.name)


def test_a_closed_port_is_named(farm, sharing):
    nobody = f"127.0.0.1:{farm.port()}"
    result = probe_json(nobody, sharing[0])
    assert result.status == 1
    for version in BOTH:
        assert "refused" in result.servers(version)[0]["error"]
        assert result.servers(version)[0]["supported"] is None
        assert result.servers(version)[1]["issued"]
    assert "1 of 2 servers could not" in probe(nobody, address(sharing[0])).out


@pytest.mark.parametrize("make", [peers.silent, peers.trickling])
def test_a_server_that_never_answers_does_not_hold_a_probe(farm, make):
    result = probe_json(make(farm), options=("--timeout", "0.3"))
    assert result.status == 1
    for server in result.servers():
        assert "does not finish a TLS handshake within 0.3 s" in server["error"]


def test_a_server_in_plain_text_is_named(farm):
    result = probe_json(peers.greeting(farm))
    assert result.status == 1
    for server in result.servers():
        assert "not TLS" in server["error"] and "STARTTLS" in server["error"]


def test_a_server_that_hangs_up_is_named(farm):
    result = probe_json(peers.hanging_up(farm))
    assert result.status == 1
    for server in result.servers():
        assert "closes the connection" in server["error"]


def test_a_fatal_alert_is_named(farm):
    result = probe_json(peers.failing_after(farm, 0, good=0))
    assert result.status == 1
    for server in result.servers():
        assert 'fatal alert "handshake failure"' in server["error"]


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_ticket_that_breaks_the_handshake_is_told_from_a_refusal(
        farm, sharing, version):
    # The two full handshakes go well, what comes with a ticket does not.
    peer = peers.failing_after(farm, sharing[0].port, good=2)
    result = probe_json(peer, options=("--tls", version))
    assert result.status == 1
    (reason,) = result.reasons()
    assert "in 0 of 4 tries" not in reason
    assert "breaks the handshake" in reason
    assert '"handshake failure"' in reason


def test_a_server_that_wants_a_client_certificate_is_named(farm):
    strict = peers.context(farm)
    strict.verify_mode = ssl.CERT_REQUIRED
    peer = peers.talking(farm, lambda _number: strict)
    result = probe_json(peer)
    assert result.status == 1
    assert "fatal alert" in result.servers("TLSv1.2")[0]["error"]
    assert "client certificate" in result.servers("TLSv1.3")[0]["error"]


# --- addresses, names, surroundings ------------------------------------------

def test_an_ipv6_address_stands_in_brackets(farm):
    context = peers.context(farm)
    peer = peers.talking(farm, lambda _number: context, host="::1")
    assert probe_json(f"[::1]:{peer.port}").status == 0


def named(farm):
    """A server, and the list of the host names that it was asked for."""
    names, context = [], peers.context(farm)
    context.sni_callback = lambda _tls, name, _context: names.append(name)
    return peers.talking(farm, lambda _number: context), names


def test_the_name_given_is_asked_for(farm):
    peer, names = named(farm)
    assert probe_json(peer, options=("--sni", "www.example")).status == 0
    assert set(names) == {"www.example"}


def test_a_host_that_is_a_name_is_asked_for(farm):
    peer, names = named(farm)
    assert probe_json(f"localhost:{peer.port}").status == 0
    assert set(names) == {"localhost"}


def test_an_address_is_not_asked_for_as_a_name(farm):
    peer, names = named(farm)
    assert probe_json(peer).status == 0
    assert set(names) == {None}


def test_a_name_that_does_not_exist_is_named():
    # RFC 6761, 6.4: never in the DNS.
    result = probe_json("nowhere.invalid:443", options=("--timeout", "1"))
    assert result.status == 1
    assert "name is not found" in result.servers()[0]["error"]


def test_the_systems_openssl_configuration_does_not_matter(farm, sharing):
    conf = farm.folder + "/openssl.cnf"
    with open(conf, "w", encoding="ascii") as out:
        out.write("openssl_conf = a\n[a]\nssl_conf = b\n[b]\n"
                  "system_default = c\n[c]\nOptions = -SessionTicket\n")
    result = probe("--json", *map(address, sharing),
                   env={"OPENSSL_CONF": conf})
    assert result.status == 0

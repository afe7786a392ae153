# SPDX-License-Identifier: ISC
"""
stek rotate and stek revoke: what is asked of stekd, what is shown of its
answers, and what a real stekd makes of them.
"""
import json
import time

import pytest

from host import FakeStekd, Host

HOUR = 3600
NAMES = ("0a1b2c3d" + "00" * 12, "0a1b2c3d" + "11" * 12, "ffee" * 8)


@pytest.fixture
def host():
    host_ = Host()
    yield host_
    host_.close()


def head(targets, seal_from=1):
    return {"version": 4, "sealing": NAMES[2], "seal_from": seal_from,
            "targets": targets}


def confirmed(name, ms=41, detail="MAC proven"):
    return {"target": name, "ok": True, "ms": ms, "detail": detail}


def failed(name, detail):
    return {"target": name, "ok": False, "ms": 1200, "detail": detail}


def done(count=0):
    return {"done": True, "failed": count}


def keys(*names):
    return [{"done": True, "keys": [{"name": name} for name in names]}]


# --- what is asked -----------------------------------------------------------

@pytest.mark.parametrize("args, request_", [
    (("rotate",), {"do": "rotate", "now": False}),
    (("rotate", "--now"), {"do": "rotate", "now": True}),
    (("revoke", "--all"), {"do": "revoke", "all": True}),
    (("revoke", "--key", NAMES[0]), {"do": "revoke", "key": NAMES[0]}),
    (("revoke", "--key", NAMES[2].upper()),
     {"do": "revoke", "key": NAMES[2]}),
])
def test_each_verb_asks_as_stekd_expects(host, args, request_):
    with FakeStekd(host, [head(0), done()]) as stekd:
        assert host.stek(*args).status == 0
    assert stekd.requests == [request_]


def test_the_beginning_of_a_name_is_enough(host):
    with FakeStekd(host, keys(*NAMES), [head(0), done()]) as stekd:
        assert host.stek("revoke", "--key", NAMES[2][:8]).status == 0
    assert stekd.requests == [{"do": "status"},
                              {"do": "revoke", "key": NAMES[2]}]


def test_the_beginning_of_two_names_is_not(host):
    with FakeStekd(host, keys(*NAMES)) as stekd:
        result = host.stek("revoke", "--key", NAMES[0][:8])
    assert result.status == 1
    assert NAMES[0] in result.err and NAMES[1] in result.err
    assert stekd.requests == [{"do": "status"}]


def test_the_beginning_of_no_name_revokes_nothing(host):
    with FakeStekd(host, keys(*NAMES)) as stekd:
        result = host.stek("revoke", "--key", "12345678")
    assert result.status == 1 and "12345678" in result.err
    assert stekd.requests == [{"do": "status"}]


# --- what is shown -----------------------------------------------------------

def test_each_target_is_shown_as_it_confirms(host):
    with FakeStekd(host, [head(2), confirmed("web"), confirmed(
            "mail", 9, "name seen"), done()]):
        result = host.stek("rotate", "--now")
    assert (result.status, result.err) == (0, "")
    first, second, third, last = result.out.splitlines()
    assert NAMES[2] in first and "seals now" in first
    assert second.split(maxsplit=1) == [
        "web", "confirmed in 41 ms  (MAC proven)"]
    assert third.split(maxsplit=1) == [
        "mail", "confirmed in 9 ms  (name seen)"]
    assert "all targets" in last


def test_a_target_that_failed_is_shown_with_its_reason(host):
    with FakeStekd(host, [head(2), failed("web", "connection refused"),
                          confirmed("mail"), done(1)]):
        result = host.stek("revoke", "--all")
    assert result.status == 1
    assert "FAILED after 1200 ms: connection refused" in result.out
    assert "1 of 2 targets failed" in result.err


def test_rotate_says_when_the_new_key_begins_to_seal(host):
    start = int(time.time()) + 600
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(start))
    with FakeStekd(host, [head(0, start), done()]):
        result = host.stek("rotate")
    assert f"begins to seal at {stamp} (in " in result.out


def test_rotate_says_that_nothing_had_to_be_moved(host):
    start = int(time.time()) + 600
    with FakeStekd(host, [dict(head(0, start), moved=False), done()]):
        result = host.stek("rotate")
    assert result.status == 0
    assert "begins to seal at" in result.out and "--now" in result.out
    assert "nothing was moved" in result.out


def test_rotate_does_not_say_so_of_one_that_was_moved(host):
    with FakeStekd(host, [dict(head(0), moved=True), done()]):
        assert "nothing was moved" not in host.stek("rotate").out


def test_an_answer_cannot_move_the_cursor(host):
    with FakeStekd(host, [head(1), failed("web", "\033[2J"), done(1)]):
        assert "\033" not in host.stek("rotate").out


# --- when it goes wrong ------------------------------------------------------

@pytest.mark.parametrize("verb", [("rotate",), ("revoke", "--all"),
                                  ("revoke", "--key", "0a1b2c3d")])
def test_without_stekd_nothing_happens(host, verb):
    result = host.stek(*verb)
    assert (result.status, result.out) == (1, "")
    assert host.path("control") in result.err


def test_a_refusal_is_told(host):
    with FakeStekd(host, [{"done": False, "error": "this host follows"}]):
        result = host.stek("rotate")
    assert (result.status, result.out) == (1, "")
    assert result.err == "stek: this host follows\n"


def test_silence_ends_and_says_what_is_known(host):
    with FakeStekd(host, [head(3), confirmed("web")], hang=True):
        result = host.stek("rotate", "--timeout", "1")
    assert result.status == 1
    assert "said nothing for 1 seconds" in result.err
    assert "2 of 3 targets have not answered" in result.err


def test_a_lost_connection_says_what_is_known(host):
    with FakeStekd(host, [head(3), confirmed("web")]):
        result = host.stek("rotate")
    assert result.status == 1
    assert "2 of 3 targets have not answered" in result.err


@pytest.mark.parametrize("answer", [b"", b"{", b"garbage\n", b"[1]\n"])
def test_a_garbled_answer_is_a_failure(host, answer):
    with FakeStekd(host, answer):
        result = host.stek("rotate")
    assert (result.status, result.out) == (1, "")
    assert "stekd" in result.err


@pytest.mark.parametrize("args", [
    ("rotate", "x"), ("rotate", "--all"), ("rotate", "--timeout", "0"),
    ("rotate", "--timeout", "soon"), ("revoke",), ("revoke", "x"),
    ("revoke", "--all", "--key", NAMES[0]), ("revoke", "--key"),
    ("revoke", "--key", "0a1b2c3"), ("revoke", "--key", NAMES[0] + "0"),
    ("revoke", "--key", "not hex!!"), ("revoke", "--key", ""),
])
def test_wrong_usage_asks_nothing(host, args):
    with FakeStekd(host, [done()]) as stekd:
        result = host.stek(*args)
    assert (result.status, result.out) == (2, "")
    assert result.err.startswith("stek: ")
    assert stekd.requests == []


# --- with stekd --------------------------------------------------------------

@pytest.fixture
def running(host):
    host.configure(host.target("web", "haproxy", path=host.path("web")))
    host.stek("init")
    host.start()
    return host


def test_rotate_now_makes_another_key_seal(running):
    _, (old,) = running.kept()
    result = running.stek("rotate", "--now")
    assert result.status == 0
    assert "web" in result.out and "confirmed" in result.out
    found = json.loads(running.stek("status", "--json").out)
    assert found["sealing"] != old.name
    assert {"name": old.name, "state": "opening"}.items() <= [
        key for key in found["keys"] if key["name"] == old.name][0].items()


def test_rotate_leaves_the_sealing_key_to_its_lead(running):
    _, (old,) = running.kept()
    result = running.stek("rotate")
    assert result.status == 0 and "begins to seal" in result.out
    found = json.loads(running.stek("status", "--json").out)
    assert found["sealing"] == old.name
    assert [key["state"] for key in found["keys"]] == ["sealing", "pending"]


def test_revoke_all_leaves_none_of_the_keys(running):
    running.stek("rotate", "--now")
    _, old = running.kept()
    assert running.stek("revoke", "--all").status == 0
    _, new = running.kept()
    assert not {key.name for key in old} & {key.name for key in new}


def test_revoke_takes_one_key_and_leaves_the_others(running):
    running.stek("rotate", "--now")
    _, (first, second) = running.kept()
    assert running.stek("revoke", "--key", first.name[:8]).status == 0
    _, left = running.kept()
    names = {key.name for key in left}
    assert first.name not in names and second.name in names


def test_a_revoked_key_is_gone_from_the_file(running):
    _, (old,) = running.kept()
    before = running.stek("show", "--format", "haproxy", running.path("web"))
    assert old.name in before.out
    running.stek("revoke", "--all")
    after = running.stek("show", "--format", "haproxy", running.path("web"))
    assert after.status == 0 and old.name not in after.out


def test_a_key_that_is_not_there_cannot_be_revoked(running):
    result = running.stek("revoke", "--key", "00" * 16)
    assert result.status == 1
    assert "no key of that name" in result.err


def test_a_name_seen_on_the_wire_of_a_scope_is_enough(host):
    host.configure(host.target("web", "haproxy", path=host.path("web"),
                               scope="shop"))
    host.stek("init")
    host.start()
    _, (old,) = host.kept()
    web, = json.loads(host.stek("status", "--json").out)["targets"]
    assert web["sealing"] != old.name
    result = host.stek("revoke", "--key", web["sealing"][:8])
    assert result.status == 0
    assert f'in scope "shop" the name of the farm\'s key {old.name}' \
        in result.out
    assert old.name not in [key.name for key in host.kept()[1]]

# SPDX-License-Identifier: ISC
"""
stek status: the farm as stekd has it, for people and as JSON; and what is
left of it when stekd does not answer.
"""
import json
import os
import re
import shutil
import stat
import time

import pytest

from host import (STEK, FakeStekd, Host, is_hidden, opening, pending, sealing,
                  terminal)

HOUR = 3600
NAMES = ("0a" * 16, "1b" * 16, "2c" * 16)


@pytest.fixture
def host():
    host_ = Host()
    yield host_
    host_.close()


def key(name, state, start, end, dead):
    return {"name": name, "state": state, "seal_from": start,
            "seal_until": end, "open_until": dead}


def target(name, state="verified", **more):
    return {"name": name, "format": "nginx", "path": f"/run/stek/{name}",
            "scope": "", "state": state, "version": 3, "sealing": NAMES[1],
            "proof": None, "error": None, "written": None, "verified": None,
            "attempts": 0, "next_try": None, **more}


def status(*targets, now=1_000_000_000, store="live", error=None, keys=None):
    """What a stekd answers, in the middle of its farm's life."""
    if keys is None:
        keys = [
            key(NAMES[0], "opening", now - 9 * HOUR, now - 3 * HOUR,
                now + 9 * HOUR),
            key(NAMES[1], "sealing", now - 3 * HOUR, now + 9 * HOUR,
                now + 21 * HOUR),
            key(NAMES[2], "pending", now + 3 * HOUR, now + 15 * HOUR,
                now + 27 * HOUR)]
    return [{"done": True, "farm": "test", "pid": 4711, "version": 3,
             "now": now, "mint": True,
             "policy": {"rotate": 6 * HOUR, "tickets": 12 * HOUR,
                        "lead": 600},
             "store": {"kind": "dir", "path": "/var/lib/stek/test.set",
                       "state": store, "error": error},
             "wake": now + 1, "sealing": NAMES[1], "keys": keys,
             "targets": list(targets),
             "counters": {"rotations": 1, "revocations": 0,
                          "store_errors": 0}}]


def told(host, answer, *args, **more):
    if os.path.exists(host.path("control")):
        os.unlink(host.path("control"))
    with FakeStekd(host, answer) as stekd:
        result = host.stek("status", *args, **more)
    assert stekd.requests == [{"do": "status"}]
    return result


def row(name, text):
    lines = [line for line in text.splitlines()
             if line.split()[:1] == [name[:8]]]
    assert len(lines) == 1
    return lines[0]


def bar(name, text):
    """A key's drawn life, by column, without the blanks around it."""
    return re.search(r"[.#-]+", row(name, text)[10:]).group()


# --- as people see it --------------------------------------------------------

def test_a_key_seals_until_its_successor_does(host):
    out = told(host, status()).out
    # 36 hours drawn: it sealed 6 of them and opens for 12.
    drawn = bar(NAMES[0], out)
    assert set(drawn) == {"#", "-"} and drawn == "".join(sorted(drawn))
    assert drawn.count("-") == 2 * drawn.count("#")
    # The sealing one began 3 hours ago and its successor comes in 3.
    assert bar(NAMES[1], out).count("#") == drawn.count("#")


def test_a_pending_key_opens_before_it_seals(host):
    drawn = bar(NAMES[2], told(host, status()).out)
    assert drawn.startswith(".") and "#" in drawn


def test_now_is_marked_where_the_sealing_key_seals(host):
    out = told(host, status()).out
    mark, = [line for line in out.splitlines() if "now v" in line]
    assert row(NAMES[1], out)[mark.index("v")] == "#"


def test_a_moment_too_short_to_draw_is_drawn_at_the_mark(host):
    now = 1_000_000_000
    keys = [key(NAMES[0], "sealing", now - 1, now + 10, now + 1000 * HOUR)]
    out = told(host, status(now=now, keys=keys)).out
    assert bar(NAMES[0], out).startswith("#-")


@pytest.mark.parametrize("name, state, left", [
    (NAMES[0], "opening", "9h"), (NAMES[1], "sealing", "3h"),
    (NAMES[2], "pending", "3h")])
def test_each_key_says_what_time_is_left(host, name, state, left):
    assert row(name, told(host, status()).out).split()[-2:] == [state, left]


@pytest.mark.parametrize("mint, since, left", [
    (True, 2, "4h"), (False, 2, "10h"), (True, 7, "5h")],
    ids=["on time", "of a follower", "overdue"])
def test_a_key_whose_successor_is_yet_to_be_made(host, mint, since, left):
    """It seals for 6 hours, or, if none is made, for 12."""
    now = 1_000_000_000
    start = now - since * HOUR
    answer = status(now=now, keys=[
        key(NAMES[0], "sealing", start, start + 12 * HOUR, start + 24 * HOUR)])
    answer[0]["mint"] = mint
    out = told(host, answer).out
    assert row(NAMES[0], out).split()[-2:] == ["sealing", left]
    seals, opens = map(bar(NAMES[0], out).count, "#-")
    assert opens == (3 if left == "4h" else 1) * seals


def test_no_line_about_keys_is_wider_than_a_terminal(host):
    out = told(host, status()).out
    keys = out[out.index("\nkeys"):out.index("\ntargets")]
    assert max(map(len, keys.splitlines())) <= 80


def test_the_drawing_says_from_when_to_when(host):
    now = 1_000_000_000
    ends = [time.strftime("%d %b %H:%M", time.localtime(moment))
            for moment in (now - 9 * HOUR, now + 27 * HOUR)]
    header, = [line for line in told(host, status()).out.splitlines()
               if line.split()[:1] == ["key"]]
    assert ends[0] in header and ends[1] in header
    assert header.index(ends[0]) < header.index(ends[1])


@pytest.mark.parametrize("version, words", [
    (17, "version 17"), (None, "no version")])
def test_a_target_says_which_version_it_has(host, version, words):
    assert words in row("web", told(host, status(
        target("web", version=version))).out)


def test_a_target_says_where_it_is_and_its_scope_if_it_has_one(host):
    out = told(host, status(target("web", scope="shop"), target("api"))).out
    assert "nginx /run/stek/web, scope shop\n" in out
    assert "nginx /run/stek/api\n" in out


def test_that_there_are_no_targets_is_said(host):
    lines = told(host, status()).out.splitlines()
    assert lines[lines.index("targets") + 1:] == ["  none"]
    lines = told(host, status(target("web"))).out.splitlines()
    assert "  none" not in lines


@pytest.mark.parametrize("proof, words", [
    ("mac", "MAC proven"), ("name", "name seen"), (None, "not verified")])
def test_a_target_says_how_far_it_is_proven(host, proof, words):
    out = told(host, status(target("web", proof=proof))).out
    assert words in row("web", out)


def test_a_target_says_when_it_was_verified(host):
    web = target("web", proof="mac", verified=1_000_000_000 - 130)
    assert "2m10s ago" in row("web", told(host, status(web)).out)


def test_an_earlier_proof_is_not_taken_for_the_last_attempt(host):
    web = target("web", "failed", verified=1_000_000_000 - 34)
    assert "  not verified (last proof 34s ago)" in row(
        "web", told(host, status(web)).out)


def test_well_is_0(host):
    result = told(host, status(target("web")))
    assert (result.status, result.err) == (0, "")


@pytest.mark.parametrize("count, tries", [(1, "1 try"), (4, "4 tries")])
def test_a_failed_target_is_1_and_says_why(host, count, tries):
    result = told(host, status(target("web"), target(
        "api", "failed", error="no such socket", attempts=count,
        next_try=1_000_000_000 + 20)))
    assert result.status == 1
    assert "failed" in row("api", result.out)
    assert "no such socket" in result.out
    assert f"{tries} failed, the next is in 20s" in result.out


@pytest.mark.parametrize("state", ["failing", "rollback"])
def test_a_failing_store_is_1_and_says_why(host, state):
    result = told(host, status(store=state, error="disk full"))
    assert result.status == 1
    assert state in result.out and "disk full" in result.out


def test_what_a_command_printed_cannot_move_the_cursor(host):
    result = told(host, status(target(
        "web", "failed", error="\033[2J\033[1;1Hall is well\r\n\a")))
    assert "\033" not in result.out and "\a" not in result.out
    assert "all is well" in result.out


def test_there_is_no_colour_off_a_terminal(host):
    assert "\033" not in told(host, status(target("web"))).out


def on_terminal(host, answer, env):
    leader, follower = terminal()
    told(host, answer, stdout=follower, env={**os.environ, **env})
    os.close(follower)
    shown = b""
    try:
        while True:
            more = os.read(leader, 65536)
            if not more:
                break
            shown += more
    except OSError:
        pass
    os.close(leader)
    return shown


def test_there_is_colour_on_a_terminal(host):
    assert b"\033[" in on_terminal(host, status(target("web")), {})


def test_there_is_no_colour_for_those_who_want_none(host):
    assert b"\033" not in on_terminal(
        host, status(target("web")), {"NO_COLOR": "1"})


# --- as JSON -----------------------------------------------------------------

def test_json_is_what_stekd_said(host):
    answer = status(target("web"))
    result = told(host, answer, "--json")
    assert result.status == 0
    assert json.loads(result.out) == answer[0]


def test_json_has_the_same_exit_status(host):
    assert told(host, status(target("web", "failed")), "--json").status == 1
    assert told(host, status(store="failing"), "--json").status == 1


def test_json_says_that_there_is_no_answer(host):
    result = host.stek("status", "--json")
    assert result.status == 1
    assert json.loads(result.out)["done"] is False
    assert "control" in json.loads(result.out)["error"]


def test_json_says_so_too_of_a_socket_whose_path_is_not_utf_8(host):
    host.conf = host.write("stek.conf", host.read("stek.conf").replace(
        b"/control", b"/caf\xe9"), 0o644)
    result = host.stek("status", "--json")
    assert result.status == 1
    assert host.path("caf") + "?" in json.loads(result.out)["error"]


# --- without stekd -----------------------------------------------------------

def test_stekd_is_asked_although_the_configuration_is_broken(host):
    """It goes by the one from before, and keys may have to be revoked."""
    with open(host.conf, "a", encoding="ascii") as file:
        file.write("frm = 1\n")
    result = told(host, status())
    assert result.status == 1 and "no such option 'frm'" in result.err
    assert "goes on by the configuration from before" in result.err
    assert NAMES[1][:8] in result.out


def test_json_says_that_the_configuration_is_broken(host):
    with open(host.conf, "a", encoding="ascii") as file:
        file.write("frm = 1\n")
    result = host.stek("status", "--json")
    assert result.status == 1
    assert "no such option 'frm'" in json.loads(result.out)["error"]


def test_without_stekd_the_store_is_shown(host):
    old, now, next_ = host.keep(opening(), sealing(), pending(), version=9)
    result = host.stek("status")
    assert result.status == 1
    assert host.path("control") in result.err and "is it running" in result.err
    assert "version 9" in result.out
    assert row(old.name, result.out).split()[-2] == "opening"
    assert row(now.name, result.out).split()[-2] == "sealing"
    assert row(next_.name, result.out).split()[-2] == "pending"
    assert all(is_hidden(k.key, result.raw) for k in (old, now, next_))


def test_without_stekd_and_store_both_are_named(host):
    result = host.stek("status")
    assert (result.status, result.out) == (1, "")
    assert "control" in result.err and "farm.key" in result.err


@pytest.mark.parametrize("answer", [
    b"", b"garbage\n", b"[]\n", b"\x00\xff\n", b'"done"\n', b"{}",
    b'{"done": tru', b'{"done": true, "done": false}\n'],
    ids=["nothing", "garbage", "list", "binary", "text", "no line feed",
         "torn", "twice"])
def test_a_garbled_answer_is_no_answer(host, answer):
    key_, = host.keep(sealing())
    result = told(host, answer)
    assert result.status == 1
    assert "stekd" in result.err
    assert key_.name[:8] in result.out


def test_an_answer_without_an_end_is_given_up(host):
    result = told(host, b"x" * (5 * 1024 * 1024))
    assert result.status == 1
    assert "longer than" in result.err


def test_an_answer_that_lacks_everything_is_shown(host):
    result = told(host, [{"done": True}])
    assert result.status == 1 and result.err == ""


def test_stekds_own_refusal_is_told(host):
    result = told(host, [{"done": False, "error": "not today"}])
    assert result.status == 1
    assert "not today" in result.err


def test_a_socket_that_nobody_listens_at_is_told(host):
    FakeStekd(host).__exit__()
    result = host.stek("status")
    assert result.status == 1
    assert "Connection refused; is it running?" in result.err


def test_who_may_not_use_the_socket_is_told_who_may(host):
    program = shutil.copy(STEK, host.path("stek"))
    os.chmod(host.home, 0o755)
    with FakeStekd(host):
        os.chmod(host.path("control"), 0o600)
        result = host.stek("status", executable=program, user=65534,
                           group=65534, extra_groups=[])
    assert result.status == 1
    assert "Permission denied; it is for root" in result.err
    assert "stekd's user" not in result.err


def test_a_socket_path_that_is_too_long_is_told(host):
    host.configure(control=host.path("x" * 120))
    result = host.stek("status")
    assert result.status == 1
    assert "control" in result.err and "at most 107 characters" in result.err


@pytest.mark.parametrize("args", [("x",), ("--now",), ("--json", "x")])
def test_wrong_usage_is_2(host, args):
    result = host.stek("status", *args)
    assert (result.status, result.out) == (2, "")
    assert "usage: stek [-c FILE] status" in result.err


# --- with stekd --------------------------------------------------------------

def test_a_real_stekd_is_shown(host):
    host.configure(host.target("web", "nginx", path=host.path("web")))
    host.stek("init")
    host.start()
    assert stat.S_ISSOCK(os.stat(host.path("control")).st_mode)
    found = json.loads(host.stek("status", "--json").out)
    result = host.stek("status")
    assert result.status == 0
    version, (kept,) = host.kept()
    assert found["version"] == version == 1
    assert [k["name"] for k in found["keys"]] == [kept.name]
    assert row(kept.name, result.out).split()[-2] == "sealing"
    assert "applied" in row("web", result.out)
    assert is_hidden(kept.key, result.raw)
    assert abs(found["now"] - time.time()) < HOUR

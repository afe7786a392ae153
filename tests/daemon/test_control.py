# SPDX-License-Identifier: ISC
"""
The control socket under abuse: stekd lives on, and serves the next client.
And metrics, over the only other socket it has.
"""
import json
import os
import re
import socket
import subprocess
import time
import urllib.error
import urllib.request

import pytest

from daemon import QUICK, STEKD, Daemon, mode, owner, read_answer, ticks

LINE_MAX = 4096
CLIENTS_MAX = 16


@pytest.fixture(scope="module")
def stekd(farm):
    """One for all of these: none may harm the next."""
    daemon = Daemon(farm)
    daemon.add("web", "haproxy")
    daemon.metrics = farm.port()
    daemon.values["metrics"] = f"127.0.0.1:{daemon.metrics}"
    yield daemon.begin()
    daemon.stop()


@pytest.fixture(autouse=True)
def lives_on(stekd):
    pid = stekd.status()["pid"]
    yield
    stekd.wait(stekd.status, "it serves the next client")
    assert stekd.status()["pid"] == pid


def refused(answer):
    only, = answer
    assert only["done"] is False
    return only["error"]


@pytest.mark.parametrize("request_, says", [
    (b"\n", "expected a JSON object"),
    (b"garbage\n", "expected a JSON object"),
    (b"[]\n", "expected a JSON object"),
    (b"{}\n", "expected a JSON object"),
    (b'{"do": 1}\n', "expected a JSON object"),
    (b'{"do": null}\n', "expected a JSON object"),
    (b'{"do": "status"\n', "expected a JSON object"),
    (b'{"do": "status"} trailing\n', "expected a JSON object"),
    (b'{"do": "st\xff\xfeatus"}\n', "expected a JSON object"),
    (b'{"do": "\\u0000"}\n', "expected a JSON object"),
    (b"[" * 4000 + b"\n", "expected a JSON object"),
    (b"\x00\x01\x02\xff\xfe\n", "expected a JSON object"),
    (b'{"do": "reboot"}\n', "unknown"),
    (b'{"do": "revoke"}\n', "32 hex digits"),
    (b'{"do": "revoke", "all": false}\n', "32 hex digits"),
    (b'{"do": "revoke", "all": "yes"}\n', "32 hex digits"),
    (b'{"do": "revoke", "key": ""}\n', "32 hex digits"),
    (b'{"do": "revoke", "key": 5}\n', "32 hex digits"),
    (b'{"do": "revoke", "key": "%s"}\n' % (b"0" * 31), "32 hex digits"),
    (b'{"do": "revoke", "key": "%s"}\n' % (b"0" * 33), "32 hex digits"),
    (b'{"do": "revoke", "key": "%s"}\n' % (b"xy" * 16), "32 hex digits"),
    (b'{"do": "revoke", "key": "%s"}\n' % (b"00" * 16), "no key of that"),
    (b"x" * LINE_MAX + b"\n", "too long"),
    (b"x" * 100000, "too long"),
], ids=lambda value: str(value)[:40])
def test_what_is_no_request_is_refused_and_changes_nothing(stekd, request_,
                                                           says):
    version = stekd.status()["version"]
    with stekd.dial() as client:
        try:
            client.sendall(request_)
        except BrokenPipeError:
            pass
        assert says in refused(read_answer(client))
    assert stekd.status()["version"] == version


def test_requests_after_the_first_are_not_read(stekd):
    version = stekd.status()["version"]
    line = b'{"do": "status"}\n'
    answer = stekd.ask(line + b'{"do": "revoke", "all": true}\n' * 3)
    assert len(answer) == 1 and answer[0]["done"] is True
    assert stekd.status()["version"] == version


def test_a_request_may_come_byte_by_byte(stekd):
    with stekd.dial() as client:
        for byte in b'{"do": "status"}\n':
            client.sendall(bytes([byte]))
            time.sleep(0.01)
        assert read_answer(client)[0]["done"] is True


@pytest.fixture
def slow(farm):
    """One whose target takes its time once it is told to."""
    daemon = Daemon(farm)
    daemon.flag = daemon.path("flag")
    daemon.add("web", "haproxy",
               reload=f"while test -e {daemon.flag}; do sleep 0.05; done")
    daemon.begin().wait_settled()
    open(daemon.flag, "wb").close()
    yield daemon
    daemon.stop()


def test_a_client_may_say_that_it_asks_no_more(slow):
    """And still gets every line, as with `nc -N`."""
    with slow.dial() as client:
        client.sendall(b'{"do": "revoke", "all": true}\n')
        head = json.loads(client.recv(65536))
        client.shutdown(socket.SHUT_WR)
        slow.status()       # by now it has seen that
        os.unlink(slow.flag)
        told, end = read_answer(client)
    assert head["targets"] == 1
    assert told["target"] == "web" and told["ok"] is True
    assert end == {"done": True, "failed": 0}


def test_who_leaves_before_the_answer_leaves_a_place(slow):
    for _ in range(CLIENTS_MAX + 1):
        with slow.dial() as client:
            client.sendall(b'{"do": "revoke", "all": true}\n')
            assert json.loads(client.recv(65536))["targets"] == 1
    slow.wait(slow.status, "there is a place")
    os.unlink(slow.flag)


def test_silence_ends_a_client(stekd):
    """And half a line; all at once, as it takes ten seconds."""
    clients = [stekd.dial() for _ in range(CLIENTS_MAX)]
    for client in clients[::2]:
        client.sendall(b'{"do": "sta')
    with stekd.dial() as one_more:
        assert one_more.recv(1) == b"", "one too many is not let in"
    began = time.monotonic()
    for client in clients:
        assert client.recv(1) == b""
        client.close()
    assert time.monotonic() - began < 20


def test_a_hundred_clients_come_and_go(stekd):
    for _ in range(100):
        stekd.dial().close()
    clients = []
    for _ in range(100):
        client = socket.socket(socket.AF_UNIX)
        client.setblocking(False)
        if client.connect_ex(stekd.path("control")) == 0:
            clients.append(client)
    for client in clients:
        client.close()


def many_targets(farm, **options):
    """Whose answers are more than a socket holds."""
    daemon = Daemon(farm)
    for i in range(200):
        daemon.targets.append(
            f'target t{i} {{ format = "haproxy" path = '
            f'"/dev/shm/none-{"x" * 700}/{i}" }}\n')
    return daemon.begin()


def test_a_client_that_never_reads_loses_its_place(farm):
    daemon = many_targets(farm)
    daemon.wait_settled()
    clients = []
    for request in ("status", "rotate"):
        for _ in range(CLIENTS_MAX // 2):
            client = daemon.dial()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            client.sendall(b'{"do": "%s"}\n' % request.encode())
            clients.append(client)
    daemon.wait(daemon.status, "there is a place again", 30)
    for client in clients:
        client.close()
    daemon.wait(lambda: all_let_in(daemon), "all of theirs are free", 30)
    daemon.stop()


def all_let_in(daemon):
    """As many as there are places; who is not let in reads the end."""
    clients = [daemon.dial() for _ in range(CLIENTS_MAX - 1)]
    good = daemon.status() is not None
    for client in clients:
        client.setblocking(False)
        try:
            good = good and client.recv(1) != b""
        except BlockingIOError:
            pass
        client.close()
    return good


def test_it_is_for_the_one_who_started_stekd(stekd):
    path = stekd.path("control")
    assert mode(path) == "0o600" and owner(path) == (0, 0)
    done = subprocess.run(
        ["python3", "-c", "import socket, sys; "
         "socket.socket(socket.AF_UNIX).connect(sys.argv[1])", path],
        user=65534, group=65534, extra_groups=[], capture_output=True,
        text=True, check=False)
    assert "PermissionError" in done.stderr


def test_words_that_are_not_utf8_are_told_all_the_same(farm):
    """What a reload prints, and a path, can be any bytes."""
    daemon = Daemon(farm)
    daemon.stek("init")
    with open(daemon.conf, "ab") as conf:
        conf.write(b'target web { format = "haproxy" path = "%s" reload = '
                   b'"echo \xff\xfe; exit 1" scope = "\xff" }\n'
                   % (daemon.path("web").encode() + b"-\xe4"))
    daemon.launch()
    daemon.wait(daemon.status, "it answers")
    assert "ended with 1; ??" in daemon.wait_failed("web")["error"]
    answer = daemon.ask({"do": "rotate", "now": True})
    assert answer[-1] == {"done": True, "failed": 1}
    daemon.stop()


# --- metrics ---------------------------------------------------------------

def fetch(stekd, path="/metrics", **options):
    return urllib.request.urlopen(urllib.request.Request(
        f"http://127.0.0.1:{stekd.metrics}{path}", **options), timeout=30)


def samples(stekd):
    """Name and labels, and the number."""
    with fetch(stekd) as answer:
        text = answer.read().decode()
    return dict(line.rsplit(" ", 1) for line in text.splitlines()
                if not line.startswith("#"))


NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(
    NAME + r'(\{[a-zA-Z_]\w*="([^"\\\n]|\\.)*"\})? -?\d+(\.\d+)?$')


def test_metrics_are_prometheus_text(stekd):
    """Each with its help and type before it, in one block."""
    with fetch(stekd) as answer:
        assert answer.headers["Content-Type"].startswith(
            "text/plain; version=0.0.4")
        text = answer.read().decode()
    assert text.endswith("\n")
    seen = []
    for line in text.splitlines():
        if line.startswith("# HELP "):
            seen.append(line.split()[2])
        elif line.startswith("# TYPE "):
            _, _, name, type_ = line.split()
            assert name == seen[-1] and type_ in ("gauge", "counter")
            assert (type_ == "counter") == name.endswith("_total")
        else:
            assert SAMPLE.match(line), line
            assert re.match(NAME, line).group() == seen[-1]
    assert len(seen) == len(set(seen))


def test_metrics_move(stekd):
    before = samples(stekd)
    assert before["stek_sealing"] == "1" and before["stek_store_ok"] == "1"
    assert before['stek_target_ok{target="web"}'] == "1"
    stekd.stek("revoke", "--all")
    after = samples(stekd)
    assert int(after["stek_set_version"]) > int(before["stek_set_version"])
    assert int(after["stek_revocations_total"]) == 1 + int(
        before["stek_revocations_total"])
    assert int(after['stek_target_version{target="web"}']) == int(
        after["stek_set_version"])
    assert after['stek_keys{state="sealing"}'] == "1"


def test_a_failing_target_shows_in_metrics(stekd):
    name = 'stek_target_ok{target="web"}'
    failures = 'stek_target_failures_total{target="web"}'
    before = int(samples(stekd)[failures])
    os.chmod(stekd.home, 0o777)     # others could replace files in it
    stekd.stek("rotate", "--now", check=False)
    assert samples(stekd)[name] == "0"
    assert int(samples(stekd)[failures]) > before
    os.chmod(stekd.home, 0o755)
    stekd.wait(lambda: samples(stekd)[name] == "1", "it is in order again")


@pytest.mark.parametrize("path, options", [
    ("/", {}), ("/status", {}), ("/metrics/../../etc/passwd", {}),
    ("/metrics", {"method": "POST", "data": b"x"}),
    ("/metrics", {"method": "PUT", "data": b"x"}),
    ("/metrics", {"method": "DELETE"})])
def test_nothing_else_is_served(stekd, path, options):
    with pytest.raises(urllib.error.HTTPError) as error:
        fetch(stekd, path, **options)
    assert error.value.code in (404, 405, 501)


def test_a_metrics_port_that_is_taken_is_waited_for(farm):
    """Keys are more than metrics: stekd starts, and tells."""
    daemon = Daemon(farm)
    daemon.metrics = farm.port()
    daemon.values["metrics"] = f"127.0.0.1:{daemon.metrics}"
    with socket.socket() as other:
        other.bind(("127.0.0.1", daemon.metrics))
        other.listen()
        daemon.begin()
        daemon.wait_said("ready")
        told = daemon.status()["metrics_error"]
        assert f"127.0.0.1:{daemon.metrics}: Address already in use" in told
        shown = daemon.stek("status", check=False)
        assert shown.returncode == 1 and f"metrics: {told}" in shown.stdout
        assert "Address already in use" in daemon.stek(
            "check", check=False).stdout
    daemon.wait(lambda: daemon.status()["metrics_error"] is None,
                "metrics are served")
    assert samples(daemon)["stek_sealing"] == "1"
    assert daemon.said().count("cannot listen for metrics") == 1
    assert daemon.stek("status").returncode == 0
    daemon.stop()


def test_a_crowd_at_the_metrics_port_keeps_nobody_else_out(farm):
    """Nor does it leave stekd without a descriptor for its store."""
    daemon = Daemon(farm)
    daemon.metrics = farm.port()
    daemon.values["metrics"] = f"127.0.0.1:{daemon.metrics}"
    daemon.configure()
    daemon.stek("init")
    daemon.run("sh", "-c",
               f"ulimit -n 200; exec {STEKD} -c {daemon.conf} -f")
    daemon.wait(daemon.status, "it answers")
    crowd = []
    for _ in range(300):
        crowd.append(socket.create_connection(("127.0.0.1", daemon.metrics)))
    daemon.stek("rotate", "--now")
    assert daemon.status()["store"]["error"] is None
    used = ticks(daemon.child.pid)
    time.sleep(1)
    assert ticks(daemon.child.pid) - used < os.sysconf("SC_CLK_TCK") / 4
    for client in crowd:
        client.close()
    daemon.wait(lambda: samples(daemon), "metrics are served again")
    daemon.stop()


def test_a_slow_reader_of_metrics_keeps_nobody_out(stekd):
    slow = socket.create_connection(("127.0.0.1", stekd.metrics))
    slow.sendall(b"GET /metrics HTTP/1.1\r\nHost:")
    assert samples(stekd)
    slow.close()


def test_the_numbers_of_a_quick_farm_are_right(farm):
    daemon = Daemon(farm, policy=QUICK)
    daemon.metrics = farm.port()
    daemon.values["metrics"] = f"127.0.0.1:{daemon.metrics}"
    daemon.begin()
    daemon.wait_version(4)
    status, seen = daemon.status(), samples(daemon)
    assert abs(int(seen["stek_set_version"]) - status["version"]) <= 1
    assert int(seen["stek_sealing_key_age_seconds"]) <= 6
    assert int(seen["stek_rotations_total"]) >= 4
    assert json.dumps(seen)
    daemon.stop()

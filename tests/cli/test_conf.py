# SPDX-License-Identifier: ISC
"""
A configuration that is wrong: each verb says in which line, what was found
and what was expected, does nothing, and fails.
"""
import os

import pytest

from host import Host

VERBS = [("status",), ("rotate",), ("revoke", "--all"), ("show",), ("check",),
         ("export", "--format", "haproxy"), ("init",),
         ("import", "--format", "haproxy", "/dev/null")]


@pytest.fixture
def host():
    host_ = Host()
    yield host_
    host_.close()


def wrong(host, text, *words):
    """This configuration is refused with these words, its path first."""
    host.write("stek.conf", text, mode=0o644)
    result = host.stek("show")
    assert (result.status, result.out) == (1, "")
    assert result.err.startswith(f"stek: {host.conf}: ")
    for word in words:
        assert word in result.err


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb[0])
def test_every_verb_needs_a_configuration_that_is_right(host, verb):
    host.write("stek.conf", 'farm = "test"\n\ncolour = "red"\n')
    result = host.stek(*verb)
    assert (result.status, "line 3" in result.err) == (1, True)
    assert os.listdir(host.home) == ["stek.conf"]


@pytest.mark.parametrize("verb", [v for v in VERBS if v[0] != "init"],
                         ids=lambda verb: verb[0])
def test_a_missing_configuration_is_told_with_its_cure(host, verb):
    os.unlink(host.conf)
    result = host.stek(*verb)
    assert (result.status, result.out) == (1, "")
    assert f'{host.conf}: No such file or directory' in result.err
    assert 'stek init' in result.err


def test_c_is_taken_before_and_after_the_verb(host):
    os.unlink(host.conf)
    for args in (("-c", host.conf, "show"), ("show", "-c", host.conf)):
        assert host.conf in host.stek(*args, conf=False).err


def test_c_needs_a_file(host):
    result = host.stek("show", "-c", conf=False)
    assert result.status == 2 and "-c needs a file" in result.err


def test_a_folder_is_no_configuration(host):
    result = host.stek("show", "-c", host.home, conf=False)
    assert result.status == 1 and host.home in result.err


def test_a_binary_is_no_configuration(host):
    wrong(host, b"farm = \"x\"\n\x00", "zero byte")


TARGET = 'target web {\n    format = "nginx"\n    path = "/run/web"\n'


@pytest.mark.parametrize("text, line, words", [
    ("colour = red\n", 1, ["colour"]),
    ('farm = "a/b"\n', 1, ["a/b", "A-Z"]),
    ('\nfarm = ""\n', 2, ["1 to 64"]),
    ('farm = "' + "x" * 65 + '"\n', 1, ["1 to 64"]),
    ('store = "stek"\n', 1, ["dir:"]),
    ('store = "etcd:https://a"\n', 1, ["https://etcd1:2379", '"https://a"']),
    ('store = "etcd:https://a:1,b:2"\n', 1, ['found "b:2"']),
    ('store = "etcd:https://u@a:1"\n', 1, ["https://etcd1:2379"]),
    ('store = "etcd:"\n', 1, ["1 to 16 addresses"]),
    ('store = "s3:bucket"\n', 1, ["dir:", "etcd:"]),
    ('node = "a b"\n', 1, ["1 to 64"]),
    ('state = "stek"\n', 1, ["absolute path"]),
    ('etcd {\nprefix = "stek"\n}\n', 2, ["begins and ends with /"]),
    ('etcd {\nca = "ca.pem"\n}\n', 2, ["absolute path"]),
    ('policy {\npostpone = "soon"\n}\n', 2, ["wait"]),
    ('policy {\nstale_after = "never"\n}\n', 2, ["off"]),
    ('farm_key = "farm.key"\n', 1, ["absolute path"]),
    ('user = "nobody-has-this-name"\n', 1, ["no such user"]),
    ('control = "control"\n', 1, ["absolute path"]),
    ('control = "/' + "x" * 107 + '"\n', 1,
     ["at most 107 characters, found 108"]),
    ('store = "dir:/' + "x" * 1023 + '"\n', 1,
     ["at most 1023 characters, found 1024"]),
    ('farm_key = "/' + "x" * 1023 + '"\n', 1,
     ["at most 1023 characters, found 1024"]),
    ('store = "dir:/var//lib"\n', 1, ["absolute path", "empty part"]),
    ('metrics = "9100"\n', 1, ["ADDRESS:PORT"]),
    ('mint = "perhaps"\n', 1, ["mint"]),
    ('allow = {"swap"}\n', 1, ["disk", "unlocked"]),
    ('policy {\n  rotate = "often"\n}\n', 2, ["often", '"6h"']),
    ('policy {\n\n  lead = "-1s"\n}\n', 3, ["-1s"]),
    ('target web {\n  format = "iis"\n}\n', 2, ["unknown format"]),
    ('target web {\n  format = "lighttpd-gnutls"\n}\n', 2,
     ["does not drive", "mod_gnutls"]),
    (TARGET + '    owner = "root"\n}\n', 4, ["USER:GROUP"]),
    (TARGET + '    owner = "root:no-such-group"\n}\n', 4, ["USER:GROUP"]),
    (TARGET + '    mode = "0644"\n}\n', 4, ["0644", "octal"]),
    (TARGET + '    mode = "0660"\n}\n', 4, ["0660", "octal"]),
    (TARGET + '    mode = "rw"\n}\n', 4, ["octal"]),
    (TARGET + '    path = "web"\n}\n', 4, ["absolute path"]),
    (TARGET + '    path = "/run/' + "x" * 1019 + '"\n}\n', 4,
     ["at most 1023 characters, found 1024"]),
    (TARGET + '    verify = "443"\n}\n', 4, ["HOST:PORT"]),
    (TARGET + '    verify = "host:70000"\n}\n', 4, ["HOST:PORT"]),
    (TARGET + '    reload = "signal:KILL:/run/x"\n}\n', 4, ["signal:HUP"]),
    (TARGET + '    reload = "haproxy:sock"\n}\n', 4, ["haproxy:/"]),
    (TARGET + '    verify = "::1:443"\n}\n', 4, ["in brackets"]),
    (TARGET + f'    scope = "{"s" * 256}"\n}}\n', 4, ["255"]),
    ('farm = "open\n', 2, ["premature end"]),
    # Half a file is not taken for a whole one.
    (TARGET, 4, ["the file ends within { }"]),
    (TARGET + "}\npolicy {\n", 6, ["the file ends within { }"]),
    (TARGET + '    verify = ', 5, []),
    ('allow = {"disk",\n', 2, []),
], ids=lambda value: value[:30] if isinstance(value, str) else "")
def test_a_wrong_value_is_told_with_its_line(host, text, line, words):
    wrong(host, text, f": line {line}: ", *words)


@pytest.mark.parametrize("text, words", [
    ('farm = "x"\n/* policy { rotate = "1h" }\n', ["within a comment"]),
    ('policy { rotate = "0s" }\n', ["rotate: expected 1s to 30d"]),
    ('policy { rotate = "31d" }\n', ["30d"]),
    ('policy { tickets = "8d" }\n', ["7d"]),
    ('policy { rotate = "1m" lead = "2m" }\n', ["lead: expected no more"]),
    ('policy { rotate = "1m" tickets = "1h" lead = "1s" }\n',
     ["16 keys", "62"]),
    ('target web { path = "/run/web" }\n', ["target web", "no format"]),
    ('target web { format = "nginx" }\n', ["target web", "no path"]),
    ('target web { format = "nginx" path = "/run/a b" }\n',
     ["target web", "/run/a b", "letters, digits"]),
    ('target web { format = "unbound" path = "/run/' + "x" * 891 + '" }\n',
     ["target web", "less than 896"]),
    ('target "a b" { format = "nginx" path = "/run/web" }\n', ["a b"]),
    ('target a { format = "nginx" path = "/run/web" }\n'
     'target b { format = "haproxy" path = "/run/web" }\n',
     ["targets a and b", "/run/web"]),
    ('target a { format = "nginx" path = "/run/a" }\n'
     'target a { format = "nginx" path = "/run/b" }\n', ["duplicate", "a"]),
    ("".join(f'target t{i} {{ format = nginx path = "/run/{i}" }}\n'
             for i in range(257)), ["257 targets"]),
], ids=lambda value: value[:40] if isinstance(value, str) else "")
def test_values_that_do_not_go_together_are_told(host, text, words):
    wrong(host, 'user = "root"\n' + text, *words)


def test_a_line_feed_at_the_end_may_be_missing(host):
    host.keep()
    host.configure("# the end")
    assert host.stek("show").status == 0


@pytest.mark.parametrize("text, line", [
    ('farm = "${FARM}"\n', 1), ("farm = ${FARM}\n", 1),
    ('farm = "a${FARM}b"\n', 1), ('farm = "${FARM:-test}"\n', 1),
    ('# it\'s\n// it\'s\n/* it\'s\n * */\nfarm = "${FARM}"\n', 5),
    ("farm = 'it\\'s'\nuser = \"a\\\"b'\\\\${FARM}\"\n", 2),
    ('/*/ ${FARM} */ farm = "\n\\\n${FARM}"\n', 3),
    ('store = dir:/a//b\nfarm = "${FARM}"\n', 2),
])
def test_a_variable_of_the_environment_is_refused(host, monkeypatch, text,
                                                  line):
    """stekd has another environment than who calls stek."""
    monkeypatch.setenv("FARM", "test")
    wrong(host, text, f"line {line}: ", '"${"', "environment")


@pytest.mark.parametrize("text", [
    "# ${FARM}\n", "// ${FARM}\n", "/* ${FARM}\n ** ${FARM} */\n",
    "farm = 'test' # ${FARM}\n",
    "target x { format = nginx path = /x reload = 'echo ${FARM} \\' ${FARM}' }\n",
    'target x { format = nginx path = /x reload = "echo \\${FARM} $FARM" }\n',
])
def test_what_is_no_variable_of_the_environment_is_taken(host, monkeypatch,
                                                         text):
    monkeypatch.setenv("FARM", '"')
    host.configure()
    with open(host.conf, "a", encoding="ascii") as conf:
        conf.write(text)
    assert "line" not in host.stek("status").err

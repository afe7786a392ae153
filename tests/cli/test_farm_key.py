# SPDX-License-Identifier: ISC
"""
A farm key that follows from a TLS private key: one key gives one farm key in
whatever encoding, what is refused is told, and nothing that follows from a key
is shown.

A store is encrypted here with the farm key that derived.py computes: if stek
shows what is in it, then it has derived the same.
"""
import base64
import grp
import os
import subprocess
import sys

import pytest

from host import STEK, Host, is_hidden, sealing

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "daemon"))

from derived import derived, number, openssl, primes    # noqa: E402, as above

EXPECTED = ("expected one private key without a passphrase, PEM or DER: RSA "
            "of 2048 to 16384 bits, EC of 224 bits or more, Ed25519 or Ed448")


@pytest.fixture
def host():
    host_ = Host()
    host_.configure(farm_key=f"cert:{host_.path('server.key')}")
    yield host_
    host_.close()


def generate(*args):
    return openssl("genpkey", *args)


KEYS = {
    "rsa-2048": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    "rsa-3072-e-3": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072",
                     "-pkeyopt", "rsa_keygen_pubexp:3"],
    "rsa-2049": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2049"],
    "rsa-pss": ["-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"],
    **{curve: ["-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{curve}"]
       for curve in ("secp224r1", "prime256v1", "secp384r1", "secp521r1",
                     "brainpoolP256r1", "secp256k1", "sect283r1")},
    "ed25519": ["-algorithm", "ED25519"],
    "ed448": ["-algorithm", "ED448"],
}


@pytest.fixture(scope="module")
def made():
    """A private key of each kind, as PKCS#8 in PEM."""
    return {name: generate(*args) for name, args in KEYS.items()}


@pytest.fixture(scope="module")
def certificate(made):
    """A self-signed one."""
    return openssl("req", "-x509", "-key", "/dev/stdin", "-subj", "/CN=x",
                   data=made["prime256v1"])


def opens(host, data, farm_key):
    """With this in the file, the store that this farm key closes opens."""
    host.write("server.key", data)
    host.farm_key = farm_key
    kept, = host.keep(sealing())
    result = host.stek("show")
    assert (result.status, result.err) == (0, "")
    return kept.name[:8] in result.out


def farm_key_of(host, pem):
    return derived(host.write("pem", pem))


def refused(host, data, *found):
    """Each verb that needs the farm key says so."""
    if data is not None:
        host.write("server.key", data)
    for verb in ("init", "show"):
        result = host.stek(verb)
        assert result.status == 1
        assert f"{host.path('server.key')}: " in result.err
        for text in found:
            assert text in result.err


# --- one key, one farm key ---------------------------------------------------

@pytest.mark.parametrize("name", KEYS)
def test_each_kind_of_key_gives_the_farm_key_that_is_written_down(
        host, made, name):
    assert opens(host, made[name], farm_key_of(host, made[name]))


@pytest.mark.parametrize("name", KEYS)
def test_der_gives_what_pem_gives(host, made, name):
    der = openssl("pkey", "-outform", "DER", data=made[name])
    assert opens(host, der, farm_key_of(host, made[name]))


@pytest.mark.parametrize("name", ["rsa-2048", "rsa-3072-e-3", "prime256v1",
                                  "secp521r1"])
@pytest.mark.parametrize("form", ["PEM", "DER"])
def test_the_older_form_of_a_key_gives_what_pkcs8_gives(
        host, made, name, form):
    """PKCS#1 and SEC1."""
    old = openssl("pkey", "-traditional", "-outform", form, data=made[name])
    assert form == "DER" or b"BEGIN PRIVATE KEY" not in old
    assert opens(host, old, farm_key_of(host, made[name]))


@pytest.mark.parametrize("form", ["PEM", "DER"])
@pytest.mark.parametrize("options", [
    ["-no_public"], ["-conv_form", "compressed"], ["-param_enc", "explicit"]],
    ids=lambda options: options[-1])
def test_an_ec_key_is_the_same_however_its_public_part_is_written(
        host, made, form, options):
    data = openssl("ec", "-outform", form, *options, data=made["prime256v1"])
    assert opens(host, data, farm_key_of(host, made["prime256v1"]))


def test_what_stands_around_a_key_does_not_matter(host, made, certificate):
    params = openssl("ecparam", "-name", "secp384r1")
    dh = openssl("dhparam", "-dsaparam", "2048")
    key = made["prime256v1"]
    for data in (params + key, key + params, certificate + key,
                 key + certificate + certificate, dh + key + certificate,
                 b"Bag Attributes\n    friendlyName: x\n" + key + b"\n\nend\n",
                 (certificate + key + dh).replace(b"\n", b"\r\n"),
                 key.rstrip(b"\n")):
        assert opens(host, data, farm_key_of(host, key))


def test_a_public_key_beside_the_private_one_does_not_matter(host, made):
    public = openssl("pkey", "-pubout", data=made["ed25519"])
    assert opens(host, public + made["ed25519"],
                 farm_key_of(host, made["ed25519"]))


def der_of(tag, data):
    size = len(data)
    head = bytes([tag, size]) if size < 128 else bytes(
        [tag, 0x82, size >> 8, size & 255])
    return head + data


def pkcs1(*numbers):
    return der_of(0x30, b"".join(
        der_of(2, n.to_bytes(n.bit_length() // 8 + 1, "big"))
        for n in numbers))


def rsa_numbers(pem):
    text = openssl("pkey", "-noout", "-text", data=pem).decode()
    return (int.from_bytes(number(text, "modulus"), "big"),
            *primes(text)[1])


def rsa(n, p, q, d=None):
    """A key of these numbers, the rest of which fits."""
    d = d or pow(65537, -1, (p - 1) * (q - 1))
    return pkcs1(0, n, 65537, d, p, q, d % (p - 1), d % (q - 1),
                 pow(q, -1, p))


def test_the_order_of_the_primes_does_not_matter(host, made):
    n, p, q = rsa_numbers(made["rsa-2048"])
    farm_key = farm_key_of(host, made["rsa-2048"])
    assert p < q
    for data in (rsa(n, p, q), rsa(n, q, p)):
        assert opens(host, data, farm_key)


def test_how_the_private_exponent_was_made_does_not_matter(host, made):
    """Modulo (p-1)(q-1), or modulo their least common multiple."""
    n, p, q = rsa_numbers(made["rsa-2048"])
    farm_key = farm_key_of(host, made["rsa-2048"])
    d = pow(65537, -1, (p - 1) * (q - 1) // 2)
    assert opens(host, rsa(n, p, q, d), farm_key)


def test_two_keys_give_two_farm_keys(host, made):
    keys = [farm_key_of(host, made[name]) for name in KEYS]
    assert len(set(keys)) == len(keys)
    host.write("server.key", made["ed25519"])
    host.farm_key = farm_key_of(host, made["ed448"])
    host.keep(sealing())
    result = host.stek("show")
    assert result.status == 1
    assert "server.key" in result.err and "another farm key" in result.err


# --- what is refused ---------------------------------------------------------

def test_a_missing_file(host):
    refused(host, None, "No such file",
            "the private key that all servers of the farm have in common")


def test_an_empty_file(host):
    refused(host, b"", "found an empty file", EXPECTED)


def test_a_key_with_a_passphrase(host, made):
    for args in (["pkey", "-aes128"], ["pkey", "-traditional", "-aes128"],
                 ["pkcs8", "-topk8", "-outform", "DER"]):
        data = openssl(*args, "-passout", "pass:secret", data=made["rsa-2048"])
        refused(host, data, "found a private key with a passphrase", EXPECTED)


def test_a_passphrase_is_not_asked_for(host, made):
    host.write("server.key", openssl("pkcs8", "-topk8", "-outform", "DER",
                                     "-passout", "pass:secret",
                                     data=made["ed25519"]))
    done = subprocess.run(
        ["setsid", "-w", "script", "-qec", f"{STEK} -c {host.conf} show",
         "/dev/null"], input=b"secret\n", stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, timeout=60, check=False)
    assert b"with a passphrase" in done.stdout
    assert b"Enter" not in done.stdout and b"pass phrase" not in done.stdout


def test_a_certificate_alone(host, certificate):
    refused(host, certificate, "found 1 certificate and no private key",
            EXPECTED)
    refused(host, certificate * 2, "found 2 certificates and no private key")
    refused(host, openssl("x509", "-outform", "DER", data=certificate),
            "found a certificate and no private key")


@pytest.mark.parametrize("form", ["PEM", "DER"])
def test_a_public_key_alone(host, made, form):
    for name in ("rsa-2048", "prime256v1", "ed25519"):
        public = openssl("pkey", "-pubout", "-outform", form, data=made[name])
        refused(host, public, "found a public key and no private key",
                EXPECTED)


def test_parameters_alone(host):
    refused(host, openssl("ecparam", "-name", "secp384r1"),
            "found PEM without a private key")


def test_several_private_keys(host, made):
    refused(host, made["rsa-2048"] + made["prime256v1"],
            "found 2 private keys", EXPECTED)
    refused(host, made["ed448"] * 3, "found 3 private keys", EXPECTED)


def test_several_private_keys_in_der(host, made):
    der = openssl("pkey", "-outform", "DER", data=made["ed25519"])
    refused(host, der * 2, "neither PEM nor just one key in DER", EXPECTED)


@pytest.mark.parametrize("args, found", [
    (["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"],
     "found an RSA key of 1024 bits"),
    (["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2047"],
     "found an RSA key of 2047 bits"),
    (["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-pkeyopt",
      "rsa_keygen_primes:3"], "found an RSA key of more than two primes"),
    (["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime192v1"],
     "found an EC key of 192 bits, on prime192v1"),
    (["-algorithm", "X25519"], "found a key of type X25519"),
    (["-algorithm", "SM2"], "found a key of type SM2"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_a_key_of_another_kind_or_too_small(host, args, found):
    refused(host, generate(*args), found, EXPECTED)


def test_a_key_of_ssh(host):
    body = base64.b64encode(b"openssh-key-v1\0" + bytes(100))
    refused(host, b"-----BEGIN OPENSSH PRIVATE KEY-----\n" + body[:64] + b"\n"
            b"-----END OPENSSH PRIVATE KEY-----\n",
            'found a block "OPENSSH PRIVATE KEY" that cannot be decoded')


def test_a_file_that_is_cut_off(host, made):
    refused(host, made["rsa-2048"][:1000], "damaged or cut off", EXPECTED)


def test_a_file_that_is_not_text_and_no_key(host):
    refused(host, os.urandom(32), "neither PEM nor just one key in DER",
            EXPECTED)


def test_an_rsa_key_that_follows_from_its_public_key(host, made):
    """All can know such a farm key."""
    n, p, q = rsa_numbers(made["rsa-2048"])
    for one, other in ((1, n), (n, 1), (p, p), (q, n)):
        data = pkcs1(0, n, 65537, pow(65537, -1, (p - 1) * (q - 1)), one,
                     other, 1, 1, 1)
        refused(host, data, "not the product of its primes")


def test_a_file_over_64_kb(host, made):
    data = made["ed25519"]
    data += b"\n" * (65536 - len(data))
    assert opens(host, data, farm_key_of(host, made["ed25519"]))
    refused(host, data + b"\n", "at most 64 KB", "found a larger one")


def test_a_folder(host):
    os.mkdir(host.path("server.key"), 0o700)
    refused(host, None, "at most 64 KB")


@pytest.mark.parametrize("bits", [0o644, 0o660, 0o604])
def test_a_key_that_others_get_at(host, made, bits):
    host.write("server.key", made["ed25519"], mode=bits)
    refused(host, None, "others can read or replace the farm key",
            "mode 0600 or 0640")


def test_a_key_in_a_folder_that_others_can_write_to(host, made):
    host.write("theirs/server.key", made["ed25519"])
    os.chmod(host.path("theirs"), 0o777)
    host.configure(farm_key=f"cert:{host.path('theirs/server.key')}")
    result = host.stek("show")
    assert result.status == 1
    assert "others can read or replace the farm key" in result.err


def test_a_key_that_a_group_may_read_as_debian_has_it(host, made):
    """/etc/ssl/private is root's, group ssl-cert, mode 0710."""
    group = grp.getgrnam("nogroup").gr_gid
    os.mkdir(host.path("private"), 0o710)
    os.chown(host.path("private"), 0, group)
    path = host.write("private/server.key", made["prime256v1"], mode=0o640)
    os.chown(path, 0, group)
    host.configure(farm_key=f"cert:{path}")
    host.farm_key = farm_key_of(host, made["prime256v1"])
    host.keep(sealing())
    assert host.stek("show").status == 0
    said = host.stek("check").out
    assert f"note  {path}: group {group} can read it" in said
    assert "fail  farm key" not in said


def test_a_key_behind_a_link_as_certbot_has_it(host, made):
    host.write("archive/privkey1.pem", made["prime256v1"])
    os.mkdir(host.path("live"), 0o700)
    os.symlink("../archive/privkey1.pem", host.path("live/privkey.pem"))
    host.configure(farm_key=f"cert:{host.path('live/privkey.pem')}")
    host.farm_key = farm_key_of(host, made["prime256v1"])
    host.keep(sealing())
    assert host.stek("show").status == 0


# --- init and check ----------------------------------------------------------

def test_init_makes_no_key_and_says_what_it_is_derived_from(host, made):
    host.write("server.key", made["secp384r1"])
    result = host.stek("init")
    assert (result.status, result.err) == (0, "")
    line = result.out.splitlines()[1].split(maxsplit=2)
    assert line == ["found", f"cert:{host.path('server.key')}",
                    "farm key: derived from an EC key on secp384r1"]
    assert sorted(os.listdir(host.home)) == ["server.key", "stek.conf",
                                             "store"]
    assert host.read("server.key") == made["secp384r1"]


def test_init_makes_nothing_in_the_place_of_a_missing_certificate(host):
    assert host.stek("init").status == 1
    assert sorted(os.listdir(host.home)) == ["stek.conf"]


@pytest.mark.parametrize("name, kind", [
    ("rsa-2048", "an RSA key of 2048 bits"),
    ("prime256v1", "an EC key on prime256v1"), ("ed25519", "an Ed25519 key"),
    ("ed448", "an Ed448 key")])
def test_check_says_what_the_farm_key_is(host, made, name, kind):
    path = host.write("server.key", made[name])
    host.stek("init")
    said = host.stek("check").out
    assert (f"ok    {path}: the farm key is derived from {kind}, which "
            "others cannot read") in said


def test_check_says_what_a_renewal_does(host, made):
    path = host.write("server.key", made["ed25519"])
    host.stek("init")
    note, = [line for line in host.stek("check").out.splitlines()
             if line.startswith(f"note  {path}: ")]
    assert "with another key in it no host can read the store" in note
    assert "renew the certificate with the same key" in note


def test_check_of_a_file_of_random_bytes_says_nothing_of_certificates(host):
    host.configure()
    host.stek("init")
    said = host.stek("check").out
    assert "32 random bytes, which others cannot read" in said
    assert "certificate" not in said and "derived" not in said


def test_check_fails_with_a_key_that_is_refused(host, certificate):
    path = host.write("server.key", certificate)
    assert (f"fail  farm key: {path}: found 1 certificate and no private "
            f"key; {EXPECTED}") in host.stek("check").out


def test_nothing_that_follows_from_the_key_is_shown(host, made):
    """Not the farm key, not the seed, in bytes, hex or base64."""
    host.write("server.key", made["ed25519"])
    farm_key = farm_key_of(host, made["ed25519"])
    seed = openssl("pkey", "-outform", "DER", data=made["ed25519"])[-32:]
    host.farm_key = farm_key
    kept, = host.keep(sealing())
    for args in (["init"], ["check"], ["check", "--json"], ["status"],
                 ["status", "--json"], ["show"]):
        result = host.stek(*args)
        said = result.raw + result.err.encode()
        for secret in (farm_key, seed):
            for part in (secret[:8], secret[8:16]):
                assert part not in said
                assert part.hex().encode() not in said.lower()
            assert base64.b64encode(secret)[:12] not in said
        assert is_hidden(kept.key, said)


# --- the configuration ------------------------------------------------------

@pytest.mark.parametrize("value", ["cert:", "cert:server.key", "cert:/a/../b",
                                   "cert:cert:/x", "Cert:/x", "farm.key", "",
                                   "cert:/" + "x" * 1023])
def test_a_path_that_is_none(host, value):
    host.configure(farm_key=value)
    result = host.stek("show")
    assert result.status == 1
    assert f"{host.conf}: line 3: " in result.err


def test_a_target_in_the_place_of_the_private_key(host):
    host.configure(host.target("web", "haproxy", host.path("server.key")),
                   farm_key=f"cert:{host.path('server.key')}")
    result = host.stek("show")
    assert result.status == 1 and "target web: its path" in result.err

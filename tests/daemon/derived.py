# SPDX-License-Identifier: ISC
"""
The farm key that follows from a TLS private key, computed from the numbers
that openssl prints.

Never here: libstek, stekd, stek.
Invariant: the derivation is written down here a second time, from
daemon/farm_cert.h.
"""
import hashlib
import hmac
import re
import subprocess


def hkdf(secret, info):
    """RFC 5869 with SHA-256 and no salt, 32 bytes."""
    prk = hmac.new(bytes(32), secret, hashlib.sha256).digest()
    return hmac.new(prk, info + b"\x01", hashlib.sha256).digest()


def openssl(*args, data=None):
    return subprocess.run(["openssl", *args], input=data, check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          timeout=60).stdout


def number(text, name):
    """The bytes that openssl prints below this name."""
    digits = re.search(rf"^{name}:\s*((?:[0-9a-f]{{2}}:?\s*)+)", text, re.M)
    return bytes.fromhex(re.sub(r"[:\s]", "", digits.group(1)))


def primes(text):
    """Of an RSA key: the modulus's length, and both primes in order."""
    return (len(number(text, "modulus").lstrip(b"\0")),
            sorted(int.from_bytes(number(text, name), "big")
                   for name in ("prime1", "prime2")))


def derived(path):
    """The farm key of what is in this file, as PEM or DER."""
    text = openssl("pkey", "-in", path, "-noout", "-text").decode()
    if "prime1:" in text:
        size, both = primes(text)
        return hkdf(b"".join(prime.to_bytes(size, "big") for prime in both),
                    b"stek farm key v1 RSA")
    if "ASN1 OID:" in text:
        curve = re.search(r"ASN1 OID: (\S+)", text).group(1)
        bits = int(re.search(r"\((\d+) bit", text).group(1))
        scalar = int.from_bytes(number(text, "priv"), "big")
        return hkdf(curve.encode() + b"\0"
                    + scalar.to_bytes((bits + 7) // 8, "big"),
                    b"stek farm key v1 EC")
    kind = re.match(r"(ED\d+) Private-Key", text).group(1)
    return hkdf(number(text, "priv"), b"stek farm key v1 " + kind.encode())

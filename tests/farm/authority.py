# SPDX-License-Identifier: ISC
"""
A certificate authority of a farm's own, by openssl.

Never here: who uses the certificates.
Invariant: what it issues is worthless once the farm is gone.
"""
import os
import subprocess
from dataclasses import dataclass

EXPIRED = "-1"
DAYS = "30"


@dataclass(frozen=True)
class Credentials:
    """Paths: of a certificate, its key, and its authority's certificate."""
    cert: str
    key: str
    ca: str


def _openssl(*args):
    subprocess.run(["openssl", *args], check=True, capture_output=True)


def _request(subject, key):
    return ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-subj", subject, "-keyout", key]


class Authority:
    """Keeps what it issues in a folder."""

    def __init__(self, folder):
        self.folder = folder
        self.cert = os.path.join(folder, "ca.pem")
        self._key = os.path.join(folder, "ca.key")
        os.makedirs(folder, exist_ok=True)
        os.chmod(folder, 0o755)
        _openssl(*_request("/CN=farm authority", self._key), "-x509", "-days",
                 DAYS, "-out", self.cert)

    def issue(self, file, common_name=None, addresses=(), expired=False):
        """
        For a client, a server or both.  Of the same file it is issued anew:
        the certificate is replaced, by rename, and the key with it.
        """
        path = os.path.join(self.folder, file)
        subject = f"/CN={common_name}" if common_name else "/O=farm"
        request = _request(subject, path + ".key.new")
        if addresses:
            request += ["-addext", "subjectAltName=" + ",".join(
                "IP:" + address for address in addresses)]
        _openssl(*request, "-out", path + ".csr")
        _openssl("x509", "-req", "-in", path + ".csr", "-copy_extensions",
                 "copyall", "-CA", self.cert, "-CAkey", self._key, "-days",
                 EXPIRED if expired else DAYS, "-out", path + ".pem.new")
        # They prove nothing to anyone; stekd drops to a user that reads them.
        os.chmod(path + ".key.new", 0o644)
        for kind in (".key", ".pem"):
            os.rename(path + kind + ".new", path + kind)
        return Credentials(path + ".pem", path + ".key", self.cert)

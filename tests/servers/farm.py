# SPDX-License-Identifier: ISC
"""
A farm of real servers on 127.0.0.1: its folder in memory, its ports, its
certificate, and the life of each server's processes.  servers.py says how
each kind of server is configured; the demonstration uses both too.

Never here: the distribution's own configuration or services; what belongs
to one kind of server; a process that the farm did not start.
Invariant: once Farm.close() returns, no process and no file of the farm is
left; what a killed farm leaves behind, the next one ends.
"""
import contextlib
import fcntl
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

MEMORY = "/dev/shm"
PREFIX = "stek-farm-"
PORTS = (20000, 32000)      # below the range the kernel hands out
PATIENCE = 30               # seconds until a wait has failed


class FarmError(Exception):
    """Something did not come about; the message holds the logs."""


def wait_until(check, what, patience=PATIENCE, pause=0.02):
    """Poll until check() is true and return its value."""
    end = time.monotonic() + patience
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > end:
            raise FarmError(f"waited {patience} s in vain until {what}")
        time.sleep(pause)


def _mentions(pid, text):
    """Is text in a process's command line or environment?"""
    for part in ("cmdline", "environ"):
        try:
            with open(f"/proc/{pid}/{part}", "rb") as proc:
                if text.encode() in proc.read():
                    return True
        except OSError:
            pass
    return False


def gone(pid):
    """Has a process ended, even if its parent has not asked yet?"""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return stat.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def kill_group(group, number):
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        pass


def _is_of(pid, group):
    """Does it run, and in that group?"""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            state, _, its = stat.read().rpartition(")")[2].split()[:3]
    except OSError:
        return False
    return int(its) == group and state != "Z"


def group_gone(group):
    """Of more than its first: the others, too, hold its ports."""
    return not any(_is_of(pid, group) for pid in os.listdir("/proc")
                   if pid.isdigit())


def _end_strays(folder):
    """
    End what runs with this folder in its command line or environment.  The
    folder's name is unique, so nothing else can have it.
    """
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        if _mentions(entry, folder + "/") and not gone(entry):
            try:
                group = os.getpgid(int(entry))
                if group == os.getpgid(0):
                    os.kill(int(entry), signal.SIGKILL)
                else:
                    os.killpg(group, signal.SIGKILL)
            except ProcessLookupError:
                pass


def _lock(folder):
    """
    The farm's own lock, or None if it has it.  Not its process id: that is
    another's, or nobody's, where the ids are of another namespace.
    """
    try:
        lock = open(os.path.join(folder, "lock"), "ab")
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return None
    return lock


def _sweep():
    """End and remove what farms left whose own process is gone."""
    for entry in os.listdir(MEMORY):
        folder = os.path.join(MEMORY, entry)
        if not entry.startswith(PREFIX) or \
                not os.path.exists(os.path.join(folder, "lock")):
            continue
        lock = _lock(folder)
        if lock is not None:
            _end_strays(folder)
            shutil.rmtree(folder, ignore_errors=True)
            lock.close()


class Farm:
    """A folder, a certificate, and what was started in it."""

    def __init__(self):
        _sweep()
        self._held = None
        while self._held is None:       # a sweep may come in between
            self.folder = tempfile.mkdtemp(
                prefix=f"{PREFIX}{os.getpid()}-", dir=MEMORY)
            self._held = _lock(self.folder)
        os.chmod(self.folder, 0o755)    # servers drop to users of their own
        self.members = []
        self._ports = set()
        self.cert = os.path.join(self.folder, "cert.pem")
        self.cert_key = os.path.join(self.folder, "cert.key")
        self.cert_both = os.path.join(self.folder, "both.pem")
        self._make_certificate()

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self.close()

    def _make_certificate(self):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj",
             "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
             "-keyout", self.cert_key, "-out", self.cert],
            check=True, capture_output=True)
        with open(self.cert_both, "w", encoding="ascii") as both:
            for part in (self.cert, self.cert_key):
                with open(part, encoding="ascii") as source:
                    both.write(source.read())
        # It proves nothing to anyone; all users that servers drop to read it.
        os.chmod(self.cert_key, 0o644)

    def port(self):
        """A port that nobody listens on."""
        while True:
            port = random.randint(*PORTS)
            if port in self._ports:
                continue
            with socket.socket() as probe:
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    continue
            self._ports.add(port)
            return port

    def inside(self):
        """Where its processes are started and its ports are asked: here."""
        return contextlib.nullcontext()

    def add(self, member):
        """Something with a stop(), to be stopped with the farm."""
        self.members.append(member)

    def close(self):
        for member in reversed(self.members):
            member.stop()
        _end_strays(self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)
        self._held.close()


class Process:
    """A process group with a log, ended by its id."""

    def __init__(self, farm, name):
        self.farm = farm
        self.name = name
        self.home = os.path.join(farm.folder, name)
        self.log = os.path.join(self.home, "log")
        self.child = None
        os.mkdir(self.home)
        os.chmod(self.home, 0o755)
        farm.add(self)

    def path(self, *parts):
        return os.path.join(self.home, *parts)

    def write(self, name, text, mode=0o644):
        """A file in its home folder; returns the path."""
        with open(self.path(name), "w", encoding="utf-8") as out:
            os.fchmod(out.fileno(), mode)
            out.write(text)
        return self.path(name)

    def run(self, *command, env=None):
        with open(self.log, "ab") as log, self.farm.inside():
            self.child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=self.home, start_new_session=True,
                env={**os.environ, "STEK_FARM": self.home, **(env or {})})

    def running(self):
        return self.child is not None and self.child.poll() is None

    def stop(self):
        if self.child is None:
            return
        kill_group(self.child.pid, signal.SIGTERM)
        try:
            self.child.wait(3)
        except subprocess.TimeoutExpired:
            pass
        kill_group(self.child.pid, signal.SIGKILL)
        self.child.wait()
        wait_until(lambda: group_gone(self.child.pid),
                   f"{self.name} has ended")
        self.child = None

    def logs(self):
        """The end of its log, for a failure's message."""
        try:
            with open(self.log, encoding="utf-8", errors="replace") as log:
                text = "".join(log.readlines()[-40:])
        except OSError:
            text = ""
        return f"--- log of {self.name}\n{text}"

    def wait(self, check, what, patience=PATIENCE, pause=0.02):
        """As wait_until(), with the log if it fails."""
        def alive_and():
            if not self.running():
                raise FarmError(
                    f"{self.name} ended before {what}\n{self.logs()}")
            return check()
        try:
            return wait_until(alive_and, what, patience, pause)
        except FarmError as error:
            if self.log in str(error) or "--- log" in str(error):
                raise
            raise FarmError(f"{error}\n{self.logs()}") from None


class Server(Process):
    """
    One instance of a kind of server.  A kind sets what stands in capitals
    and says how to write its configuration and its command.
    """
    KIND = ""
    FORMAT = ""             # the format's name in stek.conf
    VERSIONS = ("1.2", "1.3")
    OWNER = "root:root"     # who must be able to read its key files
    MODE = "0600"
    SHORT = False           # keys of 48 bytes
    FOLDER = False          # one key a file, in a folder
    OVERLAP = True          # opens the tickets of an older key
    RELOAD_KEEPS_OLD = True     # and goes on doing so after a reload
    NAME_DIGITS = 32        # of the key's name at a ticket's beginning
    PROOF = "mac"           # what a ticket proves of its key
    RENEWS = VERSIONS       # gives a ticket of the new key for an old one
    SETTLES = "verified"    # the state in which a target of stekd rests
    FORGETS = True          # drops a key that has left the file
    BOOTS_AFTER = False     # starts with no keys but those of stekd
    LISTENS = "127.0.0.1"   # at this address

    def __init__(self, farm, name):
        super().__init__(farm, name)
        self.port = farm.port()
        self.keys = self.path("keys")
        if self.FOLDER:
            os.mkdir(self.keys, 0o755)

    def configure(self, shared):
        """
        Write the configuration: with the shared keys in self.keys, or, as
        the control, with keys of the server's own.
        """
        raise NotImplementedError

    def command(self):
        raise NotImplementedError

    def start(self, shared=True):
        self.configure(shared)
        self.run(*self.command())
        self.wait_listening()

    def wait_listening(self):
        self.wait(self.listening, f"{self.name} listens")

    def listening(self):
        with self.farm.inside(), socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def reload_command(self):
        """The value of `reload` in stek.conf; "" if it needs none."""
        return ""

    def reload(self):
        """What the value of `reload` means, done by hand."""
        how = self.reload_command()
        if how.startswith("signal:"):
            _, number, pidfile = how.split(":", 2)
            with open(pidfile, encoding="ascii") as pid:
                os.kill(int(pid.read()), getattr(signal, "SIG" + number))
        elif how:
            subprocess.run(how, shell=True, check=True, timeout=PATIENCE,
                           capture_output=True)

    def target(self, **changes):
        """Its target for stek.conf."""
        values = {
            "format": self.FORMAT, "path": self.keys, "owner": self.OWNER,
            "mode": self.MODE, "reload": self.reload_command(),
            "verify": f"127.0.0.1:{self.port}", "scope": "", **changes}
        lines = [f'\t{name} = "{value}"' for name, value in values.items()]
        return "target %s {\n%s\n}\n" % (self.name, "\n".join(lines))

    def placed(self):
        """Have its key files been written?"""
        path = self.keys
        if self.FOLDER:
            path = os.path.join(path, "keys.conf")
        return os.path.exists(path)

    def place(self, keys):
        """Put keys into its files by hand, the sealing one first."""
        for name, data in self.encode(keys).items():
            path = os.path.join(self.keys, name) if name else self.keys
            self._place_file(path, data)

    def _place_file(self, path, data):
        fresh = path + ".new"
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(fd, "wb") as out:
            shutil.chown(fresh, *self.OWNER.split(":"))
            os.fchmod(out.fileno(), int(self.MODE, 8))
            out.write(data)
        os.rename(fresh, path)

    @classmethod
    def of_key(cls, ticket, key):
        """Is a ticket named after this key, and sealed with it?"""
        mac = key.mac[:16] if cls.SHORT else key.mac
        return cls.named(ticket, key.name) and ticket.proven_by(mac)

    @classmethod
    def named(cls, ticket, name):
        """Does a ticket begin with the name, as far as it shows one?"""
        return ticket.name[:cls.NAME_DIGITS] == name[:cls.NAME_DIGITS]

    def encode(self, keys):
        """Its key files by facts known of the server: {name: bytes}."""
        raise NotImplementedError

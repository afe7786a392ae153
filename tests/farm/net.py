# SPDX-License-Identifier: ISC
"""
A network of hosts that are network namespaces, with one wire between them
(switch.c) that is cut, slowed and spoilt at will.  Nothing of it reaches the
machine's own network, nor does a kernel need netem or nftables for it.

Never here: what runs on a host.
Invariant: a namespace's name is that of its farm's folder and the host's;
once that folder is gone it is a stray, which the next Net removes.
"""
import contextlib
import ctypes
import os
import re
import signal
import subprocess
import threading

from farm import MEMORY, PREFIX, FarmError

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("STEK_BUILD",
                       os.path.join(HERE, "..", "..", "build"))
SWITCH = os.path.realpath(os.path.join(BUILD, "tests", "farm", "switch"))
NAMESPACES = "/run/netns"
CLONE_NEWNET = 0x40000000
SUBNET = "10.83.0."
DEVICE = "wire"             # as switch.c names it

_libc = ctypes.CDLL(None, use_errno=True)


def _ip(*args, script=None):
    done = subprocess.run(["ip", *args], capture_output=True, text=True,
                          check=False, input=script, timeout=60)
    if done.returncode != 0:
        raise FarmError(f"ip {' '.join(args)}: {done.stderr.strip()}")
    return done.stdout


def why_not():
    """Why there can be no such network here; None if there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if not os.access(SWITCH, os.X_OK):
        return f"{SWITCH} is not built"
    trial = f"{PREFIX}{os.getpid()}-trial-host"
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR))
        _ip("netns", "add", trial)
        with contextlib.suppress(FarmError):    # another has swept it up
            _ip("netns", "del", trial)
    except OSError as error:
        return f"no network namespace with a device of its own: {error}"
    except FarmError as error:
        return f"no network namespace can be made: {error}"
    return None


def _enter(file):
    if _libc.setns(file, CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, "setns: " + os.strerror(number))


def _remove(name):
    """With what still runs in it, all of which is a farm's."""
    for pid in _ip("netns", "pids", name).split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    _ip("netns", "del", name)


def _sweep():
    """Remove what is left of farms that are gone."""
    if not os.path.isdir(NAMESPACES):
        return
    for name in os.listdir(NAMESPACES):
        farm, _, host = name.rpartition("-")
        if re.fullmatch(re.escape(PREFIX) + r"\d+-\w+", farm) and host and \
                not os.path.exists(os.path.join(MEMORY, farm)):
            with contextlib.suppress(FarmError):    # another was faster
                _remove(name)


def name_of(host):
    """A host is named by itself or by anything that has a name."""
    return host if isinstance(host, str) else host.name


class Net:
    """
    A farm's network.  Hosts are given by name, or as objects that have one.
    """

    def __init__(self, farm):
        _sweep()
        self.farm = farm
        self.addresses = {}
        self._files = {}        # of namespaces, open
        self._home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        self._lock = threading.Lock()
        # pylint: disable=consider-using-with
        self._switch = subprocess.Popen(
            [SWITCH], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, bufsize=1, start_new_session=True,
            env={**os.environ, "STEK_FARM": farm.folder + "/"})

    def stop(self):
        """Remove it, once nothing runs on it any more."""
        self._switch.stdin.close()
        self._switch.wait(10)
        self._switch.stdout.close()
        for host, file in self._files.items():
            os.close(file)
            _remove(self.namespace(host))
        os.close(self._home)
        self._files = {}

    def namespace(self, host):
        """As `ip netns` and the like know it."""
        return f"{os.path.basename(self.farm.folder)}-{name_of(host)}"

    def add(self, host):
        """One more host; its address."""
        host = name_of(host)
        address = SUBNET + str(len(self.addresses) + 1)
        namespace = self.namespace(host)
        path = os.path.join(NAMESPACES, namespace)
        _ip("netns", "add", namespace)
        self._files[host] = os.open(path, os.O_RDONLY)
        self.addresses[host] = address
        self._tell("port", host, address, path)
        _ip("-n", namespace, "-batch", "-", script=f"""\
address add {address}/24 dev {DEVICE}
link set {DEVICE} txqueuelen 10000
link set {DEVICE} up
link set lo up
""")
        return address

    @contextlib.contextmanager
    def inside(self, host):
        """
        What this thread opens or starts meanwhile is on that host.  Other
        threads stay where they are.
        """
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            _enter(self._files[name_of(host)])
            yield
        finally:
            _enter(before)
            os.close(before)

    def run(self, host, *command, **options):
        """subprocess.run() on a host; text, captured, and it must succeed."""
        options = {"capture_output": True, "text": True, "check": True,
                   "timeout": 60, **options}
        with self.inside(host):
            # pylint: disable=subprocess-run-check
            return subprocess.run(command, **options)

    # --- what befalls it ---

    def partition(self, some, others):
        """Nothing passes between these and those, and nobody is told."""
        for one in some:
            for other in others:
                self.cut(one, other)
                self.cut(other, one)

    def isolate(self, host):
        """Cut one host off from all others."""
        self.partition([host], [other for other in self.addresses
                                if other != name_of(host)])

    def cut(self, source, target):
        """One way only."""
        self._tell("cut", name_of(source), name_of(target))

    def heal(self):
        """Everything passes; delays and losses stay."""
        self._tell("heal")

    def delay(self, host, ms):
        """Hold what leaves the host, and what reaches it: so twice a turn."""
        self._tell("delay", name_of(host), str(ms))

    def loss(self, host, percent):
        """Of what leaves the host, and of what reaches it."""
        self._tell("loss", name_of(host), str(percent))

    def counts(self):
        """Packets that passed so far, and packets that did not."""
        return self._tell("count")

    def _tell(self, *words):
        with self._lock:
            self._switch.stdin.write(" ".join(words) + "\n")
            answer = self._switch.stdout.readline().split()
        if answer[:1] != ["ok"]:
            raise FarmError(f"the switch says to {' '.join(words)}: "
                            f"{' '.join(answer) or 'nothing'}")
        return int(answer[1]), int(answer[2])

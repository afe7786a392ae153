# SPDX-License-Identifier: ISC
"""
A TLS client that sees tickets: visit() makes one handshake, offering a
ticket or none, and tells what the wire showed.  It is libssl.so.3 through
ctypes, because Python's ssl module hides ticket bytes.

Never here: anything of stek.  The tests' judgement of stek must not rest on
stek's own code.
Invariant: a Visit that says `resumed is False` of an offered ticket was a
real offer: the ticket's bytes were seen in the ClientHello.
"""
import ctypes
import hashlib
import hmac
import socket
import struct
from ctypes import (CFUNCTYPE, POINTER, byref, c_char_p, c_int, c_long,
                    c_size_t, c_ubyte, c_ulong, c_void_p)
from dataclasses import dataclass, field
from typing import List, Optional

TLS12 = "1.2"
TLS13 = "1.3"
WIRE = {TLS12: 0x0303, TLS13: 0x0304}

CLIENT_HELLO = 1
NEW_SESSION_TICKET = 4
RECORD_ALERT = 21
RECORD_HANDSHAKE = 22

CTRL_SET_TLSEXT_HOSTNAME = 55
CTRL_SET_SESS_CACHE_MODE = 44
CTRL_SET_GROUPS_LIST = 92
CTRL_SET_MIN_PROTO = 123
CTRL_SET_MAX_PROTO = 124
CACHE_CLIENT_ONLY = 0x0001 | 0x0300     # no internal cache
OP_IGNORE_UNEXPECTED_EOF = 1 << 7
ERROR_WANT_READ = 2
TIMEOUT = 10


@dataclass(frozen=True)
class Ticket:
    """A ticket as the wire showed it, and the session that goes with it."""
    version: str
    bytes: bytes
    hint: int                   # the lifetime hint, in seconds
    session: bytes = b""        # the client's own state, DER

    @property
    def name(self):
        """The key name, as hex: a ticket's first 16 bytes."""
        return self.bytes[:16].hex()

    def proven_by(self, mac_key):
        """Was it sealed with this HMAC-SHA256 key?"""
        mac = hmac.new(mac_key, self.bytes[:-32], hashlib.sha256).digest()
        return hmac.compare_digest(mac, self.bytes[-32:])


@dataclass
class Visit:
    """What one connection showed."""
    version: str
    resumed: bool = False
    done: bool = False          # the handshake came to its end
    tickets: List[Ticket] = field(default_factory=list)     # newly issued
    alert: Optional[str] = None     # a fatal alert from the server
    error: Optional[str] = None
    offered: bool = False
    retried: bool = False       # by a HelloRetryRequest
    _hello: bytes = b""
    _sessions: dict = field(default_factory=dict)

    @property
    def clean(self):
        return self.done and self.alert is None and self.error is None

    @property
    def full(self):
        """A full handshake, from beginning to end, without an alert."""
        return self.clean and not self.resumed

    @property
    def ticket(self):
        """The newest ticket issued, or None."""
        return self.tickets[-1] if self.tickets else None


MSG_CB = CFUNCTYPE(None, c_int, c_int, c_int, c_void_p, c_size_t, c_void_p,
                   c_void_p)
SESSION_CB = CFUNCTYPE(c_int, c_void_p, c_void_p)

_crypto = ctypes.CDLL("libcrypto.so.3")
_ssl = ctypes.CDLL("libssl.so.3")


def _declare(lib, name, result, *args):
    function = getattr(lib, name)
    function.restype = result
    function.argtypes = args
    return function


TLS_client_method = _declare(_ssl, "TLS_client_method", c_void_p)
SSL_CTX_new = _declare(_ssl, "SSL_CTX_new", c_void_p, c_void_p)
SSL_CTX_ctrl = _declare(_ssl, "SSL_CTX_ctrl", c_long, c_void_p, c_int,
                        c_long, c_void_p)
SSL_CTX_set_options = _declare(_ssl, "SSL_CTX_set_options", c_ulong,
                               c_void_p, c_ulong)
SSL_CTX_set_msg_callback = _declare(_ssl, "SSL_CTX_set_msg_callback", None,
                                    c_void_p, MSG_CB)
SSL_CTX_sess_set_new_cb = _declare(_ssl, "SSL_CTX_sess_set_new_cb", None,
                                   c_void_p, SESSION_CB)
SSL_new = _declare(_ssl, "SSL_new", c_void_p, c_void_p)
SSL_free = _declare(_ssl, "SSL_free", None, c_void_p)
SSL_ctrl = _declare(_ssl, "SSL_ctrl", c_long, c_void_p, c_int, c_long,
                    c_void_p)
SSL_set_fd = _declare(_ssl, "SSL_set_fd", c_int, c_void_p, c_int)
SSL_set_session = _declare(_ssl, "SSL_set_session", c_int, c_void_p,
                           c_void_p)
SSL_connect = _declare(_ssl, "SSL_connect", c_int, c_void_p)
SSL_shutdown = _declare(_ssl, "SSL_shutdown", c_int, c_void_p)
SSL_read = _declare(_ssl, "SSL_read", c_int, c_void_p, c_void_p, c_int)
SSL_get_error = _declare(_ssl, "SSL_get_error", c_int, c_void_p, c_int)
SSL_get_session = _declare(_ssl, "SSL_get_session", c_void_p, c_void_p)
SSL_session_reused = _declare(_ssl, "SSL_session_reused", c_int, c_void_p)
SSL_alert_desc = _declare(_ssl, "SSL_alert_desc_string_long", c_char_p,
                          c_int)
SSL_SESSION_free = _declare(_ssl, "SSL_SESSION_free", None, c_void_p)
SSL_SESSION_get0_ticket = _declare(
    _ssl, "SSL_SESSION_get0_ticket", None, c_void_p,
    POINTER(POINTER(c_ubyte)), POINTER(c_size_t))
i2d_SSL_SESSION = _declare(_ssl, "i2d_SSL_SESSION", c_int, c_void_p,
                           POINTER(c_void_p))
d2i_SSL_SESSION = _declare(_ssl, "d2i_SSL_SESSION", c_void_p, c_void_p,
                           POINTER(c_char_p), c_long)
ERR_get_error = _declare(_crypto, "ERR_get_error", c_ulong)
ERR_clear_error = _declare(_crypto, "ERR_clear_error", None)
ERR_reason = _declare(_crypto, "ERR_reason_error_string", c_char_p, c_ulong)

_visits = {}        # SSL pointer -> Visit, while it is being made


def _parse_ticket(version, body):
    """RFC 5077 section 3.3; RFC 8446 section 4.6.1."""
    hint = struct.unpack_from(">I", body)[0]
    at = 4
    if version == TLS13:
        at += 4                         # ticket_age_add
        at += 1 + body[at]              # ticket_nonce
    size = struct.unpack_from(">H", body, at)[0]
    return Ticket(version, body[at + 2:at + 2 + size], hint)


@MSG_CB
def _on_message(sent, _version, kind, data, size, ssl, _arg):
    visit_ = _visits.get(ssl)
    if visit_ is None:
        return
    message = ctypes.string_at(data, size)
    if sent and kind == RECORD_HANDSHAKE and message[0] == CLIENT_HELLO:
        visit_.retried = bool(visit_._hello)
        visit_._hello = message
    if sent:
        return
    if kind == RECORD_ALERT and message[0] == 2:
        visit_.alert = SSL_alert_desc(message[1]).decode()
    if kind == RECORD_HANDSHAKE and message[0] == NEW_SESSION_TICKET:
        visit_.tickets.append(_parse_ticket(visit_.version, message[4:]))


def _session_ticket(session):
    data, size = POINTER(c_ubyte)(), c_size_t()
    SSL_SESSION_get0_ticket(session, byref(data), byref(size))
    return ctypes.string_at(data, size.value) if size.value else b""


def _session_bytes(session):
    size = i2d_SSL_SESSION(session, None)
    out = ctypes.create_string_buffer(size)
    at = c_void_p(ctypes.addressof(out))
    i2d_SSL_SESSION(session, byref(at))
    return out.raw


@SESSION_CB
def _on_session(ssl, session):
    visit_ = _visits.get(ssl)
    if visit_ is not None:
        visit_._sessions[_session_ticket(session)] = _session_bytes(session)
    return 0


def _context(version):
    ctx = SSL_CTX_new(TLS_client_method())
    SSL_CTX_ctrl(ctx, CTRL_SET_MIN_PROTO, WIRE[version], None)
    SSL_CTX_ctrl(ctx, CTRL_SET_MAX_PROTO, WIRE[version], None)
    SSL_CTX_ctrl(ctx, CTRL_SET_SESS_CACHE_MODE, CACHE_CLIENT_ONLY, None)
    SSL_CTX_set_options(ctx, OP_IGNORE_UNEXPECTED_EOF)
    SSL_CTX_set_msg_callback(ctx, _on_message)
    SSL_CTX_sess_set_new_cb(ctx, _on_session)
    return ctx


_contexts = {version: _context(version) for version in WIRE}


def _reason():
    code = ERR_get_error()
    text = ERR_reason(code) if code else None
    return text.decode() if text else "connection lost"


def _offer(ssl, ticket):
    """Give libssl a fresh copy, as it marks used sessions unusable."""
    der = c_char_p(ticket.session)
    session = d2i_SSL_SESSION(None, byref(der), len(ticket.session))
    if not session or SSL_set_session(ssl, session) != 1:
        raise AssertionError("libssl refused the ticket it had given")
    SSL_SESSION_free(session)


def _read_to_end(ssl, sock, visit_):
    """
    In TLS 1.3 tickets follow the handshake.  Saying goodbye makes the server
    close in turn, so the end of the stream says that no ticket is to come.
    """
    try:
        SSL_shutdown(ssl)
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        pass        # the server was faster; what it sent is still to be read
    buffer = ctypes.create_string_buffer(16384)
    while True:
        got = SSL_read(ssl, buffer, len(buffer))
        if got > 0:
            continue
        if SSL_get_error(ssl, got) == ERROR_WANT_READ:
            visit_.error = "the server did not close"
        return


def _handshake(ssl, sock, visit_):
    ERR_clear_error()
    got = SSL_connect(ssl)
    if got != 1:
        waits = SSL_get_error(ssl, got) == ERROR_WANT_READ
        visit_.error = "time out" if waits else _reason()
        return
    visit_.done = True
    visit_.resumed = SSL_session_reused(ssl) == 1
    if visit_.version == TLS12:
        session = SSL_get_session(ssl)
        visit_._sessions[_session_ticket(session)] = _session_bytes(session)
        return
    _read_to_end(ssl, sock, visit_)


def _finish(visit_, ticket):
    if ticket is not None:
        visit_.offered = ticket.bytes in visit_._hello
        if not visit_.offered:
            raise AssertionError("libssl did not offer the ticket")
    visit_.tickets = [
        Ticket(t.version, t.bytes, t.hint, visit_._sessions.get(t.bytes, b""))
        for t in visit_.tickets if t.bytes]
    visit_._hello, visit_._sessions = b"", {}
    return visit_


class PortWithStart(int):
    """A port at which TLS begins after a greeting, as at SMTP's STARTTLS."""

    def __new__(cls, number, greet):
        port = super().__new__(cls, number)
        port.greet = greet      # of the socket
        return port


class PortAt(int):
    """A port of another address than 127.0.0.1."""

    def __new__(cls, number, address):
        port = super().__new__(cls, number)
        port.address = address
        return port


def visit(port, version, ticket=None, sni="localhost", groups=None):
    """
    One connection to 127.0.0.1:port; a refused TCP connection raises.  In TLS
    1.3 the client has a key share for the first of the groups, if they are
    given ("X448:P-256"): with one that the server does not have it gets a
    HelloRetryRequest.
    """
    address = getattr(port, "address", "127.0.0.1")
    sock = socket.create_connection((address, int(port)), TIMEOUT)
    sock.setblocking(True)
    wait = struct.pack("ll", TIMEOUT, 0)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, wait)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, wait)
    if isinstance(port, PortWithStart):
        port.greet(sock)
    visit_ = Visit(version)
    ssl = SSL_new(_contexts[version])
    _visits[ssl] = visit_
    try:
        SSL_ctrl(ssl, CTRL_SET_TLSEXT_HOSTNAME, 0, sni.encode())
        if groups is not None:
            SSL_ctrl(ssl, CTRL_SET_GROUPS_LIST, 0, groups.encode())
        SSL_set_fd(ssl, sock.fileno())
        if ticket is not None:
            _offer(ssl, ticket)
        _handshake(ssl, sock, visit_)
    finally:
        del _visits[ssl]
        SSL_free(ssl)
        sock.close()
    return _finish(visit_, ticket)


def new_ticket(port, version):
    """A ticket from a full handshake; fails if the server issued none."""
    seen = visit(port, version)
    if not seen.full:
        raise AssertionError(f"no full handshake at port {port}: {seen}")
    if seen.ticket is None:
        raise AssertionError(f"no ticket in TLS {version} at port {port}")
    return seen.ticket


def try_visit(port, version, ticket=None):
    """As visit(), or None while the server is being restarted."""
    try:
        seen = visit(port, version, ticket)
    except OSError:
        return None
    return seen if seen.clean else None

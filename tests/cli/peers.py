# SPDX-License-Identifier: ISC
"""
Servers that misbehave in one way each, for what no real server can be told
to do at a chosen moment.

Never here: what a real server can show.
Invariant: a peer ends with its stop(), whatever its clients do.
"""
import socket
import ssl
import threading
import time

HANDSHAKE_FAILURE = b"\x15\x03\x03\x00\x02\x02\x28"     # RFC 5246, 7.2


class Peer:
    """Calls serve(connection, number) for each connection, one thread each."""

    def __init__(self, farm, serve, host="127.0.0.1"):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.serve = serve
        self.count = 0
        self.stopped = threading.Event()
        self.listener = socket.create_server((host, 0), family=family)
        self.port = self.listener.getsockname()[1]
        farm.add(self)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            number, self.count = self.count, self.count + 1
            threading.Thread(target=self._handle, daemon=True,
                             args=(connection, number)).start()

    def _handle(self, connection, number):
        with connection:
            try:
                self.serve(connection, number)
            except OSError:
                pass        # the client's doing

    def stop(self):
        self.stopped.set()
        # shutdown() ends the accept() that waits in the other thread.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def silent(farm):
    """Accepts, and says nothing."""
    def serve(_connection, _number):
        peer.stopped.wait()
    peer = Peer(farm, serve)
    return peer


def trickling(farm):
    """Never finishes a record that it sends byte by byte."""
    def serve(connection, _number):
        connection.sendall(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc")
        while not peer.stopped.wait(0.01):
            connection.sendall(b"\x00")
    peer = Peer(farm, serve)
    return peer


def greeting(farm):
    """Speaks first, and not TLS."""
    def serve(connection, _number):
        connection.sendall(b"220 mail.example ESMTP\r\n")
        connection.recv(4096)
    return Peer(farm, serve)


def hanging_up(farm):
    """Closes as soon as the client has spoken."""
    def serve(connection, _number):
        connection.recv(4096)
    return Peer(farm, serve)


def talking(farm, context_of, host="127.0.0.1"):
    """A TLS server with context_of(number) for each of its connections."""
    def serve(connection, number):
        tls = context_of(number).wrap_socket(connection, server_side=True)
        tls.recv(1)
    return Peer(farm, serve, host)


def context(farm):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(farm.cert, farm.cert_key)
    return made


def holding_on(farm):
    """Issues no TLS 1.3 tickets, and closes after its client only."""
    quiet = context(farm)
    quiet.num_tickets = 0

    def serve(connection, _number):
        tls = quiet.wrap_socket(connection, server_side=True,
                                suppress_ragged_eofs=False)
        tls.recv(1)
        peer.stopped.wait()
    peer = Peer(farm, serve)
    return peer


def _copy(source, sink, delay=0.0):
    try:
        while data := source.recv(65536):
            time.sleep(delay)
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def _join(connection, port, delay=0.0):
    with socket.create_connection(("127.0.0.1", port)) as server:
        back = threading.Thread(target=_copy,
                                args=(server, connection, delay))
        back.start()
        _copy(connection, server)
        back.join()


def far_away(farm, port, delay):
    """A server whose every answer takes so many seconds more."""
    def serve(connection, _number):
        _join(connection, port, delay)
    return Peer(farm, serve)


def turns(farm, ports):
    """Hands each connection to the next of these servers, in turn."""
    def serve(connection, number):
        _join(connection, ports[number % len(ports)])
    return Peer(farm, serve)


def failing_after(farm, port, good):
    """Hands so many connections on, and answers the rest with an alert."""
    def serve(connection, number):
        if number < good:
            _join(connection, port)
            return
        connection.recv(4096)
        connection.sendall(HANDSHAKE_FAILURE)
        connection.recv(4096)
    return Peer(farm, serve)

# SPDX-License-Identifier: ISC
"""
A TCP proxy before a real etcd that can be told to do harm: to cut a
connection after so many bytes, to swallow all, to hold back what a client
says.

Never here: what is in the bytes.
"""
import select
import socket
import threading


class Proxy:
    """Its connections end with it."""

    def __init__(self, port):
        self.target = port
        self.cut_to_client = None       # after so many bytes, of the next one
        self.cut_to_server = None
        self.swallow = False
        self.hold_after_answer = 0      # bytes; 0: nothing is held
        self.connections = 0
        self._end = False
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.endpoint = "http://127.0.0.1:%d" % \
            self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self._end = True
        self._listener.close()
        for thread in self._threads:
            thread.join(5)

    def _accept(self):
        while not self._end:
            if not select.select([self._listener], [], [], 0.1)[0]:
                continue
            try:
                client = self._listener.accept()[0]
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(
                target=self._serve, daemon=True,
                args=(client, self.cut_to_client, self.cut_to_server))
            self.cut_to_client = self.cut_to_server = None
            self._threads.append(thread)
            thread.start()

    def _serve(self, client, to_client, to_server):
        with client:
            try:
                server = socket.create_connection(
                    ("127.0.0.1", self.target))
            except OSError:
                return
            with server:
                try:
                    self._pass(client, server, to_client, to_server)
                except OSError:
                    pass

    def _pass(self, client, server, to_client, to_server):
        left = {client: to_server, server: to_client}
        other = {client: server, server: client}
        answered = 0
        while not self._end:
            held = self.hold_after_answer and answered
            sources = [server] if held else [client, server]
            if self.swallow:
                sources = []
            for source in select.select(sources, [], [], 0.02)[0]:
                data = source.recv(65536)
                if not data:
                    return
                if source is server and b"\x0a\x12\x08" in data:
                    answered += 1
                if left[source] is not None:
                    data = data[:left[source]]
                    left[source] -= len(data)
                other[source].sendall(data)
                if left[source] == 0:
                    return

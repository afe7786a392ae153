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
        self.flip_to_client = None      # the byte at this place is changed
        self.swallow = False
        self.hold_after = None          # an answer with these bytes
        self.left_to_client = None      # bytes of those there are now
        self.record = None              # all bytes, {is to the client: them}
        self.connections = 0
        self._cuts = 0
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
            try:
                if not select.select([self._listener], [], [], 0.1)[0]:
                    continue
                client = self._listener.accept()[0]
            except (OSError, ValueError):
                return      # closed
            self.connections += 1
            thread = threading.Thread(
                target=self._serve, daemon=True,
                args=(client, self.cut_to_client, self.cut_to_server,
                      self.flip_to_client))
            self.cut_to_client = self.cut_to_server = None
            self.flip_to_client = None
            self._threads.append(thread)
            thread.start()

    def cut_all(self):
        """What there is now, at once."""
        self._cuts += 1

    def _serve(self, client, *harm):
        with client:
            try:
                server = socket.create_connection(
                    ("127.0.0.1", self.target))
            except OSError:
                return
            with server:
                try:
                    self._pass(client, server, *harm)
                except OSError:
                    pass

    def _pass(self, client, server, to_client, to_server, flip):
        left = {client: to_server, server: to_client}
        other = {client: server, server: client}
        answered, passed = False, 0
        cuts = self._cuts
        while not self._end and cuts == self._cuts:
            held = self.hold_after and answered
            sources = [server] if held else [client, server]
            if self.swallow:
                sources = []
            for source in select.select(sources, [], [], 0.02)[0]:
                data = source.recv(65536)
                if not data:
                    return
                if self.record is not None:
                    self.record[source is server] += data
                if source is server and (self.hold_after or b"\0") in data:
                    answered = True
                if source is server and flip is not None:
                    data = flipped(data, flip - passed)
                    passed += len(data)
                limit = left[source]
                if limit is None and source is server:
                    limit = self.left_to_client
                if limit is not None:
                    data = data[:limit]
                    limit -= len(data)
                if left[source] is not None:
                    left[source] = limit
                elif source is server:
                    self.left_to_client = limit
                other[source].sendall(data)
                if limit == 0:
                    self.left_to_client = None
                    return


def flipped(data, at):
    if not 0 <= at < len(data):
        return data
    return data[:at] + bytes([data[at] ^ 0xff]) + data[at + 1:]

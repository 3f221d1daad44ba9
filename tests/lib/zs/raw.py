# SPDX-License-Identifier: GPL-2.0-or-later
"""An upstream that answers with any bytes at all: below a path that a test gives it, on threads of the test's own."""

import itertools
import socket
import threading
import time

from zs.servers import free_port


def answer(body, *fields, status="200 OK", length=None):
    """A well-formed response, but for what `fields` and `length` make of it."""
    body = body.encode("latin-1") if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status}", *fields]
    if length is not False:
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


class Raw:
    """`script` maps a path to what is written for a request of it, in order: bytes, seconds to wait, or None to
    close. Other paths get plain(). `greeting`, if set, is written as soon as a connection is there. Bodies of
    requests are not read."""

    def __init__(self, script=None, lifetime=600):
        self.script = script or {}
        self.greeting = b""
        self.lifetime = lifetime
        self.seen = []  # request lines
        self.number = itertools.count(1)
        self.port = free_port()
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        threading.Thread(target=self._accept, daemon=True).start()

    def plain(self, path):
        return answer(f"{path} nonce={next(self.number)}\n", f"Cache-Control: max-age={self.lifetime}")

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        buffer = b""
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                if self.greeting:
                    connection.sendall(self.greeting)
                while more := connection.recv(65536):
                    buffer += more
                    while b"\r\n\r\n" in buffer:
                        head, _, buffer = buffer.partition(b"\r\n\r\n")
                        if not self._answer(connection, head):
                            return
            except OSError:
                pass

    def _answer(self, connection, head):
        line = head.split(b"\r\n")[0].decode("latin-1")
        path = line.split(" ")[1]
        self.seen.append(line)
        for step in self.script.get(path, [self.plain(path)]):
            if step is None:
                return False
            if isinstance(step, bytes):
                connection.sendall(step)
            else:
                time.sleep(step)
        return True

    def close(self):
        self.listener.close()

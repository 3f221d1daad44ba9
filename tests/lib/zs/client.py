# SPDX-License-Identifier: GPL-2.0-or-later
"""Strict HTTP clients over TLS, verifying with Caddy's CA: HTTP/1.1 by hand, HTTP/2 with python3-h2.

Strict means: a response that is cut, malformed or followed by bytes nobody asked for raises Broken.
"""

import dataclasses
import functools
import hashlib
import socket
import ssl
import time

HOST = "localhost"


class Broken(Exception):
    """The server's bytes are not one well-formed response to our request."""


@dataclasses.dataclass
class Response:
    status: int
    fields: list  # of (lower-case name, value), in order
    body: bytes

    def get(self, name, default=None):
        """The value of a field; several lines are joined."""
        values = [value for key, value in self.fields if key == name]
        return ", ".join(values) if values else default

    @property
    def hit(self):
        return "zeroserve; hit" in self.get("cache-status", "")

    @property
    def age(self):
        return int(self.get("age", "0"))

    @property
    def told(self):
        """What a text of app.py says: {"target": .., "nonce": .., "version": .., ...}."""
        first, _, rest = self.body.decode("latin-1").partition("\n")
        words = first.split(" ")
        told = dict(word.split("=", 1) for word in words if "=" in word and not word.startswith("/"))
        told["target"] = next((word for word in words if word.startswith("/")), None)
        if rest.strip("."):
            raise Broken(f"text is followed by {rest[:200]!r}")
        return told


@functools.lru_cache(maxsize=8)
def _context(ca, protocol):
    context = ssl.create_default_context(cafile=ca)
    context.set_alpn_protocols([protocol])
    return context


def _connect(port, ca, protocol, timeout):
    plain = socket.create_connection(("127.0.0.1", port), timeout)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if ca is None:
        return plain
    tls = _context(str(ca), protocol).wrap_socket(plain, server_hostname=HOST)
    if tls.selected_alpn_protocol() != protocol:
        raise Broken(f"server speaks {tls.selected_alpn_protocol()}, not {protocol}")
    return tls


class Http1:
    """One keep-alive connection; it is opened again only after the server announced its end. Without TLS if
    caddy.ca is None."""

    def __init__(self, caddy, timeout=20):
        self.port, self.ca, self.timeout = caddy.port, caddy.ca, timeout
        self.authority = f"{HOST}:{caddy.port}"
        self.tls = None
        self.buffer = b""

    def close(self):
        if self.tls:
            self.tls.close()
            self.tls = None

    def _fill(self):
        data = self.tls.recv(65536)
        if not data:
            raise Broken(f"connection closed within a response, after {self.buffer[:200]!r}")
        self.buffer += data

    def _until(self, mark):
        while (end := self.buffer.find(mark)) < 0:
            self._fill()
        part, self.buffer = self.buffer[:end], self.buffer[end + len(mark):]
        return part

    def _exactly(self, count):
        while len(self.buffer) < count:
            self._fill()
        part, self.buffer = self.buffer[:count], self.buffer[count:]
        return part

    def send(self, data):
        if self.tls is None:
            self.tls = _connect(self.port, self.ca, "http/1.1", self.timeout)
            self.buffer = b""
        self.tls.sendall(data)

    def head(self, method, target, fields=()):
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self.authority}"]
        lines += [f"{name}: {value}" for name, value in fields]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def request(self, method, target, fields=(), body=None):
        """One exchange. `body`, if given, is sent at once with its Content-Length."""
        if body is not None:
            fields = [*fields, ("Content-Length", len(body))]
        self.send(self.head(method, target, fields) + (body or b""))
        return self.response(method)

    def upload(self, method, target, pieces, chunked=False, pause=0.0):
        """One exchange whose body leaves in separate TLS records, `pause` seconds apart."""
        length = ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", sum(map(len, pieces)))
        self.send(self.head(method, target, [length]))
        for piece in pieces:
            time.sleep(pause)
            self.send(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
        if chunked:
            self.send(b"0\r\n\r\n")
        return self.response(method)

    def response(self, method):
        """Reads one response; Broken if anything follows it."""
        status, fields = self._response_head()
        body = self._response_body(method, status, dict(fields))
        if self.buffer:
            raise Broken(f"bytes after the response: {self.buffer[:200]!r}")
        if dict(fields).get("connection", "").lower() == "close":
            self.close()
        return Response(status, fields, body)

    def _response_head(self):
        line, *rest = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        version, _, status = line.partition(" ")
        if version != "HTTP/1.1" or not status[:3].isdigit():
            raise Broken(f"status line {line!r}")
        fields = []
        for row in rest:
            name, colon, value = row.partition(":")
            if not colon or not name or name != name.strip():
                raise Broken(f"field line {row!r}")
            fields.append((name.lower(), value.strip()))
        return int(status[:3]), fields

    def _response_body(self, method, status, fields):
        if method == "HEAD" or status in (204, 304):
            return b""
        if fields.get("transfer-encoding") == "chunked":
            parts = []
            while size := int(self._until(b"\r\n").split(b";")[0], 16):
                parts.append(self._exactly(size))
                if self._exactly(2) != b"\r\n":
                    raise Broken("chunk does not end in CRLF")
            if self._exactly(2) != b"\r\n":
                raise Broken("trailer fields")
            return b"".join(parts)
        if "content-length" not in fields:
            raise Broken("neither Content-Length nor chunked")
        return self._exactly(int(fields["content-length"]))


class Http2:
    """One HTTP/2 connection, one request at a time."""

    def __init__(self, caddy, timeout=20):
        import h2.config  # pylint: disable=import-outside-toplevel
        import h2.connection  # pylint: disable=import-outside-toplevel
        import h2.events  # pylint: disable=import-outside-toplevel
        self.events = h2.events
        self.authority = f"{HOST}:{caddy.port}"
        self.tls = _connect(caddy.port, caddy.ca, "h2", timeout)
        config = h2.config.H2Configuration(client_side=True, header_encoding="latin-1")
        self.h2 = h2.connection.H2Connection(config)
        self.h2.initiate_connection()
        self.h2.increment_flow_control_window(1 << 24)
        self._flush()

    def close(self):
        self.tls.close()

    def _flush(self):
        self.tls.sendall(self.h2.data_to_send())

    def _receive(self):
        data = self.tls.recv(65536)
        if not data:
            raise Broken("connection closed within a response")
        events = self.h2.receive_data(data)
        self._flush()
        return events

    def request(self, method, target, fields=(), body=None):
        return self._exchange(method, target, fields, None if body is None else [body], True, 0.0)

    def upload(self, method, target, pieces, chunked=False, pause=0.0):
        """As Http1.upload; `chunked` means: no content-length."""
        return self._exchange(method, target, (), pieces, not chunked, pause)

    def _exchange(self, method, target, fields, pieces, tell_length, pause):
        head = [(":method", method), (":scheme", "https"), (":authority", self.authority), (":path", target)]
        head += [(name.lower(), str(value)) for name, value in fields]
        if pieces is not None and tell_length:
            head.append(("content-length", str(sum(map(len, pieces)))))
        return self.exchange_head(head, pieces, pause)

    def exchange_head(self, head, pieces=None, pause=0.0):
        """One exchange with this very list of fields, pseudo ones included."""
        stream = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream, head, end_stream=pieces is None)
        self._flush()
        answer = _Stream(stream)
        for piece in pieces or ():
            time.sleep(pause)
            self._send_piece(stream, piece, answer)
        if pieces is not None:
            self.h2.end_stream(stream)
            self._flush()
        while not answer.ended:
            self._take(self._receive(), answer)
        return Response(answer.status, answer.fields, answer.body)

    def _send_piece(self, stream, piece, answer):
        while piece:
            room = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)
            if room == 0:
                self._take(self._receive(), answer)
                continue
            self.h2.send_data(stream, piece[:room])
            self._flush()
            piece = piece[room:]

    def _take(self, events, answer):
        for event in events:
            if isinstance(event, (self.events.StreamReset, self.events.ConnectionTerminated)):
                raise Broken(f"{event}")
            if getattr(event, "stream_id", None) not in (None, 0, answer.stream):
                raise Broken(f"an event for another stream: {event}")
            if isinstance(event, self.events.ResponseReceived):
                answer.fields = [(name, value) for name, value in event.headers if name != ":status"]
                answer.status = int(dict(event.headers)[":status"])
            elif isinstance(event, self.events.DataReceived):
                answer.body += event.data
                self.h2.acknowledge_received_data(event.flow_controlled_length, answer.stream)
                self._flush()
            elif isinstance(event, self.events.StreamEnded):
                answer.ended = True


class _Stream:
    def __init__(self, stream):
        self.stream, self.status, self.fields, self.body, self.ended = stream, 0, [], b"", False


def digest(body):
    return hashlib.sha256(body).hexdigest()

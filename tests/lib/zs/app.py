# SPDX-License-Identifier: GPL-2.0-or-later
"""A small application upstream: HTTP/1.1 with keep-alive, told by each URL's query what to answer.

    cc=VALUE      Cache-Control               size=N      body length (text is padded, bin is exact)
    bin=1         the same N binary bytes every time, with an ETag; else text naming URL, nonce, version
                  and when it was made (seconds of CLOCK_MONOTONIC)
    te=chunked    chunked body                sc=VALUE    Set-Cookie
    vary=VALUE    Vary                        status=N    status of GET and HEAD
    delay=MS      waits before answering      close=1     closes the connection afterwards
    etag=VALUE    ETag, and 304 if the request has it in If-None-Match
    tags=VALUE    Surrogate-Key               lc=VALUE    Location
    lag=MS        delay, but for GET only     echo, when, inject: see careless.py
    drip=MS       the second half of the answer comes so much after the first
    until=SECOND  max-age up to that second of CLOCK_MONOTONIC, and an hour from then on

Any other method reads its body and answers with its digest and length; `X-Status: N` in the request
sets the status, and a 2xx or 3xx raises the version that later GETs of the same URL name.
/_log and /_reset, sent to this port directly, tell and clear what was counted; after /_fail every GET of
/app/may-fail... is answered with 503, until /_heal.
"""

import argparse
import asyncio
import functools
import hashlib
import itertools
import json
import random
import time
import zlib
from collections import Counter
from urllib.parse import parse_qsl

import careless

REASONS = {200: "OK", 201: "Created", 204: "No Content", 303: "See Other", 400: "Bad Request",
           403: "Forbidden", 404: "Not Found", 500: "Internal Server Error"}
NO_BODY = (204, 304)


class State:
    """What the upstream has seen."""
    nonce = itertools.count(1)
    versions = Counter()
    requests = Counter()
    arrivals = Counter()  # by tenths of a second of CLOCK_MONOTONIC
    connections = 0
    failing = False


@functools.lru_cache(maxsize=4096)
def parameters(target):
    return dict(parse_qsl(target.partition("?")[2]))


@functools.lru_cache(maxsize=4096)
def binary(target, size):
    return random.Random(target).randbytes(size)


@functools.lru_cache(maxsize=2)
def date(second):
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(second))


def message(status, fields, body, chunked=False, bodiless=False):
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}", f"Date: {date(int(time.time()))}"]
    lines += [f"{name}: {value}" for name, value in fields]
    if chunked:
        lines.append("Transfer-Encoding: chunked")
    elif status not in NO_BODY:
        lines.append(f"Content-Length: {len(body)}")
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
    if bodiless or status in NO_BODY:
        return head
    return head + (chunks(body) if chunked else body)


def chunks(body):
    """The body in three uneven chunks at most."""
    cuts = sorted({0, len(body) // 3, len(body) // 3 * 2 + 1, len(body)})
    parts = [body[a:b] for a, b in zip(cuts, cuts[1:]) if b > a]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def answer_read(method, target, sent, head, given, close):
    """GET and HEAD. `sent` are the request's fields, `head` is the whole head, `given` the body, as text."""
    want = parameters(target)
    if State.failing and target.startswith("/app/may-fail"):
        return message(503, [("Retry-After", "1")], b"failing\n")
    if "etag" in want and want["etag"] in sent.get("if-none-match", ""):
        State.requests[f"304 {target}"] += 1
        fields = [("ETag", want["etag"])] + ([("Cache-Control", want["cc"])] if "cc" in want else [])
        return message(304, fields, b"")
    size = int(want.get("size", 0))
    fields = ([("Cache-Control", want["cc"])] if "cc" in want else []) + careless.fields(want)
    if "until" in want:
        left = int(want["until"]) - time.monotonic()
        fields.append(("Cache-Control", f"max-age={int(left) if left >= 1 else 3600}"))
    if "bin" in want:
        body = binary(target, size)
        fields += [("Content-Type", "application/octet-stream"), ("ETag", f'"{zlib.crc32(body):x}"'),
                   ("X-Kind", "binary")]
    else:
        text = (f"{target} nonce={next(State.nonce)} version={State.versions[target]} "
                f"made={time.monotonic():.6f}{careless.words(want, sent, given)}\n")
        body = text.ljust(size, ".").encode("latin-1")
        fields.append(("Content-Type", "text/plain; charset=utf-8"))
    fields += [(name, want[key]) for key, name in (("sc", "Set-Cookie"), ("vary", "Vary"), ("etag", "ETag"),
                                                 ("tags", "Surrogate-Key"), ("lc", "Location")) if key in want]
    if close:
        fields.append(("Connection", "close"))
    status = careless.status(want, sent, head)
    return message(status, fields, body, want.get("te") == "chunked", method == "HEAD")


def answer_write(method, target, fields, body, close):
    """POST and all the others: what arrived, so that the sender can compare."""
    status = int(fields.get("x-status", 200))
    if 200 <= status < 400:
        State.versions[target] += 1
    text = (f"{method} {target} length={body.length} sha256={body.hash.hexdigest()} nonce={next(State.nonce)} "
            f"version={State.versions[target]}\n")
    extra = [("Content-Type", "text/plain; charset=utf-8")] + ([("Connection", "close")] if close else [])
    extra += [("Cache-Control", value) for key, value in parameters(target).items() if key == "cc"]
    return message(status, extra, text.encode("latin-1"))


def answer_control(target):
    if target in ("/_fail", "/_heal"):
        State.failing = target == "/_fail"
    if target == "/_reset":
        State.requests.clear()
        State.arrivals.clear()
        State.connections = 0
    told = {"requests": State.requests, "arrivals": State.arrivals, "connections": State.connections}
    return message(200, [("Content-Type", "application/json")], json.dumps(told).encode())


class Body:
    """Reads one request body from the front of a buffer."""

    def __init__(self, length, chunked):
        self.hash = hashlib.sha256()
        self.start = b""
        self.length = 0
        self.left = 0 if chunked else length
        self.chunked = chunked
        self.in_chunk = False

    def _take(self, buffer):
        part = bytes(buffer[:self.left])
        del buffer[:len(part)]
        self.hash.update(part)
        self.start = (self.start + part)[:200]
        self.length += len(part)
        self.left -= len(part)
        return self.left == 0

    def read(self, buffer):
        """True when the body is complete; False when more bytes are needed."""
        if not self.chunked:
            return self._take(buffer)
        while True:
            if self.in_chunk:
                if not self._take(buffer) or len(buffer) < 2:
                    return False
                if buffer[:2] != b"\r\n":
                    raise ValueError("chunk does not end in CRLF")
                del buffer[:2]
                self.in_chunk = False
            line, found, _ = buffer.partition(b"\r\n")
            if not found:
                return False
            size = int(line.split(b";")[0], 16)
            if size == 0:
                if len(buffer) < len(line) + 4:
                    return False
                del buffer[:len(line) + 4]
                return True
            del buffer[:len(line) + 2]
            self.left, self.in_chunk = size, True


class Connection(asyncio.Protocol):
    limit = 1000  # requests, then it closes, as nginx does

    def connection_made(self, transport):
        State.connections += 1
        self.transport = transport
        self.buffer = bytearray()
        self.head = self.body = None
        self.served = 0
        self.waiting = False

    def data_received(self, data):
        self.buffer += data
        try:
            while not self.waiting and not self.transport.is_closing() and self.step():
                pass
        except (ValueError, IndexError) as error:
            State.requests[f"BAD {error}"] += 1
            self.transport.write(message(400, [("Connection", "close")], f"{error}\n".encode()))
            self.transport.close()

    def step(self):
        """Reads on; True if there may be more to do with what is in the buffer."""
        if self.head is None:
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return False
            lines = self.buffer[:end].decode("latin-1").split("\r\n")
            del self.buffer[:end + 4]
            self.begin(lines)
        if not self.body.read(self.buffer):
            return False
        self.finish()
        return True

    def begin(self, lines):
        method, target, version = lines[0].split(" ")
        if version != "HTTP/1.1":
            raise ValueError(f"version {version}")
        fields = {}
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon:
                raise ValueError("field line without a colon")
            fields[name.lower()] = value.strip()
        self.head = method, target, fields, "\n".join(lines)
        self.body = Body(int(fields.get("content-length", 0)), "transfer-encoding" in fields)

    def finish(self):
        (method, target, fields, head), body = self.head, self.body
        self.head = self.body = None
        if target.startswith("/_"):
            self.transport.write(answer_control(target))
            return
        State.requests[f"{method} {target}"] += 1
        State.arrivals[int(time.monotonic() * 10)] += 1
        self.served += 1
        close = self.served >= self.limit or "close" in parameters(target)
        if method in ("GET", "HEAD"):
            answer = answer_read(method, target, fields, head, body.start.decode("latin-1"), close)
        else:
            answer = answer_write(method, target, fields, body, close)
        want = parameters(target)
        delay = float(want.get("delay", want.get("lag", 0) if method == "GET" else 0)) / 1000
        drip = float(want.get("drip", 0)) / 1000
        self.waiting = bool(delay or drip)
        if delay:
            asyncio.get_running_loop().call_later(delay, self.answer, answer, close, drip)
        else:
            self.answer(answer, close, drip)

    def answer(self, data, close, drip=0.0):
        if drip:
            self.transport.write(data[:len(data) // 2])
            asyncio.get_running_loop().call_later(drip, self.answer, data[len(data) // 2:], close)
            return
        self.transport.write(data)
        if close:
            self.transport.close()
        if self.waiting:
            self.waiting = False
            self.data_received(b"")


async def serve(host, port):
    server = await asyncio.get_running_loop().create_server(Connection, host, port, backlog=512)
    await server.serve_forever()


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int, required=True)
    options.add_argument("--keepalive-requests", type=int, default=1000)
    given = options.parse_args()
    Connection.limit = given.keepalive_requests
    asyncio.run(serve(given.host, given.port))


if __name__ == "__main__":
    main()

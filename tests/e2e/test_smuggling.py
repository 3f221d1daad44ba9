# SPDX-License-Identifier: GPL-2.0-or-later
"""A request body that is a perfectly formed GET for a cached URL reaches the upstream, as a body.

Caddy sends the head in a write of its own, then each read from the visitor as one write (seen with strace);
a chunk goes through a buffer of 4096 bytes and is cut there. So the uploads below put the GET at the start
of a write, and often make it the whole of one.
"""

import re
import socket

from zs import suite
from zs.client import digest

BUFFER = 4096
CACHED = "/app/cached?cc=max-age%3D600&size=300"
PAUSE = 0.01


def read_responses(connection, count):
    """`count` responses with Content-Length, and nothing after them: a list of (head, body) as text."""
    data, answers = b"", []
    while len(answers) < count:
        head, found, rest = data.partition(b"\r\n\r\n")
        length = int(re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)[1]) if found else 0
        if found and len(rest) >= length:
            answers.append((head.decode("latin-1"), rest[:length].decode("latin-1")))
            data = rest[length:]
            continue
        more = connection.recv(65536)
        if not more:
            raise RuntimeError(f"connection closed after {answers} {data!r}")
        data += more
    if data:
        raise RuntimeError(f"bytes after the last response: {data!r}")
    return answers


def by_hand(port, scripts):
    """For each script, (writes, number of responses): what was read on a connection of its own."""
    answers = []
    for writes, count in scripts:
        with socket.create_connection(("127.0.0.1", port), 10) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for write in writes:
                connection.sendall(write.encode("latin-1"))
            answers.append(read_responses(connection, count))
    return answers


class Smuggling(suite.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.zs.start("--record-rate", "1000000")
        authority = f"localhost:{cls.world.caddy.port}"
        cls.get = (f"GET {CACHED} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: test\r\n"
                   f"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Host: {authority}\r\nX-Forwarded-Proto: https\r\n"
                   "Accept-Encoding: gzip\r\n\r\n").encode("latin-1")

    def setUp(self):
        self.world.caddy.restart()
        self.get_until_hit(self.http1(), CACHED)
        self.hits = self.zs.counters()["hits"]
        self.reads = self.reads_seen()

    def reads_seen(self):
        return sum(count for name, count in self.world.app.requests().items() if name.startswith("GET "))

    def direct(self, scripts):
        """Writes of our own from within Caddy's cgroup, to the upstream itself."""
        return self.world.cgroup.inside(by_hand, self.world.app.port, scripts)

    def arrived(self, client, pieces, chunked, pause=PAUSE):
        """Uploads; the upstream must have read exactly these bytes, as one body."""
        body = b"".join(pieces)
        note = f"{type(client).__name__} chunked={chunked} pieces={[len(piece) for piece in pieces]}"
        # A chunked upload leaves its connection passive: let each have a new one, or there is nothing to test.
        response = client.upload("POST", "/app/upload" + ("?close=1" if chunked else ""), pieces, chunked, pause)
        self.assertEqual(response.status, 200, note)
        self.assertEqual((int(response.told["length"]), response.told["sha256"]), (len(body), digest(body)), note)
        return response

    def untouched(self):
        """No upload was answered, nor taken for a request by the upstream. (On a passive connection what
        looks like an unsafe request may void what is stored for its target: that costs a miss.)"""
        self.assertEqual(self.zs.counters()["hits"], self.hits)
        self.assertEqual(self.reads_seen(), self.reads)
        self.assertEqual([name for name in self.world.app.requests() if name.startswith("BAD")], [])
        self.get_until_hit(self.http1(), CACHED)

    def each_way(self):
        for client in (self.http1(), self.http2()):
            passive = self.zs.counters()["passive"]
            yield client, False
            self.assertEqual(self.zs.counters()["passive"], passive, "bodies with a length are followed exactly")
            yield client, True

    def test_0_the_get_is_a_hit(self):
        """The control for all others: written by itself, on a connection of Caddy's cgroup, it is answered."""
        ((head, body),), = self.direct([([self.get.decode()], 1)])
        self.assertIn("cache-status: zeroserve; hit", head.lower())
        self.assertIn(CACHED, body)
        self.assertEqual(self.reads_seen(), self.reads)

    def test_pieces(self):
        sizes = (1, 700, BUFFER - 1, BUFFER, BUFFER + 1, 5000, 33_000)
        for client, chunked in self.each_way():
            for size in sizes:
                self.arrived(client, [b"A" * size, self.get], chunked)
                self.arrived(client, [b"A" * size, self.get, self.get, b"B" * size], chunked)
            self.arrived(client, [self.get], chunked)
            self.arrived(client, [self.get] * 5, chunked)
            self.arrived(client, [b"A" * BUFFER * 2, self.get[:50], self.get[50:], self.get], chunked)
        self.untouched()

    def test_long_bodies_cut_by_layers_below(self):
        """TLS records, HTTP/2 frames and copy buffers end at these sizes; the GET begins after."""
        for client, chunked in self.each_way():
            for size in (16_384, 32_768, 65_536):
                for shift in (-1, 0, 1):
                    self.arrived(client, [b"A" * (size + shift) + self.get], chunked)
        self.untouched()

    def test_chunk_cut_at_the_buffer(self):
        """A second chunk is cut at the buffer's end; its own end completes a GET whose last line break is left out."""
        for client in (self.http1(), self.http2()):
            for shift in range(-8, 9):
                for payload in (self.get[:-2], self.get):
                    self.arrived(client, [b"A" * 10, b"A" * (BUFFER - 6 + shift) + payload], True)
        self.untouched()

    def test_by_hand(self):
        """Every split of upload head and body; then a GET on the same connection gets its own answer."""
        get = self.get.decode()
        post = (f"POST /app/upload HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-Proto: https\r\n"
                f"Content-Length: {len(get)}\r\n\r\n")
        scripts = [([post, get], 1), ([post + get], 1)]
        scripts += [([post, get[:i], get[i:]], 1) for i in range(1, len(get))]
        scripts += [([post[:i], post[i:], get], 1) for i in range(1, len(post))]
        scripts += [([post[:i], post[i:] + get[:i], get[i:]], 1) for i in range(1, min(len(post), len(get)))]
        for script, answers in zip(scripts, self.direct(scripts)):
            self.assertIn(f"length={len(get)} sha256={digest(self.get)}", answers[0][1], script)
        self.untouched()

    def test_by_hand_then_a_get(self):
        """After an upload in any split, the connection's next GET gets its own answer, hit or not."""
        get = self.get.decode()
        post = f"POST /app/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(get)}\r\n\r\n"
        for cut in range(0, len(get), 9):
            scripts = [([post + get[:cut], get[cut:], get], 2), ([post, get[:cut], get[cut:] + get], 2),
                       ([post + get[:cut], get[cut:] + get], 2)]
            for script, (first, second) in zip(scripts, self.direct(scripts)):
                self.assertIn(f"length={len(get)} sha256={digest(self.get)}", first[1], script)
                self.assertTrue(second[1].startswith(CACHED + " "), (script, second))

    def test_pipelined_by_hand(self):
        """Responses come in the order of the requests, however these were written."""
        get = self.get.decode()
        post = "POST /app/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello"
        for order in ([post, get], [get, post], [get, get], [post, get, get, post]):
            wanted = ["POST /app/upload " if request is post else CACHED + " " for request in order]
            whole = "".join(order)
            scripts = [(order, len(order)), ([whole], len(order)),
                       ([whole[:len(whole) // 2], whole[len(whole) // 2:]], len(order))]
            for script, answers in zip(scripts, self.direct(scripts)):
                for (_, body), start in zip(answers, wanted):
                    self.assertTrue(body.startswith(start), (script, answers))


if __name__ == "__main__":
    suite.main()

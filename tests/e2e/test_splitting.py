# SPDX-License-Identifier: GPL-2.0-or-later
"""Response splitting and its kin: bytes from an upstream that could be taken for another request's response.

Each row is what the upstream writes for the attacker's URL. Whatever Caddy makes of it, a visitor of another URL gets
that URL's own answer, cold and as a hit, and what was evil is in nobody's hit.
"""

import time

from zs import suite
from zs.odd import OddHttp1
from zs.raw import Raw, answer

LIVE = "Cache-Control: max-age=600"
EVIL = answer("evil\n", LIVE)
GOOD = "good\n"
SETTLE = 0.12  # seconds in which an upstream has written all it wants, to a connection that waits for nothing

CONTROL = "nothing odd"
WHOLE = "two in a row", "another one later", "half of another later"  # complete before the rest was there
ROWS = {
    CONTROL: [answer(GOOD, LIVE)],
    "two in one segment": [answer(GOOD, LIVE) + EVIL],
    "three in one segment": [answer(GOOD, LIVE) + EVIL + EVIL],
    "two in a row": [answer(GOOD, LIVE), EVIL],
    "another one later": [answer(GOOD, LIVE), 0.05, EVIL],
    "half of another later": [answer(GOOD, LIVE), 0.05, EVIL[:20], 0.05, EVIL[20:]],
    "surplus behind the body": [answer(GOOD, LIVE) + b"evil evil evil"],
    "surplus line break": [answer(GOOD, LIVE) + b"\r\n\r\n" + EVIL],
    "length too short": [answer(GOOD + EVIL.decode(), LIVE, length=len(GOOD))],
    "two lengths": [answer(GOOD + EVIL.decode(), LIVE, f"Content-Length: {len(GOOD)}")],
    "two equal lengths": [answer(GOOD, LIVE, f"Content-Length: {len(GOOD)}") + EVIL],
    "length list": [answer(GOOD, LIVE, f"Content-Length: {len(GOOD)}, {len(GOOD)}", length=False) + EVIL],
    "signed length": [answer(GOOD, LIVE, f"Content-Length: +{len(GOOD)}", length=False) + EVIL],
    "length and chunked": [answer(b"5\r\ngood\n\r\n0\r\n\r\n", LIVE, "Transfer-Encoding: chunked", length=4) + EVIL],
    "chunked twice": [answer(b"5\r\ngood\n\r\n0\r\n\r\n", LIVE, "Transfer-Encoding: chunked, chunked",
                             length=False) + EVIL],
    "unknown coding": [answer(GOOD + EVIL.decode(), LIVE, "Transfer-Encoding: x", length=False), 0.05, None],
    "chunk extension": [answer(b"5;a=\"\r\nx\"\r\ngood\n\r\n0\r\n\r\n", LIVE, "Transfer-Encoding: chunked",
                               length=False) + EVIL],
    "trailer": [answer(b"5\r\ngood\n\r\n0\r\nCache-Control: max-age=9999\r\nX-Evil: evil\r\n\r\n", LIVE,
                       "Transfer-Encoding: chunked", length=False) + EVIL],
    "without a body but with one": [answer(b"", LIVE, status="204 No Content", length=False) + EVIL],
    "not modified with a body": [answer(EVIL, LIVE, status="304 Not Modified")],
    "early hints": [answer(b"", "Cache-Control: max-age=999", "X-Evil: evil", status="103 Early Hints", length=False)
                    + answer(GOOD, LIVE) + EVIL],
    "continue": [b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + answer(GOOD, LIVE) + EVIL],
    "switching protocols": [answer(EVIL, "Upgrade: x", "Connection: Upgrade", status="101 Switching Protocols",
                                   length=False)],
    "bare LF": [b"HTTP/1.1 200 OK\nCache-Control: max-age=600\nContent-Length: 5\n\ngood\n" + EVIL],
    "obs-fold": [answer(GOOD, LIVE + ",\r\n s-maxage=600", "X: a\r\n Content-Length: 500") + EVIL],
    "bare CR": [answer(GOOD, LIVE, f"X: a\rContent-Length: {len(GOOD + EVIL.decode())}") + EVIL],
    "space before colon": [answer(GOOD + EVIL.decode(), LIVE, f"Content-Length : {len(GOOD)}")],
    "NUL": [answer(GOOD, LIVE, "X: \0") + EVIL],
    "HTTP/1.0": [b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + EVIL.partition(b"\r\n")[2] + EVIL],
    "HTTP/0.9": [b"evil evil evil\n", 0.05, None],
    "closed within the body": [answer(GOOD, LIVE, length=500), 0.05, None],
    "closed within the head": [b"HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nContent-Le", 0.05, None],
    "without a length": [answer(GOOD, LIVE, length=False), 0.05, None],
}


class Splitting(suite.Case):
    @classmethod
    def setUpClass(cls):
        cls.raw = Raw({f"/raw/attack{number}": steps for number, steps in enumerate(ROWS.values())})
        cls.addClassCleanup(cls.raw.close)
        cls.world_options = {"more_routes": [("/raw/*", f"127.0.0.1:{cls.raw.port}")]}
        super().setUpClass()
        cls.zs.start("--record-rate", "1000000", "--origin", f"127.0.0.1:{cls.raw.port}")

    def setUp(self):
        self.world.caddy.restart()
        self.raw.greeting = b""

    def attack(self, target, method="GET"):
        """One request of the attacker's; what came back, status line and all."""
        client = OddHttp1(self.world.caddy)
        head = f"{method} {target} HTTP/1.1\r\nHost: {client.authority}\r\nConnection: close\r\n\r\n"
        return client.raw(head.encode("latin-1"), patience=1.0)

    def visit(self, client, path):
        """A visitor's request: the URL's own answer, or an error of Caddy's that is no answer. True: a hit."""
        response = client.request("GET", path)
        if response.status == 502:
            self.assertFalse(response.hit, path)
            return False
        self.assertEqual(response.status, 200, f"{path}: {response}")
        self.assertEqual(response.told["target"], path, response)
        self.assertNotIn("evil", response.body.decode("latin-1") + str(response.fields))
        return response.hit

    def visit_until_hit(self, path):
        client = self.http1()
        for pause in range(60):
            if self.visit(client, path):
                return
            time.sleep(0.002 * pause)
        self.fail(f"{path}: never stored; {self.zs.status()}\n{self.zs.log()}")

    def test_upstream_writes_more(self):
        for number, name in enumerate(ROWS):
            with self.subTest(name):
                target, near = f"/raw/attack{number}", f"/raw/near{number}"
                clients = self.http1(), self.http2()
                for turn in range(3):
                    seen = self.attack(target)
                    self.assertNotIn(b"hit", seen.partition(b"\r\n\r\n")[2])
                    time.sleep(SETTLE)
                    for client in clients:
                        self.visit(client, f"{near}-{turn}")
                        time.sleep(0.01)
                        self.visit(client, near)
                seen = self.attack(target)
                if name in WHOLE and b"zeroserve; hit" in seen:
                    self.assertTrue(seen.endswith(b"\r\n\r\n" + GOOD.encode()), seen)
                else:
                    self.assertEqual(b"zeroserve; hit" in seen, name == CONTROL, seen)
                self.visit_until_hit(near)

    def test_head_with_a_body(self):
        """HEAD has no body; bytes that follow the head are no response to the next request."""
        self.raw.script["/raw/head"] = [answer(EVIL, LIVE)]
        client = self.http1()
        for turn in range(5):
            self.attack("/raw/head", "HEAD")
            self.visit(client, f"/raw/after-head{turn}")
        self.visit_until_hit("/raw/after-head")

    def test_response_before_the_request(self):
        """An upstream that speaks first: Caddy may take that for the answer, if its request was faster on the wire.
        Nothing is stored but what Caddy took for the answer, too."""
        self.raw.greeting = EVIL
        paths = [f"/raw/early{number}" for number in range(20)]
        taken = set()
        for path in paths:
            if self.http1().request("GET", path).body == b"evil\n":
                taken.add(path)
        time.sleep(0.3)
        self.raw.greeting = b""
        self.world.caddy.restart()
        for path in paths:
            response = self.http1().request("GET", path)
            self.assertEqual(response.status, 200, path)
            if path not in taken or not response.hit:
                self.assertEqual(response.told["target"], path, response)
                self.visit_until_hit(path)

    def test_application_splits_its_head(self):
        """A parameter ends up in a field, line ends included: one request's answer becomes two."""
        evil = EVIL.decode().replace("\r\n", "%0d%0a").replace(" ", "%20").replace("\n", "%0a")
        client = self.http1()
        for number, value in enumerate((
                f"a%0d%0aContent-Length:%200%0d%0a%0d%0a{evil}", f"a%0d%0aSet-Cookie:%20evil%3d1%0d%0aX-Evil:%20evil",
                f"a%0d%0a%0d%0a{evil}", f"a%0aX-Evil:%20evil", f"a%0dX-Evil:%20evil", f"a%0d%0a%20evil",
                f"a%0d%0aTransfer-Encoding:%20chunked%0d%0a%0d%0a0%0d%0a%0d%0a{evil}", "a%00evil")):
            target = f"/app/split?cc=max-age%3D600&inject={value}"
            with self.subTest(value[:40]):
                for turn in range(3):
                    self.attack(target)
                    for path in (f"/app/near{number}-{turn}?cc=max-age%3D600", "/app/split?cc=max-age%3D600"):
                        self.visit(client, path)
                self.world.caddy.restart()
                client = self.http1()
                self.visit_until_hit("/app/split?cc=max-age%3D600")


if __name__ == "__main__":
    suite.main()

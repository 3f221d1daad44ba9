# SPDX-License-Identifier: GPL-2.0-or-later
"""What visitors get is what they got before, byte for byte; what upstreams see is one request per object."""

import random

from zs import suite

COUNT = 200
LARGEST = 64 * 1024
OURS = {"age", "date", "cache-status"}  # fields in which a hit may differ


def sizes():
    """1 B to 64 KiB, evenly on a logarithmic scale."""
    return [max(1, round(LARGEST ** (i / (COUNT - 1)))) for i in range(COUNT)]


def fields(response, chunked):
    """End-to-end fields to compare. A chunked response is stored with its length: framing, not content."""
    drop = OURS | {"transfer-encoding"} | ({"content-length"} if chunked else set())
    return sorted((name, value) for name, value in response.fields if name not in drop)


class Equality(suite.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        dice = random.Random(1)
        cls.targets = []
        for number, size in enumerate(sizes()):
            if number % 2:
                coding = "&te=chunked" if number % 4 == 1 else ""
                cls.targets.append(f"/app/o{number}?bin=1&size={size}&cc=public,max-age%3D600{coding}")
            else:
                cls.targets.append(f"/o{number}.bin")
                cls.world.nginx.put(cls.targets[-1], dice.randbytes(size))
        for name in ("long", "short"):
            words = " ".join(dice.choice(("hit", "miss", "pass")) for _ in range(4000 if name == "long" else 3))
            cls.world.nginx.put(f"/text/{name}.txt", words.encode())

    def upstream_requests(self):
        return self.world.nginx.requests() + self.world.app.requests()

    def reset(self):
        self.world.nginx.reset()
        self.world.app.reset()

    def round(self, client, method="GET"):
        """With Accept-Encoding, as all browsers do; without it Go adds one to GET, but none to HEAD."""
        return {target: client.request(method, target, [("Accept-Encoding", "gzip")]) for target in self.targets}

    def compare(self, what, got, plain):
        for target, response in got.items():
            chunked = "te=chunked" in target
            self.assertEqual(response.status, plain[target].status, f"{what}: {target}")
            self.assertEqual(response.body, plain[target].body, f"{what}: {target}: body")
            self.assertEqual(fields(response, chunked), fields(plain[target], chunked), f"{what}: {target}")
            length = response.get("content-length")
            if chunked and length is not None and not what.startswith("HEAD"):
                self.assertEqual(int(length), len(response.body), f"{what}: {target}")

    def all_hits(self, what, responses):
        missed = [target for target, response in responses.items() if not response.hit]
        self.assertEqual(missed, [], f"{what}: not answered by zeroserve; status: {self.zs.status()}")

    def test_objects(self):
        self.run_zs("--record-rate", "1000000")
        one, two = self.http1(), self.http2()
        self.reset()
        first = self.round(one)
        self.zs.wait_stored(COUNT)
        self.assertEqual(self.upstream_requests(), {f"GET {target}": 1 for target in self.targets},
                         "first round: one upstream request per object")
        self.reset()
        again, second, heads = self.round(one), self.round(two), self.round(one, "HEAD")
        self.assertEqual(self.upstream_requests(), {}, "later rounds: no upstream request")
        for what, got in (("HTTP/1.1", again), ("HTTP/2", second), ("HEAD", heads)):
            self.all_hits(what, got)
        self.zs.stop()
        plain = self.round(one)
        self.compare("HTTP/1.1 miss", first, plain)
        self.compare("HTTP/1.1 hit", again, plain)
        self.compare("HTTP/2 hit", second, self.round(two))
        self.compare("HEAD hit", heads, self.round(one, "HEAD"))

    def test_content_codings(self):
        """Each Accept-Encoding gets its own variant, compressed by nginx, as without zeroserve."""
        accepts = (None, "gzip", "identity", "gzip, deflate, br", "br")
        self.run_zs("--record-rate", "1000000")
        client = self.http1()

        def look():
            return {(name, accept): client.request("GET", f"/text/{name}.txt",
                                                   [("Accept-Encoding", accept)] if accept else [])
                    for name in ("long", "short") for accept in accepts}

        rounds = [look()]
        self.zs.wait_stored(2)
        rounds += [look() for _ in range(3)]
        self.assertTrue(rounds[-1]["long", "gzip"].hit, self.zs.status())
        self.zs.stop()
        plain = look()
        self.assertEqual(plain["long", "gzip"].get("content-encoding"), "gzip")
        for got in rounds:
            for key, response in got.items():
                self.assertEqual(response.body, plain[key].body, key)
                self.assertEqual(fields(response, True), fields(plain[key], True), key)


if __name__ == "__main__":
    suite.main()

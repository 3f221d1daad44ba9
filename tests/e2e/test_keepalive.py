# SPDX-License-Identifier: GPL-2.0-or-later
"""Hits, misses, uploads and HEADs mixed on keep-alive connections: everybody gets the right response."""

import threading

from zs import suite
from zs.client import digest
from zs.load import Load

CONNECTIONS = 32
EXCHANGES = 10_000
ENCODING = [("Accept-Encoding", "gzip")]  # Go adds it to GET by itself, but not to HEAD
CACHED = [f"/app/cached{i}?cc=max-age%3D600&size={500 + 997 * i}" for i in range(40)]


class Mixed(suite.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.files = {f"/file{i}.bin": bytes((i + j) % 251 for j in range(1 + i * 777)) for i in range(20)}
        for name, body in cls.files.items():
            cls.world.nginx.put(name, body)

    def setUp(self):
        self.lock = threading.Lock()
        self.fresh = set()    # nonces of responses that must have come from the upstream
        self.nonces = {}      # cached URL -> nonces seen

    def visit(self, client, dice, number):
        """One exchange, by the dice."""
        kind = dice.choices((self.cached, self.file, self.upload, self.head, self.miss), (45, 10, 15, 10, 20))[0]
        kind(client, dice)

    def cached(self, client, dice):
        target = dice.choice(CACHED)
        response = client.request("GET", target)
        assert response.status == 200 and response.told["target"] == target, (target, response)
        with self.lock:
            self.nonces.setdefault(target, set()).add(response.told["nonce"])

    def file(self, client, dice):
        name = dice.choice(list(self.files))
        response = client.request("GET", name)
        assert response.status == 200 and response.body == self.files[name], (name, response)

    def upload(self, client, dice):
        body = dice.randbytes(dice.choice((0, 1, 100, 4096, 20_000)))
        if dice.random() < 0.3:
            body = client.head("GET", dice.choice(CACHED)) * dice.randrange(1, 4)
        method, target = dice.choice(("POST", "PUT", "DELETE")), f"/app/upload{dice.randrange(1000)}"
        response = client.request(method, target, (), body)
        assert response.status == 200 and response.told["target"] == target, (target, response)
        assert response.told["sha256"] == digest(body), (method, target, len(body), response)
        self.only_once(response)

    def head(self, client, dice):
        if dice.random() < 0.5:
            name = dice.choice(list(self.files))
            response, length = client.request("HEAD", name, ENCODING), len(self.files[name])
        else:
            target = dice.choice(CACHED)
            response, length = client.request("HEAD", target, ENCODING), int(target.rpartition("=")[2])
        assert response.status == 200 and int(response.get("content-length")) == length, (length, response)

    def miss(self, client, dice):
        target = f"/app/miss{dice.randrange(100)}?cc=no-store&size={dice.randrange(3000)}"
        response = client.request("GET", target)
        assert response.status == 200 and response.told["target"] == target, (target, response)
        assert not response.hit, response
        self.only_once(response)

    def only_once(self, response):
        with self.lock:
            assert response.told["nonce"] not in self.fresh, f"seen before: {response}"
            self.fresh.add(response.told["nonce"])

    def test_interleaved(self):
        self.run_zs("--record-rate", "1000000")
        load = Load(self.world.caddy, self.visit, CONNECTIONS, each=-(-EXCHANGES // CONNECTIONS), seed=7)
        self.assertGreaterEqual(load.wait(100), EXCHANGES)
        seen = self.world.app.requests()
        for target, nonces in self.nonces.items():
            self.assertLessEqual(len(nonces), seen[f"GET {target}"], target)
        self.assertEqual([name for name in seen if name.startswith("BAD")], [])
        counters = self.zs.counters()
        self.assertGreater(counters["hits"], EXCHANGES / 4, counters)
        self.assertEqual(counters.get("impossible", 0), 0, counters)


if __name__ == "__main__":
    suite.main()

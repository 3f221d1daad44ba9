# SPDX-License-Identifier: GPL-2.0-or-later
"""After a write that succeeded, and after a purge, the next request is answered by the upstream."""

import threading

from zs import suite
from zs.load import Load

LIVE = "cc=max-age%3D600&size=300"


class Invalidation(suite.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.zs.start("--record-rate", "1000000")

    def write(self, client, url, method="POST", status=200):
        response = client.request(method, url, [("X-Status", status)], b"new")
        self.assertEqual(response.status, status)
        return int(response.told["version"])

    def version(self, client, url):
        return int(self.get_ok(client, url).told["version"])

    def test_write_that_succeeds(self):
        for client in (self.http1(), self.http2()):
            for method in ("POST", "PUT", "PATCH", "DELETE", "PURGE"):
                for status in (200, 201, 303):
                    url = f"/app/{type(client).__name__}-{method}-{status}?{LIVE}"
                    self.get_until_hit(client, url)
                    version = self.write(client, url, method, status)
                    after = self.get_ok(client, url)
                    self.assertFalse(after.hit, (method, status))
                    self.assertEqual(int(after.told["version"]), version, (method, status))
                    self.assertEqual(int(self.get_until_hit(client, url).told["version"]), version)

    def test_write_that_fails(self):
        """Otherwise anybody could switch caching off."""
        client = self.http1()
        for status in (400, 403, 404, 500):
            url = f"/app/failing{status}?{LIVE}"
            nonce = self.get_until_hit(client, url).told["nonce"]
            self.write(client, url, status=status)
            after = self.get_ok(client, url)
            self.assertTrue(after.hit, status)
            self.assertEqual(after.told["nonce"], nonce, status)

    def test_read_your_writes_under_load(self):
        """Writers read back their own version, while others keep asking for the same URLs."""
        urls = [f"/app/contended{number}?{LIVE}" for number in range(3)]
        written = [0] * len(urls)
        lock = threading.Lock()

        def visit(client, dice, number):
            mine = number % len(urls)
            if number >= len(urls):
                assert client.request("GET", dice.choice(urls)).status == 200
                return
            version = int(client.request("POST", urls[mine], (), b"x").told["version"])
            for _ in range(dice.randrange(1, 8)):
                read = int(client.request("GET", urls[mine]).told["version"])
                assert read == version, f"{urls[mine]}: wrote version {version}, then read {read}"
            with lock:
                written[mine] += 1

        Load(self.world.caddy, visit, connections=9, each=250).wait(60)
        self.assertEqual(written, [250] * len(urls))

    def test_purge_url(self):
        client = self.http1()
        url, other = f"/app/purged?{LIVE}", f"/app/kept?{LIVE}"
        nonce = self.get_until_hit(client, url).told["nonce"]
        self.get_until_hit(client, other)
        self.zs.do("purge", "--url", f"{self.world.caddy.url}{url}")
        after = self.get_ok(client, url)
        self.assertFalse(after.hit)
        self.assertNotEqual(after.told["nonce"], nonce)
        self.assertTrue(self.get_ok(client, other).hit)
        self.get_until_hit(client, url)

    def test_purge_all(self):
        client = self.http1()
        urls = [f"/app/all{number}?{LIVE}" for number in range(10)]
        for url in urls:
            self.get_until_hit(client, url)
        self.zs.do("purge", "--all")
        self.assertEqual([url for url in urls if self.get_ok(client, url).hit], [])
        for url in urls:
            self.get_until_hit(client, url)


if __name__ == "__main__":
    suite.main()

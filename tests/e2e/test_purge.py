# SPDX-License-Identifier: GPL-2.0-or-later
"""What `purge` names is answered by the upstream from the very next request on; `list` shows the rest."""

import itertools
import json
import threading
import time

from zs import suite
from zs.load import Load

LIVE = "cc=max-age%3D600&size=300"
CONFIG = "[rule graced]\nprefix = /app/graced\ngrace = 10m\n[rule keyed]\nprefix = /app/keyed\nkey-query = drop utm_*\n"
OK, USAGE = 0, 2


class Purge(suite.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        config = cls.world.dir / "zeroserve.conf"
        config.write_text(CONFIG, encoding="ascii")
        cls.zs.start("--record-rate", "1000000", "--config", config)

    def setUp(self):
        self.client = self.http1()
        self.base = self.world.caddy.url

    def purge(self, *args):
        """The object that the command prints."""
        return json.loads(self.zs.do("--json", "purge", *args))

    def listed(self, *args):
        return json.loads(self.zs.do("--json", "list", *args))["objects"]

    def store(self, *urls):
        """Each of them is answered from the store; their nonces."""
        for url in urls:
            self.get_until_hit(self.client, url)
        time.sleep(0.05)  # the recordings of further misses have replaced the first
        return [self.get_ok(self.client, url).told["nonce"] for url in urls]

    def hits(self, urls):
        return [self.get_ok(self.client, url).hit for url in urls]

    def check(self, gone, kept, *args):
        """These arguments purge the first and spare the others, on every connection."""
        old = dict(zip(gone + kept, self.store(*gone, *kept)))
        told = self.purge("--dry-run", *args)
        self.assertEqual((told["purged"], sorted(told["urls"])), (len(gone), sorted(self.base + url for url in gone)), args)
        self.assertEqual(self.hits(gone + kept), [True] * len(gone + kept), args)
        other = self.http2()
        self.assertEqual(self.purge(*args)["purged"], len(gone), args)
        for url in gone:
            after = self.get_ok(other, url)
            self.assertFalse(after.hit, (args, url))
            self.assertNotEqual(after.told["nonce"], old[url], (args, url))
        self.assertEqual(self.hits(kept), [True] * len(kept), args)
        self.store(*gone)

    def test_url(self):
        self.check([f"/app/u?{LIVE}"], [f"/app/u?{LIVE}&x", f"/app/u/?{LIVE}"], "--url", f"{self.base}/app/u?{LIVE}")

    def test_url_by_rule(self):
        """Parameters that are not part of the key do not matter here either."""
        sent = f"/app/keyed?{LIVE}"
        for asked in (sent, f"{sent}&utm_source=x", f"/app/keyed?utm_a=1&{LIVE}&utm_b"):
            self.check([sent], [f"/app/keyed/2?{LIVE}"], "--url", self.base + asked)

    def test_prefix(self):
        gone = [f"/app/p/{number}?{LIVE}" for number in range(5)]
        kept = [f"/app/p?{LIVE}", f"/app/P/1?{LIVE}", f"/app/q/p/1?{LIVE}"]
        self.check(gone, kept, "--prefix", f"{self.base}/app/p/")
        self.assertEqual(self.purge("--prefix", "https://elsewhere.example/app/p/")["purged"], 0)

    def test_host(self):
        urls = [f"/app/h{number}?{LIVE}" for number in range(3)]
        self.purge("--all")
        self.check([], urls, "--host", "localhost.example")
        self.check(urls, [], "--host", "LocalHost")
        self.check(urls, [], "--host", self.base.split("/")[2])
        self.check([], urls, "--host", "localhost:1")

    def test_tag(self):
        both, one, other = (f"/app/t{tag}?{LIVE}&tags={tag}" for tag in ("red+round", "red", "redder"))
        self.check([both, one], [other], "--tag", "red")
        self.check([both], [one, other], "--tag", "round", "--tag", "unknown")
        self.check([both, other], [one], "--tag", "round", "--tag", "redder")

    def test_all(self):
        self.purge("--all")
        self.check([f"/app/a{number}?{LIVE}" for number in range(5)], [], "--all")

    def test_soft(self):
        """With grace: answered at once by the old one, and soon by a new one. Without: as if it were not soft."""
        graced, plain, other = f"/app/graced?{LIVE}", f"/app/gr2?{LIVE}", f"/app/other?{LIVE}"
        for args in (["--prefix", f"{self.base}/app/gr"], ["--url", f"{self.base}{graced}"]):
            old, _, kept = self.store(graced, plain, other)
            self.assertTrue(self.purge("--soft", *args)["soft"])
            after = self.get_ok(self.client, graced)
            self.assertTrue(after.hit, args)
            self.assertEqual(after.told["nonce"], old, args)
            self.assertEqual(self.get_ok(self.client, plain).hit, args[0] == "--url")
            self.assertEqual(self.get_ok(self.client, other).told["nonce"], kept)
            end = time.monotonic() + 5
            while self.get_ok(self.client, graced).told["nonce"] == old:
                self.assertLess(time.monotonic(), end, "not fetched anew")
                time.sleep(0.02)

    def test_in_flight(self):
        """The upstream has answered already when it is purged, but the response is still on its way."""
        def slow(url):
            self.get_ok(client, url)

        ways = [["--prefix", f"{self.base}/app/slow"], ["--host", "localhost"], ["--all"], ["--url", None]]
        for number, way in enumerate(ways):
            client, url = self.http1(), f"/app/slow{number}?{LIVE}&delay=400"
            way = [word or f"{self.base}{url}" for word in way]
            thread = threading.Thread(target=slow, args=(url,))
            thread.start()
            time.sleep(0.15)
            self.purge(*way)
            thread.join()
            time.sleep(0.2)
            self.assertFalse(self.get_ok(self.client, url).hit, way)
            self.get_until_hit(self.client, url)

    def test_under_load(self):
        """No request fails, and none is answered with what was made before the purge that has returned."""
        urls = [f"/app/l{number}?{LIVE}&tags=load" for number in range(40)]
        ways = [["--prefix", f"{self.base}/app/l"], ["--host", "localhost"], ["--all"], ["--tag", "load"],
                ["--soft", "--prefix", f"{self.base}/app/l"], ["--url", f"{self.base}{urls[0]}"]]

        def visit(client, dice, number):
            url = dice.choice(urls)
            response = client.request("GET", url)
            assert response.status == 200 and response.told["target"] == url, (number, response)

        load = Load(self.world.caddy, visit, connections=8)
        rounds, end = 0, time.monotonic() + 4
        try:
            for way in itertools.cycle(ways):
                since = time.monotonic()
                self.purge(*way)
                made = float(self.get_ok(self.client, urls[0]).told["made"])
                self.assertGreaterEqual(made, since, way)
                rounds += 1
                if time.monotonic() > end or load.failed():
                    break
        finally:
            count = load.stop()
        self.assertGreater(count, 100)
        self.assertGreaterEqual(rounds, len(ways))

    def test_list(self):
        urls = [f"/app/list{number}?cc=max-age%3D{600 + number}&size={300 - number}&tags=odd{number % 2}+listed"
                for number in range(4)]
        self.store(*urls)
        for _ in range(3):
            self.get_ok(self.client, urls[2])
        prefix = f"{self.base}/app/list"

        def order(*args):
            return [urls.index("/" + row["url"].split("/", 3)[3]) for row in self.listed("--prefix", prefix, *args)]

        self.assertEqual(order(), [0, 1, 2, 3])
        self.assertEqual(order("--sort", "ttl"), [3, 2, 1, 0])
        self.assertEqual(order("--sort", "size"), [0, 1, 2, 3])
        self.assertEqual(order("--sort", "hits", "--limit", "1"), [2])
        self.assertEqual(sorted(order("--sort", "age")), [0, 1, 2, 3])
        self.assertEqual(order("--tag", "odd1"), [1, 3])
        self.assertEqual(order("--tag", "odd1", "--tag", "odd0", "--state", "fresh"), [0, 1, 2, 3])
        self.assertEqual(order("--host", "localhost", "--state", "void"), [])
        self.assertEqual(order("--host", "elsewhere.example"), [])
        self.assertEqual(order("--sort", "ttl", "--reverse", "--limit", "3"), [0, 1, 2])
        self.assertEqual(order("--url", self.base + urls[3]), [3])
        self.assertEqual(order("--url", self.base + urls[3], "--state", "stale"), [])
        self.assertEqual(order("--url", self.base + urls[3] + "x"), [])
        self.assertEqual([row["url"] for row in self.listed("--url", self.base + urls[3])], [self.base + urls[3]])
        row = self.listed("--prefix", self.base + urls[1])[0]
        self.assertEqual((row["state"], row["size"], row["status"], row["tags"]),
                         ("fresh", 299, 200, ["odd1", "listed"]))
        self.assertGreaterEqual(row["hits"], 1)
        self.assertTrue(590 <= row["stale_until"] - time.time() <= 902, row)
        self.assertEqual((row["etag"], row["vary"]), (None, []))
        tagged = f"/app/list-etag?{LIVE}&etag=%22v1%22"
        self.store(tagged)
        self.assertEqual(self.listed("--prefix", self.base + tagged)[0]["etag"], '"v1"')
        self.assertIn("odd1,listed", self.zs.do("list", "--prefix", prefix))
        for args in (["--sort", "colour"], ["--state", "odd"], ["--limit", "0"], ["--host", "a/b"], ["--tag", ""],
                     ["--url", "/path"], ["--all"], ["--dry-run"]):
            self.assertEqual(self.zs.call("list", *args)[0], USAGE, args)

    def test_list_keys(self):
        """What is part of a key tells variants of one URL apart; a URL finds them as its rules write it."""
        page = f"/app/keyed/list?{LIVE}&tags=one+two"
        for coding in ("gzip", "gzip, br", "identity"):
            self.get_until_hit(self.client, page + "&utm_source=a", [("Accept-Encoding", coding)])
        rows = self.listed("--url", f"{self.base}{page}&utm_source=b", "--sort", "hits")
        origin = f"127.0.0.1:{self.world.app.port}"
        self.assertEqual({(row["origin"], row["encodings"]) for row in rows}, {(origin, 9), (origin, 11), (origin, 8)})
        lines = self.zs.do("list", "--url", self.base + page).splitlines()
        self.assertEqual(lines[0].split(), ["state", "age/s", "ttl/s", "bytes", "hits", "status", "origin", "accepts",
                                            "vary", "tags", "url"])
        found = {tuple(line.split()[6:]) for line in lines[1:]}
        self.assertEqual(found, {(origin, coding, "-", "one,two", self.base + page)
                                 for coding in ("gzip", "gzip,br", "none")})
        for line in lines[1:]:
            state, age, ttl, size, hits, status = line.split()[:6]
            self.assertEqual((state, size, status), ("fresh", "300", "200"), line)
            self.assertTrue(0 <= int(age) <= 60 and 540 <= int(ttl) <= 600 and int(hits) >= 1, line)


if __name__ == "__main__":
    suite.main()

# SPDX-License-Identifier: GPL-2.0-or-later
"""What `explain` says is what then happens, and `warm` fills the store through Caddy."""

import json
import time

from zs import suite

CONFIG = "[rule a]\nprefix = /app/cookies\nignore-cookies = consent\n"


class Explain(suite.Case):
    def setUp(self):
        file = self.world.dir / "zeroserve.conf"
        file.write_text(CONFIG)
        self.run_zs("--config", file, "--record-rate", "1000000")
        self.client = self.http1()
        self.origin = f"127.0.0.1:{self.world.app.port}"

    def url(self, target):
        return self.world.caddy.url + target

    def explain(self, target, *fields):
        """What is said of the application's origin."""
        words = [word for name, value in fields for word in ("--header", f"{name}: {value}")]
        told = json.loads(self.zs.do("--json", "explain", *words, self.url(target)))
        return next(origin for origin in told["origins"] if origin["origin"] == self.origin)

    def ask(self, target, *fields):
        return self.client.request("GET", target, [*fields, ("User-Agent", "test")])

    def test_hit(self):
        page = "/app/page?cc=max-age%3D60&size=77"
        self.assertEqual(self.explain(page)["fate"], "miss")
        self.get_until_hit(self.client, page)
        told = self.explain(page)
        self.assertEqual(told["fate"], "hit", told)
        response = self.ask(page)
        self.assertTrue(response.hit)
        self.assertEqual((told["object"]["status"], told["object"]["size"]), (200, len(response.body)))
        self.assertLessEqual(abs(told["object"]["ttl"] - (60 - response.age)), 2)
        self.assertIn("answered in the kernel", self.zs.do("explain", self.url(page)))
        self.zs.do("purge", "--url", self.url(page))
        told = self.explain(page)
        self.assertEqual((told["fate"], told.get("object", {}).get("void", True)), ("miss", True), told)
        self.assertFalse(self.ask(page).hit)

    def test_not_stored(self):
        for name, query in (("set-cookie", "cc=max-age%3D60&sc=a%3Db"), ("no-store", "cc=no-store"),
                            ("no-freshness", "size=10"), ("vary", "cc=max-age%3D60&vary=X-Foo")):
            page = f"/app/{name}?{query}"
            deadline = time.monotonic() + 5
            while (told := self.explain(page))["fate"] != "held-off":
                self.assertLess(time.monotonic(), deadline, told)
                self.ask(page)
                time.sleep(0.05)
            self.assertEqual(told["held_off"]["reason"], name, told)
            self.assertGreaterEqual(told["held_off"]["seconds"], 0)
            before = self.zs.counters()["held_off"]
            self.assertFalse(self.ask(page).hit)
            self.assertEqual(self.zs.counters()["held_off"], before + 1)

    def test_passed_on(self):
        page = "/app/passed?cc=max-age%3D60"
        self.get_until_hit(self.client, page)
        for field in (("Cookie", "a=1"), ("Range", "bytes=0-1"), ("Cache-Control", "no-cache"),
                      ("Accept-Encoding", "identity;q=0")):
            told = self.explain(page, field)
            self.assertEqual((told["fate"], told["cause"]), ("passed", field[0]), told)
            self.assertFalse(self.ask(page, field).hit, field)
        told = self.explain(page + "&x", ("X-Unheard-Of", "1"))
        self.assertEqual((told["fate"], told["cause"]), ("unfit", "X-Unheard-Of"), told)
        cookies = "/app/cookies?cc=max-age%3D60"
        self.get_until_hit(self.client, cookies)
        self.assertEqual(self.explain(cookies, ("Cookie", "consent=1"))["fate"], "hit")
        self.assertTrue(self.ask(cookies, ("Cookie", "consent=1")).hit)
        self.zs.do("pause")
        self.assertEqual(self.explain(page)["fate"], "paused")
        self.zs.do("resume")
        self.assertEqual(self.explain(page)["fate"], "hit")

    def test_bad_words(self):
        for words in ((), ("no-url",), ("https://localhost/", "--header", "not a field")):
            self.assertEqual(self.zs.call("explain", *words)[0], 2, words)

    def test_warm(self):
        targets = [f"/app/warm/{n}?cc=max-age%3D60" for n in range(200)] + ["/app/warm/no?cc=no-store"]
        file = self.world.dir / "urls"
        file.write_text("# a list\n\n" + "\n".join(map(self.url, targets)) + "\n")
        started = time.monotonic()
        told = json.loads(self.zs.do("--json", "warm", file, "--cacert", self.world.caddy.ca, "--rate", "100"))
        self.assertGreater(time.monotonic() - started, 1.9, "200 requests at 100/s take two seconds")
        self.assertEqual((told["urls"], told["stored"], told["failed"]), (201, 200, 0), told)
        self.assertEqual(len(told["not_stored"]), 1, told)
        self.assertIn("no-store", told["not_stored"][0]["why"])
        for target in targets[:200]:
            self.assertTrue(self.client.request("GET", target, [("Accept-Encoding", "gzip")]).hit, target)
        self.world.app.reset()
        file.write_text(self.url(targets[0]) + "\nnot a URL\n")
        code, _, err = self.zs.call("warm", file, "--cacert", self.world.caddy.ca)
        self.assertEqual(code, 2)
        self.assertIn("urls:2:", err)
        self.assertEqual(sum(self.world.app.requests().values()), 0, "nothing is fetched")


if __name__ == "__main__":
    suite.main()

# SPDX-License-Identifier: GPL-2.0-or-later
"""What `explain` says is what then happens, and `warm` fills the store through Caddy."""

import json
import time

from zs import suite

CONFIG = """[zeroserve]
vary = Accept-Language
[rule a]
prefix = /app/cookies
ignore-cookies = consent
[rule query]
prefix = /app/query
key-query = drop utm_*
[rule missing]
prefix = /app/query
status = 404
ttl = 10s
[rule never]
prefix = /app/never
bypass = yes
"""


class Explain(suite.Case):
    def setUp(self):
        file = self.world.dir / "zeroserve.conf"
        file.write_text(CONFIG)
        self.run_zs("--config", file, "--record-rate", "1000000")
        self.client = self.http1()
        self.origin = f"127.0.0.1:{self.world.app.port}"

    def url(self, target):
        return self.world.caddy.url + target

    def answer(self, target, *fields):
        words = [word for name, value in fields for word in ("--header", f"{name}: {value}")]
        return json.loads(self.zs.do("--json", "explain", *words, self.url(target)))

    def explain(self, target, *fields):
        """What is said of the application's origin."""
        told = self.answer(target, *fields)
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

    def test_conditions(self):
        page = "/app/condition?cc=max-age%3D60&bin=1&size=9"
        tag = self.get_until_hit(self.client, page).get("etag")
        for value, fate, status in ((tag, "not-modified", 304), ('"x"', "hit", 200), ("*", "not-modified", 304),
                                    (f"{tag},", "not-modified", 304), ("x", "condition", 200)):
            field = ("If-None-Match", value)
            told = self.explain(page, field)
            self.assertEqual(told["fate"], fate, (value, told))
            response = self.ask(page, field)
            self.assertEqual((response.status, response.hit), (status, fate != "condition"), value)

    def test_variants(self):
        """All that is stored for the URL: by coding, by language, and under what is left of the query."""
        page = "/app/query?cc=max-age%3D60&vary=Accept-Encoding,Accept-Language"
        asked = [(("Accept-Encoding", "gzip"), ("Accept-Language", "de")),
                 (("Accept-Encoding", "gzip, br"), ("Accept-Language", "de")),
                 (("Accept-Encoding", "gzip"), ("Accept-Language", "fr"))]
        for fields in asked:
            self.get_until_hit(self.client, page + "&utm_source=a", fields)
        told = self.answer(page + "&utm_source=b", *asked[0])
        found = sorted((v["accepts"], v["vary"].get("accept-language"), v["state"], v["origin"])
                       for v in told["variants"])
        self.assertEqual(found, sorted([("gzip", "de", "fresh", self.origin), ("gzip, br", "de", "fresh", self.origin),
                                        ("gzip", "fr", "fresh", self.origin)]), told)
        text = self.zs.do("explain", self.url(page))
        self.assertIn("3 variants stored for this URL", text)
        self.assertIn("rule query (line 6) holds\n", text)
        self.assertIn("rule missing (line 9) holds for status 404\n", text)
        self.assertEqual(self.explain(page, *asked[0])["fate"], "hit")
        self.assertEqual(self.explain(page, ("Accept-Language", "es"))["fate"], "miss")

    def test_bypass_rule(self):
        page = "/app/never?cc=max-age%3D60"
        told = self.explain(page)
        self.assertEqual((told["bypass"], [rule["name"] for rule in told["rules"]]), (True, ["never"]), told)
        for _ in range(3):
            self.assertFalse(self.ask(page).hit)
        self.assertIn("a rule says bypass", self.zs.do("explain", self.url(page)))

    def test_purged(self):
        page = "/app/gone?cc=max-age%3D60"
        self.get_until_hit(self.client, page, [("Accept-Encoding", "gzip")])
        self.zs.do("purge", "--all")
        told = self.explain(page)
        self.assertEqual(told["fate"], "miss", told)
        self.assertTrue(told["object"]["void"], told)
        self.assertIn("purged", told["sentence"])
        self.assertFalse(self.ask(page).hit)

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
        file.write_text(self.url(targets[0]) + "\nnot a URL\n/path\n")
        code, _, err = self.zs.call("warm", file, "--cacert", self.world.caddy.ca)
        self.assertEqual(code, 2)
        self.assertIn("urls:2:", err)
        self.assertIn("urls:3:", err)
        self.assertEqual(sum(self.world.app.requests().values()), 0, "nothing is fetched")

    def test_warm_codings(self):
        """What a browser accepts is another variant; --header asks for it."""
        page, file = "/app/browser?cc=max-age%3D60", self.world.dir / "urls"
        file.write_text(self.url(page) + "\n")
        told = json.loads(self.zs.do("--json", "warm", file, "--cacert", self.world.caddy.ca, "--header",
                                     "Accept-Encoding: gzip, deflate, br"))
        self.assertEqual(told["stored"], 1, told)
        self.assertTrue(self.ask(page, ("Accept-Encoding", "gzip, deflate, br")).hit)
        file.write_text("https://localhost:1/\n")
        self.assertEqual(self.zs.call("warm", file)[0], 1, "nobody listens there")


class Left(suite.Case):
    """Without origins there is nothing that could be answered."""

    def test_no_origin(self):
        self.run_zs("--admin", "127.0.0.1:1", origins=False)
        told = json.loads(self.zs.do("--json", "explain", self.world.caddy.url + "/app/x"))
        self.assertEqual((told["origins"], told["variants"]), ([], []), told)
        self.assertIn("no origin is accelerated", self.zs.do("explain", self.world.caddy.url + "/app/x"))

    def test_not_accelerated(self):
        """An upstream that cannot be taken is told with the reason that `status` has, and then passes everything."""
        self.run_zs("--origin", "no-such-host.invalid:80", origins=False)
        status = self.zs.status()["origins"][0]
        told = json.loads(self.zs.do("--json", "explain", self.world.caddy.url + "/app/x"))
        self.assertEqual([(left["dial"], left["reason"]) for left in told["left"]],
                         [(status["dial"], status["reason"])], told)
        self.assertIn("not accelerated: " + status["reason"], self.zs.do("explain", self.world.caddy.url + "/app/x"))
        for _ in range(3):
            self.assertFalse(self.http1().request("GET", "/app/left?cc=max-age%3D60").hit)


if __name__ == "__main__":
    suite.main()

# SPDX-License-Identifier: GPL-2.0-or-later
"""What `explain` says is what then happens, and `warm` fills the store through Caddy."""

import json
import os
import pty
import subprocess
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
[rule graceful]
prefix = /app/graceful
grace = 60s
[rule signed]
prefix = /app/signed
authorization = rfc
"""
OK, FAILED, USAGE, NOT_ATTACHED, DEGRADED = 0, 1, 2, 3, 7


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
        for field in (("X-Unheard-Of", "1"), ("Accept-Encoding", "gzip, unheard-of"), ("If-None-Match", '"a"')):
            before = self.zs.counters()["unfit"]
            told = self.explain(page + "&x", field)
            self.assertEqual((told["fate"], told["cause"]), ("unfit", field[0]), told)
            self.assertFalse(self.ask(page + "&x", field).hit)
            self.assertEqual(self.zs.counters()["unfit"], before + 1, field)
        told = self.explain(page, ("Connection", "Upgrade"), ("Upgrade", "websocket"))
        self.assertEqual(told["fate"], "passive", told)
        cookies = "/app/cookies?cc=max-age%3D60"
        self.get_until_hit(self.client, cookies)
        self.assertEqual(self.explain(cookies, ("Cookie", "consent=1"))["fate"], "hit")
        self.assertTrue(self.ask(cookies, ("Cookie", "consent=1")).hit)
        self.zs.do("pause")
        self.assertEqual(self.explain(page)["fate"], "paused")
        self.zs.do("resume")
        self.assertEqual(self.explain(page)["fate"], "hit")

    def test_agrees(self):
        """Whatever a visitor adds: explain says hit if and only if the next such request is one."""
        page, said = "/app/agrees?cc=max-age%3D600&bin=1&size=9", set()
        self.get_until_hit(self.client, page)
        for field in (("Accept", "a/b"), ("Accept-Encoding", "gzip"), ("Accept-Encoding", "br"), ("Accept-Encoding", "*"),
                      ("Accept-Encoding", "gzip;q=0"), ("Accept-Language", "de"), ("Authorization", "Basic YTpi"),
                      ("Cache-Control", "max-age=0"), ("Cache-Control", "max-age=600"), ("Cache-Control", "unheard-of"),
                      ("Cookie", "consent=1"), ("Early-Data", "1"), ("Forwarded", "for=1"), ("If-Match", "*"),
                      ("If-None-Match", "*"), ("If-None-Match", 'W/"x", "y"'), ("If-Range", '"x"'),
                      ("If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"), ("Keep-Alive", "5"), ("Pragma", "no-cache"),
                      ("Proxy-Authorization", "Basic YTpi"), ("Proxy-Connection", "close"), ("Range", "bytes=0-1"),
                      ("TE", "trailers"), ("TE", "gzip"), ("Upgrade-Insecure-Requests", "1"), ("X-Forwarded-For", "1.2.3.4"),
                      ("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Proto", "ftp"), ("X-Original-URL", "/admin"),
                      ("X-HTTP-Method-Override", "POST")):
            told = self.explain(page, field)
            hit = told["fate"] in ("hit", "stale-hit", "not-modified")
            self.assertEqual(self.ask(page, field).hit, hit, (field, told))
            said.add(told["fate"])
        self.assertTrue(said >= {"hit", "not-modified", "miss", "passed"}, said)

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

    def test_if_modified_since(self):
        page = "/app/modified?cc=max-age%3D60&bin=1&size=9"
        date = self.get_until_hit(self.client, page).get("date")
        for value, fate, status in ((date, "not-modified", 304), ("Sun, 06 Nov 1994 08:49:37 GMT", "hit", 200)):
            field = ("If-Modified-Since", value)
            self.assertEqual(self.explain(page, field)["fate"], fate, value)
            self.assertEqual((self.ask(page, field).status, self.ask(page, field).hit), (status, True), value)
        told = self.explain(page, ("If-Modified-Since", "yesterday"))
        self.assertEqual((told["fate"], told["cause"]), ("passed", "If-Modified-Since"), told)
        self.assertFalse(self.ask(page, ("If-Modified-Since", "yesterday")).hit)

    def test_authorization(self):
        """It is answered only where a rule allows it and the response does (RFC 9111 3.5)."""
        field = ("Authorization", "Basic YTpi")
        for page, fate in (("/app/signed?cc=public,max-age%3D60", "hit"), ("/app/signed/b?cc=max-age%3D60", "miss"),
                           ("/app/unsigned?cc=public,max-age%3D60", "passed")):
            self.get_until_hit(self.client, page)
            told = self.explain(page, field)
            self.assertEqual(told["fate"], fate, (page, told))
            self.assertEqual(self.ask(page, field).hit, fate == "hit", page)
        self.assertIn("see authorization in", told["sentence"])

    def test_host_that_a_site_sets(self):
        """--header Host is what header_up would set: another key, for the same visitors."""
        page = "/app/host?cc=max-age%3D60"
        self.get_until_hit(self.client, page)
        self.assertEqual(self.explain(page)["fate"], "hit")
        self.assertEqual(self.explain(page, ("Host", "backend.example"))["fate"], "miss")

    def test_odd(self):
        """What is not of the form that the kernel looks at is told so, not refused."""
        long = ("X-Long", "a" * 5000)
        told = self.explain("/app/odd?cc=max-age%3D60", long)
        self.assertEqual((told["fate"], told["sentence"][:11]), ("odd", "passed on: "), told)
        for _ in range(3):
            self.assertFalse(self.ask("/app/odd?cc=max-age%3D60", long).hit)

    def test_escaped(self):
        """A byte that may not stand in a path is escaped by Go: the key has what the upstream gets."""
        self.get_until_hit(self.client, "/app/odd\\x?cc=max-age%3D60")
        self.assertEqual(self.explain("/app/odd\\x?cc=max-age%3D60")["fate"], "passed")
        self.assertEqual(self.explain("/app/odd%5Cx?cc=max-age%3D60")["fate"], "hit")

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

    def test_stale(self):
        page = "/app/graceful?cc=max-age%3D1"
        self.get_until_hit(self.client, page)
        time.sleep(1.3)
        told = self.explain(page)
        self.assertEqual((told["fate"], told["object"]["ttl"]), ("stale-hit", -1), told)
        self.assertTrue(50 < told["object"]["stale_ttl"] < 60, told)
        self.assertIn("while it is refreshed", told["sentence"])
        self.assertTrue(self.ask(page).hit)

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
        for words in ((), ("no-url",), ("https://localhost/", "--header", "not a field"),
                      ("https://localhost/", "--header", "a: b\r\nc: d"),
                      ("https://localhost/", "--header", "Content-Length: 1")):
            self.assertEqual(self.zs.call("explain", *words)[0], USAGE, words)
        file = self.world.dir / "urls"
        file.write_text(self.url("/") + "\n")
        for words in ((), (file, "--header", "Host: a"), (file, "--concurrency", "0"), (file, "--rate", "x")):
            self.assertEqual(self.zs.call("warm", *words)[0], USAGE, words)

    def warm(self, targets, *words, code=OK):
        """The object that `warm` prints of these targets."""
        file = self.world.dir / "urls"
        file.write_text("# a list\n\n" + "\n".join(map(self.url, targets)) + "\n")
        ended, out, err = self.zs.call("--json", "warm", file, "--cacert", self.world.caddy.ca, *words)
        self.assertEqual(ended, code, out + err)
        return json.loads(out), err

    def test_warm(self):
        targets = [f"/app/warm/{n}?cc=max-age%3D60" for n in range(150)]
        started = time.monotonic()
        told, err = self.warm(targets, "--rate", "100000")
        self.assertGreater(time.monotonic() - started, 2.9, "150 requests at the agent's 50/s take three seconds")
        self.assertEqual((told["urls"], told["stored"], told["failed"], told["rate"]), (150, 150, 0, 50), told)
        self.assertEqual((told["not_stored"], told["reasons"], told["failures"]), ([], {}, {}), told)
        self.assertIn("--rate 100000: more than --fetch-rate of `run` allows; going by its 50", err)
        self.assertIn("150 of 150 URLs asked for", err)
        self.assertNotIn("\r", err)
        for target in targets:
            self.assertTrue(self.client.request("GET", target, [("Accept-Encoding", "gzip")]).hit, target)

    def test_warm_not_stored(self):
        """It fails, and says how many and why, each and in sum."""
        targets = ["/app/w/1?cc=no-store", "/app/w/2?cc=no-store", "/app/w/3?cc=max-age%3D60", "/app/w/4?size=1"]
        told, _ = self.warm(targets, code=FAILED)
        self.assertEqual((told["urls"], told["stored"], told["failed"]), (4, 1, 0), told)
        self.assertEqual([row["url"] for row in told["not_stored"]], [self.url(targets[n]) for n in (0, 1, 3)])
        self.assertEqual(sorted(told["reasons"].values()), [1, 2], told)
        why = told["not_stored"][0]["why"]
        self.assertIn("no-store", why)
        self.assertEqual(told["reasons"][why], 2)
        code, out, _ = self.zs.call("warm", self.world.dir / "urls", "--cacert", self.world.caddy.ca)
        self.assertEqual(code, FAILED)
        self.assertIn(f"4 URLs: 1 stored, 3 not stored, 0 failed\n  2 not stored: {why}\n  1 not stored: ", out)
        self.assertIn(f"{self.url(targets[1])}: {why}\n", out)
        told, _ = self.warm(["/app/w/5?cc=max-age%3D60"], "--header", "Cookie: a=1", code=FAILED)
        self.assertEqual(list(told["reasons"].values()), [1], told)

    def test_warm_reasons_are_not_forgotten(self):
        """A key is held off for a second at first; the reason is looked at before that."""
        told, _ = self.warm(["/app/f/1?cc=no-store"] + [f"/app/f/{n}?cc=max-age%3D60" for n in range(2, 90)],
                            "--rate", "20", "--concurrency", "1", code=FAILED)
        self.assertEqual((told["stored"], told["concurrency"], told["rate"]), (88, 1, 20), told)
        self.assertIn("no-store", told["not_stored"][0]["why"])

    def test_warm_concurrency(self):
        """Slow responses: as many at once as is said, and no more than the agent's own fetches."""
        targets = [f"/app/slow/{n}?cc=max-age%3D60&delay=500" for n in range(9)]
        for words, at_once, least in (((), 8, 1.0), (("--concurrency", "3"), 3, 1.5), (("--concurrency", "99"), 8, 1.0)):
            self.zs.do("purge", "--all")
            started = time.monotonic()
            told, err = self.warm(targets, *words)
            self.assertGreater(time.monotonic() - started, least, words)
            self.assertEqual((told["stored"], told["concurrency"]), (9, at_once), told)
            self.assertEqual("--concurrency 99: more than" in err, "99" in words, err)

    def test_warm_bar(self):
        """On a terminal one line is drawn over and over, and ends."""
        targets = [f"/app/bar/{n}?cc=max-age%3D60" for n in range(30)]
        self.warm(targets[:1])
        (self.world.dir / "urls").write_text("\n".join(map(self.url, targets)) + "\n")
        ours, theirs = pty.openpty()
        with subprocess.Popen(self.zs.argv("warm", self.world.dir / "urls", "--cacert", self.world.caddy.ca),
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs, text=True) as process:
            os.close(theirs)
            out = process.communicate(timeout=30)[0]
        shown = os.read(ours, 65536).decode()
        os.close(ours)
        self.assertEqual((process.returncode, out), (OK, "30 URLs: 30 stored, 0 not stored, 0 failed\n"), shown)
        self.assertTrue(shown.endswith(f"\r[{'#' * 30}] 30 of 30 URLs\r\n"), shown)
        self.assertGreater(shown.count("\r["), 3, shown)
        self.assertNotIn("asked for", shown)

    def test_warm_bad_list(self):
        page, file = "/app/listed?cc=max-age%3D60", self.world.dir / "urls"
        self.world.app.reset()
        file.write_text(self.url(page) + "\nnot a URL\n/path\n")
        code, _, err = self.zs.call("warm", file, "--cacert", self.world.caddy.ca)
        self.assertEqual(code, USAGE)
        self.assertIn("urls:2:", err)
        self.assertIn("urls:3:", err)
        self.assertEqual(sum(self.world.app.requests().values()), 0, "nothing is fetched")
        self.assertEqual(self.zs.call("warm", self.world.dir / "no-such-list")[0], FAILED)

    def test_warm_codings(self):
        """What a browser accepts is another variant; --header asks for it."""
        page, file = "/app/browser?cc=max-age%3D60", self.world.dir / "urls"
        told, _ = self.warm([page], "--header", "Accept-Encoding: gzip, deflate, br")
        self.assertEqual(told["stored"], 1, told)
        self.assertTrue(self.ask(page, ("Accept-Encoding", "gzip, deflate, br")).hit)
        file.write_text("https://localhost:1/\n")
        code, out, _ = self.zs.call("warm", file)
        self.assertEqual(code, FAILED, "nobody listens there")
        self.assertIn("1 URLs: 0 stored, 0 not stored, 1 failed\n  1 failed: ", out)


class Limits(suite.Case):
    """What bounds `warm` from outside."""

    def list_of_one(self):
        file = self.world.dir / "urls"
        file.write_text(self.world.caddy.url + "/app/one?cc=max-age%3D60\n")
        return file

    def test_no_fetches(self):
        self.run_zs("--fetch-rate", "0")
        code, out, err = self.zs.call("warm", self.list_of_one(), "--cacert", self.world.caddy.ca)
        self.assertEqual((code, out), (FAILED, ""))
        self.assertIn("fetch-rate is 0", err)
        self.assertEqual(self.zs.stored(), 0)

    def test_limits_of_run(self):
        self.run_zs("--fetch-rate", "7", "--fetch-concurrency", "2")
        told = json.loads(self.zs.do("--json", "warm", self.list_of_one(), "--cacert", self.world.caddy.ca))
        self.assertEqual((told["rate"], told["concurrency"], told["stored"]), (7, 2, 1))

    def test_over_budget(self):
        self.run_zs("--record-rate", "0")
        page, client = "/app/one?cc=max-age%3D60", self.http1()
        told = json.loads(self.zs.do("--json", "explain", self.world.caddy.url + page))["origins"]
        self.assertEqual({origin["fate"] for origin in told}, {"over-budget"}, told)
        self.assertIn("budget is used up", told[0]["sentence"])
        before = self.zs.counters()["over_budget"]
        self.assertFalse(client.request("GET", page).hit)
        self.assertEqual(self.zs.counters()["over_budget"], before + 1)
        code, out, _ = self.zs.call("warm", self.list_of_one(), "--cacert", self.world.caddy.ca)
        self.assertEqual(code, FAILED)
        self.assertIn("1 not stored: a miss that is not recorded now: the recording budget is used up", out)

    def test_no_agent(self):
        self.assertEqual(self.zs.call("warm", self.list_of_one())[0], NOT_ATTACHED)
        self.zs.do("attach", *self.zs.target())
        self.addCleanup(self.zs.do, "detach")
        code, _, err = self.zs.call("warm", self.list_of_one())
        self.assertEqual(code, DEGRADED)
        self.assertIn("no agent is running", err)


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
        self.assertIs(status["taken"], False)
        self.assertIn("its name does not resolve (", status["reason"])
        self.assertIn("--origin, or the resolver (getent ahosts no-such-host.invalid)", status["advice"])
        line = f"no-such-host.invalid:80{{}}: {status['reason']}; {status['advice']}\n"
        self.assertIn(line.format("      left to itself"), self.zs.do("status"))
        self.assertIn(line.format(": not accelerated"), self.zs.do("explain", self.world.caddy.url + "/app/x"))
        for _ in range(3):
            self.assertFalse(self.http1().request("GET", "/app/left?cc=max-age%3D60").hit)


if __name__ == "__main__":
    suite.main()

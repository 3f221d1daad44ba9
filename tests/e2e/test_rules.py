# SPDX-License-Identifier: GPL-2.0-or-later
"""The operator's configuration: rules in force with a real Caddy, and reload, whole or not at all."""

import time

from zs import suite

CONFIG = """
[zeroserve]
vary = Accept-Language

[rule default-life]
prefix = /app/ruled
ttl = 60

[rule negative]
prefix = /app/ruled
status = 404, 301
ttl = 5

[rule forced]
prefix = /app/forced
ttl = 60 force

[rule never]
prefix = /app/never
bypass = yes

[rule small]
prefix = /app/small
max-object = 1K

[rule cookies]
prefix = /app/cookies
ignore-cookies = _ga* consent

[rule query]
prefix = /app/query
key-query = drop utm_* fbclid, sort
ttl = 60

[rule graceful]
prefix = /app/may-fail
grace = 8s

[rule members]
prefix = /app/members
authorization = rfc
"""


class Rules(suite.Case):
    def start(self, text=CONFIG, *extra):
        self.file = self.world.dir / "zeroserve.conf"
        self.file.write_text(text)
        self.run_zs("--config", self.file, "--record-rate", "1000000", *extra)
        self.client = self.http1()
        self.world.app.reset()

    def never_hit(self, target, fields=(), tries=4):
        for _ in range(tries):
            response = self.client.request("GET", target, fields)
            self.assertFalse(response.hit, f"{target}: {response}")
            time.sleep(0.15)

    def seen(self, target):
        return self.world.app.requests()[f"GET {target}"]

    def until_hit(self, target, fields=(), status=200):
        for number in range(40):
            response = self.client.request("GET", target, fields)
            self.assertEqual(response.status, status, response)
            if response.hit:
                return response
            time.sleep(0.002 * number)
        self.fail(f"{target}: no hit; status: {self.zs.status()}\n{self.zs.log()}")

    def test_lifetimes(self):
        self.start()
        self.assertLessEqual(self.until_hit("/app/ruled?size=10").age, 1)
        self.until_hit("/app/ruled/gone?status=404&size=10", status=404)
        self.until_hit("/app/ruled/moved?status=301&lc=/app/x", status=301)
        self.until_hit("/app/forced?cc=max-age%3D0&size=10")
        self.never_hit("/app/forced/private?cc=private")
        self.never_hit("/app/other?size=10")
        self.never_hit("/app/ruled/error?status=500")
        self.never_hit("/app/never?cc=max-age%3D60")
        self.until_hit("/app/small?cc=max-age%3D60&size=1024")
        self.never_hit("/app/small?cc=max-age%3D60&size=1025")

    def test_cookies(self):
        self.start()
        page = "/app/cookies?cc=max-age%3D60"
        stored = self.until_hit(page, [("Cookie", "_ga=1; _gat_x=2; consent=yes")])
        self.assertEqual(self.until_hit(page).body, stored.body)
        self.assertEqual(self.until_hit(page, [("Cookie", "consent=no")]).body, stored.body)
        self.never_hit(page, [("Cookie", "consent=no; session=1")])
        self.never_hit(page, [("Cookie", "session=1")])
        self.never_hit("/app/plain?cc=max-age%3D60", [("Cookie", "consent=no")])

    def test_query(self):
        self.start()
        stored = self.until_hit("/app/query?b=2&a=1")
        for same in ("a=1&b=2", "utm_source=x&b=2&fbclid=y&a=1", "a=1&utm_x=1&b=2"):
            response = self.client.request("GET", "/app/query?" + same)
            self.assertTrue(response.hit and response.body == stored.body, f"{same}: {response}")
        for other in ("a=1&b=2&utm_x=1;a=2", "a=2&b=2", "a=1&b=2&utm%5Fx=1", "a=1&b=2&a=1", "a=1&b=2&utm_x=%26a%3D2"):
            self.assertNotEqual(self.client.request("GET", "/app/query?" + other).body, stored.body, other)
        self.assertEqual(self.client.request("POST", "/app/query?fbclid=1&b=2&a=1", body=b"x").status, 200)
        self.assertFalse(self.client.request("GET", "/app/query?a=1&b=2").hit)

    def test_vary(self):
        self.start()
        page = "/app/speaks?cc=max-age%3D60&vary=Accept-Language"
        german = self.until_hit(page, [("Accept-Language", "de, en;q=0.5")])
        french = self.until_hit(page, [("Accept-Language", "fr")])
        self.assertNotEqual(german.body, french.body)
        self.assertEqual(self.until_hit(page, [("Accept-Language", "DE,en;q=0.5")]).body, german.body)
        self.never_hit("/app/foo?cc=max-age%3D60&vary=X-Foo")
        self.never_hit("/app/all?cc=max-age%3D60&vary=*")

    def test_authorization(self):
        self.start()
        user = [("Authorization", "Basic YTpi")]
        self.until_hit("/app/members?cc=public,max-age%3D60", user)
        self.never_hit("/app/members/own?cc=max-age%3D60", user)
        self.until_hit("/app/members/own?cc=max-age%3D60")
        self.never_hit("/app/members/own?cc=max-age%3D60", user)
        self.never_hit("/app/plain-auth?cc=public,max-age%3D60", user)

    def test_preconditions(self):
        self.start()
        page = "/app/known?cc=max-age%3D60&etag=%22v1%22&size=500"
        stored = self.until_hit(page)
        known = self.client.request("GET", page, [("If-None-Match", '"v0", W/"v1"')])
        self.assertEqual((known.status, known.body, known.get("etag")), (304, b"", '"v1"'), known)
        self.assertTrue(known.hit, known)
        other = self.client.request("GET", page, [("If-None-Match", '"v2"')])
        self.assertEqual((other.status, other.body), (200, stored.body))
        self.assertTrue(other.hit, other)

    def test_stale_while_revalidate(self):
        self.start()
        page = "/app/may-fail/swr?cc=max-age%3D1,stale-while-revalidate%3D6&etag=%22v1%22"
        self.until_hit(page)
        time.sleep(1.3)
        stale = self.client.request("GET", page)
        self.assertIn("ttl=-", stale.get("cache-status", ""), stale)
        for _ in range(50):
            fresh = self.client.request("GET", page)
            self.assertTrue(fresh.hit, fresh)
            if "ttl=-" not in fresh.get("cache-status"):
                break
            time.sleep(0.02)
        self.assertEqual(fresh.age, 0, fresh)
        self.assertEqual(fresh.body, stale.body, "a 304 must not change the body")
        time.sleep(0.5)  # the agent reports a few times a second
        self.assertEqual(self.zs.status()["agent"]["fetches_revalidated"], 1, self.zs.status())
        self.assertEqual(self.world.app.requests()[f"304 {page}"], 1)

    def test_stale_if_error(self):
        self.start()
        page = "/app/may-fail/sie?cc=max-age%3D1,stale-while-revalidate%3D2,stale-if-error%3D6"
        strict = "/app/may-fail/strict?cc=max-age%3D1,must-revalidate"
        stored = self.until_hit(page)
        made = time.monotonic()
        self.until_hit(strict)
        self.world.app.failing(True)
        self.addCleanup(self.world.app.failing, False)
        time.sleep(1.2)
        self.assertEqual(self.client.request("GET", strict).status, 503, "must-revalidate forbids any stale answer")
        self.assertTrue(self.client.request("GET", page).hit)  # asks for the refresh that fails
        while time.monotonic() < made + 5:
            response = self.client.request("GET", page)
            self.assertEqual((response.status, response.body), (200, stored.body), f"{time.monotonic() - made} s old")
            time.sleep(0.1)
        time.sleep(max(0, made + 7.6 - time.monotonic()))
        self.assertEqual(self.client.request("GET", page).status, 503, "stale for longer than allowed")

    def test_reload(self):
        self.start()
        page, other = "/app/never?cc=max-age%3D60", "/app/ruled?size=20"
        self.never_hit(page)
        kept = self.until_hit(other)
        self.file.write_text(CONFIG.replace("bypass = yes", "bypass = perhaps"))
        code, _, err = self.zs.call("reload")
        self.assertEqual(code, 2, err)
        self.assertRegex(err, r"zeroserve\.conf:\d+:\d+: ")
        self.never_hit(page)
        self.assertEqual(self.until_hit(other).body, kept.body)
        self.file.write_text(CONFIG.replace("bypass = yes", "bypass = no"))
        self.zs.do("reload")
        deadline = time.monotonic() + 15  # the key is held off for a while
        while not self.client.request("GET", page).hit:
            self.assertLess(time.monotonic(), deadline, self.zs.status())
            time.sleep(0.3)
        self.assertEqual(self.until_hit(other).body, kept.body, "what other rules stored stays")
        self.file.write_text(CONFIG.replace("ttl = 60\n\n[rule negative]", "bypass = yes\n\n[rule negative]"))
        self.zs.do("reload")
        self.never_hit(other)
        cookies = "/app/cookies?cc=max-age%3D60"
        stored = self.until_hit(cookies, [("Cookie", "consent=1")])
        self.file.write_text(CONFIG.replace("ignore-cookies = _ga* consent", "ignore-cookies = none"))
        self.zs.do("reload")
        self.never_hit(cookies, [("Cookie", "consent=1")])
        self.assertNotEqual(self.client.request("GET", cookies).body, stored.body, "stored under the old rule")

    def test_bad_file(self):
        self.file = self.world.dir / "bad.conf"
        self.file.write_text("[rule a]\nttl = soon\n")
        code, _, err = self.zs.call("run", *self.zs.target(), *self.zs.origins(), "--config", self.file)
        self.assertEqual(code, 2, err)
        self.assertIn("bad.conf:2:", err)
        self.assertEqual(self.zs.call("status")[0], 3, "nothing is attached")


if __name__ == "__main__":
    suite.main()

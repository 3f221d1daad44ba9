# SPDX-License-Identifier: GPL-2.0-or-later
"""Web cache deception, path confusion and parameter cloaking: targets that one side reads in another way.

zeroserve has no notion of a suffix, a file or a parameter (but for the operator's rules): a target is keyed byte for
byte, and what is stored is decided by what the response says. So whatever a target looks like, a private page without
a lifetime is never stored, and an answer is only ever given to the very target that it was made for.
"""

import time

from zs import suite
from zs.odd import OddHttp1

EVIL = "evil.example"
LIVE = "cc=public,max-age%3D600"

# What is put behind /app/account to make it look like a file, or like another page.
CONFUSED = (
    "/x.css", "/x.js?v=1", "/.css", ".css", "%2ecss", ";x.css", ";/x.css", "%3bx.css", "%3b/x.css", "?x.css",
    "%3fx.css", "%3Fx.css", "?/x.css", "&x.css", "%26x.css", "%23x.css", "%23/../x.css", "%00.css", "%00/x.css", "%0a.css",
    "%0A/x.css", "%0d%0a.css", "%09.css", "%20.css", "+.css", "!x.css", "$x.css", "$/x.css", "@x.css", "~x.css",
    ",x.css", "%5cx.css", "%5c..%5cx.css", "/%2e%2e/x.css", "/..%2fx.css", "/..%2Fx.css", "/%2e%2e%2fx.css", "%2f..%2fx.css",
    "/..%252fx.css", "%252fx.css", "%2fx.css", "//x.css", "/./x.css", "/.//x.css", "/../account/x.css", "/x/../y.css",
    "/..;/x.css", "/.;/x.css", "/x.css/", "/x.css%2f", "/static/..%2f..%2faccount.css", "/%c0%af/x.css",
    "/%ef%bc%8fx.css", "%e3%80%82css", "/robots.txt", "/favicon.ico",
    "/.well-known/x.css", "/index.php/x.css", "/account.php/x.css", "/x.css.php", "/x.css;.php", "/x.CSS",
)

# Pairs of queries that some parser takes for one another.
CLOAKED = (
    ("p=1", "p=1;p=evil"), ("p=1", "p=1&p=evil"), ("p=1", "p=evil&p=1"), ("p=1", "%70=1"), ("p=1", "P=1"),
    ("p=1", "p[]=1"), ("p=1", "p%5b%5d=1"), ("p=1", "p=%31"), ("p=1", "p=1&"), ("p=1", "&p=1"), ("p=1", "p=1?p=evil"),
    ("p=1", "p=1%26p=evil"), ("p=1", "p=1%00"), ("p=1", "p=1%23"), ("p=1", "p=1&utm_content=a;p=evil"),
    ("p=1", "utm_source=x&p=1"), ("p=1", "p=1&fbclid=x"), ("p=1", "p=1&_=1"), ("p=1", "p=1+"), ("p=1", "p=1%20"),
    ("p=1", "+p=1"), ("p=1", "%20p=1"), ("p=1", "p =1".replace(" ", "%20")), ("p=1", "p=1&callback=evil"),
    ("p=a%2fb", "p=a/b"), ("p=a%2Fb", "p=a%2fb"), ("p=a+b", "p=a%20b"), ("p=a", "p=%EF%BD%81"),
)

PATHS = (("/app/a/b", "/app//a/b"), ("/app/a/c", "/app/./a/c"), ("/app/a/d", "/app/x/../a/d"),
         ("/app/a/e", "/app/a%2fe"), ("/app/a/f", "/app/A/f"), ("/app/a/g", "/app/a/g/"), ("/app/a/h", "/app/a/h;x"),
         ("/app/a/i", "/app/%61/i"), ("/app/a/j", "/app/a/j%00"), ("/app/a/k", "/app/a/k%20"),
         ("/app/a/l", "/app/a/l%0a"), ("/app/a/m", "/app/a%5cm"), ("/app/a/n", "/app/x/%2e%2e/a/n"),
         ("/app/a/o", "//app/a/o"), ("/app/a/p", "/app/a/p%3f"), ("/app/a/q", "/app/a/q."))


class Deception(suite.Case):
    world_options = {"app_route": ""}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.zs.start("--record-rate", "1000000")

    def setUp(self):
        self.world.caddy.restart()
        self.world.app.reset()

    def private(self, query, *fields):
        """A victim's page under every confusing target, then the attacker's request: each time the upstream's own."""
        clients = self.http1(), self.http2()
        nonces, asked = set(), 0
        for _ in range(2):
            for suffix in CONFUSED:
                target = f"/app/account{suffix}{'&' if '?' in suffix else '?'}{query}"
                for client in clients:
                    for sent in ([("Cookie", "session=victim"), *fields], fields):
                        response = client.request("GET", target, sent)
                        self.assertEqual((response.status, response.hit), (200, False), target)
                        self.assertEqual(response.told["target"], target)
                        nonces.add(response.told["nonce"])
                        asked += 1
            time.sleep(0.3)
        self.assertEqual(len(nonces), asked, "an answer was given twice")
        self.assertEqual(sum(self.world.app.requests().values()), asked)

    def test_no_lifetime_no_storing(self):
        self.private("page=private")

    def test_validators_are_no_lifetime(self):
        self.private("etag=%22private%22")

    def test_no_heuristics_for_public(self):
        self.private("cc=public")

    def test_explicitly_private(self):
        self.private("cc=private,max-age%3D600")

    def test_session_cookie_set(self):
        self.private(f"{LIVE}&sc=session%3D1")

    def own(self, client, target):
        """An answer to this very target."""
        response = client.request("GET", target)
        self.assertEqual(response.status, 200, target)
        self.assertEqual(response.told["target"], target)
        return response

    def each_its_own(self, pairs):
        """Whichever of two targets comes first: each is answered with its own, cold and warm."""
        clients = self.http1(), self.http2()
        for first, second in [*pairs, *((second, first) for first, second in pairs)]:
            with self.subTest((first, second)):
                self.zs.do("purge", "--all")
                for _ in range(3):
                    for client in clients:
                        self.own(client, second)
                time.sleep(0.03)
                for client in clients:
                    self.own(client, first)
                    self.own(client, second)
                plain = [target for target in (first, second) if "%00" not in target]
                for target in plain:
                    self.assertEqual(self.get_until_hit(self.http1(), target).told["target"], target)

    def test_parameter_cloaking(self):
        search = f"/app/search?{LIVE}&"
        self.each_its_own([(search + first, search + second) for first, second in CLOAKED])

    def test_path_confusion(self):
        self.each_its_own([(f"{first}?{LIVE}", f"{second}?{LIVE}") for first, second in PATHS])

    def test_query_and_path(self):
        """The mark between the two, encoded."""
        self.each_its_own([(f"/app/page?{LIVE}", f"/app/page%3f{LIVE}?{LIVE}"),
                           (f"/app/page?z&{LIVE}", f"/app/page??z&{LIVE}"),
                           (f"/app/page?{LIVE}&z", f"/app/page?{LIVE}&z?"),
                           (f"/app/page?{LIVE}&z", f"/app/page?{LIVE}&z%23")])

    def test_targets_that_are_no_targets(self):
        """Fragments, backslashes, bytes that must be encoded: refused, or an answer of their own; none sticks."""
        target, client = f"/app/odd?{LIVE}", self.http1()
        for odd in ("#evil", "&x=#evil", "\\evil", "&x=\xe9", "&x=\t", "&x=<evil>", "&x=\"evil\"", "&x={evil}", "&x=|",
                    "&x=^", "&x=`", "&x=\x7f", "&x=\x01", "%.css", "%zz", "%u002f"):
            for place in (target + odd, "/app/odd" + odd + f"?{LIVE}"):
                with self.subTest(place):
                    head = f"GET {place} HTTP/1.1\r\nHost: {client.authority}\r\nConnection: close\r\n\r\n"
                    seen = OddHttp1(self.world.caddy).raw(head.encode("latin-1"))
                    self.assertNotIn(b"zeroserve; hit", seen)
                    self.own(client, target)
        self.world.caddy.restart()  # some of them made connections passive
        self.assertEqual(self.get_until_hit(self.http1(), target).told["target"], target)


if __name__ == "__main__":
    suite.main()

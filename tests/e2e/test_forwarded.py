# SPDX-License-Identifier: GPL-2.0-or-later
"""Poisoning behind another proxy, and by other methods: Caddy trusts its clients' X-Forwarded-Host and -Proto here, as
behind a CDN that forgets to remove them, so an attacker's values reach the application and the key. And responses
with a lifetime to anything but GET. test_poisoning.py has what Caddy does by default.
"""

import time
from urllib.parse import unquote

from zs import suite

EVIL = "evil.example"
LIVE = "cc=public,max-age%3D600"
VARIANTS = {
    "X-Forwarded-Host": (EVIL, "@CAPITALS@", f"{EVIL}:443", f"@HOST@, {EVIL}", f"{EVIL}, @HOST@", f"@HOST@.{EVIL}",
                         f"{EVIL}@@HOST@",
                         f"@HOST@/{EVIL}", f"@HOST@#{EVIL}", f"@HOST@\t{EVIL}", f"\"@HOST@\"{EVIL}", f"@HOST@:{EVIL}",
                         f"{EVIL}." + "x" * 250, f"@HOST@\xff{EVIL}"),
    "X-Forwarded-Proto": ("http", "HTTPS", "https, http", "http, https", f"https{EVIL}", f"https://{EVIL}",
                          "https;http", "httpshttpshttpshttps", "https\xff"),
}
METHODS = ("HEAD", "OPTIONS", "TRACE", "PROPFIND", "REPORT", "get", "Get", "GETS", "QUERY", "SEARCH", "LINK")


class Forwarded(suite.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        path, route = cls.world.caddy.caddyfile, f"/app/* 127.0.0.1:{cls.world.app.port}"
        path.write_text(path.read_text().replace(route, route + " {\n\t\ttrusted_proxies 127.0.0.1/32\n\t}"))
        cls.zs.start("--record-rate", "1000000")

    def setUp(self):
        self.world.caddy.restart()
        self.authority = f"localhost:{self.world.caddy.port}"

    def clean(self, client, url, saw):
        """A visitor's answer: his own host and scheme are in it."""
        response = self.get_ok(client, url)
        self.assertEqual((response.told["target"], response.told.get("saw")), (url, saw), response)
        return response

    def reflected(self, name, own):
        urls = [f"/app/{name}/{number}?{LIVE}&echo={name.lower()}" for number in range(len(VARIANTS[name]))]
        sent = [[(name, value.replace("@HOST@", self.authority).replace("@CAPITALS@", self.authority.upper()))]
                for value in VARIANTS[name]]
        clients = self.http1(), self.http2()
        for url, fields in zip(urls, sent):
            for client in clients:
                for _ in range(2):
                    response = client.request("GET", url, fields)
                    self.assertEqual(response.status, 200, response)
                    self.assertNotEqual(response.told["saw"], own, f"the attack does not work: {fields}")
        time.sleep(0.4)
        for url, fields in zip(urls, sent):
            with self.subTest(fields):
                self.assertFalse(self.clean(clients[0], url, own).hit, "the attack filled the visitor's key")
                self.get_until_hit(self.http1(), url)
                for client in clients:
                    if fields[0][1].lower() != unquote(own):  # capitals may be answered, but do not fill
                        self.assertNotEqual(client.request("GET", url, fields).told["saw"], own)
                    self.assertTrue(self.clean(client, url, own).hit)

    def test_trusted_host(self):
        self.reflected("X-Forwarded-Host", self.authority.replace(":", "%3A"))

    def test_trusted_scheme(self):
        self.reflected("X-Forwarded-Proto", "https")

    def test_other_methods(self):
        """What they bring back has a lifetime, too, but is nobody's answer to GET."""
        client = self.http1()
        urls = {method: f"/app/method-{method}?{LIVE}" for method in METHODS}
        for method, url in urls.items():
            for _ in range(2):
                self.assertIn("max-age=600", client.request(method, url).get("cache-control", ""), method)
        time.sleep(0.4)
        for method, url in urls.items():
            with self.subTest(method):
                self.assertFalse(self.clean(client, url, None).hit, "filled the store")
                nonce = self.get_until_hit(client, url).told["nonce"]
                response = client.request(method, url)
                self.assertEqual(response.hit, False if method != "HEAD" else response.hit, response)
                after = self.clean(client, url, None)
                if method in ("HEAD", "OPTIONS", "TRACE"):
                    self.assertEqual((after.told["nonce"], after.hit), (nonce, True), "a safe method voids nothing")


if __name__ == "__main__":
    suite.main()

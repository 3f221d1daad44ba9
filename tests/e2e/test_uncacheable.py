# SPDX-License-Identifier: GPL-2.0-or-later
"""What must never be answered from the store, and requests that must never fill it."""

import re
import time

from zs import suite

LIVE = "cc=max-age%3D600&size=200"

RESPONSES = {
    "no-store": "cc=no-store", "private": "cc=private,max-age%3D600", "no-cache": "cc=no-cache,max-age%3D600",
    "qualified private": "cc=private%3D%22x%22,max-age%3D600", "no lifetime": "size=100",
    "zero lifetime": "cc=max-age%3D0", "shared lifetime of zero": "cc=s-maxage%3D0,max-age%3D600",
    "negative lifetime": "cc=max-age%3D-5", "Set-Cookie": f"{LIVE}&sc=session%3D1",
    "Vary: Cookie": f"{LIVE}&vary=Cookie", "Vary: *": f"{LIVE}&vary=*",
    "Vary: Accept-Language": f"{LIVE}&vary=Accept-Encoding,+Accept-Language",
    "500": f"{LIVE}&status=500", "403": f"{LIVE}&status=403",
}

# Requests that are never answered from the store, though the URL is there.
BYPASSING = {
    "Cookie": [("Cookie", "a=1")], "Authorization": [("Authorization", "Basic dTpw")],
    "no-cache": [("Cache-Control", "no-cache")], "no-store": [("Cache-Control", "no-store")],
    "max-age=0": [("Cache-Control", "max-age=0")], "Pragma": [("Pragma", "no-cache")],
    "Range": [("Range", "bytes=0-9")], "If-Match": [("If-Match", '"x"')],
    "If-Unmodified-Since": [("If-Unmodified-Since", "Thu, 01 Jan 2026 00:00:00 GMT")],
    "If-Modified-Since": [("If-Modified-Since", "Thursday, 01-Jan-26 00:00:00 GMT")],
}

# Requests that never fill the store: a field the upstream may look at is not in the key.
UNFIT = {
    "Cookie": [("Cookie", "a=1")], "Authorization": [("Authorization", "Basic dTpw")],
    "X-Original-URL": [("X-Original-URL", "/admin")], "X-Forwarded-Prefix": [("X-Forwarded-Prefix", "/evil")],
    "X-HTTP-Method-Override": [("X-HTTP-Method-Override", "PURGE")], "Forwarded": [("Forwarded", "host=evil")],
    "X-Unheard-Of": [("X-Unheard-Of", "1")],
}


def target(kind, name, query):
    return f"/app/{kind}-{re.sub('[^A-Za-z0-9]', '', name)}?{query}"


class Uncacheable(suite.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.zs.start("--record-rate", "1000000")

    def seen(self, name):
        return self.world.app.requests()[f"GET {name}"]

    def test_responses(self):
        clients = (self.http1(), self.http2())
        for _ in range(3):
            for name, query in RESPONSES.items():
                for client in clients:
                    response = client.request("GET", target("response", name, query))
                    self.assertFalse(response.hit, name)
            time.sleep(0.3)
        for name, query in RESPONSES.items():
            self.assertEqual(self.seen(target("response", name, query)), 6, name)

    def test_requests_bypass(self):
        client = self.http1()
        for name, fields in BYPASSING.items():
            with self.subTest(name):
                url = target("bypass", name, LIVE)
                stored = self.get_until_hit(client, url)
                before = self.seen(url)
                response = client.request("GET", url, fields)
                self.assertFalse(response.hit)
                self.assertNotEqual(response.told["nonce"], stored.told["nonce"])
                self.assertEqual(self.seen(url), before + 1)

    def test_requests_do_not_fill(self):
        client = self.http1()
        for _ in range(2):
            for name, fields in UNFIT.items():
                client.request("GET", target("unfit", name, LIVE), fields)
        time.sleep(0.5)
        for name, fields in UNFIT.items():
            with self.subTest(name):
                self.assertFalse(client.request("GET", target("unfit", name, LIVE)).hit)

    def test_conditions_and_ranges(self):
        """Ranges are answered by the upstream as ever, also while the object is stored."""
        body = bytes(range(256))
        self.world.nginx.put("/range.bin", body)
        client = self.http1()
        etag = self.get_until_hit(client, "/range.bin").get("etag")
        part = client.request("GET", "/range.bin", [("Range", "bytes=10-19")])
        self.assertEqual((part.status, part.body), (206, body[10:20]))
        self.assertEqual(client.request("GET", "/range.bin", [("If-None-Match", etag)]).status, 304)
        self.assertEqual(client.request("GET", "/missing.bin").status, 404)
        self.assertTrue(client.request("GET", "/range.bin").hit)

    def test_other_methods(self):
        client = self.http1()
        url = f"/app/methods?{LIVE}"
        self.get_until_hit(client, url)
        for method in ("OPTIONS", "TRACE", "PROPFIND", "POST"):
            response = client.request(method, url, [("X-Status", "403")])
            self.assertEqual((response.status, response.hit), (403, False), method)


if __name__ == "__main__":
    suite.main()

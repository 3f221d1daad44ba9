# SPDX-License-Identifier: GPL-2.0-or-later
"""Whatever a visitor sends and whenever he leaves, a URL that was never stored is stored when others ask for it, at
once. What nobody could store is held off, which is what the rest is measured against.
"""

import time

from zs import procs, suite
from zs.client import Http1

LIVE = "cc=max-age%3D600&size=300"
ATTACKS = 12  # in a row: each would have doubled the time, up to ten minutes
SOON = 5.0    # seconds in which ordinary requests fill the store, however slow the machine

# name, what the URL asks of the application, request
FUTILE = [
    ("a field that nobody knows", "when=x-evil~400", "GET", (("X-Evil", "1"),)),
    ("a filter, by User-Agent", "when=user-agent~403", "GET", (("User-Agent", "scanner/1.0"),)),
    ("a limit, by address", "when=referer~429", "GET", (("Referer", "https://a.example/"),)),
    ("an origin that fails", "when=referer~503", "GET", (("Referer", "https://a.example/"),)),
    ("a value that is not ASCII", "when=odd~404", "GET", (("Referer", "https://a.example/\xe4"),)),
    ("a value that is not ASCII, another error", "when=odd~400", "GET", (("Referer", "https://a.example/\xe4"),)),
    ("a long request", "when=long~414", "GET", tuple(("Via", "1.1 " + "a" * 490) for _ in range(5))),
    ("HEAD", "when=referer~404", "HEAD", (("Referer", "https://a.example/"),)),
    ("a part", "", "GET", (("Range", "bytes=0-1"),)),
    ("a condition that holds", "etag=%22x%22", "GET", (("If-None-Match", '"x"'),)),
    ("a cookie", "when=cookie~500", "GET", (("Cookie", "a=1"),)),
    ("credentials", "when=authorization~401", "GET", (("Authorization", "Basic dTpw"),)),
    ("a directive", "when=cache-control~400", "GET", (("Cache-Control", "no-store"),)),
    ("a method", "", "DELETE", (("X-Status", "403"),)),
]
# These leave in the middle: before the response, and within it. What the upstream does then is to close.
LEAVING = ["lag=150", "drip=150"]


def url(name, query):
    return f"/app/{name.replace(' ', '-').replace(',', '')}?{LIVE}&{query}"


class HoldOff(suite.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.zs.start("--record-rate", "1000000")

    def setUp(self):
        self.before = self.held_off()

    def soon(self, target):
        """Ordinary requests, from now on: they become hits, and none of them was held off."""
        client, end = self.http1(), time.monotonic() + SOON
        while not (response := self.get_ok(client, target)).hit:
            told = f"{target}: {response}; {self.zs.do('explain', self.world.caddy.url + target)}"
            self.assertLess(time.monotonic(), end, told)
            self.assertEqual(self.held_off(), self.before, told)

    def held_off(self):
        return self.zs.counters()["held_off"]

    def test_what_is_sent(self):
        for name, query, method, fields in FUTILE:
            with self.subTest(name):
                client, target = self.http1(), url(name, query)
                self.before = self.held_off()
                for _ in range(ATTACKS):
                    self.assertFalse(client.request(method, target, fields).hit)
                time.sleep(0.2)  # the agent has judged them
                self.soon(target)

    def test_who_leaves(self):
        for query in LEAVING:
            with self.subTest(query):
                target = url("leaving", query)
                self.before = self.held_off()
                for _ in range(ATTACKS):
                    client = Http1(self.world.caddy)
                    client.send(client.head("GET", target))
                    time.sleep(0.07)
                    client.close()
                procs.wait_until("the upstream saw them", lambda t=target: self.world.app.requests()[f"GET {t}"]
                                 >= ATTACKS, 5)
                time.sleep(0.3)
                self.soon(target)

    def test_what_nobody_could_store(self):
        """The measure: one ordinary request whose response says no, and the key is held off."""
        client, target = self.http1(), url("no", "sc=a%3D1")
        procs.wait_until("held off", lambda: self.get_ok(client, target) and self.held_off() > self.before, 5)


if __name__ == "__main__":
    suite.main()

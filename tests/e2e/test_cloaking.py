# SPDX-License-Identifier: GPL-2.0-or-later
"""Parameter and cookie cloaking: what the operator takes out of the key must not carry in what he left there.

With key-query one answer serves several targets, and with ignore-cookies a request with cookies may fill the store.
Whatever an attacker hides in there, no parser of an upstream would read another parameter or cookie from the
request that an answer was made for than from the one it is given to. test_deception.py has the same without rules.
"""

import itertools
import re
import time
from urllib.parse import unquote

from zs import suite

EVIL = "evil.example"
LIVE = "cc=public,max-age%3D600"
CONFIG = """
[zeroserve]
vary = Accept-Language

[rule drop]
prefix = /app/drop
key-query = drop utm_* fbclid _

[rule keep]
prefix = /app/keep
key-query = keep cc q id

[rule sort]
prefix = /app/sort
key-query = drop utm_* fbclid _, sort
ttl = 600

[rule cookies]
prefix = /app/cookies
ignore-cookies = _ga* consent
"""

# How upstreams split a query, read a name and choose among several of one name.
SPLITS = {"&": "&", "& and ;": "[&;]", "& and ?": "[&?]", "&, line ends and blanks": r"[&\r\n\t ]"}
NAMES = {
    "decoded": unquote,
    "decoded twice": lambda name: unquote(unquote(name)),
    "in lower case": lambda name: unquote(name).lower(),
    "as PHP does": lambda name: re.sub(r"[. +\[]", "_", unquote(name.replace("+", " ")).strip().partition("\0")[0]),
    "without brackets": lambda name: re.sub(r"\[.*", "", unquote(name)),
    "trimmed": lambda name: unquote(name.replace("+", " ")).strip(),
    "up to a NUL": lambda name: unquote(name).partition("\0")[0],
}
# Undecoded first or not: some decode the whole query and split then.
WHOLE = {"split, then decode": lambda query: query, "decode, then split": unquote}
PARSERS = list(itertools.product(WHOLE.values(), SPLITS.values(), NAMES.values()))
COUNTED = ("q", "id")

# Behind "q=clean", or before it: what may hide a "q" of the attacker's from the cache or from the upstream.
HIDDEN = (
    "utm_content=a;q=evil", "utm_content=a%3bq=evil", "utm_content=a%26q=evil", "utm_content=a%2526q=evil",
    "utm_content=a?q=evil", "utm_content=a%3fq=evil", "utm_content=a%0aq=evil", "utm_content=a%0d%0aq=evil",
    "utm_content=a%20q=evil", "utm_content=a+q=evil", "utm_content=a%00&q=evil", "utm_content=%00", "utm_content=a%",
    "utm_content=a%2", "utm_content='&q=evil'", "utm_content=\"&q=evil\"", "utm_content=a=q=evil", "utm_content=a,q=evil",
    "utm_content=a|q=evil", "utm_content=a#q=evil", "utm_content=a%23", "utm_=1", "utm_", "utm_content", "fbclid",
    "fbclid=1;q=evil", "fbclid=1&q=evil", "fbclid&q=evil", "_=1;q=evil", "_=q%3devil", ";q=evil", "%26q=evil", "&&q=evil",
    "%71=evil", "%2571=evil", "Q=evil", "q%00=evil", "q%20=evil", "+q=evil", "%20q=evil", "q+=evil", "q[]=evil",
    "q%5b%5d=evil", "q[0]=evil", "q.x=evil", "q=evil", "q", "q=", "=q=evil", "=evil", "id=1;q=evil", "id=1&id=2", "ID=evil",
    "id=%26q=evil", "id%3d1%26q=evil", "utm_x%26q=evil", "utm_x;q=evil", "utm_x%3bq=evil", "utm_x?q=evil", "utm_x%00=1",
    "fbclid%5b=1", "fbclid[=1", "fbclid=%c3%28", "x=1;q=evil", "x%26q=evil", "x%00&q=evil", "x=" + "1" * 300,
    "utm_x=" + "1" * 300, "&".join(f"utm_{number}=1" for number in range(40)) + "&q=evil",
)

# All cookies that a request may have beside the ignored ones are hidden in these in some parser's eyes.
CRUMBS = (
    f"_ga=1; session={EVIL}", f"_ga=1;session={EVIL}", f"_ga=1, session={EVIL}", f"_ga=1,session={EVIL}",
    f"_ga=1 session={EVIL}", f"_ga=1\tsession={EVIL}", f"_ga=\"1; session={EVIL}\"", f"_ga=\"1\\\"; session={EVIL}\"",
    f"_ga='1; session={EVIL}'", f"$Version=1; session={EVIL}", f"$Version=\"1\"; _ga=1; $Path={EVIL}", f"session={EVIL}; _ga=1",
    f"_ga; session={EVIL}", f"_ga=1; ; session={EVIL}", f"=session={EVIL}", f"_ga=1;={EVIL}", f"{EVIL}", f"_ga=1; {EVIL}",
    f"_gb={EVIL}", f"_GA={EVIL}", f"_g={EVIL}", f"consents={EVIL}", f"consent ={EVIL}", f"consent%3d1={EVIL}",
    f"_ga=1\xff; session={EVIL}", f"_ga[session={EVIL}", f"consent=1; consent2={EVIL}", f"_ga=1\\; session={EVIL}",
)


def readings(target):
    """What every parser finds for the names that count, in order: who takes the first or the last, or all of them."""
    query = target.partition("?")[2]
    for whole, split, read in PARSERS:
        pairs = [part.partition("=") for part in re.split(split, whole(query))]
        yield [(read(name), unquote(value)) for name, _, value in pairs if read(name) in COUNTED]


class Cloaking(suite.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.config = cls.world.dir / "zeroserve.conf"
        cls.config.write_text(CONFIG)
        cls.zs.start("--config", cls.config, "--record-rate", "1000000")

    def setUp(self):
        self.world.caddy.restart()
        self.zs.do("purge", "--all")
        self.world.app.reset()

    def alike(self, client, target):
        """An answer to this target, or to one that nobody could tell from it. Returns whether it was another one."""
        response = client.request("GET", target)
        self.assertEqual(response.status, 200, target)
        told = response.told["target"]
        if told != target:
            self.assertTrue(response.hit, (target, told))
            self.assertEqual(list(readings(told)), list(readings(target)), f"{target} was answered with {told}")
        return told != target

    def cloaked(self, path, live=LIVE):
        clients = self.http1(), self.http2()
        shared, plain = 0, []
        for number, (hidden, before) in enumerate(itertools.product(HIDDEN, (False, True))):
            base = f"{path}/{number}?{live}&"
            attack = base + (f"{hidden}&q=clean" if before else f"q=clean&{hidden}")
            for _ in range(3):
                self.alike(clients[0], attack)
            plain.append((base + "q=clean", attack))
        time.sleep(0.5)
        for victim, attack in plain:
            with self.subTest(attack):
                for client in clients:
                    shared += self.alike(client, victim)
        self.world.caddy.restart()  # some of the targets made connections passive
        client = self.http1()
        for victim, attack in plain:
            with self.subTest(attack):
                told = self.get_until_hit(client, victim).told["target"]
                self.assertEqual(list(readings(told)), list(readings(victim)), attack)
                self.alike(client, attack)
                shared += self.alike(client, f"{victim}&utm_source=x&fbclid=y")
        return shared

    def test_dropped_parameters(self):
        self.assertGreaterEqual(self.cloaked("/app/drop"), len(HIDDEN), "nothing is shared: nothing was tested")

    def test_kept_parameters(self):
        self.assertGreaterEqual(self.cloaked("/app/keep"), len(HIDDEN), "nothing is shared: nothing was tested")

    def test_sorted_parameters(self):
        """The escape in LIVE would keep any parameter from moving."""
        self.assertGreaterEqual(self.cloaked("/app/sort", "a=1&z=2"), len(HIDDEN), "nothing is shared: nothing was tested")

    def clean(self, client, target, fields=()):
        response = client.request("GET", target, fields)
        self.assertEqual((response.status, response.told["target"]), (200, target), response)
        self.assertNotIn(EVIL, response.told["saw"], response)
        return response

    def sticks_not(self, path, name, values, visitor=()):
        """Each value is reflected, every time and by the upstream; visitors never see it."""
        target = [f"/app/{path}/{number}?{LIVE}&echo={name.lower()}" for number in range(len(values))]
        for url, value in zip(target, values):
            for client in (self.http1(), self.http1()):
                response = client.request("GET", url, [(name, value)])
                self.assertEqual(response.hit, False, (value, response))
                self.assertIn(EVIL, response.told["saw"], f"the attack does not work: {value}")
        time.sleep(0.5)
        client = self.http1()
        for url, value in zip(target, values):
            with self.subTest(value):
                first = self.clean(client, url, visitor)
                self.assertFalse(first.hit, f"{value} filled the store: {first}")
                self.get_until_hit(client, url, visitor)
                again = self.http1().request("GET", url, [(name, value)])
                self.assertFalse(again.hit, f"{value}: a request with another cookie got the anonymous answer")
                self.assertTrue(self.clean(client, url, visitor).hit)

    def test_hidden_cookies(self):
        self.sticks_not("cookies", "Cookie", CRUMBS)
        self.zs.do("purge", "--all")
        self.sticks_not("cookies", "Cookie", CRUMBS, [("Cookie", "_ga=GA1.2.3; consent=yes")])

    def test_cookies_in_several_fields(self):
        """HTTP/2 lets a client send each cookie in a field of its own; Caddy joins them, or passes them on."""
        for number, client in enumerate((self.http1(), self.http2())):
            url = f"/app/cookies/crumbs{number}?{LIVE}&echo=cookie"
            for fields in ([("Cookie", "_ga=1"), ("Cookie", f"session={EVIL}")],
                           [("Cookie", f"session={EVIL}"), ("Cookie", "_ga=1")]):
                for _ in range(3):
                    response = client.request("GET", url, fields)
                    self.assertFalse(response.hit, response)
            time.sleep(0.2)
            self.assertFalse(self.clean(client, url).hit)
            self.assertNotIn(EVIL, self.get_until_hit(client, url).told["saw"])

    def test_value_that_is_keyed(self):
        """A configured Vary field: values that differ in more than case and blanks do not meet."""
        url = f"/app/language?{LIVE}&vary=Accept-Language&echo=accept-language"
        client = self.http1()
        for value in (f"de, {EVIL}", f"de,{EVIL}", EVIL, f"de;{EVIL}", f"de\xff{EVIL}", "x" * 200 + EVIL, f"\"de, {EVIL}\""):
            for _ in range(3):
                self.assertIn(EVIL, client.request("GET", url, [("Accept-Language", value)]).told["saw"])
            time.sleep(0.1)
            for mine in ([("Accept-Language", "de")], [("Accept-Language", "de, en")], ()):
                self.clean(client, url, mine)
        self.assertEqual(self.get_until_hit(client, url, [("Accept-Language", "de")]).told["saw"], "de")


if __name__ == "__main__":
    suite.main()

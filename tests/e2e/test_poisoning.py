# SPDX-License-Identifier: GPL-2.0-or-later
"""Web cache poisoning: an attacker's request makes a careless application answer in a way that a visitor must not
see; the visitor's plain request for the same URL gets the clean answer, from the upstream and then from the store.

Each technique is one row: what is sent, and what must come of it.
    FOOLED    the application falls for it, every time, and nothing of that is stored
    REPLACED  Caddy puts a value of its own in the field's place
    REFUSED   Caddy does not pass it on
    KEYED     it is stored, under a key that no visitor's request has
    None      whatever
Other paths and parameters: test_deception.py; what an upstream sends: test_splitting.py.
"""

import dataclasses
import re
import time

from zs import suite
from zs.odd import OddHttp1, OddHttp2

EVIL = "evil.example"
LIVE = "cc=public,max-age%3D600"
FOOLED, REPLACED, REFUSED = "the application is fooled", "Caddy replaces it", "Caddy refuses it"
KEYED = "a request for something else"
ATTACKS = 2


@dataclasses.dataclass
class Technique:
    name: str
    idea: str
    query: str        # what the application is careless about
    outcome: str = FOOLED
    fields: tuple = ()
    body: bytes = None
    raw: str = None   # the whole request instead, with @URL@ and @HOST@
    head: tuple = None  # or HTTP/2's list of fields, likewise; body goes with it

    @property
    def unsafe(self):
        """The attack is a write to the URL: it may void what is stored."""
        return "POST" in (self.raw or "") or (":method", "POST") in (self.head or ())

    @property
    def url(self):
        return f"/app/{re.sub('[^A-Za-z0-9]+', '-', self.name)}?{LIVE}&{self.query}"


def reflected(name, value=EVIL, outcome=FOOLED, idea="unkeyed field, reflected"):
    """The text repeats the field's value."""
    return Technique(f"{name} {value[:12]}".strip(), idea, f"echo={name.lower()}", outcome, ((name, value),))


def breaking(name, status, field, value="1", when=None, idea="a field makes the origin fail (CPDoS)"):
    """The application answers with another status, and says that it may be cached."""
    when = when or field.lower()
    return Technique(f"{name} {status}", idea, f"when={when}~{status}", FOOLED, ((field, value),))


def request(first, *lines, end="\r\n\r\n"):
    return "\r\n".join((first, "Host: @HOST@", *lines)) + end


# Fields that applications look at without saying so. Caddy replaces three of them, and of a field that Connection
# names nothing arrives.
REFLECTED = [
    *(reflected(name) for name in (
        "X-Forwarded-Scheme", "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Server", "X-Forwarded-Path",
        "X-Forwarded-SSL", "X-Forwarded-Protocol", "X-Forwarded-By", "Forwarded", "X-Original-URL", "X-Rewrite-URL",
        "X-Original-Host", "X-Host", "X-HTTP-Host-Override", "X-Backend-Host", "X-Proxy-URL", "X-Url-Scheme",
        "X-Client-IP", "X-Originating-IP", "True-Client-IP", "CF-Connecting-IP", "Fastly-Client-IP", "Front-End-Https",
        "X-WAP-Profile", "X-Custom", "Content-Type", "Soapaction", "X-Timer", "Destination", "Accept-Version",
        "X-Api-Version", "X-Middleware-Prefetch", "Next-Action", "X-Now-Route-Matches", "Translate", "Purpose",
        "Content-Encoding", "Max-Forwards", "Save-Data", "Device-Memory", "From", "Cookie2")),
    *(reflected(name, outcome=REPLACED) for name in ("X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-For")),
    reflected("Cookie", f"theme={EVIL}", idea="unkeyed cookie"),
    reflected("Authorization", f"Bearer {EVIL}", idea="personal answer marked public"),
    reflected("Origin", f"https://{EVIL}", idea="CORS answer for another origin"),
    reflected("RSC", f"{EVIL}", idea="another representation under the same URL (Next.js)"),
    reflected("HX-Request", EVIL, idea="another representation under the same URL (htmx)"),
    reflected("X-Requested-With", EVIL, idea="another representation under the same URL"),
    reflected("If-None-Match", f'"{EVIL}"', idea="precondition, reflected"),
    reflected("Range", f"bytes=0-1,{EVIL}", idea="unkeyed Range"),
    reflected("X-Forwarded-Scheme", "http" + EVIL, idea="redirect loop"),
]

# The key has the class of the codings that are accepted, the application sees the whole field.
CODINGS = [
    reflected("Accept-Encoding", f"gzip, {EVIL}", idea="a coding that nobody has, beside one that everybody has"),
    reflected("Accept-Encoding", f"{EVIL}, gzip", idea="a coding that nobody has, beside one that everybody has"),
    reflected("Accept-Encoding", f"gzip, br;q=0.001, {EVIL};q=0", idea="weights"),
    reflected("Accept-Encoding", f"gzip;q={EVIL}", idea="a weight that is none"),
]

OVERRIDES = [breaking(name, 404, name, "DELETE", idea="method override") for name in (
    "X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "_method")]

# What the application is driven to is an answer that caches may store: with a lifetime, of a storable status.
BREAKING = [
    *(breaking("oversized field", status, "X-Oversized", "x" * 1500, "long", "oversized field (HHO)")
      for status in (400, 404, 410, 414, 431, 501)),
    *(breaking("oversized inert field", status, "User-Agent", "x" * 1500, "long", "oversized field, inert (HHO)")
      for status in (400, 404, 414)),
    *(breaking("meta character", status, "X-Meta", "a\xffb", "odd", "meta character (HMC)") for status in (400, 404)),
    *(breaking("meta character in an inert field", status, field, "a\xffb", "odd", "meta character, inert (HMC)")
      for status, field in ((404, "User-Agent"), (410, "Referer"))),
    breaking("range", 206, "Range", "bytes=0-0", idea="partial answer stored as whole"),
    breaking("unsatisfiable range", 416, "Range", "bytes=9999999-", idea="416 stored"),
    breaking("if-range", 404, "If-Range", '"x"'),
    breaking("if-match", 412, "If-Match", '"x"'),
    breaking("if-match but 404", 404, "If-Match", '"x"'),
    breaking("if-none-match", 304, "If-None-Match", '"x"', idea="304 stored as answer"),
    breaking("if-modified-since", 304, "If-Modified-Since", "Thu, 01 Jan 2026 00:00:00 GMT", idea="304 stored"),
    breaking("if-unmodified-since", 404, "If-Unmodified-Since", "Thu, 01 Jan 2020 00:00:00 GMT"),
    breaking("max-forwards", 404, "Max-Forwards", "0"),
    breaking("expect", 404, "Accept-Datetime", "x"),
    breaking("x-forwarded-scheme", 301, "X-Forwarded-Scheme", "http", idea="redirect loop"),
    breaking("x-forwarded-ssl", 308, "X-Forwarded-SSL", "off", idea="redirect loop"),
    breaking("x-amz-website-redirect", 301, "X-Amz-Website-Redirect-Location", EVIL),
    breaking("x-amz-server-side-encryption", 405, "X-Amz-Server-Side-Encryption", "x"),
    breaking("authorization refused", 404, "Authorization", "Basic eA=="),
    breaking("content-type", 404, "Content-Type", "invalid"),
]

# Fields that fill the store whatever they say, and directives of Cache-Control and Pragma that nobody knows.
INERT = ("accept", "accept-language", "user-agent", "referer", "x-real-ip", "via", "dnt", "sec-ch-ua-mobile",
         "sec-gpc", "sec-fetch-mode", "x-request-id", "baggage", "priority", "upgrade-insecure-requests",
         "cache-control", "pragma")

# A GET with a body that the application takes parameters from.
FAT = [
    Technique("fat GET", "fat GET with Content-Length", "echo=body", FOOLED, body=b"q=" + EVIL.encode()),
    Technique("fat GET chunked", "fat GET, chunked", "echo=body", FOOLED,
              raw=request("GET @URL@ HTTP/1.1", "Transfer-Encoding: chunked", "Connection: close",
                          end=f"\r\n\r\nc\r\n{EVIL}\r\n0\r\n\r\n")),
    Technique("fat GET over h2", "fat GET without a length", "echo=body", FOOLED, body=EVIL.encode(),
              head=((":method", "GET"), (":scheme", "https"), (":authority", "@HOST@"), (":path", "@URL@"))),
    Technique("fat GET override", "fat GET and method override", "echo=body,x-http-method-override", FOOLED,
              (("X-HTTP-Method-Override", "POST"),), body=b"q=" + EVIL.encode()),
]

# Hosts are compared without regard to case (RFC 9110 4.2.3), but not by every application.
CAPITALS = [
    Technique("host in capitals", "unkeyed case of Host", "when=capital~404", FOOLED,
              raw="GET @URL@ HTTP/1.1\r\nHost: LOCALHOST:@PORT@\r\nConnection: close\r\n\r\n"),
    Technique("host in capitals reflected", "unkeyed case of Host, reflected", "echo=host", FOOLED,
              raw="GET @URL@ HTTP/1.1\r\nHost: LOCALHOST:@PORT@\r\nConnection: close\r\n\r\n"),
]

# Which site a request is for, told in two ways.
HOSTS = [
    Technique("host with another port", "unkeyed port of Host", "echo=host", KEYED,
              raw="GET @URL@ HTTP/1.1\r\nHost: localhost:1234\r\nConnection: close\r\n\r\n"),
    Technique("host without port", "unkeyed port of Host", "echo=host", KEYED,
              raw="GET @URL@ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
    Technique("host with trailing dot", "unkeyed trailing dot of Host", "echo=host", REFUSED,
              raw="GET @URL@ HTTP/1.1\r\nHost: localhost.:@PORT@\r\nConnection: close\r\n\r\n"),
    Technique("two hosts", "which Host counts", "echo=host", REFUSED,
              raw=f"GET @URL@ HTTP/1.1\r\nHost: @HOST@\r\nHost: {EVIL}\r\nConnection: close\r\n\r\n"),
    Technique("host with userinfo", "userinfo in Host", "echo=host", REFUSED,
              raw=f"GET @URL@ HTTP/1.1\r\nHost: {EVIL}@localhost:@PORT@\r\nConnection: close\r\n\r\n"),
    Technique("host list", "comma in Host", "echo=host", REFUSED,
              raw=f"GET @URL@ HTTP/1.1\r\nHost: @HOST@, {EVIL}\r\nConnection: close\r\n\r\n"),
    Technique("no host", "HTTP/1.0 without Host", "echo=host", REFUSED, raw="GET @URL@ HTTP/1.0\r\n\r\n"),
    Technique("absolute form", "absolute form and another Host", "echo=host", REPLACED,
              raw=f"GET https://@HOST@@URL@ HTTP/1.1\r\nHost: {EVIL}\r\nConnection: close\r\n\r\n"),
    Technique("absolute form elsewhere", "absolute form names another site", "echo=host", REFUSED,
              raw=f"GET https://{EVIL}@URL@ HTTP/1.1\r\nHost: @HOST@\r\nConnection: close\r\n\r\n"),
    Technique("connection names x-forwarded-host", "hop-by-hop abuse", "echo=x-forwarded-host", REPLACED,
              (("Connection", "keep-alive, X-Forwarded-Host"), ("X-Forwarded-Host", EVIL))),
    Technique("connection names accept-encoding", "hop-by-hop abuse", "echo=accept-encoding", REPLACED,
              (("Connection", "keep-alive, Accept-Encoding"), ("Accept-Encoding", EVIL))),
    Technique("connection names host", "hop-by-hop abuse", "echo=host", REPLACED,
              (("Connection", "keep-alive, Host"),)),
    Technique("connection names cookie", "hop-by-hop abuse: an anonymous answer", "echo=cookie", REPLACED,
              (("Connection", "keep-alive, Cookie"), ("Cookie", EVIL))),
    Technique("connection names x-forwarded-for", "hop-by-hop abuse", "echo=x-forwarded-for", REPLACED,
              (("Connection", "keep-alive, X-Forwarded-For"), ("X-Forwarded-For", EVIL))),
]

# Two readings of one request. test_smuggling.py has those of bodies on the hop to the upstream.
SMUGGLED = f"GET /app/smuggled?{LIVE}&@N@ HTTP/1.1\r\nHost: @HOST@\r\n\r\n"
SMUGGLING = [Technique(f"smuggling by {name}", f"request smuggling: {name}", "echo=x-evil", outcome, raw=raw)
             for name, outcome, raw in (
    ("CL.TE", None, request("POST @URL@ HTTP/1.1", "Content-Length: 5", "Transfer-Encoding: chunked",
                            end=f"\r\n\r\n0\r\n\r\n{SMUGGLED}")),
    ("TE.CL", None, request("POST @URL@ HTTP/1.1", "Transfer-Encoding: chunked", "Content-Length: 3",
                            end=f"\r\n\r\n0\r\n\r\n{SMUGGLED}")),
    ("TE.TE", REFUSED, request("POST @URL@ HTTP/1.1", "Transfer-Encoding: xchunked",
                               "Transfer-Encoding: chunked", end=f"\r\n\r\n0\r\n\r\n{SMUGGLED}")),
    ("chunked with a tab", None, request("POST @URL@ HTTP/1.1", "Transfer-Encoding:\x0bchunked", "Content-Length: 5",
                                         end=f"\r\n\r\n0\r\n\r\n{SMUGGLED}")),
    ("two lengths", REFUSED, request("POST @URL@ HTTP/1.1", "Content-Length: 0", "Content-Length: 90",
                                     end=f"\r\n\r\n{SMUGGLED}")),
    ("a signed length", REFUSED, request("POST @URL@ HTTP/1.1", "Content-Length: +90", end=f"\r\n\r\n{SMUGGLED}")),
    ("obs-fold", None, request("GET @URL@ HTTP/1.1", f"X-Other: a\r\n X-Evil: {EVIL}", "Connection: close")),
    ("bare LF", None, f"GET @URL@ HTTP/1.1\nHost: @HOST@\nX-Evil: {EVIL}\nConnection: close\n\n"),
    ("bare CR", REFUSED, request("GET @URL@ HTTP/1.1", f"X-Other: a\rX-Evil: {EVIL}", "Connection: close")),
    ("space before colon", REFUSED, request("GET @URL@ HTTP/1.1", f"X-Evil : {EVIL}", "Connection: close")),
    ("NUL in a field", REFUSED, request("GET @URL@ HTTP/1.1", f"X-Evil: {EVIL}\0", "Connection: close")),
    ("leading blank line", REFUSED, request("GET @URL@ HTTP/1.1").replace("\r\n", f"\r\n X-Evil: {EVIL}\r\n", 1)),
    ("chunk extension", None, request("POST @URL@ HTTP/1.1", "Transfer-Encoding: chunked",
                                      end=f"\r\n\r\n0;a=\"\r\n\r\n{SMUGGLED}")),
    ("chunk size overflow", None, request("POST @URL@ HTTP/1.1", "Transfer-Encoding: chunked",
                                          end=f"\r\n\r\nfffffffffffffffff1\r\n{SMUGGLED}")),
    ("HTTP/0.9", REFUSED, "GET @URL@\r\n"),
    ("version with a tail", REFUSED, request("GET @URL@ HTTP/1.1 x", f"X-Evil: {EVIL}")),
)]

PSEUDO = {":method": "GET", ":scheme": "https", ":authority": "@HOST@", ":path": "@URL@"}


def h2(name, outcome, *fields, body=None, query="echo=x-evil", **pseudo):
    head = tuple({**PSEUDO, **{f":{key}": value for key, value in pseudo.items()}}.items()) + fields
    return Technique(f"h2 {name}", "HTTP/2 downgrade", query, outcome, head=head, body=body)


DOWNGRADES = [
    h2("line break in a value", REFUSED, ("x-other", f"a\r\nX-Evil: {EVIL}")),
    h2("line break in a name", REFUSED, (f"x-evil: {EVIL}\r\nx", "a")),
    h2("colon in a name", REFUSED, (f"x-evil: {EVIL}", "a")),
    h2("capitals in a name", REFUSED, ("X-Evil", EVIL)),
    h2("line break in the path", REFUSED, path=f"@URL@ HTTP/1.1\r\nX-Evil: {EVIL}\r\nX: "),
    h2("space in the path", None, path=f"@URL@ HTTP/1.1 {EVIL}"),
    h2("line break in the method", REFUSED, method=f"GET @URL@ HTTP/1.1\r\nX-Evil: {EVIL}\r\nX: "),
    h2("request line as method", REFUSED, method="GET @URL@ HTTP/1.1"),
    h2("line break in the authority", REFUSED, authority=f"@HOST@\r\nX-Evil: {EVIL}"),
    h2("authority with a path", REPLACED, authority=f"@HOST@/{EVIL}", query="echo=host"),
    h2("scheme with a URL", None, scheme=f"https://{EVIL}/", query="echo=host,x-forwarded-proto"),
    h2("transfer-encoding", None, ("transfer-encoding", "chunked"), body=f"0\r\n\r\n{SMUGGLED}".encode(),
       method="POST"),
    h2("wrong content-length", REFUSED, ("content-length", "3"), body=b"abc" + SMUGGLED.encode(), method="POST"),
    h2("two authorities", None, ("host", EVIL), query="echo=host"),
    h2("connection names a field", REFUSED, ("connection", "x-forwarded-host"), ("x-forwarded-host", EVIL),
       query="echo=x-forwarded-host"),
    h2("two paths", REFUSED, (":path", f"/app/{EVIL}")),
    h2("pseudo field last", REFUSED, ("x-evil", EVIL), (":path", "@URL@")),
    h2("asterisk", None, path="*"),
    h2("absolute path", None, path=f"https://{EVIL}@URL@", query="echo=host"),
]


class Poisoning(suite.Case):
    world_options = {"app_route": ""}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.zs.start("--record-rate", "1000000")

    def setUp(self):
        self.authority = f"localhost:{self.world.caddy.port}"
        self.world.app.reset()
        self.renew()

    def renew(self):
        """A Caddy without connections, so that nothing is passive, and what that took to come about."""
        self.world.caddy.restart()
        self.passive = self.zs.counters()["passive"]

    def refreshed(self):
        """What follows must be able to be answered from the store, whatever connections went through."""
        if self.zs.counters()["passive"] != self.passive:
            self.renew()

    def filled(self, text, technique):
        for mark, value in (("@URL@", technique.url), ("@HOST@", self.authority),
                            ("@PORT@", self.world.caddy.port), ("@N@", technique.name.replace(" ", "-"))):
            text = text.replace(mark, str(value))
        return text

    def attack(self, technique):
        """One attack: (status or 0, everything that came back as text)."""
        if technique.raw is not None:
            client = OddHttp1(self.world.caddy)
            seen = client.raw(self.filled(technique.raw, technique).encode("latin-1")).decode("latin-1")
            status = re.match(r"HTTP/1\.[01] (\d{3})", seen)
            return int(status[1]) if status else 0, seen
        if technique.head is not None:
            client = OddHttp2(self.world.caddy)
            self.addCleanup(client.close)
            status, body = client.raw([(self.filled(name, technique), self.filled(value, technique))
                                       for name, value in technique.head], technique.body)
            return status, body.decode("latin-1")
        response = self.http1().request("GET", technique.url, technique.fields, technique.body)
        return response.status, response.body.decode("latin-1") + str(response.fields)

    def seen(self, technique):
        return self.world.app.requests()[f"GET {technique.url}"]

    def attacked(self, technique):
        """Attacks, and looks at what the upstream made of it."""
        answers = [self.attack(technique) for _ in range(ATTACKS)]
        seen, note = self.seen(technique), f"{technique}: {answers}"
        wanted = re.search(r"when=[^~]*~(\d+)", technique.query)
        for status, text in answers:
            if technique.outcome == FOOLED:
                self.assertIn("zeroserve" in text, (False,), note)
                self.assertEqual(status, int(wanted[1]) if wanted else 200, note)
                self.assertTrue(wanted or self.marked(technique, text), f"the attack does not work: {note}")
            elif technique.outcome == REPLACED:
                self.assertEqual(status, 200, note)
                self.assertNotIn(EVIL, text, note)
            elif technique.outcome == REFUSED:
                self.assertIn(status, (0, 200, 400, 405, 421, 426, 501, 505), note)
        if technique.outcome == FOOLED:
            self.assertEqual(seen, ATTACKS, f"an attack was answered from the store: {note}")
        if technique.outcome == REFUSED:
            self.assertEqual(seen, 0, f"it reached the upstream: {note}")

    def marked(self, technique, text):
        """Whether the text repeats what the attacker sent, and a visitor does not send."""
        hosts = technique.query == "echo=host" and re.findall(r" saw=(\S+)", text)
        return EVIL in text or (hosts and hosts != [self.authority.replace(":", "%3A")])

    def clean(self, technique, response):
        note = f"{technique}: {response}"
        self.assertEqual(response.status, 200, note)
        self.assertEqual(response.told["target"], technique.url, note)
        self.assertFalse(self.marked(technique, response.body.decode("latin-1") + str(response.fields)), note)

    def bystander(self, technique):
        """Somebody else's request on the connections that the attack went through."""
        for client in (self.http1(), self.http2()):
            response = client.request("GET", f"/app/bystander?of={technique.url[5:20]}")
            self.assertEqual(response.status, 200, f"{technique}: {response}")
            self.assertTrue(response.told["target"].startswith("/app/bystander"), f"{technique}: {response}")

    def cold(self, technique):
        """A visitor's first request after the attacks."""
        before = self.seen(technique)
        first = self.http1().request("GET", technique.url)
        self.clean(technique, first)
        if technique.outcome in (FOOLED, REFUSED):
            self.assertFalse(first.hit, f"the attack filled the store: {technique}: {first}")
            self.assertEqual(self.seen(technique), before + 1, technique)

    def warm(self, technique):
        """The visitor's answer gets stored, and stays through another attack."""
        client = self.http1()
        self.refreshed()
        for pause in range(40):  # what the attack provoked may hold the key off for some seconds
            response = client.request("GET", technique.url)
            self.clean(technique, response)
            if response.hit:
                break
            time.sleep(0.01 * pause)
        self.assertTrue(response.hit, f"never stored: {technique}: {self.zs.status()}")
        self.attack(technique)
        self.bystander(technique)
        self.refreshed()
        again = self.http1().request("GET", technique.url)
        self.clean(technique, again)
        if not technique.unsafe:
            self.assertTrue(again.hit, f"the attack took the answer out of the store: {technique}: {again}")
        self.clean(technique, self.http2().request("GET", technique.url))

    def stick(self, techniques):
        self.assertEqual(len({technique.url for technique in techniques}), len(techniques), "two with one URL")
        for technique in techniques:
            with self.subTest(technique.name):
                self.attacked(technique)
                self.bystander(technique)
            self.refreshed()
        time.sleep(0.5)  # whatever was recorded is judged by now
        for step in (self.cold, self.warm):
            for technique in techniques:
                with self.subTest(technique.name):
                    step(technique)

    def test_reflected_fields(self):
        self.stick(REFLECTED)

    def test_accept_encoding(self):
        self.stick(CODINGS)

    def test_method_override(self):
        self.stick(OVERRIDES)

    def test_denial_of_service(self):
        self.stick(BREAKING)

    def test_fat_get(self):
        self.stick(FAT)

    def test_hosts_and_hops(self):
        self.stick(HOSTS)

    def test_host_in_capitals(self):
        self.stick(CAPITALS)

    def test_inert_fields_that_say_vary(self):
        """Fields that fill the store although responses may depend on them: if they do, the application says so."""
        clients = self.http1(), self.http2()
        for _ in range(2):
            for name in INERT:
                url = f"/app/inert-{name}?{LIVE}&echo={name}&vary={name}"
                for client in clients:
                    fooled = client.request("GET", url, [(name, EVIL)])
                    self.assertEqual((fooled.told["saw"], fooled.hit), (EVIL, False), name)
                    plain = client.request("GET", url)
                    self.assertEqual((plain.told["saw"] == EVIL, plain.hit), (False, False), name)
            time.sleep(0.3)
        for name in INERT:
            url = f"/app/inert-{name}?{LIVE}&echo={name}&vary={name}"
            self.assertEqual(self.world.app.requests()[f"GET {url}"], 8, name)

    def test_smuggling_to_caddy(self):
        self.stick(SMUGGLING)

    def test_http2_downgrade(self):
        self.stick(DOWNGRADES)


if __name__ == "__main__":
    suite.main()

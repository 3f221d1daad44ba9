# SPDX-License-Identifier: GPL-2.0-or-later
"""Visitors of a plaintext listener of a real Caddy, answered without Caddy: from anywhere, and from this host."""

import json
import threading
import time
import types
import urllib.request

from zs import procs, servers, suite, wrk
from zs.client import Http1, digest
from zs.load import Load

ACCOUNT = {"username": "bob", "password": "JDJhJDEwJEVCNmdaNEg2Ti5iejRMYkF3MFZhZ3VtV3E1SzBWZEZ5Q3VWc0tzOEJwZE9TaFlZdEVkZDhX"}
LOCKED = {"handle": [{"handler": "authentication", "providers": {"http_basic": {"accounts": [ACCOUNT]}}}]}
FRESH = {"Cache-Control": ["max-age=600"]}


class ClientHop(suite.Case):
    def setUp(self):
        self.port = servers.free_port()
        self.plain = types.SimpleNamespace(port=self.port, ca=None)

    def routes(self, *before):
        upstream = [{"dial": f"127.0.0.1:{self.world.app.port}"}]
        return [*before,
                {"match": [{"path": ["/private/*"]}], **LOCKED},
                {"match": [{"path": ["/static", "/private/*"]}],
                 "handle": [{"handler": "static_response", "body": "by Caddy itself", "headers": FRESH}], "terminal": True},
                {"handle": [{"handler": "reverse_proxy", "upstreams": upstream}]}]

    def configure(self, routes, **server):
        """Gives Caddy the plaintext server `front`, through its admin API."""
        server = {"listen": [f"127.0.0.1:{self.port}"], "routes": routes, **server}
        request = urllib.request.Request(
            f"{self.world.caddy.admin_url}/config/apps/http/servers/front", json.dumps(server).encode(), method="POST",
            headers={"Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=10).close()

    def begin(self, *extra, **server):
        self.world.caddy.restart()
        self.world.app.reset()
        self.configure(self.routes(), **server)
        # the upstream hop is not followed: whatever is answered is answered on this one
        self.zs.start("--admin", f"127.0.0.1:{self.world.caddy.admin}", "--origin", "127.0.0.1:1",
                      "--listener", f"127.0.0.1:{self.port}", *extra, origins=False)
        self.addCleanup(self.zs.stop)
        self.settled()

    def settled(self):
        procs.wait_until("the listener is followed", lambda: self.zs.status()["opted_in"][0]["followed"], 5)
        time.sleep(1.1)  # nothing is stored in the first second of a configuration

    def visitor(self):
        client = Http1(self.plain)
        self.addCleanup(client.close)
        return client

    def hits(self, lane):
        return self.zs.counters()[f"{lane}_hits"]

    def test_anybody(self):
        """The same response again and again, on several connections; the application sees one request."""
        self.begin()
        target = "/app/page?cc=max-age%3D600&size=3000"
        first = self.get_until_hit(self.visitor(), target)
        seen = self.world.app.requests()[f"GET {target}"]
        passed = 0
        for _ in range(4):
            client = self.visitor()
            self.get_ok(client, "/app/other?cc=no-store")  # a connection's first request always goes to Caddy
            for _ in range(200):
                response = self.get_ok(client, target)
                passed += not response.hit
                self.assertTrue(not response.hit or response.body == first.body, response)
        self.assertLessEqual(passed, 40)  # some, if this machine is so busy that Caddy's admin API takes half a second
        self.assertEqual(self.world.app.requests()[f"GET {target}"], seen + passed)
        self.assertGreaterEqual(self.hits("remote"), 800 - passed)
        self.assertEqual(self.hits("local"), 0)
        validated = client.request("GET", target, [("If-Modified-Since", first.get("date"))])
        self.assertIn(validated.status, (200, 304))
        self.assertTrue(client.request("HEAD", target).status == 200)

    def test_of_caddys_own(self):
        self.begin()
        response = self.get_until_hit(self.visitor(), "/static")
        self.assertEqual(response.body, b"by Caddy itself")

    def test_nothing_is_skipped(self):
        """What Caddy guards is never stored, whoever asks."""
        self.begin()
        client = self.visitor()
        for _ in range(20):
            self.assertEqual(client.request("GET", "/private/static").status, 401)
        counters = self.zs.counters()
        self.assertEqual(counters["hits"], 0, counters)

    def test_write(self):
        """By the time a visitor reads that he has changed something, nobody is given the old one."""
        self.begin()
        reader, writer = self.visitor(), self.visitor()
        target = "/app/changing?cc=max-age%3D600"
        for version in range(30):
            response = self.get_until_hit(reader, target)
            self.assertEqual(int(response.told["version"]), version)
            self.assertEqual(writer.request("POST", target, (), b"x" * version).status, 200)
            self.assertEqual(int(self.get_ok(reader, target).told["version"]), version + 1)

    def test_configuration_changes(self):
        """A second after Caddy runs the new configuration nothing of the old one is given to anybody."""
        self.begin()
        client, target = self.visitor(), "/app/soon-private?cc=max-age%3D600"
        self.get_until_hit(client, target)
        self.configure(self.routes(LOCKED))
        time.sleep(1.0)
        for _ in range(50):
            self.assertEqual(self.visitor().request("GET", target).status, 401)
        self.configure(self.routes())
        self.settled()
        self.get_until_hit(self.visitor(), target)

    def test_killed(self):
        """Without an agent nobody would see a new configuration: a second after kill -9 Caddy is asked again."""
        self.begin()
        client, target = self.visitor(), "/app/guarded-later?cc=max-age%3D600"
        self.get_until_hit(client, target)
        self.zs.kill()
        self.addCleanup(lambda: self.zs.do("detach"))
        self.configure(self.routes(LOCKED))
        time.sleep(1.0)
        for _ in range(20):
            self.assertEqual(self.visitor().request("GET", target).status, 401)

    def test_mixed(self):
        """Hits, misses, uploads that look like requests, and HEADs: everybody gets his own, in order."""
        self.begin("--record-rate", "1000000")
        cached = [f"/app/cached{i}?cc=max-age%3D600&size={500 + 997 * i}" for i in range(40)]
        lock, fresh = threading.Lock(), set()

        def visit(client, dice, number):
            kind = dice.random()
            if kind < 0.6:
                target = dice.choice(cached)
                response = client.request("GET" if kind < 0.55 else "HEAD", target)
                assert response.status == 200, (target, response)
                assert kind >= 0.55 or response.told["target"] == target, (target, response)
                return
            body = client.head("GET", dice.choice(cached)) * dice.randrange(1, 4)
            if kind < 0.8:
                target = f"/app/upload{number}"
                response = client.request("POST", target, (), body)
                assert response.told["sha256"] == digest(body), (target, response)
            else:
                target = f"/app/miss{dice.randrange(100)}?cc=no-store&size={dice.randrange(3000)}"
                response = client.request("GET", target)
            assert response.status == 200 and response.told["target"] == target and not response.hit, (target, response)
            with lock:
                assert response.told["nonce"] not in fresh, response
                fresh.add(response.told["nonce"])

        load = Load(self.plain, visit, 16, each=400, seed=11)
        self.assertGreaterEqual(load.wait(100), 6400)
        counters = self.zs.counters()
        self.assertGreater(counters["remote_hits"], 2000, counters)
        self.assertEqual(counters["passive"], 0, counters)
        self.assertEqual(counters["given_up"], 0, counters)

    def test_detached_under_load(self):
        """`run` ends in the middle of it: nobody loses a response."""
        self.begin("--record-rate", "1000000")
        targets = [f"/app/kept{i}?cc=max-age%3D600&size=2000" for i in range(20)]

        def visit(client, dice, _number):
            target = dice.choice(targets)
            response = client.request("GET", target)
            assert response.status == 200 and response.told["target"] == target, response

        load = Load(self.plain, visit, 8, seed=3)
        procs.wait_until("hits", lambda: self.hits("remote") > 2000, 20)
        self.zs.stop()
        before = load.count
        procs.wait_until("requests after detaching", lambda: load.count > before + 1000, 20)
        load.stop()

    def test_dialer(self):
        """Whoever dials Caddy on this host from a cgroup that was named is answered at his own sendmsg."""
        self.begin("--dialer", str(self.world.client.path))
        targets = [f"/app/near{i}?cc=max-age%3D600&size=1000" for i in range(50)]
        warm = self.visitor()
        warm.authority = f"127.0.0.1:{self.port}"  # as wrk calls it
        for target in targets:
            self.get_until_hit(warm, target)
        seen = sum(self.world.app.requests().values())
        figures = wrk.run(self.world, wrk.rotate(self.world.dir, "near", targets), 2, 8, f"http://127.0.0.1:{self.port}")
        self.assertEqual(figures.errors, "")
        counters = self.zs.counters()
        self.assertGreater(counters["local_hits"], 0.95 * figures.requests, counters)
        self.assertLess(sum(self.world.app.requests().values()) - seen, 20, counters)
        print(f"note: {figures.rate:.0f} requests/s from a dialer on this host, {counters['local_hits']} of "
              f"{figures.requests} answered at its sendmsg")


if __name__ == "__main__":
    suite.main()

# SPDX-License-Identifier: GPL-2.0-or-later
"""What `status` says of a real Caddy's listeners and routes, and how fast it follows a change."""

import json
import time
import urllib.request

from zs import procs, servers, suite

OPEN = {"handle": [{"handler": "static_response", "body": "open"}]}
PRIVATE = {"match": [{"path": ["/private/*"]}], "handle": [
    {"handler": "authentication", "providers": {"http_basic": {"accounts": [
        {"username": "bob", "password": "JDJhJDEwJEVCNmdaNEg2Ti5iejRMYkF3MFZhZ3VtV3E1SzBWZEZ5Q3VWc0tzOEJwZE9TaFlZdEVkZDhX"}]}}}]}
INSIDE = {"match": [{"remote_ip": {"ranges": ["10.0.0.0/8"]}}], "handle": [
    {"handler": "static_response", "body": "inside"}]}


class Listeners(suite.Case):
    world_options = {"app": False}

    def configure(self, routes, port):
        """Gives Caddy a server "front" with these routes, through its admin API."""
        server = {"listen": [f"127.0.0.1:{port}"], "routes": routes, "idle_timeout": "30s"}
        request = urllib.request.Request(
            f"{self.world.caddy.admin_url}/config/apps/http/servers/front", json.dumps(server).encode(), method="POST",
            headers={"Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=10).close()

    def start(self, routes, *extra):
        self.port = servers.free_port()
        self.world.caddy.restart()
        self.configure(routes, self.port)
        # With origins named and nothing opted in, the admin API would not be asked at all.
        self.zs.start("--admin", f"127.0.0.1:{self.world.caddy.admin}", *extra, origins=False)
        self.addCleanup(self.zs.stop)
        procs.wait_until("the agent's report", lambda: self.zs.status().get("listeners"))

    def routes(self):
        return {route["route"]: route for route in self.zs.status()["routes"].get("front", [])}

    def listener(self, port):
        return next(one for one in self.zs.status()["listeners"] if one["address"] == f"127.0.0.1:{port}")

    def test_listed_without_opting_in(self):
        self.start([PRIVATE, INSIDE, OPEN])
        front, tls = self.listener(self.port), self.listener(self.world.caddy.port)
        self.assertEqual((front["server"], front["tls"], front["eligible"]), ("front", False, True))
        self.assertEqual(front["idle_seconds"], 30)
        self.assertEqual((tls["tls"], tls["eligible"]), (True, False))
        self.assertIn("upstream hop", tls["reason"])
        routes = self.routes()
        self.assertEqual([routes[i]["eligible"] for i in "012"], [False, False, True])
        self.assertIn("authentication", routes["0"]["reason"])
        self.assertIn("remote_ip", routes["1"]["reason"])
        self.assertEqual(self.zs.status()["opted_in"], [])
        text = self.zs.do("status")
        self.assertIn(f"127.0.0.1:{self.port}", text)
        self.assertIn("remote_ip", text)

    def test_opted_in(self):
        self.start([OPEN], "--listener", "127.0.0.1:1", "--listener", f"127.0.0.1:{self.world.caddy.port}")
        first, second = self.zs.status()["opted_in"]
        self.assertFalse(first["followed"] or second["followed"])
        self.assertEqual(first["reason"], "Caddy does not listen there")
        self.assertIn("TLS", second["reason"])

    def test_followed_through_changes(self):
        port = servers.free_port()
        self.start([OPEN], "--listener", f"127.0.0.1:{port}")
        self.assertFalse(self.zs.status()["opted_in"][0]["followed"])
        self.configure([OPEN], port)
        procs.wait_until("the listener is followed", lambda: self.zs.status()["opted_in"][0]["followed"], 3)
        self.assertEqual(self.zs.status()["opted_in"][0]["server"], "front")
        began = time.monotonic()
        self.configure([PRIVATE, OPEN], port)
        procs.wait_until("the new route is judged", lambda: not self.routes()["0"]["eligible"], 3)
        print(f"note: a changed configuration is in `status` after {time.monotonic() - began:.2f} s")

    def test_change_voids(self):
        """What is stored, here of an upstream, is void before the new configuration is judged by."""
        port = servers.free_port()
        self.start([OPEN], "--listener", f"127.0.0.1:{port}")
        self.configure([OPEN], port)
        procs.wait_until("the listener is followed", lambda: self.zs.status()["opted_in"][0]["followed"], 3)
        self.world.nginx.put("/voided.txt", b"x" * 100)
        self.get_until_hit(self.http1(), "/voided.txt")
        self.configure([PRIVATE, OPEN], port)
        procs.wait_until("the new route is judged", lambda: not self.routes()["0"]["eligible"], 3)
        self.assertFalse(self.get_ok(self.http1(), "/voided.txt").hit)

    def test_allowed_by_name(self):
        self.start([{"handle": [{"handler": "templates"}]}, OPEN], "--allow-handler", "templates")
        self.assertTrue(self.routes()["0"]["eligible"])


if __name__ == "__main__":
    suite.main()

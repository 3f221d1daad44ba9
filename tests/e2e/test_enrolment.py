# SPDX-License-Identifier: GPL-2.0-or-later
"""An origin of which nothing can be stored is left alone; it is found when that changes, and writes still count."""

import threading
import time

from zs import suite


class Enrolment(suite.Case):
    # the application closes every connection after so many requests, as nginx does after a thousand
    world_options = {"keepalive_requests": 20}

    def agent(self):
        return self.zs.status()["agent"]

    def make_cold(self, client):
        deadline = time.monotonic() + 20
        number = 0
        while not self.agent()["cold_origins"]:
            self.assertLess(time.monotonic(), deadline, self.zs.status())
            for _ in range(20):
                number += 1
                self.get_ok(client, f"/app/private/{number}?cc=no-store")
            time.sleep(0.05)
        for number in range(100):  # every connection from before ends
            self.get_ok(client, f"/app/private/x{number}?cc=no-store")

    def test_cold_and_warm_again(self):
        self.run_zs("--record-rate", "1000000")
        client = self.http1()
        self.make_cold(client)
        before = self.zs.counters()
        for number in range(400):
            self.get_ok(client, f"/app/private/y{number}?cc=no-store")
        after = self.zs.counters()
        self.assertGreater(after["unfollowed"], before["unfollowed"])
        self.assertLess(after["passed"] - before["passed"], 200, "most requests should not have been followed")
        # now it sends something that can be stored: one connection in 32 and one in five seconds are samples
        deadline = time.monotonic() + 30
        page, number = "/app/page?cc=max-age%3D60", 0
        while not client.request("GET", page).hit:
            self.assertLess(time.monotonic(), deadline, self.zs.status())
            number += 1
            time.sleep(0.002)
        time.sleep(0.5)  # the agent reports a few times a second
        self.assertEqual(self.agent()["cold_origins"], 0)

    def test_writes_on_unfollowed_connections(self):
        """After a successful write no older version is ever seen, whichever connection it went over."""
        self.run_zs("--record-rate", "1000000")
        client, other = self.http1(), self.http2()
        self.make_cold(client)
        page = "/app/written?cc=max-age%3D60"
        hits = 0
        deadline = time.monotonic() + 25
        version = 0
        while time.monotonic() < deadline and (hits < 50 or version < 200):
            self.assertEqual(other.request("POST", page, body=b"x").status, 200)
            version += 1
            for _ in range(4):
                response = client.request("GET", page)
                self.assertEqual(int(response.told["version"]), version, response)
                hits += response.hit
                time.sleep(0.003)
        self.assertGreater(hits, 20, self.zs.status())
        self.assertGreater(self.zs.counters()["unfollowed"], 0)

    def test_requests_with_cookies_only(self):
        """Nothing is recorded of them, so that no response was ever judged."""
        self.run_zs("--record-rate", "1000000")
        client = self.http1()
        deadline = time.monotonic() + 30
        number = 0
        while not self.agent()["cold_origins"]:
            self.assertLess(time.monotonic(), deadline, self.zs.status())
            for _ in range(50):
                number += 1
                client.request("GET", f"/app/page{number}?cc=max-age%3D60", [("Cookie", "a=1")])
        cold = [of for of in self.zs.status()["enrolment"] if of["cold"]]
        self.assertEqual([of["address"] for of in cold], [f"127.0.0.1:{self.world.app.port}"])
        self.zs.do("resume")
        time.sleep(1.5)
        self.assertEqual(self.agent()["cold_origins"], 0)

    def test_writes_on_older_connections(self):
        """Connections that Caddy had open before anything was attached."""
        self.world.caddy.restart()
        clients = [self.http1() for _ in range(2)]
        page = "/app/older?cc=max-age%3D60"
        slow = f"{page}&delay=200"
        threads = [threading.Thread(target=client.request, args=("GET", slow)) for client in clients]
        for thread in threads:  # two connections to the application
            thread.start()
        for thread in threads:
            thread.join()
        self.zs.start("--record-rate", "1000000")
        self.addCleanup(self.zs.stop)
        writer, reader, other = self.http1(), self.http1(), self.http1()
        version = hits = 0
        for number in range(200):
            busy = threading.Thread(target=other.request, args=("GET", f"/app/busy{number}?delay=5&cc=no-store"))
            busy.start()
            self.assertEqual(writer.request("POST", page, body=b"x" * 3000).status, 200)
            version += 1
            for _ in range(4):
                response = reader.request("GET", page)
                self.assertEqual(int(response.told["version"]), version, response)
                hits += response.hit
            busy.join()
        counters = self.zs.counters()
        self.assertGreater(counters["unfollowed"], 0)
        self.assertGreater(hits, 20, self.zs.status())

    def test_always(self):
        self.run_zs("--record-rate", "1000000", "--enrol", "always")
        client = self.http1()
        for number in range(300):
            self.get_ok(client, f"/app/private/z{number}?cc=no-store")
            time.sleep(0.012)
        self.assertEqual(self.agent()["cold_origins"], 0)
        self.assertEqual(self.zs.counters()["unfollowed"], 0)


if __name__ == "__main__":
    suite.main()

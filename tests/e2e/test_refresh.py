# SPDX-License-Identifier: GPL-2.0-or-later
"""Under steady load an object is fetched once per lifetime, ahead of its end, and no visitor waits for it."""

import threading
import time

from zs import suite
from zs.load import Load

LIFETIME = 10
SECONDS = 27
TARGET = f"/app/steady?cc=max-age%3D{LIFETIME}&size=700"


class Refresh(suite.Case):
    def setUp(self):
        self.lock = threading.Lock()
        self.made = set()
        self.missed = []

    def visit(self, client, dice, number):
        response = client.request("GET", TARGET)
        assert response.status == 200 and response.told["target"] == TARGET, response
        with self.lock:
            self.made.add(float(response.told["made"]))
            if not response.hit:
                self.missed.append(time.monotonic())

    def test_one_fetch_per_period(self):
        self.run_zs()
        first = float(self.get_until_hit(self.http1(), TARGET).told["made"])
        before = self.world.app.requests()[f"GET {TARGET}"]  # more than one if the agent was slow to store the first
        load = Load(self.world.caddy, self.visit, connections=4, pause=0.005)
        time.sleep(SECONDS)
        load.stop()
        seen = 1 + self.world.app.requests()[f"GET {TARGET}"] - before
        made = sorted(self.made)
        gaps = [b - a for a, b in zip(made, made[1:])]
        told = f"fetched {seen} times, after {[round(gap, 2) for gap in gaps]} s; status: {self.zs.status()}"
        self.assertEqual(self.missed, [], f"visitors missed; {told}")
        self.assertEqual(made[0], first, told)
        self.assertIn(seen - len(made), (0, 1), f"fetched more often than served; {told}")
        self.assertGreaterEqual(len(made), SECONDS // LIFETIME + 1, told)
        for gap in gaps:
            self.assertTrue(LIFETIME / 2 <= gap < LIFETIME, told)


if __name__ == "__main__":
    suite.main()

# SPDX-License-Identifier: GPL-2.0-or-later
"""Nothing is served beyond its lifetime, whoever is alive to say so."""

import os
import signal
import time

from zs import suite
from zs.load import Load

SLACK = 0.02  # seconds between the upstream's clock reading and the request's arrival there


class Freshness(suite.Case):
    def setUp(self):
        self.hits = 0
        self.oldest = 0.0

    def visit(self, client, dice, number):
        """A GET whose text tells when it was made; asked for at `sent`, it must be fresh then."""
        lifetime = dice.choice((2, 2, 2, 3, 600))
        target = f"/app/fresh{dice.randrange(4)}?cc=max-age%3D{lifetime}&size=400"
        sent = time.monotonic()
        response = client.request("GET", target)
        assert response.status == 200 and response.told["target"] == target, (target, response)
        age = sent - float(response.told["made"])
        assert age < lifetime + SLACK, f"{target} was {age:.3f} s old when asked for: {response}"
        if response.hit:
            assert 0 <= response.age < lifetime, f"{target}: Age: {response.age}: {response}"
            assert response.age >= int(age), f"{target}: {age:.3f} s old, Age: {response.age}"
            self.hits += 1
            self.oldest = max(self.oldest, age / lifetime)

    def test_age_under_load(self):
        self.run_zs("--record-rate", "1000000")
        load = Load(self.world.caddy, self.visit, connections=8)
        time.sleep(8)
        count = load.stop()
        self.assertGreater(self.hits, count / 2, self.zs.status())
        self.assertGreater(self.oldest, 0.5, "objects were not served until late in their lives")

    def test_agent_killed(self):
        """Without its agent the kernel goes on serving what is fresh, and only that."""
        self.run_zs("--record-rate", "1000000")
        load = Load(self.world.caddy, self.visit, connections=8)
        time.sleep(3)
        pid = self.zs.status()["agent"]["pid"]
        os.kill(pid, signal.SIGKILL)
        before = self.hits
        time.sleep(5)
        load.stop()
        self.assertGreater(self.hits, before, "what is fresh for ten minutes is still served")
        self.assertTrue(self.zs.process.alive(), self.zs.log())
        agent = self.zs.status()["agent"]
        self.assertTrue(agent["alive"] is False or agent["pid"] != pid, agent)


if __name__ == "__main__":
    suite.main()

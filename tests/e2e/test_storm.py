# SPDX-License-Identifier: GPL-2.0-or-later
"""Ten thousand objects that expire together, under steady load over all of them: the upstream never sees more fetches
than the configured rate allows, visitors go on being answered, and no request fails.

Grace keeps the objects in use, so that every request that the upstream sees from then on is a fetch of the agent's.
ZS_STORM_SECONDS: how long to watch after the end of the lifetimes; 10 if it is not set. With 60 all are refreshed.
"""

import os
import time

from zs import suite, wrk

OBJECTS = 10_000
RATE = 200  # fetches per second
CONCURRENCY = 16
FILLING = 12  # seconds in which all are asked for; two more, and all lifetimes end
SECONDS = int(os.environ.get("ZS_STORM_SECONDS", "10"))


class Storm(suite.Case):
    def fill(self):
        """Every object once or more, in turn; those whose recording was lost get another one."""
        until = int(time.monotonic()) + FILLING + 2
        targets = [f"/app/storm/{number}?until={until}&size=100" for number in range(OBJECTS)]
        script = wrk.rotate(self.world.dir, "storm", targets)
        self.assertEqual(wrk.run(self.world, script, FILLING).errors, "")
        return until, script, targets

    def most(self, arrivals, tenths):
        """The most that came within so many tenths of a second in a row."""
        count = dict(arrivals)
        return max(sum(count.get(tenth, 0) for tenth in range(first, first + tenths)) for first, _ in arrivals)

    def test_expire_together(self):
        config = self.world.dir / "storm.conf"
        config.write_text("[rule all]\ngrace = 1h\n")
        self.run_zs("--config", config, "--record-rate", "1000000", "--store-size", "128M", "--fetch-rate", RATE,
                    "--fetch-concurrency", CONCURRENCY)
        until, script, targets = self.fill()
        stored = self.zs.stored()
        self.assertGreater(stored, OBJECTS * 0.99, self.zs.status())
        self.world.app.reset()
        before = self.zs.status()
        load = wrk.Wrk(self.world, script, max(1, until - int(time.monotonic())) + SECONDS)
        figures = load.wait()
        after = self.zs.status()
        arrivals, requests = self.world.app.arrivals(), self.world.app.requests()
        missed = after["counters"]["misses"] - before["counters"]["misses"]
        fetched = after["agent"]["fetches"] - before["agent"]["fetches"]
        told = f"{figures}; {missed} misses, {fetched} fetches; {arrivals}; {after}"
        self.assertEqual(figures.errors, "", told)
        self.assertGreater(figures.requests, OBJECTS, told)
        self.assertEqual(after["agent"]["fetches_failed"], 0, told)
        # what was not stored in time, and was hit by chance while it was replaced
        self.assertLessEqual(missed, 2 * (OBJECTS - stored) + OBJECTS // 1000, told)
        self.bounded(arrivals, missed, told)
        self.assertGreater(fetched, RATE * SECONDS / 2, told)
        if fetched >= stored:
            self.assertEqual([name for name in targets if not requests[f"GET {name}"]], [], told)
        print(f"note: {stored} objects, {figures.requests} requests, {fetched} fetches, at most "
              f"{self.most(arrivals, 10)} in one second and {self.most(arrivals, 50)} in five at {RATE} per second")

    def bounded(self, arrivals, missed, told):
        """The bucket saves up one second: in any span no more than the rate, that, and what is on its way."""
        for seconds in (1, 2, 5, SECONDS):
            allowed = RATE * (seconds + 1) + CONCURRENCY + missed
            self.assertLessEqual(self.most(arrivals, 10 * seconds), allowed, f"within {seconds} s: {told}")


if __name__ == "__main__":
    suite.main()

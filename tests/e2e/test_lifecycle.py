# SPDX-License-Identifier: GPL-2.0-or-later
"""Coming and going under load: no request fails and no byte differs, however zeroserve starts or ends."""

import itertools
import signal
import time

from zs import procs, suite
from zs.client import digest
from zs.load import Load

CYCLES = 200
CACHED = [f"/app/cached{number}?cc=max-age%3D600&size={200 + 3000 * number}" for number in range(8)]


class LifeCycle(suite.Case):
    world_options = {"keepalive_requests": 40}  # so that there are new connections all the time

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.file = bytes(i % 253 for i in range(20_000))
        cls.world.nginx.put("/file.bin", cls.file)

    def setUp(self):
        self.hits = 0
        self.load = None
        self.addCleanup(self.zs.do, "detach")  # also where an assertion left it attached

    def visit(self, client, dice, number):
        kind = dice.randrange(10)
        if kind < 2:
            body = dice.randbytes(dice.choice((1, 3000, 9000)))
            response = client.request("POST", "/app/upload", (), body)
            assert response.status == 200 and response.told["sha256"] == digest(body), (len(body), response)
            return
        if kind < 4:
            response = client.request("GET", "/file.bin")
            assert response.status == 200 and response.body == self.file, response
        elif kind < 5:
            target = dice.choice(CACHED)
            response = client.request("HEAD", target)
            assert response.status == 200 and response.get("content-length") == target.rpartition("=")[2], response
        else:
            target = dice.choice(CACHED)
            response = client.request("GET", target)
            assert response.status == 200 and response.told["target"] == target, (target, response)
            assert len(response.body) == int(target.rpartition("=")[2]), (target, response)
        self.hits += response.hit

    def begin(self):
        self.load = Load(self.world.caddy, self.visit, connections=6, pause=0.01)
        time.sleep(0.3)

    def going_on(self):
        """The load gets somewhere between two steps, and nothing has failed yet."""
        before = self.load.count
        procs.wait_until("responses go on", lambda: self.load.count > before + 5 or self.load.errors, 10, 0.005)
        if self.load.errors:
            self.load.stop()

    def hits_come(self):
        before = self.hits
        procs.wait_until("hits", lambda: self.hits > before + 20 or self.load.errors, 10, 0.01)
        if self.load.errors:
            self.load.stop()

    def end_run(self, ending):
        """One of the ways in which `run` ends: it always detaches, and exits with 0."""
        if ending == "detach":
            self.zs.do("detach")
            procs.wait_until("run notices that it was detached", lambda: not self.zs.process.alive(), 10)
            self.assertEqual(self.zs.process.child.returncode, 0, self.zs.log())
            self.zs.process = None
        else:
            self.zs.stop(ending)

    def test_attach_and_detach(self):
        """Every twentieth time it is `run`, so that there are hits to end; else `attach` alone, which is quicker."""
        endings = itertools.cycle((signal.SIGTERM, "detach", signal.SIGINT))
        self.begin()
        for cycle in range(CYCLES):
            if with_run := cycle % 20 == 0:
                self.zs.start("--record-rate", "1000000")
                self.hits_come()
            else:
                self.zs.do("attach", *self.zs.target())
            self.going_on()
            for verb in ("pause", "resume"):
                self.zs.do(verb)
                self.going_on()
            if with_run:
                self.end_run(next(endings))
            else:
                self.zs.do("detach")
            self.assertEqual(self.world.bpffs.entries(), [])
            self.going_on()
        self.load.stop()

    def test_pause_and_resume(self):
        self.run_zs("--record-rate", "1000000")
        self.begin()
        for cycle in range(CYCLES):
            self.zs.do("pause")
            self.going_on()
            self.zs.do("resume")
            self.going_on()
            if cycle % 50 == 0:
                self.hits_come()
        self.load.stop()

    def test_paused_means_no_hits(self):
        self.run_zs("--record-rate", "1000000")
        client = self.http1()
        self.get_until_hit(client, CACHED[0])
        self.zs.do("pause")
        self.assertTrue(self.zs.status()["paused"])
        self.assertEqual([self.get_ok(client, CACHED[0]).hit for _ in range(5)], [False] * 5)
        self.zs.do("resume")
        self.assertFalse(self.zs.status()["paused"])
        self.get_until_hit(client, CACHED[0])

    def test_killed_and_taken_over(self):
        """Pins survive kill -9 of `run`, and requests do not notice; the next `run` goes on with what is there."""
        self.begin()
        for _ in range(5):
            self.zs.start("--record-rate", "1000000")
            self.hits_come()
            self.zs.kill()
            self.going_on()
            time.sleep(0.3)
            self.assertTrue(self.zs.status()["attached"])
        self.zs.start()
        self.hits_come()
        self.zs.stop()
        self.load.stop()


if __name__ == "__main__":
    suite.main()

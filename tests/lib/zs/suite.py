# SPDX-License-Identifier: GPL-2.0-or-later
"""The base of every e2e test class, and the main() that prints the tally tests/run reads."""

import faulthandler
import sys
import time
import unittest

from zs import interrupt
from zs.client import Http1, Http2
from zs.leftovers import Snapshot
from zs.world import World


class Case(unittest.TestCase):
    """One world per class; what it leaves behind fails the class."""

    world_options = {}

    @classmethod
    def setUpClass(cls):
        cls.snapshot = Snapshot()
        cls.world = World(**cls.world_options)
        cls.zs = cls.world.zs

    @classmethod
    def tearDownClass(cls):
        try:
            cls.world.close()
        finally:
            cls.snapshot.check()

    def http1(self):
        client = Http1(self.world.caddy)
        self.addCleanup(client.close)
        return client

    def http2(self):
        client = Http2(self.world.caddy)
        self.addCleanup(client.close)
        return client

    def run_zs(self, *extra, **options):
        """`zs-load run` for the rest of this test, with a Caddy that has no connection yet."""
        self.world.caddy.restart()
        self.zs.start(*extra, **options)
        self.addCleanup(self.zs.stop)

    def get_ok(self, client, target, fields=()):
        response = client.request("GET", target, fields)
        self.assertEqual(response.status, 200, f"{target}: {response}")
        return response

    def get_until_hit(self, client, target, fields=(), tries=50):
        """Asks until it is answered by zeroserve; the first hit."""
        for number in range(tries):
            response = self.get_ok(client, target, fields)
            if response.hit:
                return response
            time.sleep(0.001 * number)
        self.fail(f"{target}: no hit in {tries} requests; status: {self.zs.status()}\n{self.zs.log()}")


class _Result(unittest.TextTestResult):
    passed = 0

    def startTest(self, test):
        super().startTest(test)
        self.began = time.monotonic()

    def addSuccess(self, test):
        self.stream.write(f"{time.monotonic() - self.began:.1f} s ")
        super().addSuccess(test)
        self.passed += 1


def main():
    """Runs the tests of the calling script; the last line on stderr is "zs-tally: PASSED FAILED SKIPPED"."""
    interrupt.catch()
    faulthandler.enable()
    faulthandler.dump_traceback_later(380, exit=False)
    runner = unittest.TextTestRunner(verbosity=2, resultclass=_Result)
    try:
        result = unittest.main(module="__main__", testRunner=runner, exit=False).result
    except KeyboardInterrupt as reason:
        print(f"interrupted by {reason}", file=sys.stderr)
        sys.exit(1)
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    print(f"zs-tally: {result.passed} {failed} {len(result.skipped)}", file=sys.stderr)
    sys.exit(1 if failed else 0)

# SPDX-License-Identifier: GPL-2.0-or-later
"""Steady traffic from several connections at once; every response is checked by whoever asked for it."""

import random
import threading
import time

from zs.client import Http1


class Load:
    """`visit(client, dice, number)` makes one exchange and raises if its response is wrong.

    Each of `connections` threads has a connection and a seeded random generator of its own and goes on
    until stop(), or until it has made `each` exchanges.
    """

    def __init__(self, caddy, visit, connections=8, each=None, pause=0.0, seed=1):
        self.visit, self.each, self.pause = visit, each, pause
        self.errors = []
        self.done = [0] * connections
        self.ending = threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(caddy, number, seed), daemon=True)
                        for number in range(connections)]
        for thread in self.threads:
            thread.start()

    def _run(self, caddy, number, seed):
        client, dice = Http1(caddy), random.Random(seed * 1000 + number)
        try:
            while not self.ending.is_set() and self.done[number] != self.each:
                self.visit(client, dice, number)
                self.done[number] += 1
                if self.pause:
                    time.sleep(self.pause)
        except Exception as error:  # pylint: disable=broad-except
            self.errors.append(f"connection {number}, exchange {self.done[number]}: {error!r}")
        finally:
            client.close()

    @property
    def count(self):
        return sum(self.done)

    def failed(self):
        return bool(self.errors)

    def wait(self, timeout):
        """Until every connection has made its exchanges."""
        end = time.monotonic() + timeout
        for thread in self.threads:
            thread.join(max(0.0, end - time.monotonic()))
        if any(thread.is_alive() for thread in self.threads):
            self.errors.append(f"not done within {timeout} s: {self.count} exchanges")
        return self.stop()

    def stop(self):
        """Ends it; raises AssertionError with the first errors, if any. Returns the number of exchanges."""
        self.ending.set()
        for thread in self.threads:
            thread.join(25)
            if thread.is_alive():
                self.errors.append("a connection hangs")
        if self.errors:
            raise AssertionError(f"{len(self.errors)} of {len(self.threads)} connections failed after "
                                 f"{self.count} exchanges:\n  " + "\n  ".join(self.errors[:5]))
        return self.count

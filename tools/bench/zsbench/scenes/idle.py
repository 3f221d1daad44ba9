# SPDX-License-Identifier: GPL-2.0-or-later
"""Idle connections: memory per connection, of the server's processes and of the kernel.

The clients are on the same machine, so the kernel's figure holds both ends of each connection, for everybody alike.
"""

import sys
import time
from pathlib import Path

from zs import procs

from zsbench import accounts, load
from zsbench.case import Case

CLIENT = Path(__file__).resolve().parents[2] / "idle_client.py"
SETTLE = 0.3    # seconds until memory is read
RESERVE = 2000  # open files that client and server need for other things


class Idle(Case):
    def __init__(self, *given, tls, count, **more):
        super().__init__(*given, **more)
        self.tls, self.count = tls, count

    def rounds(self, plan):
        return 1 if plan.quick else min(3, plan.rounds)

    def measure(self, arena, contestant, number, plan):
        if self.count > arena.files_limit - RESERVE:
            raise RuntimeError(f"not more than {arena.files_limit} open files are allowed here (ulimit -Hn)")
        place = load.Place(arena)
        groups = contestant.groups().values()
        user, kernel = accounts.user_bytes(groups), accounts.kernel_bytes()
        log = arena.dir / "idle.log"
        log.write_text("")
        client = procs.Process("idle connections", [
            *place.prefix, sys.executable, CLIENT, arena.address, contestant.tls_port if self.tls else contestant.port,
            self.count, int(self.tls), contestant.path("/nginx/100/1"), *arena.network.sources], log, arena.client)
        try:
            client.wait_ready(lambda: "ready" in client.output(), 30 + self.count / 500)
            time.sleep(SETTLE)
            return {"connections": self.count,
                    "user_bytes_per_connection": round((accounts.user_bytes(groups) - user) / self.count),
                    "kernel_bytes_per_connection": round((accounts.kernel_bytes() - kernel) / self.count)}
        finally:
            client.stop()
            time.sleep(SETTLE)


def cases(plan):
    everybody = ["caddy", "caddy-zeroserve", "nginx-cache", "haproxy", "varnish", "trafficserver"]
    if not plan.quick:
        yield Idle("idle", "tls/1000", "1000 idle TLS connections", everybody[:4], tls=True, count=1000, upstream="nginx",
                   size=100)
    for count in (1000,) if plan.quick else (1000, 10_000, 50_000):
        yield Idle("idle", f"plain/{count}", f"{count} idle plaintext connections", everybody, tls=False, count=count,
                   upstream="nginx", size=100)

# SPDX-License-Identifier: GPL-2.0-or-later
"""The plaintext client hop: clients that dial the server itself, from another network namespace or beside it.

What caches in user space reach here is the measure of the lanes that answer on this hop. A dialer's lane is there for
clients on the same host only.
"""

from zsbench.case import LoadCase
from zsbench.upstreams import FILES

CONTESTANTS = ("caddy", "caddy-control", "caddy-zeroserve-hop", "caddy-files", "nginx-static", "nginx-cache", "haproxy", "varnish",
               "trafficserver")


def cases(plan):
    for remote in (True, False):
        where = "remote" if remote else "local"
        for size in plan.sizes:
            yield LoadCase("client-hop", f"{where}/{size}", f"plaintext, {where} client, {size} B",
                           [name for name in (*CONTESTANTS, *(() if remote else ("caddy-zeroserve-dialer",)))
                            if not (plan.quick and name == "caddy-control")],
                           lambda _number, s=size: [f"/nginx/{s}/{n}" for n in range(FILES)],
                           tls=False, remote=remote, upstream="nginx", size=size)

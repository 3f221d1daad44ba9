# SPDX-License-Identifier: GPL-2.0-or-later
"""Everything misses, behind TLS: what a cache costs where it cannot help."""

import time

from zsbench.case import LoadCase
from zsbench.upstreams import FILES

REQUESTS = 20_000

UNIQUE = """
local n = 0
request = function()
  n = n + 1
  return wrk.format("GET", "/nginx/1024/" .. n % 100 .. "?run=@RUN@-" .. n)
end
"""


def unique(_number):
    run = f"{time.monotonic_ns():x}"
    return [f"/nginx/1024/{n % FILES}?run={run}-{n}" for n in range(REQUESTS)]


def cases(plan):
    contestants = ["caddy", "caddy-control", "caddy-zeroserve"]
    if not plan.quick:
        contestants += ["caddy-varnish", "nginx-cache", "haproxy"]
    yield LoadCase("misses", "no-store", "nothing may be stored; TLS, upstream nginx, 1 KB", contestants,
                   lambda _number: [f"/nginx/no-store/1024/{n}" for n in range(FILES)], fill=(), upstream="nginx", size=1024)
    if not plan.quick:
        yield LoadCase("misses", "unique", "every URL once, all may be stored; TLS, upstream nginx, 1 KB", contestants,
                       unique, script=UNIQUE, fill=(), upstream="nginx", size=1024)

# SPDX-License-Identifier: GPL-2.0-or-later
"""Hits behind TLS, for each upstream, by HTTP/1.1 and HTTP/2: what a cache between Caddy and its upstream brings."""

from zsbench.case import LoadCase
from zsbench.upstreams import FILES

# What else one would put in the place; nginx and HAProxy do the TLS themselves then.
OTHERS = ("caddy-varnish", "nginx-cache", "haproxy")


def cases(plan):
    for http2 in (False, True):
        protocol = "HTTP/2" if http2 else "HTTP/1.1"
        for upstream in (("wsgi",) if http2 and plan.quick else plan.upstreams):
            contestants = ["caddy", "caddy-control", "caddy-unix", "caddy-zeroserve"]
            if http2 and plan.quick:
                contestants = ["caddy", "caddy-zeroserve"]
            elif not plan.quick:
                contestants += OTHERS
            for size in plan.sizes:
                yield LoadCase("upstream-hop", f"h{1 + http2}/{upstream}/{size}",
                               f"hits behind TLS, {protocol}, upstream {upstream}, {size} B", contestants,
                               lambda _number, u=upstream, s=size: [f"/{u}/{s}/{n}" for n in range(FILES)],
                               http2=http2, upstream=upstream, size=size)

# SPDX-License-Identifier: GPL-2.0-or-later
"""What zeroserve is to reach, as ratios within one run, and what a record says about each."""

import dataclasses

from zsbench import stats


@dataclasses.dataclass
class Target:
    """`figure` of `contestant` divided by that of `other`, per round, is to be at least or at most `bound`."""
    text: str
    case: str = ""         # empty: no scene measures it yet
    figure: str = ""
    bound: float = 0.0
    least: bool = True     # the bound is a lower one
    contestant: str = "caddy-zeroserve"
    other: str = "caddy"


TARGETS = (
    Target("client hop, remote: requests/s per server core at least 12x Caddy's",
           "client-hop/remote/1024", "requests_per_s", 12.0, contestant="caddy-zeroserve-hop"),
    Target("client hop, remote: p50 at most 10 % of Caddy's at the same rate",
           "client-hop/remote/1024", "latency_us_p50", 0.10, False, "caddy-zeroserve-hop"),
    Target("client hop, remote: p99 at most 10 % of Caddy's at the same rate",
           "client-hop/remote/1024", "latency_us_p99", 0.10, False, "caddy-zeroserve-hop"),
    Target("client hop, remote: server CPU at most 0.6x of HAProxy's, the best cache",
           "client-hop/remote/1024", "cpu_us_server_cpus", 0.6, False, "caddy-zeroserve-hop", "haproxy"),
    Target("client hop, local dialer: requests/s at least 4x of HAProxy's, the best cache",
           "client-hop/local/1024", "requests_per_s", 4.0, contestant="caddy-zeroserve-dialer", other="haproxy"),
    Target("upstream hop, TLS, Python application: requests/s at least 3x Caddy's",
           "upstream-hop/h1/wsgi/1024", "requests_per_s", 3.0),
    Target("upstream hop, TLS, Python application: p50 at most 30 % of Caddy's",
           "upstream-hop/h1/wsgi/1024", "latency_us_p50", 0.30, False),
    Target("upstream hop, TLS, nginx static: requests/s at least 1.35x Caddy's",
           "upstream-hop/h1/nginx/1024", "requests_per_s", 1.35),
    Target("upstream hop, TLS, nginx static: at least 1.25x of a Unix-socket upstream",
           "upstream-hop/h1/nginx/1024", "requests_per_s", 1.25, other="caddy-unix"),
    Target("everything misses: CPU per request at most 1.02x Caddy's",
           "misses/no-store", "cpu_us_all", 1.02, False),
    Target("download of 100 MB: throughput at least 0.98x Caddy's", "download/100mb", "megabytes_per_s", 0.98),
    Target("hit cost flat within 10 % from 1 thousand to 1 million keys"),
)


def verdict(target, spread):
    """In words; a bound between the quartiles is not decided by this run."""
    first, middle, third = spread
    met = middle >= target.bound if target.least else middle <= target.bound
    word = "met" if met else "missed"
    return f"{word}, within the scatter" if first < target.bound < third else word


def table(record):
    """Lines of a Markdown table."""
    cases = {case["name"]: case for case in record["cases"]}
    lines = ["| target, 1 KB | this run: median (quartiles) | control | |", "|---|---|---|---|"]
    for target in TARGETS:
        case = cases.get(target.case)
        told = stats.ratio(case, target.contestant, target.figure, target.other) if case else None
        if not told:
            lines.append(f"| {target.text} | - | - | not measured |")
            continue
        control = stats.ratio(case, "caddy-control", target.figure, "caddy")
        lines.append(f"| {target.text} | {_words(told)} | {_words(control) if control else '-'} | {verdict(target, told)} |")
    return lines


def _words(spread):
    return f"{spread[1]:.2f} ({spread[0]:.2f}–{spread[2]:.2f})"

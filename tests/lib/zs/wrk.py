# SPDX-License-Identifier: GPL-2.0-or-later
"""Bounded load by wrk, over HTTPS unless told otherwise, and the figures it prints."""

import dataclasses
import re

from zs import procs

_UNIT = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


@dataclasses.dataclass
class Figures:
    requests: int
    rate: float      # requests/s
    p50: float       # ms
    p99: float       # ms
    errors: str      # what wrk says about failures; empty if all was well


def _latency(text, percent):
    value, unit = re.search(rf"^ +{percent}% +([\d.]+)(us|ms|s|m)$", text, re.M).groups()
    return float(value) * _UNIT[unit]


def _parse(text):
    errors = re.findall(r"^ *(Socket errors:.*|Non-2xx or 3xx responses:.*)$", text, re.M)
    return Figures(int(re.search(r"(\d+) requests in", text)[1]),
                   float(re.search(r"Requests/sec: +([\d.]+)", text)[1]),
                   _latency(text, 50), _latency(text, 99), "; ".join(errors))


def rotate(directory, name, targets):
    """A Lua script that asks for these targets in turn."""
    script = directory / f"{name}.lua"
    quoted = ", ".join(f'"{target}"' for target in targets)
    script.write_text(f"local targets = {{ {quoted} }}\nlocal n = 0\n"
                      "request = function()\n  n = n % #targets + 1\n"
                      '  return wrk.format("GET", targets[n])\nend\n')
    return script


class Wrk:
    """One wrk against the world's Caddy or another URL, running from the start; wait() tells its figures.

    `prefix` is a command that starts wrk somewhere else, for example in a network namespace.
    """

    def __init__(self, world, script, seconds, connections=32, url=None, prefix=()):
        self.seconds = seconds
        log = world.dir / "wrk.log"
        log.write_text("")
        self.process = procs.Process("wrk", [*prefix, "wrk", "-t", 1, "-c", connections, "-d", f"{seconds}s", "--latency",
                                             "--timeout", "10s", "-s", script, url or world.caddy.url], log, world.client)

    def wait(self):
        try:
            if self.process.child.wait(self.seconds + 30) != 0:
                raise RuntimeError(f"wrk ended with {self.process.child.returncode}:\n{self.process.output()}")
        finally:
            self.process.stop()
        return _parse(self.process.output())


def run(world, script, seconds, connections=32, url=None):
    """wrk, waited for."""
    return Wrk(world, script, seconds, connections, url).wait()

# SPDX-License-Identifier: GPL-2.0-or-later
"""Mixed traffic behind TLS: 90 % for 10,000 objects by Zipf's law, 9 % for URLs never seen before, 1 % POST."""

import bisect
import itertools
import random
import time

from zsbench.case import LoadCase
from zsbench.upstreams import ZIPF_OBJECTS, ZIPF_SIZE

PREFIX = f"/node/{ZIPF_SIZE}"
POST = "/node/form"
REQUESTS = 20_000  # that a list for a constant rate holds: no run is longer

SCRIPT = f"""
local seed = 0
for char in ("@RUN@"):gmatch(".") do seed = (seed * 31 + char:byte()) % 2147483647 end
math.randomseed(seed)
local sums, sum = {{}}, 0
for rank = 1, {ZIPF_OBJECTS} do sum = sum + 1 / rank; sums[rank] = sum end
local function object()
  local want, low, high = math.random() * sum, 1, {ZIPF_OBJECTS}
  while low < high do
    local middle = math.floor((low + high) / 2)
    if sums[middle] < want then low = middle + 1 else high = middle end
  end
  return low - 1
end
local n = 0
request = function()
  local die = math.random()
  if die < 0.90 then return wrk.format("GET", "{PREFIX}/" .. object()) end
  n = n + 1
  if die < 0.99 then return wrk.format("GET", "{PREFIX}/" .. n .. "?new=@RUN@-" .. n) end
  return wrk.format("POST", "{POST}")
end
"""


def targets(_number):
    """The same mixture as the script's."""
    dice, run = random.Random(), f"{time.monotonic_ns():x}"
    sums = list(itertools.accumulate(1 / rank for rank in range(1, ZIPF_OBJECTS + 1)))
    chosen = []
    for n in range(REQUESTS):
        die = dice.random()
        if die < 0.90:
            chosen.append(f"{PREFIX}/{bisect.bisect_left(sums, dice.random() * sums[-1])}")
        else:
            chosen.append(f"{PREFIX}/{n}?new={run}-{n}" if die < 0.99 else f"POST {POST}")
    return chosen


def cases(plan):
    contestants = ["caddy", "caddy-zeroserve"]
    if not plan.quick:
        contestants += ["caddy-unix", "caddy-varnish", "nginx-cache", "haproxy"]
    yield LoadCase("mixed", "zipf", "90 % Zipf over 10,000 objects, 9 % misses, 1 % POST; TLS, upstream node, 1 KB",
                   contestants, targets, script=SCRIPT, fill=[f"{PREFIX}/{n}" for n in range(ZIPF_OBJECTS)],
                   upstream="node", size=ZIPF_SIZE)

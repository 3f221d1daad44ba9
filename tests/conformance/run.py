# SPDX-License-Identifier: GPL-2.0-or-later
"""The conformance tier: the public suite http-cache-tests against Caddy alone, then with zeroserve attached.

A required test that passes without zeroserve and not with it fails the tier. One that passes neither way must
be explained in expected.json, or fails it, too. The raw results go to build/conformance/results.json, from
which tools/conformance-table makes docs/conformance.md. The last line on stderr is "zs-tally: PASSED FAILED SKIPPED".
"""

import argparse
import json
import os
import subprocess
import sys
import time

import cachetests
import verdict
from cacheworld import CacheWorld
from zs import interrupt
from zs.leftovers import Snapshot
from zs.loader import BINARY, ROOT

# What an operator of this origin would tell zeroserve. Hardly any URL of the suite is asked for twice after it
# was stored: the recording budget would soon take it for traffic that caching does not help.
ZS_OPTIONS = [*(word for name in cachetests.BOOKKEEPING for word in ("--inert-field", name)),
              "--record-rate", "1000000"]

# The agent stores a response some milliseconds after it passed. A test that asks again sooner would be told
# nothing about the cache: a test of what must not be reused would pass, whatever the cache does later.
SETTLE_MS = 100

LEAST_HITS = 40  # fewer, and the comparison would mean nothing


def first_line(*argv):
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, check=False, timeout=30)
    return (done.stdout or done.stderr).partition("\n")[0].strip()


def attached_results(world, client, tests, alone):
    """The run with zeroserve, suspicious tests anew by themselves; (raw results, hits, tests run anew)."""
    world.caddy.restart()
    world.zs.start(*ZS_OPTIONS)
    raw = client.run()
    hits = world.zs.counters()["hits"]
    again = verdict.suspicious(tests, alone, raw)
    if again:
        more = [client.run(again) for _ in range(verdict.RUNS - 1)]
        for name in again:
            raw[name] = verdict.majority([run[name] for run in (raw, *more) if name in run])
    counters, log = world.zs.counters(), world.zs.log()
    world.zs.stop()
    if hits < LEAST_HITS or counters["over_budget"] or counters["events_lost"]:
        raise RuntimeError(f"zeroserve did not get to cache; {hits} hits, {counters}\n{log}")
    return raw, hits, again


def measure(settle_ms):
    """Both runs in one world; (suite, record)."""
    suite = cachetests.describe()
    tests = cachetests.tests_of(suite)
    snapshot = Snapshot()
    world = CacheWorld()
    try:
        client = cachetests.Client(world, settle_ms)
        alone = client.run()
        attached, hits, again = attached_results(world, client, tests, alone)
    finally:
        world.close()
    snapshot.check()
    return suite, {"date": time.strftime("%Y-%m-%d", time.gmtime()), "suite": suite["version"],
                   "kernel": os.uname().release.partition("-")[0], "caddy": first_line("caddy", "version").split(" ")[0],
                   "node": first_line("node", "--version"), "zeroserve": first_line(BINARY, "version").split(" ")[-1],
                   "commit": first_line("git", "-C", ROOT, "describe", "--always", "--dirty"),
                   "options": ZS_OPTIONS, "settle_ms": settle_ms, "hits": hits, "again": again,
                   "alone": alone, "attached": attached}


def report(suite, record):
    """Prints what a reader must act upon; the exit status."""
    tests = cachetests.tests_of(suite)
    found = verdict.judge(tests, record["alone"], record["attached"])
    for what, names in (("passes without zeroserve, not with it", found.broken),
                        ("is not explained in expected.json", found.unexplained)):
        for name in names:
            print(f"FAILED {name}: {what}: {cachetests.outcome(tests, record['attached'], name)}, "
                  f"{record['attached'].get(name)}")
    for name in found.obsolete:
        print(f"note: {name} can be removed from tests/conformance/expected.json")
    print(f"note: {record['hits']} hits; {len(found.explained)} required tests fail without zeroserve, too "
          "(docs/conformance.md)")
    failed = len(found.broken) + len(found.unexplained)
    print(f"zs-tally: {len(found.passed)} {failed} {len(found.explained)}", file=sys.stderr)
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--settle", type=int, default=SETTLE_MS, metavar="MS",
                        help=f"wait so long before each request of a test but its first (default {SETTLE_MS})")
    options = parser.parse_args()
    interrupt.catch()
    missing = cachetests.missing_tools()
    if missing:
        print(f"skipped: {' and '.join(missing)} not found: the suite needs node and npm", file=sys.stderr)
        print("zs-tally: 0 0 1", file=sys.stderr)
        return 0
    try:
        cachetests.install()
        suite, record = measure(options.settle)
    except KeyboardInterrupt as reason:
        print(f"interrupted by {reason}", file=sys.stderr)
        return 1
    except RuntimeError as error:
        print(f"FAILED {error}", file=sys.stderr)
        return 1
    (cachetests.BUILD / "results.json").write_text(json.dumps(record, indent=1))
    return report(suite, record)


if __name__ == "__main__":
    sys.exit(main())

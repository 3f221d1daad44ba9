# SPDX-License-Identifier: GPL-2.0-or-later
"""The suite http-cache-tests: installed below build/, described, and run against a base URL.

A *raw* result is what the suite's client says of one test: True, or [kind of error, message]. An *outcome*
is what it means once the test's kind and the tests it depends on are looked at; the words are the suite's.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

from zs import procs
from zs.loader import ROOT

HERE = Path(__file__).resolve().parent
BUILD = ROOT / os.environ.get("ZS_BUILD", "build") / "conformance"
PACKAGE = BUILD / "node_modules" / "http-cache-tests"

PASS, FAIL = "pass", "fail"
SETUP, DEPENDENCY, RETRY, UNTESTED = "setup", "dependency", "retry", "untested"

# Fields by which the suite tells its origin which test and which request this is. They are the harness's
# own and not varied on: a cache is meant not to look at them.
BOOKKEEPING = ("Test-Name", "Test-ID", "Req-Num")


def missing_tools():
    return [tool for tool in ("node", "npm") if not shutil.which(tool)]


def install():
    """The pinned package into build/conformance, unless it is there. RuntimeError with npm's last words."""
    wanted = json.loads((HERE / "package.json").read_text())["dependencies"]["http-cache-tests"]
    there = PACKAGE / "package.json"
    if there.exists() and json.loads(there.read_text())["version"] == wanted:
        return
    BUILD.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(HERE / "package.json", BUILD / "package.json")
    done = subprocess.run(["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"],
                          cwd=BUILD, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=120)
    if done.returncode != 0:
        raise RuntimeError(f"npm could not install the suite: {done.stderr.strip()[-2000:]}")


def describe():
    """What describe.mjs prints: version, sections with their tests, peers with their results."""
    done = subprocess.run(["node", HERE / "describe.mjs", PACKAGE], check=True, capture_output=True, text=True,
                          timeout=60)
    return json.loads(done.stdout)


class Client:
    """The suite's client in `world`: raw results by test id."""

    def __init__(self, world, settle_ms):
        self.world = world
        self.settle_ms = settle_ms

    def run(self, ids=(), timeout=150):
        log = self.world.dir / "client.log"
        log.write_text("")
        process = procs.Process("the suite's client", ["node", "--no-warnings", HERE / "client.mjs", PACKAGE,
                                                       self.world.caddy.url, self.settle_ms, *ids],
                                log, self.world.client)
        try:
            code = process.child.wait(timeout)
        finally:
            process.stop()
        lines = process.output().splitlines()
        if code != 0 or not lines:
            raise RuntimeError(f"the suite's client ended with {code}:\n{process.output()}")
        return json.loads(lines[-1])


def tests_of(suite):
    return {test["id"]: test for section in suite["sections"] for test in section["tests"]}


def outcome(tests, raw, name):
    """PASS or FAIL, or why the suite does not judge: SETUP, DEPENDENCY, RETRY, UNTESTED."""
    result = raw.get(name)
    if result is None:
        return UNTESTED
    if any(outcome(tests, raw, other) != PASS for other in tests[name]["depends_on"]):
        return DEPENDENCY
    if result is True:
        return PASS
    if result[0] == "Setup":
        return RETRY if result[1] == "retry" else SETUP
    return FAIL

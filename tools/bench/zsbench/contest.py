# SPDX-License-Identifier: GPL-2.0-or-later
"""Plays the scenes: starts contestants, interleaves their rounds, keeps every round."""

import dataclasses
import json
import os
import platform
import subprocess
import time
from pathlib import Path

from zs.loader import ROOT

from zsbench import contestants as field
from zsbench.arena import Arena
from zsbench.progress import Progress
from zsbench.scenes import SCENES
from zsbench.upstreams import SIZES

SCHEMA = "zeroserve-bench/1"
DISTURBED = 0.1  # a round in which others took more of the machine's busy time is measured again
REPEATS = 3
# Packages whose versions decide what was measured.
PACKAGES = ("caddy", "nginx-light", "haproxy", "varnish", "trafficserver", "gunicorn", "python3", "nodejs", "wrk",
            "nghttp2-client", "libssl3")


@dataclasses.dataclass
class Plan:
    """How much of everything. Seconds are of one run; `share` is the open-loop rate's of the first one's throughput."""
    quick: bool
    rounds: int
    seconds: int
    open_seconds: float
    sizes: tuple = SIZES
    upstreams: tuple = ("wsgi", "nginx", "node")
    connections: int = 32
    open_connections: int = 64
    share: float = 0.4
    pause: float = 0.05    # before every run, for what the one before left to do
    perf: Path = None      # directory for profiles, which cost time themselves


FULL = Plan(quick=False, rounds=5, seconds=3, open_seconds=3.0)
QUICK = Plan(quick=True, rounds=3, seconds=1, open_seconds=0.7, sizes=(1024,), upstreams=("wsgi", "nginx"))


def _output(*argv):
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=ROOT)
    return done.stdout.strip() if done.returncode == 0 else ""


def _cpu_model():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def machine(arena):
    memory = next(int(line.split()[1]) for line in Path("/proc/meminfo").read_text().splitlines()
                  if line.startswith("MemTotal"))
    return {"cpu": _cpu_model(), "cpus": os.cpu_count(), "memory_mb": memory // 1024,
            "virtual": " hypervisor" in Path("/proc/cpuinfo").read_text(),
            "client_cpus": sorted(arena.client_cpus), "server_cpus": sorted(arena.server_cpus)}


def versions():
    told = {package: _output("dpkg-query", "-W", "-f", "${Version}", package) for package in PACKAGES}
    makefile = (ROOT / "Makefile").read_text()
    told["zeroserve"] = next(line.split(":=")[1].strip() for line in makefile.splitlines()
                             if line.startswith("VERSION :="))
    told["commit"] = _output("git", "describe", "--always", "--dirty")
    return {name: version for name, version in told.items() if version}


class Contest:
    """All that is on stage, and the record that grows."""

    def __init__(self, plan, output, scenes=None, only=None, busy=False, spread=False, cases=None):
        self.plan, self.output, self.only, self.busy = plan, output, only, busy
        self.cases = [case for name in scenes or SCENES for case in SCENES[name].cases(plan)
                      if not cases or case.name in cases]
        for case in self.cases:
            case.contestants = [name for name in case.contestants if not only or name in only]
        self.cases = [case for case in self.cases if case.contestants]
        self.arena = Arena(spread)
        self.stage = {}
        self.record = {
            "schema": SCHEMA, "mode": "quick" if plan.quick else "full", "complete": False,
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "seconds": 0,
            "kernel": platform.release(), "machine": machine(self.arena), "versions": versions(),
            "load_before": os.getloadavg()[0],
            "plan": {**dataclasses.asdict(plan), "sizes": list(plan.sizes), "upstreams": list(plan.upstreams),
                     "perf": bool(plan.perf)},
            "contestants": {}, "left_out": {}, "cases": []}
        self.began = time.monotonic()
        steps = sum(len(case.contestants) * (case.rounds(plan) + 1) for case in self.cases)
        self.progress = Progress(steps)

    def start(self):
        """Starts every contestant that is installed; whoever cannot be started is left out, and that is told."""
        for name in dict.fromkeys(name for case in self.cases for name in case.contestants):
            kind = field.KINDS[name]
            self.progress.at(f"starting {kind.title}")
            if not field.available(kind):
                self._leave_out(name, "not installed")
                continue
            try:
                self.stage[name] = self.arena.own(lambda kind=kind: kind(self.arena), lambda who: who.stop())
            except (RuntimeError, TimeoutError, OSError) as error:
                self._leave_out(name, f"did not start: {error}")
                continue
            self.record["contestants"][name] = kind.title
            self.stage[name].on_stage(False)
        self.progress.say(f"{len(self.stage)} contestants, {len(self.cases)} cases, {self.plan.rounds} rounds of each")

    def _leave_out(self, name, why):
        self.record["left_out"][name] = why
        self.progress.say(f"{field.KINDS[name].title} is left out: {' '.join(why.split())[-300:]}")

    def play(self):
        for case in self.cases:
            self._play_case(case)
            self._save()
        self.record["complete"] = True
        self._save()

    def _present(self, case):
        return [(name, self.stage[name]) for name in case.contestants if name in self.stage]

    def _play_case(self, case):
        told = {"name": case.name, "scene": case.scene, "title": case.title, "upstream": case.upstream,
                "size": case.size, "note": case.note, "settings": case.settings, "rounds": [], "failed": {}}
        self.record["cases"].append(told)
        for name, contestant in self._present(case):
            self._run(case, name, contestant, told, "preparing", lambda c=contestant: case.prepare(self.arena, c))
        for number in range(case.rounds(self.plan)):
            present = self._present(case)
            turn = number % max(1, len(present))  # nobody is always behind the same one
            for name, contestant in present[turn:] + present[:turn]:
                figures = self._run(case, name, contestant, told, f"round {number + 1}",
                                    lambda c=contestant, n=number: self._undisturbed(case, c, n))
                if figures:
                    told["rounds"].append({"round": number + 1, "contestant": name, "figures": figures})
        self.progress.say(self._headline(case, told))

    def _run(self, case, name, contestant, told, what, act):
        """act() with the contestant on stage. One that fails is out of this case, its rounds are not counted."""
        self.progress.step()
        if name in told["failed"]:
            return None
        self.progress.at(f"{case.name}: {contestant.title}, {what}")
        contestant.on_stage(True)
        try:
            time.sleep(self.plan.pause)
            return act()
        except (RuntimeError, TimeoutError, subprocess.SubprocessError) as error:
            told["failed"][name] = f"{what}: {error}"
            self.progress.say(f"{case.name}: {contestant.title} failed: {str(error).splitlines()[0]}")
            return None
        finally:
            contestant.on_stage(False)

    def _undisturbed(self, case, contestant, number):
        for attempt in range(REPEATS):
            figures = case.measure(self.arena, contestant, number, self.plan)
            figures["repeated"] = attempt
            if self.busy or figures.get("others", 0.0) <= DISTURBED:
                break
        return figures

    def _headline(self, case, told):
        baseline = case.contestants[0]
        rates = [entry["figures"].get("requests_per_s") for entry in told["rounds"] if entry["contestant"] == baseline]
        rates = sorted(rate for rate in rates if rate)
        return f"{case.name}" + (f": {field.KINDS[baseline].title} {rates[len(rates) // 2]:.0f} requests/s" if rates else "")

    def _save(self):
        self.record["seconds"] = round(time.monotonic() - self.began, 1)
        self.output.parent.mkdir(parents=True, exist_ok=True)
        new = self.output.with_suffix(".new")
        new.write_text(json.dumps(self.record, indent=1) + "\n")
        new.replace(self.output)

    def close(self):
        self.arena.close()


def play(plan, output, **options):
    """A whole contest; the record, which is in `output` case by case."""
    contest = Contest(plan, output, **options)
    try:
        contest.start()
        contest.play()
        return contest.record
    finally:
        contest.close()

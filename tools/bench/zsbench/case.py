# SPDX-License-Identifier: GPL-2.0-or-later
"""A case: some contestants that do the same thing in turn. Scenes are made of cases."""

import time

from zs import wrk

from zsbench import accounts, load

FILL_RATE = 2500  # requests/s while caches are filled


def _rounded(rate):
    """Two significant digits: a rate that a reader can remember."""
    return float(f"{rate:.2g}")


class Case:
    """What every kind of case has. `contestants` are names, the first is what the others are compared with."""

    def __init__(self, scene, name, title, contestants, upstream=None, size=None, note=""):
        self.scene, self.name, self.title = scene, f"{scene}/{name}", title
        self.contestants, self.upstream, self.size, self.note = list(contestants), upstream, size, note
        self.settings = {}

    def parts(self, arena, contestant):
        parts = {**contestant.groups(), "client": arena.client}
        if self.upstream:
            parts["upstream"] = arena.upstreams[self.upstream].group
        return parts

    def rounds(self, plan):
        return plan.rounds

    def prepare(self, arena, contestant):
        """Once before the rounds: fills caches, opens connections."""

    def measure(self, arena, contestant, number, plan):
        """One contestant in one round: figures by name. `plan` has the seconds, connections and so on."""
        raise NotImplementedError


class LoadCase(Case):
    """Targets asked for as fast as it goes, and then at a constant rate: a share of what the first contestant reached.

    `targets(number)` lists the targets of a round, "POST TARGET" is an empty POST; `fill` are those to fill caches with,
    where they differ. wrk asks for the targets in turn, or does what `script`, in Lua, says: @RUN@ in it is different
    in every run.
    """

    def __init__(self, scene, name, title, contestants, targets, tls=True, http2=False, remote=True, script=None,
                 fill=None, **more):
        super().__init__(scene, name, title, contestants, **more)
        self.targets, self.tls, self.http2, self.remote = targets, tls, http2, remote
        self.script, self.fill, self.rate = script, fill, None

    def prepare(self, arena, contestant):
        targets = [contestant.path(target) for target in (self.targets(0) if self.fill is None else self.fill)]
        if not contestant.caches or not targets:
            return
        for _ in range(2):  # what one pass leaves out, the next one asks for again
            load.steady(load.Place(arena, self.remote), contestant, self.tls, targets, FILL_RATE,
                        len(targets) / FILL_RATE, 16, 0)

    def measure(self, arena, contestant, number, plan):
        place = load.Place(arena, self.remote)
        figures = self._fast(arena, place, contestant, number, plan)
        if self.http2 or not plan.open_seconds:
            return figures
        if self.rate is None:
            self.rate = self.settings["open_loop_rate"] = _rounded(plan.share * figures["requests_per_s"])
        targets = [contestant.path(target) for target in self.targets(number)]
        told = load.steady(place, contestant, self.tls, targets, self.rate, plan.open_seconds, plan.open_connections)
        if told["failed"]:
            raise RuntimeError(f"{contestant.title}: {told['failed']} of {told['scheduled']} requests failed")
        figures |= {f"latency_us_{name}": value for name, value in told["us"].items()}
        return figures | {"latency_samples": told["measured"], "sent_late_us_p99": told["sent_late_us"]["p99"],
                          "unfinished": told["unfinished"]}

    def _fast(self, arena, place, contestant, number, plan):
        targets = [contestant.path(target) for target in self.targets(number)]
        script = None if self.http2 else self._script(arena, targets)
        before = contestant.counters()
        profile = load.Profile(arena, plan.perf and plan.perf / f"{self.name.replace('/', '-')}-{contestant.name}.perf")
        account, began = accounts.Accounts(arena, self.parts(arena, contestant)), time.monotonic()
        try:
            if self.http2:
                figures = load.fast_http2(place, contestant, targets, plan.seconds, plan.connections)
            else:
                figures = load.fast_http1(place, contestant, self.tls, script, plan.seconds, plan.connections)
        finally:
            profile.stop()
        spent, wall = account.difference(), time.monotonic() - began
        figures |= accounts.per_request(spent, figures["requests"])
        figures["client_busy"] = round(spent["cpu_client"] / 1e6 / wall / len(arena.client_cpus), 3)
        figures["server_cpus_busy"] = round(spent["server_cpus"] / 1e6 / wall / len(arena.server_cpus), 3)
        counted = {name: value - before[name] for name, value in contestant.counters().items()}
        if counted:
            # wrk does not count what was under way at its end.
            figures["hit_share"] = min(1.0, round(counted["hits"] / figures["requests"], 4))
        return figures

    def _script(self, arena, targets):
        if self.script is None:
            return wrk.rotate(arena.dir, "targets", targets)
        path = arena.dir / "script.lua"
        path.write_text(self.script.replace("@RUN@", f"{time.monotonic_ns():x}"))
        return path

# SPDX-License-Identifier: GPL-2.0-or-later
"""The load generators: wrk and h2load as fast as it goes, openloop at a constant rate."""

import json
import re
import signal

from zs import procs, wrk
from zs.loader import BINARY

OPENLOOP = BINARY.parent / "bench" / "openloop"


def write_targets(path, targets):
    path.write_text("".join(f"{target}\n" for target in targets))
    return path


class Place:
    """Where clients run: in the network namespace ("remote") or beside the servers ("local")."""

    def __init__(self, arena, remote=True):
        self.arena, self.dir, self.client = arena, arena.dir, arena.client
        self.prefix = arena.network.prefix if remote else []

    def url(self, contestant, tls):
        return f"http{'s' * tls}://{self.host(contestant, tls)}"

    def host(self, contestant, tls):
        return f"{self.arena.address}:{contestant.tls_port if tls else contestant.port}"

    def run(self, name, argv, seconds):
        """A client to its end; what it printed."""
        log = self.dir / f"{name}.log"
        log.write_text("")
        process = procs.Process(name, [*self.prefix, *argv], log, self.client)
        try:
            code = process.child.wait(seconds + 60)
        finally:
            process.stop()
        if code != 0:
            raise RuntimeError(f"{name} ended with {code}:\n{process.output()}")
        return process.output()


class Profile:
    """With a path: perf records what the servers' CPUs do until stop(); without, nothing."""

    def __init__(self, arena, path):
        self.process = path and procs.Process("perf", [
            "perf", "record", "--quiet", "--call-graph=fp", "-F", 999, "-e", "cpu-clock", "-C",
            ",".join(map(str, sorted(arena.server_cpus))), "-o", path], arena.dir / "perf.log", arena.client)

    def stop(self):
        if self.process:
            self.process.stop(signal.SIGINT)


def fast_http1(place, contestant, tls, script, seconds, connections):
    """wrk: requests as fast as answers come. Figures of it, errors raise."""
    figures = wrk.Wrk(place, script, seconds, connections, place.url(contestant, tls), place.prefix).wait()
    if figures.errors:
        raise RuntimeError(f"{contestant.title}: {figures.errors}")
    return {"requests": figures.requests, "requests_per_s": figures.rate}


def fast_http2(place, contestant, targets, seconds, connections):
    """h2load: four streams on each of a quarter of the connections."""
    paths = write_targets(place.dir / "h2load.targets",
                          [place.url(contestant, True) + target for target in targets])
    text = place.run("h2load", ["h2load", "-D", seconds, "-c", max(1, connections // 4), "-m", 4, "-i", paths], seconds)
    rate = float(re.search(r"finished in [^,]*, ([\d.]+) req/s", text)[1])
    done = re.search(r"(\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored", text)
    good = int(re.search(r"status codes: (\d+) 2xx", text)[1])
    if int(done[3]) or int(done[4]) or not good:
        raise RuntimeError(f"{contestant.title}: h2load says\n{text}")
    return {"requests": good, "requests_per_s": rate}


def steady(place, contestant, tls, targets, rate, seconds, connections, warm=0.2):
    """openloop: a constant rate, latencies from when each request was due. What it prints, as an object."""
    paths = write_targets(place.dir / "openloop.targets", targets)
    return json.loads(place.run("openloop", [
        OPENLOOP, *(["--tls"] if tls else []), "--rate", rate, "--seconds", seconds, "--warm", warm,
        "--connections", connections, place.arena.address, contestant.tls_port if tls else contestant.port,
        place.host(contestant, tls), paths], seconds + warm))

# SPDX-License-Identifier: GPL-2.0-or-later
"""zs-load as a test runs it: with an instance and a bpf file system of its own."""

import json
import os
import signal
import subprocess
from pathlib import Path

from zs import procs

ROOT = Path(__file__).resolve().parents[3]
BINARY = ROOT / os.environ.get("ZS_BUILD", "build") / "zs-load"


class Zs:
    """The loader for one World. start() is `zs-load run`; stop() ends it as a service manager would."""

    def __init__(self, world):
        self.world = world
        self.instance = "test"
        self.process = None
        self.runs = 0

    def argv(self, *args):
        return [str(BINARY), "--bpffs", str(self.world.bpffs.path), "--instance", self.instance,
                *(str(arg) for arg in args)]

    def target(self):
        """Arguments that name this world's Caddy."""
        return ["--cgroup", self.world.cgroup.path]

    def origins(self):
        """Arguments that name this world's upstreams."""
        return [word for origin in self.world.origins() for word in ("--origin", origin)]

    def call(self, *args, timeout=30):
        """Runs one verb to its end; (exit status, stdout, stderr)."""
        done = subprocess.run(self.argv(*args), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=timeout, check=False, env={**os.environ, procs.TOKEN_VARIABLE: procs.TOKEN})
        return done.returncode, done.stdout, done.stderr

    def do(self, *args):
        """Runs one verb that must succeed; its stdout."""
        code, out, err = self.call(*args)
        if code != 0:
            raise AssertionError(f"zs-load {' '.join(map(str, args))} ended with {code}:\n{out}{err}")
        return out

    def status(self):
        """The object that `status --json` prints; also when nothing is attached (3) or degraded (7)."""
        code, out, err = self.call("--json", "status")
        if code not in (0, 3, 7):
            raise AssertionError(f"zs-load status ended with {code}:\n{out}{err}")
        return json.loads(out)

    def counters(self):
        return self.status().get("counters", {})

    def stored(self):
        """Objects in the store."""
        return self.status().get("agent", {}).get("stored", 0)

    def wait_stored(self, count, timeout=10.0):
        try:
            procs.wait_until(f"{count} objects stored", lambda: self.stored() >= count, timeout, 0.1)
        except TimeoutError as error:
            raise AssertionError(f"{error}; status: {json.dumps(self.status(), indent=1)}\n{self.log()}") from None

    def log(self):
        return self.process.output() if self.process else ""

    def start(self, *extra, origins=True):
        """`zs-load run` in the background, ready."""
        self.runs += 1
        given = self.origins() if origins else []
        log = self.world.dir / f"zs-load-{self.runs}.log"
        self.process = procs.Process("zs-load run", self.argv("run", *self.target(), *given, *extra), log,
                                     self.world.loader)
        self.process.wait_ready(lambda: "ready" in self.process.output(), 30)

    def stop(self, number=signal.SIGTERM):
        """Ends `run` if it runs; it must exit with 0 and leave no pin."""
        process, self.process = self.process, None
        if process is None:
            return
        alive = process.alive()
        code = process.stop(number)
        if not alive or code != 0:
            raise AssertionError(f"zs-load run {'ended with' if alive else 'had ended before, with'} {code}:\n"
                                 f"{process.output()}")

    def kill(self):
        """kill -9, as an out-of-memory killer would; pins stay."""
        process, self.process = self.process, None
        process.stop(signal.SIGKILL)

    def close(self):
        """Ends everything; an AssertionError tells what did not end by itself as it should."""
        try:
            self.stop()
        finally:
            left = self.world.bpffs.entries()
            if left:
                self.call("detach")
        if left:
            raise AssertionError(f"pins left behind: {' '.join(left)}")

# SPDX-License-Identifier: GPL-2.0-or-later
"""Child processes that never outlive us: started in a cgroup, stopped by their own pid."""

import ctypes
import os
import signal
import subprocess
import time

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1

# Every process that we start carries this in its environment: that is how leftovers are found.
TOKEN = f"{os.getpid():x}{os.urandom(3).hex()}"
TOKEN_VARIABLE = "ZS_TEST_TOKEN"


def wait_until(what, test, timeout=10.0, step=0.02):
    """Calls test() until it returns something true, and returns that. TimeoutError after `timeout` s."""
    end = time.monotonic() + timeout
    while True:
        result = test()
        if result:
            return result
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {timeout:g} s")
        time.sleep(step)


class Process:
    """A child with its output in `log`. Start it from the main thread: it dies with that thread."""

    def __init__(self, name, argv, log, cgroup=None, env=None):
        self.name = name
        self.log = log
        environment = {**os.environ, **(env or {}), TOKEN_VARIABLE: TOKEN}

        def between_fork_and_exec():
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if cgroup is not None:
                cgroup.join()

        with open(log, "ab") as out:
            self.child = subprocess.Popen(
                [str(arg) for arg in argv], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                env=environment, start_new_session=True, preexec_fn=between_fork_and_exec)
        self.pid = self.child.pid

    def alive(self):
        return self.child.poll() is None

    def output(self):
        with open(self.log, encoding="utf-8", errors="replace") as text:
            return text.read()

    def wait_ready(self, test, timeout=15.0):
        """Waits for test(); tells what the process said if it dies or takes too long."""
        def ready():
            if not self.alive():
                raise RuntimeError(f"{self.name} ended with {self.child.returncode}:\n{self.output()}")
            return test()
        try:
            return wait_until(f"{self.name} ready", ready, timeout)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; it said:\n{self.output()}") from None

    def send(self, number):
        if self.alive():
            self.child.send_signal(number)

    def stop(self, number=signal.SIGTERM, timeout=10.0):
        """Ends the process, by force if it must; returns its exit status."""
        self.send(number)
        try:
            return self.child.wait(timeout)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            raise TimeoutError(f"{self.name} did not end within {timeout:g} s of signal {int(number)}; "
                               f"it said:\n{self.output()}") from None

# SPDX-License-Identifier: GPL-2.0-or-later
"""cgroup v2: where it is mounted, groups of our own, and what ran in them."""

import json
import os
import signal
import time
import traceback
from pathlib import Path


def mounts():
    """Yields (mount point, file system type) of this mount namespace, in mount order."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as table:
        for line in table:
            left, right = line.rstrip("\n").split(" - ", 1)
            point = left.split(" ")[4]
            for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
                point = point.replace(code, char)
            yield point, right.split(" ", 1)[0]


def root():
    """The directory of the cgroup v2 hierarchy."""
    for point, kind in mounts():
        if kind == "cgroup2":
            return Path(point)
    raise RuntimeError("no cgroup2 file system is mounted; mount one: mount -t cgroup2 none DIR")


class Cgroup:
    """One group below the root, optionally bound to CPUs; close() ends what still runs in it and removes it."""

    def __init__(self, name, cpus=None):
        self.cpus = cpus
        self.path = root() / name
        self.path.mkdir()

    def join(self):
        """Moves the calling process in. Meant for the time between fork and exec."""
        if self.cpus:
            os.sched_setaffinity(0, self.cpus)
        fd = os.open(self.path / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, b"0")
        finally:
            os.close(fd)

    def inside(self, function, *args):
        """function(*args) in a child of ours that is in the group; its result must be JSON."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                self.join()
                with os.fdopen(writing, "w") as out:
                    json.dump(function(*args), out)
                code = 0
            except BaseException:  # pylint: disable=broad-except
                traceback.print_exc()
            finally:
                os._exit(code)
        os.close(writing)
        with os.fdopen(reading) as result:
            text = result.read()
        _, status = os.waitpid(child, 0)
        if status != 0:
            raise RuntimeError(f"{function.__name__} failed in {self.path} (its traceback is above)")
        return json.loads(text)

    def pids(self):
        return [int(pid) for pid in (self.path / "cgroup.procs").read_text().split()]

    def cpu_us(self):
        """CPU time that everything in the group has used so far, in microseconds."""
        for line in (self.path / "cpu.stat").read_text().splitlines():
            name, value = line.split()
            if name == "usage_usec":
                return int(value)
        raise RuntimeError(f"{self.path}/cpu.stat has no usage_usec")

    def close(self):
        for attempt in range(100):
            if not self.path.exists():
                return
            for pid in self.pids():
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            try:
                self.path.rmdir()
                return
            except OSError:
                if attempt == 99:
                    raise
                time.sleep(0.05)

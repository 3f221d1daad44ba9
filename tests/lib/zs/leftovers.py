# SPDX-License-Identifier: GPL-2.0-or-later
"""What a test must not leave behind: pins, cgroups, network namespaces, mounts, processes."""

import os
from pathlib import Path

from zs import cgroup, procs


def _pins():
    found = set()
    for point, kind in cgroup.mounts():
        if kind != "bpf":
            continue
        for directory, names, files in os.walk(point):
            found.update(os.path.join(directory, name) for name in names + files)
    return {path for path in found if "zeroserve" in path or procs.TOKEN in path}


def _cgroups():
    return {directory for directory, _, _ in os.walk(cgroup.root()) if procs.TOKEN in directory}


def _mounts():
    return {f"{kind} on {point}" for point, kind in cgroup.mounts() if kind in ("bpf", "nsfs", "cgroup2")}


def _netns():
    directory = Path("/run/netns")
    return {str(path) for path in directory.iterdir()} if directory.is_dir() else set()


def _processes():
    """Processes that carry our token, but for ourselves."""
    mark = f"{procs.TOKEN_VARIABLE}={procs.TOKEN}".encode()
    found = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            environment = (entry / "environ").read_bytes()
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if mark in environment.split(b"\0") or procs.TOKEN.encode() in command:
            found.add(f"{entry.name} {command.replace(bytes(1), b' ').decode(errors='replace')}")
    return found


_KINDS = {"pins": _pins, "cgroups": _cgroups, "mounts": _mounts, "namespaces": _netns, "processes": _processes}


class Snapshot:
    """Taken before a test; left() lists what is there now and was not then."""

    def __init__(self):
        self.before = {kind: look() for kind, look in _KINDS.items()}

    def left(self):
        now = {kind: look() for kind, look in _KINDS.items()}
        return [f"{kind}: {item}" for kind in _KINDS for item in sorted(now[kind] - self.before[kind])]

    def check(self, timeout=3.0):
        """Raises AssertionError if anything is left; the dying get a moment."""
        try:
            procs.wait_until("nothing left", lambda: not self.left(), timeout)
        except TimeoutError:
            raise AssertionError("left behind:\n  " + "\n  ".join(self.left())) from None

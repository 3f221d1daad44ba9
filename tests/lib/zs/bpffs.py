# SPDX-License-Identifier: GPL-2.0-or-later
"""A bpf file system of our own, so that a test's pins meet nobody else's.

It is mounted in a mount namespace of our own: nobody else sees it, and it goes when we do.
"""

import ctypes
import functools
import os
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNS, _MS_REC, _MS_PRIVATE = 0x20000, 0x4000, 0x40000


def _check(result, what):
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


@functools.cache
def _leave_mount_namespace():
    """Must be called before there are threads: only the calling one moves."""
    _check(_libc.unshare(_CLONE_NEWNS), "unshare the mount namespace")
    _check(_libc.mount(None, b"/", None, _MS_REC | _MS_PRIVATE, None), "make mounts private")


class Bpffs:
    def __init__(self, path):
        self.path = Path(path)
        _leave_mount_namespace()
        self.path.mkdir()
        self.mounted = False
        _check(_libc.mount(b"none", os.fsencode(self.path), b"bpf", 0, b"mode=0700"), f"mount bpf on {path}")
        self.mounted = True
        self.first = set(self.path.rglob("*"))  # the kernel's own, where it has any

    def entries(self):
        """Every path that was pinned on it, relative: empty after a complete detach."""
        return sorted(str(path.relative_to(self.path)) for path in set(self.path.rglob("*")) - self.first)

    def close(self):
        if self.mounted:
            _check(_libc.umount2(os.fsencode(self.path), 0), f"umount {self.path}")
            self.mounted = False
        if self.path.exists():
            self.path.rmdir()

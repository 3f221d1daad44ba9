# SPDX-License-Identifier: GPL-2.0-or-later
"""A world for one test: a directory, cgroups, Caddy with its upstreams, and zs-load; close() ends it all."""

import atexit
import itertools
import os
import shutil
import sys
import tempfile
from pathlib import Path

from zs import bpffs, cgroup, interrupt, procs, servers
from zs.loader import Zs

_open = []
_number = itertools.count(1)


class World:
    """Caddy proxies /app/* to the application and everything else to nginx.

    `cgroup` is Caddy's; upstreams, zs-load and wrk have one of their own each, so that nothing can escape
    and CPU time can be told apart. `more_routes` are pairs of (path matcher, upstream), "" matches every path;
    so may `app_route` be, and nginx is left out.
    With `caddy_cpus` Caddy has these CPUs to itself, and everything else runs on the others.
    """

    def __init__(self, keepalive_requests=1000, app=True, log_buffer=False, more_routes=(), caddy_cpus=None,
                 app_route="/app/*"):
        self.closers = []
        _open.append(self)
        try:
            self._make_cgroups(caddy_cpus)
            self._build(keepalive_requests, app, log_buffer, more_routes, app_route)
        except BaseException:
            self.close()
            raise

    def _make_cgroups(self, caddy_cpus):
        name = f"zs-{procs.TOKEN}-{next(_number)}"
        others = os.sched_getaffinity(0) - caddy_cpus if caddy_cpus else None
        self.cgroup, self.upstreams, self.loader, self.client = (
            self._own(lambda: cgroup.Cgroup(f"{name}-{part}", cpus), cgroup.Cgroup.close)
            for part, cpus in (("caddy", caddy_cpus), ("upstreams", others), ("loader", others), ("client", others)))

    def _build(self, keepalive_requests, app, log_buffer, more_routes, app_route):
        self.dir = Path(self._own(lambda: tempfile.mkdtemp(prefix=f"zs-{procs.TOKEN}-"), shutil.rmtree))
        self.nginx = self._own(
            lambda: servers.Nginx(self.dir, self.upstreams, keepalive_requests, log_buffer), servers.Nginx.stop)
        routes = [*more_routes, ("", f"127.0.0.1:{self.nginx.port}")]
        self.app = None
        if app:
            self.app = self._own(
                lambda: servers.App(self.dir, self.upstreams, keepalive_requests), servers.App.stop)
            routes.insert(0, (app_route, f"127.0.0.1:{self.app.port}"))
        self.caddy = self._own(lambda: servers.Caddy(self.dir, self.cgroup, routes), servers.Caddy.stop)
        self.bpffs = self._own(lambda: bpffs.Bpffs(self.dir / "bpf"), bpffs.Bpffs.close)
        self.zs = self._own(lambda: Zs(self), Zs.close)

    def _own(self, make, undo):
        with interrupt.held():
            thing = make()
            self.closers.append(lambda: undo(thing))
        return thing

    def origins(self):
        """Addresses of all upstreams, as zs-load wants them."""
        return [f"127.0.0.1:{server.port}" for server in (self.nginx, self.app) if server]

    def close(self):
        """Undoes everything in reverse; the first error is raised after all has been tried."""
        first = None
        with interrupt.held():
            while self.closers:
                try:
                    self.closers.pop()()
                except Exception as error:  # pylint: disable=broad-except
                    first = first or error
                    print(f"closing the test's world: {error}", file=sys.stderr)
            if self in _open:
                _open.remove(self)
        if first:
            raise first


@atexit.register
def close_all():
    """For the ways out that pass no tearDown: a signal, an error while building."""
    for world in list(_open):
        try:
            world.close()
        except Exception:  # pylint: disable=broad-except
            pass

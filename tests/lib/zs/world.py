# SPDX-License-Identifier: GPL-2.0-or-later
"""A world for one test: a directory, cgroups, Caddy with its upstreams, and zs-load; close() ends it all."""

import itertools
import os
import shutil
import tempfile
from pathlib import Path

from zs import bpffs, cgroup, procs, servers
from zs.loader import Zs
from zs.owner import Owner

_number = itertools.count(1)


class World(Owner):
    """Caddy proxies /app/* to the application and everything else to nginx.

    `cgroup` is Caddy's; upstreams, zs-load and wrk have one of their own each, so that nothing can escape
    and CPU time can be told apart. `more_routes` are pairs of (path matcher, upstream), "" matches every path;
    so may `app_route` be, and nginx is left out.
    With `caddy_cpus` Caddy has these CPUs to itself, and everything else runs on the others.
    """

    def __init__(self, keepalive_requests=1000, app=True, log_buffer=False, more_routes=(), caddy_cpus=None,
                 app_route="/app/*"):
        super().__init__()
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
            self.own(lambda: cgroup.Cgroup(f"{name}-{part}", cpus), cgroup.Cgroup.close)
            for part, cpus in (("caddy", caddy_cpus), ("upstreams", others), ("loader", others), ("client", others)))

    def _build(self, keepalive_requests, app, log_buffer, more_routes, app_route):
        self.dir = Path(self.own(lambda: tempfile.mkdtemp(prefix=f"zs-{procs.TOKEN}-"), shutil.rmtree))
        self.nginx = self.own(
            lambda: servers.Nginx(self.dir, self.upstreams, keepalive_requests, log_buffer), servers.Nginx.stop)
        routes = [*more_routes, ("", f"127.0.0.1:{self.nginx.port}")]
        self.app = None
        if app:
            self.app = self.own(
                lambda: servers.App(self.dir, self.upstreams, keepalive_requests), servers.App.stop)
            routes.insert(0, (app_route, f"127.0.0.1:{self.app.port}"))
        self.caddy = self.own(lambda: servers.Caddy(self.dir, self.cgroup, routes), servers.Caddy.stop)
        self.bpffs = self.own(lambda: bpffs.Bpffs(self.dir / "bpf"), bpffs.Bpffs.close)
        self.zs = self.own(lambda: Zs(self), Zs.close)

    def origins(self):
        """Addresses of all upstreams, as zs-load wants them."""
        return [f"127.0.0.1:{server.port}" for server in (self.nginx, self.app) if server]

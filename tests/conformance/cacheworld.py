# SPDX-License-Identifier: GPL-2.0-or-later
"""The world of the conformance tier: the suite's own origin behind a Caddy that speaks plain HTTP to its client."""

import shutil
import tempfile
from pathlib import Path

import cachetests
from zs import bpffs, procs, servers
from zs.loader import Zs
from zs.world import World


class Origin:
    """The suite's server. It answers as each test's configuration, which the client puts there first, says."""

    def __init__(self, directory, cgroup):
        self.port = servers.free_port()
        settings = {"npm_config_protocol": "http", "npm_config_port": str(self.port),
                    "npm_config_pidfile": str(directory / "origin.pid")}
        self.process = procs.Process("the suite's origin", ["node", cachetests.PACKAGE / "server" / "server.mjs"],
                                     directory / "origin.log", cgroup, settings)
        self.process.wait_ready(lambda: servers.reachable(self.port))

    def stop(self):
        self.process.stop()


class CacheWorld(World):
    """Caddy without a cache in front of the origin; zeroserve is started by whoever wants it."""

    def _build(self, *_options):
        self.dir = Path(self.own(lambda: tempfile.mkdtemp(prefix=f"zs-{procs.TOKEN}-"), shutil.rmtree))
        self.origin = self.own(lambda: Origin(self.dir, self.upstreams), Origin.stop)
        self.caddy = self.own(lambda: servers.PlainCaddy(self.dir, self.cgroup, f"127.0.0.1:{self.origin.port}"),
                               servers.PlainCaddy.stop)
        self.bpffs = self.own(lambda: bpffs.Bpffs(self.dir / "bpf"), bpffs.Bpffs.close)
        self.zs = self.own(lambda: Zs(self), Zs.close)

    def origins(self):
        return [f"127.0.0.1:{self.origin.port}"]

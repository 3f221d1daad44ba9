# SPDX-License-Identifier: GPL-2.0-or-later
"""The contestants: each a server of its own, in cgroups of its own, by the configuration file of its name in conf/."""

import os
import shutil
import socket
import ssl
import time

from zs import bpffs, procs, servers
from zs.loader import Zs
from zs.servers import free_port, write_config

from zsbench.upstreams import CONF


class Contestant:
    """start() begins the server and returns once it answers; groups() are the cgroups of its side, by name."""

    name = title = ""
    tls = True      # whether it serves HTTPS
    caches = True   # whether there is something to fill before it is measured

    def __init__(self, arena):
        self.arena = arena
        self.dir = arena.directory(self.name)
        self.group = arena.cgroup(self.name, arena.server_cpus)
        self.port, self.tls_port = free_port(), free_port()
        self.process = self.start()
        try:
            self.process.wait_ready(self.answers, 30)
            self.ready()
        except BaseException:
            self.stop()
            raise

    def start(self):
        raise NotImplementedError

    def answers(self):
        try:
            socket.create_connection((self.arena.address, self.tls_port if self.tls else self.port), 1).close()
            return True
        except OSError:
            return False

    def ready(self):
        """After the first answer."""

    def config(self, name, template, **values):
        upstreams = {kind: upstream.address for kind, upstream in self.arena.upstreams.items()}
        return write_config(self.dir / name, CONF / template, **{
            "dir": self.dir, "address": self.arena.address, "port": self.port, "tls": self.tls_port,
            "cpus": len(self.arena.server_cpus), "www": self.arena.www, "certificate": self.arena.certificate,
            "user": "www-data", **upstreams, **values})

    def launch(self, *argv, env=None):
        return procs.Process(self.name, argv, self.dir / "log", self.group, env)

    def groups(self):
        return {"server": self.group}

    def path(self, target):
        """The target, perhaps after a method, as this contestant knows it."""
        return target

    def counters(self):
        """Counters of its own, to be told as differences beside the figures of a run."""
        return {}

    def on_stage(self, there):
        for group in self.groups().values():
            self.arena.freeze(group, not there)

    def stop(self):
        self.on_stage(True)
        self.process.stop()


class Caddy(Contestant):
    name, title = "caddy", "Caddy"
    caches = False

    def upstream_addresses(self):
        return {}

    def start(self):
        self.admin = free_port()
        config = self.config("Caddyfile", "caddy.Caddyfile.in", admin=self.admin, storage=self.dir / "storage",
                             **self.upstream_addresses())
        home = {name: str(self.dir) for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
        return self.launch("caddy", "run", "--adapter", "caddyfile", "--config", config, env=home)

    def answers(self):
        """True once a handshake succeeds."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            with socket.create_connection((self.arena.address, self.tls_port), 2) as plain:
                context.wrap_socket(plain, server_hostname=self.arena.address).close()
            return True
        except OSError:
            return False


class CaddyAgain(Caddy):
    """The control: what it differs from Caddy by is the scatter of the method."""
    name, title = "caddy-control", "Caddy (control)"


class CaddyUnix(Caddy):
    name, title = "caddy-unix", "Caddy, Unix-socket upstream"

    def upstream_addresses(self):
        return {kind: f"unix/{upstream.socket}" for kind, upstream in self.arena.upstreams.items()}


class CaddyFiles(Caddy):
    """Caddy's own file server: for what nginx has as files only."""
    name, title = "caddy-files", "Caddy file_server"

    def path(self, target):
        return f"/file{target}"


class CaddyZeroserve(Caddy):
    name, title = "caddy-zeroserve", "Caddy + zeroserve, upstream hop"
    caches = True

    def groups(self):
        return {"server": self.group, "zs-load": self.loader}

    def origins(self):
        return [upstream.address for upstream in self.arena.upstreams.values()]

    def start(self):
        self.zs = None
        self.cgroup = self.group  # Zs asks for cgroup, loader, dir, bpffs and origins()
        self.loader = self.arena.cgroup(f"{self.name}-loader", self.arena.server_cpus)
        return super().start()

    def ready(self):
        self.bpffs = self.arena.own(lambda: bpffs.Bpffs(self.dir / "bpf"), bpffs.Bpffs.close)
        self.zs = Zs(self)
        self.zs.start()

    def counters(self):
        told = self.zs.counters()
        return {name: told[name] for name in ("hits", "misses", "bypassed") if name in told}

    def stop(self):
        self.on_stage(True)
        try:
            if self.zs:
                self.zs.close()
        finally:
            super().stop()


class CaddyClientHop(CaddyZeroserve):
    """Its plaintext listener is opted in: any client is answered on the accepted connection."""
    name, title = "caddy-zeroserve-hop", "Caddy + zeroserve, client hop"

    def dialers(self):
        return []

    def ready(self):
        self.bpffs = self.arena.own(lambda: bpffs.Bpffs(self.dir / "bpf"), bpffs.Bpffs.close)
        self.zs = Zs(self)
        self.zs.start("--admin", f"127.0.0.1:{self.admin}", "--listener", f"{self.arena.address}:{self.port}",
                      *self.dialers())
        procs.wait_until("the listener is followed", lambda: self.zs.status()["opted_in"][0]["followed"], 5)
        time.sleep(1.1)  # nothing is stored in the first second of a configuration


class CaddyDialer(CaddyClientHop):
    """The client's cgroup is named as well: a client on this host is answered at its own sendmsg."""
    name, title = "caddy-zeroserve-dialer", "Caddy + zeroserve, local dialer"

    def dialers(self):
        return ["--dialer", str(self.arena.client.path)]


class NginxStatic(Contestant):
    name, title = "nginx-static", "nginx, files"
    tls = caches = False

    def start(self):
        config = self.config("nginx.conf", "nginx-static.conf.in")
        return self.launch("nginx", "-p", self.dir, "-c", config, "-e", self.dir / "error.log")


class NginxCache(Contestant):
    name, title = "nginx-cache", "nginx proxy_cache"

    def start(self):
        config = self.config("nginx.conf", "nginx-cache.conf.in")
        return self.launch("nginx", "-p", self.dir, "-c", config, "-e", self.dir / "error.log")


class Haproxy(Contestant):
    name, title = "haproxy", "HAProxy cache"

    def start(self):
        return self.launch("haproxy", "-db", "-f", self.config("haproxy.cfg", "haproxy.cfg.in"))


class Varnish(Contestant):
    name, title = "varnish", "Varnish"
    tls = False

    def start(self):
        ports = {f"{kind}_port": upstream.port for kind, upstream in self.arena.upstreams.items()}
        vcl = self.config("varnish.vcl", "varnish.vcl.in", **ports)
        return self.launch("varnishd", "-F", "-j", "none", "-n", self.dir / "work", "-f", vcl, "-s", "malloc,256M",
                           "-a", f"{self.arena.address}:{self.port}", "-p", "listen_depth=4096",
                           "-p", "timeout_idle=300", "-p", "thread_pool_max=1000")


class TrafficServer(Contestant):
    name, title = "trafficserver", "Apache Traffic Server"
    tls = False
    user = "trafficserver"

    def start(self):
        for part in ("etc", "cache", "run", "logs"):
            (self.dir / part).mkdir()
            shutil.chown(self.dir / part, self.user, self.user)
        for name in ("records", "remap", "storage"):
            self.config(f"etc/{name}.config", f"ats-{name}.config.in", user=self.user)
        shutil.copy("/etc/trafficserver/ip_allow.yaml", self.dir / "etc")
        places = {"prefix": "/usr", "bindir": "/usr/bin", "sbindir": "/usr/sbin", "datadir": "/usr/share/trafficserver",
                  "libdir": "/usr/lib/trafficserver", "libexecdir": "/usr/lib/trafficserver/modules",
                  "sysconfdir": self.dir / "etc", "localstatedir": self.dir / "run", "runtimedir": self.dir / "run",
                  "logdir": self.dir / "logs", "cachedir": self.dir / "cache"}
        root = self.dir / "runroot.yaml"
        root.write_text("".join(f"{name}: {path}\n" for name, path in places.items()))
        return self.launch("traffic_server", f"--run-root={root}")

    def answers(self):
        """It listens before its cache is ready."""
        log = self.dir / "logs" / "diags.log"
        return super().answers() and log.exists() and "cache enabled" in log.read_text(errors="replace")


class VarnishBehind(Varnish):
    name = "varnish-behind"


class CaddyVarnish(Caddy):
    """How Varnish is put to use for HTTPS: Caddy before it, the upstreams behind it."""
    name, title = "caddy-varnish", "Caddy + Varnish"
    caches = True

    def upstream_addresses(self):
        return {kind: f"{self.arena.address}:{self.cache.port}" for kind in self.arena.upstreams}

    def start(self):
        self.cache = VarnishBehind(self.arena)
        try:
            return super().start()
        except BaseException:
            self.cache.stop()
            raise

    def groups(self):
        return {"server": self.group, "varnish": self.cache.group}

    def stop(self):
        try:
            super().stop()
        finally:
            self.cache.stop()


KINDS = {kind.name: kind for kind in (Caddy, CaddyAgain, CaddyUnix, CaddyFiles, CaddyZeroserve, CaddyClientHop, CaddyDialer, CaddyVarnish, NginxStatic,
                                      NginxCache, Haproxy, Varnish, TrafficServer)}


def available(kind):
    """Whether its program is installed; HAProxy and Varnish live in sbin."""
    program = {"caddy": "caddy", "nginx": "nginx", "haproxy": "haproxy", "varnish": "varnishd",
               "trafficserver": "traffic_server"}[kind.name.partition("-")[0]]
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is not None

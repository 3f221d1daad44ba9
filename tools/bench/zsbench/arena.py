# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the contest takes place: CPUs for clients and for servers, a network between them, cgroups, upstreams."""

import os
import random
import resource
import shutil
import subprocess
import tempfile
from pathlib import Path

from zs import cgroup, procs
from zs.owner import Owner

from zsbench import upstreams

FILES_LIMIT = 262144


def _mask(cpus):
    return f"{sum(1 << cpu for cpu in cpus):x}"


def _raise_files_limit():
    """As many open files as we may have, for every process that is started from here; how many that is."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(FILES_LIMIT, hard), max(FILES_LIMIT, hard)))
        return max(FILES_LIMIT, hard)
    except ValueError:  # needs CAP_SYS_RESOURCE
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        return hard


class Network:
    """A network namespace with a veth pair: remote clients live there, servers listen on `address`.

    Receive steering keeps the clients' network work on the clients' CPUs and the servers' on the servers'.
    """

    def __init__(self, arena):
        net = f"198.18.{random.randrange(256)}"  # RFC 2544: for benchmarks, routed nowhere
        self.address = f"{net}.1"
        self.sources = [f"{net}.{number}" for number in range(2, 10)]
        self.link = f"zs{os.getpid():x}"
        self.holder = procs.Process("network", ["unshare", "--net", "sleep", "infinity"], arena.dir / "network.log")
        self.prefix = ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net"]
        try:
            self._build(arena)
        except BaseException:
            self.close()
            raise

    def _build(self, arena):
        here, there = f"{self.link}a", f"{self.link}b"
        own = os.readlink("/proc/self/ns/net")
        procs.wait_until("a network namespace",
                         lambda: os.readlink(f"/proc/{self.holder.pid}/ns/net") != own)
        self._ip("link", "add", here, "type", "veth", "peer", "name", there)
        for link, cpus in ((here, arena.server_cpus), (there, arena.client_cpus)):
            for queue in Path(f"/sys/class/net/{link}/queues").glob("rx-*"):
                (queue / "rps_cpus").write_text(_mask(cpus))
        self._ip("link", "set", there, "netns", str(self.holder.pid))
        self._ip("address", "add", f"{self.address}/24", "dev", here)
        self._ip("link", "set", here, "up")
        for source in self.sources:
            self._ip("address", "add", f"{source}/24", "dev", there, prefix=self.prefix)
        for link in ("lo", there):
            self._ip("link", "set", link, "up", prefix=self.prefix)

    @staticmethod
    def _ip(*words, prefix=()):
        done = subprocess.run([*prefix, "ip", *words], capture_output=True, text=True, timeout=10, check=False)
        if done.returncode:
            raise RuntimeError(f"ip {' '.join(words)}: {done.stderr.strip()}")

    def close(self):
        """The link goes with the namespace, the namespace with its only process."""
        subprocess.run(["ip", "link", "del", f"{self.link}a"], capture_output=True, check=False)
        self.holder.stop()


class Arena(Owner):
    """Upstreams and what the contestants share. The upstreams are one set for all: only one contestant runs at a time."""

    def __init__(self, spread=False):
        super().__init__()
        cpus = sorted(os.sched_getaffinity(0))
        half = len(cpus) // 2
        apart = half > 0 and not spread
        self.client_cpus = set(cpus[:half]) if apart else set(cpus)
        self.server_cpus = set(cpus[half:]) if apart else set(cpus)
        self.files_limit = _raise_files_limit()
        self.groups, self.frozen = [], set()
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def _build(self):
        self.dir = Path(self.own(lambda: tempfile.mkdtemp(prefix=f"zs-{procs.TOKEN}-"), shutil.rmtree))
        self.dir.chmod(0o755)
        self.client = self.cgroup("client", self.client_cpus)
        self.network = self.own(lambda: Network(self), Network.close)
        self.address = self.network.address
        self.certificate = self._certificate()
        self.www = upstreams.files(self.dir / "www")
        self.upstreams = {kind.name: self._upstream(kind) for kind in upstreams.KINDS}

    def cgroup(self, name, cpus):
        self.groups.append(self.own(lambda: cgroup.Cgroup(f"zs-{procs.TOKEN}-{name}", cpus), cgroup.Cgroup.close))
        return self.groups[-1]

    def directory(self, name):
        path = self.dir / name
        path.mkdir()
        return path

    def _certificate(self):
        """One key and certificate for everybody, as Caddy makes for itself: ECDSA on P-256."""
        path = self.dir / "certificate.pem"
        done = subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-subj", "/CN=localhost", "-addext", f"subjectAltName=IP:{self.address},DNS:localhost", "-keyout", path.with_suffix(".key"), "-out", path.with_suffix(".crt")],
            capture_output=True, text=True, timeout=30, check=False)
        if done.returncode:
            raise RuntimeError(f"openssl req: {done.stderr.strip()}")
        path.write_text(path.with_suffix(".crt").read_text() + path.with_suffix(".key").read_text())
        return path

    def _upstream(self, kind):
        return self.own(lambda: kind(self), kind.stop)

    def freeze(self, group, frozen):
        """Stops everything in the group, or lets it go on: who is not on stage takes no CPU time."""
        if frozen == (group in self.frozen):
            return
        (group.path / "cgroup.freeze").write_text("1" if frozen else "0")
        want = f"frozen {int(frozen)}"
        procs.wait_until(f"{group.path}: {want}", lambda: want in (group.path / "cgroup.events").read_text())
        (self.frozen.add if frozen else self.frozen.discard)(group)

    def thaw_all(self):
        for group in list(self.frozen):
            self.freeze(group, False)

    def close(self):
        self.thaw_all()
        super().close()

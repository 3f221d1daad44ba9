# SPDX-License-Identifier: GPL-2.0-or-later
"""The upstreams: nginx with files, node's HTTP server, a Python application under gunicorn; each on TCP and a Unix socket."""

import os
import subprocess
import sys
from pathlib import Path

from zs import procs
from zs.servers import free_port, reachable, write_config

CONF = Path(__file__).resolve().parents[1] / "conf"
SIZES = (100, 1024, 10240, 61440)
FILES = 100
ZIPF_OBJECTS = 10_000
ZIPF_SIZE = 1024
LARGE = 100_000_000


def files(www):
    """What nginx and Caddy's file server serve: nginx/SIZE/NUMBER, and one of 100 MB."""
    for size in SIZES:
        directory = www / "nginx" / str(size)
        directory.mkdir(parents=True)
        for number in range(ZIPF_OBJECTS if size == ZIPF_SIZE else FILES):
            (directory / str(number)).write_bytes(f"file {number} ".encode().ljust(size, b"."))
    with open(www / "nginx" / "large", "wb") as large:
        block = os.urandom(1_000_000)
        for _ in range(LARGE // len(block)):
            large.write(block)
    return www


class Upstream:
    """A server on a port and on a Unix socket; start() returns its process."""

    name = ""

    def __init__(self, arena):
        self.arena = arena
        self.dir = arena.directory(f"upstream-{self.name}")
        self.group = arena.cgroup(f"upstream-{self.name}", arena.server_cpus)
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.socket = self.dir / f"{self.name}.sock"
        self.process = self.start()
        try:
            self.process.wait_ready(lambda: reachable(self.port) and self.socket.exists())
            self.socket.chmod(0o666)
        except BaseException:
            self.process.stop()
            raise

    def launch(self, *argv, env=None):
        return procs.Process(self.name, argv, self.dir / "log", self.group, env)

    def stop(self):
        self.arena.freeze(self.group, False)
        self.process.stop()


class Nginx(Upstream):
    name = "nginx"

    def start(self):
        config = write_config(self.dir / "nginx.conf", CONF / "nginx-static.conf.in", dir=self.dir, user="www-data",
                              address="127.0.0.1", port=self.port, cpus=len(self.arena.server_cpus), www=self.arena.www)
        return self.launch("nginx", "-p", self.dir, "-c", config, "-e", self.dir / "error.log")


class Node(Upstream):
    name = "node"

    def start(self):
        return self.launch("node", CONF / "node.js", self.port, self.socket, env={"NODE_ENV": "production"})


class Wsgi(Upstream):
    name = "wsgi"

    def start(self):
        subprocess.run([sys.executable, CONF / "wsgi.py", self.dir / "pages.sqlite"], check=True, timeout=60)
        config = write_config(self.dir / "gunicorn.conf.py", CONF / "gunicorn.conf.py.in", dir=self.dir, port=self.port,
                              workers=2 * len(self.arena.server_cpus) + 1)
        return self.launch("gunicorn", "--config", config, "--chdir", CONF, "wsgi:app",
                           env={"PYTHONDONTWRITEBYTECODE": "1"})


KINDS = (Nginx, Node, Wsgi)

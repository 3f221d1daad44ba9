# SPDX-License-Identifier: GPL-2.0-or-later
"""Caddy, nginx and the application upstream, each stock, each with files of its own in one directory."""

import http.client
import json
import os
import random
import socket
import ssl
import subprocess
import sys
from collections import Counter
from pathlib import Path

from zs import procs

HERE = Path(__file__).parent

_used_ports = set()


def free_port():
    """A loopback port below the range that outgoing connections draw from."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in _used_ports:
            _used_ports.add(port)
            return port


def write_config(path, template=None, **values):
    """Fills a template, or that of the same name beside this file: @NAME@ becomes values["name"]."""
    text = (template or HERE / f"{path.name}.in").read_text(encoding="utf-8")
    for name, value in values.items():
        text = text.replace(f"@{name.upper()}@", str(value))
    path.write_text(text)
    return path


def reachable(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


class App:
    """The application upstream of app.py."""

    def __init__(self, directory, cgroup, keepalive_requests=1000):
        self.port = free_port()
        self.process = procs.Process(
            "app", [sys.executable, HERE / "app.py", "--port", self.port, "--keepalive-requests", keepalive_requests],
            directory / "app.log", cgroup)
        self.process.wait_ready(lambda: reachable(self.port))

    def _control(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", path)
        told = json.loads(connection.getresponse().read())
        connection.close()
        return told

    def requests(self):
        """Requests seen since reset(), as a Counter of "METHOD target"."""
        return Counter(self._control("/_log")["requests"])

    def arrivals(self):
        """Requests since reset() by the tenth of a second of CLOCK_MONOTONIC in which they came, in order."""
        return sorted((int(tenth), count) for tenth, count in self._control("/_log")["arrivals"].items())

    def reset(self):
        self._control("/_reset")

    def failing(self, on):
        """From now on GETs below /app/may-fail are answered with 503, or no more."""
        self._control("/_fail" if on else "/_heal")

    def stop(self):
        self.process.stop()


class Nginx:
    """nginx with static files below www/, which are fresh for ten minutes."""

    def __init__(self, directory, cgroup, keepalive_requests=1000, log_buffer=False):
        self.port = free_port()
        self.dir = directory
        self.www = directory / "www"
        self.www.mkdir()
        config = write_config(directory / "nginx.conf", dir=directory, port=self.port, keepalive=keepalive_requests,
                              filler="x" * 1024, buffer=" buffer=64k flush=1s" if log_buffer else "")
        self.process = procs.Process(
            "nginx", ["nginx", "-p", directory, "-c", config, "-e", directory / "nginx-error.log"],
            directory / "nginx.log", cgroup)
        self.process.wait_ready(lambda: reachable(self.port))
        self.offset = 0

    def put(self, name, body):
        path = self.www / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)

    def requests(self):
        """Requests in the access log since reset(), as a Counter of "METHOD target"."""
        with open(self.dir / "nginx-access.log", encoding="latin-1") as log:
            log.seek(self.offset)
            return Counter(line.rsplit(" ", 1)[0] for line in log)

    def reset(self):
        self.offset = os.path.getsize(self.dir / "nginx-access.log")

    def stop(self):
        self.process.stop()


class Caddy:
    """Caddy with HTTPS by its internal CA; routes are pairs of (path matcher or "", upstream)."""

    def __init__(self, directory, cgroup, routes):
        self.dir = directory
        self.cgroup = cgroup
        self.port, self.admin, plain = free_port(), free_port(), free_port()
        self.url = f"https://localhost:{self.port}"
        self.admin_url = f"http://127.0.0.1:{self.admin}"
        self.ca = directory / "caddy" / "pki" / "authorities" / "local" / "root.crt"
        lines = [f"\treverse_proxy {path} {upstream}" for path, upstream in routes]
        self.caddyfile = write_config(directory / "Caddyfile", admin=self.admin, http=plain, https=self.port,
                                      storage=directory / "caddy", routes="\n".join(lines))
        self.home = {name: str(directory) for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
        self.process = None
        self.start()

    def start(self):
        self.process = procs.Process("caddy", ["caddy", "run", "--config", self.caddyfile],
                                     self.dir / "caddy.log", self.cgroup, self.home)
        self.process.wait_ready(self._answers, 30)

    def _answers(self):
        """True once a handshake succeeds against its own CA: certificates are made in the background."""
        if not self.ca.exists():
            return False
        try:
            context = ssl.create_default_context(cafile=self.ca)
            with socket.create_connection(("127.0.0.1", self.port), 2) as plain:
                context.wrap_socket(plain, server_hostname="localhost").close()
            return True
        except OSError:
            return False

    def restart(self):
        """A new process, hence new connections to its upstreams; certificates stay."""
        self.stop()
        self.start()

    def reload(self):
        """As `systemctl reload caddy` does: the same configuration anew, new connections to upstreams."""
        subprocess.run(["caddy", "reload", "--force", "--config", self.caddyfile,
                        "--address", f"127.0.0.1:{self.admin}"],
                       check=True, capture_output=True, timeout=30, env={**os.environ, **self.home})
        procs.wait_until("Caddy reloaded", self._answers)

    def stop(self):
        self.process.stop()


class PlainCaddy(Caddy):
    """Caddy that proxies everything from a plain http:// listener to one upstream."""

    def __init__(self, directory, cgroup, upstream):  # pylint: disable=super-init-not-called
        self.dir = directory
        self.cgroup = cgroup
        self.port, self.admin = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.admin_url = f"http://127.0.0.1:{self.admin}"
        self.caddyfile = write_config(directory / "Caddyfile-plain", admin=self.admin, port=self.port,
                                      upstream=upstream)
        self.home = {name: str(directory) for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
        self.process = None
        self.start()

    def _answers(self):
        return reachable(self.port)

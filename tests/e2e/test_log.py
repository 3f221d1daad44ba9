# SPDX-License-Identifier: GPL-2.0-or-later
"""Nothing is invisible: every hit is one line, and the line is the one that Caddy would have written had it served it.

The upstream is a Caddy itself here, with an access log: what it logs of a request while nothing is attached is what
zeroserve has to log when it answers that request in its place.
"""

import json
import os
import signal
import stat
import subprocess
import threading
import time

from zs import procs, servers, suite

UPSTREAM = servers.free_port()
TIMEOUT = 20
SITE = """
http://:{port} {{
	bind 127.0.0.1
	log {{
		output file {log}
	}}
	root * {root}
	header Cache-Control "max-age=600"
	@missing path /logged/missing*
	respond @missing "not here" 404
	@text path /logged/text*
	respond @text "hello" 200
	file_server
}}
"""
RULES = "[rule everything]\nignore-cookies = _ga*\n"
ODD = "a\xff\xc3\xa9\t\"\\<>& \xed\xa0\x80 \xe2\x82\xac"
GZIP = ("Accept-Encoding", "gzip")
REQUESTS = (
    ("GET", "/logged/text", []),
    ("GET", "/logged/text?a=b&c=%22%ff&a=b", [("User-Agent", "x/1.0"), ("Referer", "https://a.example/?b")]),
    ("GET", "/logged/missing", []),
    ("GET", "/logged/file.txt", [GZIP]),
    ("HEAD", "/logged/file.txt", [GZIP]),
    ("GET", "/logged/file.txt", [GZIP, ("If-None-Match", "@ETAG@")]),
    ("GET", "/logged/odd%20one.txt", [("User-Agent", ODD)]),
    ("GET", "/logged/text", [("Cookie", "_ga=GA1.2.secret")]),
    ("GET", "/logged/text", [("accept-LANGUAGE", "de"), ("accept", "text/html")]),
)


def lines(path):
    """The log's lines, each of which must be whole and one JSON object."""
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as log:
        text = log.read()
    assert text.endswith("\n") or not text, text[-200:]
    return [json.loads(line) for line in text.splitlines()]


class Log(suite.Case):
    world_options = {"app": False, "more_routes": [("/logged/*", f"127.0.0.1:{UPSTREAM}")]}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.upstream_log = cls.world.dir / "upstream.log"
        (cls.world.dir / "up" / "logged").mkdir(parents=True)
        for name in ("file.txt", "odd one.txt"):
            (cls.world.dir / "up" / "logged" / name).write_text(name * 100)
        caddyfile = cls.world.caddy.caddyfile
        caddyfile.write_text(caddyfile.read_text() + SITE.format(
            port=UPSTREAM, log=cls.upstream_log, root=cls.world.dir / "up"))
        cls.config = cls.world.dir / "zeroserve.conf"
        cls.config.write_text(RULES)
        cls.numbers = iter(range(1000))

    def setUp(self):
        self.log = self.world.dir / f"hits-{next(self.numbers)}.log"

    def start(self, *extra):
        self.run_zs("--origin", f"127.0.0.1:{UPSTREAM}", "--config", self.config, *extra)

    def warm(self, target="/logged/text"):
        client = self.http1()
        self.get_until_hit(client, target)
        return client

    def wait_lines(self, path, count):
        """Waits for that many lines; there must not be more."""
        procs.wait_until(f"{count} lines in {path.name}", lambda: len(lines(path)) >= count, 5, 0.05)
        time.sleep(0.1)
        told = lines(path)
        self.assertEqual(len(told), count)
        return told

    def logged(self):
        counters = self.zs.counters()
        return counters["logged"], counters["log_lost"]

    # --- the fields ---------------------------------------------------------------------------

    def ask(self, client, etag):
        responses = []
        for method, target, fields in REQUESTS:
            sent = [(name, value.replace("@ETAG@", etag)) for name, value in fields]
            responses.append(client.request(method, target, sent))
        return responses

    def check_line(self, line, caddys, response):
        asked, seen = line["request"], caddys["request"]
        for name in ("level", "msg", "user_id", "size", "status"):
            self.assertEqual(line[name], caddys[name], (name, line, caddys))
        for name in ("remote_ip", "proto", "method", "host", "uri"):
            self.assertEqual(asked[name], seen[name], (name, line, caddys))
        self.assertTrue(caddys["logger"].startswith(line["logger"]), caddys)
        self.assertEqual((asked["client_ip"], asked["remote_port"], line["bytes_read"]), (asked["remote_ip"], "", 0))
        # 2.6 writes [] for what later versions write as ["REDACTED"]
        self.assertEqual(asked["headers"], {n: v or ["REDACTED"] for n, v in seen["headers"].items()})
        for name, values in caddys["resp_headers"].items():
            if line["status"] != 304 or name in ("Cache-Control", "Etag"):  # our 304s have what RFC 9110 asks for, and no more
                self.assertEqual(line["resp_headers"][name], values, line)
        self.assertEqual(line["resp_headers"]["Cache-Status"], [response.get("cache-status")])
        self.assertEqual((line["zeroserve"]["age"], line["zeroserve"]["lane"]), (response.age, "upstream"))
        self.assertIn(f"ttl={line['zeroserve']['ttl']}", response.get("cache-status"))
        self.assertEqual(line["zeroserve"]["result"], "not modified" if line["status"] == 304 else "hit")
        self.assertTrue(0 < line["duration"] < 0.1, line)
        self.assertLess(abs(line["ts"] - time.time()), 60)
        self.assertNotIn("secret", json.dumps(line))

    def test_as_caddy(self):
        self.world.caddy.restart()
        client = self.http1()
        etag = self.get_ok(client, "/logged/file.txt", [GZIP]).get("etag")
        procs.wait_until("Caddy logs", lambda: lines(self.upstream_log), 5)
        before = len(lines(self.upstream_log))
        self.ask(client, etag)
        procs.wait_until("Caddy logs", lambda: len(lines(self.upstream_log)) >= before + len(REQUESTS), 5)
        caddys = lines(self.upstream_log)[before:]
        client.close()
        self.start("--log", self.log)
        client = self.http1()
        procs.wait_until("all hits", lambda: all(r.hit for r in self.ask(client, etag)), TIMEOUT, 0.2)
        hits, lost = self.logged()
        self.wait_lines(self.log, hits)
        responses = self.ask(client, etag)
        told = self.wait_lines(self.log, hits + len(REQUESTS))[hits:]
        for line, theirs, response in zip(told, caddys, responses):
            with self.subTest(theirs["request"]["method"] + " " + theirs["request"]["uri"]):
                self.assertTrue(response.hit)
                self.check_line(line, theirs, response)
        self.assertEqual(lost, 0)

    # --- how many -----------------------------------------------------------------------------

    def test_one_line_each(self):
        """From several connections at once; the end of `run` loses none."""
        self.start("--log", self.log)
        self.warm()
        hits = []

        def visit(number):
            client = self.http1()
            for turn in range(100):
                url = f"/logged/text?visitor={number}&turn={turn % 10}"
                hits.append((url, client.request("GET", url).hit))

        threads = [threading.Thread(target=visit, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        counted = self.zs.counters()["hits"]
        self.zs.stop()
        told = [line["request"]["uri"] for line in lines(self.log)]
        self.assertEqual(sorted(url for url, hit in hits if hit), sorted(u for u in told if "visitor" in u))
        self.assertEqual(len(told), counted)
        self.assertGreater(counted, 300)

    def test_off(self):
        self.start()
        client = self.warm()
        for _ in range(20):
            self.get_ok(client, "/logged/text")
        self.assertEqual(self.logged(), (0, 0))
        self.assertEqual(self.zs.do("log"), "")  # a second in which nothing comes
        self.get_ok(client, "/logged/text")
        self.assertEqual(self.logged(), (0, 0))

    # --- the command --------------------------------------------------------------------------

    def reader(self, *extra):
        """`zs-load log` with its stdout as a pipe, reading."""
        process = subprocess.Popen(self.zs.argv("log", *extra), stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
                                   env={**os.environ, procs.TOKEN_VARIABLE: procs.TOKEN})
        self.addCleanup(process.kill)
        time.sleep(0.3)
        self.assertIsNone(process.poll())
        return process

    def ends(self, process, code=0):
        """It ends by itself within seconds; (stdout, stderr)."""
        if process.stdout.closed:
            out, err = b"", process.stderr.read()
            process.stderr.close()
        else:
            out, err = process.communicate(timeout=5)
        self.assertEqual(process.wait(5), code, err)
        return out.decode(), err.decode()

    def test_follow(self):
        self.start()
        client = self.warm()
        for number in (signal.SIGINT, signal.SIGTERM):
            reader = self.reader("-f")
            for _ in range(5):
                self.get_ok(client, "/logged/text")
            self.assertEqual(json.loads(reader.stdout.readline())["request"]["uri"], "/logged/text")
            reader.send_signal(number)
            out, err = self.ends(reader)
            self.assertEqual((len(out.splitlines()), err), (4, ""))
            logged = self.logged()
            self.get_ok(client, "/logged/text")
            self.assertEqual(self.logged(), logged)

    def test_reader_hangs_up(self):
        """`log -f | head`: with or without a further hit, it ends and says nothing."""
        self.start()
        client = self.warm()
        for again in (True, False):
            reader = self.reader("-f")
            self.get_ok(client, "/logged/text")
            reader.stdout.readline()
            reader.stdout.close()
            if again:
                self.get_ok(client, "/logged/text")
            self.assertEqual(self.ends(reader)[1], "")
        self.get_ok(client, "/logged/text")

    def test_limit(self):
        self.start()
        client = self.warm()
        reader = self.reader("--limit", "3")
        for _ in range(5):
            self.get_ok(client, "/logged/text")
        out, _ = self.ends(reader)
        self.assertEqual(len(out.splitlines()), 3)

    def test_second_reader(self):
        self.start()
        client = self.warm()
        first = self.reader("-f")
        code, out, err = self.zs.call("log", "-f")
        self.assertEqual((code, out), (1, ""))
        self.assertIn(f"process {first.pid} reads", err)
        self.get_ok(client, "/logged/text")
        first.stdout.readline()
        first.send_signal(signal.SIGINT)
        self.ends(first)

    def test_dead_reader(self):
        """Some seconds after kill -9 hits are not logged any more, and the next reader is welcome."""
        self.start()
        client = self.warm()
        first = self.reader("-f")
        first.kill()
        first.communicate()
        time.sleep(3.5)
        logged = self.logged()
        self.get_ok(client, "/logged/text")
        self.assertEqual(self.logged(), logged)
        second = self.reader("--limit", "1")
        self.get_ok(client, "/logged/text")
        self.assertEqual(len(self.ends(second)[0].splitlines()), 1)

    def test_refusals(self):
        self.assertEqual(self.zs.call("log", "-f")[0], 3)
        self.assertEqual(self.zs.call("log", "-g")[0], 2)
        self.assertEqual(self.zs.call("status", "-f")[0], 2)
        code, _, err = self.zs.call("run", *self.zs.target(), "--log", self.world.dir / "nowhere" / "x.log")
        self.assertEqual(code, 1)
        self.assertIn("nowhere/x.log", err)
        self.assertEqual(self.world.bpffs.entries(), [])

    # --- run --log ----------------------------------------------------------------------------

    def logger(self):
        """The pid of the process that writes the log."""
        run = self.zs.process.pid
        with open(f"/proc/{run}/task/{run}/children", encoding="ascii") as children:
            pids = children.read().split()
        for pid in pids:
            try:
                if os.readlink(f"/proc/{pid}/fd/1") == str(self.log):
                    return int(pid)
            except OSError:  # it is just ending
                pass
        return None

    def test_rotation(self):
        """The file is renamed, SIGHUP goes to the unit's main process: not a line less, and none twice."""
        self.start("--log", self.log)
        self.assertEqual(stat.S_IMODE(self.log.stat().st_mode) & ~0o640, 0)
        client = self.warm()
        files = []
        for turn in range(3):
            for number in range(20):
                self.get_ok(client, f"/logged/text?turn={turn}&number={number}")
                self.get_until_hit(client, f"/logged/text?turn={turn}&number={number}")
            files.append(self.log.with_suffix(f".{turn}"))
            self.log.rename(files[-1])
            self.zs.process.send(signal.SIGHUP)
            procs.wait_until("a new file", self.log.exists, 5)
            procs.wait_until("written to", lambda: self.logger(), 5)
            for _ in range(5):
                self.get_ok(client, "/logged/text")
        code, _, err = self.zs.call("log", "-f")
        self.assertEqual(code, 1)
        self.assertIn(f"{self.log}: read that file", err)
        hits, lost = self.logged()
        self.zs.stop()
        told = [len(lines(path)) for path in (*files, self.log)]
        self.assertEqual((sum(told), lost), (hits, 0), told)
        self.assertGreaterEqual(min(told), 5, told)

    def test_no_privileges(self):
        self.start("--log", self.log)
        status = (line.split(":", 1) for line in open(f"/proc/{self.logger()}/status", encoding="ascii"))
        status = {name: value.split() for name, value in status}
        self.assertNotIn("0", status["Uid"] + status["Gid"])
        self.assertEqual({int(status[f"Cap{s}"][0], 16) for s in ("Inh", "Prm", "Eff", "Bnd", "Amb")}, {0})

    def test_logger_dies(self):
        """Another one goes on with the same file."""
        self.start("--log", self.log)
        client = self.warm()
        self.get_ok(client, "/logged/text")
        first = self.logger()
        os.kill(first, signal.SIGKILL)
        procs.wait_until("another process", lambda: self.logger() not in (None, first), 10)
        logged = self.logged()[0]

        def reads():
            self.get_ok(client, "/logged/text")
            return self.logged()[0] > logged
        procs.wait_until("it reads", reads, 10)
        time.sleep(0.3)
        before = len(lines(self.log))
        for _ in range(5):
            self.get_ok(client, "/logged/text")
        self.wait_lines(self.log, before + 5)
        self.assertIn("the log's process died", self.zs.log())

    def test_full_disk(self):
        """Lines that cannot be written are lost to the log, and said so; requests go on."""
        self.start("--log", "/dev/full")
        client = self.warm()
        for _ in range(5):
            self.assertTrue(self.get_ok(client, "/logged/text").hit)
        procs.wait_until("complaint", lambda: "lines cannot be written: No space left" in self.zs.log(), 5)

    def test_stdout(self):
        self.config.write_text(RULES + "[zeroserve]\nlog = -\n")
        self.addCleanup(self.config.write_text, RULES)
        self.start()
        client = self.warm()
        for _ in range(5):
            self.get_ok(client, "/logged/text")

        def told():
            return [line for line in self.zs.log().splitlines() if line.startswith("{")]
        procs.wait_until("lines", lambda: len(told()) == self.logged()[0], 5)
        self.assertEqual(json.loads(told()[-1])["request"]["uri"], "/logged/text")


if __name__ == "__main__":
    suite.main()

# SPDX-License-Identifier: GPL-2.0-or-later
"""The benchmark itself: that it runs, that its record is what its README says, and loose ratios; never absolute times."""

import importlib.util
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from zs import suite
from zs.leftovers import Snapshot
from zs.loader import ROOT

sys.path.insert(0, str(ROOT / "tools" / "bench"))

from zsbench import contest, load, report, stats  # noqa: E402  pylint: disable=wrong-import-position

PLAN = contest.Plan(quick=True, rounds=3, seconds=1, open_seconds=0.3, sizes=(1024,), upstreams=("wsgi",))
CASE = "upstream-hop/h1/wsgi/1024"
STALL = 0.6  # seconds


def lacking():
    """What a run needs and this machine has not, in words."""
    programs = [name for name in ("gunicorn", "node", "openssl", "wrk") if not shutil.which(name)]
    if not importlib.util.find_spec("jinja2"):
        programs.append("jinja2")
    if not load.OPENLOOP.exists():
        programs.append("build/bench/openloop (make e2e)")
    return ", ".join(programs)


class Stalling(BaseHTTPRequestHandler):
    """Answers at once, but for one moment in which everything waits."""

    protocol_version = "HTTP/1.1"
    began = 0.0

    def do_GET(self):
        Stalling.began = Stalling.began or time.monotonic()
        into = time.monotonic() - Stalling.began - 0.3
        if 0 < into < STALL:
            time.sleep(STALL - into)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_args):  # pylint: disable=arguments-differ
        pass


class Bench(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if lacking():
            raise unittest.SkipTest(f"the benchmark lacks {lacking()}")
        cls.snapshot = Snapshot()
        cls.dir = Path(tempfile.mkdtemp(prefix="zs-bench-"))

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.dir)
        cls.snapshot.check()

    def test_latency_counts_from_the_intended_time(self):
        """All that was due while the server stalled has waited, not only the few requests that were under way."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), Stalling)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            targets = load.write_targets(self.dir / "targets", ["/"])
            done = subprocess.run(
                [load.OPENLOOP, "--rate", "200", "--seconds", "1.5", "--warm", "0", "--connections", "4", "127.0.0.1",
                 str(server.server_port), "localhost", targets], capture_output=True, text=True, timeout=30, check=True)
        finally:
            server.shutdown()
            server.server_close()
        told = json.loads(done.stdout)
        self.assertEqual((told["scheduled"], told["measured"], told["failed"], told["unfinished"]), (300, 300, 0, 0))
        # 120 of the 300 were due during the stall, so one in ten has waited for three quarters of it.
        self.assertGreater(told["us"]["p90"], STALL * 1e6 / 2)
        self.assertLess(told["us"]["p50"], told["us"]["p90"])

    def test_run_record_and_ratio(self):
        record = contest.play(PLAN, self.dir / "results.json", scenes=["upstream-hop"], cases=[CASE], busy=True,
                              only=["caddy", "caddy-zeroserve"])
        self.assertEqual(record, json.loads((self.dir / "results.json").read_text()))
        report.check(record)
        self.assertTrue(record["complete"])
        self.assertEqual((record["left_out"], [case["name"] for case in record["cases"]]), ({}, [CASE]))
        case, = record["cases"]
        self.assertEqual(case["failed"], {})
        self.assertEqual([(entry["round"], entry["contestant"]) for entry in case["rounds"]],
                         [(1, "caddy"), (1, "caddy-zeroserve"), (2, "caddy-zeroserve"), (2, "caddy"), (3, "caddy"),
                          (3, "caddy-zeroserve")])
        self.check_documented(case)
        ratios = stats.ratios(case, "caddy-zeroserve", "requests_per_s")
        self.assertGreaterEqual(statistics.median(ratios), 1.2, ratios)
        shares = stats.by_round(case, "caddy-zeroserve", "hit_share").values()
        self.assertGreater(statistics.median(shares), 0.9, shares)
        self.check_report(record)

    def check_documented(self, case):
        """Every figure of every round stands in the README."""
        text = (ROOT / "tools" / "bench" / "README.md").read_text()
        for entry in case["rounds"]:
            for figure, value in entry["figures"].items():
                self.assertIn(f"`{figure}`", text)
                if figure != "parts":
                    self.assertGreaterEqual(value, 0, figure)
            self.assertGreater(entry["figures"]["cpu_us_all"], entry["figures"]["cpu_us_server"])

    def check_report(self, record):
        text = report.markdown(record)
        self.assertIn("| Caddy + zeroserve, upstream hop |", text)
        self.assertIn("hits behind TLS, HTTP/1.1, upstream wsgi", text)
        with self.assertRaises(RuntimeError):
            report.check({**record, "schema": "zeroserve-bench/0"})


if __name__ == "__main__":
    suite.main()

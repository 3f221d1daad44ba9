# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line: exit statuses, one object per --json answer, errors that say what to do, no half measures."""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from zs import suite
from zs.loader import BINARY

OK, FAILED, USAGE, NOT_ATTACHED, NO_TARGET, NO_KERNEL, NO_PERMISSION, DEGRADED = range(8)
VERBS = ("run", "attach", "detach", "status", "pause", "resume", "doctor", "list", "log", "purge",
         "check-config", "version", "help")
NOBODY = 65534


class CommandLine(suite.Case):
    world_options = {"more_routes": [
        ("/tls/*", "https://127.0.0.1:1"), ("/h2c/*", "h2c://127.0.0.1:2"), ("/unix/*", "unix//nowhere/socket")]}

    def setUp(self):
        self.addCleanup(self.zs.do, "detach")

    def expect(self, code, *args):
        """The verb must end with this status; says why on stderr if it is an error. Returns (stdout, stderr)."""
        got, out, err = self.zs.call(*args)
        self.assertEqual(got, code, f"{args}: {out}{err}")
        if code != OK:
            self.assertEqual(len(err.strip().splitlines()) > 0, True, f"{args}: no error message")
        return out, err

    def answer(self, *args, codes=(OK,)):
        """The JSON object that the verb prints."""
        code, out, err = self.zs.call("--json", *args)
        self.assertIn(code, codes, f"{args}: {out}{err}")
        told = json.loads(out)
        self.assertEqual(told["schema"], "zeroserve/1", args)
        return told

    def nothing_changed(self):
        self.assertEqual(self.world.bpffs.entries(), [])

    def test_usage(self):
        target = self.zs.target()
        for args in (["nonsense"], ["--nonsense", "status"], ["status", "--nonsense"], ["status", "surplus"],
                     ["attach"], ["run"], ["purge"], ["purge", "--url"], ["purge", "--all", "--url", "http://a/"],
                     ["attach", "--cgroup"], ["attach", "--pid", "x"], ["attach", "--pid", "-1"],
                     ["attach", "--cgroup", "/a", "--pid", "1"], ["run", *target, "--origin", "nonsense"],
                     ["run", *target, "--origin", "127.0.0.1:99999"], ["run", *target, "--origin", "127.0.0.1:0"],
                     ["run", *target, "--store-size", "lots"], ["run", *target, "--record-rate", "-5"],
                     ["run", *target, "--max-object", "1e9"], ["run", *target, "--listener", "a.example:80"],
                     ["run", *target, "--dialer", "caddy"], ["run", *target, "--allow-handler", "authentication"]):
            with self.subTest(args):
                self.expect(USAGE, *args)
                self.nothing_changed()

    def test_no_such_target(self):
        for verb in ("attach", "run"):
            for args in (["--cgroup", "/nowhere"],
                         ["--unit", "no-such-unit-anywhere.service"], ["--pid", str(2 ** 22 - 1)]):
                with self.subTest([verb, *args]):
                    _, err = self.expect(NO_TARGET, verb, *args)
                    self.assertIn(args[1], err)
                    self.nothing_changed()

    def test_target_that_is_no_cgroup(self):
        _, err = self.expect(USAGE, "attach", "--cgroup", self.world.dir)
        self.assertIn(str(self.world.dir), err)
        self.nothing_changed()

    def test_bad_bpffs(self):
        """A directory that is no bpf file system: an error that names it, and nothing in it."""
        directory = self.world.dir / "plain"
        directory.mkdir()
        done = subprocess.run([BINARY, "--bpffs", directory, "attach", *map(str, self.zs.target())],
                              capture_output=True, text=True, timeout=30, check=False)
        self.assertIn(done.returncode, (FAILED, USAGE, NO_KERNEL), done)
        self.assertIn(str(directory), done.stderr)
        self.assertEqual(list(directory.iterdir()), [])

    def test_not_attached(self):
        out, _ = self.zs.call("status")[1:]
        self.assertTrue(out)
        self.assertEqual(self.zs.call("status")[0], NOT_ATTACHED)
        self.assertIs(self.answer("status", codes=(NOT_ATTACHED,))["attached"], False)
        for verb in ("pause", "resume", "list"):
            self.assertEqual(self.zs.call(verb)[0], NOT_ATTACHED, verb)
        self.assertEqual(self.zs.call("purge", "--all")[0], NOT_ATTACHED)
        self.nothing_changed()

    def test_attach_and_detach_twice(self):
        for _ in range(2):
            self.expect(OK, "attach", *self.zs.target())
            self.assertIs(self.answer("status", codes=(OK, DEGRADED))["attached"], True)
        for _ in range(2):
            self.expect(OK, "pause")
            self.assertIs(self.zs.status()["paused"], True)
        for _ in range(2):
            self.expect(OK, "resume")
            self.assertIs(self.zs.status()["paused"], False)
        for _ in range(2):
            self.expect(OK, "detach")
            self.nothing_changed()

    def test_attach_by_pid(self):
        self.expect(OK, "attach", "--pid", self.world.caddy.process.pid)
        self.assertEqual(self.zs.status()["cgroup_id"], self.world.cgroup.path.stat().st_ino)
        self.expect(OK, "detach")

    def test_second_run_is_refused(self):
        """Two agents on one instance would fight; the first goes on."""
        self.run_zs()
        code, _, err = self.zs.call("run", *self.zs.target())
        self.assertEqual(code, FAILED, err)
        self.assertTrue(err)
        self.get_until_hit(self.http1(), "/app/second?cc=max-age%3D600")

    def test_json_answers(self):
        self.answer("version")
        self.answer("doctor", codes=(OK, DEGRADED))
        self.answer("attach", *self.zs.target())
        self.answer("pause")
        self.answer("resume")
        self.answer("detach")
        self.run_zs()
        url = "/app/listed?cc=max-age%3D600&size=77"
        self.get_until_hit(self.http1(), url)
        status = self.answer("status")
        self.assertEqual((status["attached"], status["paused"], status["instance"]), (True, False, "test"))
        self.assertTrue(status["agent"]["alive"])
        for name in ("hits", "misses", "bypassed", "passive", "recorded", "enrolled", "passed"):
            self.assertIsInstance(status["counters"][name], int, name)
        self.assertIn(url, json.dumps(self.answer("list")))
        self.answer("purge", "--url", self.world.caddy.url + url)
        self.answer("purge", "--all")

    def test_text_answers(self):
        """Answers go to stdout and nothing else does; no verb prints JSON unasked."""
        self.run_zs()
        url = "/app/text?cc=max-age%3D600&size=77"
        self.get_until_hit(self.http1(), url)
        out, err = self.expect(OK, "status")
        self.assertIn("hits", out)
        self.assertEqual(err, "")
        self.assertIn(url, self.expect(OK, "list")[0])
        self.assertIn("PASS", self.zs.call("doctor")[1])
        self.assertRegex(self.expect(OK, "version")[0], r"\d+\.\d+\.\d+")
        usage = self.expect(OK, "help")[0]
        for verb in VERBS:
            self.assertIn(verb, usage)
            self.assertIn(verb, self.expect(OK, verb, "--help")[0])

    def test_origins_from_admin_api(self):
        """Without --origin: plain upstreams are taken, the others named with a reason."""
        self.run_zs("--admin", self.world.caddy.admin_url, origins=False)
        self.get_until_hit(self.http1(), "/app/admin?cc=max-age%3D600")
        origins = {origin["dial"]: origin for origin in self.zs.status()["origins"]}
        for dial in self.world.origins():
            self.assertTrue(origins[dial]["taken"], origins)
        others = {dial: origin for dial, origin in origins.items() if dial not in self.world.origins()}
        self.assertEqual(len(others), 3, origins)
        for origin in others.values():
            self.assertFalse(origin["taken"], origin)
            self.assertTrue(origin["reason"], origin)

    def test_not_root(self):
        """Whoever may not load programs is told so, in a sentence."""
        with tempfile.TemporaryDirectory() as directory:
            os.chmod(directory, 0o755)
            binary = Path(shutil.copy(BINARY, directory))
            for args in (["attach", *self.zs.target()], ["run", *self.zs.target()], ["detach"], ["status"], ["doctor"]):
                done = subprocess.run([binary, "--bpffs", self.world.bpffs.path, *map(str, args)], user=NOBODY,
                                      group=NOBODY, extra_groups=[], capture_output=True, text=True, timeout=30,
                                      check=False)
                self.assertEqual(done.returncode, NO_PERMISSION, (args, done))
                self.assertIn("root", done.stdout + done.stderr, args)
        self.nothing_changed()

    def test_check_config(self):
        """Anybody may ask whether a configuration file is right; the answer names line and column."""
        with tempfile.TemporaryDirectory() as directory:
            os.chmod(directory, 0o755)
            binary = Path(shutil.copy(BINARY, directory))
            file = Path(directory, "zeroserve.conf")

            def check(text, *options):
                file.write_text(text, encoding="ascii")
                return subprocess.run([binary, *options, "check-config", file], user=NOBODY, group=NOBODY,
                                      extra_groups=[], capture_output=True, text=True, timeout=30, check=False)

            done = check("[rule a]\nttl = 5m\n")
            self.assertEqual((done.returncode, done.stdout, done.stderr), (OK, f"{file}: ok, 1 rule\n", ""))
            done = check("[rule a]\nttl = 5x\n")
            self.assertEqual(done.returncode, USAGE)
            self.assertTrue(done.stdout.startswith(f"{file}:2:7: "), done)
            self.assertIn("1 error", done.stderr)
            told = json.loads(check("[rule a]\nttl = 5x\n", "--json").stdout)
            self.assertEqual((told["schema"], told["file"], told["ok"]), ("zeroserve/1", str(file), False))
            self.assertEqual([(e["line"], e["column"]) for e in told["errors"]], [(2, 7)])
        self.expect(USAGE, "check-config", "one", "two")
        self.nothing_changed()


if __name__ == "__main__":
    suite.main()

"""Backups through the command line: the page's commands as written, and what is refused."""
import json
import os
import re
import select
import subprocess
import unittest
import urllib.request

from lab import BIN, ROOT, Lab, run


class Backup(Lab):
    def backup(self, *args, **kwargs):
        return self.ok("hanse", "backup", *args, **kwargs)

    def stopped_network(self):
        net = self.up()
        self.assertEqual(run("hanse", "down", "--dir", net).returncode, 0)
        return os.path.join(net, "validator-0/data/chain"), os.path.join(net, "genesis.cbor")

    def test_the_page_works_as_typed(self):
        with open(os.path.join(ROOT, "docs/internals/backup.md"), encoding="utf-8") as f:
            lines = "".join(re.findall(r"```sh\n(.*?)```", f.read(), re.S))
        self.assertGreater(len(lines.splitlines()), 7)
        done = subprocess.run(["bash", "-c", f"set -eux\nexport PATH={BIN}:$PATH\n{lines}"], cwd=self.folder,
                              capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL, check=False)
        self.addCleanup(run, "hanse", "down", "--dir", self.path("net"))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        chain = self.path("net/validator-0/data/chain")
        self.assertEqual(sorted(os.listdir(chain)), ["restored", "store"])
        self.assertIn("journal", os.listdir(chain + ".before-restore"))

    def test_a_backup_comes_back_with_its_state_root(self):
        chain, genesis = self.stopped_network()
        target = "dir:" + self.path("backups")
        made = self.backup("create", "--chain", chain, "--genesis", genesis, "--target", target)
        listed = self.backup("list", "--target", target)["backups"]
        self.assertEqual([one["id"] for one in listed], [made["id"]])
        verified = self.backup("verify", "--genesis", genesis, "--target", target)
        self.assertEqual(verified["state_root"], listed[0]["state_root"])
        self.refused(4, "rescue.scratch", "hanse", "backup", "verify", "--genesis", genesis, "--target", target,
                     "--scratch", self.path("nowhere"))
        into = self.path("new")
        restored = self.backup("restore", "--genesis", genesis, "--target", target, "--into", into,
                               "--to-seq", listed[0]["height"])
        self.assertEqual(restored["state_root"], listed[0]["state_root"])
        self.assertEqual(sorted(os.listdir(into)), ["restored", "store"])
        self.refused(1, "backup.exists", "hanse", "backup", "restore", "--genesis", genesis, "--target", target,
                     "--into", into)
        self.refused(1, "backup.gap", "hanse", "backup", "restore", "--genesis", genesis, "--target", target,
                     "--into", self.path("other"), "--to-height", listed[0]["height"] + 1)
        self.refused(2, "backup.point", "hanse", "backup", "restore", "--genesis", genesis, "--target", target,
                     "--into", self.path("other"), "--to-height", 1, "--to-seq", 1)
        self.refused(1, "rescue.no_chain", "hanse", "backup", "create", "--genesis", genesis, "--target", target,
                     "--chain", self.path("nowhere"))
        self.assertEqual(self.backup("prune", "--target", target, "--retention-days", 0)["deleted"], [])
        self.backup("delete", "--target", target, "--id", made["id"])
        self.refused(1, "backup.not_found", "hanse", "backup", "verify", "--genesis", genesis, "--target", target)

    def wait_for(self, net, wanted):
        """The node's health once `wanted` holds for its backups."""
        for _ in range(600):
            health = self.ok("hanse", "node", "health", "--node", f"unix:{net}/validator-0/api.sock")
            if health["backup"] and wanted(health["backup"]):
                return health
            select.select([], [], [], 0.1)
        self.fail(f"after a minute: {health}")

    def http(self, net, path):
        with open(os.path.join(net, "validator-0/data/ready"), encoding="utf-8") as f:
            port = json.load(f)["http_port"]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as reply:
            return reply.read().decode()

    def running_with_backups(self, target, more=""):
        net = self.up()
        self.assertEqual(run("hanse", "down", "--dir", net).returncode, 0)
        with open(os.path.join(net, "validator-0/node.toml"), "a", encoding="utf-8") as f:
            f.write(f'\n[backup]\ntarget = "{target}"\n{more}')
        self.ok("hanse", "up", "--dir", net, "--detach")
        return net

    def test_a_running_node_makes_bases_and_sends_its_blocks(self):
        target = "dir:" + self.path("backups")
        net = self.running_with_backups(target, "interval_s = 3\nblocks_interval_s = 1\nretention_days = 0\n")
        first = self.wait_for(net, lambda b: b["last_id"])["backup"]
        self.assertGreater(first["bytes"], 0)
        self.assertGreater(first["duration_ms"], 0)
        second = self.wait_for(net, lambda b: b["last_id"] not in ("", first["last_id"]))
        self.assertTrue(second["ready"], second)
        self.assertEqual((second["backup"]["failures"], second["backup"]["failure"]), (0, None), second)
        listed = self.backup("list", "--target", target)["backups"]
        self.assertEqual([one["readable"] for one in listed], [True] * len(listed))
        self.assertLessEqual(len(listed), 2, "older bases are pruned")
        metrics = self.http(net, "/metrics")
        self.assertRegex(metrics, r'hanse_backup_runs_total\{what="base",result="ok"\} [1-9]')
        self.assertRegex(metrics, r"hanse_backup_last_success_time_seconds 1[0-9.e+]+")
        self.assertRegex(metrics, r"hanse_backup_size_bytes [1-9]")
        self.assertEqual(os.listdir(os.path.join(net, "validator-0/data/backup")), [])
        restored = self.backup("restore", "--genesis", os.path.join(net, "genesis.cbor"), "--target", target, "--into",
                               self.path("new"))
        block = json.loads(self.http(net, f"/api/v1/blocks/{restored['height']}"))
        self.assertGreater(restored["height"], 0)
        self.assertEqual((restored["block"], restored["state_root"]), (block["hash"], block["state_root"]))
        # A node that starts again goes on where it was.
        self.assertEqual(run("hanse", "down", "--dir", net).returncode, 0)
        self.ok("hanse", "up", "--dir", net, "--detach")
        self.assertNotEqual(self.wait_for(net, lambda b: True)["backup"]["last_id"], "")

    def test_a_target_that_fails_is_tried_again_and_hurts_nobody(self):
        file = self.write("occupied", "a file where a folder should be")
        net = self.running_with_backups("dir:" + file + "/backups")
        failed = self.wait_for(net, lambda b: b["failures"] > 1)
        self.assertTrue(failed["ready"] and failed["live"], failed)
        self.assertEqual(failed["backup"]["last_id"], "")
        self.assertIn("core.fs", failed["backup"]["failure"]["id"])
        self.assertRegex(self.http(net, "/metrics"), r'hanse_backup_runs_total\{what="base",result="failed"\} [1-9]')
        os.remove(file)
        os.mkdir(file)
        self.wait_for(net, lambda b: b["last_id"] and b["failures"] == 0 and b["failure"] is None)

    def test_hanse_says_when_its_other_program_is_missing(self):
        alone = self.path("hanse")
        subprocess.run(["cp", os.path.join(BIN, "hanse"), alone], check=True)
        done = subprocess.run([alone, "backup", "list", "--target", "dir:x", "--json"], capture_output=True, text=True,
                              check=False, stdin=subprocess.DEVNULL)
        self.assertEqual((done.returncode, json.loads(done.stdout)["error"]["id"]), (3, "plugin.no_program"))

    def test_a_flipped_byte_is_refused_with_exit_code_5(self):
        chain, genesis = self.stopped_network()
        target = "dir:" + self.path("backups")
        made = self.backup("create", "--chain", chain, "--genesis", genesis, "--target", target)
        path = self.path("backups", made["id"], "data.tar.zst")
        with open(path, "r+b") as f:
            f.seek(os.path.getsize(path) // 2)
            byte = f.read(1)[0]
            f.seek(-1, os.SEEK_CUR)
            f.write(bytes([byte ^ 1]))
        done = run("hanse", "backup", "verify", "--genesis", genesis, "--target", target, "--json")
        self.assertEqual(done.returncode, 5, done.stdout + done.stderr)

    def test_an_s3_server_that_checks_signatures(self):
        here = os.path.dirname(os.path.abspath(__file__))
        server = subprocess.Popen(["/usr/bin/python3", os.path.join(here, "s3_server.py")], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)
        self.addCleanup(server.wait)
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.stdin.close)
        line = server.stdout.readline()
        if not line:
            self.skipTest("python3-moto is not installed: ./dev setup s3")
        s3 = json.loads(line)
        chain, genesis = self.stopped_network()
        target = f"s3://{s3['bucket']}/validator-0?endpoint={s3['endpoint']}"
        keys = dict(os.environ, AWS_ACCESS_KEY_ID=s3["id"], AWS_SECRET_ACCESS_KEY=s3["secret"])
        wrong = dict(keys, AWS_SECRET_ACCESS_KEY=s3["secret"] + "x")
        error = self.refused(4, "archive.denied", "hanse", "backup", "create", "--chain", chain, "--genesis", genesis,
                             "--target", target, env=wrong)
        self.assertIn("HTTP 403 (SignatureDoesNotMatch", error["message"])
        self.assertNotIn(s3["secret"], error["message"])
        made = self.backup("create", "--chain", chain, "--genesis", genesis, "--target", target, env=keys)
        verified = self.backup("verify", "--genesis", genesis, "--target", target, env=keys)
        self.assertEqual(verified["id"], made["id"])
        file = self.write("s3.keys", f"aws_access_key_id = {s3['id']}\naws_secret_access_key = {s3['secret']}\n")
        by_file = target + "&credentials=" + file
        os.chmod(file, 0o644)
        self.refused(4, "archive.credentials", "hanse", "backup", "list", "--target", by_file)
        os.chmod(file, 0o600)
        self.assertEqual(len(self.backup("list", "--target", by_file)["backups"]), 1)


if __name__ == "__main__":
    unittest.main()

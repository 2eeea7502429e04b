"""Backups through the command line: the page's commands as written, and what is refused."""
import json
import os
import re
import subprocess
import unittest

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

    def test_hanse_says_when_its_other_program_is_missing(self):
        alone = self.path("hanse")
        subprocess.run(["cp", os.path.join(BIN, "hanse"), alone], check=True)
        done = subprocess.run([alone, "backup", "list", "--target", "dir:x", "--json"], capture_output=True, text=True,
                              check=False, stdin=subprocess.DEVNULL)
        self.assertEqual((done.returncode, json.loads(done.stdout)["error"]["id"]), (3, "rescue.no_program"))

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

"""Every error code of the job format, provoked through `hanse submit`: code and path are printed, nothing moves."""
import json
import os
import subprocess
import unittest

from lab import BIN, Lab, run

CODES = {1, 2, 3, 4, 5, 6, 10, 11, 12, 13, 14, 15, 20, 21, 22, 23, 30, 31, 32, 33, 34, 35, 36, 37, 40, 41, 50, 51, 52,
         53, 54, 60, 61, 62, 63}


class BadJobs(Lab):
    def write_jobs(self, net, folder):
        height = self.ok("hanse", "status", "--dir", net)["height"]
        nonce = self.ok("hanse", "wallet", "show", "--dir", net)["nonce"] + 1
        done = subprocess.run([os.path.join(BIN, "gxf_bad_jobs"), os.path.join(net, "wallet.json"),
                               os.path.join(net, "genesis.cbor"), str(height + 1), str(nonce), folder],
                              capture_output=True, text=True, check=True)
        return [line.split() for line in done.stdout.splitlines()]

    def error_of(self, net, path):
        done = run("hanse", "submit", path, "--dir", net, "--json")
        answer = json.loads(done.stdout)
        self.assertIn("error", answer, done.stdout)
        self.assertNotEqual(done.returncode, 0)
        return answer["error"]

    def test_every_code_is_reached_and_printed_with_its_path(self):
        net, folder = self.up(), self.path("jobs")
        before = self.ok("hanse", "status", "--dir", net)
        seen = set()
        for path, code, where in self.write_jobs(net, folder):
            error = self.error_of(net, path)
            self.assertEqual(error["code"], int(code), f"{path}: {error}")
            self.assertEqual(error["path"] or "-", where, f"{path}: {error}")
            self.assertTrue(error["id"].startswith("gxf."), error)
            seen.add(error["code"])
        after = self.ok("hanse", "status", "--dir", net)
        self.assertEqual((before["balance_ut"], before["jobs"]), (after["balance_ut"], after["jobs"]))

        self.ok("hanse", "submit", os.path.join(folder, "good-1.gxf"), "--dir", net)
        error = self.error_of(net, os.path.join(folder, "good-2.gxf"))
        self.assertEqual((error["code"], error["id"]), (13, "gxf.nonce_reused"))
        seen.add(13)

        narrow, folder = self.path("narrow"), self.path("narrow-jobs")
        self.addCleanup(run, "hanse", "down", "--dir", narrow)
        self.ok("hanse", "up", "--dir", narrow, "--providers", "1", "--precisions", "int8", "--detach")
        self.write_jobs(narrow, folder)
        error = self.error_of(narrow, os.path.join(folder, "fp8.gxf"))
        self.assertEqual((error["code"], error["id"]), (31, "gxf.precision_unsupported"))
        seen.add(31)
        self.assertEqual(CODES - seen, set())

    def test_the_same_bytes_twice_are_one_job(self):
        net, folder = self.up(), self.path("jobs")
        self.write_jobs(net, folder)
        good = os.path.join(folder, "good-1.gxf")
        first = self.ok("hanse", "submit", good, "--dir", net)
        self.assertEqual(self.ok("hanse", "submit", good, "--dir", net)["job_id"], first["job_id"])

    def test_a_job_cut_short_or_grown_anywhere_is_refused(self):
        net, folder = self.up(), self.path("jobs")
        self.write_jobs(net, folder)
        with open(os.path.join(folder, "good-1.gxf"), "rb") as f:
            good = f.read()
        for size in (0, 1, 2, 100, len(good) // 2, len(good) - 1):
            error = self.error_of(net, self.write("cut.gxf", good[:size]))
            self.assertIn(error["code"], (1, 2, 3, 4, 5, 6), f"{size}: {error}")
        self.assertEqual(self.error_of(net, self.write("long.gxf", good + b"\0"))["code"], 2)
        self.assertEqual(self.error_of(net, self.write("huge.gxf", b"\xbf" * 70_000))["code"], 5)


if __name__ == "__main__":
    unittest.main()

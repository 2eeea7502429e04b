"""What the command line refuses while a network runs."""
import os
import re
import threading
import time
import unittest

from lab import ROOT, Lab


class Refusals(Lab):
    def test_a_job_id_is_32_hex_digits(self):
        net = self.up()
        for verb in (("status",), ("cancel",), ("receipt", "get")):
            for wrong in ("4f2a", "0" * 31, "0" * 33, "g" * 32):
                error = self.refused(2, "cli.job_id", "hanse", *verb, wrong, "--dir", net)
                self.assertIn(wrong, error["message"])
            self.refused(1, "market.no_job", "hanse", *verb, "0" * 32, "--dir", net)

    def test_a_wait_that_ends_early_leaves_the_job_and_its_receipt_comes_later(self):
        net = self.up()
        slow = self.write("slow.yaml", f"kind: wasm/v1\nartifact: {ROOT}/examples/wasm/spin.wasm\n"
                          "limits: {gas: 3000M, memory: 4MiB, time: 60s, output: 1KiB}\nlimit: 1000000\nisolation: 2\n")
        error = self.refused(3, "cli.wait", "hanse", "submit", slow, "--dir", net, "--wait", "--timeout", "0")
        job = re.search(r"hanse status ([0-9a-f]{32})", error["message"]).group(1)
        self.refused(1, "cli.no_receipt", "hanse", "receipt", "get", job, "--dir", net)
        deadline = time.monotonic() + 120
        while self.ok("hanse", "status", job, "--dir", net)["state"] != "settled":
            self.assertLess(time.monotonic(), deadline)
            threading.Event().wait(0.1)
        copy = self.path("late.receipt")
        self.ok("hanse", "receipt", "get", job, "--dir", net, "--out", copy)
        self.assertTrue(os.path.getsize(copy))


if __name__ == "__main__":
    unittest.main()

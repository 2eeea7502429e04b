"""What the command line refuses while a network runs."""
import json
import os
import re
import signal
import subprocess
import threading
import time
import unittest
import urllib.error
import urllib.request

from lab import BIN, ROOT, Lab, run

SLOW = (f"kind: wasm/v1\nartifact: {ROOT}/examples/wasm/spin.wasm\n"
        "limits: {{gas: {gas}, memory: 4MiB, time: 60s, output: 1KiB}}\nlimit: 1000000\nisolation: 2\n")


class Refusals(Lab):
    def test_a_job_id_is_32_hex_digits(self):
        net = self.up()
        for verb in (("status",), ("cancel",), ("receipt", "get")):
            for wrong in ("4f2a", "0" * 31, "0" * 33, "g" * 32):
                error = self.refused(2, "cli.job_id", "hanse", *verb, wrong, "--dir", net)
                self.assertIn(wrong, error["message"])
            self.refused(1, "market.no_job", "hanse", *verb, "0" * 32, "--dir", net)

    def test_orders_that_repeat_are_jobs_of_their_own_and_what_was_not_taken_is_told(self):
        net = self.up()
        order = ("hanse", "submit", f"{ROOT}/examples/jobs/wordfreq.yaml", "--dir", net)
        self.assertEqual(len(set(self.ok(*order, "--repeat", 3)["jobs"])), 3)
        for wrong in (("--repeat", 0), ("--repeat", 2, "--wait"), ("--repeat", 2, "--sealed")):
            self.refused(2, "cli.usage", *order, *wrong)
        self.refused(2, "cli.number", *order, "--repeat", 10_001)
        poor = self.path("poor.json")
        self.ok("hanse", "keygen", "--out", poor, "--unencrypted")
        done = run(*order, "--repeat", 2, "--wallet", poor, "--json")
        answer = json.loads(done.stdout)
        self.assertEqual((done.returncode, answer["jobs"], answer["missing"]), (1, [], 2))
        self.assertIn("ledger.insufficient", answer["error"])

    def test_a_wait_that_ends_early_leaves_the_job_and_its_receipt_comes_later(self):
        net = self.up()
        slow = self.write("slow.yaml", SLOW.format(gas="30000M"))
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

    def test_a_provider_without_its_node_is_alive_and_not_ready(self):
        net = self.up()
        self.ok("hanse", "down", "--dir", net)
        command = [os.path.join(BIN, "hansed"), "--config", os.path.join(net, "provider-0/node.toml"), "--set",
                   "metrics.address=127.0.0.1:0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as node:
            try:
                base = f"http://127.0.0.1:{json.loads(node.stdout.readline())['metrics_port']}/health"
                with urllib.request.urlopen(f"{base}/live", timeout=20) as answer:
                    self.assertEqual(answer.status, 200)
                with self.assertRaises(urllib.error.HTTPError) as refused:
                    urllib.request.urlopen(f"{base}/ready", timeout=20)
                with refused.exception as answer:
                    self.assertEqual(answer.code, 503)
                    self.assertEqual(json.load(answer)["error"]["id"], "daemon.not_standing")
            finally:
                node.terminate()
            self.assertEqual(node.wait(timeout=60), 0)

    def test_a_port_that_the_system_keeps_is_named(self):
        with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="utf-8") as f:
            if int(f.read()) <= 1:
                print("skipped: every port is free to every user here, so a refused one was not tried")
                return
        net = self.up()
        self.ok("hanse", "down", "--dir", net)
        drop = ["setpriv", "--bounding-set=-net_bind_service"] if os.geteuid() == 0 else []
        config = os.path.join(net, "validator-0/node.toml")
        done = subprocess.run([*drop, os.path.join(BIN, "hansed"), "--config", config, "--set", "api.http=127.0.0.1:1"],
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 4, done.stdout + done.stderr)
        self.assertIn("api.listen", done.stderr)
        self.assertIn("127.0.0.1:1", done.stderr)

    def test_a_wait_ends_when_the_node_shuts_down(self):
        net = self.up()
        slow = self.write("slow.yaml", SLOW.format(gas="30000M"))
        with subprocess.Popen([os.path.join(BIN, "hanse"), "submit", slow, "--dir", net, "--wait", "--json"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as waiting:
            try:
                # It watches from the job's block on, and the provider starts in a later one.
                deadline = time.monotonic() + 60
                while "started" not in [job["state"] for job in self.ok("hanse", "status", "--dir", net)["jobs"]]:
                    self.assertLess(time.monotonic(), deadline)
                    self.assertIsNone(waiting.poll())
                    threading.Event().wait(0.05)
                with open(os.path.join(net, "validator-0/run.json"), encoding="utf-8") as f:
                    os.kill(json.load(f)["pid"], signal.SIGTERM)
                self.assertEqual(waiting.wait(timeout=60), 3)
                self.assertEqual(json.load(waiting.stdout)["error"]["id"], "api.closing")
            finally:
                waiting.kill()


if __name__ == "__main__":
    unittest.main()

"""hanse-bench on a network of four processes: what it counts is true, and a killed leader costs no transaction."""
import json
import os
import unittest

from lab import Lab, run


class Load(Lab):
    def up_for_load(self):
        net = self.path("net")
        self.addCleanup(run, "hanse", "down", "--dir", net)
        self.ok("hanse", "up", "--dir", net, "--validators", "4", "--providers", "0", "--load-app", "--detach")
        return net

    def load(self, *args, code=0):
        done = run("hanse-bench", "load", *args, "--json")
        self.assertEqual(done.returncode, code, f"{args}:\n{done.stdout}{done.stderr}")
        return json.loads(done.stdout)

    def test_counts_what_it_sent_and_survives_a_killed_leader(self):
        net = self.up_for_load()
        report = self.load("--dir", net, "--rate", "100", "--seconds", "2", "--warmup", "1")
        self.assertEqual((report["sent"], report["acknowledged"]), (200, 200), report)
        self.assertEqual((report["lost"], report["failed"]), (0, 0), report)
        self.assertGreater(report["p50_ms"], 0)
        self.assertLessEqual(report["p50_ms"], report["p99_ms"])
        self.assertGreater(report["economic_samples"] + report["economic_missing"], 0)

        one = f"unix:{net}/validator-0/api.sock"
        large = self.load("--node", one, "--rate", "10", "--seconds", "1", "--warmup", "0", "--size",
                          "60000", "--no-economic")
        self.assertEqual(large["acknowledged"], 10, large)

        elsewhere = self.path("elsewhere")
        os.mkdir(elsewhere)
        self.write("elsewhere/network.json", json.dumps({"nodes": [{"name": "a", "role": "validator", "id": "none"}]}))
        done = run("hanse-bench", "load", "--dir", elsewhere, "--node", one, "--seconds", "1", "--warmup", "0",
                   "--kill-leader")
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn("load.leader", done.stderr)

        killed = self.load("--dir", net, "--rate", "200", "--seconds", "6", "--warmup", "1", "--kill-leader")
        self.assertTrue(killed["killed"].startswith("validator-"), killed)
        self.assertEqual((killed["acknowledged"], killed["lost"], killed["failed"]), (1200, 0, 0), killed)
        self.assertGreater(killed["gap_after_kill_ms"], 0)

    def test_a_killed_leader_with_a_filled_store_comes_back(self):
        done = run("hanse-bench", "restart", "--dir", self.folder, "--vertices", "3000", "--rounds", "1",
                   "--seconds", "3", "--json")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        figures = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertGreaterEqual(figures[0]["value"], 3000, figures)
        self.assertGreater(figures[1]["value"], 3, "blocks")
        self.assertIn("its next transaction final", figures[-1]["name"])
        self.assertGreater(figures[-1]["value"], 0)
        self.assertEqual(os.listdir(self.folder), [])

    def test_other_networks_have_no_load_application(self):
        net = self.up(providers=0)
        done = run("hanse-bench", "load", "--dir", net, "--seconds", "1")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("ledger.no_app", done.stderr)

    def test_says_what_is_wrong_with_its_options(self):
        for args in ([], ["nothing"], ["load"], ["load", "--rate", "x", "--dir", "."], ["floor", "--nodes", "3"],
                     ["floor", "--rate", "1"]):
            done = run("hanse-bench", *args)
            self.assertEqual(done.returncode, 2, f"{args}: {done.stdout}{done.stderr}")
            self.assertIn("load.option", done.stderr)
        self.assertIn("usage: hanse-bench", run("hanse-bench", "--help").stdout)


if __name__ == "__main__":
    unittest.main()

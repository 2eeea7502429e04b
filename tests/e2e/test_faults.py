"""Faults on real processes: providers and nodes killed, folders mixed up, disks full, ports taken."""
import json
import os
import random
import socket
import subprocess
import threading
import unittest

from lab import BIN, ROOT, Lab, run

WORDFREQ = os.path.join(ROOT, "examples/jobs/wordfreq.yaml")
KILLS = int(os.environ.get("HANSE_KILLS", "25"))  # the full run is 200


class Faults(Lab):
    def job_in(self, net, job, *states):
        shown = self.ok("hanse", "status", job, "--dir", net)
        return shown if shown["state"] in states else None

    def start_again(self, net, providers):
        return self.ok("hanse", "up", "--dir", net, "--providers", providers, "--detach")

    def test_a_provider_killed_mid_job_loses_it_once_and_the_money_adds_up(self):
        net = self.up(providers=2)
        before = self.ok("hanse", "status", "--dir", net)["balance_ut"]
        slow = self.write("slow.yaml", f"kind: wasm/v1\nartifact: {ROOT}/examples/wasm/spin.wasm\n"
                          "limits: {gas: 60000M, memory: 4MiB, time: 60s, output: 1KiB}\nlimit: 1000000\n")
        job = self.ok("hanse", "submit", slow, "--dir", net)["job_id"]
        shown = self.wait_for("the start", lambda: self.job_in(net, job, "started"), 20)
        nodes = self.ok("hanse", "provider", "list", "--dir", net, "--json")
        self.assertEqual(len(nodes["providers"]), 2)
        with open(os.path.join(net, "network.json"), encoding="utf-8") as f:
            names = {n["id"]: n["name"] for n in json.load(f)["nodes"]}
        self.end_node(net, names[shown["provider"]])
        ended = self.wait_for("the end of the job", lambda: self.job_in(net, job, "settled", "closed"), 240)
        self.assertEqual(ended["attempt"], 1)
        self.assertNotEqual(ended["provider"], shown["provider"])
        self.assertEqual(ended["state"], "settled")
        after = self.ok("hanse", "status", "--dir", net)["balance_ut"]
        self.assertEqual(before - after, ended["paid_ut"] + ended["fee_ut"])
        self.conserved(net)

    def test_a_job_that_nobody_starts_can_be_cancelled_and_its_escrow_comes_back(self):
        net = self.up(providers=1)
        before = self.ok("hanse", "status", "--dir", net)["balance_ut"]
        self.end_node(net, "provider-0")
        job = self.ok("hanse", "submit", WORDFREQ, "--dir", net)["job_id"]
        self.assertLess(self.ok("hanse", "status", "--dir", net)["balance_ut"], before)
        shown = self.ok("hanse", "cancel", job, "--dir", net)
        self.assertEqual((shown["state"], shown["reason"]), ("closed", "cancelled"))
        self.assertEqual(self.ok("hanse", "status", "--dir", net)["balance_ut"], before)
        self.refused(1, "market.job_state", "hanse", "cancel", job, "--dir", net)
        self.conserved(net)

    def test_a_node_killed_at_random_points_loses_no_acknowledged_job_and_no_money(self):
        seed = int(os.environ.get("HANSE_SEED", str(random.SystemRandom().randrange(1 << 32))))
        print(f"seed {seed}, {KILLS} kills", flush=True)
        rng = random.Random(seed)
        net = self.up(providers=1)
        acknowledged, stop = set(), threading.Event()

        def submit():
            while not stop.is_set():
                done = run("hanse", "submit", WORDFREQ, "--dir", net, "--json")
                if done.returncode == 0:
                    acknowledged.add(json.loads(done.stdout)["job_id"])

        worker = threading.Thread(target=submit)
        worker.start()
        try:
            for _ in range(KILLS):
                threading.Event().wait(rng.uniform(0.0, 0.35))
                self.end_node(net, "validator-0")
                self.start_again(net, 1)
        finally:
            stop.set()
            worker.join()
        self.assertGreater(len(acknowledged), 0)
        for job in sorted(acknowledged):
            self.assertEqual(self.ok("hanse", "status", job, "--dir", net)["job_id"], job)
        self.conserved(net)
        print(f"{len(acknowledged)} acknowledged jobs, all there", flush=True)

    def test_the_data_folder_of_another_network_is_refused(self):
        one, two = self.up(name="one"), self.up(name="two")
        self.ok("hanse", "down", "--dir", one)
        self.ok("hanse", "down", "--dir", two)
        os.rename(os.path.join(one, "validator-0/data"), os.path.join(one, "validator-0/data.own"))
        os.rename(os.path.join(two, "validator-0/data"), os.path.join(one, "validator-0/data"))
        done = run("hanse", "up", "--dir", one, "--providers", "1", "--detach", "--json")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("ledger.other_network", done.stdout)

    def test_a_configuration_typo_names_the_nearest_key_and_the_line(self):
        net = self.up()
        self.ok("hanse", "down", "--dir", net)
        with open(os.path.join(net, "validator-0/node.toml"), "a", encoding="utf-8") as f:
            f.write("\n[storage_]\npath = 'x'\n")
        done = subprocess.run([os.path.join(BIN, "hansed"), "--config", os.path.join(net, "validator-0/node.toml")],
                              capture_output=True, text=True, timeout=20, check=False)
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        self.assertIn("config.unknown_key", done.stderr)
        self.assertRegex(done.stderr, r"node\.toml:\d+")

    def test_a_port_in_use_is_named(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            done = run("hanse", "up", "--dir", self.path("net"), "--providers", "1", "--detach", "--json",
                       "--http", f"127.0.0.1:{port}")
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("api.port_in_use", done.stdout)
            self.assertIn(str(port), done.stdout)

    def test_a_full_disk_stops_the_node_and_loses_nothing(self):
        disk = self.path("disk")
        os.makedirs(disk)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", disk], capture_output=True,
                          check=False).returncode != 0:
            print("skipped: cannot mount a tmpfs here, so the full disk was not tried")
            return
        self.addCleanup(subprocess.run, ["umount", "-l", disk], capture_output=True, check=False)
        net = os.path.join(disk, "net")
        self.addCleanup(run, "hanse", "down", "--dir", net)
        self.ok("hanse", "up", "--dir", net, "--validators", "1", "--providers", "1", "--detach")
        kept = self.ok("hanse", "submit", WORDFREQ, "--dir", net, "--wait")["job_id"]
        ballast = os.path.join(disk, "ballast")
        with open(ballast, "wb", buffering=0) as f:
            try:
                while f.write(b"\0" * (1 << 20)) == 1 << 20:
                    pass
            except OSError:
                pass
        big = self.write("big.bin", os.urandom(1 << 20))
        job = self.write("big.yaml", f"kind: wasm/v1\nartifact: {ROOT}/examples/wasm/wordfreq.wasm\n"
                         f"inputs:\n  - {big}\n"
                         "limits: {gas: 500M, memory: 16MiB, time: 10s, output: 1MiB}\nlimit: 1000000\n")
        done = run("hanse", "submit", job, "--dir", net, "--json")
        self.assertNotEqual(done.returncode, 0, done.stdout)
        self.assertIn("error", json.loads(done.stdout))
        os.unlink(ballast)
        run("hanse", "down", "--dir", net)
        self.ok("hanse", "up", "--dir", net, "--providers", "1", "--detach")
        self.assertEqual(self.ok("hanse", "status", kept, "--dir", net)["state"], "settled")
        self.conserved(net)


if __name__ == "__main__":
    unittest.main()

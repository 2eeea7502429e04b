"""Many jobs of many payers over both lanes of the mix, while processes die: every job that was acknowledged settles.

HANSE_MANY_JOBS (default 48) jobs, one in eight over the Deep lane, of HANSE_MANY_PAYERS (8) accounts; HANSE_MANY_KILLS
(2) processes are killed meanwhile, any but the first validator, which has the blobs, and the wallet's node, which is
the payers' own; each is started again at once. Seed: HANSE_SEED.
"""
import json
import os
import random
import signal
import threading
import time
import unittest

from lab import ROOT, Lab, run

JOBS = int(os.environ.get("HANSE_MANY_JOBS", "48"))
PAYERS = int(os.environ.get("HANSE_MANY_PAYERS", "8"))
KILLS = int(os.environ.get("HANSE_MANY_KILLS", "2"))
SEED = int(os.environ.get("HANSE_SEED", time.time_ns() % 1_000_000))
WORDFREQ = os.path.join(ROOT, "examples/jobs/wordfreq.yaml")


class ManyJobs(Lab):
    def setUp(self):
        super().setUp()
        self.net = self.path("net")
        self.addCleanup(run, "hanse", "down", "--dir", self.net)
        self.ok("hanse", "up", "--dir", self.net, "--validators", 4, "--routers", 6, "--providers", 3, "--detach",
                timeout=180)
        self.random = random.Random(SEED)
        print(f"seed {SEED}: {JOBS} jobs of {PAYERS} payers, {KILLS} kills", flush=True)

    def payer(self, number):
        key = self.path(f"payer-{number}.json")
        account = self.ok("hanse", "keygen", "--out", key, "--unencrypted")["account"]
        self.ok("hanse", "wallet", "send", account, 100_000_000, "--dir", self.net)
        return key

    def work(self, key, jobs, acknowledged, refused):
        for number in jobs:
            lane = "deep" if number % 8 == 0 else "flash"
            done = run("hanse", "submit", WORDFREQ, "--dir", self.net, "--wallet", key, "--lane", lane, "--json",
                       timeout=240)
            if done.returncode == 0:
                acknowledged.append(json.loads(done.stdout)["job_id"])
            else:
                refused.append(done.stdout)

    def nodes(self):
        return self.ok("hanse", "up", "--dir", self.net, "--detach", timeout=180)["nodes"]

    def kill_one(self):
        node = self.random.choice([n for n in self.nodes() if n["name"] not in ("validator-0", "wallet-0")])
        os.kill(node["pid"], signal.SIGKILL)
        self.nodes()  # starts what is not there
        return node["name"]

    def test_every_acknowledged_job_settles_whoever_dies(self):
        start = time.monotonic()
        acknowledged, refused = [], []
        keys = [self.payer(i) for i in range(PAYERS)]
        threads = [threading.Thread(target=self.work, args=(key, range(i, JOBS, PAYERS), acknowledged, refused))
                   for i, key in enumerate(keys)]
        for thread in threads:
            thread.start()
        killed = [self.kill_one() for _ in range(KILLS)]
        for thread in threads:
            thread.join()
        submitted = time.monotonic() - start
        print(f"{len(acknowledged)} acknowledged, {len(refused)} not, {submitted:.0f} s; killed {killed}", flush=True)
        self.assertEqual(len(set(acknowledged)), len(acknowledged))
        self.assertGreater(len(acknowledged), JOBS // 2, refused[:3])
        states = {}
        for job in acknowledged:
            while True:
                status = self.ok("hanse", "status", job, "--dir", self.net, "--lane", "direct")
                if status["state"] in ("settled", "closed"):
                    break
                self.assertLess(time.monotonic() - start, submitted + 300, status)
                threading.Event().wait(0.1)
            states[job] = (status["state"], status.get("reason"))
        ends = {end: list(states.values()).count(end) for end in set(states.values())}
        print(f"ended: {ends}", flush=True)
        self.assertEqual(set(state for state, _ in states.values()), {"settled"}, ends)
        self.conserved(self.net)


if __name__ == "__main__":
    unittest.main()

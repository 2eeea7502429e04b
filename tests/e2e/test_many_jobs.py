"""Many jobs of many payers over both lanes of the mix, while processes die: every job that was acknowledged settles.

HANSE_MANY_JOBS (default 48) jobs, one in eight over the Deep lane, of HANSE_MANY_PAYERS (8) accounts; HANSE_MANY_KILLS
(2) processes are killed meanwhile, any of the network's, the wallet's own node and the store of blobs among them; each
is started again at once, the next dies HANSE_MANY_PAUSE (0) seconds later. Seed: HANSE_SEED.
"""
import concurrent.futures
import json
import os
import random
import threading
import time
import unittest

from lab import ROOT, Lab, run

JOBS = int(os.environ.get("HANSE_MANY_JOBS", "48"))
PAYERS = int(os.environ.get("HANSE_MANY_PAYERS", "8"))
KILLS = int(os.environ.get("HANSE_MANY_KILLS", "2"))
PAUSE = float(os.environ.get("HANSE_MANY_PAUSE", "0"))  # seconds between kills
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

    def work(self, key, lane, count, acknowledged, refused):
        """Orders until `count` jobs are taken or too much was refused. A payer has one lane: nonces come in order."""
        while count > 0:
            done = run("hanse", "submit", WORDFREQ, "--dir", self.net, "--wallet", key, "--lane", lane,
                       "--repeat", count, "--json", timeout=7200)
            answer = json.loads(done.stdout)
            acknowledged.extend(answer.get("jobs", []))
            count -= len(answer.get("jobs", []))
            if done.returncode != 0:
                refused.append(answer["error"])
                if len(refused) > 20 * PAYERS:
                    return

    def nodes(self):
        return self.ok("hanse", "up", "--dir", self.net, "--detach", timeout=180)["nodes"]

    def kill_one(self):
        name = self.random.choice(self.nodes())["name"]
        self.end_node(self.net, name)
        self.nodes()  # starts what is not there
        return name

    def end_of(self, job, deadline):
        while True:
            status = self.ok("hanse", "status", job, "--dir", self.net, "--lane", "direct")
            if status["state"] in ("settled", "closed"):
                return status["state"], status.get("reason")
            self.assertLess(time.monotonic(), deadline, status)
            threading.Event().wait(0.1)

    def test_every_acknowledged_job_settles_whoever_dies(self):
        start = time.monotonic()
        acknowledged, refused = [], []
        keys = [self.payer(i) for i in range(PAYERS)]
        deep = max(1, PAYERS // 3)  # of the payers: their orders take longer
        shares = [("deep", JOBS // 8, deep), ("flash", JOBS - JOBS // 8, PAYERS - deep)]
        orders = [(lane, jobs // payers + (i < jobs % payers)) for lane, jobs, payers in shares for i in range(payers)]
        threads = [threading.Thread(target=self.work, args=(key, *order, acknowledged, refused))
                   for key, order in zip(keys, orders)]
        for thread in threads:
            thread.start()
        killed = []
        while len(killed) < KILLS and any(thread.is_alive() for thread in threads):
            killed.append(self.kill_one())
            threading.Event().wait(PAUSE)
        for thread in threads:
            thread.join()
        submitted = time.monotonic() - start
        print(f"{len(acknowledged)} acknowledged, {len(refused)} not, {submitted:.0f} s; killed {killed}", flush=True)
        self.assertEqual(len(set(acknowledged)), len(acknowledged))
        self.assertEqual(len(acknowledged), JOBS, refused[:3])
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            deadline = time.monotonic() + 300
            states = list(pool.map(lambda job: self.end_of(job, deadline), acknowledged))
        ends = {end: states.count(end) for end in set(states)}
        height = self.ok("hanse", "status", "--dir", self.net, "--lane", "direct")["height"]
        print(f"ended: {ends}, height {height}", flush=True)
        self.assertEqual(set(state for state, _ in states), {"settled"}, ends)
        self.conserved(self.net)


if __name__ == "__main__":
    unittest.main()

"""Four validators as separate processes: they agree, survive kill -9 under load, and forget nothing acknowledged."""
import json
import os
import random
import threading
import unittest
import urllib.request

from lab import ROOT, Lab, run

WORDFREQ = os.path.join(ROOT, "examples/jobs/wordfreq.yaml")
KILLS = int(os.environ.get("HANSE_VALIDATOR_KILLS", "8"))  # the full run is 50
VALIDATORS = 4


class Validators(Lab):
    def start_again(self, net):
        return self.ok("hanse", "up", "--dir", net, "--detach")

    def socket_of(self, net, number):
        return f"unix:{net}/validator-{number}/api.sock"

    def block(self, net, number, height):
        """The block document of one validator, or nothing when it is not there yet."""
        with open(os.path.join(net, f"validator-{number}/data/ready"), encoding="utf-8") as f:
            port = json.load(f)["http_port"]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/blocks/{height}", timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError:
            return None

    def height_of(self, net, number):
        return self.ok("hanse", "status", "--node", self.socket_of(net, number), "--dir", net)["height"]

    def agree(self, net):
        """Every block up to the newest is the same everywhere: compared by hash at the end, which covers all before."""
        height = max(self.height_of(net, k) for k in range(VALIDATORS))
        self.assertGreater(height, 0)
        try:
            documents = [self.wait_for(f"block {height} at validator {k}", lambda k=k: self.block(net, k, height), 60)
                         for k in range(VALIDATORS)]
        except AssertionError:
            for k in range(VALIDATORS):
                with open(os.path.join(net, f"validator-{k}/node.log"), encoding="utf-8") as f:
                    tail = "".join(f.readlines()[-15:])
                    print(f"validator-{k}, height {self.height_of(net, k)}:\n{tail}", flush=True)
            raise
        self.assertEqual(len({d["hash"] for d in documents}), 1, documents)
        self.assertEqual(len({d["state_root"] for d in documents}), 1, documents)
        return height

    def test_killed_validators_come_back_and_nothing_acknowledged_is_lost(self):
        seed = int(os.environ.get("HANSE_SEED", str(random.SystemRandom().randrange(1 << 32))))
        print(f"seed {seed}, {KILLS} kills", flush=True)
        rng = random.Random(seed)
        net = self.up(providers=1, validators=VALIDATORS)
        acknowledged, refused, stop = [], [], threading.Event()

        def submit():
            choice = random.Random(seed + 1)
            while not stop.is_set():
                node = self.socket_of(net, choice.randrange(VALIDATORS))
                done = run("hanse", "submit", WORDFREQ, "--dir", net, "--node", node, "--json")
                if done.returncode == 0:
                    acknowledged.append(json.loads(done.stdout)["job_id"])
                else:
                    refused.append(json.loads(done.stdout)["error"]["id"])

        worker = threading.Thread(target=submit)
        worker.start()
        try:
            for _ in range(KILLS):
                threading.Event().wait(rng.uniform(0.2, 1.0))
                victim = rng.randrange(VALIDATORS)
                before = len(acknowledged)
                self.end_node(net, f"validator-{victim}")
                self.wait_for("jobs with one validator away", lambda n=before: len(acknowledged) > n + 1, 60)
                self.start_again(net)
        finally:
            stop.set()
            worker.join()
        height = self.agree(net)
        for number in range(VALIDATORS):
            for job in acknowledged:
                shown = self.ok("hanse", "status", job, "--dir", net, "--node", self.socket_of(net, number))
                self.assertEqual(shown["job_id"], job)
        print(f"{len(acknowledged)} acknowledged jobs, all at all {VALIDATORS} validators, height {height}; "
              f"refused meanwhile: {sorted(set(refused))}", flush=True)

    def test_a_receipt_is_economic_with_all_four_and_fast_with_three(self):
        net = self.up(providers=1, validators=VALIDATORS)
        self.ok("hanse", "submit", WORDFREQ, "--dir", net, "--wait")
        receipt = os.path.join(net, "receipts/last.receipt")
        genesis = os.path.join(net, "genesis.cbor")
        self.ok("hanse-verify", receipt, "--genesis", genesis, "--grade", "economic")
        self.end_node(net, "validator-3")
        self.ok("hanse", "submit", WORDFREQ, "--dir", net, "--wait")
        self.ok("hanse-verify", receipt, "--genesis", genesis, "--grade", "fast")
        done = run("hanse-verify", receipt, "--genesis", genesis, "--grade", "economic", "--json")
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn("light.cert_weight", done.stdout)

    def test_without_a_quorum_nothing_is_acknowledged_and_with_it_everything_goes_on(self):
        net = self.up(providers=1, validators=VALIDATORS)
        for number in (2, 3):
            self.end_node(net, f"validator-{number}")
        done = run("hanse", "submit", WORDFREQ, "--dir", net, "--json")
        self.assertEqual(done.returncode, 3, done.stdout)
        self.start_again(net)
        # The first one may be ordered now, and then the same job again is refused as known: the next has a new nonce.
        self.wait_for("a job with the quorum back",
                      lambda: run("hanse", "submit", WORDFREQ, "--dir", net, "--wait").returncode == 0, 60)
        self.agree(net)


if __name__ == "__main__":
    unittest.main()

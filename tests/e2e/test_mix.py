"""Jobs through the mix on real processes: both lanes, receipts, blobs, what is refused, and a router that dies."""
import json
import os
import signal
import time
import unittest

from lab import ROOT, Lab, digits_job, run

WORDFREQ = os.path.join(ROOT, "examples/jobs/wordfreq.yaml")
BLOB_MAX = 1 << 20  # node/client/carried.h


class Mix(Lab):
    @classmethod
    def setUpClass(cls):
        cls.lab = Lab()
        cls.lab.setUp()
        cls.net = cls.lab.path("net")
        cls.lab.addCleanup(run, "hanse", "down", "--dir", cls.net)
        cls.made = run("hanse", "up", "--dir", cls.net, "--validators", 4, "--routers", 6, "--providers", 1,
                       "--services", 0, "--detach", timeout=180)
        assert cls.made.returncode == 0, cls.made.stdout + cls.made.stderr

    @classmethod
    def tearDownClass(cls):
        cls.lab.doCleanups()

    def mix_status(self, node):
        done = run("hanse", "mix", "status", "--socket", os.path.join(self.net, node, "mesh.sock"), "--json")
        return json.loads(done.stdout)

    def submit(self, *args):
        done = run("hanse", "submit", *args, "--dir", self.net, "--wait", "--json", timeout=240)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def settled(self, answer, way):
        """The job came that way, its receipt holds, and the ledger says that it is settled."""
        self.assertEqual((answer["way"], answer["lane"], answer["status"]), (way, way, "ok"))
        checked = run("hanse-verify", answer["receipt"], "--genesis", os.path.join(self.net, "genesis.cbor"),
                      "--output", answer["output"])
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
        job = self.ok("hanse", "status", answer["job_id"], "--dir", self.net, "--lane", "direct")
        self.assertEqual(job["state"], "settled")

    def counts(self):
        """Of all routers: calls answered, and cells of the Flash lane carried."""
        all_status = [self.mix_status(f"router-{i}") for i in range(6) if self.runs(f"router-{i}")]
        return sum(s["calls"]["answered"] for s in all_status), sum(s["results"]["flash"] for s in all_status)

    def runs(self, node):
        try:
            os.kill(self.pid(node), 0)
            return True
        except ProcessLookupError:
            return False

    def pid(self, node):
        with open(os.path.join(self.net, node, "run.json"), encoding="utf-8") as f:
            return json.load(f)["pid"]

    def test_1_the_toy_says_that_it_is_one_and_its_constants_are_those_of_the_genesis(self):
        self.assertIn("3 bits of anonymity where others want 12", self.made.stderr)
        for node in [f"router-{i}" for i in range(6)] + ["wallet-0"]:
            status = self.mix_status(node)
            self.assertEqual(status["nodes"], 7, status)
            self.assertEqual((status["mixes"], status["exit"]), (node != "wallet-0", node != "wallet-0"))
            self.assertEqual(status["exits"], 5 if node != "wallet-0" else 6)

    def test_2_jobs_of_both_lanes_settle_and_all_that_was_asked_went_through_the_mix(self):
        answered, _ = self.counts()
        self.settled(self.submit(WORDFREQ), "flash")  # by priority
        some, flash = self.counts()
        self.assertGreater(some, answered + 5)
        self.settled(self.submit(WORDFREQ, "--lane", "deep"), "deep")
        more, flash_after = self.counts()
        self.assertGreater(more, some + 5)
        self.assertEqual(flash_after, flash)  # not one cell of it by the other lane
        self.settled(self.submit(digits_job(), "--priority", 100), "deep")

    def test_3_questions_and_receipts_come_by_both_lanes_and_errors_keep_their_type(self):
        job = self.submit(WORDFREQ)["job_id"]
        for lane in ("flash", "deep"):
            self.assertEqual(self.ok("hanse", "status", job, "--dir", self.net, "--lane", lane)["state"], "settled")
            copy = self.path(f"{lane}.receipt")
            self.ok("hanse", "receipt", "get", job, "--dir", self.net, "--out", copy, "--lane", lane)
            done = run("hanse-verify", copy, "--genesis", os.path.join(self.net, "genesis.cbor"))
            self.assertEqual(done.returncode, 0, done.stdout)
            self.refused(1, "market.no_job", "hanse", "status", "0" * 32, "--dir", self.net, "--lane", lane)
            self.refused(1, "market.unmatched", "hanse", "submit", WORDFREQ, "--dir", self.net, "--lane", lane,
                         "--limit", 5)

    def test_3_a_sealed_bid_is_committed_revealed_and_told_of_by_both_lanes(self):
        for lane in ("flash", "deep"):
            done = run("hanse", "submit", WORDFREQ, "--dir", self.net, "--sealed", "--lane", lane, "--wait", "--json",
                       timeout=240)
            # One bid and one offer: the round's rule may leave both without a trade, which is an answer too.
            self.assertIn(done.returncode, (0, 1), done.stdout + done.stderr)
            self.assertNotIn("error", json.loads(done.stdout))

    def test_3_the_router_service_sends_each_job_by_its_own_lane(self):
        door = os.path.join(self.net, "services.door")
        for lane, priority in (("flash", 200), ("deep", 100)):
            path = self.path(f"{lane}.gxf")
            self.ok("hanse", "submit", WORDFREQ, "--dir", self.net, "--priority", priority, "--write", path)
            _, before = self.counts()
            routed = self.ok("hanse", "services", "route", path, "--door", door, timeout=240)
            self.assertEqual((routed["lane"], routed["way"]), (lane, lane))
            _, after = self.counts()
            (self.assertGreater if lane == "flash" else self.assertEqual)(after, before)
            ask = ["hanse", "services", "job", routed["job_id"], "--door", door]
            self.wait_for("the job's end", lambda ask=ask: self.ok(*ask)["ended"])
        stats = self.ok("hanse", "services", "stats", "--door", door)["router"]
        self.assertEqual((stats["total"], stats["flash"], stats["deep"]), (2, 1, 1))

    def test_4_a_blob_too_large_for_the_mix_is_refused_and_sent_nowhere(self):
        self.write("large.bin", b"x" * (BLOB_MAX + 1))
        job = self.write("large.yaml", f"""kind: wasm/v1
artifact: {os.path.join(ROOT, "examples/wasm/wordfreq.wasm")}
inputs: [large.bin]
limits: {{gas: 500M, memory: 16MiB, time: 10s, output: 1MiB}}
limit: 1000000
""")
        before = self.stored()
        for lane in ("flash", "deep"):
            self.refused(1, "client.too_large", "hanse", "submit", job, "--dir", self.net, "--lane", lane)
        self.assertEqual(self.stored(), before)

    def test_4_what_an_exit_says_of_the_network_is_held_against_the_genesis_file(self):
        path = os.path.join(self.net, "genesis.cbor")
        with open(path, "rb") as f:
            good = f.read()
        self.addCleanup(self.put, path, good)
        self.put(path, good[:-1] + bytes([good[-1] ^ 1]))
        self.refused(5, "cli.other_network", "hanse", "status", "--dir", self.net)

    def put(self, path, content):
        with open(path, "wb") as f:
            f.write(content)

    def stored(self):
        return sum(len(files) for _, _, files in os.walk(os.path.join(self.net, "validator-0/data/blobs")))

    def test_5_a_router_that_is_killed_costs_no_job_that_was_acknowledged(self):
        first = [self.ok("hanse", "submit", WORDFREQ, "--dir", self.net, "--lane", lane)["job_id"]
                 for lane in ("flash", "deep", "flash")]
        os.kill(self.pid("router-2"), signal.SIGKILL)
        # The directory names it for a few epochs more: what goes by it is lost, and repeated by another way.
        for lane in ("flash", "deep", "flash"):
            self.settled(self.submit(WORDFREQ, "--lane", lane), lane)
        until = time.monotonic() + 60
        while True:
            states = [self.ok("hanse", "status", job, "--dir", self.net)["state"] for job in first]
            if states == ["settled"] * 3 or time.monotonic() > until:
                break
        self.assertEqual(states, ["settled"] * 3)
        self.assertFalse(self.runs("router-2"))
        while self.mix_status("wallet-0")["nodes"] != 6 and time.monotonic() < until + 60:
            pass
        self.settled(self.submit(WORDFREQ, "--lane", "deep"), "deep")


if __name__ == "__main__":
    unittest.main()

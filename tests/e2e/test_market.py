"""The market on real processes: sealed and immediate jobs side by side, recorded rounds, offers by hand, kills."""
import json
import os
import signal
import subprocess
import unittest

from lab import BIN, ROOT, Lab, run

WORDFREQ = os.path.join(ROOT, "examples/jobs/wordfreq.yaml")


class Market(Lab):
    def sealed(self, net, limit, *args):
        """A sealed job in a process of its own."""
        return subprocess.Popen([os.path.join(BIN, "hanse"), "submit", WORDFREQ, "--dir", net, "--sealed", "--limit",
                                 str(limit), "--json", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                stdin=subprocess.DEVNULL, text=True)

    def answer_of(self, process, *codes):
        out, err = process.communicate(timeout=240)
        self.assertIn(process.returncode, codes, out + err)
        return json.loads(out)

    def checked_round(self, net, number):
        """The round as the node tells it, after the checker derived its record again and refused an altered one."""
        record = self.path(f"round-{number}")
        shown = self.ok("hanse", "market", "round", number, "--dir", net, "--out", record)
        report = self.ok("hanse-auction-check", record)
        self.assertTrue(report["ok"], report)
        with open(record, "rb") as f:
            content = bytearray(f.read())
        content[-1] ^= 1  # what the treasury got
        self.assertNotEqual(run("hanse-auction-check", self.write("altered", bytes(content))).returncode, 0)
        again = self.ok("hanse", "market", "simulate", record)
        self.assertEqual(len(again["matched"]), len(shown["matched"]))
        self.assertEqual(again["treasury_ut"], shown["treasury_ut"])
        return shown

    def verify(self, net, answer):
        done = run("hanse-verify", answer["receipt"], "--genesis", os.path.join(net, "genesis.cbor"), "--output",
                   answer["output"])
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_sealed_and_immediate_jobs_settle_side_by_side_while_a_provider_is_killed(self):
        net = self.up(providers=2)
        bids = [self.sealed(net, limit, "--wait") for limit in (900_000, 800_000, 700_000, 600_000)]
        self.wait_for("an open round", lambda: self.ok("hanse", "market", "book", "--dir", net)["open_rounds"], 30)
        at_once = self.ok("hanse", "submit", WORDFREQ, "--dir", net, "--wait")
        self.verify(net, at_once)
        heads = self.wait_for("the clearing", lambda: [
            r for r in self.ok("hanse", "market", "history", "--dir", net)["rounds"] if not r["open"]], 60)
        with open(os.path.join(net, "network.json"), encoding="utf-8") as f:
            names = {n["id"]: n["name"] for n in json.load(f)["nodes"]}
        first = self.ok("hanse", "market", "round", heads[0]["round"], "--dir", net)["matched"][0]
        with open(os.path.join(net, names[first["provider"]], "run.json"), encoding="utf-8") as f:
            os.kill(json.load(f)["pid"], signal.SIGKILL)
        # What it had not finished is offered once more; what finds nobody is closed and paid back.
        answers = [self.answer_of(bid, 0, 1) for bid in bids]
        settled = [a for a in answers if a.get("status") == "ok"]
        unmatched = [a for a in answers if a.get("state") == "unmatched"]
        self.assertGreaterEqual(len(settled), 1, answers)
        self.assertTrue(unmatched and all(a["reason"] == "reduced" for a in unmatched), answers)
        for answer in settled:
            self.verify(net, answer)
        self.assertEqual(self.conserved(net)["sealed_ut"], 0)
        for head in self.ok("hanse", "market", "history", "--dir", net)["rounds"]:
            self.checked_round(net, head["round"])
        self.assertEqual(os.listdir(os.path.join(net, "sealed")), [])

    def test_a_command_killed_after_its_commit_is_finished_by_another(self):
        net = self.up(providers=1)
        before = self.ok("hanse", "status", "--dir", net)["balance_ut"]
        process = self.sealed(net, 500_000)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.wait_for("the commit", lambda: self.ok("hanse", "market", "book", "--dir", net)["open_rounds"], 30)
        process.kill()
        process.wait()
        kept = os.listdir(os.path.join(net, "sealed"))
        self.assertEqual(len(kept), 1)
        self.assertEqual(os.stat(os.path.join(net, "sealed", kept[0])).st_mode & 0o777, 0o600)
        self.assertLess(self.ok("hanse", "status", "--dir", net)["balance_ut"], before)
        done = self.ok("hanse", "market", "reveal", "--dir", net)["sealed"]
        self.assertEqual([d["state"] for d in done], ["revealed"])
        self.assertEqual(os.listdir(os.path.join(net, "sealed")), [])
        head = self.wait_for("the clearing", lambda: [
            r for r in self.ok("hanse", "market", "history", "--dir", net)["rounds"] if not r["open"]], 60)[0]
        self.assertEqual((head["commits"], head["reveals"], head["burned_ut"]), (1, 1, 0))
        self.assertEqual(self.checked_round(net, head["round"])["unmatched"], [{"seq": 0, "reason": "reduced"}])
        self.assertEqual(self.ok("hanse", "status", "--dir", net)["balance_ut"], before)
        self.assertEqual(self.ok("hanse", "market", "reveal", "--dir", net)["sealed"], [])
        self.refused(1, "market.no_round", "hanse", "market", "round", 99, "--dir", net)

    def test_an_account_offers_by_hand_and_takes_it_back(self):
        net = self.up(providers=0)
        self.refused(1, "market.no_provider", "hanse", "provider", "offer", "--dir", net)
        self.refused(2, "cli.usage", "hanse", "provider", "register", "--dir", net, "--region", "Atlantis")
        made = self.ok("hanse", "provider", "register", "--dir", net, "--capacity", 3, "--bond", 5_000_000,
                       "--region", "EU", "--precisions", "int8,fp8")
        self.assertEqual((made["capacity"], made["bond_ut"], made["precisions"]), (3, 5_000_000, "int8,fp8"))
        asks = [self.ok("hanse", "provider", "offer", "--dir", net, "--base-price", price, "--unit-price", 5)
                for price in (700, 600)]
        book = self.ok("hanse", "market", "book", "--dir", net)["asks"]
        self.assertEqual([a["base_price_ut"] for a in book], [600, 700])
        self.assertEqual(self.ok("hanse", "provider", "withdraw", "--dir", net, asks[0]["ask_ids"][0])["asks"], 1)
        self.refused(1, "market.no_ask", "hanse", "provider", "withdraw", "--dir", net, asks[0]["ask_ids"][0])
        self.refused(2, "cli.usage", "hanse", "provider", "withdraw", "--dir", net)
        gone = self.ok("hanse", "provider", "withdraw", "--dir", net, "--all", "--bond", 5_000_000)
        self.assertNotIn("bond_ut", gone)
        self.assertEqual(self.ok("hanse", "market", "book", "--dir", net)["asks"], [])
        self.assertEqual(self.ok("hanse", "market", "history", "--dir", net)["rounds"], [])
        self.conserved(net)


if __name__ == "__main__":
    unittest.main()

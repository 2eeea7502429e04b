"""Audits on real processes: four validators with auditors, a provider that is honest or cheats in each way there is."""
import json
import os
import signal
import unittest

from lab import BIN, ROOT, Lab, digits_job, run

LIES = {"alters a number of the output": 1, "swaps the model": 2, "forges gas": 3}
PRIMES = os.path.join(ROOT, "examples/jobs/primes.yaml")


class Audits(Lab):
    def setUp(self):
        super().setUp()
        self.net = self.path("net")
        self.addCleanup(run, "hanse", "down", "--dir", self.net)
        self.ok("hanse", "up", "--dir", self.net, "--validators", 4, "--providers", 1, "--audits", 100, "--detach")
        with open(digits_job()) as f:
            job = f.read().replace("data/", os.path.join(os.path.dirname(digits_job()), "data") + "/")
        self.audited = self.write("audited.yaml", job + "audit: sampled\n")
        self.unaudited = self.write("unaudited.yaml", job)

    def provider(self):
        return self.ok("hanse", "provider", "list", "--dir", self.net)["providers"][0]

    def status(self, *job):
        return self.ok("hanse", "status", *job, "--dir", self.net)

    @staticmethod
    def has_ended(pid):
        try:
            with open(f"/proc/{pid}/stat") as f:
                return f.read().split()[2] == "Z"
        except FileNotFoundError:
            return True

    def lie(self, number):
        """The provider goes, and comes back with other plug-ins."""
        nodes = self.ok("hanse", "up", "--dir", self.net, "--detach")["nodes"]
        pid = next(n["pid"] for n in nodes if n["name"] == "provider-0")
        os.kill(pid, signal.SIGTERM)
        self.wait_for("the provider to end", lambda: self.has_ended(pid))
        file = os.path.join(self.net, "provider-0", "node.toml")
        with open(file) as f:
            lines = [line for line in f.read().splitlines() if not line.startswith("plugin_dir")]
        at = lines.index("[provider]") + 1
        lines.insert(at, f'plugin_dir = "{os.path.join(BIN, "../lib", f"hanse-liar-{number}")}"')
        with open(file, "w") as f:
            f.write("\n".join(lines) + "\n")
        self.ok("hanse", "up", "--dir", self.net, "--detach")

    def submitted(self, file):
        return self.ok("hanse", "submit", file, "--dir", self.net)["job_id"]

    def ended(self, job):
        return self.wait_for("the job's end", lambda: next(
            (s for s in [self.status(job)] if s["state"] in ("settled", "closed")), None))

    def test_an_honest_receipt_is_paid_after_its_audit_and_each_lie_costs_the_bond(self):
        job = self.submitted(self.audited)
        self.wait_for("the audit", lambda: self.status(job)["state"] == "audited")
        self.assertEqual(self.ended(job)["state"], "settled")
        for lie, number in LIES.items():
            with self.subTest(lie):
                self.lie(number)
                before = self.provider()
                money = self.status()["money"]["burned_ut"]
                end = self.ended(self.submitted(self.audited))
                self.assertEqual((end["state"], end["reason"]), ("closed", "false_receipt"), end)
                after = self.provider()
                taken = before["bond_ut"] - after["bond_ut"]
                self.assertGreater(taken, 0)
                self.assertEqual(after["reputation"], 0)
                self.assertEqual(self.status()["money"]["burned_ut"] - money, taken)
                self.conserved(self.net)

    def test_who_challenges_a_false_receipt_gets_half_of_the_bond(self):
        self.lie(1)
        job = self.submitted(self.unaudited)
        self.wait_for("the receipt", lambda: self.status(job)["state"] == "receipted")
        before = self.provider()["bond_ut"]
        challenged = self.ok("hanse", "challenge", job, "--dir", self.net)
        self.assertEqual(challenged["state"], "audited")
        end = self.ended(job)
        self.assertEqual((end["state"], end["reason"]), ("closed", "false_receipt"), end)
        taken = before - self.provider()["bond_ut"]
        self.assertEqual(self.status()["money"]["burned_ut"], taken - taken // 2)
        self.conserved(self.net)
        self.refused(1, "market.job_state", "hanse", "challenge", job, "--dir", self.net)

    def auditors_said(self, message):
        count = 0
        for name in sorted(os.listdir(self.net)):
            log = os.path.join(self.net, name, "node.log")
            if name.startswith("validator") and os.path.exists(log):
                with open(log) as f:
                    count += sum(message in line for line in f)
        return count

    def test_a_lie_in_one_step_costs_the_bond_when_one_step_was_done_again(self):
        honest = self.submitted(PRIMES)
        self.wait_for("the receipt", lambda: self.status(honest)["state"] == "receipted")
        money = self.status()["money"]["accounts_ut"]
        done = run("hanse", "challenge", honest, "--bisect", "--dir", self.net, "--json")
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        answer = json.loads(done.stdout)
        self.assertEqual((answer["challenged"], answer["finding"]), (False, "no_difference"), answer)
        self.assertEqual(answer["steps"], 245)  # blocks of 4096 numbers below a million
        self.assertLessEqual(money, self.status()["money"]["accounts_ut"])  # no deposit went
        self.assertEqual(self.ended(honest)["state"], "settled")

        self.lie("wasm")
        job = self.submitted(PRIMES)
        self.wait_for("the receipt", lambda: self.status(job)["state"] == "receipted")
        before = self.provider()["bond_ut"]
        challenged = self.ok("hanse", "challenge", job, "--bisect", "--dir", self.net)
        self.assertEqual((challenged["challenged"], challenged["state"]), (True, "audited"))
        self.assertEqual((challenged["steps"], challenged["step"]), (245, 122))
        end = self.ended(job)
        self.assertEqual((end["state"], end["reason"]), ("closed", "false_receipt"), end)
        taken = before - self.provider()["bond_ut"]
        self.assertGreater(taken, 0)
        self.assertEqual(self.status()["money"]["burned_ut"], taken - taken // 2)
        # More than a third of four validators: two verdicts, each by one step.
        self.assertGreaterEqual(self.auditors_said("one step refutes a receipt"), 2)
        self.assertEqual(self.auditors_said("a receipt holds"), 0)
        self.conserved(self.net)


if __name__ == "__main__":
    unittest.main()

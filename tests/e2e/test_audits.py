"""Audits on real processes: four validators with auditors, a provider that is honest or cheats in each way there is."""
import json
import glob
import os
import signal
import subprocess
import unittest

from lab import BIN, ROOT, Lab, digits_job, run

LIES = {"alters a number of the output": 1, "swaps the model": 2, "forges gas": 3}
PRIMES = os.path.join(ROOT, "examples/jobs/primes.yaml")
PROOF_LIES = {**LIES, "alters what proves it": 4}
NO_RUN = 5  # the plug-ins of an auditor that verifies but cannot run


class AuditedLab(Lab):
    """A network whose auditors judge what was drawn, and everything that brings its proof."""
    AUDITS = 100

    def setUp(self):
        super().setUp()
        self.net = self.path("net")
        self.addCleanup(run, "hanse", "down", "--dir", self.net)
        self.up_again("--validators", 4, "--providers", 1, "--audits", self.AUDITS)

    def up_again(self, *args):
        return self.ok("hanse", "up", "--dir", self.net, *args, "--detach")

    def provider(self):
        return self.ok("hanse", "provider", "list", "--dir", self.net)["providers"][0]

    def status(self, *job):
        return self.ok("hanse", "status", *job, "--dir", self.net)

    def give_plugins(self, node, role, number):
        file = os.path.join(self.net, node, "node.toml")
        with open(file) as f:
            lines = [line for line in f.read().splitlines() if not line.startswith("plugin_dir")]
        at = lines.index(f"[{role}]") + 1
        lines.insert(at, f'plugin_dir = "{os.path.join(BIN, "../lib", f"hanse-liar-{number}")}"')
        with open(file, "w") as f:
            f.write("\n".join(lines) + "\n")

    def lie(self, number):
        """The provider goes, and comes back with other plug-ins."""
        self.end_node(self.net, "provider-0", signal.SIGTERM)
        self.give_plugins("provider-0", "provider", number)
        self.up_again()

    def submitted(self, file):
        return self.ok("hanse", "submit", file, "--dir", self.net)["job_id"]

    def ended(self, job):
        return self.wait_for("the job's end", lambda: next(
            (s for s in [self.status(job)] if s["state"] in ("settled", "closed")), None))

    def costs_the_bond(self, file):
        """The job of this file, whose provider lies, is closed as false, and its bond is burned."""
        before, burned = self.provider(), self.status()["money"]["burned_ut"]
        end = self.ended(self.submitted(file))
        self.assertEqual((end["state"], end["reason"]), ("closed", "false_receipt"), end)
        after = self.provider()
        taken = before["bond_ut"] - after["bond_ut"]
        self.assertGreater(taken, 0)
        self.assertEqual(after["reputation"], 0)
        self.assertEqual(self.status()["money"]["burned_ut"] - burned, taken)
        self.conserved(self.net)


class Audits(AuditedLab):
    def setUp(self):
        super().setUp()
        with open(digits_job()) as f:
            job = f.read().replace("data/", os.path.join(os.path.dirname(digits_job()), "data") + "/")
        self.audited = self.write("audited.yaml", job + "audit: sampled\n")
        self.unaudited = self.write("unaudited.yaml", job)

    def test_an_honest_receipt_is_paid_after_its_audit_and_each_lie_costs_the_bond(self):
        job = self.submitted(self.audited)
        self.wait_for("the audit", lambda: self.status(job)["state"] == "audited")
        self.assertEqual(self.ended(job)["state"], "settled")
        for lie, number in LIES.items():
            with self.subTest(lie):
                self.lie(number)
                self.costs_the_bond(self.audited)

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


class ProvedResults(AuditedLab):
    """The jobs of examples/digits whose results prove themselves: always judged, however seldom others are drawn."""
    AUDITS = 50

    def setUp(self):
        super().setUp()
        folder = os.path.dirname(digits_job())
        self.freivalds, self.sumcheck = (os.path.join(folder, f"{name}.yaml") for name in ("freivalds", "sumcheck"))
        model = os.path.join(folder, "data/model.hml")
        self.ok("hanse", "proof", "commit", model, "--out", os.path.join(folder, "data/model.hmc"))

    def who_found(self, finding, job):
        found = 0
        for path in glob.glob(os.path.join(self.net, "validator-*/node.log")):
            with open(path, encoding="utf-8") as f:
                found += any(finding in line and job in line for line in f)
        return found

    def test_auditors_uphold_them_without_running_anything(self):
        self.ok("hanse", "down", "--dir", self.net)
        for k in range(4):
            self.give_plugins(f"validator-{k}", "auditor", NO_RUN)
        self.up_again()
        for file in (self.freivalds, self.sumcheck):
            with self.subTest(file):
                answer = self.ok("hanse", "submit", file, "--dir", self.net, "--wait")
                self.assertEqual(answer["status"], "ok")
                self.assertEqual(self.status(answer["job_id"])["state"], "settled")
                self.assertGreaterEqual(self.who_found("a receipt holds", answer["job_id"]), 2)
                self.assertEqual(self.who_found("a receipt is false", answer["job_id"]), 0)
                checked = subprocess.run(["python3", os.path.join(os.path.dirname(file), "check.py"),
                                          answer["outputs"][0]], capture_output=True, text=True, check=False)
                self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
        proof = ["hanse", "proof", "verify", answer["outputs"][1], "--output", answer["outputs"][0]]
        folder = os.path.join(os.path.dirname(self.sumcheck), "data")
        self.ok(*proof, "--model", os.path.join(folder, "model.hmc"), "--input", os.path.join(folder, "test.htn"))
        self.conserved(self.net)

    def test_each_lie_costs_the_bond(self):
        for lie, number in PROOF_LIES.items():
            self.lie(number)
            for file in (self.freivalds, self.sumcheck):
                with self.subTest(lie, file=file):
                    self.costs_the_bond(file)

    def test_what_would_prove_nothing_is_refused(self):
        with open(digits_job()) as f:
            job = f.read().replace("data/", os.path.join(os.path.dirname(digits_job()), "data") + "/")
        short = self.write("short.yaml", job + "audit: sumcheck\n")
        self.refused(1, "market.audit_unsupported", "hanse", "submit", short, "--dir", self.net)


if __name__ == "__main__":
    unittest.main()

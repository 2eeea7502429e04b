"""Private jobs on real processes: only the provider reads the inputs, only the payer the outputs."""
import os
import signal
import socket
import subprocess
import threading
import unittest

from lab import BIN, ROOT, Lab, digits_job, run

MARK, OPEN_MARK = "plumbagohiddenword", "marigoldopenword"
JOB = """kind: wasm/v1
artifact: {root}/examples/wasm/wordfreq.wasm
inputs: [{{text: "{text}"}}]
limits: {{gas: 500M, memory: 16MiB, time: 10s, output: 1MiB}}
limit: 1000000
"""


def folder_has(folder, word):
    for at, _, names in os.walk(folder):
        for name in names:
            try:
                with open(os.path.join(at, name), "rb") as f:
                    if word.encode() in f.read():
                        return os.path.join(at, name)
            except OSError:  # a socket, or a file that is gone already
                pass
    return None


class CutOff(threading.Thread):
    """Carries bytes to a node's socket until the client has sent `most`; then the line is dead and `cut` is set."""

    def __init__(self, path, node, most):
        super().__init__(daemon=True)
        self.node, self.left, self.cut = node, most, threading.Event()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()

    def run(self):
        while True:
            near, _ = self.listener.accept()
            far = socket.socket(socket.AF_UNIX)
            far.connect(self.node)
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self.carry, args=(source, sink, source is near), daemon=True).start()

    def carry(self, source, sink, counted):
        try:
            while (data := source.recv(4096)) and not self.cut.is_set():
                if counted:
                    self.left -= len(data)
                    if self.left < 0:
                        self.cut.set()
                        return
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


class Private(Lab):
    def job(self, name, text, more="private: true\n"):
        return self.write(name, JOB.format(root=ROOT, text=text) + more)

    def status(self, net, job):
        return self.ok("hanse", "status", job, "--dir", net)

    def ended(self, net, job):
        return self.wait_for("the job's end", lambda: next(
            (s for s in [self.status(net, job)] if s["state"] in ("settled", "closed")), None))

    def change_provider(self, net, line):
        """The provider goes, and comes back with another line under [provider]."""
        nodes = self.ok("hanse", "up", "--dir", net, "--detach")["nodes"]
        pid = next(n["pid"] for n in nodes if n["name"] == "provider-0")
        os.kill(pid, signal.SIGTERM)
        self.wait_for("the provider to end", lambda: self.has_ended(pid))
        file = os.path.join(net, "provider-0", "node.toml")
        with open(file) as f:
            lines = [each for each in f.read().splitlines() if each.split(" ")[0] != line.split(" ")[0]]
        lines.insert(lines.index("[provider]") + 1, line)
        with open(file, "w") as f:
            f.write("\n".join(lines) + "\n")
        self.ok("hanse", "up", "--dir", net, "--detach")

    @staticmethod
    def has_ended(pid):
        try:
            with open(f"/proc/{pid}/stat") as f:
                return f.read().split()[2] == "Z"
        except FileNotFoundError:
            return True

    def order_and_die(self, net):
        """A client that is killed between the match and the payload: the job, and its file."""
        line = CutOff(self.path("cut.sock"), os.path.join(net, "validator-0", "api.sock"), 250_000)
        line.start()
        file = self.job("hidden.yaml", "word " * 200_000)
        client = subprocess.Popen(
            [os.path.join(BIN, "hanse"), "submit", file, "--node", "unix:" + self.path("cut.sock"), "--wallet",
             os.path.join(net, "wallet.json")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(client.wait)
        self.addCleanup(client.kill)
        self.assertTrue(line.cut.wait(60))
        client.kill()
        jobs = self.ok("hanse", "status", "--dir", net)["jobs"]
        self.assertEqual([(j["state"], j["payload"]) for j in jobs], [("matched", "awaited")])
        return jobs[0]["job_id"], file

    def test_a_private_job_is_settled_and_opens_for_its_payer_alone(self):
        net = self.up()
        opened = self.ok("hanse", "submit", self.job("open.yaml", OPEN_MARK, ""), "--dir", net, "--wait")
        hidden = self.ok("hanse", "submit", self.job("hidden.yaml", MARK), "--dir", net, "--wait")
        for done, mark in ((opened, OPEN_MARK), (hidden, MARK)):
            self.assertEqual(done["status"], "ok", done)
            with open(done["output"]) as f:
                self.assertIn(mark, f.read())
        record = self.status(net, hidden["job_id"])
        self.assertEqual(len(record["payload"]), 64)
        self.assertNotIn("payload", self.status(net, opened["job_id"]))
        verified = run("hanse-verify", hidden["receipt"], "--genesis", os.path.join(net, "genesis.cbor"))
        self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)
        # Later, with nothing but the wallet.
        again = self.ok("hanse", "receipt", "get", hidden["job_id"], "--dir", net, "--out", self.path("r.receipt"),
                        "--outputs", self.path("later"))
        with open(again["outputs"][0]) as f:
            self.assertIn(MARK, f.read())
        self.conserved(net)
        self.refused(2, "cli.usage", "hanse", "submit", self.job("hidden.yaml", MARK), "--dir", net, "--repeat", 2)
        run("hanse", "down", "--dir", net)
        nodes = [each.path for each in os.scandir(net) if os.path.exists(os.path.join(each.path, "node.toml"))]
        self.assertEqual(len(nodes), 2)
        self.assertTrue(any(folder_has(node, OPEN_MARK) for node in nodes))  # so the search can find one
        for node in nodes:
            self.assertIsNone(folder_has(node, MARK))

    def test_a_sealed_bid_is_private_too(self):
        net = self.up()
        # Of two in a cell the lower one is the marginal trade, which is taken out.
        lower = subprocess.Popen(
            [os.path.join(BIN, "hanse"), "submit", self.job("open.yaml", OPEN_MARK, ""), "--dir", net, "--sealed",
             "--wait", "--limit", "800000"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(lower.wait)
        done = self.ok("hanse", "submit", self.job("hidden.yaml", MARK), "--dir", net, "--sealed", "--wait")
        self.assertGreater(done["round"], 0)
        with open(done["output"]) as f:
            self.assertIn(MARK, f.read())

    def test_a_provider_without_a_key_is_never_matched(self):
        net = self.up()
        self.change_provider(net, "private_jobs = false")
        self.wait_for("an open job to be taken", lambda: run(
            "hanse", "submit", self.job("open.yaml", "x", ""), "--dir", net).returncode == 0)
        error = self.refused(1, "market.unmatched", "hanse", "submit", self.job("hidden.yaml", MARK), "--dir", net)
        self.assertIn("private 1", error["message"])

    def test_a_payload_that_is_withheld_costs_its_payer(self):
        net = self.up()
        provider = lambda: self.ok("hanse", "provider", "list", "--dir", net)["providers"][0]
        job, _ = self.order_and_die(net)
        # Another file is not what was ordered; the end comes without a word of the provider's.
        self.refused(5, "payload.other_input", "hanse", "submit", self.job("other.yaml", "drow " * 200_000), "--dir",
                     net, "--payload-of", job)
        end = self.ended(net, job)
        self.assertEqual((end["reason"], end["payload"]), ("no_payload", "never given"), end)
        self.assertEqual((provider()["used"], provider()["faults"]), (0, 0))
        self.conserved(net)

    def test_a_payload_is_given_by_a_second_command_when_the_first_died(self):
        net = self.up()
        job, file = self.order_and_die(net)
        self.assertEqual(len(self.ok("hanse", "submit", file, "--dir", net, "--payload-of", job)["payload"]), 64)
        self.assertEqual(self.ended(net, job)["state"], "settled")

    def test_a_liar_is_judged_when_its_payer_reveals_the_inputs(self):
        net = self.path("net")
        self.addCleanup(run, "hanse", "down", "--dir", net)
        self.ok("hanse", "up", "--dir", net, "--validators", 4, "--providers", 1, "--audits", 100, "--detach")
        self.change_provider(net, f'plugin_dir = "{os.path.join(BIN, "../lib/hanse-liar-1")}"')
        with open(digits_job()) as f:
            job = f.read().replace("data/", os.path.join(os.path.dirname(digits_job()), "data") + "/")
        file = self.write("digits.yaml", job + "private: true\n")
        job = self.ok("hanse", "submit", file, "--dir", net)["job_id"]
        self.wait_for("the receipt", lambda: self.status(net, job)["state"] == "receipted")
        self.assertEqual(self.ok("hanse", "challenge", job, "--reveal", "--dir", net)["state"], "audited")
        end = self.ended(net, job)
        self.assertEqual((end["state"], end["reason"]), ("closed", "false_receipt"), end)
        self.conserved(net)


if __name__ == "__main__":
    unittest.main()

"""What the end-to-end tests share: the programs, a network in a temporary folder, and its clean end."""
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("HANSE_BIN_DIR", os.path.join(ROOT, "build/bin"))


def run(program, *args, timeout=120, **kwargs):
    return subprocess.run([os.path.join(BIN, program), *map(str, args)], capture_output=True, text=True, check=False,
                          timeout=timeout, stdin=subprocess.DEVNULL, **kwargs)


def has_ended(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
            return f.read().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def digits_job():
    """The job file of the digits example, with its model drawn and trained when that was not done yet."""
    folder = os.path.join(ROOT, "examples/digits")
    if not os.path.exists(os.path.join(folder, "data/model.hml")):
        subprocess.run(["python3", os.path.join(folder, "make.py")], check=True, capture_output=True)
    return os.path.join(folder, "job.yaml")


class Lab(unittest.TestCase):
    """A test with a folder of its own; networks started through up() are stopped at the end."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="hanse-e2e-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def write(self, name, content):
        full = self.path(name)
        with open(full, "wb" if isinstance(content, bytes) else "w") as f:
            f.write(content)
        return full

    def ok(self, program, *args, **kwargs):
        done = run(program, *args, "--json", **kwargs)
        self.assertEqual(done.returncode, 0, f"{program} {args}:\n{done.stdout}{done.stderr}")
        return json.loads(done.stdout)

    def refused(self, code, error_id, program, *args, **kwargs):
        """Runs, expects the exit code and the error id on stdout, returns the error."""
        done = run(program, *args, "--json", **kwargs)
        self.assertEqual(done.returncode, code, f"{program} {args}:\n{done.stdout}{done.stderr}")
        error = json.loads(done.stdout)["error"]
        self.assertEqual(error["id"], error_id, error)
        self.assertEqual(set(error), {"id", "code", "message", "path"})
        return error

    def up(self, providers=1, name="net", validators=1):
        net = self.path(name)
        self.addCleanup(run, "hanse", "down", "--dir", net)
        self.ok("hanse", "up", "--dir", net, "--validators", validators, "--providers", providers, "--detach")
        return net

    def wait_for(self, what, check, seconds=60):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            value = check()
            if value:
                return value
            threading.Event().wait(0.05)
        self.fail(f"waited {seconds} s for {what}")

    def pid_of(self, net, node):
        with open(os.path.join(net, node, "run.json"), encoding="utf-8") as f:
            return json.load(f)["pid"]

    def end_node(self, net, node, how=signal.SIGKILL):
        """Sends the signal and waits until the process is gone: only then `hanse up` starts the node again."""
        pid = self.pid_of(net, node)
        os.kill(pid, how)
        self.wait_for(f"{node} to end", lambda: has_ended(pid))

    def conserved(self, net):
        """Accounts, escrow, sealed bids, bonds, treasury and burned tokens add up to the supply of the genesis file."""
        money = self.ok("hanse", "status", "--dir", net)["money"]
        parts = sum(money[k] for k in ("accounts_ut", "escrow_ut", "sealed_ut", "bonds_ut", "treasury_ut", "burned_ut"))
        self.assertEqual(parts, money["supply_ut"], money)
        return money

"""A provider whose jobs run in pilots: on a real Slurm here, and behind an API that answers as Kubernetes."""
import json
import os
import signal
import subprocess
import threading
import unittest

from kube_api import KubeApi, job_faults
from lab import BIN, ROOT, Lab, digits_job, run
from slurm_lab import Slurm, why_not

WORDFREQ = os.path.join(ROOT, "examples/jobs/wordfreq.yaml")
LONG = f"""kind: wasm/v1
artifact: {ROOT}/examples/wasm/spin.wasm
limits: {{gas: 8G, memory: 4MiB, time: 60s, output: 1KiB}}
limit: 100000000
isolation: 3
"""


class ScaleOut(Lab):
    """One network; its provider is given [pilots] by the environment."""

    def up_with(self, **pilots):
        self.net = self.path("net")
        self.addCleanup(run, "hanse", "down", "--dir", self.net)
        settings = dict(list_ms=500, max=2, idle_ms=60_000, **pilots)
        self.env = dict(os.environ, **{f"HANSE_PILOTS__{k.upper()}": str(v) for k, v in settings.items()})
        self.start()

    def start(self):
        done = run("hanse", "up", "--dir", self.net, "--providers", 1, "--detach", "--json", env=self.env, timeout=120)
        self.assertEqual(done.returncode, 0, done.stdout + self.log())

    def log(self):
        try:
            with open(os.path.join(self.net, "provider-0/node.log"), encoding="utf-8") as f:
                return f.read()
        except OSError:
            return ""

    def provider_pid(self):
        with open(os.path.join(self.net, "provider-0/run.json"), encoding="utf-8") as f:
            return json.load(f)["pid"]

    def submit(self, job, code=0):
        done = run("hanse", "submit", job, "--dir", self.net, "--wait", "--json", timeout=180)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr + self.log())
        answer = json.loads(done.stdout)
        checked = run("hanse-verify", answer["receipt"], "--genesis", os.path.join(self.net, "genesis.cbor"))
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
        return answer

    def settled(self, answer):
        self.assertEqual(self.ok("hanse", "status", answer["job_id"], "--dir", self.net)["state"], "settled")

    def pilots_here(self):
        """Processes of hanse-pilot that this test's programs are."""
        out = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.readlink(f"/proc/{pid}/exe") == os.path.realpath(os.path.join(BIN, "hanse-pilot")):
                    out.append(int(pid))
            except OSError:
                pass
        return out


@unittest.skipIf(why_not(), why_not())
class OnSlurm(ScaleOut):
    def setUp(self):
        super().setUp()
        self.slurm = Slurm()
        self.addCleanup(self.slurm.stop)
        os.environ["SLURM_CONF"] = self.slurm.conf
        self.addCleanup(os.environ.pop, "SLURM_CONF", None)
        self.up_with(cluster="slurm", memory_mib=256, slurm_output=self.path("pilot-%j.log"))

    def test_jobs_settle_while_pilots_are_cancelled_and_the_provider_is_killed(self):
        self.assertEqual(self.slurm.jobs(), [])
        self.settled(self.submit(WORDFREQ))
        self.settled(self.submit(digits_job()))
        self.assertEqual(len(self.slurm.jobs()), 1)
        self.assertIn("jobs run in pilots", self.log())

        # A pilot that is cancelled in the middle of a job: another one does it.
        answers = []
        long = self.write("long.yaml", LONG)
        submit = threading.Thread(target=lambda: answers.append(self.submit(long, code=1)))
        first = self.slurm.jobs()[0]
        submit.start()
        worker_busy = self.wait_for("a job in a pilot", self.busy_worker)
        self.assertTrue(worker_busy)
        self.slurm.command("scancel", first)
        submit.join()
        self.assertEqual(answers[0]["status"], "gas_exhausted")
        self.settled(answers[0])
        self.assertNotIn(first, self.slurm.jobs())

        # A provider that is killed leaves pilots. These are stopped and see nothing of it, so the next process of the
        # provider must find and end them.
        self.assertTrue(self.slurm.jobs())
        before = set(self.slurm.all_jobs())
        for pilot in self.pilots_here():
            os.kill(pilot, signal.SIGSTOP)
        os.kill(self.provider_pid(), signal.SIGKILL)
        self.start()
        self.wait_for("the end of old pilots", lambda: not before & set(self.slurm.all_jobs()))
        self.settled(self.submit(WORDFREQ))
        run("hanse", "down", "--dir", self.net)
        self.wait_for("no pilots", lambda: not self.slurm.all_jobs() and not self.pilots_here())
        self.conserved_after_restart()

    def conserved_after_restart(self):
        self.start()
        self.conserved(self.net)

    def busy_worker(self):
        """A worker below a pilot that uses its processor."""
        for pilot in self.pilots_here():
            done = subprocess.run(["ps", "-Ao", "pid=,ppid=,time="], capture_output=True, text=True, check=True)
            rows = [line.split() for line in done.stdout.splitlines()]
            below = {str(pilot)}
            for _ in range(3):
                below |= {pid for pid, parent, _ in rows if parent in below}
            if any(pid in below and used >= "00:00:01" for pid, _, used in rows if pid != str(pilot)):
                return True
        return False


class OnKubernetes(ScaleOut):
    def setUp(self):
        super().setUp()
        self.api = KubeApi(self.folder)
        self.addCleanup(self.api.close)
        self.pilots = dict(cluster="kubernetes", kubernetes_url=self.api.url, kubernetes_namespace="jobs",
                           kubernetes_token_file=self.write("token", "a-token\n"), kubernetes_ca_file=self.api.cert,
                           kubernetes_image="hanse:1", program=os.path.join(BIN, "hanse-pilot"))

    def test_jobs_settle_while_pods_die_and_the_provider_is_killed(self):
        self.up_with(**self.pilots)
        self.settled(self.submit(WORDFREQ))
        self.settled(self.submit(digits_job()))
        first = self.api.active()
        self.assertEqual(len(first), 1)
        with self.api.lock:
            self.api.pods[first[0]].kill()
        self.settled(self.submit(WORDFREQ))
        left = self.api.active()
        self.assertNotEqual(left, first)
        with self.api.lock:
            for name in left:
                os.kill(self.api.pods[name].pid, signal.SIGSTOP)
        os.kill(self.provider_pid(), signal.SIGKILL)
        self.start()
        self.wait_for("the end of old pods", lambda: not set(left) & set(self.api.active()))
        self.settled(self.submit(WORDFREQ))
        run("hanse", "down", "--dir", self.net)
        self.wait_for("no pods", lambda: not self.api.active())
        self.assertFalse([r for r in self.api.refused if r[0] != 404], self.api.refused)

    def test_what_the_api_refuses_is_told_and_tried_again(self):
        self.api.fail_next = [("GET", 410, "Expired"), ("GET", 500, "InternalError"), ("POST", 403, "Forbidden"),
                              ("POST", 429, "TooManyRequests")]
        self.up_with(**self.pilots)
        self.settled(self.submit(WORDFREQ))
        for words in ("410 (Expired", "500 (InternalError", "403 (Forbidden", "429 (TooManyRequests"):
            self.assertIn("HTTP " + words, self.log())
        self.assertFalse(self.api.fail_next)
        for secret in self.api.secrets.values():
            self.assertNotIn(secret["ticket"].split()[-1], self.log())

    def test_a_server_with_another_certificate_or_a_wrong_token_gets_no_pilots(self):
        other = KubeApi(self.folder_of("other"))
        self.addCleanup(other.close)
        self.up_with(**dict(self.pilots, kubernetes_ca_file=other.cert))
        self.wait_for("the refusal", lambda: "pilots.cluster_denied" in self.log())
        self.assertFalse(self.api.seen)
        run("hanse", "down", "--dir", self.net)
        self.env["HANSE_PILOTS__KUBERNETES_CA_FILE"] = self.api.cert
        self.env["HANSE_PILOTS__KUBERNETES_TOKEN_FILE"] = self.write("bad-token", "nobody")
        self.start()
        self.wait_for("the refusal", lambda: "HTTP 401 (Unauthorized" in self.log())
        self.assertFalse(self.api.jobs)

    def folder_of(self, name):
        os.mkdir(self.path(name))
        return self.path(name)

    def test_the_stand_in_refuses_what_the_api_refuses(self):
        self.up_with(**self.pilots)
        self.submit(WORDFREQ)
        job = json.loads(json.dumps(next(iter(self.api.jobs.values()))))
        del job["status"]
        for key in ("uid", "resourceVersion", "creationTimestamp"):
            del job["metadata"][key]
        self.assertEqual(job_faults(job, "jobs"), [])
        for change in (lambda j: j["spec"].update(backofLimit=0), lambda j: j["spec"].update(backoffLimit="0"),
                       lambda j: j["metadata"].update(name="A_b"), lambda j: j.update(apiVersion="batch/v1beta1"),
                       lambda j: j["spec"]["template"]["spec"]["securityContext"].update(runAsUser=0),
                       lambda j: j["spec"]["template"]["spec"].update(restartPolicy="Always")):
            bad = json.loads(json.dumps(job))
            change(bad)
            self.assertTrue(job_faults(bad, "jobs"))


if __name__ == "__main__":
    if why_not():
        print(f"skipped: the test on Slurm: {why_not()}", flush=True)
    unittest.main()

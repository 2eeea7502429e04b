"""The public services on real processes: TLS, tokens, certificates, scopes, rates, orders, streams and metrics."""
import json
import os
import signal
import subprocess
import unittest
import urllib.request

from lab import BIN, ROOT, Lab, run

WORDFREQ = os.path.join(ROOT, "examples/jobs/wordfreq.yaml")


class Services(Lab):
    @classmethod
    def setUpClass(cls):
        cls.lab = Lab()
        cls.lab.setUp()
        cls.net = cls.lab.path("net")
        cls.lab.addCleanup(run, "hanse", "down", "--dir", cls.net)
        made = run("hanse", "up", "--dir", cls.net, "--validators", 1, "--providers", 1, "--services", 0, "--detach")
        assert made.returncode == 0, made.stdout + made.stderr
        cls.door = os.path.join(cls.net, "services.door")
        cls.tokens = os.path.join(cls.net, "validator-0/tokens.json")
        with open(os.path.join(cls.net, "validator-0/data/ready"), encoding="utf-8") as f:
            cls.ready = json.load(f)

    @classmethod
    def tearDownClass(cls):
        cls.lab.doCleanups()

    def token(self, name, scopes, *more):
        """A door file with a new token."""
        path = self.path(f"{name}.door")
        self.ok("hanse", "token", "new", "--file", self.tokens, "--name", name, "--scopes", scopes, "--door", self.door,
                "--out", path, *more)
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        return path

    def remote(self, door):
        return ["--node", f"tls:{door}", "--wallet", os.path.join(self.net, "wallet.json")]

    def signed(self, name="job.gxf", *more):
        path = self.path(name)
        answer = self.ok("hanse", "submit", WORDFREQ, "--dir", self.net, "--write", path, *more)
        return path, answer["job_id"]

    def stats(self):
        return self.ok("hanse", "services", "stats", "--door", self.door)

    def test_1_a_job_is_ordered_from_elsewhere_and_its_receipt_holds(self):
        out = self.path("out")
        os.mkdir(out)
        answer = self.ok("hanse", "submit", WORDFREQ, *self.remote(self.door), "--wait", cwd=out)
        self.assertEqual(answer["status"], "ok")
        checked = run("hanse-verify", os.path.join(out, answer["receipt"]), "--genesis",
                      os.path.join(self.net, "genesis.cbor"), "--output", os.path.join(out, answer["output"]))
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)

    def test_2_the_execution_service_runs_a_signed_job_to_its_end_and_every_step_is_streamed(self):
        path, job = self.signed()
        ended = self.ok("hanse", "services", "run", path, "--door", self.door)
        self.assertEqual((ended["state"], ended["status"]), ("settled", "ok"))
        self.assertEqual(self.ok("hanse", "services", "job", job, "--door", self.door)["state"], "settled")
        path, job = self.signed("two.gxf")
        ordered = self.ok("hanse", "services", "auction", path, "--door", self.door)
        self.assertTrue(ordered["ordered"])
        self.assertEqual(len(ordered["route"]), 2)
        steps = self.ok("hanse", "services", "watch", job, "--door", self.door)["steps"]
        states = [s["state"] for s in steps]
        self.assertEqual(states[-1], "settled")
        self.assertEqual(steps[-1]["status"], "ok")
        self.assertIn(states, (["matched", "started", "receipted", "settled"], ["settled"]))  # it may have ended first

    def test_2_an_unsigned_job_is_quoted_and_costs_nothing(self):
        path, job = self.signed("bare.gxf", "--unsigned")
        quoted = self.ok("hanse", "services", "auction", path, "--door", self.door)
        self.assertFalse(quoted["ordered"])
        self.assertGreater(quoted["price_ut"], 0)
        self.refused(1, "market.no_job", "hanse", "services", "job", job, "--door", self.door)
        self.refused(2, "services.priority", "hanse", "services", "auction", path, "--door", self.door, "--priority",
                     300)

    def test_3_the_router_takes_no_lane_in_place_of_another(self):
        routes = self.token("routes", "route,read,bid", "--by-router")
        before = self.stats()["router"]["total"]
        self.ok("hanse", "submit", WORDFREQ, *self.remote(routes))
        self.assertEqual(self.stats()["router"]["total"], before + 1)
        self.wait_for("the job's end", lambda: self.stats()["router"]["active_flash"] == 0)
        for lane in ("flash", "deep"):
            path = self.path(f"{lane}.gxf")
            self.ok("hanse", "submit", self.job_of(lane), *self.remote(routes), "--write", path)
            error = self.refused(3, "services.no_mix", "hanse", "services", "route", path, "--door", routes)
            self.assertIn(f"the {lane} lane", error["message"])
        self.assertEqual(self.stats()["router"]["total"], before + 1)

    def job_of(self, lane):
        with open(WORDFREQ, encoding="utf-8") as f:
            lines = [line for line in f.read().splitlines() if not line.startswith("lane:")]
        text = "\n".join([*lines, f"lane: {lane}", ""])
        return self.write(f"{lane}.yaml", text.replace("../", os.path.join(ROOT, "examples/")))

    def test_4_a_provider_registers_and_a_job_is_cancelled_by_a_token_that_may(self):
        wallet = self.path("seller.json")
        self.ok("hanse", "keygen", "--out", wallet, "--unencrypted")
        provides = self.token("provides", "provide,read")
        account = self.ok("hanse", "wallet", "show", wallet)["account"]
        self.ok("hanse", "wallet", "send", account, "20000000", "--dir", self.net)
        node = ["--node", f"tls:{provides}", "--wallet", wallet]
        self.ok("hanse", "provider", "register", *node, "--region", "EU", "--bond", 10000000, "--capacity", 1,
                "--isolation", 3)
        # The cheapest ask, of a provider that runs nothing: the next job waits for it and can be cancelled.
        self.ok("hanse", "provider", "offer", *node, "--base-price", 1, "--isolation", 3)
        bids = self.token("bids", "bid,read")
        job = self.ok("hanse", "submit", WORDFREQ, *self.remote(bids))
        self.assertEqual(job["provider"], account)
        self.refused(4, "services.scope", "hanse", "cancel", job["job_id"], *self.remote(bids))
        cancels = self.token("cancels", "cancel,read")
        self.ok("hanse", "cancel", job["job_id"], *self.remote(cancels))
        done = run("hanse", "services", "watch", job["job_id"], "--door", self.door, "--json")
        self.assertEqual(json.loads(done.stdout)["steps"][-1]["reason"], "cancelled")
        asks = self.ok("hanse", "provider", "withdraw", *node, "--all")
        self.assertIsNotNone(asks)
        self.conserved(self.net)

    def test_5_what_opens_nothing_is_refused(self):
        with open(self.door, encoding="utf-8") as f:
            base = json.load(f)

        def door(name, **changes):
            made = {k: v for k, v in {**base, **changes}.items() if v is not None}
            path = self.write(name, json.dumps(made))
            os.chmod(path, 0o600)
            return path

        ask = ["hanse", "services", "stats", "--door"]
        self.refused(4, "services.no_credentials", *ask, door("none.door", token=None))
        self.refused(4, "services.unknown_token", *ask, door("guess.door", token="hanse_guess"))
        self.refused(4, "services.scope", *ask, self.token("noread", "bid"))
        self.refused(4, "services.token_expired", *ask, self.token("short", "read", "--expires", 0))
        revoked = self.token("gone", "read")
        self.ok(*ask, revoked)
        self.ok("hanse", "token", "revoke", "gone", "--file", self.tokens)
        self.refused(4, "services.token_revoked", *ask, revoked)
        states = {t["name"]: t["state"] for t in self.ok("hanse", "token", "list", "--file", self.tokens)["tokens"]}
        self.assertEqual((states["gone"], states["short"], states["noread"]), ("revoked", "expired", "good"))
        self.refused(1, "door.exists", "hanse", "token", "new", "--file", self.tokens, "--name", "gone", "--scopes",
                     "read")
        slow = self.token("slow", "read", "--rate", 1, "--burst", 1)
        error = self.refused(1, "services.rate_limited", *ask, slow)  # two calls: the second comes too soon
        self.assertRegex(error["message"], r"try again in \d+ ms")
        self.refused(4, "gate.wrong_identity", *ask, door("other.door", server=self.provider_id()))
        os.chmod(revoked, 0o644)
        self.refused(4, "client.door", *ask, revoked)

    def provider_id(self):
        with open(os.path.join(self.net, "network.json"), encoding="utf-8") as f:
            return next(n["id"] for n in json.load(f)["nodes"] if n["role"] == "provider")

    def test_6_certificates_open_what_their_account_may_and_others_nothing(self):
        # A second node's file of tokens does not matter: this one is told whom it lets in when it starts.
        net = self.path("closed")
        self.addCleanup(run, "hanse", "down", "--dir", net)
        self.ok("hanse", "up", "--dir", net, "--validators", 1, "--providers", 0, "--services", 0, "--detach")
        self.ok("hanse", "down", "--dir", net)
        account = self.ok("hanse", "wallet", "show", os.path.join(net, "wallet.json"))["account"]
        config = os.path.join(net, "validator-0/node.toml")
        with open(config, encoding="utf-8") as f:
            text = f.read()
        with open(config, "w", encoding="utf-8") as f:
            f.write(text.replace("[services]\n", f'[services]\nidentities = ["{account}/read+bid"]\n'))
        self.ok("hanse", "up", "--dir", net, "--detach")
        stranger = self.path("stranger.json")
        self.ok("hanse", "keygen", "--out", stranger, "--unencrypted")
        with open(os.path.join(net, "services.door"), encoding="utf-8") as f:
            base = json.load(f)
        del base["token"]
        for key, name in ((os.path.join(net, "wallet.json"), "known"), (stranger, "unknown")):
            path = self.write(f"{name}.door", json.dumps({**base, "key_file": key}))
            os.chmod(path, 0o600)
            if name == "known":
                self.ok("hanse", "services", "stats", "--door", path)
            else:
                self.refused(4, "services.unknown_identity", "hanse", "services", "stats", "--door", path)

    def test_7_the_handshake_is_tls_1_3_with_a_post_quantum_exchange_and_tls_1_2_is_refused(self):
        port = self.ready["services_ports"][0]

        def shake(*args):
            done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-alpn", "h2", *args],
                                  input=b"", capture_output=True, timeout=30, check=False)
            return done.returncode, (done.stdout + done.stderr).decode(errors="replace")

        code, said = shake("-groups", "X25519MLKEM768", "-sigalgs", "mldsa65")
        self.assertEqual(code, 0, said)
        self.assertIn("X25519MLKEM768", said)
        self.assertIn("mldsa65", said.lower())
        code, said = shake("-groups", "X25519", "-sigalgs", "ed25519")  # of who has nothing newer
        self.assertEqual(code, 0, said)
        pem = os.path.join(self.net, "validator-0/data/services.pem")
        code, said = shake("-CAfile", pem, "-verify_return_error", "-verify_ip", "127.0.0.1")
        self.assertEqual(code, 0, said)
        for refused in (["-tls1_2"], ["-groups", "P-256"]):
            code, said = shake(*refused)
            self.assertNotEqual(code, 0, said)
            self.assertIn("alert", said)

    def test_8_the_metrics_are_on_the_alias_ports_too(self):
        self.assertEqual(len(self.ready["metrics_aliases"]), 3)
        for port in self.ready["metrics_aliases"]:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
                page = answer.read().decode()
            for series in ('hanse_router_packets_total{lane="flash"}', 'hanse_router_active_jobs{lane="flash"}',
                           'hanse_auction_clearing_price_ut_bucket{le="', "hanse_auction_volume_ut_total ",
                           'hanse_auction_matches_by_precision_total{precision="int8"}', "hanse_auction_matches_total{",
                           "hanse_auction_provider_utilization_bp{provider=", "hanse_auction_runs_total{result=",
                           'hanse_runtime_jobs_total{status="ok"}', "hanse_services_connections "):
                self.assertIn(series, page)

        def total(name):
            lines = [line for line in page.splitlines() if line.startswith((name + "{", name + " "))]
            return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

        market = self.stats()["auction"]
        self.assertEqual(total("hanse_auction_matches_total"), market["matches"])
        self.assertEqual(total("hanse_auction_matches_by_precision_total"), market["matches"])  # int8 all of them
        self.assertEqual(total("hanse_auction_clearing_price_ut_count"), market["matches"])
        self.assertEqual(total("hanse_auction_volume_ut_total"), market["volume_ut"])
        self.assertEqual(total("hanse_runtime_jobs_total"), market["settled"] + market["closed"])
        self.assertEqual(total("hanse_router_packets_total"), self.stats()["router"]["total"])

    def test_9_a_provider_works_for_the_node_from_elsewhere(self):
        with open(os.path.join(self.net, "provider-0/run.json"), encoding="utf-8") as f:
            pid = json.load(f)["pid"]
        os.kill(pid, signal.SIGTERM)
        ready = os.path.join(self.net, "provider-0/data/ready")
        self.wait_for("the provider's end", lambda: not os.path.exists(f"/proc/{pid}"))
        works = self.token("works", "provide,read,cancel", "--rate", 100)
        log = open(self.path("log"), "wb")
        self.addCleanup(log.close)
        provider = subprocess.Popen([os.path.join(BIN, "hansed"), "--config",
                                     os.path.join(self.net, "provider-0/node.toml"), "--set",
                                     f"provider.node=tls:{works}"], stdout=log, stderr=log)
        self.addCleanup(provider.wait, 60)
        self.addCleanup(provider.terminate)
        self.wait_for("the provider", lambda: os.path.exists(ready))
        book = ["hanse", "market", "book", "--dir", self.net]
        self.wait_for("its ask", lambda: self.ok(*book)["asks"])
        answer = self.ok("hanse", "submit", WORDFREQ, "--dir", self.net, "--wait")
        self.assertEqual(answer["status"], "ok")


if __name__ == "__main__":
    unittest.main()

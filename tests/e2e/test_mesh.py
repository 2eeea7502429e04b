"""Nodes of the mesh as real processes on loopback: six bootstrap nodes, what `hanse mesh check` says of them, peers
that meet through them, a validator's API through the mesh, and clean ends."""
import json
import os
import signal
import subprocess
import time
import unittest
import urllib.request

from lab import BIN, Lab, run

NETWORK = "5e" * 32


class Mesh(Lab):
    def setUp(self):
        super().setUp()
        self.nodes = {}

    def key(self, name):
        os.mkdir(self.path(name), 0o700)
        self.ok("hanse", "node", "keygen", "--out", self.path(name, "key.json"), "--unencrypted")
        return self.ok("hanse", "mesh", "id", "--key", self.path(name, "key.json"))["peer_id"]

    def config(self, name, bind, known=(), **mesh):
        lines = [f'{k} = {json.dumps(v)}' for k, v in mesh.items()]
        self.write(f"{name}/node.toml", "\n".join([
            "[identity]", "allow_unencrypted = true", "[roles]", 'enabled = ["mesh"]', "[mesh]",
            f'network = "{NETWORK}"', f'bind_address = "{bind}"', 'health_address = "127.0.0.1:0"',
            f"known_peers = {json.dumps(list(known))}", *lines, ""]))

    def start(self, name):
        log = open(self.path(name, "log"), "wb")  # pylint: disable=consider-using-with
        self.addCleanup(log.close)
        process = subprocess.Popen([os.path.join(BIN, "hansed"), "--config", self.path(name, "node.toml")],
                                   stdout=subprocess.PIPE, stderr=log, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        ready = process.stdout.readline()
        self.assertTrue(ready, f"{name} did not start")
        self.nodes[name] = (process, json.loads(ready))

    def mesh(self, name, verb, *args):
        return self.ok("hanse", "mesh", verb, *args, "--socket", self.path(name, "mesh.sock"))

    def dial(self, name, peer, *args):
        return self.mesh(name, "dial", peer, *args, "--wait-ms", 20000)

    def health(self, name):
        url = f"http://127.0.0.1:{self.nodes[name][1]['mesh_health_port']}/health"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refused:
            return refused.code, json.load(refused)

    def six(self):
        pid = os.getpid()
        names = [f"n{i}" for i in range(6)]
        ids = {name: self.key(name) for name in names}
        # Loopback is a /8: addresses of this process alone, so that ports can be told in advance.
        address = {name: f"127.{64 + pid // 250 % 64}.{pid % 250}.{i + 1}:12000" for i, name in enumerate(names)}
        for name in names:
            known = [f"{ids[other]}@{address[other]}" for other in names if other != name]
            self.config(name, address[name], known, coordinator=True, reflector=True, relay=True)
            self.start(name)
        for name in names:
            for other in names:
                if other != name:
                    self.dial(name, ids[other])
        return names, ids, address

    def test_six_bootstrap_nodes_form_a_full_mesh_and_a_killed_one_is_named(self):
        names, ids, _ = self.six()
        whole = self.mesh("n0", "check")
        self.assertTrue(whole["whole"])
        self.assertEqual([n["links"] for n in whole["nodes"]], [5] * 6)
        for name in names:
            status, health = self.health(name)
            self.assertEqual((status, health["status"], health["peers"]), (200, "healthy", 5), health)
            self.assertEqual(health["peer_id"], ids[name])
            self.assertEqual(health["roles"], ["coordinator", "reflector", "relay"])

        killed = self.nodes["n3"][0]
        killed.kill()
        killed.wait()
        done = run("hanse", "mesh", "check", "--socket", self.path("n0", "mesh.sock"), "--json")
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        answer = json.loads(done.stdout)
        self.assertFalse(answer["whole"])
        silent = [n["peer"] for n in answer["nodes"] if not n["answered"]]
        self.assertEqual(silent, [ids["n3"]])
        expected = {frozenset((ids["n3"], ids[other])) for other in names if other != "n3"}
        self.assertEqual({frozenset(pair) for pair in answer["missing"]}, expected)
        words = run("hanse", "mesh", "check", "--socket", self.path("n0", "mesh.sock")).stdout
        self.assertIn("not whole: 5 links are missing", words)

        self.start("n3")
        for name in names:
            if name != "n3":
                self.dial(name, ids["n3"])
        self.assertTrue(self.mesh("n1", "check")["whole"], "it is back")

    def test_two_peers_meet_through_a_relay_and_go_on_when_it_stops(self):
        ids = {name: self.key(name) for name in ("r1", "r2", "a", "b")}
        for name in ("r1", "r2"):
            self.config(name, "127.0.0.1:0,[::1]:0", relay=True, standalone=True, relay_bytes_per_s=100_000_000)
            self.start(name)
        # One has IPv4 alone and the other IPv6 alone: there is no other way than through a relay.
        for name, bind, family in (("a", "127.0.0.1:0", 0), ("b", "[::1]:0", 1)):
            known = [f"{ids[r]}@{self.nodes[r][1]['mesh'][family]}" for r in ("r1", "r2")]
            self.config(name, bind, known, speed_test=True)
            self.start(name)
        for name in ("a", "b"):
            for relay in ("r1", "r2"):
                self.dial(name, ids[relay])
        self.refused(3, "peering.timeout", "hanse", "mesh", "dial", ids["b"], "--direct", "--wait-ms", "1000",
                     "--socket", self.path("a", "mesh.sock"))
        path = self.mesh("a", "paths", ids["b"])["paths"][0]
        self.assertEqual(path["path"], "relay")
        relay = next(name for name in ("r1", "r2") if ids[name] == path["relay"])
        self.assertEqual(self.mesh("a", "speed", ids["b"], "--bytes", "2000000")["streams"], 1)
        self.assertEqual(self.health(relay)[1]["relay"]["circuits"], 1)

        stopping = self.nodes[relay][0]
        stopping.send_signal(signal.SIGTERM)
        self.assertEqual(stopping.wait(15), 0)
        after = self.mesh("a", "speed", ids["b"], "--bytes", "2000000")
        self.assertEqual(after["bytes"], 2_000_000)
        self.assertNotEqual(self.mesh("a", "paths", ids["b"])["paths"][0]["relay"], ids[relay])

    def mix(self, name, verb, *args):
        return run("hanse", "mix", verb, *args, "--socket", self.path(name, "mesh.sock"), "--json")

    def test_a_mix_of_five_daemons_carries_pings_and_their_answers_on_both_lanes(self):
        names = ["m0", "m1", "m2", "a", "b"]  # three mixes, one of each stratum, and two that only receive
        ids = {name: self.key(name) for name in names}
        nodes = [f"{ids[name]}/{i}" if i < 3 else ids[name] for i, name in enumerate(names)]
        known = []
        for name in names:
            self.config(name, "127.0.0.1:0", known, standalone=True)
            with open(self.path(name, "node.toml"), "r+", encoding="utf-8") as file:
                text = file.read().replace('["mesh"]', '["mesh", "router"]')
                file.seek(0)
                file.write(text + "\n".join([
                    "[router]", f"nodes = {json.dumps(nodes)}", "epoch_ms = 8000", "anonymity_bits = 0",
                    "delay_min_ms = 20", "sends_per_min = 1200", "mix_loops_per_min = 60", ""]))
            self.start(name)
            known.append(f"{ids[name]}@{self.nodes[name][1]['mesh'][0]}")
        # The first key takes cells in the epoch after the first start.
        end = time.monotonic() + 60
        while not all(status["takes_cells"] and status["nodes"] == 5 for status in
                      (json.loads(self.mix(name, "status").stdout) for name in names)):
            self.assertLess(time.monotonic(), end, "no epoch in which all take cells")
        # A ping that meets an epoch's end may be lost; one of three does not.
        for lane in ((), ("--deep",)):
            for _ in range(3):
                done = self.mix("a", "ping", ids["b"], *lane, "--wait-ms", "4000")
                if done.returncode == 0:
                    break
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(json.loads(done.stdout)["lane"], "deep" if lane else "flash")
        status = json.loads(self.mix("b", "status").stdout)
        self.assertGreaterEqual(status["pings_answered"], 2)
        self.assertFalse(status["mixes"])
        self.assertGreater(json.loads(self.mix("m0", "status").stdout)["results"]["deep"], 0)
        url = f"http://127.0.0.1:{self.nodes['m0'][1]['mesh_health_port']}/metrics"
        with urllib.request.urlopen(url, timeout=10) as answer:
            metrics = answer.read().decode()
        self.assertIn("hanse_mix_replays_total 0\n", metrics)
        self.assertRegex(metrics, r'hanse_mix_cells_total\{result="deep"\} [1-9]')
        # To the only mix of a stratum there is no way through all three.
        self.refused(3, "router.no_path", "hanse", "mix", "ping", ids["m0"], "--deep", "--socket",
                     self.path("a", "mesh.sock"))

    def test_a_lonely_node_is_degraded_and_the_doctor_says_why(self):
        self.key("a")
        self.config("a", "127.0.0.1:0")
        self.start("a")
        status, health = self.health("a")
        self.assertEqual((status, health["status"], health["peers"]), (503, "degraded", 0))
        done = run("hanse", "mesh", "doctor", "--socket", self.path("a", "mesh.sock"))
        self.assertEqual(done.returncode, 1)
        self.assertIn("BAD   0 peers are connected", done.stdout)
        self.assertIn("mesh.known_peers", done.stdout)
        self.assertEqual(run("hanse", "mesh", "status", "--socket", self.path("a", "mesh.sock")).returncode, 1)
        self.assertFalse(self.mesh("a", "nat")["known"])

    def test_bad_configurations_are_refused_with_their_line(self):
        key = self.key("a")
        for known, mesh, words in ((["x@127.0.0.1:1"], {}, "known_peers"),
                                   ((), {"relay_circuits": 0}, "relay_circuits"),
                                   ((), {"api_peers": ["nobody"]}, "api_peers"), ((), {"relays": True}, "mesh.relays")):
            self.config("a", "127.0.0.1:0", known, **mesh)
            done = run("hanse", "node", "run", "--config", self.path("a", "node.toml"), "--check")
            self.assertEqual(done.returncode, 2, (words, done))
            self.assertIn(words, done.stderr)
            self.assertRegex(done.stderr, r"node\.toml:\d+")
        self.config("a", "127.0.0.1:0", [f"{key}@127.0.0.1:1"])
        self.assertEqual(run("hanse", "node", "run", "--config", self.path("a", "node.toml"), "--check").returncode, 0)

    def test_an_agent_and_its_user_stand_behind_a_machine_and_decide_who_is_let_in(self):
        ids = {name: self.key(name) for name in ("a", "b", "c")}
        agent = self.ok("hanse", "agent", "create", "--out", self.path("agent.json"), "--unencrypted")
        self.ok("hanse", "agent", "create", "--out", self.path("user.json"), "--unencrypted")
        user = self.ok("hanse", "agent", "show", "--key", self.path("user.json"))
        papers = self.path("a", "papers.cbor")
        made = self.ok("hanse", "agent", "certify", "--agent", self.path("agent.json"), "--user",
                       self.path("user.json"), "--machine", ids["a"], "--out", papers)
        self.assertEqual((made["agent"], made["user"], made["machine"]), (agent["agent"], user["user"], ids["a"]))
        shown = self.ok("hanse", "agent", "show", papers)
        self.assertEqual((shown["agent"], shown["user"], shown["caps"]), (agent["agent"], user["user"], 1))
        self.refused(4, "identity.machine", "hanse", "agent", "show", papers, "--machine", ids["b"])
        self.refused(2, "identity.id", "hanse", "agent", "certify", "--agent", self.path("agent.json"),
                     "--machine", agent["agent"], "--out", self.path("x"))
        self.refused(2, "cli.number", "hanse", "agent", "certify", "--agent", self.path("agent.json"),
                     "--machine", ids["a"], "--out", self.path("x"), "--days", 401)
        self.refused(2, "cli.usage", "hanse", "agent", "show")

        self.config("a", "127.0.0.1:0", papers="papers.cbor")
        self.config("b", "127.0.0.1:0", admission="trusted", trust=[user["user"]])
        self.config("c", "127.0.0.1:0")
        for name in ("a", "b", "c"):
            self.start(name)
        where = {name: f"{ids[name]}@{self.nodes[name][1]['mesh'][0]}" for name in ids}
        path = self.dial("b", where["a"])
        self.assertEqual((path["agent"], path["user"]), (agent["agent"], user["user"]))
        self.assertEqual(self.mesh("b", "peers")["paths"][0]["agent"], agent["agent"])
        self.assertIn(agent["agent"], run("hanse", "mesh", "peers", "--socket", self.path("b", "mesh.sock")).stdout)
        papers_in = self.mesh("b", "peers")["paths"][0]["protocols"]["0x06"]["in"]
        self.assertGreater(papers_in, 10_000, "two certificates")
        port = self.nodes["b"][1]["mesh_health_port"]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            line = f'hanse_mesh_protocol_bytes_total{{protocol="0x06",dir="in"}} {papers_in}'
            metrics = answer.read().decode()
            self.assertIn(line, metrics, [each for each in metrics.splitlines() if "protocol_bytes" in each])
        self.assertEqual(self.mesh("a", "id"),
                         {"peer_id": ids["a"], "agent": agent["agent"], "user": user["user"]})
        self.refused(4, "identity.not_trusted", "hanse", "mesh", "dial", where["c"], "--socket",
                     self.path("b", "mesh.sock"))
        self.assertEqual([p["peer"] for p in self.mesh("b", "peers")["paths"]], [ids["a"]])

    def rendezvous(self, name, what, count):
        end = time.monotonic() + 30
        while self.mesh(name, "status")["rendezvous"][what] != count:
            self.assertLess(time.monotonic(), end)

    def test_an_agent_is_found_by_its_id_also_after_it_moved(self):
        agent = self.ok("hanse", "agent", "create", "--out", self.path("agent.json"), "--unencrypted")["agent"]
        pid = os.getpid()
        names = ["c0", "c1", "old", "new", "asker"]
        ids = {name: self.key(name) for name in names}
        address = {name: f"127.{64 + pid // 250 % 64}.{pid % 250}.{i + 101}:12000" for i, name in enumerate(names)}
        coordinators = [f"{ids[name]}@{address[name]}" for name in ("c0", "c1")]
        for name in names:
            papers = {}
            if name in ("old", "new"):
                self.ok("hanse", "agent", "certify", "--agent", self.path("agent.json"), "--machine", ids[name],
                        "--out", self.path(name, "papers.cbor"))
                papers = {"papers": "papers.cbor"}
            self.config(name, address[name], coordinators, coordinator=name.startswith("c"), **papers)
        for name in ("c0", "c1", "old", "asker"):
            self.start(name)
        for name in ("old", "asker"):
            for other in ("c0", "c1"):
                self.dial(name, ids[other])
        self.rendezvous("old", "placed", 2)
        self.rendezvous("asker", "coordinators", 2)
        found = self.mesh("asker", "find", agent)
        self.assertEqual([m["machine"] for m in found["machines"]], [ids["old"]])
        self.assertEqual((found["agent"], found["asked"], found["lied"]), (agent, 2, 0))
        self.assertIn(f"{ids['old']}  told by ",
                      run("hanse", "mesh", "find", agent, "--socket", self.path("asker", "mesh.sock")).stdout)
        self.assertEqual(self.dial("asker", agent)["peer"], ids["old"])
        self.nodes["old"][0].send_signal(signal.SIGTERM)
        self.assertEqual(self.nodes["old"][0].wait(20), 0)
        self.refused(1, "peering.no_agent", "hanse", "mesh", "find", agent, "--socket",
                     self.path("asker", "mesh.sock"))
        self.start("new")
        self.rendezvous("new", "placed", 2)
        self.assertEqual([m["machine"] for m in self.mesh("asker", "find", agent)["machines"]], [ids["new"]])
        self.assertEqual(self.dial("asker", agent)["peer"], ids["new"])
        self.refused(2, "identity.id", "hanse", "mesh", "find", ids["new"], "--socket",
                     self.path("asker", "mesh.sock"))

    def test_a_validators_api_is_reached_through_the_mesh(self):
        net = self.up(providers=0)
        validator = self.path("net", "validator-0")
        names = [n for n in os.listdir(net) if os.path.exists(os.path.join(net, n, "node.toml"))]
        validator = os.path.join(net, names[0])
        self.ok("hanse", "down", "--dir", net)
        client = self.key("client")
        with open(os.path.join(validator, "node.toml"), encoding="utf8") as f:
            config = f.read()
        roles = config.replace('enabled = ["validator", "gateway"]', 'enabled = ["validator", "gateway", "mesh"]')
        self.assertNotEqual(roles, config, config)
        self.write("node.toml", roles + "\n".join([
            "", "[mesh]", 'bind_address = "127.0.0.1:0"', 'health_address = ""', f'api_peers = ["{client}"]', ""]))
        os.replace(self.path("node.toml"), os.path.join(validator, "node.toml"))
        process = subprocess.Popen([os.path.join(BIN, "hansed"), "--config", os.path.join(validator, "node.toml")],
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        ready = json.loads(process.stdout.readline())
        there = self.ok("hanse", "mesh", "id", "--key", os.path.join(validator, "key.json"))["peer_id"]
        self.config("client", "127.0.0.1:0")
        config = self.path("client", "node.toml")
        with open(config, encoding="utf8") as f:
            content = f.read().replace(NETWORK, ready["network"])
        self.write("client/node.toml", content)
        self.start("client")
        self.dial("client", f"{there}@{ready['mesh'][0]}")
        socket = self.path("there.sock")
        self.mesh("client", "forward", there, "--listen", socket)
        health = self.ok("hanse", "node", "health", "--node", f"unix:{socket}")
        self.assertTrue(health["live"])


if __name__ == "__main__":
    unittest.main()

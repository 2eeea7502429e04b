"""What operators see of consensus: health, the vote journal, finality over HTTP, the stream, and the head proof."""
import base64
import json
import os
import socket
import time
import unittest
import urllib.error
import urllib.request

from lab import ROOT, Lab, run

WORDFREQ = os.path.join(ROOT, "examples/jobs/wordfreq.yaml")


class Consensus(Lab):
    def up_with_ports(self):
        os.environ["HANSE_API__WEBSOCKET"] = "127.0.0.1:0"
        self.addCleanup(os.environ.pop, "HANSE_API__WEBSOCKET", None)
        net = self.up(providers=1)
        with open(os.path.join(net, "validator-0/data/ready"), encoding="utf-8") as f:
            return net, json.load(f)

    def get(self, port, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as e:
            return e.code, e.read().decode()

    def document(self, port, path):
        status, body = self.get(port, path)
        self.assertEqual(status, 200, f"{path}: {body}")
        return json.loads(body)

    def final(self, port, height):
        """Certificates come milliseconds after it gets quiet."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            answer = self.document(port, f"/api/v1/consensus/finality/{height}")
            if answer["finality_type"] == "economic":
                return answer
        return self.fail(f"height {height} stays {answer}")

    def test_health_tells_a_node_that_stands_from_one_that_does_not(self):
        net = self.up(providers=0)
        node = f"unix:{net}/validator-0/api.sock"
        health = self.ok("hanse", "node", "health", "--node", node)
        self.assertTrue(health["live"] and health["ready"], health)
        self.assertEqual((health["lag"], health["abstaining"], health["not_ready"]), (0, False, None))
        shown = run("hanse", "node", "health", "--node", node)
        self.assertEqual(shown.returncode, 0)
        self.assertIn("ready      yes\n", shown.stdout)
        self.ok("hanse", "down", "--dir", net)
        self.refused(3, "client.unreachable", "hanse", "node", "health", "--node", node)
        self.write("net/validator-0/data/chain/restored", "")  # as if the folder came out of a backup
        self.ok("hanse", "up", "--dir", net, "--detach")
        done = run("hanse", "node", "health", "--node", node, "--json")
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        health = json.loads(done.stdout)
        self.assertEqual((health["live"], health["ready"], health["abstaining"]), (True, False, True))
        self.assertEqual(health["not_ready"]["id"], "ledger.abstaining")

    def test_the_journal_of_a_stopped_node_is_whole_and_can_be_read(self):
        net = self.up()
        self.ok("hanse", "down", "--dir", net)
        journal = os.path.join(net, "validator-0/data/chain/journal")
        found = self.ok("hanse", "journal", "check", journal)
        self.assertGreater(found["last_seq"], 0)
        self.assertEqual(found["repaired_blocks"], 0)
        records = self.ok("hanse", "journal", "dump", journal, "--limit", 100000)["records"]
        self.assertEqual(records[-1]["seq"], found["last_seq"])
        self.assertLessEqual({"vertex", "prepare", "prepared", "attest"}, {r["type"] for r in records})
        part = self.ok("hanse", "journal", "dump", journal, "--from", records[1]["seq"], "--limit", 2)["records"]
        self.assertEqual(part, records[1:3])
        self.assertIn("prepare", run("hanse", "journal", "dump", journal).stdout)
        self.refused(1, "journal.missing", "hanse", "journal", "check", self.folder)
        self.refused(2, "cli.number", "hanse", "journal", "dump", journal, "--limit", 100001)
        for mirror in "ab":
            with open(os.path.join(journal, f"{mirror}-0.seg"), "r+b") as f:
                f.seek(4096 + 100)
                f.write(b"\xff" * 64)
        self.refused(5, "journal.damaged", "hanse", "journal", "check", journal)
        self.refused(5, "journal.damaged", "hanse", "journal", "dump", journal)

    def test_http_tells_how_final_blocks_are(self):
        net, ready = self.up_with_ports()
        port = ready["http_port"]
        self.assertEqual(self.get(port, "/health/live"), (200, "live\n"))
        self.assertEqual(self.get(port, "/health/ready"), (200, "ready\n"))
        status = self.document(port, "/api/v1/consensus/status")
        self.assertEqual((status["quorum_bp"], status["economic_bp"]), (6700, 8000))
        final = self.final(port, 1)
        self.assertEqual((final["height"], final["finalized"], final["finality_type"]), (1, True, "economic"))
        by_hash = self.document(port, f"/api/v1/consensus/finality/{final['hash']}")
        self.assertEqual((by_hash["height"], by_hash["finality_type"]), (1, "economic"))
        certificate = self.document(port, f"/api/v1/cert/{final['certified_height']}")
        self.assertEqual(certificate["weight_bp"], sum(a["power_bp"] for a in certificate["attests"]))
        self.assertEqual(len(self.document(port, "/api/v1/valset/0")["validators"]), status["validators"])
        block = self.document(port, "/api/v1/blocks/1")
        self.assertIn("proof", self.document(port, f"/api/v1/tx/{block['txs'][0]}/proof"))
        self.assertEqual(self.get(port, "/api/v1/valset/99")[0], 404)
        metrics = self.get(port, "/metrics")[1]
        for name in ("vertices_finalized_total", "current_view", "attest_weight_bp", "lane_lag"):
            self.assertIn(f"\nhanse_consensus_{name} ", metrics)
        self.assertIn('hanse_consensus_finality_time_seconds_count{grade="fast"}', metrics)

    def test_the_stream_tells_of_a_new_block(self):
        net, ready = self.up_with_ports()
        with socket.create_connection(("127.0.0.1", ready["websocket_port"]), timeout=60) as s:
            key = base64.b64encode(os.urandom(16)).decode()
            s.sendall(("GET /api/v1/stream?topics=block.fast,block.economic HTTP/1.1\r\nHost: localhost\r\n"
                       "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                       f"Sec-WebSocket-Key: {key}\r\n\r\n").encode())
            stream = s.makefile("rb")
            self.assertIn(b"101", stream.readline())
            while stream.readline().strip():
                pass
            self.ok("hanse", "submit", WORDFREQ, "--dir", net)
            seen = set()
            while len(seen) < 2:
                head = stream.read(2)
                size = head[1] if head[1] < 126 else int.from_bytes(stream.read(2), "big")
                news = json.loads(stream.read(size))
                self.assertGreater(news["height"], 0)
                seen.add(news["topic"])
            self.assertEqual(seen, {"block.fast", "block.economic"})

    def test_the_head_proof_holds_offline_and_no_byte_of_it_can_change(self):
        net = self.up(validators=4)
        path, genesis = self.path("head.json"), os.path.join(net, "genesis.cbor")
        made = self.ok("hanse", "wq", "prove", "--dir", net, "--out", path, "--seed", 7)
        self.assertGreaterEqual(made["permutations"], 1000)
        self.assertEqual(made["validators"], 4)
        self.assertGreaterEqual(made["weight_bp"], 6700)
        self.ok("hanse", "down", "--dir", net)
        self.assertEqual(self.ok("hanse", "wq", "verify", path, "--genesis", genesis), made)
        with open(path, "rb") as f:
            good = f.read()
        for at in range(0, len(good), max(1, len(good) // 40)):
            bad = bytearray(good)
            bad[at] ^= 1
            done = run("hanse", "wq", "verify", self.write("bad.json", bytes(bad)), "--genesis", genesis)
            self.assertNotEqual(done.returncode, 0, at)
        self.refused(5, "light.head_file", "hanse", "wq", "verify", self.write("more.json", good + b"\n"), "--genesis",
                     genesis)
        self.refused(1, "cli.network_folder", "hanse", "wq", "prove", "--dir", self.path("nowhere"))

    def test_node_keygen_and_version_are_the_same_commands(self):
        made = self.ok("hanse", "node", "keygen", "--out", self.path("key.json"), "--unencrypted")
        self.assertFalse(made["encrypted"])
        self.assertEqual(self.ok("hanse", "node", "version"), self.ok("hanse", "version"))


if __name__ == "__main__":
    unittest.main()

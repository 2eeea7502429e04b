#!/usr/bin/env python3
"""Six bootstrap nodes, each in a network of its own, are one mesh; what `hanse mesh check` says when one is gone."""
import json
import os
import shutil
import sys
import tempfile
import unittest

from lab import ROOT, SKIPPED, Lab, what_is_missing
from mesh import PORT, MeshNode, wait_for

HEALTH_CHECK = os.path.join(ROOT, "deploy/health-check.sh")


class Bootstrap(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="hanse-natlab-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.lab, self.made = Lab(), 0
        self.addCleanup(self.lab.close)
        self.nodes = [MeshNode(self.lab, self.lab.public(), os.path.join(self.folder, str(i))) for i in range(6)]
        for node in self.nodes:
            node.configure([n for n in self.nodes if n is not node], health_address="127.0.0.1:12600",
                           coordinator=True, reflector=True, relay=True)

    def start_all(self):
        for node in self.nodes:
            node.begin()
        for node in self.nodes:
            node.await_ready()
        took_s = wait_for(lambda: self.nodes[0].ask("check", wait_ms=200)["whole"], 20, "six nodes are one mesh")
        print(f"\nsix nodes are one mesh after {took_s * 1e3:.0f} ms", end="")

    def health(self, node):
        done = node.host.run("bash", HEALTH_CHECK, os.path.join(node.folder, "node.toml"))
        said = done.stdout.removeprefix("local ")
        return done.returncode, json.loads(said) if said.startswith("{") else {}

    def links(self, found):
        return {frozenset(pair) for pair in found["missing"]}

    def test_six_are_one_mesh_and_each_says_so(self):
        self.start_all()
        for node in self.nodes:
            code, found = node.mesh("check")
            self.assertEqual((code, found["whole"], found["missing"]), (0, True, []), found)
            self.assertEqual([n["links"] for n in found["nodes"]], [5] * 6)
            code, health = self.health(node)
            self.assertEqual((code, health["status"], health["peers"], health["peer_id"]),
                             (0, "healthy", 5, node.id), health)
            self.assertEqual(sorted(health["roles"]), ["coordinator", "reflector", "relay"])

    def test_the_links_of_one_that_was_killed_are_named(self):
        self.start_all()
        gone = self.nodes[3]
        gone.kill()
        rest = [n for n in self.nodes if n is not gone]
        expected = {frozenset((gone.id, n.id)) for n in rest}
        wait_for(lambda: self.links(rest[0].mesh("check", "--wait-ms", 1000)[1]) == expected, 60,
                 f"its five links are missing and no other; found {rest[0].mesh('check')}")
        code, found = rest[0].mesh("check", "--wait-ms", 1000)
        self.assertEqual((code, found["whole"]), (1, False))
        answered = {n["peer"]: n["answered"] for n in found["nodes"]}
        self.assertEqual(answered, {n.id: n is not gone for n in self.nodes})
        gone.start()
        took_s = wait_for(lambda: rest[0].ask("check", wait_ms=200)["whole"], 90, "the mesh is whole again")
        print(f"\nwhole again {took_s * 1e3:.0f} ms after one is back", end="")

    def test_one_alone_is_degraded(self):
        node = self.nodes[0]
        node.start()
        code, health = self.health(node)
        self.assertEqual((code, health["status"], health["peers"]), (1, "degraded", 0), health)
        code, found = node.mesh("check", "--wait-ms", 500)
        self.assertEqual((code, len(found["missing"])), (1, 15))
        self.assertEqual(node.stop(), 0)
        self.assertEqual(self.health(node)[0], 3, "nobody answers")

    def test_a_role_that_is_off_is_not_played(self):
        """Nobody answers STUN, carries datagrams or brings peers together unless it is told to."""
        request = bytes.fromhex("000100142112a442") + bytes(12) + bytes.fromhex("80220010") + b" " * 16
        asks = self.lab.public().udp(5000)
        for roles in ((), ("reflector",), ("reflector", "coordinator"), ("reflector", "relay")):
            with self.subTest(" ".join(roles) or "none"):
                server = self.fresh("server", self.lab.public(), [], standalone=True, **{role: True for role in roles})
                a, b = (self.fresh(name, self.lab.host("moderate"), [server]) for name in "ab")
                for node in (a, b):
                    wait_for(lambda n=node: n.path_to(server), 10, "the server is reached")
                asks.sendto(request, (server.host.address, PORT))
                if "reflector" in roles:
                    wait_for(lambda: self.answered(asks), 5, "a reflector answers")
                    for node in (a, b):
                        wait_for(lambda n=node: n.ask("nat")["known"], 10, "the NAT is known")
                code, path = a.mesh("dial", b.id, "--relay", server.id, "--wait-ms", 4000)
                if "relay" in roles or "coordinator" in roles:
                    self.assertEqual(code, 0, path)
                if code != 0:  # two who know each other's address may meet without help
                    self.assertEqual((code, path["error"]["id"]), (3, "peering.timeout"))
                elif "relay" not in roles:
                    self.assertEqual(path["path"], "direct")
                self.assertEqual(a.ask("nat")["relays"], [server.id] if "relay" in roles else [])
                self.assertFalse(self.answered(asks), "four seconds later, too")
                for node in (a, b, server):
                    node.kill()

    def fresh(self, name, host, known, **settings):
        self.made += 1
        return MeshNode(self.lab, host, os.path.join(self.folder, f"{name}{self.made}"), known, **settings).start()

    def answered(self, s):
        try:
            return s.recvfrom(2048)[0][:2] == b"\x01\x01"
        except BlockingIOError:
            return False


if __name__ == "__main__":
    if missing := what_is_missing():
        print(f"natlab: skipped, {missing}")
        sys.exit(SKIPPED)
    unittest.main()

#!/usr/bin/env python3
"""Two nodes behind any two of six NATs find a direct path, or use a relay where there is none to be found.

As the simulated matrix of src/mesh/nat/punch_test.cc, with the kernel's NATs and whole daemons. Two bootstrap nodes in
networks of their own are reflectors, relays and coordinators. $HANSE_NATLAB_ROUNDS: how often a moderate NAT meets a
strict one (default 20).
"""
import os
import shutil
import sys
import tempfile
import time
import unittest

from lab import KINDS, SKIPPED, Lab, what_is_missing
from mesh import MeshNode, wait_for

MAPPINGS = {"none": "none", "endpoint": "endpoint", "flow": "address_port"}
RULES = {"kept": "preserved", "counting": "delta", "random": "random"}


def hopeless(a, b):
    """Neither side has a port to aim at."""
    return "strict" in (a, b) and {a, b} <= {"strict", "counting"}


def guessed(a, b):
    return {a, b} == {"moderate", "strict"}


class Meetings(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="hanse-natlab-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.lab = Lab()
        self.addCleanup(self.lab.close)
        self.nodes = 0
        roles = {"coordinator": True, "reflector": True, "relay": True}
        self.first = self.node(self.lab.public(), standalone=True, **roles).start()
        self.second = self.node(self.lab.public(), [self.first], **roles).start()

    def node(self, host, known=(), **settings):
        self.nodes += 1
        return MeshNode(self.lab, host, os.path.join(self.folder, str(self.nodes)), known, **settings)

    def pairs(self, kinds, **options):
        """A pair of settled nodes for each pair of kinds."""
        pairs = []
        for pair in kinds:
            hosts = [self.lab.host(kind, **options) for kind in pair]
            pairs.append([self.node(host, [self.first, self.second], speed_test=True) for host in hosts])
        everybody = [node for pair in pairs for node in pair]
        for node in everybody:
            node.begin()
        for node in everybody:
            node.await_ready()
        for node in everybody:
            wait_for(node.settled, 30, "its NAT is known, and a relay has a place for it")
        return pairs

    def meet(self, kinds, a, b, within_s):
        """How they met: ("direct" or "relay", plan, seconds until connected, seconds until direct)."""
        began = time.monotonic()
        up = a.ask("dial", peer=b.id, relays=[self.first.id], wait_ms=5000)
        up_s = time.monotonic() - began
        self.assertLessEqual(up_s, 2, f"{kinds}: connected at last, by {up}")
        if hopeless(*kinds):
            speed = a.ask("speed", peer=b.id, bytes=32 << 10, wait_ms=10_000)
            self.assertEqual(speed["bytes"], 32 << 10)
            wait_for(lambda: a.path_to(b)["punch"], 5, f"{kinds}: both have said what they are behind")
            return "relay", a.path_to(b)["punch"], up_s, None
        try:
            path = a.ask("dial", peer=b.id, direct=True, wait_ms=int(within_s * 1000))
        except RuntimeError as why:
            return "relay", str(why), up_s, None
        direct_s = time.monotonic() - began
        wait_for(lambda: (b.path_to(a) or {}).get("path") == "direct", 2, f"{kinds}: both say that the path is direct")
        return path["path"], path["punch"], up_s, direct_s

    def end(self, pairs):
        for pair in pairs:
            for node in pair:
                node.kill()

    def test_every_pair_of_nats(self):
        print("\nconnected / direct after ms, plan")
        print(" " * 11 + "".join(f"{kind:24}" for kind in KINDS))
        for a in KINDS:
            cells = []
            for kinds in [(a, b) for b in KINDS]:
                with self.subTest(" x ".join(kinds)):
                    pairs = self.pairs([kinds])  # one at a time: nodes that know each other meet by themselves
                    (x, y), = pairs
                    for kind, node in zip(kinds, (x, y)):
                        nat = node.ask("nat")
                        self.assertEqual((nat["mapping"], nat["port_rule"]),
                                         (MAPPINGS[KINDS[kind][0]], RULES[KINDS[kind][2]]), kind)
                    how, plan, up_s, direct_s = self.meet(kinds, x, y, 10 if guessed(*kinds) else 5)
                    found = f"/ {direct_s * 1e3:.0f} {plan}" if direct_s else "relay"
                    cells.append(f"{up_s * 1e3:.0f} {found}")
                    self.assertEqual(how, "relay" if hopeless(*kinds) else "direct", plan)
                    if hopeless(*kinds):
                        self.assertEqual(plan, "relay", "no probes are wasted")
                    self.end(pairs)
            print(f"{a:11}" + "".join(f"{cell:24}" for cell in cells), flush=True)

    def test_moderate_meets_strict_again_and_again(self):
        rounds = int(os.environ.get("HANSE_NATLAB_ROUNDS", "20"))
        direct, slowest_s, sum_s = 0, 0.0, 0.0
        for i in range(rounds):
            pair = ("moderate", "strict")[::1 - 2 * (i % 2)]
            (x, y), = pairs = self.pairs([pair])
            how, _, _, direct_s = self.meet(pair, x, y, 10)
            if how == "direct":
                direct, slowest_s, sum_s = direct + 1, max(slowest_s, direct_s), sum_s + direct_s
            self.end(pairs)
        print(f"\nmoderate x strict: {direct} of {rounds} direct, mean {sum_s / max(direct, 1) * 1e3:.0f} ms, "
              f"slowest {slowest_s * 1e3:.0f} ms")
        self.assertGreaterEqual(direct * 100, 95 * rounds)

    def test_over_slow_and_lossy_lines(self):
        kinds = [("moderate", "moderate"), ("counting", "moderate"), ("addr_restr", "strict"), ("open", "counting")]
        for pair in kinds:
            with self.subTest(" x ".join(pair)):
                (x, y), = pairs = self.pairs([pair], wire=["delay 20ms", "jitter 3ms", "loss 2%", "burst 2"])
                how, plan, up_s, direct_s = self.meet(pair, x, y, 10)
                self.assertEqual(how, "direct", plan)
                print(f"\n{' x '.join(pair)}, 40 ms one way, 4 % lost: connected after {up_s * 1e3:.0f} ms, direct "
                      f"after {direct_s * 1e3:.0f} ms ({plan})", end="", flush=True)
                self.end(pairs)

    def test_two_firewalls_of_ipv6(self):
        (x, y), = self.pairs([("firewall", "firewall")])
        how, plan, up_s, direct_s = self.meet(("firewall", "firewall"), x, y, 5)
        self.assertEqual(how, "direct", plan)
        self.assertTrue(x.path_to(y)["address"].startswith("[2001:db8:"))
        print(f"\nfirewalls of IPv6: connected after {up_s * 1e3:.0f} ms, direct after {direct_s * 1e3:.0f} ms "
              f"({plan})", end="", flush=True)

    def test_behind_a_carriers_nat(self):
        """A NAT above the NAT: as strict as the stricter one."""
        for carrier, expected in (("moderate", "direct"), ("strict", "relay")):
            with self.subTest(carrier):
                (x, y), = self.pairs([("moderate", "strict" if carrier == "strict" else "moderate")], carrier=carrier)
                kinds = ("strict", "strict") if expected == "relay" else ("moderate", "moderate")
                how, plan, _, _ = self.meet(kinds, x, y, 5)
                self.assertEqual(how, expected, plan)


if __name__ == "__main__":
    if missing := what_is_missing():
        print(f"natlab: skipped, {missing}")
        sys.exit(SKIPPED)
    unittest.main()
